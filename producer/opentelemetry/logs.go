package opentelemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// LogHandler returns a handler that passes records to next. If the context of a
// record has a span, LogHandler adds the attributes trace_id and span_id. Give
// the logger to avroline with producer.WithLogger and registry.WithLogger. Log
// with a context, for example with [slog.Logger.InfoContext]. After WithGroup,
// the attributes are in the group. LogHandler panics if next is nil.
func LogHandler(next slog.Handler) slog.Handler {
	if next == nil {
		panic("opentelemetry: LogHandler: the handler is nil")
	}
	return logHandler{next}
}

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

package opentelemetry_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/producer/opentelemetry"
)

// TestLogHandler checks that exactly the records with a span get the span's
// ids.
func TestLogHandler(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	plain := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(opentelemetry.LogHandler(plain))
	inSpan := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2},
	}))
	log.InfoContext(inSpan, "in_span", "n", 1)
	log.With("a", 1).InfoContext(inSpan, "with")
	log.WithGroup("g").InfoContext(inSpan, "group")
	log.Info("no_context")
	log.DebugContext(inSpan, "not_enabled")
	const ids = "trace_id=01000000000000000000000000000000 span_id=0200000000000000"
	want := []string{
		"level=INFO msg=in_span n=1 " + ids,
		"level=INFO msg=with a=1 " + ids,
		"level=INFO msg=group g." + strings.ReplaceAll(ids, " ", " g."),
		"level=INFO msg=no_context",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(out.String()), "\n")); diff != "" {
		t.Error(diff)
	}
}

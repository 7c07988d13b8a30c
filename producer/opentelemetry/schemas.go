package opentelemetry

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

type (
	requestKey struct{}
	lookupKey  struct{}
	sourceKey  struct{}
)

// Registry returns an option for registry clients. The option makes a span for
// each request, and records the metrics of look-ups. The context of the HTTP
// request contains the span, but the headers of the request do not.
func (t *Telemetry) Registry() registry.Option {
	return registry.WithHooks(registry.Hooks{
		Answered: func(ctx context.Context, a registry.Answered) {
			labels := []attribute.KeyValue{keyOperation.String(a.Operation), keyOrigin.String(a.Origin.String())}
			if a.Err != nil {
				labels = append(labels, semconv.ErrorTypeKey.String(registryFailure(a.Err, 0)))
			}
			t.metrics.lookups.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(labels...)))
		},
		StartRequest: func(ctx context.Context, r registry.Request) context.Context {
			ctx, span := t.tracer.Start(ctx, r.Method+" "+r.Route, trace.WithSpanKind(trace.SpanKindClient),
				trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLTemplate(r.Route), semconv.URLPath(r.Path)))
			return context.WithValue(ctx, requestKey{}, span)
		},
		EndRequest: t.endRequest,
	})
}

func (t *Telemetry) endRequest(ctx context.Context, r registry.Request, e registry.Response) {
	span, ok := ctx.Value(requestKey{}).(trace.Span)
	if !ok {
		return
	}
	labels := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLTemplate(r.Route)}
	if e.Status != 0 {
		labels = append(labels, semconv.HTTPResponseStatusCode(e.Status))
	}
	if e.Err != nil {
		kind := registryFailure(e.Err, e.Status)
		fail(span, e.Err, kind)
		labels = append(labels, semconv.ErrorTypeKey.String(kind))
	}
	span.SetAttributes(labels...)
	span.SetAttributes(keyURLs.Int(e.URLs))
	if e.Attempts > 1 {
		span.SetAttributes(semconv.HTTPRequestResendCount(e.Attempts - 1))
	}
	if u, err := url.Parse(e.URL); err == nil && u.Hostname() != "" {
		span.SetAttributes(semconv.ServerAddress(u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			span.SetAttributes(semconv.ServerPort(port))
		}
	}
	span.End()
	t.metrics.request.Record(ctx, e.Took.Seconds(), metric.WithAttributeSet(attribute.NewSet(labels...)))
}

// registryFailure returns the error.type of a request. The result is the HTTP
// status, or a word.
func registryFailure(err error, status int) string {
	switch {
	case status >= 400:
		return strconv.Itoa(status)
	case errors.Is(err, registry.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return string(producer.ReasonContext)
	}
	return string(producer.ReasonOther)
}

// Serde returns an option for serializers and deserializers. The option makes a
// span for each look-up that is not in the cache, and records the time of
// planning. The requests to the registry are children of the span.
func (t *Telemetry) Serde() serde.CommonOption {
	return serde.WithHooks(serde.Hooks{
		StartLookup: func(ctx context.Context, l serde.Lookup) context.Context {
			attributes := []attribute.KeyValue{keyPart.String(l.Part.String())}
			if l.Topic != "" {
				attributes = append(attributes, semconv.MessagingDestinationName(valid(l.Topic)))
			}
			ctx, span := t.tracer.Start(ctx, spanLookup, trace.WithAttributes(attributes...))
			return context.WithValue(ctx, lookupKey{}, span)
		},
		EndLookup: func(ctx context.Context, _ serde.Lookup, e serde.LookupEnd) {
			span, ok := ctx.Value(lookupKey{}).(trace.Span)
			if !ok {
				return
			}
			span.SetAttributes(keyRecord.String(e.Record), keySubject.String(valid(e.Subject)), keySchemaID.Int(e.ID))
			fail(span, e.Err, string(producer.ReasonOf(e.Err)))
			span.End()
		},
		Planned: func(ctx context.Context, p serde.Plan) { t.metrics.plan.Record(ctx, p.Took.Seconds()) },
	})
}

// Source returns an option for sources. The option makes a span for each
// transaction, and records the metrics of the items. name tells the sources of
// a program apart, in the attribute avroline.source.name. Package outbox
// accepts the option in WithSource.
func (t *Telemetry) Source(name string) source.Option {
	id := &sourceID{valid(name)}
	return source.WithHooks(source.Hooks{
		StartTransaction: func(ctx context.Context, n int) context.Context {
			ctx, span := t.tracer.Start(ctx, spanSource, trace.WithAttributes(keySource.String(id.name), keyShard.Int(n)))
			return context.WithValue(context.WithValue(ctx, sourceKey{}, span), weakParent{}, true)
		},
		Committed: func(ctx context.Context, c source.Commit) {
			if span, ok := ctx.Value(sourceKey{}).(trace.Span); ok {
				span.SetAttributes(keyItems.Int(c.Items))
				span.End()
			}
			t.metrics.sourceItems.Add(ctx, int64(c.Items), metric.WithAttributes(keySource.String(id.name), keyShard.Int(c.Shard)))
		},
		Aborted: func(ctx context.Context, _ int, err error) {
			if span, ok := ctx.Value(sourceKey{}).(trace.Span); ok {
				fail(span, err, string(producer.ReasonOf(err)))
				span.End()
			}
		},
		Stopped: func(_ context.Context, n int, _ error) { t.levels.noteSource(id, n, -1) },
		Lag:     func(_ context.Context, n int, lag source.Lag) { t.levels.noteSource(id, n, lag.Items) },
	})
}

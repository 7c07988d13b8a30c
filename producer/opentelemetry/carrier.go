package opentelemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/serde"
)

// carrier reads and writes the headers of a message.
type carrier struct{ headers *[]serde.Header }

var _ propagation.TextMapCarrier = carrier{}

// Get returns the last header with the key, because a later header replaces an
// earlier one.
func (c carrier) Get(key string) string {
	for _, h := range slices.Backward(*c.headers) {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// Set replaces all headers with the key.
func (c carrier) Set(key, value string) {
	c.remove(key)
	*c.headers = append(*c.headers, serde.Header{Key: key, Value: []byte(value)})
}

func (c carrier) remove(key string) {
	*c.headers = slices.DeleteFunc(*c.headers, func(h serde.Header) bool { return h.Key == key })
}

func (c carrier) Keys() []string {
	keys := make([]string, len(*c.headers))
	for i, h := range *c.headers {
		keys[i] = h.Key
	}
	return keys
}

// inject writes the context of ctx into headers, and replaces an older context.
// If ctx has no baggage, the baggage in the headers stays.
func (t *Telemetry) inject(ctx context.Context, headers *[]serde.Header) {
	c := carrier{headers}
	if len(*headers) > 0 && trace.SpanContextFromContext(ctx).IsValid() {
		for _, key := range t.fields {
			c.remove(key)
		}
	}
	t.config.propagator.Inject(ctx, c)
}

// Extract returns ctx with the trace context and the baggage in the headers of
// a message. Without such headers, Extract returns ctx.
func (t *Telemetry) Extract(ctx context.Context, headers []serde.Header) context.Context {
	return t.config.propagator.Extract(ctx, carrier{&headers})
}

// Headers returns a copy of h with the trace context of ctx. Headers is an
// outbox.HeadersFunc. The relay then publishes the event in the trace of the
// request that wrote the event.
func (t *Telemetry) Headers(ctx context.Context, _ string, h []serde.Header) []serde.Header {
	h = slices.Clone(h)
	t.inject(ctx, &h)
	return h
}

// carried returns the span context in headers.
func (t *Telemetry) carried(headers []serde.Header) trace.SpanContext {
	return trace.SpanContextFromContext(t.Extract(context.Background(), headers))
}

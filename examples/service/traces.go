package main

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/avroline/avroline/producer/opentelemetry"
)

// traces are the traces of the service. A trace begins with an HTTP request. It
// continues in the published event, in the processor, and in the events that
// the processor publishes.
type traces struct {
	*opentelemetry.Telemetry
	provider trace.TracerProvider
	close    func(ctx context.Context) error
}

// openTraces sends the traces by OTLP over HTTP if config.traces is true. The
// exporter reads the standard variables, for example
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME
// and OTEL_TRACES_SAMPLER. If config.traces is false, the service makes no
// spans, but still copies the trace context of a request into the events.
func openTraces(ctx context.Context, c config) (*traces, error) {
	t := &traces{provider: noop.NewTracerProvider(), close: func(context.Context) error { return nil }}
	if c.traces {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("traces: %w", err)
		}
		about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("avroline-service")), resource.WithFromEnv(), resource.WithTelemetrySDK())
		if err != nil {
			return nil, fmt.Errorf("traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
		t.provider, t.close = provider, provider.Shutdown
	}
	var err error
	t.Telemetry, err = opentelemetry.New(opentelemetry.WithTracerProvider(t.provider),
		opentelemetry.WithMeterProvider(noopmetric.NewMeterProvider())) // Prometheus has the metrics, so OpenTelemetry writes none
	return t, err
}

// handler makes a span for each request to h. The parent of the span is the
// trace context in the request's headers.
func (t *traces) handler(h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, "", otelhttp.WithTracerProvider(t.provider), otelhttp.WithMeterProvider(noopmetric.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})))
}

package opentelemetry_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/opentelemetry"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A program gives one Telemetry to all its parts. This example keeps the spans
// in memory.
func Example() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	telemetry := must(opentelemetry.New(opentelemetry.WithTracerProvider(provider)))

	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 3)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}, telemetry.Registry()))
	ser := must(serde.NewSerializer(reg, telemetry.Serde()))
	p := must(producer.New(broker.Addrs(), ser, telemetry.Producer()))

	placed := producer.NewTopic("orders", producer.NoKey[*orders.OrderCreated]())
	must(placed.Publish(ctx, p, &orders.OrderCreated{Customer: "ada"}))
	fmt.Println(p.Close(ctx))
	for _, s := range spans.GetSpans() {
		if s.SpanKind.String() == "producer" {
			fmt.Println(s.Name)
		}
	}
	// Output:
	// <nil>
	// publish orders
}

// LogHandler adds the ids of the trace to each log line, so that a log line
// leads to its trace.
func ExampleLogHandler() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	logger := slog.New(opentelemetry.LogHandler(plain))

	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2},
	}))
	logger.InfoContext(ctx, "order_placed")
	// Output: msg=order_placed trace_id=00000000000000000000000000000001 span_id=0000000000000002
}

package opentelemetry_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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

package producer_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// Publish a typed event and read it back. The broker and the registry run in
// this process. The code is examples/quickstart with a fixed order.
func Example() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 3)))
	defer broker.Close()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	p := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg))))

	order := orders.OrderCreated{
		OrderID:    uuid.MustParse("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"),
		Customer:   "ada",
		TotalCents: 4200,
		At:         time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	d := must(topic.Publish(ctx, p, &order))
	fmt.Printf("written: topic %s, partition %d, offset %d, schema id %d\n", d.Topic, d.Partition, d.Offset, d.ValueSchemaID)
	for r, err := range producertest.Read(ctx, broker, "orders", must(serde.NewDeserializer[orders.OrderCreated](reg))) {
		e := must(r.Value, err)
		fmt.Println("read:   ", e.OrderID, e.Customer, e.TotalCents, e.At)
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// written: topic orders, partition 0, offset 0, schema id 1
	// read:    0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b ada 4200 2026-01-02 03:04:05 +0000 UTC
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// Quickstart publishes one typed event and reads it back. The broker and the
// registry run in this process, so there is nothing to install.
package main

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

func main() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 3)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	p := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg))))

	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	d := must(topic.Publish(ctx, p, &orders.OrderCreated{OrderID: uuid.New(), Customer: "ada", TotalCents: 4200, At: time.Now()}))
	fmt.Printf("written: topic %s, partition %d, offset %d, schema id %d\n", d.Topic, d.Partition, d.Offset, d.ValueSchemaID)
	for r, err := range producertest.Read(ctx, broker, "orders", must(serde.NewDeserializer[orders.OrderCreated](reg))) {
		fmt.Printf("read:    %+v\n", *must(r.Value, err))
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

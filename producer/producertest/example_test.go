package producertest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// The broker applies a request and loses the answer. The producer sends the
// batch again, and the event is in the log once.
func ExampleBroker_DropAnswers() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	p := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg))))

	topic := producer.NewTopic("orders", producer.NoKey[*orders.OrderCancelled]())
	broker.DropAnswers(1)
	must(topic.Publish(ctx, p, &orders.OrderCancelled{Reason: "sold out"}))

	for r, err := range producertest.Read(ctx, broker, "orders", must(serde.NewDeserializer[orders.OrderCancelled](reg))) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Offset, r.Value.Reason)
	}
	fmt.Println(p.Close(ctx))
	// Output:
	// 0 sold out
	// <nil>
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A test of a consumer puts messages into the broker. A test of a producer
// reads the records back.
func ExampleNewBroker() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	if err := broker.Put("orders", []byte("ada"), []byte("from another program")); err != nil {
		log.Fatal(err)
	}
	for r, err := range producertest.ReadRaw(ctx, broker, "orders") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", r.Key, *r.Value)
	}
	// Output: ada: from another program
}

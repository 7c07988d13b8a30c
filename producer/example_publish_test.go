package producer_test

import (
	"context"
	"errors"
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

// The topic of the examples. The key is the customer, so that the orders of a
// customer keep their order.
var placed = producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.Customer }))

// shop starts a broker and returns a serializer, like in a service. Both run in
// this process.
func shop() (brokers []string, serializer *serde.Serializer, end func()) {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	return broker.Addrs(), must(serde.NewSerializer(reg)), func() {
		reg.Close()
		server.Close()
		broker.Close()
	}
}

func order(customer string, cents int64) *orders.OrderCreated {
	return &orders.OrderCreated{OrderID: uuid.New(), Customer: customer, TotalCents: cents, At: time.Now()}
}

// The callback gets the outcome of the message. If PublishAsync returns an
// error, the message was refused and the callback is not called.
func ExampleTopic_PublishAsync() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	err := placed.PublishAsync(ctx, p, order("ada", 4200), func(d producer.Delivery, err error) {
		switch {
		case err == nil:
			fmt.Println("in the log at offset", d.Offset)
		case errors.Is(err, producer.ErrNotSent):
			fmt.Println("in no log:", err)
		case errors.Is(err, producer.ErrOutcomeUnknown):
			fmt.Println("perhaps in the log:", err)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Close waits for the outcomes.
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: in the log at offset 0
}

// A future waits later, for example after other work.
func ExampleTopic_PublishFuture() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	future := must(placed.PublishFuture(ctx, p, order("ada", 4200)))
	d := must(future.Wait(ctx))
	fmt.Println("offset", d.Offset)
	fmt.Println(p.Close(ctx))
	// Output:
	// offset 0
	// <nil>
}

// PublishAll publishes many records and returns the outcome of each.
func ExampleTopic_PublishAll() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	results, err := placed.PublishAll(ctx, p, []*orders.OrderCreated{order("ada", 1), nil, order("eve", 2)})
	fmt.Println(err != nil)
	for i, r := range results {
		fmt.Println(i, r.Err == nil, errors.Is(r.Err, producer.ErrNotSent))
	}
	fmt.Println(p.Close(ctx))
	// Output:
	// true
	// 0 true false
	// 1 false true
	// 2 true false
	// <nil>
}

// A Message has headers, a timestamp, a partition, or a key of its own. A
// tombstone is a message without a value. On a compacted topic it deletes the
// key.
func ExampleTopic_Send() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	d := must(placed.Send(ctx, p, producer.Message[*orders.OrderCreated]{
		Value:     order("ada", 4200),
		Headers:   []serde.Header{{Key: "tenant", Value: []byte("north")}},
		Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Partition: producer.ToPartition(0),
	}))
	fmt.Println("partition", d.Partition, "offset", d.Offset)
	d = must(placed.Send(ctx, p, producer.Message[*orders.OrderCreated]{Key: producer.StringKey("ada"), Tombstone: true}))
	fmt.Println("partition", d.Partition, "offset", d.Offset)
	fmt.Println(p.Close(ctx))
	// Output:
	// partition 0 offset 0
	// partition 0 offset 1
	// <nil>
}

// InTx commits if the function returns nil, and aborts otherwise.
func ExampleTransactional_InTx() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	tp := must(producer.NewTransactional(brokers, "shop-0", serializer))

	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		return errors.Join(
			placed.Add(ctx, tx, order("ada", 4200)),
			placed.Add(ctx, tx, order("eve", 1300)),
		)
	})
	fmt.Println("committed:", err == nil)

	soldOut := errors.New("sold out")
	err = tp.InTx(ctx, func(tx *producer.Tx) error {
		if err := placed.Add(ctx, tx, order("bob", 100)); err != nil {
			return err
		}
		return soldOut
	})
	fmt.Println("aborted:", errors.Is(err, producer.ErrNotSent), errors.Is(err, soldOut))
	fmt.Println(tp.Close(ctx))
	// Output:
	// committed: true
	// aborted: true true
	// <nil>
}

// Prepare reports all problems before the first event: topics that do not
// exist, permissions that are missing, schemas that the registry refuses.
func ExampleProducer_Prepare() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	fmt.Println("orders:", p.Prepare(ctx, placed))
	payments := producer.NewTopic("payments", producer.NoKey[*orders.OrderCreated]())
	fmt.Println("payments exists:", p.Prepare(ctx, payments) == nil)
	fmt.Println(p.Close(ctx))
	// Output:
	// orders: <nil>
	// payments exists: false
	// <nil>
}

// Hooks follow a message from start to end. The token of Start comes back with
// the outcome, so that a span or a timer can be ended.
func ExampleWithHooks() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer, producer.WithHooks(producer.Hooks{
		Start: func(_ context.Context, s *producer.Start) any {
			*s.Headers = append(*s.Headers, serde.Header{Key: "tenant", Value: []byte("north")})
			return s.Topic
		},
		Refused: func(token any, err error) { fmt.Println(token, "refused:", err != nil) },
		Outcome: func(token any, o producer.Outcome) {
			fmt.Println(token, "at offset", o.Delivery.Offset, "error", o.Err)
		},
	})))

	_, err := placed.Publish(ctx, p, nil)
	fmt.Println("an error:", err != nil)
	must(placed.Publish(ctx, p, order("ada", 4200)))
	fmt.Println(p.Close(ctx)) // waits for the hooks too
	// Output:
	// orders refused: true
	// an error: true
	// orders at offset 0 error <nil>
	// <nil>
}

// Health does no I/O, so a readiness probe may ask often.
func ExampleProducer_Health() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	must(placed.Publish(ctx, p, order("ada", 4200)))
	h := p.Health()
	fmt.Println(h.Ready, h.Reason, h.InFlight, len(h.Stuck))
	fmt.Println(p.Close(ctx))
	// Output:
	// true <nil> 0 0
	// <nil>
}

package processor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
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

// A processor books orders. For each order, the processor writes a ledger
// entry.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 3), producertest.WithTopic("ledger", 3), producertest.WithTopic("orders.dead", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	ser := must(serde.NewSerializer(reg))
	placed := producer.NewTopic("orders", producer.KeyBy(func(o *orders.OrderCreated) string { return o.OrderID.String() }))
	p := must(producer.New(broker.Addrs(), ser))
	must(placed.Publish(ctx, p, &orders.OrderCreated{OrderID: uuid.New(), Customer: "ada", TotalCents: 4200, At: time.Now()}))

	entries := producer.NewTopic("ledger", producer.KeyBy(func(e *ledger.LedgerEntry) string { return e.Account }))
	booked := make(chan struct{})
	book := must(processor.New(broker.Addrs(), "booking-0", "booking", []string{"orders"}, must(serde.NewDeserializer[orders.OrderCreated](reg)), ser,
		func(ctx context.Context, tx *producer.Tx, m processor.Consumed[orders.OrderCreated]) error {
			if m.Value.TotalCents < 0 {
				return processor.Poison(errors.New("less than nothing"))
			}
			tx.OnEnd(func(err error) {
				if err == nil {
					close(booked)
				}
			})
			return entries.Add(ctx, tx, &ledger.LedgerEntry{Account: m.Value.Customer, Cents: -m.Value.TotalCents})
		}, processor.WithBadHandler(processor.DeadLetter("orders.dead"))))
	running, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- book.Run(running) }()
	<-booked
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	for r, err := range producertest.Read(ctx, broker, "ledger", must(serde.NewDeserializer[ledger.LedgerEntry](reg))) {
		fmt.Println(must(r.Value, err).Account, r.Value.Cents)
	}
	// Output: ada -4200
}

// DeadLetter writes a message that cannot be decoded to another topic, in the
// same transaction, and the processor goes on.
func ExampleDeadLetter() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1), producertest.WithTopic("orders.dead", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	if err := broker.Put("orders", nil, []byte("no schema id")); err != nil {
		log.Fatal(err)
	}

	handled := make(chan struct{})
	dead := processor.DeadLetter("orders.dead")
	book := must(processor.New(broker.Addrs(), "booking-0", "booking", []string{"orders"},
		must(serde.NewDeserializer[orders.OrderCreated](reg)), must(serde.NewSerializer(reg)),
		func(context.Context, *producer.Tx, processor.Consumed[orders.OrderCreated]) error { return nil },
		processor.WithBadHandler(func(ctx context.Context, tx *producer.Tx, m processor.Raw) error {
			tx.OnEnd(func(err error) {
				if err == nil {
					close(handled)
				}
			})
			return dead(ctx, tx, m)
		})))
	running, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- book.Run(running) }()
	<-handled
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	for r, err := range producertest.ReadRaw(ctx, broker, "orders.dead") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", *r.Value)
		for _, h := range r.Headers {
			if h.Key != processor.DeadLetterReason && h.Key != processor.DeadLetterTimestamp {
				fmt.Printf("%s: %s\n", h.Key, h.Value)
			}
		}
	}
	// Output:
	// no schema id
	// dead-letter.topic: orders
	// dead-letter.partition: 0
	// dead-letter.offset: 0
}

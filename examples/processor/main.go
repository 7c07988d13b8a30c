// Processor books orders: it reads the topic orders and writes the topic ledger, each order exactly once, however often it
// is killed. What cannot be read goes to orders.dead.
//
// With no environment it brings its own broker and registry, and some orders to work on. With BROKERS and REGISTRY
// (host:port,… and a URL) it works on real ones until it is interrupted; POD tells instances apart.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

var errRefund = errors.New("an order of less than nothing")

// booking makes the processor.
func booking(brokers []string, reg *registry.Client, pod string) (*producer.Processor[orders.OrderCreated], error) {
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return nil, err
	}
	des, err := serde.NewDeserializer[orders.OrderCreated](reg)
	if err != nil {
		return nil, err
	}
	entries := producer.NewTopic("ledger", producer.KeyRecord(func(e *ledger.LedgerEntry) *ledger.AccountKey {
		return &ledger.AccountKey{Account: e.Account}
	}))
	return producer.NewProcessor(producer.ProcessorConfig{
		Brokers: brokers, Group: "booking", TransactionalID: "booking-" + pod, Topics: []string{"orders"},
		OnBad: producer.DeadLetter("orders.dead"),
	}, des, ser, func(ctx context.Context, tx *producer.Tx, m producer.Consumed[orders.OrderCreated]) error {
		switch {
		case m.Value == nil: // a tombstone
			return nil
		case m.Value.TotalCents < 0:
			return producer.Poison(errRefund)
		}
		return errors.Join(
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: m.Value.Customer, Cents: -m.Value.TotalCents}),
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: "sales", Cents: m.Value.TotalCents}),
		)
	})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := demo
	if os.Getenv("BROKERS") != "" {
		run = work
	}
	if err := run(ctx); err != nil {
		log.Print(err)
		os.Exit(1) //nolint:gocritic // the context ends with the process
	}
}

// work runs until it is interrupted.
func work(ctx context.Context) error {
	reg, err := registry.New([]string{os.Getenv("REGISTRY")})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	p, err := booking(strings.Split(os.Getenv("BROKERS"), ","), reg, os.Getenv("POD"))
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// demo works on orders of its own until they are booked.
func demo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	broker, err := producertest.NewBroker(producertest.Topic("orders", 3), producertest.Topic("ledger", 3), producertest.Topic("orders.dead", 1))
	if err != nil {
		return err
	}
	defer func() { _ = broker.Close() }()
	server, err := registrytest.NewServer()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	if err := place(ctx, broker, reg); err != nil {
		return err
	}
	p, err := booking(broker.Addrs(), reg, "demo")
	if err != nil {
		return err
	}
	running, done := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	for p.Stats().Delivered < 10 && ctx.Err() == nil { // four orders make two entries each, two bad ones a dead letter each
		select {
		case err := <-ended:
			done()
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	done()
	if err := <-ended; err != nil {
		return err
	}
	return show(ctx, broker, reg)
}

// place publishes four good orders, one that cannot be booked, and bytes that are no order.
func place(ctx context.Context, broker *producertest.Broker, reg *registry.Client) error {
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return err
	}
	p, err := producer.New(broker.Addrs(), ser)
	if err != nil {
		return err
	}
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	for _, o := range []orders.OrderCreated{
		{Customer: "ada", TotalCents: 4200},
		{Customer: "bob", TotalCents: 1999},
		{Customer: "eve", TotalCents: -1},
		{Customer: "ada", TotalCents: 800},
		{Customer: "bob", TotalCents: 1},
	} {
		o.OrderID, o.At = uuid.New(), time.Now()
		if _, err := topic.Publish(ctx, p, &o); err != nil {
			return err
		}
	}
	return errors.Join(broker.Put("orders", []byte("who knows"), []byte("not an order")), p.Close(ctx))
}

func show(ctx context.Context, broker *producertest.Broker, reg *registry.Client) error {
	des, err := serde.NewDeserializer[ledger.LedgerEntry](reg)
	if err != nil {
		return err
	}
	sums := map[string]int64{}
	for r, err := range producertest.Read(ctx, broker, "ledger", des) {
		if err != nil {
			return err
		}
		sums[r.Value.Account] += r.Value.Cents
	}
	fmt.Println("the ledger:", sums)
	dead := 0
	for r, err := range producertest.ReadRaw(ctx, broker, "orders.dead") {
		if err != nil {
			return err
		}
		for _, h := range r.Headers {
			if h.Key == producer.DeadLetterReason {
				dead++
			}
		}
	}
	fmt.Println("dead letters:", dead)
	return nil
}

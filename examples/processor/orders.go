package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// placeSome publishes four good orders, an order that cannot be booked, and
// bytes that are not an order.
func placeSome(ctx context.Context, broker *producertest.Broker, reg *registry.Client) error {
	return errors.Join(
		place(ctx, broker.Addrs(), reg, slices.Values([]orders.OrderCreated{
			{Customer: "ada", TotalCents: 4200},
			{Customer: "bob", TotalCents: 1999},
			{Customer: "eve", TotalCents: -1},
			{Customer: "ada", TotalCents: 800},
			{Customer: "bob", TotalCents: 1},
		})),
		broker.Put("orders", []byte("who knows"), []byte("not an order")),
	)
}

// placeMany creates missing topics and publishes n orders of 1 to n cents.
func placeMany(ctx context.Context, brokers []string, reg *registry.Client, n int) error {
	if err := makeTopics(ctx, brokers, "orders", "ledger", "orders.dead"); err != nil {
		return err
	}
	sums := map[string]int64{}
	err := place(ctx, brokers, reg, func(yield func(orders.OrderCreated) bool) {
		for i := range n {
			o := orders.OrderCreated{Customer: []string{"ada", "bob", "eve"}[i%3], TotalCents: int64(i + 1)}
			sums[o.Customer] -= o.TotalCents
			sums["sales"] += o.TotalCents
			if !yield(o) {
				return
			}
		}
	})
	if err == nil {
		fmt.Println("to be added to the ledger:", sums)
	}
	return err
}

func makeTopics(ctx context.Context, brokers []string, names ...string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopics(ctx, 6, -1, nil, names...)
	if err != nil {
		return err
	}
	for _, topic := range made {
		if topic.Err != nil && !errors.Is(topic.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("topic %s: %w", topic.Topic, topic.Err)
		}
	}
	return nil
}

func place(ctx context.Context, brokers []string, reg *registry.Client, all iter.Seq[orders.OrderCreated]) error {
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return err
	}
	p, err := producer.New(brokers, ser)
	if err != nil {
		return err
	}
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	for o := range all {
		o.OrderID, o.At = uuid.New(), time.Now()
		if err = topic.PublishAsync(ctx, p, &o, nil); err != nil {
			break
		}
	}
	return errors.Join(err, p.Close(ctx)) // Close waits, and returns an error if an order was not delivered
}

// show prints the sums of the ledger, as a consumer with read_committed reads
// them.
func show(ctx context.Context, brokers []string, reg *registry.Client) error {
	des, err := serde.NewDeserializer[ledger.LedgerEntry](reg)
	if err != nil {
		return err
	}
	sums := map[string]int64{}
	for r, err := range logread.All(ctx, brokers, "ledger") {
		if err != nil {
			return err
		}
		e, err := des.Decode(ctx, serde.Input{Topic: r.Topic, Part: serde.Value, Data: r.Value})
		if err != nil {
			return err
		}
		sums[e.Account] += e.Cents
	}
	fmt.Println("the ledger:", sums)
	dead := 0
	for _, err := range logread.All(ctx, brokers, "orders.dead") {
		if err != nil {
			return err
		}
		dead++
	}
	fmt.Println("dead letters:", dead)
	return nil
}

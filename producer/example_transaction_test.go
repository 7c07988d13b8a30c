package producer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// InTxOnce makes a single attempt. The error says whether another attempt may
// help.
func ExampleTransactional_InTxOnce() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	tp := must(producer.NewTransactional(brokers, "shop-0", serializer))

	soldOut := errors.New("sold out")
	err := tp.InTxOnce(ctx, func(tx *producer.Tx) error {
		if err := placed.Add(ctx, tx, order("ada", 4200)); err != nil {
			return err
		}
		return soldOut
	})
	var failed *producer.TxError
	if errors.As(err, &failed) {
		fmt.Println(failed.Outcome, failed.TransactionalID, failed.Retriable)
	}
	fmt.Println(tp.Close(ctx))
	// Output:
	// producer: not sent shop-0 false
	// <nil>
}

// WithGroupCommit puts the transactions of several goroutines into one
// transaction.
func ExampleWithGroupCommit() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	tp := must(producer.NewTransactional(brokers, "shop-0", serializer, producer.WithGroupCommit(100, 5*time.Millisecond)))

	var wg sync.WaitGroup
	results := make([]error, 3)
	for i := range results {
		wg.Go(func() {
			results[i] = tp.InTx(ctx, func(tx *producer.Tx) error { return placed.Add(ctx, tx, order("ada", int64(i))) })
		})
	}
	wg.Wait()
	fmt.Println(results)
	fmt.Println(tp.Close(ctx))
	// Output:
	// [<nil> <nil> <nil>]
	// <nil>
}

// InTx may run the function again, so the function counts in OnEnd.
func ExampleTx_OnEnd() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	tp := must(producer.NewTransactional(brokers, "shop-0", serializer))

	var booked int64
	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		e := order("ada", 4200)
		tx.OnEnd(func(err error) {
			if err == nil {
				booked += e.TotalCents
			}
		})
		return placed.Add(ctx, tx, e)
	})
	fmt.Println(booked, err)
	fmt.Println(tp.Close(ctx))
	// Output:
	// 4200 <nil>
	// <nil>
}

// A refused message aborts the transaction, unless the function handles the
// refusal. Here the function adds another message instead.
func ExampleTx_IgnoreRefused() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	tp := must(producer.NewTransactional(brokers, "shop-0", serializer))

	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		err := placed.Add(ctx, tx, order(strings.Repeat("x", 2_000_000), 4200))
		if errors.As(err, new(*producer.TooLargeError)) {
			tx.IgnoreRefused()
			return placed.Add(ctx, tx, order("unknown", 4200))
		}
		return err
	})
	fmt.Println(err)
	fmt.Println(tp.Close(ctx))
	// Output:
	// <nil>
	// <nil>
}

// A program with its own consumer commits the offsets in the transaction of
// the results. With the transport confluent, GroupMember takes the result of
// (*kafka.Consumer).GetConsumerGroupMetadata as Library. Package processor does
// all of this by itself.
func ExampleTx_SendOffsets() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("incoming", 1), producertest.WithTopic("orders", 1)))
	defer broker.Close()
	if err := broker.Put("incoming", nil, []byte("ada")); err != nil {
		log.Fatal(err)
	}
	consumer := must(kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumerGroup("shop"), kgo.ConsumeTopics("incoming"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.FetchIsolationLevel(kgo.ReadCommitted())))
	defer consumer.Close()
	tp := must(producer.NewTransactional(broker.Addrs(), "shop-0", newOrders(), producer.WithTransport(producer.Franz)))

	fetches := consumer.PollFetches(ctx)
	member, generation := consumer.GroupMetadata()
	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		var offsets []producer.GroupOffset
		for _, r := range fetches.Records() {
			if err := placed.Add(ctx, tx, order(string(r.Value), 4200)); err != nil {
				return err
			}
			offsets = append(offsets, producer.GroupOffset{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset + 1, LeaderEpoch: r.LeaderEpoch})
		}
		return tx.SendOffsets(ctx, offsets, producer.GroupMember{Group: "shop", MemberID: member, Generation: generation})
	})
	fmt.Println(err)
	fmt.Println(tp.Close(ctx))
	// Output:
	// <nil>
	// <nil>
}

// importer publishes numbered batches. Each transaction has the number of its
// batch in a record, so the importer can find out about a commit in doubt.
type importer struct {
	newest func(ctx context.Context) (batch int64, err error) // of the committed batches
	batch  int64                                              // the batch of the last transaction
}

// Resume implements producer.Resolver.
func (i *importer) Resume(ctx context.Context, inDoubt bool) (committed bool, err error) {
	newest, err := i.newest(ctx)
	if err != nil {
		return false, err
	}
	if !inDoubt {
		i.batch = newest // after a start: go on behind the committed batches
	}
	return newest == i.batch, nil
}

// A resolver finds out whether a commit in doubt took place.
func ExampleWithResolver() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	ctx := context.Background()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	serializer, reader := must(serde.NewSerializer(reg)), must(serde.NewDeserializer[orders.OrderCreated](reg))
	job := &importer{newest: func(ctx context.Context) (newest int64, err error) {
		for r, err := range producertest.Read(ctx, broker, "orders", reader) {
			if err != nil {
				return 0, err
			}
			newest = r.Value.TotalCents
		}
		return newest, nil
	}}

	for range 2 { // the second run goes on where the first run has stopped
		tp := must(producer.NewTransactional(broker.Addrs(), "importer-0", serializer, producer.WithResolver(job)))
		if err := tp.Prepare(ctx, placed); err != nil {
			log.Fatal(err)
		}
		job.batch++
		err := tp.InTx(ctx, func(tx *producer.Tx) error { return placed.Add(ctx, tx, order("importer", job.batch)) })
		fmt.Println("batch", job.batch, "error", err)
		if err := tp.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// batch 1 error <nil>
	// batch 2 error <nil>
}

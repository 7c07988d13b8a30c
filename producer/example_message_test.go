package producer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// orderEvent is an event of the topic with several types.
type orderEvent interface{ avrobin.Record }

// A topic of several types has an interface as its type. With the subject name
// RecordName, each type has its own subject.
func ExampleNewTopic() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	events := producer.NewTopic("orders", producer.KeyBy(func(e orderEvent) string {
		switch e := e.(type) {
		case *orders.OrderCreated:
			return e.OrderID.String()
		case *orders.OrderCancelled:
			return e.OrderID.String()
		}
		return ""
	}), producer.WithValue(serde.WithSubject(serde.RecordName)))
	created := order("ada", 4200)
	for _, e := range []orderEvent{created, &orders.OrderCancelled{OrderID: created.OrderID, Reason: "sold out"}} {
		d := must(events.Publish(ctx, p, e))
		fmt.Println("offset", d.Offset, "schema id", d.ValueSchemaID)
	}
	fmt.Println(p.Close(ctx))
	// Output:
	// offset 0 schema id 1
	// offset 1 schema id 2
	// <nil>
}

// The key is an Avro record with a schema of its own.
func ExampleKeyRecord() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	entries := producer.NewTopic("orders", producer.KeyRecord(func(e *ledger.LedgerEntry) *ledger.AccountKey {
		return &ledger.AccountKey{Account: e.Account}
	}))
	d := must(entries.Publish(ctx, p, &ledger.LedgerEntry{Account: "ada", Cents: 4200}))
	fmt.Println("schema ids", d.KeySchemaID, d.ValueSchemaID)
	fmt.Println(p.Close(ctx))
	// Output:
	// schema ids 1 2
	// <nil>
}

// WithPartitionBy chooses the partition by the record. Here the last partition
// is for large orders, and Murmur2 divides the others.
func ExampleWithPartitionBy() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 4)))
	defer broker.Close()
	ctx := context.Background()
	p := must(producer.New(broker.Addrs(), newOrders()))

	byKey := producer.Murmur2()
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.Customer }),
		producer.WithPartitionBy(func(key []byte, e *orders.OrderCreated, n int32) int32 {
			if e.TotalCents >= 1_000_000 {
				return n - 1
			}
			return byKey(key, n-1)
		}))
	large := must(topic.Publish(ctx, p, order("ada", 2_000_000)))
	small := must(topic.Publish(ctx, p, order("ada", 100)))
	fmt.Println("large in the last partition:", large.Partition == 3)
	fmt.Println("small in another partition:", small.Partition < 3)
	fmt.Println(p.Close(ctx))
	// Output:
	// large in the last partition: true
	// small in another partition: true
	// <nil>
}

// A partitioner chooses the partition by the key. This partitioner hashes only
// the tenant at the beginning of the key.
func ExampleWithPartitioner() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 8)))
	defer broker.Close()
	ctx := context.Background()
	p := must(producer.New(broker.Addrs(), newOrders()))

	const tenant = len("north")
	byKey := producer.Murmur2()
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return "north/" + e.Customer }),
		producer.WithPartitioner(func(key []byte, n int32) int32 { return byKey(key[:tenant], n) }))
	ada := must(topic.Publish(ctx, p, order("ada", 100)))
	eve := must(topic.Publish(ctx, p, order("eve", 100)))
	fmt.Println("the same partition:", ada.Partition == eve.Partition)
	fmt.Println(p.Close(ctx))
	// Output:
	// the same partition: true
	// <nil>
}

// The options of a topic add headers, the time of the event and an event id to
// each message.
func ExampleWithHeadersBy() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	ctx := context.Background()
	p := must(producer.New(broker.Addrs(), newOrders()))

	topic := producer.NewTopic("orders", producer.NoKey[*orders.OrderCreated](),
		producer.WithHeadersBy(func(e *orders.OrderCreated, h []serde.Header) []serde.Header {
			return append(h, serde.Header{Key: "customer", Value: []byte(e.Customer)})
		}),
		producer.WithTimestampBy(func(e *orders.OrderCreated) time.Time { return e.At }),
		producer.WithEventID())
	e := order("ada", 4200)
	e.At = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	must(topic.Publish(ctx, p, e))
	for r, err := range producertest.ReadRaw(ctx, broker, "orders") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Timestamp.UTC())
		for _, h := range r.Headers {
			fmt.Println(h.Key)
		}
	}
	fmt.Println(p.Close(ctx))
	// Output:
	// 2026-01-02 03:04:05 +0000 UTC
	// customer
	// event-id
	// <nil>
}

// WithBefore sees every message before it is encoded, and may change or refuse
// the message. WithAfter sees every outcome.
func ExampleWithBefore() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	topic := producer.NewTopic("orders", producer.NoKey[*orders.OrderCreated](),
		producer.WithBefore(func(_ context.Context, m *producer.Message[*orders.OrderCreated]) error {
			if !m.Tombstone && m.Value.TotalCents < 0 {
				return errors.New("less than nothing")
			}
			return nil
		}),
		producer.WithAfter(func(e *orders.OrderCreated, d producer.Delivery, err error) {
			fmt.Println(e.Customer, "at offset", d.Offset, "error", err)
		}))
	_, err := topic.Publish(ctx, p, order("eve", -1))
	fmt.Println(err)
	must(topic.Publish(ctx, p, order("ada", 4200)))
	fmt.Println(p.Close(ctx)) // waits for WithAfter too
	// Output:
	// producer: not sent: topic orders: less than nothing
	// ada at offset 0 error <nil>
	// <nil>
}

// TryPublishAsync never waits. If the buffer is full, the program decides.
func ExampleTopic_TryPublishAsync() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	ctx := context.Background()
	p := must(producer.New(broker.Addrs(), newOrders(), producer.WithMaxInFlight(1, 1<<20)))
	// Prepare looks up the topic and the schema, so that no call must wait.
	if err := p.Prepare(ctx, placed); err != nil {
		log.Fatal(err)
	}

	restart := broker.Stop() // so that the first event stays in the buffer
	fmt.Println(placed.TryPublishAsync(ctx, p, order("ada", 4200), nil))
	err := placed.TryPublishAsync(ctx, p, order("eve", 1300), nil)
	fmt.Println("full:", errors.Is(err, producer.ErrWouldBlock))
	restart()
	fmt.Println(p.Close(ctx))
	// Output:
	// <nil>
	// full: true
	// <nil>
}

// PublishSeq publishes a stream in bounded memory.
func ExampleTopic_PublishSeq() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	n, err := placed.PublishSeq(ctx, p, func(yield func(*orders.OrderCreated) bool) {
		for cents := range int64(1000) {
			if !yield(order("ada", cents)) {
				return
			}
		}
	})
	fmt.Println(n, err)
	fmt.Println(p.Close(ctx))
	// Output:
	// 1000 <nil>
	// <nil>
}

// Encode makes the bytes now. The program may store them and publish later.
func ExampleTopic_Encode() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer))

	e := must(placed.Encode(ctx, serializer, producer.Message[*orders.OrderCreated]{Value: order("ada", 4200)}))
	fmt.Printf("topic %s, key %s, prefix %x\n", e.Topic, e.Key, e.Value[:5])
	d := must(e.Send(ctx, p))
	fmt.Println("offset", d.Offset)
	fmt.Println(p.Close(ctx))
	// Output:
	// topic orders, key ada, prefix 0000000001
	// offset 0
	// <nil>
}

// An error has the outcome and the cause of one message. ReasonOf gives one
// word for metrics.
func ExampleMessageError() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer, producer.WithMaxMessageBytes(1000)))

	_, err := placed.Publish(ctx, p, order(fmt.Sprintf("%2000d", 1), 4200))
	var failed *producer.MessageError
	if errors.As(err, &failed) {
		fmt.Println(failed.Outcome, failed.Topic)
	}
	var large *producer.TooLargeError
	if errors.As(err, &large) {
		fmt.Println("limit", large.Limit)
	}
	fmt.Println(producer.ReasonOf(err))
	fmt.Println(p.Close(ctx))
	// Output:
	// producer: not sent orders
	// limit 1000
	// too_large
	// <nil>
}

// The handler gets the failures of messages without a callback.
func ExampleWithFailureHandler() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	ctx := context.Background()
	p := must(producer.New(broker.Addrs(), newOrders(), producer.WithFailureHandler(func(d producer.Delivery, err error) {
		fmt.Println(d.Topic, errors.Is(err, producer.ErrNotSent))
	})))

	const invalidRecord = 87
	broker.Refuse(invalidRecord, 1, 1)
	if err := placed.PublishAsync(ctx, p, order("ada", 4200), nil); err != nil {
		log.Fatal(err)
	}
	var undelivered *producer.UndeliveredError
	if errors.As(p.Close(ctx), &undelivered) {
		fmt.Println("not sent:", undelivered.NotSent, "unknown:", undelivered.Unknown)
	}
	// Output:
	// orders true
	// not sent: 1 unknown: 0
}

// Franz is a client library in pure Go. The API and the outcomes are the same.
func ExampleWithTransport() {
	brokers, serializer, end := shop()
	defer end()
	ctx := context.Background()
	p := must(producer.New(brokers, serializer, producer.WithTransport(producer.Franz)))

	d := must(placed.Publish(ctx, p, order("ada", 4200)))
	fmt.Println("offset", d.Offset)
	fmt.Println(p.Close(ctx))
	// Output:
	// offset 0
	// <nil>
}

// A service ends its work on SIGTERM, and then closes the producer.
func ExampleCloseOnSignal() {
	brokers, serializer, end := shop()
	defer end()
	p := must(producer.New(brokers, serializer))

	parent, stop := context.WithCancel(context.Background())
	ctx, finish := producer.CloseOnSignal(parent, p, 20*time.Second)
	stop() // in a service, SIGTERM or an interrupt ends ctx
	<-ctx.Done()
	// Requests that still run may publish.
	must(placed.Publish(context.Background(), p, order("ada", 4200)))
	fmt.Println(finish())
	// Output: <nil>
}

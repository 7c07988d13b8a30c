package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestTopicSmaller deletes a topic while messages are published, and creates it
// again with fewer partitions. Messages of the missing partitions fail, another
// topic goes on, and the producer then uses the partitions that there are.
func TestTopicSmaller(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("orders", 6), producertest.WithTopic("payments", 1))
	p := newProducer(t, b.Addrs(), producer.WithMetadataMaxAge(100*time.Millisecond))
	losses.Store(p, true)
	last := producer.WithPartitioner(func(_ []byte, n int32) int32 { return n - 1 })
	orders := producer.NewTopic("orders", producer.NoKey[*event](), last)
	payments := producer.NewTopic("payments", producer.NoKey[*event]())
	ctx := waitCtx(t)
	if d, err := orders.Publish(ctx, p, &event{}); err != nil || d.Partition != 5 {
		t.Fatal(d, err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).DeleteTopics(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic("orders", 2, nil); err != nil {
		t.Fatal(err)
	}
	for {
		d, err := orders.Publish(ctx, p, &event{})
		if _, err := payments.Publish(ctx, p, &event{}); err != nil {
			t.Fatalf("the other topic: %v", err)
		}
		switch {
		case err == nil && d.Partition == 1:
			return
		case ctx.Err() != nil:
			t.Fatalf("the last message: partition %d, %v", d.Partition, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestTopicDeleted deletes a topic while the producer runs. The errors name the
// missing topic, another topic goes on, and publishing works again when the
// topic is created again.
func TestTopicDeleted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("orders", 1), producertest.WithTopic("payments", 1))
	p := newProducer(t, b.Addrs())
	orders := producer.NewTopic("orders", producer.NoKey[*event]())
	payments := producer.NewTopic("payments", producer.NoKey[*event]())
	publish := func(to *producer.Topic[*event], wait time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		_, err := to.Publish(ctx, p, &event{})
		return err
	}
	if err := errors.Join(publish(orders, time.Minute), publish(payments, time.Minute)); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).DeleteTopics(waitCtx(t), "orders"); err != nil {
		t.Fatal(err)
	}

	// The message that meets the deletion waits in the client. The wait ends
	// with the reason.
	if err := publish(orders, 6*time.Second); !errors.Is(err, producer.ErrUnknownTopic) {
		t.Errorf("a message in flight: %v", err)
	}
	// Later messages are refused at once.
	if err := publish(orders, time.Minute); !errors.Is(err, producer.ErrUnknownTopic) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("a later message: %v", err)
	}
	if err := publish(payments, time.Minute); err != nil {
		t.Errorf("the other topic: %v", err)
	}
	if err := b.CreateTopic("orders", 2, nil); err != nil {
		t.Fatal(err)
	}
	for err = publish(orders, time.Minute); errors.Is(err, producer.ErrUnknownTopic) && waitCtx(t).Err() == nil; err = publish(orders, time.Minute) {
		time.Sleep(50 * time.Millisecond) // the error is remembered for two seconds
	}
	if err != nil {
		t.Errorf("after the topic was created again: %v", err)
	}
	// The fate of the message that met the deletion depends on the client.
	losses.Store(p, true)
	var left *producer.UndeliveredError
	if err := p.Close(waitCtx(t)); errors.As(err, &left) && left.NotSent+left.Unknown > 1 {
		t.Errorf("close: %v, want at most one message", err)
	}
}

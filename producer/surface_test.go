package producer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// TestTryPublishAsync checks that the call does not wait for the look-up of a
// topic or for room. A refused record is not sent.
func TestTryPublishAsync(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(3, 1_000_000))
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	ctx := waitCtx(t)
	wouldBlock := func(err error) {
		t.Helper()
		if !errors.Is(err, producer.ErrWouldBlock) || !errors.Is(err, producer.ErrNotSent) {
			t.Errorf("error %v, want that it would block", err)
		}
	}
	never := func(producer.Delivery, error) { t.Error("callback of a refused message was called") }
	wouldBlock(events.TryPublishAsync(ctx, p, &event{}, never))
	if err := p.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	restart := b.Stop() // no message leaves the buffer
	delivered := make(chan error, 3)
	for range 3 {
		if err := events.TryPublishAsync(ctx, p, &event{Key: "in"}, func(_ producer.Delivery, err error) { delivered <- err }); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		wouldBlock(events.TryPublishAsync(ctx, p, &event{Key: "out"}, never))
	}
	restart()
	for range 3 {
		if err := <-delivered; err != nil {
			t.Error(err)
		}
	}
	if err := events.TryPublishAsync(ctx, p, &event{Key: "in"}, nil); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	w := &kafkaEnv{t: t, addrs: b.Addrs(), fake: b}
	for _, e := range w.committed("events") {
		if e.Key != "in" {
			t.Error("what was refused is in the log")
		}
	}
	if s := p.Stats(); s.Accepted != 4 || s.Delivered != 4 {
		t.Errorf("stats %+v", s)
	}
}

// TestPublishSeq checks the number of delivered records. PublishSeq stops at a
// record that is refused or not delivered in time.
func TestPublishSeq(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 3))
	p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(50, 1_000_000))
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	asked := 0
	stream := func(n, bad int) iter.Seq[*event] {
		return func(yield func(*event) bool) {
			for i := range n {
				asked = i
				e := &event{Seq: int64(i)}
				if i == bad {
					e.Pad = "bad"
				}
				if !yield(e) {
					return
				}
			}
		}
	}
	if n, err := events.PublishSeq(waitCtx(t), p, stream(1000, -1)); n != 1000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := events.PublishSeq(waitCtx(t), p, stream(1000, 700)); n != 700 || !errors.Is(err, errBadField) || asked != 700 {
		t.Errorf("a bad one: %d delivered, asked for %d, %v", n, asked, err)
	}
	defer b.Stop()()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if n, err := events.PublishSeq(short, p, stream(10, -1)); n != 0 || !errors.Is(err, producer.ErrOutcomeUnknown) {
		t.Errorf("no broker: %d, %v", n, err)
	}
}

// TestAddMessage checks that the properties of a message reach the log in a
// transaction, also for a tombstone with a record key. The key's own serializer
// options apply.
func TestAddMessage(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 2)
	events := producer.NewTopic(name, producer.KeyBy(byKey), producer.WithKey(serde.WithSubject(serde.RecordName)))
	tp := w.transactional(newID(t))
	ctx := waitCtx(t)
	at := time.UnixMilli(1_700_000_000_123)
	if err := tp.InTx(ctx, func(tx *producer.Tx) error {
		return errors.Join(
			events.AddMessage(ctx, tx, producer.Message[*event]{
				Value: &event{Seq: 1}, Key: producer.StringKey("k"), Timestamp: at, Partition: producer.ToPartition(1),
				Headers: []serde.Header{{Key: "h", Value: []byte("v")}},
			}),
			events.AddMessage(ctx, tx, producer.Message[*event]{Tombstone: true, Key: producer.RecordKey(&secondRecord{}), Partition: producer.ToPartition(0)}),
		)
	}); err != nil {
		t.Fatal(err)
	}
	w.waitForMarkers(name)
	log := w.readAll(name)
	if len(log) != 2 {
		t.Fatalf("%d records", len(log))
	}
	for _, r := range log {
		switch {
		case r.Partition == 0 && (r.Value != nil || len(r.Key) != 5 || r.Key[0] != 0):
			t.Errorf("tombstone: key %x, value %x", r.Key, r.Value)
		case r.Partition == 1 && (string(r.Key) != "k" || !r.Timestamp.Equal(at) || len(r.Headers) != 1 || string(r.Headers[0].Value) != "v"):
			t.Errorf("message: %+v", r)
		}
	}
	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		return events.AddMessage(ctx, tx, producer.Message[*event]{Tombstone: true})
	})
	var txErr *producer.TxError
	if !errors.As(err, &txErr) || !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "needs Message.Key") || !strings.Contains(err.Error(), txErr.TransactionalID) {
		t.Errorf("a tombstone without key: %v", err)
	}
}

// TestEnviron checks that the environment configures the connection of the
// producer and of a client beside the producer.
func TestEnviron(t *testing.T) { //nolint:paralleltest // it sets the environment
	t.Setenv("AVROLINE_BOOTSTRAP_SERVERS", "a:1,b:2")
	t.Setenv("AVROLINE_SECURITY_PROTOCOL", "SASL_SSL")
	t.Setenv("AVROLINE_SASL_MECHANISM", "SCRAM-SHA-512")
	t.Setenv("AVROLINE_SASL_USERNAME", "ada")
	t.Setenv("AVROLINE_SASL_PASSWORD", "hush-hush")
	c, err := producer.ConnectionOf(nil, producer.WithEnviron(""))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(c.Brokers, " ") != "a:1 b:2" || c.Mechanism != "SCRAM-SHA-512" || c.User != "ada" || c.Password != "hush-hush" || c.TLS == nil {
		t.Errorf("%+v", c)
	}
	if s := c.String() + fmt.Sprintf("%#v", c); strings.Contains(s, "hush") || !strings.Contains(s, "ada") {
		t.Errorf("it prints as %s", s)
	}
	t.Setenv("AVROLINE_LINGER_MSS", "1")
	_, err = producer.New(nil, newSerializer(t), producer.WithEnviron(""))
	if err == nil || !strings.Contains(err.Error(), "AVROLINE_LINGER_MSS: ") || !strings.Contains(err.Error(), `did you mean "AVROLINE_LINGER_MS"?`) {
		t.Errorf("a variable that is no setting: %v", err)
	}
}

// TestAllocations checks that publishing a typed event with a key costs at most
// six allocations after warm-up. The count includes the five allocations of the
// client, the event goroutine and the broker in this process.
func TestAllocations(t *testing.T) { //nolint:paralleltest // it counts the allocations of the whole process
	if testing.Short() {
		t.Skip("the race detector allocates")
	}
	b := startBroker(t, producertest.WithTopic("orders", 6))
	plain := newProducer(t, b.Addrs())
	var seen atomic.Int64
	hooked := newProducer(t, b.Addrs(), producer.WithHooks(producer.Hooks{
		Start:   func(context.Context, *producer.Start) any { return &seen },
		Outcome: func(token any, _ producer.Outcome) { token.(*atomic.Int64).Add(1) },
	}))
	ctx := waitCtx(t)
	o := &orders.OrderCreated{OrderID: uuid.MustParse("0198c0de-0000-7000-8000-000000000001"), Customer: "ada", TotalCents: 4200, At: time.UnixMilli(1_700_000_000_000)}
	var delivered atomic.Int64
	callback := func(producer.Delivery, error) { delivered.Add(1) }
	sent, called := map[*producer.Producer]int64{}, int64(0)
	for _, c := range []struct {
		name     string
		key      producer.KeyFunc[*orders.OrderCreated]
		callback producer.Callback
		most     float64 // allocations a message, and 0.5 for what is allocated per batch
		p        *producer.Producer
	}{
		{"a key of text", producer.KeyBy(func(o *orders.OrderCreated) string { return o.Customer }), nil, 0.5, plain},
		{"a key of bytes", producer.KeyBytes(func(o *orders.OrderCreated, dst []byte) []byte { return append(dst, o.OrderID[:]...) }), nil, 0.5, plain},
		{"a key of text, a callback", producer.KeyBy(func(o *orders.OrderCreated) string { return o.Customer }), callback, 0.5, plain},
		{"a uuid as text, which allocates once", producer.KeyBy(func(o *orders.OrderCreated) string { return o.OrderID.String() }), nil, 1.5, plain},
		{"hooks", producer.KeyBy(func(o *orders.OrderCreated) string { return o.Customer }), nil, 0.5, hooked},
	} {
		topic := producer.NewTopic("orders", c.key)
		publish := func(n int) {
			for range n {
				if err := topic.PublishAsync(ctx, c.p, o, c.callback); err != nil {
					t.Fatal(err)
				}
			}
			sent[c.p] += int64(n)
			if c.callback != nil {
				called += int64(n)
			}
			if err := c.p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
		publish(20_000)
		const n = 50_000
		each := math.Inf(1)
		for try := 0; try < 3 && each > c.most; try++ { // small batches make the broker allocate more
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			publish(n)
			runtime.ReadMemStats(&after)
			each = min(each, float64(after.Mallocs-before.Mallocs)/n)
		}
		t.Logf("%s: %.2f allocations a message", c.name, each)
		if each > c.most {
			t.Errorf("%s: %.2f allocations a message, want at most %.1f", c.name, each, c.most)
		}
	}
	if seen.Load() != sent[hooked] {
		t.Errorf("the hooks saw %d outcomes of %d", seen.Load(), sent[hooked])
	}
	if delivered.Load() != called {
		t.Errorf("%d callbacks of %d", delivered.Load(), called)
	}
}

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// readAll reads a topic to its end.
func (w *kafkaEnv) readAll(topic string) []*kgo.Record {
	w.t.Helper()
	var all []*kgo.Record
	for r, err := range logread.All(waitCtx(w.t), w.addrs, topic) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestMessage checks that key, headers, timestamp and event id reach the log,
// and that the delivery has the same values.
func TestMessage(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	type hookKey struct{}
	p := newProducer(t, w.addrs, producer.WithHooks(producer.Hooks{
		Start: func(ctx context.Context, s *producer.Start) any {
			trace, _ := ctx.Value(hookKey{}).(string)
			*s.Headers = append(*s.Headers, serde.Header{Key: "trace", Value: []byte(s.Topic + trace)})
			return nil
		},
	}))
	ctx := context.WithValue(waitCtx(t), hookKey{}, "-7")
	at := time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC)
	byRecord := producer.NewTopic(name, producer.KeyRecord(func(e *event) *secondRecord { return &secondRecord{} }),
		producer.WithEventID(),
		producer.WithHeadersBy(func(e *event, h []serde.Header) []serde.Header {
			return append(h, serde.Header{Key: "seq", Value: fmt.Append(nil, e.Seq)})
		}),
		producer.WithTimestampBy(func(e *event) time.Time { return at }))

	d, err := byRecord.Publish(ctx, p, &event{Seq: 9})
	if err != nil {
		t.Fatal(err)
	}
	if !d.Timestamp.Equal(at) || d.KeySchemaID == 0 || d.ValueSchemaID == 0 || d.KeySchemaID == d.ValueSchemaID {
		t.Errorf("delivery %+v", d)
	}
	if _, err := byRecord.Send(ctx, p, producer.Message[*event]{
		Value: &event{Seq: 10}, Key: producer.StringKey("own"), Timestamp: at.Add(time.Hour),
		Headers: []serde.Header{{Key: "mine", Value: nil}, {Key: "empty", Value: []byte{}}},
	}); err != nil {
		t.Fatal(err)
	}
	if d, err = byRecord.Send(ctx, p, producer.Message[*event]{Key: producer.BytesKey([]byte{1, 2}), Tombstone: true}); err != nil || d.ValueSchemaID != 0 {
		t.Fatal(d, err)
	}
	if _, err := producer.NewTopic(name, producer.KeyBytes(func(e *event, dst []byte) []byte { return nil })).Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	if _, err := producer.NewTopic(name, producer.KeyBy(func(e *event) string { return "" })).Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}

	log := w.readAll(name)
	if len(log) != 5 {
		t.Fatalf("%d records", len(log))
	}
	header := func(r *kgo.Record, key string) (string, bool) {
		i := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == key })
		if i < 0 {
			return "", false
		}
		return string(r.Headers[i].Value), true
	}
	if !log[0].Timestamp.Equal(at) || !log[1].Timestamp.Equal(at.Add(time.Hour)) {
		t.Errorf("timestamps %v, %v", log[0].Timestamp, log[1].Timestamp)
	}
	if len(log[0].Key) != 5 || log[0].Key[0] != 0 {
		t.Errorf("a key record is framed: %x", log[0].Key)
	}
	for i, r := range log[:2] {
		id, _ := header(r, "event-id")
		if u, err := uuid.Parse(id); err != nil || u.Version() != 7 {
			t.Errorf("event id %q: %v", id, err)
		}
		if seq, _ := header(r, "seq"); seq != fmt.Sprint(9+i) {
			t.Errorf("seq header %q", seq)
		}
		if trace, _ := header(r, "trace"); trace != name+"-7" {
			t.Errorf("trace header %q", trace)
		}
	}
	if string(log[1].Key) != "own" {
		t.Errorf("key %q", log[1].Key)
	}
	if log[1].Headers[0].Key != "mine" || log[1].Headers[0].Value != nil || log[1].Headers[1].Value == nil {
		t.Errorf("headers %v: nil and empty are two things", log[1].Headers)
	}
	if log[2].Value != nil || string(log[2].Key) != "\x01\x02" {
		t.Errorf("tombstone %v of key %x", log[2].Value, log[2].Key)
	}
	if _, there := header(log[2], "seq"); there {
		t.Error("the record's headers on a tombstone")
	}
	if log[3].Key != nil || log[4].Key == nil {
		t.Errorf("no key %v, empty key %v", log[3].Key, log[4].Key)
	}
}

// TestHooks checks that Before changes the sent message, that After and Outcome
// see the outcome, and that Accepted sees the size.
func TestHooks(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	var accepted, bytes, outcomes atomic.Int64
	p := newProducer(t, w.addrs, producer.WithHooks(producer.Hooks{
		Accepted: func(_ any, n int) { accepted.Add(1); bytes.Add(int64(n)) },
		Outcome: func(_ any, o producer.Outcome) {
			if o.Delivery.Topic != name || o.Delivery.Partition != 0 || o.OnWire <= 0 || o.OnWire > o.Waited || o.Waited > time.Minute || o.Err != nil {
				t.Errorf("outcome %+v", o)
			}
			outcomes.Add(1)
		},
	}))
	ctx := waitCtx(t)
	var after []string
	events := producer.NewTopic(name, producer.KeyBy(byKey),
		producer.WithBefore(func(_ context.Context, m *producer.Message[*event]) error {
			m.Headers = append(m.Headers, serde.Header{Key: "before", Value: []byte("1")})
			m.Value = &event{Key: m.Value.Key, Seq: m.Value.Seq + 100}
			return nil
		}),
		producer.WithAfter(func(e *event, d producer.Delivery, err error) {
			after = append(after, fmt.Sprintf("%s %d @%d %v", e.Key, e.Seq, d.Offset, err))
		}))
	if _, err := events.Publish(ctx, p, &event{Key: "a", Seq: 1}); err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	if err := events.PublishAsync(ctx, p, &event{Key: "b", Seq: 2}, func(producer.Delivery, error) { close(called) }); err != nil {
		t.Fatal(err)
	}
	<-called
	if err := events.PublishAsync(ctx, p, &event{Key: "c", Seq: 3}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a 101 @0 <nil>", "b 102 @1 <nil>", "c 103 @2 <nil>"}, after); diff != "" {
		t.Error(diff)
	}
	if accepted.Load() != 3 || outcomes.Load() != 3 || bytes.Load() < 3*6 {
		t.Errorf("accepted %d (%d bytes), outcomes %d", accepted.Load(), bytes.Load(), outcomes.Load())
	}
	for _, r := range w.readAll(name) {
		if len(r.Headers) != 1 || r.Headers[0].Key != "before" {
			t.Errorf("headers %v", r.Headers)
		}
	}
}

// TestHookTokens checks the token of each message with several hooks. The token
// comes back with the refusal, or with the acceptance and the outcome.
func TestHookTokens(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 2)
	type ends struct{ refused, accepted, outcome int }
	var mu sync.Mutex
	seen := map[string]*ends{}
	hooks := func(prefix string) producer.Option {
		note := func(token any, f func(e *ends)) {
			mu.Lock()
			defer mu.Unlock()
			if seen[token.(string)] == nil {
				seen[token.(string)] = &ends{}
			}
			f(seen[token.(string)])
		}
		return producer.WithHooks(producer.Hooks{
			Start: func(_ context.Context, s *producer.Start) any {
				if s.RecordName != "test.Event" && !s.Tombstone || s.Topic != name {
					t.Errorf("start %+v", s)
				}
				return prefix + string(s.Key)
			},
			Refused:  func(token any, err error) { note(token, func(e *ends) { e.refused++ }) },
			Accepted: func(token any, _ int) { note(token, func(e *ends) { e.accepted++ }) },
			Outcome: func(token any, o producer.Outcome) {
				if o.Err != nil || o.Delivery.Offset < 0 {
					t.Errorf("outcome %+v", o)
				}
				note(token, func(e *ends) { e.outcome++ })
			},
		})
	}
	ctx := waitCtx(t)
	p := newProducer(t, w.addrs, hooks("a:"), hooks("b:"))
	events := producer.NewTopic(name, producer.KeyBy(byKey))
	for i := range 20 {
		if err := events.PublishAsync(ctx, p, &event{Key: fmt.Sprint(i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := events.PublishAsync(ctx, p, &event{Key: "never", Pad: "bad"}, nil); err == nil {
		t.Fatal("a bad record was accepted")
	}
	if err := events.SendAsync(ctx, p, producer.Message[*event]{Value: &event{Key: "nowhere"}, Partition: producer.ToPartition(9)}, nil); err == nil {
		t.Fatal("a partition that is not there was accepted")
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	want := map[string]*ends{}
	for _, prefix := range []string{"a:", "b:"} {
		for i := range 20 {
			want[prefix+fmt.Sprint(i)] = &ends{accepted: 1, outcome: 1}
		}
		want[prefix] = &ends{refused: 1} // its key was not encoded yet, or is nil
		want[prefix+"nowhere"] = &ends{refused: 1}
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, seen, cmp.AllowUnexported(ends{})); diff != "" {
		t.Error(diff)
	}
}

// TestHealth checks that health follows the brokers, also if nothing is
// published.
func TestHealth(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	name := w.topic("events", 1)
	p := newProducer(t, w.addrs)
	ctx := waitCtx(t)
	events := producer.NewTopic(name, producer.KeyBy(byKey))
	if _, err := events.Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); !h.Ready || h.Reason != nil || h.InFlight != 0 || h.Since.IsZero() {
		t.Errorf("all is well: %+v", h)
	}
	restart := w.fake.Stop()
	if err := w.until(func() bool { return !p.Health().Ready }); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); !errors.Is(h.Reason, producer.ErrUnreachable) {
		t.Errorf("the brokers are gone: %+v", h)
	}
	restart()
	if err := w.until(func() bool { return p.Health().Ready }); err != nil {
		t.Fatalf("the brokers are back: %+v", p.Health())
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); h.Ready || !errors.Is(h.Reason, producer.ErrClosed) {
		t.Errorf("closed: %+v", h)
	}
}

// TestFireAndForget checks that a failure without a callback is counted and
// given to the failure handler.
func TestFireAndForget(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	failures := make(chan error, 1)
	p := newProducer(t, b.Addrs(), producer.WithFailureHandler(func(d producer.Delivery, err error) {
		if d.Topic != "events" || d.Offset != -1 {
			t.Errorf("delivery %+v", d)
		}
		failures <- err
	}))
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	const topicAuthorizationFailed = 29
	b.RefuseNext(1, topicAuthorizationFailed)
	if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-failures; !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) {
		t.Errorf("the first attempt was refused: %v", err)
	}
	err := p.Close(ctx)
	var u *producer.UndeliveredError
	if !errors.As(err, &u) || u.Unknown != 0 || u.NotSent != 1 {
		t.Errorf("close: %v", err)
	}
}

// TestOneTopicManyProducers checks that a topic keeps a binding for each
// producer.
func TestOneTopicManyProducers(t *testing.T) {
	t.Parallel()
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	ctx := waitCtx(t)
	for range 3 {
		b1, b2 := startBroker(t, producertest.WithTopic("events", 1)), startBroker(t, producertest.WithTopic("events", 1))
		p1, p2 := newProducer(t, b1.Addrs()), newProducer(t, b2.Addrs())
		for i := range 4 {
			for _, p := range []*producer.Producer{p1, p2} {
				d, err := events.Publish(ctx, p, &event{Seq: int64(i)})
				if err != nil || d.Offset != int64(i) {
					t.Fatalf("%+v %v", d, err)
				}
			}
		}
	}
}

// TestForeignSlices checks a function that returns its own slice instead of
// appending. The producer must not write into the function's slice, for this
// message or the next.
func TestForeignSlices(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	p := newProducer(t, w.addrs)
	ctx := waitCtx(t)
	key := append(make([]byte, 0, 100), "key"...)
	headers := append(make([]serde.Header, 0, 10), serde.Header{Key: "mine", Value: []byte("1")})
	events := producer.NewTopic(name, producer.KeyBytes(func(*event, []byte) []byte { return key }), producer.WithEventID(),
		producer.WithHeadersBy(func(*event, []serde.Header) []serde.Header { return headers }))
	for range 3 {
		if _, err := events.Publish(ctx, p, &event{Pad: "pad"}); err != nil {
			t.Fatal(err)
		}
	}
	if string(key) != "key" || string(key[:4]) != "key\x00" || len(headers) != 1 || headers[0].Key != "mine" || headers[:2][1].Key != "" {
		t.Errorf("the user's slices were written to: %q %v", key[:20], headers[:2])
	}
	for _, r := range w.readAll(name) {
		if string(r.Key) != "key" || len(r.Headers) != 2 || r.Headers[0].Key != "mine" {
			t.Errorf("key %q, headers %v", r.Key, r.Headers)
		}
	}
}

// TestAfterPanics checks that the other After functions and the callback are
// called although an After function panics, and that the panic is reported.
func TestAfterPanics(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	var reported, second atomic.Int64
	p := newProducer(t, b.Addrs(), producer.WithFailureHandler(func(_ producer.Delivery, err error) {
		if errors.As(err, new(*producer.PanicError)) {
			reported.Add(1)
		}
	}))
	topic := producer.NewTopic("events", producer.KeyBy(byKey),
		producer.WithAfter(func(*event, producer.Delivery, error) { panic("after") }),
		producer.WithAfter(func(*event, producer.Delivery, error) { second.Add(1) }))
	n, err := topic.PublishSeq(waitCtx(t), p, slices.Values([]*event{{}, {}, {}}))
	if n != 3 || err != nil {
		t.Errorf("%d delivered, %v", n, err)
	}
	if err := p.Close(waitCtx(t)); err != nil {
		t.Error(err)
	}
	if second.Load() != 3 || reported.Load() != 3 {
		t.Errorf("%d calls of the second function and %d reports, want 3", second.Load(), reported.Load())
	}
}

package copytest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// ErrOnPurpose is an error that a test causes on purpose.
var ErrOnPurpose = errors.New("asked for")

// KafkaEnv is the place of a test. The place is an embedded broker, or the
// cluster of AVROLINE_TEST_BROKERS.
type KafkaEnv struct {
	testing.TB
	Addrs []string
	Fake  *producertest.Broker // nil on a real cluster
}

// Brokers returns the real cluster if there is one. Otherwise Brokers returns
// an embedded broker.
func Brokers(t testing.TB, opts ...producertest.Option) *KafkaEnv {
	t.Helper()
	if real := os.Getenv("AVROLINE_TEST_BROKERS"); real != "" {
		return &KafkaEnv{TB: t, Addrs: strings.Split(real, ",")}
	}
	b := producertest.Start(t, opts...)
	return &KafkaEnv{TB: t, Addrs: b.Addrs(), Fake: b}
}

// Embedded returns an embedded broker. Embedded skips the test on a real
// cluster, because only the embedded broker injects faults.
func Embedded(t testing.TB, opts ...producertest.Option) *KafkaEnv {
	t.Helper()
	w := Brokers(t, opts...)
	if w.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	return w
}

// Topic creates a topic with a unique name. configs are alternating names and
// values.
func (w *KafkaEnv) Topic(name string, partitions int32, configs ...string) string {
	w.Helper()
	name = fmt.Sprintf("%s-%d", name, rand.Int64())
	cl := w.client()
	defer cl.Close()
	settings := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		settings[configs[i]] = &configs[i+1]
	}
	if r, err := kadm.NewClient(cl).CreateTopic(Ctx(w), partitions, -1, settings, name); err != nil || r.Err != nil {
		w.Fatal(err, r.Err)
	}
	return name
}

func (w *KafkaEnv) client(opts ...kgo.Opt) *kgo.Client {
	w.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.Addrs...))...)
	if err != nil {
		w.Fatal(err)
	}
	return cl
}

// NeedsProtocol skips the test if the cluster does not support the group
// protocol. Brokers before 4.0 do not have the feature group.version.
func (w *KafkaEnv) NeedsProtocol(protocol string) {
	w.Helper()
	if protocol != "consumer" {
		return
	}
	cl := w.client()
	defer cl.Close()
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 3
	req.ClientSoftwareName, req.ClientSoftwareVersion = "avroline-test", "1"
	resp, err := req.RequestWith(Ctx(w), cl)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "group.version" && f.MaxVersionLevel >= 1 {
			return
		}
	}
	w.Skip(`the brokers do not have the group protocol "consumer"`)
}

// Records returns the records that a read_committed consumer sees in a topic.
func (w *KafkaEnv) Records(topic string) []*kgo.Record {
	w.Helper()
	w.WaitForMarkers(topic)
	var out []*kgo.Record
	for r, err := range logread.All(Ctx(w), w.Addrs, topic) {
		if err != nil {
			w.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// Delete writes a tombstone for the key of a record, into the partition of the
// record.
func (w *KafkaEnv) Delete(topic string, r *kgo.Record) {
	w.Helper()
	cl := w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	if err := cl.ProduceSync(Ctx(w), &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key}).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

// Committed returns the events that a read_committed consumer sees in a topic.
func (w *KafkaEnv) Committed(topic string) []Event {
	w.Helper()
	var out []Event
	for _, r := range w.Records(topic) {
		out = append(out, w.Decode(r.Value))
	}
	return out
}

// Decode decodes a framed Event.
func (w *KafkaEnv) Decode(value []byte) Event {
	w.Helper()
	var e Event
	if len(value) < 5 || value[0] != 0 {
		w.Fatalf("not framed: %x", value)
	}
	if err := e.UnmarshalAvro(value[5:]); err != nil {
		w.Fatal(err)
	}
	return e
}

// WaitForMarkers waits a few seconds for the markers of transactions, because
// the coordinator answers a commit before the markers are in the log. If a test
// leaves a transaction open, the marker never comes.
func (w *KafkaEnv) WaitForMarkers(topic string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	defer cancel()
	cl := w.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for ctx.Err() == nil {
		open := false
		stable, err := adm.ListCommittedOffsets(ctx, topic)
		ends, err2 := adm.ListEndOffsets(ctx, topic)
		ends.Each(func(end kadm.ListedOffset) {
			at, _ := stable.Lookup(topic, end.Partition)
			open = open || at.Offset != end.Offset
		})
		if err == nil && err2 == nil && !open {
			return
		}
	}
}

// Seed writes n events with keys into a topic, with another client. bad(i)
// returns the value of message i, or nil for an event.
func (w *KafkaEnv) Seed(reg *workload.Registry, topic string, n int, bad func(i int) []byte) {
	w.Helper()
	v, err := reg.Register(context.Background(), "", contract.Schema{Text: Schema})
	if err != nil {
		w.Fatal(err)
	}
	cl := w.client(kgo.DefaultProduceTopic(topic))
	defer cl.Close()
	for i := range n {
		e := Event{Key: fmt.Sprint(i % 50), Seq: int64(i)}
		value, _ := e.AppendAvro(binary.BigEndian.AppendUint32([]byte{0}, uint32(v.ID)))
		if bad != nil {
			if b := bad(i); b != nil {
				value = b
			}
		}
		cl.Produce(context.Background(), &kgo.Record{Key: []byte(e.Key), Value: value, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}}}, nil)
	}
	if err := cl.Flush(Ctx(w)); err != nil {
		w.Fatal(err)
	}
}

// Differences is the result of Compare.
type Differences struct{ Lost, Twice, OutOfOrder, Strange int }

// Compare searches a topic for each of n events and checks the order of each
// key.
func (w *KafkaEnv) Compare(topic string, n int) Differences {
	w.Helper()
	return CompareEvents(w.Committed(topic), n)
}

// CompareEvents searches for each of n events and checks the order of each key.
func CompareEvents(events []Event, n int) (f Differences) {
	seen, last := map[int64]int{}, map[string]int64{}
	for _, e := range events {
		seen[e.Seq]++
		if l, ok := last[e.Key]; ok && e.Seq < l {
			f.OutOfOrder++
		}
		last[e.Key] = e.Seq
	}
	for i := range n {
		if times := seen[int64(i)]; times == 0 {
			f.Lost++
		} else {
			f.Twice += times - 1
		}
		delete(seen, int64(i))
	}
	f.Strange = len(seen)
	return f
}

// WantExactlyOnce checks that a topic holds each of n events once, and that the
// events of each key are in order.
func (w *KafkaEnv) WantExactlyOnce(topic string, n int) {
	w.Helper()
	if f := w.Compare(topic, n); f != (Differences{}) {
		w.Errorf("%+v", f)
	}
}

// GroupLag returns the number of messages of a topic that a group has not
// committed, or -1.
func (w *KafkaEnv) GroupLag(topic, group string) int64 {
	cl := w.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(Ctx(w), topic)
	if err != nil {
		return -1
	}
	committed, err := adm.FetchOffsets(Ctx(w), group)
	if err != nil {
		return -1
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		left += o.Offset
		if c, ok := committed.Lookup(topic, o.Partition); ok && c.At > 0 {
			left -= c.At
		}
	})
	return left
}

// Serializer makes a serializer.
func Serializer(t testing.TB, reg serde.Registry) *serde.Serializer {
	t.Helper()
	s, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// NewID returns a unique name.
func NewID(t testing.TB) string { return fmt.Sprintf("%s-%d", t.Name(), rand.Int64()) }

// Ctx limits the waiting of a test.
func Ctx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// WaitFor waits for d, or until ctx ends.
func WaitFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Logger returns an option that shows the log if AVROLINE_TEST_LOG is set.
func Logger(t testing.TB) producer.Option {
	if os.Getenv("AVROLINE_TEST_LOG") == "" {
		return producer.Option{}
	}
	return producer.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil)).With("test", t.Name()))
}

const invalidTxnState = 48

// InDoubt makes commits end in doubt. A commit that was applied alternates with
// some commits that were not applied. The channel is closed at the end.
func InDoubt(ctx context.Context, b *producertest.Broker) <-chan struct{} {
	over := make(chan struct{})
	reached := func(f *producertest.Fault, n int) {
		for f.Hits() < n && ctx.Err() == nil {
			WaitFor(ctx, 5*time.Millisecond)
		}
	}
	go func() {
		defer close(over)
		for range 4 {
			lost := b.LoseAnswers(1, 1, producertest.EndTxn)
			reached(lost, 1)
			// The client repeats the commit that was applied. The refusal ends
			// the client. The broker then refuses the next commit too.
			refused := b.Refuse(invalidTxnState, 1, 1, producertest.EndTxn)
			again := refused.Hits()
			lost.Stop()
			reached(refused, again+2)
			refused.Stop()
		}
	}()
	return over
}

// TxCounts counts the results that Tx.OnEnd reported.
type TxCounts struct{ Committed, NotSent, Unknown int64 }

// Count is a callback for Tx.OnEnd. only one goroutine may call Count.
func (e *TxCounts) Count(err error) {
	switch {
	case err == nil:
		e.Committed++
	case errors.Is(err, producer.ErrNotSent):
		e.NotSent++
	default:
		e.Unknown++
	}
}

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TestRefused checks messages that cannot be sent. Such a message is refused as
// not sent, with the reason, before it is queued. Its callback is not called,
// and no counter changes.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name, small := w.topic("events", 3), w.topic("small", 1, "max.message.bytes", "1000")
	p := newProducer(t, w.addrs, producer.WithMaxInFlight(10, 2_000_000))
	key := producer.KeyBy(byKey)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	ok := &event{Key: "a"}
	big := &event{Key: "a", Pad: strings.Repeat("x", 1_000_000)}

	for what, c := range map[string]struct {
		topic *producer.Topic[*event]
		ctx   context.Context
		m     producer.Message[*event]
		want  string
		is    error
	}{
		"nil record":               {producer.NewTopic(name, key), nil, producer.Message[*event]{}, "record is nil", nil},
		"nil record without key":   {producer.NewTopic(name, producer.NoKey[*event]()), nil, producer.Message[*event]{}, "record is nil", nil},
		"nil record, key given":    {producer.NewTopic(name, key), nil, producer.Message[*event]{Key: producer.StringKey("k")}, "Tombstone", nil},
		"tombstone without key":    {producer.NewTopic(name, key), nil, producer.Message[*event]{Tombstone: true}, "needs Message.Key", nil},
		"nil key record":           {producer.NewTopic(name, producer.KeyRecord(func(*event) *event { return nil })), nil, producer.Message[*event]{Value: ok}, "key record is nil", nil},
		"key function panics":      {producer.NewTopic(name, producer.KeyBy(func(*event) string { panic("key") })), nil, producer.Message[*event]{Value: ok}, "the key function panicked: key", nil},
		"encoder panics":           {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: &event{Pad: "panic"}}, "the encoding of the value panicked: encoder", nil},
		"field cannot be encoded":  {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: &event{Pad: "bad"}}, "pad:", errBadField},
		"partitioner panics":       {producer.NewTopic(name, key, producer.WithPartitioner(func([]byte, int32) int32 { panic("where") })), nil, producer.Message[*event]{Value: ok}, "the partitioner panicked: where", nil},
		"partitioner out of range": {producer.NewTopic(name, key, producer.WithPartitioner(func(_ []byte, n int32) int32 { return n })), nil, producer.Message[*event]{Value: ok}, "chose 3: topic " + name + " has partitions 0 to 2", nil},
		"no such partition":        {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: ok, Partition: producer.ToPartition(7)}, "ToPartition(7): topic " + name + " has partitions 0 to 2", nil},
		"negative partition":       {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: ok, Partition: producer.ToPartition(-2)}, "ToPartition(-2)", nil},
		"too large for the topic":  {producer.NewTopic(small, key), nil, producer.Message[*event]{Value: &event{Pad: strings.Repeat("x", 1000)}}, "max.message.bytes of topic " + small + " allows 1000", nil},
		"too large for us":         {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: big}, "this producer's limit (WithMaxMessageBytes) allows 1000000", nil},
		"ctx over":                 {producer.NewTopic(name, key), ended, producer.Message[*event]{Value: ok}, "canceled", context.Canceled},
		"unknown topic":            {producer.NewTopic("nowhere", key), nil, producer.Message[*event]{Value: ok}, `no topic "nowhere": create it`, producer.ErrUnknownTopic},
		"long topic name":          {producer.NewTopic(strings.Repeat("t", 600), key), nil, producer.Message[*event]{Value: ok}, "600 bytes: Kafka allows 249", nil},
		"bad topic name":           {producer.NewTopic("a/b", key), nil, producer.Message[*event]{Value: ok}, "only letters", nil},
		"empty topic name":         {producer.NewTopic("", key), nil, producer.Message[*event]{Value: ok}, "not allowed", nil},
		"before 1970":              {producer.NewTopic(name, key), nil, producer.Message[*event]{Value: ok, Timestamp: time.UnixMilli(-1)}, "is before 1970", nil},
		"option for another type": {
			producer.NewTopic(name, key, producer.WithTimestampBy(func(*otherRecord) time.Time { return time.Time{} })),
			nil,
			producer.Message[*event]{Value: ok},
			"another record type", nil,
		},
		"before refuses": {
			producer.NewTopic(name, key, producer.WithBefore(func(context.Context, *producer.Message[*event]) error { return errBadField })),
			nil,
			producer.Message[*event]{Value: ok},
			"pad:", errBadField,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx := c.ctx
			if ctx == nil {
				ctx = waitCtx(t)
			}
			err := c.topic.SendAsync(ctx, p, c.m, func(producer.Delivery, error) { t.Error("callback of a refused message was called") })
			if !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("error %v, want not sent and %q", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			var m *producer.MessageError
			if !errors.As(err, &m) || m.Topic != c.topic.Name() {
				t.Errorf("error %v does not name the topic", err)
			}
		})
	}
	t.Cleanup(func() {
		if s := p.Stats(); s.Accepted != 0 || s.InFlight != 0 || s.InFlightBytes != 0 {
			t.Errorf("refused messages are on the books: %+v", s)
		}
	})
}

// otherRecord is another record type.
type otherRecord struct{ event }

// TestTopicLimit checks that the error contains both sizes. A batch of many
// small messages fits the topic's limit, although the limit is far below the
// client's batch size.
func TestTopicLimit(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	p := newProducer(t, w.addrs, producer.WithLinger(20*time.Millisecond))
	ctx := waitCtx(t)
	small := producer.NewTopic(w.topic("small", 1, "max.message.bytes", "10000"), producer.KeyBy(byKey))
	events := producer.NewTopic(w.topic("events", 1), producer.KeyBy(byKey))

	var tooLarge *producer.TooLargeError
	_, err := small.Publish(ctx, p, &event{Pad: strings.Repeat("x", 20_000)})
	if !errors.As(err, &tooLarge) || tooLarge.Limit != 10_000 || tooLarge.Size < 20_000 || tooLarge.Size > 20_200 {
		t.Fatalf("error %v", err)
	}
	if _, err := small.Publish(ctx, p, &event{Pad: strings.Repeat("x", 9_850)}); err != nil {
		t.Fatalf("just below the limit: %v", err)
	}
	for size := 9_850; size < 10_000; size++ {
		if _, err := small.Publish(ctx, p, &event{Pad: strings.Repeat("x", size)}); err != nil && !errors.As(err, &tooLarge) {
			t.Fatalf("%d bytes near the limit: %v", size, err)
		}
	}
	var batch []*event
	for i := range 1000 {
		batch = append(batch, &event{Key: "k", Seq: int64(i), Pad: strings.Repeat("x", 80)})
	}
	for _, topic := range []*producer.Topic[*event]{small, events} {
		if _, err := topic.PublishAll(ctx, p, batch); err != nil {
			t.Fatalf("1,000 messages of 100 bytes to %s: %v", topic.Name(), err)
		}
	}
}

// TestUnreachable checks an address without a server. The error comes when ctx
// ends, is not sent, and names the address and the setting.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	p, err := producer.New([]string{"127.0.0.1:1"}, newSerializer(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	_, err = producer.NewTopic("events", producer.KeyBy(byKey)).Publish(ctx, p, &event{})
	for _, want := range []string{"127.0.0.1:1", "refused", "bootstrap.servers"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if !errors.Is(err, producer.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := p.Close(waitCtx(t)); err != nil {
		t.Errorf("nothing was accepted, so there is nothing to report: %v", err)
	}
}

// TestTopicOfSeveralTypes uses an interface as the record type, with subjects
// by record name.
func TestTopicOfSeveralTypes(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	p := newProducer(t, w.addrs)
	type anyEvent interface{ avrobin.Record }
	mixed := producer.NewTopic(w.topic("events", 1), producer.NoKey[anyEvent](), producer.WithValue(serde.WithSubject(serde.RecordName)))
	ctx := waitCtx(t)
	for _, r := range []anyEvent{&event{Key: "a"}, &secondRecord{}} {
		if _, err := mixed.Publish(ctx, p, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, none := range []anyEvent{nil, (*event)(nil)} {
		if _, err := mixed.Publish(ctx, p, none); !errors.Is(err, producer.ErrNotSent) {
			t.Errorf("nil record: %v", err)
		}
	}
}

type secondRecord struct{}

func (*secondRecord) AvroName() string   { return "test.Second" }
func (*secondRecord) AvroSchema() string { return `{"type":"record","name":"test.Second","fields":[]}` }

func (*secondRecord) AppendAvro(dst []byte) ([]byte, error) { return dst, nil }

// TestRefusedDuringClose has a broker refuse a batch while Close waits. The
// messages are certainly not in the log, so Close sends them again.
func TestRefusedDuringClose(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int16{"a record is blamed": 32, "the batch is too large": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			p := newProducer(t, b.Addrs(), producer.WithLinger(50*time.Millisecond))
			topic := producer.NewTopic("events", producer.KeyBy(byKey))
			ctx := waitCtx(t)
			if err := p.Prepare(ctx, topic); err != nil {
				t.Fatal(err)
			}
			b.RefuseNext(1, code, producertest.Produce)
			for i := range 20 {
				if err := topic.PublishAsync(ctx, p, &event{Key: "k", Seq: int64(i)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Close(ctx); err != nil {
				t.Error(err)
			}
			if s := p.Stats(); s.Delivered != 20 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestPrepareCompacted checks that Prepare refuses a topic whose messages the
// brokers would refuse.
func TestPrepareCompacted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopicConfig("states", 1, map[string]string{"cleanup.policy": "compact"}))
	p := newProducer(t, b.Addrs())
	err := p.Prepare(waitCtx(t), producer.NewTopic("states", producer.NoKey[*event]()))
	if err == nil || !strings.Contains(err.Error(), "NoKey gives its messages no key") {
		t.Errorf("NoKey: %v", err)
	}
	if err := p.Prepare(waitCtx(t), producer.NewTopic("states", producer.KeyBy(byKey))); err != nil {
		t.Errorf("with a key: %v", err)
	}
}

// TestPermissionTakenAway takes the permission on a topic away while messages
// are published. librdkafka then needs a new client. The error of the message
// still names the missing permission.
func TestPermissionTakenAway(t *testing.T) {
	t.Parallel()
	const topicAuthorizationFailed = 29
	broker := startBroker(t, producertest.WithTopic("events", 1))
	p := newProducer(t, broker.Addrs())
	topic := producer.NewTopic("events", producer.KeyBy(byKey))
	if _, err := topic.Publish(waitCtx(t), p, &event{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	broker.Refuse(topicAuthorizationFailed, 1, 0)
	_, err := topic.Publish(waitCtx(t), p, &event{Key: "a"})
	if producer.ReasonOf(err) != producer.ReasonPermission || !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "grant Write on topic events") {
		t.Errorf("got %v", err)
	}
	closeWithLosses(t, p)
}

// TestPermissionOnMetadataTakenAway takes away the permission to see a topic.
// From then on the client itself refuses the topic's messages. A refused
// message has an error and no callback.
func TestPermissionOnMetadataTakenAway(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, producertest.WithTopic("events", 1))
	p := newProducer(t, broker.Addrs(), producer.WithMetadataMaxAge(100*time.Millisecond))
	losses.Store(p, true)
	topic := producer.NewTopic("events", producer.KeyBy(byKey))
	ctx := waitCtx(t)
	if _, err := topic.Publish(ctx, p, &event{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	broker.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "events", Err: kerr.TopicAuthorizationFailed, Count: -1})
	var called atomic.Int64
	accepted, refused := int64(0), 0
	for until := time.Now().Add(time.Second); refused < 10 && time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		switch err := topic.PublishAsync(ctx, p, &event{Key: "a"}, func(producer.Delivery, error) { called.Add(1) }); {
		case err == nil:
			accepted++
		case !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "grant Write on topic events"):
			t.Fatal(err)
		default:
			refused++
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); called.Load() != accepted || s.Accepted != accepted+1 || s.InFlight != 0 || s.InFlightBytes != 0 || s.Delivered+s.NotSent+s.Unknown != s.Accepted {
		t.Errorf("%d messages accepted, %d callbacks, %+v", accepted, called.Load(), s)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
}

// TestInternalTopic checks that a topic to which brokers let no client write
// ends its messages, also in a transaction, and that the error says why.
func TestInternalTopic(t *testing.T) {
	t.Parallel()
	events := producer.NewTopic("events", producer.NoKey[*event]())
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			ctx := waitCtx(t)
			b := startBroker(t, producertest.WithTopic("events", 1))
			b.Refuse(kerr.InvalidTopicException.Code, 1, 0)
			p := newProducer(t, b.Addrs(), opts...)
			_, err := events.Publish(ctx, p, &event{})
			if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "internal topic") {
				t.Errorf("%v", err)
			}
			closeWithLosses(t, p)
			tp, err := producer.NewTransactional(b.Addrs(), "internal", newSerializer(t), opts...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tp.Close(waitCtx(t)) })
			err = tp.InTx(ctx, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{}) })
			if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "internal topic") {
				t.Errorf("in a transaction: %v", err)
			}
		})
	}
}

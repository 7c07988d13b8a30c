package librdkafka

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// newTopic gives a handle of the topic events, and the producer that it belongs to.
func newTopic(t testing.TB, brokers string) (*kafka.Producer, *Topic) {
	t.Helper()
	p, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": brokers, "linger.ms": 1, "enable.metrics.push": false, "go.logs.channel.enable": true,
		"queue.buffering.max.messages": 0, "go.delivery.report.fields": "none",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := c.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(topic.Free)
	return p, topic
}

// TestOpenElsewhere: a client whose C instance is not where it is known to lie is refused, and not guessed at.
func TestOpenElsewhere(t *testing.T) {
	t.Parallel()
	if _, err := Open(new(kafka.Producer)); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("opened what was never made: %v", err)
	}
}

// TestProduce: what an independent client reads is what was produced, null and empty told apart.
func TestProduce(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 2))
	p, topic := newTopic(t, b.Addrs()[0])

	long := bytes.Repeat([]byte("x"), 100_000)
	then := time.Date(2019, 7, 3, 1, 2, 3, 4_000_000, time.UTC)
	headers := func(of ...serde.Header) (h Headers) {
		for _, one := range of {
			h.Add(one.Key, one.Value)
		}
		return h
	}
	type message struct {
		key, value []byte
		at         time.Time
		headers    []serde.Header
	}
	sent := []message{
		{nil, []byte("v"), time.Time{}, nil},
		{[]byte{}, []byte("v"), time.Time{}, nil},
		{[]byte("k"), nil, time.Time{}, nil},
		{[]byte("k\x00k"), []byte{}, then, nil},
		{long, long, then, []serde.Header{{Key: "a", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "", Value: []byte("\x00\xff")}}},
		{nil, nil, time.Time{}, []serde.Header{{Key: "\u00e9\x00", Value: long}}},
	}
	for i, m := range sent {
		h := headers(m.headers...)
		size := 0
		for _, one := range m.headers {
			size += len(one.Key) + len(one.Value)
		}
		if h.Size() != size || h.Len() != len(m.headers) {
			t.Errorf("%d: %d headers of %d bytes, want %d of %d", i, h.Len(), h.Size(), len(m.headers), size)
		}
		if err := topic.Produce(1, &Message{Key: m.key, Value: m.value, Headers: h, Timestamp: m.at}); err != nil {
			t.Fatal(err)
		}
	}
	for range sent {
		if m := (<-p.Events()).(*kafka.Message); m.TopicPartition.Error != nil || *m.TopicPartition.Topic != "events" {
			t.Fatal(m.TopicPartition)
		}
	}
	same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
	i := 0
	for r, err := range producertest.ReadRaw(t.Context(), b, "events") {
		if err != nil {
			t.Fatal(err)
		}
		m := sent[i]
		var value []byte
		if r.Value != nil {
			value = *r.Value
		}
		if !same(r.Key, m.key) || !same(value, m.value) || r.Partition != 1 || len(r.Headers) != len(m.headers) {
			t.Errorf("%d: read %d, %q %q with %d headers", i, r.Partition, r.Key, value, len(r.Headers))
		}
		for k, h := range r.Headers {
			if h.Key != m.headers[k].Key || !same(h.Value, m.headers[k].Value) {
				t.Errorf("%d: header %q = %q", i, h.Key, h.Value)
			}
		}
		if m.at.IsZero() && time.Since(r.Timestamp).Abs() > time.Hour || !m.at.IsZero() && !r.Timestamp.Equal(m.at) {
			t.Errorf("%d: the time is %v", i, r.Timestamp)
		}
		i++
	}
	if i != len(sent) {
		t.Errorf("%d of %d read", i, len(sent))
	}
}

// TestHeadersReset: one message with huge headers does not keep their memory for ever.
func TestHeadersReset(t *testing.T) {
	t.Parallel()
	for size, kept := range map[int]bool{100: true, 1000: false} {
		var h Headers
		h.Add("k", make([]byte, size))
		h.Reset(500)
		if h.Len() != 0 || h.Size() != 0 || (cap(h.packed) > 0) != kept {
			t.Errorf("after %d bytes: %d headers, %d bytes, room for %d", size, h.Len(), h.Size(), cap(h.packed))
		}
	}
}

// TestRefused: an error has the client's code, and the message is not taken.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 2))
	p, topic := newTopic(t, b.Addrs()[0])
	if err := topic.Produce(0, &Message{}); err != nil { // by then the partitions are known
		t.Fatal(err)
	}
	<-p.Events()
	var h Headers
	h.Add("k", []byte("v"))
	refused := func(what string, err error, code kafka.ErrorCode) {
		t.Helper()
		if kerr := new(kafka.Error); !errors.As(err, kerr) || kerr.Code() != code || kerr.IsFatal() != (code == kafka.ErrFatal) || kerr.Error() == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("no such partition", topic.Produce(7, &Message{}), kafka.ErrUnknownPartition)
	refused("no such partition, with headers", topic.Produce(7, &Message{Headers: h}), kafka.ErrUnknownPartition)
	huge := make([]byte, 2_000_000)
	refused("too large", topic.Produce(0, &Message{Value: huge}), kafka.ErrMsgSizeTooLarge)
	refused("too large, with headers", topic.Produce(0, &Message{Value: huge, Headers: h}), kafka.ErrMsgSizeTooLarge)
	_, err := topic.client.Topic(strings.Repeat("x", 600))
	refused("a topic's name", err, kafka.ErrInvalidArg)
	if err := topic.Produce(0, &Message{}); err != nil {
		t.Fatal(err)
	}
	<-p.Events()
	n := 0
	for _, err := range producertest.ReadRaw(t.Context(), b, "events") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d are in the log, want those before and after", n)
	}
}

// TestProduceAllocates nothing.
func TestProduceAllocates(t *testing.T) {
	p, topic := newTopic(t, "127.0.0.1:1")
	m := &Message{Key: []byte("key"), Value: []byte("value")}
	m.Headers.Add("event-id", []byte("0190163d-8694-739b-aea5-966c26f8ad90"))
	if n := testing.AllocsPerRun(100, func() { _ = topic.Produce(kafka.PartitionAny, m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = p.Purge(kafka.PurgeQueue)
}

// TestLog: with the guard lines come to Go, those of debugging where they are wanted.
func TestLog(t *testing.T) {
	t.Parallel()
	for _, debug := range []bool{false, true} {
		p, err := kafka.NewProducer(&kafka.ConfigMap{
			"bootstrap.servers": "127.0.0.1:1", "enable.idempotence": true, "debug": GuardDebug,
			"enable.metrics.push": false, "go.logs.channel.enable": true,
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		lines := make(chan kafka.LogEvent, 1000)
		if err := c.Guard(debug, func(line kafka.LogEvent) { lines <- line }); err != nil {
			t.Fatal(err)
		}
		p.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, "by the test")
		p.Close()
		c.Unguard()
		close(lines)
		debugged, told := 0, false
		for line := range lines {
			if line.Level == 7 {
				debugged++
			}
			told = told || line.Tag == "FATAL" && strings.Contains(line.Message, "by the test")
		}
		if !told || debug != (debugged > 0) {
			t.Errorf("debug %v: %d lines of debugging, the fatal one: %v", debug, debugged, told)
		}
	}
}

// BenchmarkProduce holds Produce against the client's own. Nothing is delivered: each run is purged.
func BenchmarkProduce(b *testing.B) {
	value := bytes.Repeat([]byte("v"), 100)
	name := "events"
	for _, headers := range []int{0, 3} {
		var packed Headers
		var list []kafka.Header
		for range headers {
			packed.Add("trace", value[:32])
			list = append(list, kafka.Header{Key: "trace", Value: value[:32]})
		}
		suffix := map[int]string{0: "", 3: "/three-headers"}[headers]
		b.Run("ours"+suffix, func(b *testing.B) {
			p, t := newTopic(b, "127.0.0.1:1")
			m := &Message{Key: value[:12], Value: value, Headers: packed}
			b.ReportAllocs()
			for b.Loop() {
				if err := t.Produce(kafka.PartitionAny, m); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			_ = p.Purge(kafka.PurgeQueue)
		})
		b.Run("confluent"+suffix, func(b *testing.B) {
			p, _ := newTopic(b, "127.0.0.1:1")
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: kafka.PartitionAny}, Key: value[:12], Value: value, Headers: list}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Produce(m, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			_ = p.Purge(kafka.PurgeQueue)
		})
	}
}

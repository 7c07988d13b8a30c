//go:build cgo

package producer_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// ambiguity has the broker refuse a batch while another one, for another partition, was written and is said not to be.
// behind says that a third follows the refused one, which is out of order then: so it happens while leaders move. send sends a
// value to a partition and waits for nothing; settled waits for all. It returns how often each value is in the log.
func ambiguity(t *testing.T, b *producertest.Broker, refusal *kerr.Error, behind bool, send func(partition int32, value string), settled func()) map[string]int {
	t.Helper()
	for partition := range int32(2) { // sequences begin
		send(partition, "warm")
	}
	settled()
	produce := []kmsg.Key{kmsg.Produce}
	b.Cluster().Fault(kfake.Fault{Keys: produce, Partitions: []int32{0}, Count: 1, Err: refusal})
	b.Cluster().Fault(kfake.Fault{Keys: produce, Partitions: []int32{1}, Count: 1, Err: kerr.NotEnoughReplicasAfterAppend})
	slow := b.DelayAnswers(2 * time.Second) // all are on the wire before the first is answered
	for _, m := range []struct {
		partition int32
		value     string
	}{{1, "written"}, {0, "refused"}, {0, "behind"}} {
		if m.value != "behind" || behind {
			send(m.partition, m.value)
			during(t.Context(), 300*time.Millisecond) // it leaves as a batch of its own
		}
	}
	slow.Stop()
	settled()
	found := map[string]int{}
	for r, err := range producertest.ReadRaw(t.Context(), b, "skips") {
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"refused", "written", "behind"} {
			if strings.HasSuffix(string(*r.Value), name) {
				found[name]++
			}
		}
	}
	return found
}

// skip is ambiguity with a skipped sequence number.
func skip(t *testing.T, b *producertest.Broker, send func(partition int32, value string), settled func()) map[string]int {
	t.Helper()
	return ambiguity(t, b, kerr.NotLeaderForPartition, true, send, settled)
}

var skips = producer.NewTopic("skips", producer.NoKey[*event]())

// batches gives what ambiguity asks for, by p, and the outcome of each value.
func batches(t *testing.T, p *producer.Producer) (send func(partition int32, value string), settled func(), outcome func(value string) error) {
	ctx := waitCtx(t)
	var outcomes sync.Map // value → *error
	var under sync.WaitGroup
	send = func(partition int32, value string) {
		under.Add(1)
		m := producer.Message[*event]{Value: &event{Pad: value}, Partition: producer.ToPartition(partition)}
		if err := skips.SendAsync(ctx, p, m, func(_ producer.Delivery, err error) {
			outcomes.Store(value, &err)
			under.Done()
		}); err != nil {
			t.Fatal(err)
		}
	}
	return send, under.Wait, func(value string) error {
		err, _ := outcomes.Load(value)
		return *err.(*error)
	}
}

// TestSkippedSequence: what librdkafka would answer by writing twice ends the client instead; nothing is there twice, and
// another client goes on.
func TestSkippedSequence(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	p := newProducer(t, b.Addrs(), producer.WithLinger(0), producer.WithInFlightRequests(5))
	send, settled, outcome := batches(t, p)
	found := skip(t, b, send, settled)
	for value, n := range found {
		if n > 1 {
			t.Errorf("%q is in the log %d times", value, n)
		}
	}
	// A leader that resigns answers "not leader" also for a batch that it has written.
	// So they may be unknown, and are not sent again then.
	for _, value := range []string{"refused", "behind"} {
		if err := outcome(value); err == nil && found[value] != 1 || err != nil && !errors.Is(err, producer.ErrOutcomeUnknown) {
			t.Errorf("%q is there %d times: %v", value, found[value], err)
		}
	}
	if found["written"] != 1 {
		t.Errorf("what was written is there %d times", found["written"])
	}
	if err := outcome("written"); !errors.Is(err, producer.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "skips [0]") {
		t.Errorf("what was written has the outcome %v", err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("the producer has ended: %v", err)
	}
	if _, err := skips.Publish(waitCtx(t), p, &event{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if u := closeWithLosses(t, p); u != nil && (u.Unknown < 1 || u.NotSent != 0) {
		t.Errorf("close: %v", u)
	}
}

// TestControlSkippedSequence: the client alone writes it twice, or the test above
// says nothing.
func TestControlSkippedSequence(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	send, settled := rawSender(t, b)
	if found := skip(t, b, send, settled); found["written"] != 2 {
		t.Errorf("what was written is there %d times: the fault is gone", found["written"])
	}
}

// TestRefusedForGood: a batch that the broker refuses for good ends the client too, and without recovery the producer.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	p := newProducer(t, b.Addrs(), producer.WithLinger(0), producer.WithInFlightRequests(5),
		producer.WithoutRecovery())
	send, settled, outcome := batches(t, p)
	found := ambiguity(t, b, kerr.PolicyViolation, false, send, settled)
	if err := outcome("written"); found["written"] != 1 || !errors.Is(err, producer.ErrOutcomeUnknown) {
		t.Errorf("what was written is there %d times: %v", found["written"], err)
	}
	if err := p.Err(); !errors.Is(err, producer.ErrFatal) {
		t.Errorf("the producer says %v", err)
	}
	if u := closeWithLosses(t, p); u != nil && (u.Unknown != 1 || u.NotSent != 1) {
		t.Errorf("close: %v", u)
	}
}

// TestControlRefusedForGood: the client alone, which goes on after such a refusal,
// writes the other batch twice.
func TestControlRefusedForGood(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	send, settled := rawSender(t, b)
	if found := ambiguity(t, b, kerr.PolicyViolation, false, send, settled); found["written"] != 2 {
		t.Errorf("what was written is there %d times: the fault is gone", found["written"])
	}
}

// rawSender publishes by the Go client alone, and waits for its reports.
func rawSender(t *testing.T, b *producertest.Broker) (send func(partition int32, value string), settled func()) {
	t.Helper()
	p, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(b.Addrs(), ","), "enable.idempotence": true, "acks": "all", "linger.ms": 0,
		"enable.metrics.push": false, "go.logs.channel.enable": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	name := "skips"
	published, reported := 0, 0
	send = func(partition int32, value string) {
		published++
		at := kafka.TopicPartition{Topic: &name, Partition: partition}
		if err := p.Produce(&kafka.Message{TopicPartition: at, Value: []byte(value)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return send, func() {
		for reported < published {
			if _, ok := (<-p.Events()).(*kafka.Message); ok {
				reported++
			}
		}
	}
}

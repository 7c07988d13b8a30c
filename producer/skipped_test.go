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

// ambiguity makes the broker refuse a batch. At the same time the broker writes
// a batch for another partition and reports that batch as not written. behind
// adds a third batch after the refused batch. The third batch is then out of
// order, as it happens while leaders move. send sends a value to a partition
// and does not wait. settled waits for all values. ambiguity returns how often
// each value is in the log.
func ambiguity(t *testing.T, b *producertest.Broker, refusal *kerr.Error, behind bool, send func(partition int32, value string), settled func()) map[string]int {
	t.Helper()
	for partition := range int32(2) { // the sequence numbers begin
		send(partition, "warm")
	}
	settled()
	produce := []kmsg.Key{kmsg.Produce}
	b.Cluster().Fault(kfake.Fault{Keys: produce, Partitions: []int32{0}, Count: 1, Err: refusal})
	b.Cluster().Fault(kfake.Fault{Keys: produce, Partitions: []int32{1}, Count: 1, Err: kerr.NotEnoughReplicasAfterAppend})
	slow := b.DelayAnswers(6 * time.Second) // all batches are sent before the first answer
	for _, m := range []struct {
		partition int32
		value     string
	}{{1, "written"}, {0, "refused"}, {0, "behind"}} {
		if m.value != "behind" || behind {
			send(m.partition, m.value)
			waitFor(t.Context(), 300*time.Millisecond) // the value gets its own batch
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

// skipSequence runs ambiguity with a skipped sequence number.
func skipSequence(t *testing.T, b *producertest.Broker, send func(partition int32, value string), settled func()) map[string]int {
	t.Helper()
	return ambiguity(t, b, kerr.NotLeaderForPartition, true, send, settled)
}

var skipsTopic = producer.NewTopic("skips", producer.NoKey[*event]())

// batches returns the functions for ambiguity on a producer, and the outcome of
// each value.
func batches(t *testing.T, p *producer.Producer) (send func(partition int32, value string), settled func(), outcome func(value string) error) {
	ctx := waitCtx(t)
	var outcomes sync.Map // value → *error
	var under sync.WaitGroup
	send = func(partition int32, value string) {
		under.Add(1)
		m := producer.Message[*event]{Value: &event{Pad: value}, Partition: producer.ToPartition(partition)}
		if err := skipsTopic.SendAsync(ctx, p, m, func(_ producer.Delivery, err error) {
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

// TestSkippedSequence checks a case in which librdkafka alone would write
// twice. The producer ends the client instead. No value is in the log twice,
// and another client goes on.
func TestSkippedSequence(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	p := newProducer(t, b.Addrs(), producer.WithLinger(0), producer.WithInFlightRequests(5))
	send, settled, outcome := batches(t, p)
	found := skipSequence(t, b, send, settled)
	for value, n := range found {
		if n > 1 {
			t.Errorf("%q is in the log %d times", value, n)
		}
	}
	// A resigning leader answers "not leader" also for a batch that the leader
	// has written. So these values may be unknown, and then they are not sent
	// again.
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
	if _, err := skipsTopic.Publish(waitCtx(t), p, &event{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if u := closeWithLosses(t, p); u != nil && (u.Unknown < 1 || u.NotSent != 0) {
		t.Errorf("close: %v", u)
	}
}

// TestControlSkippedSequence checks that the client alone writes the value
// twice. Otherwise the test above proves nothing.
func TestControlSkippedSequence(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	send, settled := rawSender(t, b)
	if found := skipSequence(t, b, send, settled); found["written"] != 2 {
		t.Errorf("what was written is there %d times: the fault is gone", found["written"])
	}
}

// TestRefusedForGood checks that a batch with a final refusal ends the client.
// Without recovery it also ends the producer.
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

// TestControlRefusedForGood checks that the client alone goes on after a final
// refusal and writes the other batch twice.
func TestControlRefusedForGood(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("skips", 2))
	send, settled := rawSender(t, b)
	if found := ambiguity(t, b, kerr.PolicyViolation, false, send, settled); found["written"] != 2 {
		t.Errorf("what was written is there %d times: the fault is gone", found["written"])
	}
}

// rawSender publishes with the Go client alone, and waits for its reports.
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

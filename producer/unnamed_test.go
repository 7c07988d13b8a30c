package producer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestUnnamedRecord has the broker refuse every batch that has a bad record,
// without naming the record. Only the bad records are not sent. All others are
// delivered in order. The producer finds a bad record in a number of steps that
// grows like the logarithm of the size of the batch. Sending the messages one
// by one would need as many steps as there are messages.
//
// librdkafka may send the next batch in the moment between reading the refusal
// and handling the refusal. The broker refuses that batch too, for its sequence
// number. librdkafka calls its messages possibly persisted, so they are
// unknown.
func TestUnnamedRecord(t *testing.T) {
	t.Parallel()
	for name, options := range transports() {
		for reason, code := range map[string]int16{"an invalid record": 87, "a batch too large": 10} {
			t.Run(name+", "+reason, func(t *testing.T) {
				t.Parallel()
				testUnnamedRecord(t, code, name == "confluent", options)
			})
		}
	}
}

func testUnnamedRecord(t *testing.T, code int16, mayBeUnknown bool, options []producer.Option) {
	const events = 3000
	bad := []int64{700, 2200, 2201}
	b := startBroker(t, producertest.WithTopic("events", 1))
	var requests atomic.Int64 // counted by the broker's goroutine
	b.Cluster().ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		requests.Add(1)
		req := r.(*kmsg.ProduceRequest)
		if !bytes.Contains(req.Topics[0].Partitions[0].Records, []byte("poison")) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		topic, partition := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
		topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		partition.ErrorCode, partition.BaseOffset = code, -1
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	log := &logLevels{}
	p, err := producer.New(b.Addrs(), newSerializer(t), slices.Concat(options,
		[]producer.Option{producer.WithLinger(10 * time.Millisecond), producer.WithLogger(log.logger())})...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	topic := producer.NewTopic("events", producer.KeyBy(byKey))
	if _, err := topic.Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	var delivered, refused, unknown []int64 // by the delivery goroutine
	last := int64(-1)
	for seq := range int64(events) {
		e := &event{Key: "k", Seq: seq}
		if slices.Contains(bad, seq) {
			e.Pad = "poison"
		}
		if err := topic.PublishAsync(ctx, p, e, func(d producer.Delivery, err error) {
			switch {
			case err == nil:
				delivered = append(delivered, seq)
				if d.Offset <= last {
					t.Errorf("message %d has the offset %d after %d", seq, d.Offset, last)
				}
				last = d.Offset
			case errors.Is(err, producer.ErrNotSent):
				refused = append(refused, seq)
			default:
				unknown = append(unknown, seq)
				t.Logf("message %d: %v", seq, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	var left *producer.UndeliveredError
	if err := p.Close(ctx); !errors.As(err, &left) || left.NotSent != int64(len(bad)) || left.Unknown != 0 && !mayBeUnknown {
		t.Errorf("close: %v", err)
	}
	slices.Sort(refused)
	if len(delivered)+len(unknown) != events-len(bad) || !slices.IsSorted(delivered) || !slices.Equal(refused, bad) {
		t.Errorf("%d delivered, sorted %t, %d unknown; refused %d", len(delivered), slices.IsSorted(delivered), len(unknown), refused)
	}
	clients := 0
	for _, line := range log.atOrAbove(slog.LevelInfo) {
		if strings.HasPrefix(line, "INFO messages_sent_again") {
			clients++
		}
	}
	most, n := 20*len(bad), requests.Load()
	if clients == 0 || clients > most || n > int64(10*most) {
		t.Errorf("%d requests, messages were sent again %d times, want at most %d", n, clients, most)
	}
	t.Logf("%d requests, messages were sent again %d times", n, clients)
}

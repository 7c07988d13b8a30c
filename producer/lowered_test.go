package producer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestLoweredLimit lowers max.message.bytes of a topic while several goroutines
// publish, and has the brokers refuse two batches as too large. No
// message is refused. The messages of each key keep their order, although the
// topic could now have a client with smaller batches. A message whose answer is
// lost with the old client may be unknown.
func TestLoweredLimit(t *testing.T) {
	t.Parallel()
	for name, options := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 3 {
				testLoweredLimit(t, options)
			}
		})
	}
}

func testLoweredLimit(t *testing.T, options []producer.Option) {
	const goroutines, each = 4, 1500
	b := startBroker(t, producertest.WithBrokers(3), producertest.WithTopic("events", 3))
	p := newProducer(t, b.Addrs(), options...)
	ctx := waitCtx(t)
	topic := producer.NewTopic("events", producer.KeyBy(byKey))
	if _, err := topic.Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	setTopicConfig(ctx, t, b.Addrs(), "events", "max.message.bytes", "20000")
	type place struct {
		partition   int32
		offset, seq int64
	}
	var (
		mu      sync.Mutex
		places  = map[string][]place{}
		unknown int64
		all     sync.WaitGroup
	)
	for g := range goroutines {
		all.Go(func() {
			for seq := range int64(each) {
				if seq == 500 && g == 0 {
					b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: 2, When: hasSeveralMessages})
				}
				key := fmt.Sprintf("%d-%d", g, seq%5)
				if err := topic.PublishAsync(ctx, p, &event{Key: key, Seq: seq}, func(d producer.Delivery, err error) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						places[key] = append(places[key], place{d.Partition, d.Offset, seq})
					case errors.Is(err, producer.ErrOutcomeUnknown):
						unknown++
					default:
						t.Error(err)
					}
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Delivered != goroutines*each+1-unknown || s.Unknown != unknown {
		t.Errorf("%d unknown: %+v", unknown, s)
	}
	if unknown > 0 {
		closeWithLosses(t, p)
	}
	for key, list := range places {
		slices.SortFunc(list, func(a, b place) int { return int(a.seq - b.seq) })
		for i := 1; i < len(list); i++ {
			if list[i].offset <= list[i-1].offset {
				t.Fatalf("key %s: %+v comes after %+v", key, list[i-1], list[i])
			}
		}
	}
}

// hasSeveralMessages reports whether a produce request has more than one
// message. A message that is refused alone is not sent again.
func hasSeveralMessages(r kmsg.Request) bool {
	for _, topic := range r.(*kmsg.ProduceRequest).Topics {
		for _, p := range topic.Partitions {
			if len(p.Records) < 200 {
				return false
			}
		}
	}
	return true
}

func setTopicConfig(ctx context.Context, t *testing.T, brokers []string, topic, name, value string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	answers, err := kadm.NewClient(cl).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
}

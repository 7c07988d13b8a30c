package producer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// waitForHealth waits until the health fits, and returns the health.
func waitForHealth(t *testing.T, p *producer.Producer, what string, ok func(h producer.Health) bool) producer.Health {
	t.Helper()
	for ctx := waitCtx(t); ; time.Sleep(20 * time.Millisecond) {
		h := p.Health()
		if ok(h) {
			return h
		}
		if ctx.Err() != nil {
			t.Fatalf("waited in vain for %s: %+v", what, h)
		}
	}
}

// TestOneBrokerAway checks that a broker of three that goes away makes the
// producer degraded, and not unready, and that the health names the broker.
func TestOneBrokerAway(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithBrokers(3), producertest.WithTopic("events", 12))
	p := newProducer(t, b.Addrs())
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.NoKey[*event]())
	for i := range int32(12) {
		if _, err := events.Send(ctx, p, producer.Message[*event]{Value: &event{}, Partition: producer.ToPartition(i)}); err != nil {
			t.Fatal(err)
		}
	}
	h := waitForHealth(t, p, "three connected brokers", func(h producer.Health) bool {
		connected := 0
		for _, b := range h.Brokers {
			if b.State == producer.BrokerConnected {
				connected++
			}
		}
		return connected == 3
	})
	if !h.Ready || h.Degraded != nil || h.Reason != nil {
		t.Errorf("all is well: %+v", h)
	}
	since := h.Since
	away := b.Addrs()[1]
	if err := b.RemoveNode(1); err != nil {
		t.Fatal(err)
	}
	b.Cut() // RemoveNode closes the listener only
	h = waitForHealth(t, p, "degraded, by the broker that is away alone", func(h producer.Health) bool {
		for _, b := range h.Brokers {
			if (b.State == producer.BrokerUnreachable) != (b.Address == away) {
				return false
			}
		}
		return h.Ready && h.Degraded != nil && strings.Contains(h.Degraded.Error(), away)
	})
	if h.Reason != nil || !errors.Is(h.Degraded, producer.ErrUnreachable) {
		t.Errorf("one broker of three is away: %+v", h)
	}
	if h := p.Health(); h.Since.Before(since) {
		t.Errorf("since %v, and before since %v", h.Since, since)
	}
}

// TestStuckHealth checks that one stuck partition of a topic makes the producer
// degraded, and that a topic whose partitions are all stuck makes it unready.
func TestStuckHealth(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 2), producertest.WithTopic("other", 1))
	p := newProducer(t, b.Addrs())
	events := producer.NewTopic("events", producer.NoKey[*event]())
	ctx := waitCtx(t)
	if err := p.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	leaderless := func(partition int32) *kfake.FaultHandle {
		h := b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{partition}, Count: 1 << 30, Err: kerr.NotLeaderForPartition})
		if err := events.SendAsync(ctx, p, producer.Message[*event]{Value: &event{}, Partition: producer.ToPartition(partition)}, nil); err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := leaderless(0)
	h := waitForHealth(t, p, "a stuck partition", func(h producer.Health) bool { return h.Degraded != nil })
	if !h.Ready || len(h.Stuck) != 1 || h.Stuck[0] != "events[0]" || !strings.Contains(h.Degraded.Error(), "events[0]") {
		t.Errorf("one of two partitions: %+v", h)
	}
	second := leaderless(1)
	h = waitForHealth(t, p, "a stuck topic", func(h producer.Health) bool { return !h.Ready })
	if len(h.Stuck) != 2 || h.Reason == nil || h.Degraded != nil {
		t.Errorf("both partitions: %+v", h)
	}
	first.Remove()
	second.Remove()
	waitForHealth(t, p, "well again", func(h producer.Health) bool { return h.Ready && h.Degraded == nil && h.Stuck == nil })
}

// TestFewReplicas checks that Prepare succeeds while a topic has too few
// replicas in sync, and that the health is degraded until there are enough.
func TestFewReplicas(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithBrokers(3))
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.NoKey[*event]())
	first := newProducer(t, b.Addrs(), producer.WithCreateTopics(2, 3), producer.WithTopicSettings(map[string]string{"min.insync.replicas": "2"}))
	if err := first.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, b.Addrs())
	if err := p.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); !h.Ready || h.Degraded != nil {
		t.Errorf("all replicas: %+v", h)
	}
	few := shrinkReplicas(b)
	few.Store(true)
	if err := p.Prepare(ctx, events); err != nil {
		t.Errorf("too few replicas pass: %v", err)
	}
	h := p.Health()
	if !h.Ready || !errors.Is(h.Degraded, producer.ErrNotReady) || !strings.Contains(h.Degraded.Error(), "topic events: partition 1 has 1 of 3 replicas in sync") {
		t.Errorf("too few replicas: %+v", h)
	}
	few.Store(false)
	waitForHealth(t, p, "enough replicas", func(h producer.Health) bool { return h.Ready && h.Degraded == nil })
}

// TestStuckReason checks that the producer names too few replicas in sync as
// the reason why a topic does not move. The client library says nothing, and
// the producer has not called Prepare.
func TestStuckReason(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithBrokers(3))
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.NoKey[*event]())
	first := newProducer(t, b.Addrs(), producer.WithCreateTopics(1, 3), producer.WithTopicSettings(map[string]string{"min.insync.replicas": "2"}))
	if err := first.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, b.Addrs())
	if _, err := events.Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	few, refused := shrinkReplicas(b), b.Refuse(kerr.NotEnoughReplicas.Code, 1, 0)
	few.Store(true)
	if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
		t.Fatal(err)
	}
	const reason = "topic events: partition 0 has 1 of 3 replicas in sync"
	h := waitForHealth(t, p, "a reason", func(h producer.Health) bool { return errors.Is(h.Reason, producer.ErrNotReady) })
	if h.Ready || !strings.Contains(h.Reason.Error(), reason) {
		t.Errorf("%+v", h)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Flush(ended); err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("Flush: %v", err)
	}
	few.Store(false)
	refused.Stop()
	waitForHealth(t, p, "well again", func(h producer.Health) bool { return h.Ready && h.Degraded == nil })
	if err := p.Flush(ctx); err != nil {
		t.Error(err)
	}
}

// TestRefusalReason checks that the producer says why a broker does not take
// messages, on both transports.
func TestRefusalReason(t *testing.T) {
	if testing.Short() {
		t.Skip("compares texts for minutes")
	}
	t.Parallel()
	ctx := waitCtx(t)
	const again = "the messages of events[0] again and again"
	for through, opts := range transports() {
		for name, test := range map[string]struct {
			code    *kerr.Error
			request producertest.Request
			want    string // before the code
			advice  string
			only    string // the transport whose engine sends the messages again; empty: both
		}{
			"not leader": {kerr.NotLeaderForPartition, producertest.Produce, again, "has a leader", ""},
			"slow":       {kerr.RequestTimedOut, producertest.Produce, again, "look at the replicas", ""},
			"disk":       {kerr.KafkaStorageError, producertest.Produce, again, "look at the disk", ""},
			"replicas":   {kerr.NotEnoughReplicas, producertest.Produce, again, "start the brokers of the replicas", ""},
			"no id":      {kerr.CoordinatorLoadInProgress, producertest.InitProducerID, "the messages of events[0] need", "look at the logs of the brokers", ""},
			// librdkafka gives up a batch with the first code, and kgo a batch
			// with the second code. The next client sends the messages again.
			"old epoch": {kerr.FencedLeaderEpoch, producertest.Produce, again, "has a leader", ""},
			"request":   {kerr.InvalidRequest, producertest.Produce, again, "look at the log of the broker", "franz"},
		} {
			if test.only != "" && test.only != through {
				continue
			}
			t.Run(through+" "+name, func(t *testing.T) {
				t.Parallel()
				b := startBroker(t, producertest.WithTopic("events", 1))
				refused := b.Refuse(test.code.Code, 1, 0, test.request)
				p := newProducer(t, b.Addrs(), opts...)
				events := producer.NewTopic("events", producer.NoKey[*event]())
				if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
					t.Fatal(err)
				}
				ended, cancel := context.WithCancel(ctx)
				cancel()
				want := fmt.Sprintf("%s: Kafka error %s (%d)", test.want, test.code.Message, test.code.Code)
				for {
					err := p.Flush(ended)
					if err != nil && strings.Contains(err.Error(), want) && strings.Contains(err.Error(), test.advice) {
						break
					}
					if ctx.Err() != nil {
						t.Fatalf("the last error was %v, want %q and %q", err, want, test.advice)
					}
					time.Sleep(50 * time.Millisecond)
				}
				h := waitForHealth(t, p, "a reason", func(h producer.Health) bool { return !h.Ready })
				if !strings.Contains(h.Reason.Error(), want) {
					t.Errorf("%v", h.Reason)
				}
				refused.Stop()
				waitForHealth(t, p, "well again", func(h producer.Health) bool { return h.Ready && h.Degraded == nil })
				if err := p.Flush(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestSilentLeader checks that the producer names the leader that does not
// answer.
func TestSilentLeader(t *testing.T) {
	t.Parallel()
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			slow := b.DelayAnswers(15 * time.Second)
			p := newProducer(t, b.Addrs(), opts...)
			events := producer.NewTopic("events", producer.NoKey[*event]())
			if err := events.PublishAsync(waitCtx(t), p, &event{}, nil); err != nil {
				t.Fatal(err)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			// The answer may also block the metadata on the same connection.
			const want = "not answered yet"
			for {
				err := p.Flush(ended)
				if err == nil {
					t.Fatalf("no error had %q", want)
				}
				if strings.Contains(err.Error(), want) {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			slow.Stop()
		})
	}
}

// TestSilentBroker checks that the errors of a transaction and the health say
// what the transaction waits for, and that the broker does not answer.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	events := producer.NewTopic("events", producer.NoKey[*event]())
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts the connections
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			p, err := producer.NewTransactional([]string{l.Addr().String()}, "silent", newSerializer(t), opts...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close(waitCtx(t)) })
			for ctx := waitCtx(t); ; {
				short, cancel := context.WithTimeout(ctx, time.Second)
				err := p.InTx(short, func(tx *producer.Tx) error { return events.Add(short, tx, &event{}) })
				cancel()
				if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "waiting for the producer id") || ctx.Err() != nil {
					t.Fatalf("%v", err)
				}
				if errors.Is(err, producer.ErrUnreachable) && strings.Contains(err.Error(), "does not answer") {
					break
				}
			}
			if h := p.Health(); h.Ready || !errors.Is(h.Reason, producer.ErrUnreachable) {
				t.Errorf("%+v", h)
			}
		})
		t.Run(through+" commit", func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			p, err := producer.NewTransactional(b.Addrs(), "silent", newSerializer(t), opts...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close(waitCtx(t)) })
			b.DelayAnswers(3*time.Second, producertest.EndTxn)
			ctx, cancel := context.WithTimeout(waitCtx(t), 2*time.Second)
			defer cancel()
			err = p.InTx(ctx, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{}) })
			if !errors.Is(err, producer.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "waiting for the answer to the commit") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestNoLeaderReason checks that the producer names a partition without a
// leader, to which the client library sends nothing.
func TestNoLeaderReason(t *testing.T) {
	t.Parallel()
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			ctx := waitCtx(t)
			events := producer.NewTopic("events", producer.NoKey[*event]())
			p := newProducer(t, b.Addrs(), append(opts, producer.WithMetadataMaxAge(100*time.Millisecond))...)
			if _, err := events.Publish(ctx, p, &event{}); err != nil {
				t.Fatal(err)
			}
			leaderless := controlMetadata(b, func(p *kmsg.MetadataResponseTopicPartition) {
				p.ErrorCode, p.Leader = kerr.LeaderNotAvailable.Code, -1
			})
			refused := b.Refuse(kerr.NotLeaderForPartition.Code, 1, 0)
			leaderless.Store(true)
			if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
				t.Fatal(err)
			}
			waitForHealth(t, p, "a reason", func(h producer.Health) bool {
				return h.Reason != nil && strings.Contains(h.Reason.Error(), "the partition has no leader")
			})
			leaderless.Store(false)
			refused.Stop()
			if err := p.Flush(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNegativePartition checks that a broker with a wrong number of a partition
// does not end the process.
func TestNegativePartition(t *testing.T) {
	t.Parallel()
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			wrong := controlMetadata(b, func(p *kmsg.MetadataResponseTopicPartition) { p.Partition = -1 })
			wrong.Store(true)
			p := newProducer(t, b.Addrs(), opts...)
			events := producer.NewTopic("events", producer.NoKey[*event]())
			short, cancel := context.WithTimeout(waitCtx(t), time.Second)
			defer cancel()
			if _, err := events.Publish(short, p, &event{}); err == nil {
				t.Error("control: the message is delivered")
			}
			wrong.Store(false)
			if _, err := events.Publish(waitCtx(t), p, &event{}); err != nil {
				t.Errorf("with right numbers again: %v", err)
			}
		})
	}
}

// TestNoBrokerAtTheStart checks that a producer that has published nothing is
// not ready if there is no broker, and ready as soon as there is a broker. A
// program may wait for readiness before it publishes.
func TestNoBrokerAtTheStart(t *testing.T) {
	t.Parallel()
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 1))
			restart := b.Stop()
			p := newProducer(t, b.Addrs(), opts...)
			h := waitForHealth(t, p, "no broker", func(h producer.Health) bool { return !h.Ready })
			if !errors.As(h.Reason, new(*producer.ConnectionError)) {
				t.Errorf("%v", h.Reason)
			}
			restart()
			waitForHealth(t, p, "a broker", func(h producer.Health) bool { return h.Ready })
		})
	}
}

// shrinkReplicas lets the brokers say that only the leader of each partition of
// the topic events is in sync, while the result is true.
func shrinkReplicas(b *producertest.Broker) *atomic.Bool {
	return controlMetadata(b, func(p *kmsg.MetadataResponseTopicPartition) { p.ISR = []int32{p.Leader} })
}

// controlMetadata lets the brokers change what they say about each partition of
// the topic events, while the result is true.
func controlMetadata(b *producertest.Broker, change func(p *kmsg.MetadataResponseTopicPartition)) *atomic.Bool {
	cluster := b.Cluster()
	topic, infos, addrs := cluster.TopicInfo("events"), cluster.PartitionInfos("events"), b.Addrs()
	var on atomic.Bool
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !on.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		var all []int32
		for i, addr := range addrs {
			host, port, _ := strings.Cut(addr, ":")
			n, _ := strconv.Atoi(port)
			broker := kmsg.NewMetadataResponseBroker()
			broker.NodeID, broker.Host, broker.Port = int32(i), host, int32(n)
			resp.Brokers = append(resp.Brokers, broker)
			all = append(all, int32(i))
		}
		resp.ControllerID = 0
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID = kmsg.StringPtr("events"), topic.TopicID
		for _, info := range infos {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.LeaderEpoch = info.Partition, info.Leader, info.Epoch
			p.Replicas, p.ISR = all, all
			change(&p)
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
		return resp, nil, true
	})
	return &on
}

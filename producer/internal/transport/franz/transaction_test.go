package franz

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestAbortEndsOffsets aborts a transaction that has offsets, but no partition,
// because the topic of its message does not exist. kgo sends no EndTxn then.
// Without a request of the transport, the next transaction would commit the
// offsets.
func TestAbortEndsOffsets(t *testing.T) {
	t.Parallel()
	onTransactionVersions(t, func(t *testing.T, w *offsetsWorld) {
		h := &collector{all: make(chan struct{}), want: 1}
		c := w.open(t, h)
		ctx := t.Context()
		steps(t,
			func() error { return c.InitTransactions(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "missing") },
			func() error { return w.send(c, at(0, 10), at(1, 20)) },
			func() error { <-h.all; return c.AbortTransaction(ctx) },
			c.BeginTransaction,
			func() error { return w.send(c, at(0, 11)) },
			func() error { return c.CommitTransaction(ctx) },
		)
		if o := h.outcomes[0]; o.Persistence != transport.NotPersisted {
			t.Errorf("the message of the aborted transaction: %+v", o)
		}
		w.compare(t, 11, -1)
	})
}

// TestTransactionWithoutItsOffsets ends transactions that send no offsets after
// one that did. The client has added the group already, because it expects the
// offsets.
func TestTransactionWithoutItsOffsets(t *testing.T) {
	t.Parallel()
	onTransactionVersions(t, func(t *testing.T, w *offsetsWorld) {
		c := w.open(t, &collector{all: make(chan struct{}), want: 4})
		ctx := t.Context()
		steps(t,
			func() error { return c.InitTransactions(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return w.send(c, at(0, 10), at(1, 20)) },
			func() error { return c.CommitTransaction(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return c.AbortTransaction(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return c.CommitTransaction(ctx) },
			c.BeginTransaction,
			func() error { return c.CommitTransaction(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return w.send(c, at(1, 21)) },
			func() error { return c.CommitTransaction(ctx) },
		)
		w.compare(t, 10, 21)
	})
}

// TestAbortInDoubt aborts a transaction whose message is in the log, but whose
// answer is lost. The sequence numbers of the partition are then not known. If
// the next transaction went on with them, the broker would take its message for
// the lost one.
func TestAbortInDoubt(t *testing.T) {
	t.Parallel()
	onTransactionVersions(t, func(t *testing.T, w *offsetsWorld) {
		h := &collector{all: make(chan struct{}), want: 1}
		c := w.open(t, h)
		ctx := t.Context()
		steps(t,
			func() error { return c.InitTransactions(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return c.CommitTransaction(ctx) },
			c.BeginTransaction,
		)
		lost := w.broker.LoseAnswers(1, 1)
		steps(t, func() error { return produce(c, "out") })
		for lost.Hits() == 0 {
			time.Sleep(time.Millisecond)
		}
		steps(t, func() error { return c.AbortTransaction(ctx) })
		lost.Stop()
		steps(t,
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return c.CommitTransaction(ctx) },
		)
		var offsets []int64
		for r, err := range logread.All(ctx, w.addrs, "out") {
			if err != nil {
				t.Fatal(err)
			}
			offsets = append(offsets, r.Offset)
		}
		last := h.outcomes[len(h.outcomes)-1]
		if len(h.outcomes) != 3 || len(offsets) != 2 || last.Offset != offsets[1] || h.outcomes[1].Persistence != transport.PossiblyPersisted {
			t.Errorf("offsets %v are visible, outcomes %+v", offsets, h.outcomes)
		}
	})
}

// TestCommitAfterFailure commits a transaction with a message that failed.
func TestCommitAfterFailure(t *testing.T) {
	t.Parallel()
	onTransactionVersions(t, func(t *testing.T, w *offsetsWorld) {
		c := w.open(t, &collector{all: make(chan struct{}), want: -1})
		ctx := t.Context()
		steps(t,
			func() error { return c.InitTransactions(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return produce(c, "missing") },
		)
		var failed *transport.Error
		if err := c.CommitTransaction(ctx); !errors.As(err, &failed) || !failed.AbortRequired {
			t.Errorf("the commit: %v", err)
		}
		steps(t,
			func() error { return c.AbortTransaction(ctx) },
			c.BeginTransaction,
			func() error { return produce(c, "out") },
			func() error { return c.CommitTransaction(ctx) },
		)
	})
}

func steps(t *testing.T, all ...func() error) {
	t.Helper()
	for i, step := range all {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

func produce(c *client, topic string) error {
	to, err := c.Topic(topic)
	if err != nil {
		return err
	}
	return to.Produce(0, &transport.Message{Value: []byte("v")}, 1)
}

func at(partition int32, offset int64) transport.GroupOffset {
	return transport.GroupOffset{Topic: "in", Partition: partition, Offset: offset, LeaderEpoch: -1}
}

// offsetsWorld is a cluster with the topics in and out.
type offsetsWorld struct {
	broker *producertest.Broker
	addrs  []string
	admin  *kgo.Client
}

// onTransactionVersions runs f on a cluster with part 2 of KIP-890, and on a
// cluster like those before Kafka 4.0.
func onTransactionVersions(t *testing.T, f func(t *testing.T, w *offsetsWorld)) {
	t.Helper()
	for _, version := range []int16{0, 2} {
		t.Run(fmt.Sprint("transaction.version ", version), func(t *testing.T) {
			t.Parallel()
			b := producertest.Start(t, producertest.WithTopic("in", 2), producertest.WithTopic("out", 1))
			admin, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			w := &offsetsWorld{b, b.Addrs(), admin}
			req := kmsg.NewPtrUpdateFeaturesRequest()
			feature := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			feature.Feature, feature.MaxVersionLevel, feature.UpgradeType = "transaction.version", version, 2
			req.FeatureUpdates = append(req.FeatureUpdates, feature)
			resp, err := req.RequestWith(t.Context(), w.admin)
			if err == nil {
				err = kerr.ErrorForCode(resp.ErrorCode)
			}
			if err != nil {
				t.Fatal(err)
			}
			f(t, w)
		})
	}
}

func (w *offsetsWorld) open(t *testing.T, h transport.Handler) *client {
	t.Helper()
	config := testConfig(t, w.addrs, "id")
	c, err := Open(config, config.BatchBytes, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.(*client)
}

func (*offsetsWorld) send(c *client, offsets ...transport.GroupOffset) error {
	return c.SendOffsets(context.Background(), offsets, transport.GroupMember{Group: "group", Generation: -1})
}

// compare compares the committed offsets of the partitions.
func (w *offsetsWorld) compare(t *testing.T, offsets ...int64) {
	t.Helper()
	for partition, want := range offsets {
		req := kmsg.NewPtrOffsetFetchRequest()
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "group"
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = "in", []int32{int32(partition)}
		g.Topics = append(g.Topics, gt)
		req.Groups = append(req.Groups, g)
		resp, err := req.RequestWith(t.Context(), w.admin)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Groups[0].Topics[0].Partitions[0]; got.Offset != want || got.ErrorCode != 0 {
			t.Errorf("partition %d: offset %d, code %d, want %d", partition, got.Offset, got.ErrorCode, want)
		}
	}
}

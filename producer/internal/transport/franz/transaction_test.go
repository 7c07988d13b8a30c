package franz

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	addrs []string
	admin *kgo.Client
}

// onTransactionVersions runs f on a cluster with part 2 of KIP-890, and on a
// cluster like those before Kafka 4.0.
func onTransactionVersions(t *testing.T, f func(t *testing.T, w *offsetsWorld)) {
	t.Helper()
	for _, version := range []int16{0, 2} {
		t.Run(fmt.Sprint("transaction.version ", version), func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "in"), kfake.SeedTopics(1, "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			w := &offsetsWorld{addrs: cluster.ListenAddrs()}
			if w.admin, err = kgo.NewClient(kgo.SeedBrokers(w.addrs...)); err != nil {
				t.Fatal(err)
			}
			defer w.admin.Close()
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

// TestBlockedMessage adds a message to a transaction while kgo forgets the
// topic. The message never leaves, so the transaction must not commit.
func TestBlockedMessage(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("out", 1))
	config := testConfig(t, b.Addrs(), "id")
	opened, err := Open(config, config.BatchBytes, &collector{all: make(chan struct{}), want: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	c := opened.(*client)
	ctx := t.Context()
	steps(t,
		func() error { return c.InitTransactions(ctx) },
		c.BeginTransaction,
		func() error { return produce(c, "out") },
	)
	out := c.topic("out")
	out.state.Store(int32(topicRenewed))
	if err := produce(c, "out"); err != nil {
		t.Fatal(err)
	}
	var refused *transport.Error
	if err := c.CommitTransaction(ctx); !errors.As(err, &refused) || !refused.AbortRequired {
		t.Errorf("the commit without a message of the transaction: %v", err)
	}
	out.state.Store(int32(topicUsable))
	steps(t,
		func() error { return c.AbortTransaction(ctx) },
		c.BeginTransaction,
		func() error { return produce(c, "out") },
		func() error { return c.CommitTransaction(ctx) },
	)
}

package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testTransactions checks that committed messages are visible once and that
// aborted messages are never visible.
func testTransactions(t *testing.T, lib Library) {
	t.Run("commit and abort", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "transactions", 3, nil)
			s := open(t, lib, config(t, b.addrs, b.topic("commit")))
			ctx := deadline(t)
			must(t, s.client.InitTransactions(ctx))
			h := s.topic(t, name)
			want := 0
			for i := range 10 {
				must(t, s.client.BeginTransaction())
				s.send(t, h, 3, 50)
				s.all(t, 50*(i+1))
				if i%3 == 2 {
					must(t, s.client.AbortTransaction(ctx))
					continue
				}
				must(t, s.client.CommitTransaction(ctx))
				want += 50
			}
			if got := len(b.read(t, name)); got != want {
				t.Errorf("%d messages are visible, want %d", got, want)
			}
		})
	})
	t.Run("a commit waits for what is in flight", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "inflight", 3, nil)
			s := open(t, lib, config(t, b.addrs, b.topic("inflight")))
			ctx := deadline(t)
			must(t, s.client.InitTransactions(ctx))
			must(t, s.client.BeginTransaction())
			s.send(t, s.topic(t, name), 3, 1000)
			must(t, s.client.CommitTransaction(ctx))
			s.mu.Lock()
			outcomes := len(s.outcomes)
			s.mu.Unlock()
			if outcomes != 1000 {
				t.Errorf("%d outcomes when the commit had returned, want 1000", outcomes)
			}
			s.compareWithLog(t, b.read(t, name))
		})
	})
	t.Run("a commit without all outcomes never happens", func(t *testing.T) {
		t.Parallel()
		testCancelledCommit(t, lib)
	})
	t.Run("offsets are committed with the messages", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) { testOffsets(t, lib, b, 10) })
	})
	t.Run("offsets alone are committed", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) { testOffsets(t, lib, b, 0) })
	})
	t.Run("the older client is fenced", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "fenced", 1, nil)
			ctx := deadline(t)
			old := open(t, lib, config(t, b.addrs, b.topic("fenced")))
			must(t, old.client.InitTransactions(ctx))
			must(t, old.client.BeginTransaction())
			old.send(t, old.topic(t, name), 1, 5)
			old.all(t, 5)
			young := open(t, lib, config(t, b.addrs, b.topic("fenced")))
			must(t, young.client.InitTransactions(ctx))
			err := old.client.CommitTransaction(ctx)
			switch code(err) {
			case transport.Fenced, 90, 47: // PRODUCER_FENCED, INVALID_PRODUCER_EPOCH
			case 48: // INVALID_TXN_STATE
				if b.inside == nil {
					t.Errorf("the older client's commit: %v", err)
				}
			default:
				t.Errorf("the older client's commit: %v", err)
			}
			must(t, young.client.BeginTransaction())
			young.next = 100
			young.send(t, young.topic(t, name), 1, 5)
			must(t, young.client.CommitTransaction(ctx))
			if got := len(b.read(t, name)); got != 5 {
				t.Errorf("%d messages are visible, want the 5 of the younger client", got)
			}
		})
	})
}

// testCancelledCommit ends the context of a commit while the broker delays the
// answer to the messages. The engine then counts the messages as not sent, so
// the coordinator must not get the commit later.
func testCancelledCommit(t *testing.T, lib Library) {
	b := embedded(t)
	name := b.create(t, "cancelled", 1, nil)
	ctx := deadline(t)
	s := open(t, lib, config(t, b.addrs, "cancelled"))
	must(t, s.client.InitTransactions(ctx))
	must(t, s.client.BeginTransaction())
	s.send(t, s.topic(t, name), 1, 5)
	slow := b.inside.DelayAnswers(3*time.Second, producertest.Produce)
	commit, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for slow.Hits() == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := s.client.CommitTransaction(commit); err == nil {
		t.Fatal("the commit was faster than the end of its context")
	}
	s.mu.Lock()
	reported := len(s.outcomes)
	s.mu.Unlock()
	if reported == 5 {
		t.Fatal("the messages were faster than the end of the context")
	}
	slow.Stop()
	s.all(t, 5)
	time.Sleep(200 * time.Millisecond) // a late commit would be on its way now
	next := open(t, lib, config(t, b.addrs, "cancelled"))
	must(t, next.client.InitTransactions(ctx)) // aborts what is open
	if got := len(b.read(t, name)); got != 0 {
		t.Errorf("%d messages are visible, want none", got)
	}
}

// testOffsets commits n messages and a group's offsets in a transaction, and
// then aborts a second transaction.
func testOffsets(t *testing.T, lib Library, b brokers, n int) {
	in := b.create(t, "in", 2, nil)
	out := b.create(t, "out", 1, nil)
	group := b.topic("group")
	s := open(t, lib, config(t, b.addrs, b.topic("offsets")))
	ctx := deadline(t)
	must(t, s.client.InitTransactions(ctx))
	h := s.topic(t, out)
	member := transport.GroupMember{Group: group}
	for round, commit := range []bool{true, false, true} {
		must(t, s.client.BeginTransaction())
		s.send(t, h, 1, n)
		must(t, s.client.SendOffsets(ctx, []transport.GroupOffset{
			{Topic: in, Partition: 0, Offset: int64(10 + round), LeaderEpoch: -1},
			{Topic: in, Partition: 1, Offset: int64(20 + round), LeaderEpoch: -1},
		}, member))
		s.all(t, n*(round+1))
		if commit {
			must(t, s.client.CommitTransaction(ctx))
		} else {
			must(t, s.client.AbortTransaction(ctx))
		}
		want := int64(round)
		if !commit {
			want--
		}
		for partition, base := range []int64{10, 20} {
			if got := b.committed(t, group, in, int32(partition)); got != base+want {
				t.Errorf("round %d, partition %d: offset %d, want %d", round, partition, got, base+want)
			}
		}
	}
	if got := len(b.read(t, out)); got != 2*n {
		t.Errorf("%d messages are visible, want %d", got, 2*n)
	}
	// A member that the group does not have may not commit offsets.
	must(t, s.client.BeginTransaction())
	s.send(t, h, 1, n)
	s.all(t, 4*n)
	gone := transport.GroupMember{Group: group, MemberID: "gone", Generation: 3}
	if err := s.client.SendOffsets(ctx, []transport.GroupOffset{{Topic: in, Offset: 99, LeaderEpoch: -1}}, gone); err == nil {
		t.Error("the offset of a member that is not in the group was accepted")
	}
	must(t, s.client.AbortTransaction(ctx))
	if got := b.committed(t, group, in, 0); got != 12 {
		t.Errorf("offset %d, want 12", got)
	}
}

// committed returns a group's offset. A transaction over the offset must end
// first, so committed waits for the end.
func (b brokers) committed(t *testing.T, group, topic string, partition int32) int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...))
	must(t, err)
	defer cl.Close()
	for {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.RequireStable = true
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = group
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = topic, []int32{partition}
		g.Topics = append(g.Topics, gt)
		req.Groups = append(req.Groups, g)
		resp, err := req.RequestWith(deadline(t), cl)
		must(t, err)
		p := resp.Groups[0].Topics[0].Partitions[0]
		if p.ErrorCode != kerr.UnstableOffsetCommit.Code {
			must(t, kerr.ErrorForCode(p.ErrorCode))
			return p.Offset
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

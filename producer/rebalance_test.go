//go:build integration

package producer_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
)

// protocols of a group.
var protocols = []string{"consumer", "classic"}

// copyThroughRebalances has a worker copy n messages while a second one joins the group, works and leaves again, twice.
func copyThroughRebalances(t *testing.T, protocol string, n int, work func(ctx context.Context, c *copying, id string) error) copied {
	t.Helper()
	w := killable(t, protocol)
	c := copying{w: w, reg: &workload.Registry{}, in: w.topic("in", 6), out: w.topic("out", 6), group: newID(t), protocol: protocol, messages: 100, opts: soonGone(protocol)}
	w.seed(c.reg, c.in, n, nil)
	limit, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	var workers sync.WaitGroup
	start := func(i int) (did *atomic.Int64, leave func()) {
		c, did := c, new(atomic.Int64)
		c.each = func(context.Context, producer.Consumed[event]) error {
			did.Add(1)
			<-time.After(workFor)
			return nil
		}
		ctx, cancel := context.WithCancel(limit)
		gone := make(chan struct{})
		workers.Go(func() {
			defer close(gone)
			if err := work(ctx, &c, fmt.Sprintf("%s-%d", c.group, i)); err != nil {
				t.Error(err)
			}
		})
		return did, func() { cancel(); <-gone }
	}
	until := func(what string, f func() bool) {
		t.Helper()
		for !f() {
			during(limit, 20*time.Millisecond)
			if limit.Err() != nil {
				t.Fatalf("in vain for %s", what)
			}
		}
	}
	first, stay := start(0)
	until("the first worker", func() bool { return first.Load() > int64(n/20) })
	for range 2 {
		second, leave := start(1)
		until("the second worker", func() bool { return second.Load() > int64(n/20) })
		t.Logf("the second worker leaves when the first has done %d and it %d", first.Load(), second.Load())
		leave()
	}
	until("the rest", func() bool { return w.behind(c.in, c.group) == 0 })
	stay()
	workers.Wait()
	return w.judge(c.out, n)
}

// TestProcessorRebalances: each message once, in order, whoever has its partition.
func TestProcessorRebalances(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := copyThroughRebalances(t, protocol, 4_000, func(ctx context.Context, c *copying, id string) error { return c.processor(id).Run(ctx) })
			if c != (copied{}) {
				t.Errorf("%+v", c)
			}
		})
	}
}

// A positive control: where the offsets are committed after the transaction, what a worker that leaves had in hand is done
// again.
func TestControlRebalances(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := copyThroughRebalances(t, protocol, 4_000, func(ctx context.Context, c *copying, id string) error {
				c.byHand(ctx, "offsets-outside", id)
				return nil
			})
			if t.Logf("%+v", c); c.twice == 0 {
				t.Error("the control passed clean: the rebalances are too weak to judge by")
			}
		})
	}
}

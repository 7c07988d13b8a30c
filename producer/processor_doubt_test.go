package producer_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

const invalidTxnState = 48

// reached waits for a fault to befall n requests.
func reached(ctx context.Context, f *producertest.Fault, n int) {
	for f.Hits() < n && ctx.Err() == nil {
		during(ctx, 5*time.Millisecond)
	}
}

// inDoubt has commits end in doubt, by turns one that was applied and some that were not. The channel is closed when it is over.
func inDoubt(ctx context.Context, b *producertest.Broker) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range 4 {
			lost := b.LoseAnswers(1, 1, producertest.EndTxn)
			reached(ctx, lost, 1)
			// What is applied is asked for again, and refused so that the client ends; and so is the next commit.
			refused := b.Refuse(invalidTxnState, 1, 1, producertest.EndTxn)
			again := refused.Hits()
			lost.Stop()
			reached(ctx, refused, again+2)
			refused.Stop()
		}
	}()
	return over
}

// TestProcessorInDoubt: the new client's start decides, the group's offsets tell, and the input goes on from there: from the
// end of the batch in doubt, or from its start.
func TestProcessorInDoubt(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	c := newCopying(w, 3)
	c.messages = 50
	const n = 2000
	w.seed(c.reg, c.in, n, nil)
	over := inDoubt(waitCtx(t), w.fake)
	var ends endings
	c.onEnd = ends.note
	p := c.processor(newID(t))
	if err := run(t, p, func() bool {
		select {
		case <-over:
			return len(w.committed(c.out)) >= n
		default:
			return false
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.exactly(c.out, n)
	if s := p.Stats(); s.Delivered != n || s.Unknown != 0 || s.NotSent == 0 || s.InFlight != 0 {
		t.Errorf("the doubts are over, and the books say %+v", s)
	}
	ends.check(t, n)
}

// endings are what Tx.OnEnd told.
type endings struct{ committed, not, unknown atomic.Int64 }

func (e *endings) note(err error) {
	switch {
	case err == nil:
		e.committed.Add(1)
	case errors.Is(err, producer.ErrNotSent):
		e.not.Add(1)
	default:
		e.unknown.Add(1)
	}
}

// check asks that each of n was told committed once, some not at first, and none unknown.
func (e *endings) check(t *testing.T, n int64) {
	t.Helper()
	if e.committed.Load() != n || e.not.Load() == 0 || e.unknown.Load() != 0 {
		t.Errorf("OnEnd told of %d committed, %d not, %d unknown, of %d", e.committed.Load(), e.not.Load(), e.unknown.Load(), n)
	}
}

// TestSourceInDoubt: the newest position tells, and the lines go on behind it.
func TestSourceInDoubt(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	const n = 2000
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, n)
	topic := w.topic("lines", 3)
	out := producer.NewTopic(topic, producer.KeyBy(byKey))
	s := w.source(&workload.Registry{}, newID(t), w.topic("checkpoints", 1, "cleanup.policy", "compact"), log)
	ctx := waitCtx(t)
	over := inDoubt(ctx, w.fake)
	var ends endings
	if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l producer.Line) error {
		tx.OnEnd(ends.note)
		return out.Add(ctx, tx, &event{Key: fmt.Sprint(l.Number % 5), Seq: l.Number - 1})
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-over:
	default:
		t.Error("the lines ended before the doubts")
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if s := s.Stats(); s.Delivered != n+n/50 || s.Unknown != 0 || s.NotSent == 0 { // the lines, and a position for each batch
		t.Errorf("the doubts are over, and the books say %+v", s)
	}
	ends.check(t, n)
	w.exactly(topic, n)
}

// TestProcessorStoppedInDoubt: no answer to a commit comes within all the time that a run has to end, over and over. The
// next run goes on behind what was committed after all.
func TestProcessorStoppedInDoubt(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	c := newCopying(w, 3)
	c.messages, c.stopWithin = 50, 300*time.Millisecond
	const n = 1000
	w.seed(c.reg, c.in, n, nil)
	id := newID(t)
	for range 4 {
		lost := w.fake.LoseAnswers(1, 1, producertest.EndTxn)
		if err := run(t, c.processor(id), func() bool { return lost.Hits() > 0 }); err != nil {
			t.Fatal(err)
		}
		lost.Stop()
	}
	if err := run(t, c.processor(id), func() bool { return len(w.committed(c.out)) >= n }); err != nil {
		t.Fatal(err)
	}
	w.exactly(c.out, n)
}

package engine

import (
	"context"
	"fmt"
	"time"
)

// A partition without a leader must not stop the other partitions. With time
// its messages would fill the whole buffer. So if the buffer is full, a stuck
// partition keeps only a sixteenth of the buffer. The stuck partition lends the
// rest of its slots to the others, and takes no more messages until it moves.
// All partitions together lend at most the size of the buffer. So memory is
// bounded by twice WithMaxInFlight.

const (
	// lendAfter is the time without movement after which a partition lends its
	// slots.
	lendAfter = 3 * time.Second
	// keptShare sets the part of the buffer that a stuck partition keeps:
	// 1/keptShare.
	keptShare = 16
)

// lend makes stuck partitions lend their slots if the buffer is full.
func (e *Engine) lend(now time.Time) {
	if e.limit.waiting.Load() == 0 && e.limit.messages.Load() < e.limit.lowMessages && e.limit.bytes.Load() < e.limit.lowBytes {
		return
	}
	for _, q := range e.progress.notMoving(now, lendAfter) {
		q.topic.client.lend(q)
	}
}

// notMoving returns the partitions that have had no outcome for the given time.
func (p *progress) notMoving(now time.Time, after time.Duration) []*queue {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*queue
	for q, mark := range p.seen {
		if q.head.Load() == mark.head && now.Sub(mark.at) >= after {
			out = append(out, q)
		}
	}
	return out
}

// lend lends all slots of a partition except its share. The oldest messages
// lend first, because they get their outcome first.
func (k *client) lend(q *queue) {
	e, t := k.engine, &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	own, lent := int64(0), int64(0)
	q.each(func(e *entry) {
		if e.lent {
			lent++
		} else {
			own++
		}
	})
	n := min(own-max(1, e.limit.maxMessages/keptShare), e.limit.maxMessages-e.lent.Load())
	if t.closed || n <= 0 {
		q.stuck.Store(lent > 0)
		return
	}
	left, bytes := n, int64(0)
	q.each(func(e *entry) {
		if left > 0 && !e.lent {
			e.lent = true
			left--
			bytes += e.bytes
		}
	})
	e.lent.Add(n)
	e.lentBytes.Add(bytes)
	q.stuck.Store(true)
	e.config.Logger.Warn("partition_stuck", "topic", q.topic.name, "partition", q.partition, "messages", own+lent)
	e.limit.release(n, bytes)
}

// each calls f with the entries without an outcome, oldest first. Under both
// locks.
func (q *queue) each(f func(e *entry)) {
	at, c := int(q.taken), q.first
	for n := q.popped; n != q.tail.Load(); n++ {
		if at == chunkSize {
			c, at = c.next, 0
		}
		if !c.done[at].Load() {
			f(&c.entries[at])
		}
		at++
	}
}

// waitForPartition waits until a partition moves again.
func (e *Engine) waitForPartition(ctx context.Context, q *queue, block bool) error {
	stuck := e.withReason(fmt.Errorf("%w: %s[%d] had no delivery for %v and takes no more messages until it moves", errStuck, q.topic.name, q.partition, lendAfter), nil)
	if !block {
		return withCause(ErrWouldBlock, stuck)
	}
	var expired <-chan time.Time
	if e.config.MaxBlock > 0 {
		t := time.NewTimer(e.config.MaxBlock)
		defer t.Stop()
		expired = t.C
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for q.stuck.Load() && q.topic.client.refusal.Load() == nil {
		select {
		case <-again.C:
		case <-ctx.Done():
			return withCause(ContextError(ctx), stuck)
		case <-expired:
			return withCause(ErrWouldBlock, stuck)
		case <-e.alive.Done():
			return ErrClosed
		}
	}
	return nil
}

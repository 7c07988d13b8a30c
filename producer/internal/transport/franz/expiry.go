package franz

import (
	"context"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// expiry makes messages expire after the delivery timeout, if they are
// certainly not in the log. The messages of a batch expire together, when the
// youngest one is old enough. So a batch takes messages only for a part of the
// timeout.
type expiry struct {
	after time.Duration // 0: never
}

// expiryParts divides the timeout.
const expiryParts = 20

// now returns the time at which a batch begins.
func (x *expiry) now() (t time.Time) {
	if x.after > 0 {
		t = time.Now()
	}
	return t
}

// separates reports whether a new message does not expire together with the
// messages of a batch.
func (x *expiry) separates(b *batch) bool {
	return x.after > 0 && time.Since(b.came) > x.after/expiryParts
}

// expire ends the expired messages until the client ends.
func (c *client) expire() {
	tick := time.NewTicker(max(c.expiry.after/expiryParts, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.alive.Done():
			return
		}
		for _, t := range c.topics.Range {
			t.(*topic).each((*partition).expire)
		}
	}
}

// expire ends the expired messages of a partition. The caller holds p.mu.
func (p *partition) expire() {
	c := p.topic.client
	b := p.front
	if b == nil || p.stage == reporting {
		return
	}
	old := time.Now().Add(-c.expiry.after - c.expiry.after/expiryParts)
	var before *batch // in doubt, and does not expire
	if b.maybe && !c.config.WeakAcks || b.came.Before(old) && p.request != nil && !p.request.abandon() {
		before, b = b, b.next
	}
	var report report
	for b != nil && b.came.Before(old) {
		expired := b
		b = b.next
		report.failed(expired, errExpired, nil, expired.maybe)
		if p.request == nil || expired != p.front { // a request may still encode the batch
			report.ended = append(report.ended, expired)
		}
		if c.config.TransactionalID != "" {
			c.tx.broken.CompareAndSwap(nil, errExpired)
		}
	}
	if len(report.outcomes) == 0 {
		return
	}
	if before == nil {
		p.front = b
	} else {
		before.next = b
	}
	if b == nil {
		p.back = before
	}
	if p.front == nil && p.stage != flying {
		p.deactivate()
	}
	report.put(c.outbox)
}

var errExpired = &transport.Error{
	Code: transport.TimedOut, Err: context.DeadlineExceeded,
	Text: "the message waited longer than delivery.timeout.ms",
}

package producer

import (
	"context"
	"sync/atomic"
)

// Pending is a message under way. It is safe for concurrent use.
type Pending struct {
	topic string
	core  *core
	done  chan struct{}
	ready atomic.Bool
	end   Result
}

// Result is one outcome.
type Result struct {
	Delivery Delivery
	Err      error // nil, or a [*MessageError]
}

func newPending(c *core, topic string) *Pending {
	return &Pending{topic: topic, core: c, done: make(chan struct{})}
}

// complete is called once.
func (p *Pending) complete(d Delivery, err error) {
	p.end = Result{d, err}
	p.ready.Store(true)
	close(p.done)
}

// Wait waits for the outcome, or until ctx ends: then the error is [ErrOutcomeUnknown], and a later Wait may still get it.
func (p *Pending) Wait(ctx context.Context) (Delivery, error) {
	select {
	case <-p.done:
		return p.end.Delivery, p.end.Err
	default:
	}
	select {
	case <-p.done:
		return p.end.Delivery, p.end.Err
	case <-ctx.Done():
		return Delivery{}, unknown(p.topic, -1, p.core.trouble.explain(ended(ctx)))
	}
}

// Done says without waiting; false: not yet.
func (p *Pending) Done() (Delivery, error, bool) {
	if !p.ready.Load() {
		return Delivery{}, nil, false
	}
	return p.end.Delivery, p.end.Err, true
}

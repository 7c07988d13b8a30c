package producer

import (
	"context"
	"sync/atomic"
)

// Future is the outcome of a message that is in flight. It is safe for concurrent
// use.
type Future struct {
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

func newFuture(c *core, topic string) *Future {
	return &Future{topic: topic, core: c, done: make(chan struct{})}
}

// complete is called once.
func (f *Future) complete(d Delivery, err error) {
	f.end = Result{d, err}
	f.ready.Store(true)
	close(f.done)
}

// Wait waits for the outcome, or until ctx ends: then the error is [ErrOutcomeUnknown], and a later Wait may still get it.
func (f *Future) Wait(ctx context.Context) (Delivery, error) {
	select {
	case <-f.done:
		return f.end.Delivery, f.end.Err
	default:
	}
	select {
	case <-f.done:
		return f.end.Delivery, f.end.Err
	case <-ctx.Done():
		return Delivery{}, unknown(f.topic, -1, f.core.trouble.explain(ended(ctx)))
	}
}

// Done says without waiting; false: not yet.
func (f *Future) Done() (Delivery, error, bool) {
	if !f.ready.Load() {
		return Delivery{}, nil, false
	}
	return f.end.Delivery, f.end.Err, true
}

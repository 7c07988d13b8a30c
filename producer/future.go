package producer

import (
	"context"
	"sync/atomic"
)

// Future is the outcome of a message in flight. Future is safe for concurrent
// use.
type Future struct {
	topic string
	core  *core
	done  chan struct{}
	ready atomic.Bool
	end   Result
}

// Result is the outcome of a message.
type Result struct {
	Delivery Delivery
	Err      error // nil, or a [*MessageError]
}

func newFuture(c *core, topic string) *Future {
	return &Future{topic: topic, core: c, done: make(chan struct{})}
}

// complete sets the outcome. complete is called once.
func (f *Future) complete(d Delivery, err error) {
	f.end = Result{d, err}
	f.ready.Store(true)
	close(f.done)
}

// Wait waits for the outcome or for the end of ctx. If ctx ends first, the
// error is [ErrOutcomeUnknown]. A later Wait may still get the outcome.
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
		return Delivery{}, unknown(f.topic, -1, f.core.explainWait(f.topic, ended(ctx)))
	}
}

// Done returns the outcome without waiting. The result is false if there is no
// outcome yet.
func (f *Future) Done() (Delivery, error, bool) {
	if !f.ready.Load() {
		return Delivery{}, nil, false
	}
	return f.end.Delivery, f.end.Err, true
}

package engine

import (
	"context"
	"sync/atomic"
)

// Future is the outcome of a message in flight. Init comes before the first
// use. Future is safe for concurrent use.
type Future struct {
	topic    string
	engine   *Engine
	done     chan struct{}
	ready    atomic.Bool
	delivery Delivery
	err      error
}

// Init prepares a future for a message of a topic.
func (f *Future) Init(e *Engine, topic string) {
	f.engine, f.topic, f.done = e, topic, make(chan struct{})
}

// complete sets the outcome. complete is called once.
func (f *Future) complete(d Delivery, err error) {
	f.delivery, f.err = d, err
	f.ready.Store(true)
	close(f.done)
}

// Wait waits for the outcome or for the end of ctx. If ctx ends first, the
// error is [ErrOutcomeUnknown].
func (f *Future) Wait(ctx context.Context) (Delivery, error) {
	select {
	case <-f.done:
		return f.delivery, f.err
	default:
	}
	select {
	case <-f.done:
		return f.delivery, f.err
	case <-ctx.Done():
		return Delivery{}, Unknown(f.topic, -1, f.engine.ExplainWait(f.topic, ContextError(ctx)))
	}
}

// Done returns the outcome without waiting. The result is false if there is no
// outcome yet.
func (f *Future) Done() (Delivery, error, bool) {
	if !f.ready.Load() {
		return Delivery{}, nil, false
	}
	return f.delivery, f.err, true
}

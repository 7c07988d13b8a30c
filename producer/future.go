package producer

import (
	"context"

	"github.com/avroline/avroline/producer/internal/engine"
)

// Future is the outcome of a message in flight. Future is safe for concurrent
// use.
type Future struct{ future engine.Future }

// Result is the outcome of a message.
type Result struct {
	Delivery Delivery
	Err      error // nil, or a [*MessageError]
}

func newFuture(e *engine.Engine, topic string) *Future {
	f := new(Future)
	f.future.Init(e, topic)
	return f
}

// Wait waits for the outcome or for the end of ctx. If ctx ends first, the
// error is [ErrOutcomeUnknown]. A later Wait may still get the outcome.
func (f *Future) Wait(ctx context.Context) (Delivery, error) { return f.future.Wait(ctx) }

// Done returns the outcome without waiting. The result is false if there is no
// outcome yet.
func (f *Future) Done() (Delivery, error, bool) { return f.future.Done() }

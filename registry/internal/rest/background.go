package rest

import (
	"context"
	"sync"
)

// Background runs goroutines that may outlive the call that started them. They
// end when the client is closed.
type Background struct {
	ctx    context.Context // the lifetime of the goroutines
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// NewBackground returns a Background that runs goroutines until Stop.
func NewBackground() *Background {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Background{ctx: ctx, cancel: cancel}
}

// Start runs f in a goroutine. After Stop, Start runs nothing and returns
// false.
func (b *Background) Start(f func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.wg.Go(func() { f(b.ctx) })
	return true
}

// Stop cancels all running goroutines and waits until they have ended.
func (b *Background) Stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel(ErrClosed)
	b.wg.Wait()
}

package registry

import (
	"context"
	"sync"
)

// background runs goroutines that may outlive the call that started them. They
// end when the client is closed.
type background struct {
	ctx    context.Context // the lifetime of the goroutines
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newBackground() *background {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &background{ctx: ctx, cancel: cancel}
}

// start runs f in a goroutine. After stop, start runs nothing and returns
// false.
func (b *background) start(f func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.wg.Go(func() { f(b.ctx) })
	return true
}

// stop cancels all running goroutines and waits until they have ended.
func (b *background) stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel(ErrClosed)
	b.wg.Wait()
}

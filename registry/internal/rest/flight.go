package rest

import (
	"context"
	"sync"
)

// Flights holds at most one call per key. No caller owns the call, so a caller
// can leave and the other callers still get the result. If all callers leave,
// the attempt in flight still ends and its answer fills the cache. After this
// attempt there are no retries.
type Flights[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*flight[V]
}

type flight[V any] struct {
	Work
	done  chan struct{}
	value V
	err   error
}

// Do waits for the call of key. If there is no such call, Do starts load. Only
// closing the client cancels the context of load. outer is the work that needs
// the answer, or nil if a caller needs the answer.
func (f *Flights[K, V]) Do(ctx context.Context, b *Background, outer *Work, key K, load func(context.Context, *Work) (V, error)) (V, error) {
	var none V
	c, err := f.join(ctx, b, outer, key, load)
	if err != nil {
		return none, err
	}
	select {
	case <-c.done:
		if c.FromDisk {
			NoteDisk(ctx)
		}
		return c.value, c.err
	case <-ctx.Done():
		if outer == nil {
			c.mu.Lock()
			c.waiters--
			c.mu.Unlock()
		}
		return none, c.failure(context.Cause(ctx))
	}
}

func (f *Flights[K, V]) join(ctx context.Context, b *Background, outer *Work, key K, load func(context.Context, *Work) (V, error)) (*flight[V], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.calls[key]
	if c != nil {
		c.join(outer)
	} else {
		c = &flight[V]{done: make(chan struct{})}
		c.join(outer) // before the start, because a call without waiters is not retried
		if c.deadline, _ = ctx.Deadline(); outer != nil {
			c.deadline = outer.deadline
		}
		started := b.Start(func(life context.Context) {
			own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
			defer cancel(nil)
			defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
			c.value, c.err = load(own, &c.Work)
			f.mu.Lock()
			delete(f.calls, key)
			f.mu.Unlock()
			close(c.done)
		})
		if !started {
			return nil, ErrClosed
		}
		if f.calls == nil {
			f.calls = make(map[K]*flight[V])
		}
		f.calls[key] = c
	}
	return c, nil
}

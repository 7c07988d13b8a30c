package serde

import (
	"context"
	"sync"
)

// flights lets one call per key be under way. The first caller makes it, with
// its own context, and so sees the whole of its error; the others wait, each no
// longer than its own context. A caller whose context ended leaves the call to
// one of those who wait. Nothing is remembered: neither results nor errors.
type flights[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]*flight[V]
}

type flight[V any] struct {
	done chan struct{} // closed when the rest is there
	left bool          // the caller's context ended, or it panicked: no answer
	val  V
	err  error
}

func (g *flights[K, V]) do(ctx context.Context, key K, call func(context.Context) (V, error)) (V, error) {
	for {
		if err := ctx.Err(); err != nil {
			var none V
			return none, context.Cause(ctx)
		}
		g.mu.Lock()
		f, ok := g.m[key]
		if !ok {
			f = &flight[V]{done: make(chan struct{}), left: true}
			if g.m == nil {
				g.m = make(map[K]*flight[V])
			}
			g.m[key] = f
			g.mu.Unlock()
			return g.lead(ctx, key, f, call)
		}
		g.mu.Unlock()
		select {
		case <-f.done:
			if !f.left {
				return f.val, f.err
			}
		case <-ctx.Done():
		}
	}
}

func (g *flights[K, V]) lead(ctx context.Context, key K, f *flight[V], call func(context.Context) (V, error)) (V, error) {
	defer func() {
		g.mu.Lock()
		delete(g.m, key)
		g.mu.Unlock()
		close(f.done)
	}()
	f.val, f.err = call(ctx)
	f.left = f.err != nil && ctx.Err() != nil
	return f.val, f.err
}

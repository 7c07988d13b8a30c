package registry

import (
	"context"
	"slices"
	"sync"
	"time"
)

// work is one call to the registry with its waiters and its attempts so far.
// golang.org/x/sync/singleflight cannot tell either, hence this file.
type work struct {
	deadline time.Time       // of the first who asked; zero for none
	gone     <-chan struct{} // ends a work of one caller; nil for a flight's
	once     bool            // nothing is tried again: it has failed a moment ago

	mu      sync.Mutex
	waiters int
	outer   []*work // works that need this one
	tried   []Attempt
}

// newWork is the work of one caller.
func newWork(ctx context.Context) *work {
	d, _ := ctx.Deadline()
	return &work{deadline: d, gone: ctx.Done(), waiters: 1}
}

// wanted reports whether somebody waits: without, nothing is tried again.
func (w *work) wanted() bool {
	select {
	case <-w.gone:
		return false
	default:
	}
	w.mu.Lock()
	waited, outer := w.waiters > 0, w.outer
	w.mu.Unlock()
	return waited || slices.ContainsFunc(outer, (*work).wanted)
}

// join adds a waiter: a caller, or the work that needs this
// one.
func (w *work) join(outer *work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if outer == nil {
		w.waiters++
	} else {
		w.outer = append(w.outer[:len(w.outer):len(w.outer)], outer)
	}
}

// note keeps the last attempt on each URL.
func (w *work) note(url string, err error) {
	w.mu.Lock()
	outer := w.outer
	i := slices.IndexFunc(w.tried, func(a Attempt) bool { return a.URL == url })
	if i < 0 {
		w.tried = append(w.tried, Attempt{url, err})
	} else {
		w.tried[i].Err = err
	}
	w.mu.Unlock()
	for _, o := range outer {
		o.note(url, err)
	}
}

// failure is the error of a caller that stops waiting because of cause, nil
// when the attempts are used up.
func (w *work) failure(cause error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tried) == 0 {
		return cause
	}
	return &UnavailableError{Attempts: slices.Clone(w.tried), Err: cause}
}

// flights holds one call per key. The call belongs to nobody: whoever stops
// waiting leaves it to the others. When all have left, the attempt under way
// still ends, so that its answer fills the cache, but nothing is tried again.
type flights[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*flight[V]
}

type flight[V any] struct {
	work
	done  chan struct{}
	value V
	err   error
}

// do waits for the call of key, made by load when none is under way. load's
// context ends only with the client. outer is the work that needs the answer,
// nil for a caller's own.
func (f *flights[K, V]) do(ctx context.Context, b *background, outer *work, key K, load func(context.Context, *work) (V, error)) (V, error) {
	var none V
	c, err := f.join(ctx, b, outer, key, load)
	if err != nil {
		return none, err
	}
	select {
	case <-c.done:
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

func (f *flights[K, V]) join(ctx context.Context, b *background, outer *work, key K, load func(context.Context, *work) (V, error)) (*flight[V], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.calls[key]
	if c != nil {
		c.join(outer)
	} else {
		c = &flight[V]{done: make(chan struct{})}
		c.join(outer) // before it starts: what nobody waits for is not tried again
		if c.deadline, _ = ctx.Deadline(); outer != nil {
			c.deadline = outer.deadline
		}
		started := b.start(func(life context.Context) {
			own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
			defer cancel(nil)
			defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
			c.value, c.err = load(own, &c.work)
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

package registry

import (
	"context"
	"slices"
	"sync"
	"time"
)

// work is a call to the registry with its waiters and its attempts so far.
// golang.org/x/sync/singleflight knows neither waiters nor attempts, so this
// package has its own code.
type work struct {
	deadline time.Time       // the first caller's deadline, zero for none
	gone     <-chan struct{} // stops the retries of a single caller's work; nil for a flight
	once     bool            // no retries, because the key has just failed
	fromDisk bool            // the answer came from the disk

	mu      sync.Mutex
	waiters int
	outer   []*work // works that wait for this work
	tried   []Attempt
}

// newWork returns the work of a single caller.
func newWork(ctx context.Context) *work {
	d, _ := ctx.Deadline()
	return &work{deadline: d, gone: ctx.Done(), waiters: 1}
}

// wanted reports whether a caller still waits. Without a waiter there is no
// retry.
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

// join adds a waiter. The waiter is a caller, or an outer work that needs this
// work.
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

// failure returns the error for a caller that stops waiting because of cause. A
// nil cause means that the attempts are used up.
func (w *work) failure(cause error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tried) == 0 {
		return cause
	}
	return &UnavailableError{Attempts: slices.Clone(w.tried), Err: cause}
}

// flights holds at most one call per key. No caller owns the call, so a caller
// can leave and the other callers still get the result. If all callers leave,
// the attempt in flight still ends and its answer fills the cache. After this
// attempt there are no retries.
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

// do waits for the call of key. If there is no such call, do starts load. Only
// closing the client cancels the context of load. outer is the work that needs
// the answer, or nil if a caller needs the answer.
func (f *flights[K, V]) do(ctx context.Context, b *background, outer *work, key K, load func(context.Context, *work) (V, error)) (V, error) {
	var none V
	c, err := f.join(ctx, b, outer, key, load)
	if err != nil {
		return none, err
	}
	select {
	case <-c.done:
		if c.fromDisk {
			noteDisk(ctx)
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

func (f *flights[K, V]) join(ctx context.Context, b *background, outer *work, key K, load func(context.Context, *work) (V, error)) (*flight[V], error) {
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

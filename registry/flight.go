package registry

import (
	"context"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// work is one call to the registry as those who wait for it see it: whether
// anybody still does, and what was tried so far. golang.org/x/sync/singleflight
// cannot tell either, hence this file.
type work struct {
	deadline time.Time       // of the first who asked; zero for none
	gone     <-chan struct{} // ends a work of one caller; nil for a flight's

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

// join adds one who waits: a caller of its own, or the work that needs this one.
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

// failure is the error of a caller who stops waiting with cause, nil when the
// attempts are used up.
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

// refusedFor is how long an answer "there is no such thing" is believed: a
// storm of messages with an unknown id makes one call a second.
const refusedFor = time.Second

// memo remembers immutable answers, bounded, and makes one call per key for
// the others. No lock is held during a call.
type memo[K comparable, V any] struct {
	background *background
	known      *lru.Cache[K, V]
	refused    *lru.Cache[K, refusal]
	believe    func(error) bool // which errors are answers; nil for none
	flights    flights[K, V]
}

type refusal struct {
	err   error
	until time.Time
}

// newCache makes a cache; its only error is that of a size below one, which
// the options refuse.
func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, _ := lru.New[K, V](size)
	return c
}

func newMemo[K comparable, V any](b *background, size int, believe func(error) bool) *memo[K, V] {
	return &memo[K, V]{background: b, known: newCache[K, V](size), refused: newCache[K, refusal](size), believe: believe}
}

// get returns what is known, a refusal that is still believed, or what load
// gives. outer is the work that needs it, nil for a caller's own.
func (m *memo[K, V]) get(ctx context.Context, outer *work, key K, load func(context.Context, *work) (V, error)) (V, error) {
	if v, ok := m.known.Get(key); ok {
		return v, nil
	}
	if m.believe != nil {
		if r, ok := m.refused.Get(key); ok && time.Now().Before(r.until) {
			var none V
			return none, r.err
		}
	}
	return m.flights.do(ctx, m.background, outer, key, func(ctx context.Context, w *work) (V, error) {
		// Somebody may have finished between the look above and this call.
		if v, ok := m.known.Peek(key); ok {
			return v, nil
		}
		v, err := load(ctx, w)
		if err == nil {
			m.known.Add(key, v)
		} else if m.believe != nil && m.believe(err) {
			m.refused.Add(key, refusal{err, time.Now().Add(refusedFor)})
		}
		return v, err
	})
}

// background runs what outlives the call that started it, until the client is
// closed.
type background struct {
	ctx    context.Context // the life of the goroutines
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newBackground() *background {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &background{ctx: ctx, cancel: cancel}
}

// start runs f in a goroutine, or reports false after stop.
func (b *background) start(f func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.wg.Go(func() { f(b.ctx) })
	return true
}

// stop ends everything that runs and waits for it.
func (b *background) stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel(ErrClosed)
	b.wg.Wait()
}

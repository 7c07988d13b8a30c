package registry

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/avroline/avroline/registry/internal/rest"
)

// memo caches immutable answers up to a size. If an answer is missing,
// concurrent callers share a single call per key. memo also caches failures for
// a short time. No lock is held during a call.
type memo[K comparable, V any] struct {
	background *rest.Background
	known      *lru.Cache[K, V]
	failures   *failures[K]
	flights    rest.Flights[K, V]
}

// newMemo makes a memo for size answers. believe reports whether an error is a
// real answer that may be cached for a moment. A nil believe means no error.
func newMemo[K comparable, V any](b *rest.Background, size int, believe func(K, error) bool) *memo[K, V] {
	return &memo[K, V]{background: b, known: newCache[K, V](size), failures: newFailures(size, believe)}
}

// newCache makes a cache. The only possible error is a size below 1, and the
// options refuse such a size.
func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, _ := lru.New[K, V](size)
	return c
}

// get returns the cached answer, a cached failure, or the result of load. outer
// is the work that needs the answer, or nil if a caller needs the answer.
func (m *memo[K, V]) get(ctx context.Context, outer *rest.Work, key K, load func(context.Context, *rest.Work) (V, error)) (V, error) {
	if v, ok := m.known.Get(key); ok {
		return v, nil
	}
	once, err := m.failures.find(key)
	if err != nil {
		var none V
		return none, err
	}
	rest.NoteAsked(ctx)
	return m.flights.Do(ctx, m.background, outer, key, func(ctx context.Context, w *rest.Work) (V, error) {
		// Another caller may have finished since the look-up above.
		if v, ok := m.known.Peek(key); ok {
			return v, nil
		}
		w.Once = once
		v, err := load(ctx, w)
		m.failures.note(key, err)
		if err == nil {
			m.known.Add(key, v)
		}
		return v, err
	})
}

// failedFor is how long a failure is cached. Many messages with the same
// unknown id then cause only a single call per second.
const failedFor = time.Second

// failures caches the keys that have just failed.
//
//   - An error that is a real answer, such as "no such id", is cached for a
//     second.
//   - If every URL answered 5xx until the retries were used up, this failure is
//     also cached for a second. After this second the key gets a single attempt
//     without retries. Therefore a broken schema costs its retries once and not
//     for each message.
//
// If no registry can be reached, the failure is not cached.
type failures[K comparable] struct {
	believe func(K, error) bool
	recent  *lru.Cache[K, failure]
}

type failure struct {
	err    error
	until  time.Time
	broken bool
}

func newFailures[K comparable](size int, believe func(K, error) bool) *failures[K] {
	return &failures[K]{believe: believe, recent: newCache[K, failure](size)}
}

// find returns the cached failure. once means that the key was broken the last
// time, so the key gets a single attempt.
func (f *failures[K]) find(key K) (once bool, err error) {
	last, ok := f.recent.Get(key)
	if !ok {
		return false, nil
	}
	if time.Now().Before(last.until) {
		return false, last.err
	}
	return last.broken, nil
}

// note stores the failure of a key. A nil error removes the failure.
func (f *failures[K]) note(key K, err error) {
	switch {
	case err == nil:
		f.recent.Remove(key)
	case broken(err):
		f.recent.Add(key, failure{err, time.Now().Add(failedFor), true})
	case f.believe != nil && f.believe(key, err):
		f.recent.Add(key, failure{err, time.Now().Add(failedFor), false})
	}
}

// forget drops the failures of the keys that match.
func (f *failures[K]) forget(match func(K) bool) {
	for _, key := range f.recent.Keys() {
		if match(key) {
			f.recent.Remove(key)
		}
	}
}

// broken reports whether every URL answered 5xx until the attempts were used
// up.
func broken(err error) bool {
	var away *UnavailableError
	if !errors.As(err, &away) || away.Err != nil || len(away.Attempts) == 0 {
		return false
	}
	for _, a := range away.Attempts {
		var answer *Error
		if !errors.As(a.Err, &answer) || answer.Status < 500 {
			return false
		}
	}
	return true
}

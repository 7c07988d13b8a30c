package cache

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/avroline/avroline/registry/internal/rest"
)

// Memo caches immutable answers up to a size. If an answer is missing,
// concurrent callers share a single call per key. Memo also caches failures for
// a short time. No lock is held during a call.
type Memo[K comparable, V any] struct {
	background *rest.Background
	Known      *lru.Cache[K, V]
	Failures   *Failures[K]
	flights    rest.Flights[K, V]
}

// NewMemo makes a memo for size answers. believe reports whether an error is a
// real answer that may be cached for a moment. A nil believe means no error.
func NewMemo[K comparable, V any](b *rest.Background, size int, believe func(K, error) bool) *Memo[K, V] {
	return &Memo[K, V]{background: b, Known: NewLRU[K, V](size), Failures: NewFailures(size, believe)}
}

// NewLRU makes a cache. The only possible error is a size below 1, and the
// options refuse such a size.
func NewLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, _ := lru.New[K, V](size)
	return c
}

// Get returns the cached answer, a cached failure, or the result of load. outer
// is the work that needs the answer, or nil if a caller needs the answer.
func (m *Memo[K, V]) Get(ctx context.Context, outer *rest.Work, key K, load func(context.Context, *rest.Work) (V, error)) (V, error) {
	if v, ok := m.Known.Get(key); ok {
		return v, nil
	}
	once, err := m.Failures.Find(key)
	if err != nil {
		var none V
		return none, err
	}
	rest.NoteAsked(ctx)
	return m.flights.Do(ctx, m.background, outer, key, func(ctx context.Context, w *rest.Work) (V, error) {
		// Another caller may have finished since the look-up above.
		if v, ok := m.Known.Peek(key); ok {
			return v, nil
		}
		w.Once = once
		v, err := load(ctx, w)
		m.Failures.Note(key, err)
		if err == nil {
			m.Known.Add(key, v)
		}
		return v, err
	})
}

// failedFor is how long a failure is cached. Many messages with the same
// unknown id then cause only a single call per second.
const failedFor = time.Second

// Failures caches the keys that have just failed.
//
//   - An error that is a real answer, such as "no such id", is cached for a
//     second. So is a refusal of the caller or of the call, such as 401, 403 or
//     409.
//   - If every URL answered 5xx until the retries were used up, this failure is
//     also cached for a second. After this second the key gets a single attempt
//     without retries. Therefore a broken schema costs its retries once and not
//     for each message.
//
// If no registry can be reached, the failure is not cached.
type Failures[K comparable] struct {
	believe func(K, error) bool
	recent  *lru.Cache[K, failure]
}

type failure struct {
	err    error
	until  time.Time
	broken bool
}

// NewFailures makes a cache of failures for size keys. believe has the same
// meaning as in [NewMemo].
func NewFailures[K comparable](size int, believe func(K, error) bool) *Failures[K] {
	return &Failures[K]{believe: believe, recent: NewLRU[K, failure](size)}
}

// Find returns the cached failure if it is less than a second old. once is true
// if every URL answered 5xx the last time. The caller should then make a single
// attempt.
func (f *Failures[K]) Find(key K) (once bool, err error) {
	last, ok := f.recent.Get(key)
	if !ok {
		return false, nil
	}
	if time.Now().Before(last.until) {
		return false, last.err
	}
	return last.broken, nil
}

// Note stores the failure of a key. A nil error removes the failure.
func (f *Failures[K]) Note(key K, err error) {
	switch {
	case err == nil:
		f.recent.Remove(key)
	case isBroken(err):
		f.recent.Add(key, failure{err, time.Now().Add(failedFor), true})
	case isDenied(err) || f.believe != nil && f.believe(key, err):
		f.recent.Add(key, failure{err, time.Now().Add(failedFor), false})
	}
}

// Forget drops the failures of the keys that match.
func (f *Failures[K]) Forget(match func(K) bool) {
	for _, key := range f.recent.Keys() {
		if match(key) {
			f.recent.Remove(key)
		}
	}
}

// isDenied reports whether the registry refused the caller or the call, and not
// the key. Many events without the right to a subject then cause only a single
// call per second.
func isDenied(err error) bool {
	var answer *rest.Error
	if !errors.As(err, &answer) || answer.NotFound() || answer.Conflict() && errors.Is(err, rest.ErrUnavailable) {
		return false // a lost race, which another call may win
	}
	return answer.Status >= 400 && answer.Status < 500
}

// isBroken reports whether every URL answered 5xx until the attempts were used
// up.
func isBroken(err error) bool {
	var away *rest.UnavailableError
	if !errors.As(err, &away) || away.Err != nil || len(away.Attempts) == 0 {
		return false
	}
	for _, a := range away.Attempts {
		var answer *rest.Error
		if !errors.As(a.Err, &answer) || answer.Status < 500 {
			return false
		}
	}
	return true
}

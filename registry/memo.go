package registry

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// memo remembers immutable answers, bounded, and makes one call per key for the
// others. It remembers failures for a short time. No lock is held during a
// call.
type memo[K comparable, V any] struct {
	background *background
	known      *lru.Cache[K, V]
	failures   *failures[K]
	flights    flights[K, V]
}

// newMemo makes a memo of size answers. believe says which errors are answers
// that hold for a moment; nil means none.
func newMemo[K comparable, V any](b *background, size int, believe func(K, error) bool) *memo[K, V] {
	return &memo[K, V]{background: b, known: newCache[K, V](size), failures: newFailures(size, believe)}
}

// newCache makes a cache; its only error is that of a size below one, which
// the options refuse.
func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, _ := lru.New[K, V](size)
	return c
}

// get returns the known answer, a failure that is still believed, or the result
// of load gives. outer is the work that needs it, nil for a caller's own.
func (m *memo[K, V]) get(ctx context.Context, outer *work, key K, load func(context.Context, *work) (V, error)) (V, error) {
	if v, ok := m.known.Get(key); ok {
		return v, nil
	}
	once, err := m.failures.find(key)
	if err != nil {
		var none V
		return none, err
	}
	return m.flights.do(ctx, m.background, outer, key, func(ctx context.Context, w *work) (V, error) {
		// Somebody may have finished between the look above and this call.
		if v, ok := m.known.Peek(key); ok {
			return v, nil
		}
		w.once = once
		v, err := load(ctx, w)
		m.failures.note(key, err)
		if err == nil {
			m.known.Add(key, v)
		}
		return v, err
	})
}

// failedFor is how long a failure is believed: a storm of messages with an
// unknown id makes one call a second.
const failedFor = time.Second

// failures remembers which keys failed a moment ago.
//
//   - An error that is an answer, such as "no such id", is believed for a
//     second.
//   - A key for which every URL answered 5xx until the retries were used up is
//     believed for a second as well, and after it the key gets one attempt
//     without retries. One broken schema thus costs its retries once, and not
//     for each message.
//
// A failure to reach any registry is not remembered.
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

// find returns the failure that is believed now. once says that the key was
// broken the last time, so that it gets one attempt.
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

// note keeps or forgets the failure of a key.
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

// broken reports whether every URL answered with a 5xx until the attempts were
// used up.
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

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

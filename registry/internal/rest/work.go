package rest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Work is a call to the registry with its waiters and its attempts so far.
// golang.org/x/sync/singleflight knows neither waiters nor attempts, so this
// package has its own code.
type Work struct {
	deadline time.Time       // the first caller's deadline, zero for none
	gone     <-chan struct{} // stops the retries of a single caller's work; nil for a flight
	Once     bool            // no retries, because the key has just failed
	FromDisk bool            // the answer came from the disk

	mu      sync.Mutex
	waiters int
	outer   []*Work // works that wait for this work
	tried   []Attempt
}

// NewWork returns the work of a single caller.
func NewWork(ctx context.Context) *Work {
	d, _ := ctx.Deadline()
	return &Work{deadline: d, gone: ctx.Done(), waiters: 1}
}

// hasWaiter reports whether a caller still waits. Without a waiter there is no
// retry.
func (w *Work) hasWaiter() bool {
	select {
	case <-w.gone:
		return false
	default:
	}
	w.mu.Lock()
	waited, outer := w.waiters > 0, w.outer
	w.mu.Unlock()
	return waited || slices.ContainsFunc(outer, (*Work).hasWaiter)
}

// join adds a waiter. The waiter is a caller, or an outer work that needs this
// work.
func (w *Work) join(outer *Work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if outer == nil {
		w.waiters++
	} else {
		w.outer = append(w.outer[:len(w.outer):len(w.outer)], outer)
	}
}

// note keeps the last attempt on each URL.
func (w *Work) note(url string, err error) {
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
func (w *Work) failure(cause error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tried) == 0 {
		return cause
	}
	return &UnavailableError{Attempts: slices.Clone(w.tried), Err: cause}
}

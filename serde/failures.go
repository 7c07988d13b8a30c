package serde

import (
	"context"
	"errors"
	"time"
)

const (
	// failureLife is how long a failure is repeated without asking again. A
	// schema that is registered meanwhile is found after that time.
	failureLife = time.Second
	// maxFailures bounds the failures of one Binding.
	maxFailures = 1 << 10
)

// failures remembers for a short time why a schema cannot be written, so that a
// stream of records with that schema does not become a stream of requests. The
// zero value is ready. It is not safe for concurrent use.
type failures struct {
	m map[string]failure // by the schema's text
}

type failure struct {
	err   error
	until time.Time
}

// recall returns the failure of text, or nil if there is none or it is old.
func (f *failures) recall(text string) error {
	failed, ok := f.m[text]
	switch {
	case !ok:
		return nil
	case time.Now().Before(failed.until):
		return failed.err
	}
	delete(f.m, text)
	return nil
}

// remember keeps err if the next call would fail for the same reason. A
// registry that could not be asked may answer the next call, so ErrRegistry is
// not kept. Neither is the end of one caller's context.
func (f *failures) remember(text string, err error) {
	if errors.Is(err, ErrRegistry) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if len(f.m) >= maxFailures || f.m == nil {
		f.m = make(map[string]failure)
	}
	f.m[text] = failure{err, time.Now().Add(failureLife)}
}

func (f *failures) forget(text string) { delete(f.m, text) }

package serde

import (
	"context"
	"errors"
	"time"
)

const (
	// failureLife is how long a failure is repeated without a new request. A
	// schema that was registered during this time is found afterwards.
	failureLife = time.Second
	// maxFailures bounds the failures of one Binding.
	maxFailures = 1 << 10
)

// failures remembers for a short time why a schema cannot be written. So a
// stream of records with this schema does not cause a stream of requests. The
// zero value is ready for use. failures is not safe for concurrent use.
type failures struct {
	m map[string]failure // by the schema's text
}

type failure struct {
	err   error
	until time.Time
}

// recall returns the failure of text. It returns nil if there is no failure, or
// only an old failure.
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

// remember stores err if the next call would fail for the same reason.
// ErrRegistry is not stored, because the registry may answer the next call. The
// end of one caller's context is not stored either.
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

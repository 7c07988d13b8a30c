package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// connError is a failed attempt without an answer.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// busyError is an answer that may be different at the next attempt.
type busyError struct {
	answer *Error
	after  time.Duration
}

func (e *busyError) Error() string { return e.answer.Error() }
func (e *busyError) Unwrap() error { return e.answer }

// timeoutError ends an attempt. timeoutError is not a context error, so that no
// caller mistakes the error for the caller's own deadline.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.after.Round(time.Millisecond))
}

// Timeout makes timeoutError a net.Error.
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// errAttemptInFlight stands for an attempt that is still in flight.
var errAttemptInFlight = errors.New("no answer yet")

// lagError is the answer of a node that has not seen our write yet.
type lagError struct{ answer *Error }

func (e *lagError) Error() string { return e.answer.Error() }
func (e *lagError) Unwrap() error { return e.answer }

// isAnswer reports whether a registry answered. Another attempt would then give
// the same answer.
func isAnswer(err error) bool {
	var conn *connError
	var busy *busyError
	var lag *lagError
	return !errors.As(err, &conn) && !errors.As(err, &busy) && !errors.As(err, &lag)
}

// mayHaveArrived reports whether the registry may have executed the call.
func mayHaveArrived(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	var busy *busyError
	return !errors.As(err, &busy) || busy.answer.Status != http.StatusTooManyRequests && busy.answer.Status != http.StatusServiceUnavailable
}

func retryStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// codeDecides reports whether the registry's code in the body decides what an
// error means, because a status such as 404 has several meanings.
func codeDecides(status int) bool {
	return status == http.StatusNotFound || status == http.StatusConflict || status == http.StatusUnprocessableEntity
}

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s >= 0 {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

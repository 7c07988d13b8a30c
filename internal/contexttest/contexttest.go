// Package contexttest makes contexts that end at a chosen point of a test.
package contexttest

import "context"

// Checks is a context that allows a number of calls of Err. Later calls return
// [context.Canceled]. Checks is not safe for concurrent use.
type Checks struct {
	context.Context
	// Left is the number of calls that are still allowed. It is negative after
	// the end of the context.
	Left int
}

// EndAfter returns a context that ends after the given number of calls of Err.
func EndAfter(parent context.Context, checks int) *Checks {
	return &Checks{parent, checks}
}

// Err counts the call.
func (c *Checks) Err() error {
	if c.Left--; c.Left < 0 {
		return context.Canceled
	}
	return c.Context.Err()
}

package producer

import (
	"context"
	"time"
)

// FailForTest raises a fatal error in the client behind p, as the library does
// after an inconsistent sequence number.
func (p *Producer) FailForTest(reason string) {
	p.core.main().transport.(interface{ TestFatalError(string) }).TestFatalError(reason)
}

// Limiter is the limit of messages and bytes in flight.
type Limiter struct{ *limiter }

// NewLimiter makes a Limiter.
func NewLimiter(messages, bytes int64) Limiter { return Limiter{newLimiter(messages, bytes)} }

// Waiting returns the number of callers in line.
func (l Limiter) Waiting() int64 { return l.waiting.Load() }

// Try calls try.
func (l Limiter) Try(bytes int64) bool { return l.try(bytes) }

// Acquire calls acquire.
func (l Limiter) Acquire(ctx context.Context, bytes int64, most time.Duration) (bool, error) {
	return l.acquire(ctx, bytes, most)
}

// Leave calls leave.
func (l Limiter) Leave() { l.leave() }

// Release calls release.
func (l Limiter) Release(messages, bytes int64) { l.release(messages, bytes) }

// Close calls close.
func (l Limiter) Close(err error) { l.close(err) }

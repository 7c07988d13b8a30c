package producer

import (
	"context"
	"time"
)

// FailForTest raises a fatal error in the client behind p, as the library does when
// it can no longer reason about a sequence.
func (p *Producer) FailForTest(reason string) {
	p.core.main().transport.(interface{ TestFatalError(string) }).TestFatalError(reason)
}

// Limiter is the bound on what is in flight.
type Limiter struct{ *limiter }

// NewLimiter makes one.
func NewLimiter(messages, bytes int64) Limiter { return Limiter{newLimiter(messages, bytes)} }

// Waiting is how many callers are in line.
func (l Limiter) Waiting() int64 { return l.waiting.Load() }

// Try is try.
func (l Limiter) Try(bytes int64) bool { return l.try(bytes) }

// Acquire is acquire.
func (l Limiter) Acquire(ctx context.Context, bytes int64, most time.Duration) (bool, error) {
	return l.acquire(ctx, bytes, most)
}

// Leave is leave.
func (l Limiter) Leave() { l.leave() }

// Release is release.
func (l Limiter) Release(messages, bytes int64) { l.release(messages, bytes) }

// Close is close.
func (l Limiter) Close(err error) { l.close(err) }

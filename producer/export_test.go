package producer

import (
	"context"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// FailForTest raises a fatal error in the client behind p, as the broker could by fencing it.
func (p *Producer) FailForTest(reason string) {
	k := p.core.main()
	if k.hold() { // the failure may have the client replaced before the call returns
		defer k.release()
		k.kafka.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, reason)
	}
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

// CallForTest repeats f as the client's blocking calls are repeated.
func (t *Transactional) CallForTest(ctx context.Context, f func(ctx context.Context, k *kafka.Producer) error) error {
	k := t.core.main()
	return k.call(ctx, func(ctx context.Context) error { return f(ctx, k.kafka) })
}

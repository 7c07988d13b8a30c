package producer

import (
	"context"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Producer publishes messages to Kafka, each exactly once. Producer is safe for
// concurrent use.
type Producer struct{ core *core }

// New makes a producer. New does not wait for I/O. [Producer.Prepare] or the
// first message waits for the brokers. Brokers are host:port, and one reachable
// broker is enough. The error joins all mistakes in the options, each as a
// [*ConfigError].
func New(brokers []string, s *serde.Serializer, opts ...Option) (*Producer, error) {
	config, err := settings.New(settings.ForProducer, brokers, "", opts)
	if err != nil {
		return nil, err
	}
	c, err := newCore(config, s)
	if err != nil {
		return nil, err
	}
	p := &Producer{c}
	observe(config, p)
	return p, nil
}

// Flush waits until all earlier messages have an outcome and their callbacks
// have returned. Flush does not shorten the client's linger. If ctx ends first,
// the error wraps the reason of ctx and the last connection error of the
// client. No message is lost.
func (p *Producer) Flush(ctx context.Context) error { return p.core.flush(ctx) }

// Close refuses new messages ([ErrNotSent] with [ErrClosed]) and waits for the
// outcomes of all others. If ctx ends first, Close gives up the remaining
// messages and calls their callbacks. A message that certainly reached no log
// is [ErrNotSent], and any other is [ErrOutcomeUnknown]. Close returns after
// the last callback. If a callback has not returned 5 s after the end of ctx,
// Close returns without the callback, with an error. The error is an
// [*UndeliveredError] if messages since New were not delivered. A second call
// waits for the first call and returns the same error.
func (p *Producer) Close(ctx context.Context) error { return p.core.close(ctx) }

// Err returns nil while the producer can publish. Otherwise Err returns
// [ErrClosed], or the fatal error that ended the producer, wrapped in
// [ErrFatal].
func (p *Producer) Err() error {
	if fatal := p.core.fatal.Load(); fatal != nil {
		return *fatal
	}
	if p.core.alive.Err() != nil {
		return ErrClosed
	}
	return nil
}

// Stats returns the counts at this moment.
func (p *Producer) Stats() Stats { return p.core.stats() }

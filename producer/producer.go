package producer

import (
	"context"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Producer publishes messages to Kafka, each exactly once. It is safe for concurrent use.
type Producer struct{ core *core }

// New makes a producer. It does no I/O that it waits for; [Producer.Prepare] does, or the first message. Brokers are
// host:port; one that can be reached is enough. All mistakes in the options are in the error, each a [*ConfigError].
func New(brokers []string, s *serde.Serializer, opts ...Option) (*Producer, error) {
	config, err := settings.New(settings.ForProducer, brokers, "", opts)
	if err != nil {
		return nil, err
	}
	c, err := newCore(config, s)
	if err != nil {
		return nil, err
	}
	return &Producer{c}, nil
}

// Flush waits until everything accepted before the call has an outcome and its callback has returned. The client's linger
// is not cut short. When ctx ends first the error wraps its reason and what the client last complained of; nothing is lost
// by it.
func (p *Producer) Flush(ctx context.Context) error { return p.core.flush(ctx) }

// Close refuses new messages ([ErrNotSent] with [ErrClosed]) and waits for the outcomes of all others. When ctx ends first,
// what is left is [ErrOutcomeUnknown], and its callbacks are called with that. It returns after the last callback; where one
// has not returned for 5 s after the end of ctx, without it. The error is an [*UndeliveredError] unless everything accepted
// since New was delivered. A second call waits for the first and returns the same.
func (p *Producer) Close(ctx context.Context) error { return p.core.close(ctx) }

// Err is nil while the producer can publish, else the fatal error that ended it, wrapped in [ErrFatal], or [ErrClosed].
func (p *Producer) Err() error {
	if fatal := p.core.fatal.Load(); fatal != nil {
		return *fatal
	}
	if p.core.alive.Err() != nil {
		return ErrClosed
	}
	return nil
}

// Stats are the books at this instant.
func (p *Producer) Stats() Stats { return p.core.stats() }

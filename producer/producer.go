package producer

import (
	"context"
	"sync"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Producer publishes messages to Kafka, each exactly once. Producer is safe for
// concurrent use.
type Producer struct{ *publisher }

// publisher is the common part of [Producer] and [Transactional]. A topic needs
// only a publisher to publish.
type publisher struct {
	engine     *engine.Engine
	serializer *serde.Serializer
	hooks      *hooks
	encoded    sync.Map // string → *boundTopic, the topics of [Encoded] messages
}

func newPublisher(e *engine.Engine, s *serde.Serializer, h *hooks) *publisher {
	h.panicked = func(err error) { e.ReportFailure(Delivery{}, err) }
	return &publisher{engine: e, serializer: s, hooks: h}
}

// checkSerializer refuses a nil serializer.
func checkSerializer(s *serde.Serializer) error {
	if s == nil {
		return &ConfigError{Setting: "serializer", Reason: "must not be nil: make one with serde.NewSerializer"}
	}
	return nil
}

// New makes a producer. New does not wait for I/O. [Producer.Prepare] or the
// first message waits for the brokers. Brokers are host:port, and one reachable
// broker is enough. The error joins all mistakes in the options, each as a
// [*ConfigError].
func New(brokers []string, s *serde.Serializer, opts ...Option) (*Producer, error) {
	config, err := settings.New(settings.ForProducer, brokers, "", opts)
	if err != nil {
		return nil, err
	}
	if err := checkSerializer(s); err != nil {
		return nil, err
	}
	h := joinHooks(settings.Carried[Hooks](config))
	e, err := engine.New(config, callbacks(config, h))
	if err != nil {
		return nil, err
	}
	p := &Producer{newPublisher(e, s, h)}
	observe(config, p)
	return p, nil
}

// Flush sends the messages that wait for [WithLinger], and waits until all
// earlier messages have an outcome and their callbacks have returned. If ctx
// ends first, the error wraps the reason of ctx and the last connection error
// of the client. No message is lost.
func (p *Producer) Flush(ctx context.Context) error { return p.engine.Flush(ctx) }

// Close refuses new messages ([ErrNotSent] with [ErrClosed]) and waits for the
// outcomes of all others. If ctx ends first, Close gives up the remaining
// messages and calls their callbacks. A message that certainly reached no log
// is [ErrNotSent], and any other is [ErrOutcomeUnknown]. Close returns after
// the last callback. If a callback has not returned 5 s after the end of ctx,
// Close returns without the callback, with an error. The error is an
// [*UndeliveredError] if messages since New were not delivered. A second call
// waits for the first call and returns the same error.
func (p *Producer) Close(ctx context.Context) error { return p.engine.Close(ctx) }

// Err returns nil while the producer can publish. Otherwise Err returns
// [ErrClosed], or the fatal error that ended the producer, wrapped in
// [ErrFatal]. After a fatal error and Close, errors.Is finds both.
func (p *Producer) Err() error { return p.engine.Err() }

// Stats returns the counts at this moment.
func (p *Producer) Stats() Stats { return p.engine.Stats() }

// Health reports whether the producer can publish. Health does no I/O.
func (p *Producer) Health() Health { return p.engine.Health() }

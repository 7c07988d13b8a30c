package processor

import (
	"context"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Option changes how a [Processor] works. The zero Option does nothing.
type Option struct {
	name  string
	apply func(*config)
}

// String is the option's name.
func (o Option) String() string { return o.name }

type config struct {
	messages int
	bytes    int
	wait     time.Duration
	protocol string
	onBad    BadHandler
	producer []producer.Option
}

// BadHandler is called in the transaction for a message that cannot be
// processed. If it returns nil, the message is done with. [DeadLetter] makes
// one.
type BadHandler func(ctx context.Context, tx *producer.Tx, m Raw) error

// WithProducer gives options of [producer.NewTransactional]: how to reach the
// brokers, the transaction timeout, the logger and so on. A transaction may
// stay open for 10 s unless WithTransactionTimeout is given, because the
// partitions of a process that died wait for so long. Settings of the consumer
// go through WithConfig or a file, except those that exactly-once rests on.
// WithGroupCommit and WithoutRecovery are refused.
func WithProducer(opts ...producer.Option) Option {
	return Option{"WithProducer", func(c *config) { c.producer = append(c.producer, opts...) }}
}

// WithBatch bounds one transaction: it ends when it holds so many messages, or
// so many bytes of them, or when wait has passed since the first. Default 1,000
// messages, 1 MiB and 100 ms. On a replicated cluster a transaction costs the
// brokers about 50 ms, so larger batches are faster, and visible later.
func WithBatch(messages, bytes int, wait time.Duration) Option {
	return Option{"WithBatch", func(c *config) { c.messages, c.bytes, c.wait = messages, bytes, wait }}
}

// WithBadHandler lets f take the messages that cannot be processed: those that
// do not decode, those for which the function returns an error made by
// [Poison], and those whose results cannot be published because a result is too
// large, has an impossible timestamp, or is otherwise refused by a broker.
// Default: such a message ends Run with its error.
func WithBadHandler(f BadHandler) Option {
	return Option{"WithBadHandler", func(c *config) { c.onBad = f }}
}

// WithGroupProtocol chooses how members of the group agree on who reads what:
// "consumer" (KIP-848, brokers from 4.0) or "classic". Default: "consumer" if
// the brokers have it, else "classic". The log says which.
func WithGroupProtocol(name string) Option {
	return Option{"WithGroupProtocol", func(c *config) { c.protocol = name }}
}

func bad(option, value, reason string) error {
	return &producer.ConfigError{Setting: option, Value: value, Reason: reason}
}

func (c *config) check() []error {
	var errs []error
	if c.messages < 1 || c.bytes < 1 || c.wait < 0 {
		errs = append(errs, bad("WithBatch", fmt.Sprintf("%d, %d, %v", c.messages, c.bytes, c.wait),
			"must be at least 1 message and 1 byte, and a wait that is not negative"))
	}
	switch transport.Protocol(c.protocol) {
	case "", transport.ConsumerProtocol, transport.ClassicProtocol:
	default:
		errs = append(errs, bad("WithGroupProtocol", c.protocol, `must be "consumer" or "classic"`))
	}
	return errs
}

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

// String returns the option's name.
func (o Option) String() string { return o.name }

type config struct {
	messages int
	bytes    int
	wait     time.Duration
	protocol string
	onBad    BadHandler
	producer []producer.Option
	hooks    []Hooks
	errs     []error // of options with a nil value
}

// BadHandler is called for a message that cannot be processed, inside the
// transaction. If a BadHandler returns nil, the processor continues with the
// next message. [DeadLetter] makes a BadHandler.
type BadHandler func(ctx context.Context, tx *producer.Tx, m Raw) error

// WithProducer passes options to [producer.NewTransactional], such as the
// connection to the brokers, the transaction timeout and the logger. The
// default transaction timeout is 10 s. Until the timeout, the partitions of a
// dead process stay blocked, so the default is short. WithTransactionTimeout
// changes the timeout. WithConfig and configuration files may contain settings
// of the consumer. Settings that exactly-once depends on cannot be changed.
// WithGroupCommit and WithoutRecovery are refused.
func WithProducer(opts ...producer.Option) Option {
	return Option{"WithProducer", func(c *config) { c.producer = append(c.producer, opts...) }}
}

// WithBatch limits one transaction. The transaction ends at the given number of
// messages, at the given number of bytes, or at the duration wait after the
// first message. Default 1,000 messages, 1 MiB and 100 ms. On a replicated
// cluster a transaction costs the brokers 50 to 100 ms. So a larger batch is
// faster, but its results become visible later.
func WithBatch(messages, bytes int, wait time.Duration) Option {
	return Option{"WithBatch", func(c *config) { c.messages, c.bytes, c.wait = messages, bytes, wait }}
}

// WithBadHandler lets f handle the messages that cannot be processed. There are
// three kinds: messages that do not decode, messages for which the function
// returns an error made by [Poison], and messages whose results cannot be
// published. A result cannot be published if it is too large, has an impossible
// timestamp, or is refused by a broker for another reason. By default Run
// returns the error of such a message. A nil f is an error.
func WithBadHandler(f BadHandler) Option {
	return Option{"WithBadHandler", func(c *config) {
		if f == nil {
			c.errs = append(c.errs, optionError("WithBadHandler", "", "must not be nil"))
		}
		c.onBad = f
	}}
}

// WithGroupProtocol sets the rebalance protocol of the group. The values are
// "consumer" (KIP-848, brokers from 4.0) and "classic". The default is
// "consumer" if the brokers support this protocol, and "classic" otherwise. The
// log shows the protocol in use. Run returns a [producer.ConfigError] if the
// value is "consumer" and the brokers do not support the protocol.
func WithGroupProtocol(name string) Option {
	return Option{"WithGroupProtocol", func(c *config) { c.protocol = name }}
}

func optionError(option, value, reason string) error {
	return &producer.ConfigError{Setting: option, Value: value, Reason: reason}
}

func (c *config) check() []error {
	errs := c.errs
	if c.messages < 1 || c.bytes < 1 || c.wait < 0 {
		errs = append(errs, optionError("WithBatch", fmt.Sprintf("%d, %d, %v", c.messages, c.bytes, c.wait),
			"must be at least 1 message and 1 byte, and a wait that is not negative"))
	}
	switch transport.Protocol(c.protocol) {
	case "", transport.ConsumerProtocol, transport.ClassicProtocol:
	default:
		errs = append(errs, optionError("WithGroupProtocol", c.protocol, `must be "consumer" or "classic"`))
	}
	return errs
}

package producer

import (
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Observed is a [Producer] or a [Transactional] whose state a metrics package
// reads. No method does I/O. All methods are safe for concurrent use.
type Observed interface {
	Stats() Stats
	Health() Health
	Brokers() []Broker
	Err() error
}

var (
	_ Observed = (*Producer)(nil)
	_ Observed = (*Transactional)(nil)
)

// WithObserver calls f with each producer that a constructor makes with this
// option, before the constructor returns. Processors, sources and relays make
// their producers themselves, and a source makes one for each shard. The
// producer may be used only after its constructor has returned, but its state
// may be read at once. If Err returns [ErrClosed], alone or with a fatal
// error, the producer is closed. A nil f is an error.
//
// The option also sets statistics.interval.ms to 5,000 if an earlier option did
// not set it, because librdkafka counts the traffic of [Broker] only then.
func WithObserver(f func(Observed)) Option {
	if f == nil {
		return settings.Nil("WithObserver")
	}
	return settings.Join("WithObserver",
		settings.Carry("WithObserver", observer(f)),
		settings.Set("WithObserver", func(c *settings.Config) {
			if _, set := c.Passed[statisticsInterval]; !set {
				c.Passed[statisticsInterval] = "5000"
			}
		}))
}

const statisticsInterval = "statistics.interval.ms"

type observer func(Observed)

// observe tells the observers about a new producer.
func observe(c *settings.Config, o Observed) {
	for _, f := range settings.Carried[observer](c) {
		f(o)
	}
}

// JoinOptions returns one option that applies opts in their order. The method
// String of the result returns name. Use JoinOptions if one option configures
// several things.
func JoinOptions(name string, opts ...Option) Option { return settings.Join(name, opts...) }

// Broker is a broker as the client behind a producer knows it. The client
// connects only to the brokers that it needs.
type Broker = transport.Broker

// BrokerState is the state of a client's connection to a broker.
type BrokerState = transport.BrokerState

// The values of [BrokerState].
const (
	BrokerIdle        = transport.BrokerIdle
	BrokerConnected   = transport.BrokerConnected
	BrokerLost        = transport.BrokerLost
	BrokerUnreachable = transport.BrokerUnreachable
)

// Traffic counts the exchange between the client and a broker. With the
// transport [Franz] the counts are always known. With [Confluent] they come
// from librdkafka's statistics, at the interval statistics.interval.ms.
type Traffic = transport.Traffic

// Timing sums up durations.
type Timing = transport.Timing

// Brokers returns the brokers that the producer knows, sorted by number.
// Brokers does no I/O. After the replacement of a client, the counts begin
// again.
func (p *Producer) Brokers() []Broker { return p.engine.Brokers() }

// Brokers is [Producer.Brokers].
func (t *Transactional) Brokers() []Broker { return t.publisher.engine.Brokers() }

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
//
//	// ID is the broker's number in the cluster. ID is -1 for an address of the
//	// settings, before the cluster has named its brokers.
//	ID      int32
//	Address string // host:port
//	State   BrokerState
//	Since   time.Time // the last change of State
//	Reason  error     // the error behind BrokerUnreachable; may be nil
//	Traffic Traffic
type Broker = transport.Broker

// BrokerState is the state of a client's connection to a broker.
type BrokerState = transport.BrokerState

// The values of [BrokerState].
const (
	// BrokerIdle means that no connection exists, and that nothing says that
	// the broker is away.
	BrokerIdle = transport.BrokerIdle
	// BrokerConnected means that a connection is open and usable.
	BrokerConnected = transport.BrokerConnected
	// BrokerLost means that an open connection has ended, and that nobody has
	// connected since. Brokers end idle connections too.
	BrokerLost = transport.BrokerLost
	// BrokerUnreachable means that the last attempt to connect failed.
	BrokerUnreachable = transport.BrokerUnreachable
)

// Traffic counts the exchange between the client and a broker. With the
// transport [Franz] the counts are always known. With [Confluent] they come
// from librdkafka's statistics, at the interval statistics.interval.ms. All
// counts start at 0 when the client is made.
//
//	Known                    bool // false: the library has reported nothing yet
//	Requests, Responses      int64
//	BytesSent, BytesReceived int64
//	// Errors counts requests that failed on the connection. Timeouts counts
//	// requests without an answer in time. Retries counts repeated requests.
//	Errors, Timeouts, Retries int64
//	// Connects and Disconnects count connections.
//	Connects, Disconnects int64
//	// Queued is the number of requests that wait to be written. Waiting is the
//	// number of requests that wait for an answer.
//	Queued, Waiting int64
//	// RoundTrip is the time from writing a request to its answer. Throttle is
//	// the delay that the broker asked for.
//	RoundTrip, Throttle Timing
type Traffic = transport.Traffic

// Timing sums up durations.
//
//	Count int64
//	Sum   time.Duration
//	// P50, P99 and Max describe the last interval of the library's statistics.
//	// They are 0 if the library has no intervals.
//	P50, P99, Max time.Duration
type Timing = transport.Timing

// Brokers returns the brokers that the producer knows, sorted by number.
// Brokers does no I/O. After the replacement of a client, the counts begin
// again.
func (p *Producer) Brokers() []Broker { return p.engine.Brokers() }

// Brokers is [Producer.Brokers].
func (t *Transactional) Brokers() []Broker { return t.publisher.engine.Brokers() }

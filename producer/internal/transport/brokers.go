package transport

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// BrokerState is the state of a client's connection to a broker.
type BrokerState uint8

const (
	// BrokerIdle means that no connection exists, and that nothing says that
	// the broker is away. A client connects only to the brokers that it needs.
	BrokerIdle BrokerState = iota
	// BrokerConnected means that a connection is open and usable.
	BrokerConnected
	// BrokerLost means that an open connection has ended, and that nobody has
	// connected since. Brokers end idle connections too.
	BrokerLost
	// BrokerUnreachable means that the last attempt to connect failed.
	BrokerUnreachable
)

func (s BrokerState) String() string {
	return [...]string{"idle", "connected", "lost", "unreachable"}[s]
}

// Broker is a broker as a client knows it.
type Broker struct {
	// ID is the broker's number in the cluster. ID is -1 for an address of the
	// settings, before the cluster has named its brokers.
	ID      int32
	Address string // host:port
	State   BrokerState
	Since   time.Time // the last change of State
	// Reason is the error behind BrokerUnreachable. It may be nil.
	Reason  error
	Traffic Traffic
}

// Traffic counts the exchange between a client and a broker. All counts start
// at 0 when the client is made.
type Traffic struct {
	Known                    bool // false: the library has reported nothing yet
	Requests, Responses      int64
	BytesSent, BytesReceived int64
	// Errors counts requests that failed on the connection. Timeouts counts
	// requests without an answer in time. Retries counts repeated requests.
	Errors, Timeouts, Retries int64
	// Connects and Disconnects count connections.
	Connects, Disconnects int64
	// Queued is the number of requests that wait to be written. Waiting is the
	// number of requests that wait for an answer.
	Queued, Waiting int64
	// RoundTrip is the time from writing a request to its answer. Throttle is
	// the delay that the broker asked for.
	RoundTrip, Throttle Timing
}

// Plus returns the sum of two clients' traffic with the same broker.
func (t Traffic) Plus(o Traffic) Traffic {
	return Traffic{
		Known:    t.Known || o.Known,
		Requests: t.Requests + o.Requests, Responses: t.Responses + o.Responses,
		BytesSent: t.BytesSent + o.BytesSent, BytesReceived: t.BytesReceived + o.BytesReceived,
		Errors: t.Errors + o.Errors, Timeouts: t.Timeouts + o.Timeouts, Retries: t.Retries + o.Retries,
		Connects: t.Connects + o.Connects, Disconnects: t.Disconnects + o.Disconnects,
		Queued: t.Queued + o.Queued, Waiting: t.Waiting + o.Waiting,
		RoundTrip: t.RoundTrip.Plus(o.RoundTrip), Throttle: t.Throttle.Plus(o.Throttle),
	}
}

// Timing sums up durations.
type Timing struct {
	Count int64
	Sum   time.Duration
	// P50, P99 and Max describe the last interval of the library's statistics.
	// They are 0 if the library has no intervals.
	P50, P99, Max time.Duration
}

// Add counts one duration.
func (t *Timing) Add(d time.Duration) {
	t.Count++
	t.Sum += d
}

// Plus returns the sum of two timings. The quantiles of the sum are the larger
// ones.
func (t Timing) Plus(o Timing) Timing {
	return Timing{
		Count: t.Count + o.Count, Sum: t.Sum + o.Sum,
		P50: max(t.P50, o.P50), P99: max(t.P99, o.P99), Max: max(t.Max, o.Max),
	}
}

// Brokers is the table of the brokers that a client knows. The zero value is
// ready. Brokers is safe for concurrent use.
type Brokers struct {
	mu      sync.Mutex
	rows    map[brokerKey]*Broker
	missing map[int32]time.Time // brokers that the cluster does not list, since when
}

type brokerKey struct {
	id      int32
	address string
}

// row returns the row of a broker. A broker keeps its row if its address
// changes. The caller holds mu.
func (b *Brokers) row(id int32, address string) *Broker {
	if id < 0 {
		id = -1
	}
	key := brokerKey{id: id}
	if id < 0 {
		key.address = address
	}
	r := b.rows[key]
	if r == nil {
		if b.rows == nil {
			b.rows = map[brokerKey]*Broker{}
		}
		r = &Broker{ID: id, Since: time.Now()}
		b.rows[key] = r
	}
	if address != "" && address != r.Address {
		r.Address = address
	}
	return r
}

// Known adds a broker if the table does not have the broker yet. id is negative
// for an address of the settings.
func (b *Brokers) Known(id int32, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.row(id, address)
}

// Set notes the state of a broker. err is the reason if the broker is
// unreachable.
func (b *Brokers) Set(id int32, address string, s BrokerState, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(id, address)
	if s == BrokerLost && r.State != BrokerConnected {
		return // the failed attempt has said more
	}
	if r.State != s {
		r.State, r.Since = s, time.Now()
	}
	if s != BrokerUnreachable {
		r.Reason = nil
	} else if err != nil || r.Reason == nil {
		r.Reason = err
	}
}

// Probed notes the result of a separate connection to a lost broker. Probed
// changes nothing if the client itself has connected since.
func (b *Brokers) Probed(of Broker, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(of.ID, of.Address)
	if r.State != of.State {
		return
	}
	state := BrokerIdle
	if err != nil {
		state = BrokerUnreachable
	}
	if r.State != state {
		r.State, r.Since = state, time.Now()
	}
	r.Reason = err
}

// Count changes the counts of a broker.
func (b *Brokers) Count(id int32, address string, f func(*Traffic)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(id, address)
	r.Traffic.Known = true
	f(&r.Traffic)
}

// forgetAfter is how long a broker stays in the table after the cluster has
// stopped to list the broker. A broker that is down is not listed either.
const forgetAfter = 10 * time.Minute

// Keep notes which brokers the cluster lists. Keep removes a broker that has
// not been listed for 10 minutes.
func (b *Brokers) Keep(listed []int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missing == nil {
		b.missing = map[int32]time.Time{}
	}
	inCluster := make(map[int32]bool, len(listed))
	for _, id := range listed {
		inCluster[id] = true
	}
	for key := range b.rows {
		since, missing := b.missing[key.id]
		switch {
		case key.id < 0:
		case inCluster[key.id]:
			delete(b.missing, key.id)
		case !missing:
			b.missing[key.id] = time.Now()
		case time.Since(since) > forgetAfter:
			delete(b.rows, key)
			delete(b.missing, key.id)
		}
	}
}

// List returns the brokers, by number. If the cluster has named its brokers,
// the list leaves out the addresses of the settings.
func (b *Brokers) List() []Broker {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Broker
	named := false
	for _, r := range b.rows {
		all = append(all, *r)
		named = named || r.ID >= 0
	}
	if named {
		all = slices.DeleteFunc(all, func(r Broker) bool { return r.ID < 0 })
	}
	slices.SortFunc(all, func(x, y Broker) int { return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Address, y.Address)) })
	return all
}

package prom

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

// client collects the metrics of all producers with one name.
type client struct {
	name  string
	spent func() prometheus.Observer // makes the histogram at the first transaction

	committed, aborted, inDoubt, resolved atomic.Int64
	transactional                         atomic.Bool

	mu     sync.Mutex
	open   []*observed
	closed map[string]producer.Traffic // of closed producers, by broker
}

// observed is an open producer. Its counts begin again if the producer replaces
// a client or forgets a broker. A counter must not fall, because Prometheus
// then takes the whole value as new, also the counts of the other producers.
type observed struct {
	producer.Observed
	last  map[string]producer.Traffic // what the producer said last, by broker
	total map[string]producer.Traffic // the sum of all growth, by broker
}

func (c *client) add(o producer.Observed) {
	if _, ok := o.(*producer.Transactional); ok {
		c.transactional.Store(true) // a rate needs a first sample, so the counters begin with 0
	}
	c.producers() // lets go of closed producers, also if nothing scrapes
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, &observed{Observed: o, total: map[string]producer.Traffic{}})
}

// update brings the totals up to date.
func (o *observed) update() {
	now := map[string]producer.Traffic{}
	for _, b := range o.Brokers() {
		address := label(b.Address)
		now[address] = now[address].Plus(b.Traffic)
	}
	for address := range o.last {
		if _, known := now[address]; !known {
			o.total[address] = withoutGauges(o.total[address])
		}
	}
	for address, t := range now {
		o.total[address] = withoutGauges(o.total[address]).Plus(growth(o.last[address], t))
	}
	o.last = now
}

// withoutGauges returns t without the fields that describe the present.
func withoutGauges(t producer.Traffic) producer.Traffic {
	t.Queued, t.Waiting = 0, 0
	for _, timing := range []*producer.Timing{&t.RoundTrip, &t.Throttle} {
		timing.P50, timing.P99, timing.Max = 0, 0, 0
	}
	return t
}

// growth returns what the counts of now have more than the counts of before.
// The gauges are those of now.
func growth(before, now producer.Traffic) producer.Traffic {
	more := func(now *int64, before int64) { *now = max(0, *now-before) }
	more(&now.Requests, before.Requests)
	more(&now.Responses, before.Responses)
	more(&now.BytesSent, before.BytesSent)
	more(&now.BytesReceived, before.BytesReceived)
	more(&now.Errors, before.Errors)
	more(&now.Timeouts, before.Timeouts)
	more(&now.Retries, before.Retries)
	more(&now.Connects, before.Connects)
	more(&now.Disconnects, before.Disconnects)
	more(&now.RoundTrip.Count, before.RoundTrip.Count)
	more(&now.Throttle.Count, before.Throttle.Count)
	now.RoundTrip.Sum = max(0, now.RoundTrip.Sum-before.RoundTrip.Sum)
	now.Throttle.Sum = max(0, now.Throttle.Sum-before.Throttle.Sum)
	return now
}

// transaction counts the transactions.
func (c *client) transaction(_ context.Context, e producer.TransactionEvent) {
	switch e.Kind {
	case producer.TransactionCommitted:
		c.committed.Add(1)
		c.spent().Observe(e.Open.Seconds())
	case producer.TransactionAborted:
		c.aborted.Add(1)
		c.spent().Observe(e.Open.Seconds())
	case producer.TransactionInDoubt:
		c.inDoubt.Add(1)
	case producer.TransactionResolved:
		c.resolved.Add(1)
	}
}

func (c *client) collect(ch chan<- prometheus.Metric) {
	if c.transactional.Load() {
		ch <- sample(catalog.Transactions, float64(c.committed.Load()), c.name, "committed")
		ch <- sample(catalog.Transactions, float64(c.aborted.Load()), c.name, "aborted")
		ch <- sample(catalog.Transactions, float64(c.inDoubt.Load()), c.name, "in_doubt")
		ch <- sample(catalog.Resolved, float64(c.resolved.Load()), c.name)
	}
	open, traffic := c.producers()
	var inFlight, bytes int64
	var oldest time.Duration
	stuck, ready := 0, true
	states := map[string]producer.BrokerState{}
	for _, p := range open {
		s, h := p.Stats(), p.Health()
		inFlight += s.InFlight
		bytes += s.InFlightBytes
		oldest = max(oldest, h.OldestInFlight)
		stuck += len(h.Stuck)
		ready = ready && h.Ready
		for _, b := range p.Brokers() {
			address := label(b.Address)
			before, known := states[address]
			if !known || b.State == producer.BrokerConnected || before != producer.BrokerConnected && b.State == producer.BrokerUnreachable {
				states[address] = b.State
			}
		}
	}
	if len(open) == 0 {
		return
	}
	ch <- sample(catalog.InFlight, float64(inFlight), c.name)
	ch <- sample(catalog.InFlightBytes, float64(bytes), c.name)
	ch <- sample(catalog.Oldest, oldest.Seconds(), c.name)
	ch <- sample(catalog.Stuck, float64(stuck), c.name)
	ch <- sample(catalog.Ready, truth(ready), c.name)
	for address, t := range traffic {
		if state, known := states[address]; known {
			ch <- sample(catalog.BrokerConnected, truth(state == producer.BrokerConnected), c.name, address)
			ch <- sample(catalog.BrokerUnreachable, truth(state == producer.BrokerUnreachable), c.name, address)
		}
		if t.Known {
			c.collectTraffic(ch, address, t)
		}
	}
}

func (c *client) collectTraffic(ch chan<- prometheus.Metric, broker string, t producer.Traffic) {
	for _, s := range []struct {
		metric *catalog.Metric
		value  int64
	}{
		{catalog.BrokerRequests, t.Requests},
		{catalog.BrokerSent, t.BytesSent},
		{catalog.BrokerReceived, t.BytesReceived},
		{catalog.BrokerErrors, t.Errors},
		{catalog.BrokerTimeouts, t.Timeouts},
		{catalog.BrokerRetries, t.Retries},
		{catalog.BrokerConnects, t.Connects},
		{catalog.BrokerDisconnects, t.Disconnects},
		{catalog.BrokerQueued, t.Queued},
		{catalog.BrokerWaiting, t.Waiting},
	} {
		ch <- sample(s.metric, float64(s.value), c.name, broker)
	}
	for _, s := range []struct {
		metric *catalog.Metric
		timing producer.Timing
	}{{catalog.BrokerRoundTrip, t.RoundTrip}, {catalog.BrokerThrottle, t.Throttle}} {
		quantiles := map[float64]float64{}
		if s.timing.Max > 0 {
			quantiles[0.5], quantiles[0.99], quantiles[1] = s.timing.P50.Seconds(), s.timing.P99.Seconds(), s.timing.Max.Seconds()
		}
		ch <- prometheus.MustNewConstSummary(descs[s.metric], uint64(s.timing.Count), s.timing.Sum.Seconds(), quantiles, c.name, broker)
	}
}

// producers returns the open producers, and the traffic of all producers with
// the brokers that an open producer knows, or a closed producer knew. A closed
// producer has no gauges any more.
func (c *client) producers() ([]*observed, map[string]producer.Traffic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.open[:0:0]
	known := map[string]bool{}
	for _, p := range c.open {
		closed := errors.Is(p.Err(), producer.ErrClosed) && p.Stats().InFlight == 0
		p.update()
		if !closed {
			open = append(open, p)
			for address := range p.last {
				known[address] = true
			}
			continue
		}
		for address, t := range p.total {
			c.closed[address] = c.closed[address].Plus(withoutGauges(t))
		}
	}
	c.open = open
	traffic := make(map[string]producer.Traffic, len(c.closed))
	for address, t := range c.closed {
		traffic[address] = t
		known[address] = true
	}
	for _, p := range open {
		for address, t := range p.total {
			if known[address] {
				traffic[address] = traffic[address].Plus(t)
			}
		}
	}
	return open, traffic
}

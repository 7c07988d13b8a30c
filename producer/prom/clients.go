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
	open   []producer.Observed
	closed map[string]producer.Traffic // of closed producers, by broker
}

func (c *client) add(o producer.Observed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, o)
}

// transaction counts the transactions.
func (c *client) transaction(_ context.Context, e producer.TransactionEvent) {
	switch e.Kind {
	case producer.TransactionBegun:
		c.transactional.Store(true)
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
			traffic[address] = traffic[address].Plus(b.Traffic)
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

// producers returns the open producers, and the traffic of the closed
// producers. A closed producer has no gauges any more. The traffic of a closed
// producer stays in the counters, because a counter never falls.
func (c *client) producers() ([]producer.Observed, map[string]producer.Traffic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.open[:0:0]
	for _, p := range c.open {
		if !errors.Is(p.Err(), producer.ErrClosed) || p.Stats().InFlight > 0 {
			open = append(open, p)
			continue
		}
		for _, b := range p.Brokers() {
			address := label(b.Address)
			t := c.closed[address].Plus(b.Traffic)
			t.Queued, t.Waiting = 0, 0
			c.closed[address] = t
		}
	}
	c.open = open
	traffic := make(map[string]producer.Traffic, len(c.closed))
	for address, t := range c.closed {
		traffic[address] = t
	}
	return open, traffic
}

package prom

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
)

// Producer returns an option for producers. Their metrics have the label
// client="name". Several producers may share a name. Counters are then sums,
// waits are the longest wait, and ready is 1 only if all producers are ready.
// The option also switches on the statistics of the client library, at an
// interval of 5 seconds unless statistics.interval.ms is set.
//
// In every label, U+FFFD replaces bytes that are not UTF-8.
//
// Packages processor, source and outbox accept the option in their
// WithProducer.
func (m *Metrics) Producer(name string) producer.Option {
	c := m.client(name)
	return producer.JoinOptions("prom.Producer", producer.WithHooks(m.hooks(c)), producer.WithObserver(c.add))
}

// client returns the client with a name.
func (m *Metrics) client(name string) *client {
	name = label(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clients {
		if c.name == name {
			return c
		}
	}
	c := &client{name: name, closed: map[string]producer.Traffic{}}
	c.spent = sync.OnceValue(func() prometheus.Observer { return m.spent.WithLabelValues(name) })
	m.clients = append(m.clients, c)
	return c
}

// hooks returns the hooks of a client.
func (m *Metrics) hooks(c *client) producer.Hooks {
	return producer.Hooks{
		Start: func(_ context.Context, s *producer.Start) any {
			t := m.topics.find(s.Topic, m)
			if s.TransactionalID != "" {
				return &t.inTx
			}
			return &t.plain
		},
		Refused: func(token any, err error) {
			token.(*message).refused[producer.ReasonOf(err)].Add(1)
		},
		Accepted: func(token any, bytes int) {
			token.(*message).bytes.Add(int64(bytes))
		},
		Outcome: func(token any, o producer.Outcome) {
			t := token.(*message)
			switch {
			case o.Err == nil:
				t.outcomes[delivered].Add(1)
				t.delivery.Observe(o.Waited.Seconds())
				if o.OnWire > 0 {
					t.onWire.Observe(o.OnWire.Seconds())
				}
			case t.transactional:
				// A transaction commits only if all its messages are written.
				// So even an unknown write is certainly not visible.
				t.outcomes[aborted].Add(1)
			case errors.Is(o.Err, producer.ErrNotSent):
				t.outcomes[notSent].Add(1)
			default:
				t.outcomes[unknown].Add(1)
			}
		},
		Transaction: c.transaction,
	}
}

// Processor returns an option for processors. Their metrics have the label
// client="name". For the processor's producer, give the option
// [Metrics.Producer] to processor.WithProducer. Several processors may share a
// name.
func (m *Metrics) Processor(name string) processor.Option {
	name = label(name)
	w := m.workers
	records, batches := map[string]prometheus.Counter{}, map[string]prometheus.Counter{}
	for _, result := range []string{"ok", "bad", "failed"} {
		records[result] = w.records.WithLabelValues(name, result)
	}
	for _, result := range []string{"committed", "failed"} {
		batches[result] = w.batches.WithLabelValues(name, result)
	}
	took := w.took.WithLabelValues(name)
	l := w.add(&lag{client: name, partition: map[groupPartition]int64{}})
	return processor.WithHooks(processor.Hooks{
		EndBatch: func(_ context.Context, _ processor.Batch, e processor.BatchEnd) {
			if e.Err == nil {
				batches["committed"].Inc()
			} else {
				batches["failed"].Inc()
			}
		},
		EndRecord: func(_ context.Context, _ processor.Record, e processor.RecordEnd) {
			took.Observe(e.Took.Seconds())
			switch {
			case e.Err != nil:
				records["failed"].Inc()
			case e.Bad != nil:
				records["bad"].Inc()
			default:
				records["ok"].Inc()
			}
		},
		Rebalanced: func(_ context.Context, r processor.Rebalance) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, p := range r.Revoked {
				delete(l.partition, groupPartition{r.Group, p})
			}
		},
		Lag: func(_ context.Context, group string, all []processor.Lag) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, one := range all {
				l.partition[groupPartition{group, one.Partition}] = one.Messages
			}
		},
	})
}

// Source returns an option for sources and relays. Their metrics have the label
// client="name". For the source's producer, give the option [Metrics.Producer]
// to source.WithProducer. Several sources may share a name.
func (m *Metrics) Source(name string) source.Option {
	name = label(name)
	w := m.workers
	stops := w.stops.WithLabelValues(name)
	l := w.add(&lag{client: name, shard: map[int]int64{}})
	return source.WithHooks(source.Hooks{
		Stopped: func(_ context.Context, shard int, err error) {
			if err != nil {
				stops.Inc()
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(l.shard, shard)
		},
		Lag: func(_ context.Context, shard int, now source.Lag) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if now.Items >= 0 {
				l.shard[shard] = now.Items
			}
		},
	})
}

// Registry returns an option for registry clients. Their metrics have the label
// client="name". Several clients may share a name.
func (m *Metrics) Registry(name string) registry.Option {
	name = label(name)
	r := &m.registries
	// A rate needs a first sample, so the counters begin with 0.
	results := map[string]prometheus.Counter{}
	for _, result := range []string{"ok", "refused", "failed"} {
		results[result] = r.requests.WithLabelValues(name, result)
	}
	retries, failovers, took := r.retries.WithLabelValues(name), r.failovers.WithLabelValues(name), r.took.WithLabelValues(name)
	return registry.WithHooks(registry.Hooks{
		Answered: func(_ context.Context, a registry.Answered) {
			r.lookups.WithLabelValues(name, a.Operation, a.Origin.String()).Inc()
			if a.Err != nil {
				r.errors.WithLabelValues(name, a.Operation).Inc()
			}
		},
		EndRequest: func(_ context.Context, _ registry.Request, e registry.Response) {
			result := "ok"
			switch {
			case e.Status == 0 || e.Status >= 500: // a proxy answers for a dead registry
				result = "failed"
			case e.Err != nil:
				result = "refused"
			}
			results[result].Inc()
			retries.Add(float64(max(e.Attempts-1, 0)))
			failovers.Add(float64(max(e.URLs-1, 0)))
			took.Observe(e.Took.Seconds())
		},
	})
}

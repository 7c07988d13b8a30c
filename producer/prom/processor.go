package prom

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/prom/internal/catalog"
	"github.com/avroline/avroline/producer/source"
)

// workers are the metrics of processors, sources and relays.
type workers struct {
	records, batches, stops *prometheus.CounterVec
	took                    *prometheus.HistogramVec

	mu   sync.Mutex
	lags []*lag
}

// lag is the last known lag of a processor or source.
type lag struct {
	client string
	topic  map[string]int64 // of a processor, by topic
	shard  map[int]int64    // of a source, by shard
}

func newWorkers(buckets []float64) *workers {
	return &workers{
		records: counter(catalog.ProcessorRecords), batches: counter(catalog.ProcessorBatches), stops: counter(catalog.SourceStops),
		took: histogram(catalog.ProcessorRecord, buckets),
	}
}

func (w *workers) add(l *lag) *lag {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lags = append(w.lags, l)
	return l
}

func (w *workers) collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{w.records, w.batches, w.stops, w.took} {
		c.Collect(ch)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	topics, sources := map[[2]string]int64{}, map[string]int64{}
	for _, l := range w.lags {
		for topic, messages := range l.topic {
			topics[[2]string{l.client, topic}] += messages
		}
		for _, items := range l.shard {
			sources[l.client] += items
		}
	}
	for key, messages := range topics {
		ch <- sample(catalog.ProcessorLag, float64(messages), key[0], key[1])
	}
	for client, items := range sources {
		ch <- sample(catalog.SourceLag, float64(items), client)
	}
}

// Processor returns an option for processors. Their metrics have the label
// client="name". For the processor's producer, give the option
// [Metrics.Producer] to processor.WithProducer. Several processors may share a
// name.
func (m *Metrics) Processor(name string) processor.Option {
	w := m.workers
	records, batches := map[string]prometheus.Counter{}, map[string]prometheus.Counter{}
	for _, result := range []string{"ok", "bad", "failed"} {
		records[result] = w.records.WithLabelValues(name, result)
	}
	for _, result := range []string{"committed", "failed"} {
		batches[result] = w.batches.WithLabelValues(name, result)
	}
	took := w.took.WithLabelValues(name)
	l := w.add(&lag{client: name})
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
		Lag: func(_ context.Context, _ string, all []processor.Lag) {
			topics := map[string]int64{}
			for _, one := range all {
				topics[one.Topic] += one.Messages
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			l.topic = topics
		},
	})
}

// Source returns an option for sources and relays. Their metrics have the label
// client="name". For the source's producer, give the option [Metrics.Producer]
// to source.WithProducer. Several sources may share a name.
func (m *Metrics) Source(name string) source.Option {
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

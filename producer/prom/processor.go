package prom

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/prom/internal/catalog"
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
	// partition has the partitions that the processors read now.
	partition map[groupPartition]int64
	shard     map[int]int64 // of a source, by shard
}

// groupPartition is a partition that a processor of a group reads.
type groupPartition struct {
	group string
	processor.Partition
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
		for p, messages := range l.partition {
			topics[[2]string{l.client, label(p.Topic)}] += messages
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

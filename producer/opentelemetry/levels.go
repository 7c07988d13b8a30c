package opentelemetry

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/avroline/avroline/producer/processor"
)

// levels has the values of the gauges. An exporter reads the values at each
// export. A value that is only recorded would stay in the exports for ever,
// even if the processor has lost the partition.
type levels struct {
	mu         sync.Mutex
	lag        map[groupPartition]int64 // of the partitions that processors read now
	partitions map[string]int64         // number of partitions by group
	source     map[sourceShard]int64    // lag of the running shards
}

// groupPartition is a partition that a processor of a group reads.
type groupPartition struct {
	group string
	processor.Partition
}

// sourceID stands for the sources of one option. Two options may have the same
// name.
type sourceID struct{ name string }

// sourceShard is a shard of a source.
type sourceShard struct {
	source *sourceID
	shard  int
}

// rebalanced notes an assignment. Several processors may have the same group.
func (l *levels) rebalanced(r *processor.Rebalance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partitions == nil {
		l.partitions = map[string]int64{}
	}
	l.partitions[r.Group] += int64(len(r.Assigned) - len(r.Revoked))
	for _, p := range r.Revoked {
		delete(l.lag, groupPartition{r.Group, p})
	}
}

func (l *levels) noteLag(group string, lag []processor.Lag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lag == nil {
		l.lag = map[groupPartition]int64{}
	}
	for _, p := range lag {
		l.lag[groupPartition{group, p.Partition}] = p.Messages
	}
}

// noteSource notes the lag of a shard. A negative lag is not known.
func (l *levels) noteSource(source *sourceID, shard int, items int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.source == nil {
		l.source = map[sourceShard]int64{}
	}
	if key := (sourceShard{source, shard}); items >= 0 {
		l.source[key] = items
	} else {
		delete(l.source, key)
	}
}

// register makes the gauges.
func (l *levels) register(m metric.Meter) error {
	gauge := func(name, unit, description string, observe func(func(int64, ...attribute.KeyValue))) error {
		_, err := m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				l.mu.Lock()
				defer l.mu.Unlock()
				observe(func(value int64, labels ...attribute.KeyValue) { o.Observe(value, metric.WithAttributes(labels...)) })
				return nil
			}))
		return err
	}
	return errors.Join(
		gauge(metricLag, "{message}", "Messages of a partition that the group of a processor has not committed.", func(observe func(int64, ...attribute.KeyValue)) {
			for p, messages := range l.lag {
				observe(messages, semconv.MessagingConsumerGroupName(p.group), semconv.MessagingDestinationName(p.Topic),
					semconv.MessagingDestinationPartitionID(strconv.Itoa(int(p.Partition.Partition))))
			}
		}),
		gauge(metricPartitions, "{partition}", "Partitions that the processors of a group read in this program.", func(observe func(int64, ...attribute.KeyValue)) {
			for group, n := range l.partitions {
				observe(n, semconv.MessagingConsumerGroupName(group))
			}
		}),
		gauge(metricSourceLag, "{item}", "Items of a source that are not published.", func(observe func(int64, ...attribute.KeyValue)) {
			type label struct {
				name  string
				shard int
			}
			sums := map[label]int64{}
			for key, items := range l.source {
				sums[label{key.source.name, key.shard}] += items
			}
			for l, items := range sums {
				observe(items, keySource.String(l.name), keyShard.Int(l.shard))
			}
		}),
	)
}

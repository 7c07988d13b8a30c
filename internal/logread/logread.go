// Package logread reads a whole topic with franz-go. Tests use it as a reader
// that is independent of the producer.
package logread

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Visible yields the records of a topic that a read_committed consumer sees,
// from the start to the end offsets at the moment of the call. A reader that
// stops at an empty poll would miss late records. Records of one partition come
// in order. If ctx ends or the topic does not exist, the last pair holds the
// error.
func Visible(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) iter.Seq2[*kgo.Record, error] {
	return read(ctx, brokers, topic, opts, 0)
}

// All is [Visible], but first waits until all transactions have ended in the
// log, at most for markerWait. A commit returns before the coordinator has
// written the markers to the partitions. While leaders move, the markers may
// come seconds later.
func All(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) iter.Seq2[*kgo.Record, error] {
	return read(ctx, brokers, topic, opts, markerWait)
}

const markerWait = 10 * time.Second

func read(ctx context.Context, brokers []string, topic string, opts []kgo.Opt, wait time.Duration) iter.Seq2[*kgo.Record, error] {
	return func(yield func(*kgo.Record, error) bool) {
		if err := readAll(ctx, brokers, topic, opts, wait, yield); err != nil {
			yield(nil, fmt.Errorf("read topic %s: %w", topic, err))
		}
	}
}

func readAll(ctx context.Context, brokers []string, topic string, opts []kgo.Opt, wait time.Duration, yield func(*kgo.Record, error) bool) error {
	base := append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)
	until := time.Now().Add(wait)
	left, starts, open, err := bounds(ctx, base, topic)
	for (isLeaderChange(err) || open && time.Now().Before(until)) && waitForFetch(ctx) {
		left, starts, open, err = bounds(ctx, base, topic)
	}
	if err != nil || len(left) == 0 {
		return err
	}
	cl, err := kgo.NewClient(append(base,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last record of a partition may be a transaction marker
		kgo.FetchMaxWait(fetchWait),
	)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w with %d partitions not read to their end", err, len(left))
		}
		for _, failed := range fetches.Errors() {
			return fmt.Errorf("partition %d: %w", failed.Partition, failed.Err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			end, reading := left[r.Partition]
			if !reading {
				continue
			}
			if !r.Attrs.IsControl() && r.Offset < end && !yield(r, nil) {
				return nil
			}
			if r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}

// bounds returns the start and end offsets of all partitions that are not
// empty. open reports whether a partition has messages of a transaction that
// has not ended.
func bounds(ctx context.Context, opts []kgo.Opt, topic string) (ends map[int32]int64, starts map[int32]kgo.Offset, open bool, err error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, nil, false, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	first, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, false, err
	}
	last, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, nil, false, err
	}
	written, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, nil, false, err
	}
	if err := errors.Join(first.Error(), last.Error(), written.Error()); err != nil {
		return nil, nil, false, err
	}
	ends, starts = map[int32]int64{}, map[int32]kgo.Offset{}
	last.Each(func(end kadm.ListedOffset) {
		if start, ok := first.Lookup(topic, end.Partition); ok && start.Offset < end.Offset {
			ends[end.Partition] = end.Offset
			starts[end.Partition] = kgo.NewOffset().At(start.Offset)
		}
		if w, ok := written.Lookup(topic, end.Partition); ok && w.Offset > end.Offset {
			open = true
		}
	})
	return ends, starts, open, nil
}

// isLeaderChange reports whether the leader of a partition has just changed. A
// new leader may not know the end of the partition yet.
func isLeaderChange(err error) bool {
	return errors.Is(err, kerr.OffsetNotAvailable) || errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.LeaderNotAvailable)
}

// waitForFetch waits for fetchWait. It returns false if ctx ended first.
func waitForFetch(ctx context.Context) bool {
	select {
	case <-time.After(fetchWait):
		return true
	case <-ctx.Done():
		return false
	}
}

// fetchWait keeps the last fetch of a partition short.
const fetchWait = 100 * time.Millisecond

// Package logread reads a topic whole with franz-go, a client that shares no code with the one that wrote it.
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

// All yields what is visible to read_committed in a topic, from the start to the end offsets of the moment of the call:
// a reader that stops at an empty poll would miss what comes late. Records of one partition come in order. The last pair may
// be an error: ctx ended, or the topic is not there.
func All(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) iter.Seq2[*kgo.Record, error] {
	return func(yield func(*kgo.Record, error) bool) {
		if err := all(ctx, brokers, topic, opts, yield); err != nil {
			yield(nil, fmt.Errorf("read topic %s: %w", topic, err))
		}
	}
}

func all(ctx context.Context, brokers []string, topic string, opts []kgo.Opt, yield func(*kgo.Record, error) bool) error {
	base := append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)
	left, starts, err := bounds(ctx, base, topic)
	for moving(err) && pause(ctx) {
		left, starts, err = bounds(ctx, base, topic)
	}
	if err != nil || len(left) == 0 {
		return err
	}
	cl, err := kgo.NewClient(append(base,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the end of a partition may be one: what a transaction's end leaves
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

// bounds are the ends of the partitions that hold anything, and where to begin.
func bounds(ctx context.Context, opts []kgo.Opt, topic string) (ends map[int32]int64, starts map[int32]kgo.Offset, err error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	first, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	last, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(first.Error(), last.Error()); err != nil {
		return nil, nil, err
	}
	ends, starts = map[int32]int64{}, map[int32]kgo.Offset{}
	last.Each(func(end kadm.ListedOffset) {
		if start, ok := first.Lookup(topic, end.Partition); ok && start.Offset < end.Offset {
			ends[end.Partition] = end.Offset
			starts[end.Partition] = kgo.NewOffset().At(start.Offset)
		}
	})
	return ends, starts, nil
}

// moving says that a partition's leader has just changed, and the new one does not know yet where the partition ends.
func moving(err error) bool {
	return errors.Is(err, kerr.OffsetNotAvailable) || errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.LeaderNotAvailable)
}

// pause waits a moment; false: ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(fetchWait):
		return true
	case <-ctx.Done():
		return false
	}
}

// fetchWait keeps the last fetch of a partition short.
const fetchWait = 100 * time.Millisecond

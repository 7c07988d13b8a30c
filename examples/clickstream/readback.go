package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/serde"
)

// reader reads the topic with a client that shares no code with the producer.
// reader returns only committed records. It stops at the end that the topic has
// when reading begins.
type reader struct {
	cl    *kgo.Client
	adm   *kadm.Client
	topic string
	start kadm.ListedOffsets
}

func newReader(o *options) (*reader, error) {
	cl, err := kgo.NewClient(append(o.readerOptions(),
		kgo.SeedBrokers(o.brokers...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(250*time.Millisecond),
		// Control records show the reader that it has reached the end.
		kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	return &reader{cl: cl, adm: kadm.NewClient(cl), topic: o.topic}, nil
}

func (r *reader) close() { r.cl.Close() }

// rememberEnd records the present end of the topic. Records before the mark
// belong to other runs.
func (r *reader) rememberEnd(ctx context.Context) error {
	ends, err := r.list(ctx, "end", r.adm.ListEndOffsets)
	r.start = ends
	return err
}

// list asks for the offsets of the topic. A node can refuse for a moment: it
// does not know yet that it leads a new partition. list asks again until ctx
// ends or ten seconds are over.
func (r *reader) list(ctx context.Context, what string,
	ask func(context.Context, ...string) (kadm.ListedOffsets, error),
) (kadm.ListedOffsets, error) {
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		offsets, err := ask(ctx, r.topic)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil {
			return offsets, nil
		}
		if !kerr.IsRetriable(err) || !sleep(limit, 100*time.Millisecond) {
			return nil, fmt.Errorf("reader: list the %s of %s: %w", what, r.topic, err)
		}
	}
}

// readBackResult is the result of reading back.
type readBackResult struct {
	Partitions map[int32]int64
	OutOfOrder int64
}

// each calls f for every committed record between the mark and the present end
// of the topic. Without a mark, each begins at the start of the topic. each
// calls partition before the records of each partition.
func (r *reader) each(ctx context.Context, partition func(int32), f func(*kgo.Record) error) error {
	ends, err := r.stableEnds(ctx)
	if err != nil {
		return err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		partition(o.Partition)
		begin := kgo.NewOffset().AtStart()
		if mark, ok := r.start.Lookup(r.topic, o.Partition); ok {
			if mark.Offset == o.Offset {
				return // no new records
			}
			begin = kgo.NewOffset().At(mark.Offset)
		}
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = begin, o.Offset
		}
	})
	r.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: from})
	for len(left) > 0 {
		fetches := r.cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err0()); err != nil {
			return fmt.Errorf("reader: %d partitions were not read to their end: %w", len(left), err)
		}
		var bad error
		fetches.EachRecord(func(rec *kgo.Record) {
			end, ok := left[rec.Partition]
			if bad != nil || !ok || rec.Offset >= end {
				return
			}
			if rec.Offset == end-1 {
				delete(left, rec.Partition)
			}
			if !rec.Attrs.IsControl() {
				bad = f(rec)
			}
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

// readBack records every event of this run after mark.
func (r *reader) readBack(ctx context.Context, des *serde.Deserializer[clicks.ClickEvent], acc *account) (readBackResult, error) {
	out := readBackResult{Partitions: map[int32]int64{}}
	last := map[string]int{} // the line of each visitor's latest event
	err := r.each(ctx, func(p int32) { out.Partitions[p] = 0 }, func(rec *kgo.Record) error {
		return out.add(ctx, rec, des, acc, last)
	})
	return out, err
}

func (f *readBackResult) add(ctx context.Context, rec *kgo.Record, des *serde.Deserializer[clicks.ClickEvent], acc *account, last map[string]int) error {
	var e clicks.ClickEvent
	if err := des.DecodeInto(ctx, serde.Input{Topic: rec.Topic, Data: rec.Value}, &e); err != nil {
		return fmt.Errorf("reader: %s[%d]@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	seq, ours := acc.noteReadBack(e.SourceFile, e.SourceLine, e.EventID)
	if !ours {
		return nil
	}
	f.Partitions[rec.Partition]++
	if before, ok := last[e.Visitor]; ok && seq < before {
		f.OutOfOrder++
	}
	last[e.Visitor] = seq
	return nil
}

// stableEnds waits until no transaction is open before the end of the topic.
// Before that, a read_committed reader cannot reach the end.
func (r *reader) stableEnds(ctx context.Context) (kadm.ListedOffsets, error) {
	for {
		ends, err := r.list(ctx, "end", r.adm.ListEndOffsets)
		if err != nil {
			return nil, err
		}
		stable, err := r.list(ctx, "committed end", r.adm.ListCommittedOffsets)
		if err != nil {
			return nil, err
		}
		open := false
		ends.Each(func(o kadm.ListedOffset) {
			s, ok := stable.Lookup(r.topic, o.Partition)
			open = open || !ok || s.Offset < o.Offset
		})
		if !open {
			return ends, nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return nil, fmt.Errorf("reader: a transaction on topic %s is still open: %w", r.topic, ctx.Err())
		}
	}
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

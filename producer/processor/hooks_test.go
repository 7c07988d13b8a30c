package processor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/processor"
)

type (
	batchKey  struct{}
	recordKey struct{}
)

// TestHooks copies messages with a poisonous one. The hooks see each message
// with its headers, the function gets their context, and every start has its
// end. A hook that panics changes nothing.
func TestHooks(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopying(w, 2)
	c.onBad = processor.DeadLetter(w.Topic("dead", 1))
	// The goroutine of Run calls all hooks, and run waits for its end.
	type counts struct {
		Batches, Records, BatchEnds, RecordEnds, Committed, Again, Bad, Failed, Assigned, WithoutContext, Lag int
	}
	var n counts
	asked := errors.New("asked")
	c.each = func(ctx context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
		if ctx.Value(recordKey{}) != m.Offset || ctx.Value(batchKey{}) == nil {
			n.WithoutContext++
		}
		if m.Value.Seq == 13 {
			return processor.Poison(asked)
		}
		return nil
	}
	c.hooks = []processor.Hooks{
		{
			StartBatch:  func(context.Context, processor.Batch) context.Context { panic("batch") },
			StartRecord: func(context.Context, processor.Record) context.Context { return nil },
			EndRecord:   func(context.Context, processor.Record, processor.RecordEnd) { panic("record") },
		},
		{
			StartBatch: func(ctx context.Context, b processor.Batch) context.Context {
				if len(b.Records) == 0 || b.Group != c.group || len(b.Records[0].Headers) == 0 {
					t.Errorf("batch %+v", b)
				}
				n.Batches++
				return context.WithValue(ctx, batchKey{}, true)
			},
			EndBatch: func(ctx context.Context, _ processor.Batch, e processor.BatchEnd) {
				n.BatchEnds++
				switch {
				case ctx.Value(batchKey{}) == nil:
					n.WithoutContext++
				case e.Err == nil:
					n.Committed++
				case e.Again && errors.Is(e.Err, asked):
					n.Again++
				}
			},
			StartRecord: func(ctx context.Context, r processor.Record) context.Context {
				if r.Topic != c.in || r.Bytes == 0 || r.Timestamp.IsZero() || r.Tombstone || len(r.Headers) == 0 {
					t.Errorf("record %+v", r)
				}
				n.Records++
				return context.WithValue(ctx, recordKey{}, r.Offset)
			},
			EndRecord: func(ctx context.Context, r processor.Record, e processor.RecordEnd) {
				n.RecordEnds++
				switch {
				case ctx.Value(recordKey{}) != r.Offset:
					n.WithoutContext++
				case e.Bad != nil:
					n.Bad++
				case e.Err != nil:
					n.Failed++
				}
			},
			Rebalanced: func(_ context.Context, r processor.Rebalance) { n.Assigned += len(r.Assigned) - len(r.Revoked) },
			Lag: func(_ context.Context, group string, lag []processor.Lag) {
				if group != c.group {
					t.Error(group)
				}
				for _, l := range lag {
					if l.Topic != c.in || l.Messages < 0 || l.Messages > 102 {
						t.Errorf("lag %+v", l)
					}
				}
				n.Lag++
			},
		},
	}
	w.Seed(c.reg, c.in, 100, nil)
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(99)); err != nil {
		t.Fatal(err)
	}
	if n.Batches != n.BatchEnds || n.Records != n.RecordEnds || n.Records < 100 || n.Committed == 0 || n.Lag == 0 {
		t.Errorf("%+v", n)
	}
	if diff := cmp.Diff(counts{Again: 1, Bad: 1, Failed: 1, Assigned: 2}, counts{Again: n.Again, Bad: n.Bad, Failed: n.Failed, Assigned: n.Assigned, WithoutContext: n.WithoutContext}); diff != "" {
		t.Error(diff)
	}
}

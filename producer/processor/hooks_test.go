package processor_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/serde"
)

type (
	batchKey  struct{}
	recordKey struct{}
)

// TestHooks copies messages, and one message is poisonous. The hooks get each
// message with its headers. The function gets the context of the hooks. Every
// start has an end. A panic in a hook changes nothing.
func TestHooks(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 2)
	c.onBad = processor.DeadLetter(w.Topic("dead", 1))
	// The hooks run on the goroutine of Run. The counts are read only after Run
	// has returned.
	type counts struct {
		Batches, Records, BatchEnds, RecordEnds, Committed, Again, Bad, Failed, Assigned, Revoked, WithoutContext, Lag, Polled int
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
			Polled:      func(context.Context, processor.Poll) { panic("polled") },
			StartBatch:  func(context.Context, processor.Batch) context.Context { panic("batch") },
			StartRecord: func(context.Context, processor.Record) context.Context { return nil },
			EndRecord:   func(context.Context, processor.Record, processor.RecordEnd) { panic("record") },
		},
		{
			Polled: func(_ context.Context, p processor.Poll) {
				if p.Group != c.group || p.Err != nil || (p.Messages == 0) != (p.Bytes == 0) || p.Took <= 0 {
					t.Errorf("poll %+v", p)
				}
				n.Polled += p.Messages
			},
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
			Rebalanced: func(_ context.Context, r processor.Rebalance) {
				n.Assigned += len(r.Assigned)
				n.Revoked += len(r.Revoked)
				if r.NowPartitions != n.Assigned-n.Revoked {
					t.Errorf("rebalance %+v", r)
				}
			},
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
	if n.Batches != n.BatchEnds || n.Records != n.RecordEnds || n.Records < 100 || n.Polled < 100 || n.Committed == 0 || n.Lag == 0 {
		t.Errorf("%+v", n)
	}
	// The end of Run gives up all partitions.
	if n.Assigned < 2 || n.Revoked != n.Assigned {
		t.Errorf("%+v", n)
	}
	// A rebalance at the start can abort a batch. Then EndRecord is called
	// twice for the bad record.
	if diff := cmp.Diff(counts{Again: 1, Bad: 1, Failed: 1}, counts{Again: n.Again, Bad: min(n.Bad, 1), Failed: n.Failed, WithoutContext: n.WithoutContext}); diff != "" {
		t.Error(diff)
	}
}

// contextLog counts the log messages whose context has a batchKey.
type contextLog struct {
	slog.Handler
	mu       sync.Mutex
	messages map[string]int
}

func (*contextLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *contextLog) Handle(ctx context.Context, r slog.Record) error {
	if ctx.Value(batchKey{}) != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.messages[r.Message]++
	}
	return nil
}

func (l *contextLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// TestLogContext checks that log lines have the context of Run. A log handler
// can then add the trace id.
func TestLogContext(t *testing.T) {
	t.Parallel()
	c := newCopyJob(copytest.Brokers(t), 1)
	lines := &contextLog{messages: map[string]int{}}
	c.opts = []producer.Option{producer.WithLogger(slog.New(lines))}
	failed := false
	c.each = func(context.Context, *producer.Tx, processor.Consumed[event]) error {
		if !failed {
			failed = true
			return &serde.RegistryError{Op: "test", Err: copytest.ErrOnPurpose}
		}
		return nil
	}
	c.w.Seed(c.reg, c.in, 10, nil)
	ctx, cancel := context.WithCancel(context.WithValue(copytest.Ctx(t), batchKey{}, true))
	ended := make(chan error, 1)
	go func() { ended <- c.processor(copytest.NewID(t)).Run(ctx) }()
	for ctx.Err() == nil && !c.copied(10)() {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	lines.mu.Lock()
	defer lines.mu.Unlock()
	if lines.messages["batch_again"] != 1 {
		t.Errorf("lines with the context: %v", lines.messages)
	}
}

package source_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
)

type transactionKey struct{}

// TestHooks reads a file, and one transaction fails. Every StartTransaction has
// its Committed or Aborted. The source's function gets the context of
// StartTransaction. A panic in a hook changes nothing.
func TestHooks(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	reg := &workload.Registry{}
	topic, checkpoints := w.Topic("lines", 1), compacted(w, 1)
	out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 200)
	var started, stopped, begun, committed, aborted, items, lost, lag int
	s := lines(w, reg, copytest.NewID(t), checkpoints, []string{log},
		source.WithHooks(source.Hooks{
			StartTransaction: func(context.Context, int) context.Context { panic("start") },
			Committed:        func(context.Context, source.Commit) { panic("committed") },
		}),
		source.WithHooks(source.Hooks{
			Started: func(context.Context, int) { started++ },
			Stopped: func(_ context.Context, _ int, err error) {
				stopped++
				if err != nil {
					t.Error(err)
				}
			},
			StartTransaction: func(ctx context.Context, _ int) context.Context {
				begun++
				return context.WithValue(ctx, transactionKey{}, true)
			},
			Committed: func(ctx context.Context, c source.Commit) {
				committed++
				items += c.Items
				if ctx.Value(transactionKey{}) == nil {
					lost++
				}
				if len(c.Positions) != 1 || c.Positions[0].Value == "" {
					t.Errorf("%+v", c)
				}
			},
			Aborted: func(context.Context, int, error) { aborted++ },
			Lag:     func(context.Context, int, source.Lag) { lag++ },
		}))
	failed := false
	err := s.Run(copytest.Ctx(t), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		if ctx.Value(transactionKey{}) == nil {
			lost++
		}
		e, err := parse(l)
		if err != nil {
			return err
		}
		if e.Seq == 70 && !failed {
			failed = true
			return source.Temporary(copytest.ErrOnPurpose)
		}
		return out.Add(ctx, tx, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if items != 200 || committed != 4 || aborted != 1 || begun != 5 || started != 1 || stopped != 1 || lost != 0 {
		t.Errorf("%d items, %d committed, %d aborted, %d begun, %d started, %d stopped, %d without context",
			items, committed, aborted, begun, started, stopped, lost)
	}
}

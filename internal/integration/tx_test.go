//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// The coordinator of a transactional id is killed while one transaction after
// another is committed, so that some are prepared and not yet complete: what was
// committed is there whole, what was aborted is not, and nothing twice.
func TestCoordinatorKilled(t *testing.T) {
	c := cluster(t)
	name := topic(t, 6, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	tp, err := producer.NewTransactional(c.Addrs(), name, ser)
	if err != nil {
		t.Fatal(err)
	}
	items := producer.NewTopic(name, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
	kills := 1
	if *whole {
		kills = 3
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range kills {
			pause(ctx, 2*time.Second)
			id, err := c.Coordinator(ctx, name)
			if err == nil {
				err = c.Kill(id)
			}
			if err == nil {
				pause(ctx, 3*time.Second)
				err = c.Restart(ctx, id)
			}
			if err == nil {
				err = c.WaitInSync(ctx, name)
			}
			if err != nil {
				t.Errorf("the fault itself failed: %v", err)
				return
			}
		}
	}()
	journal := verify.NewJournal()
	asked := errors.New("as asked")
	began, seq := time.Now(), int64(0)
	for n, more := 0, true; more; n++ {
		attempt := 0
		err := tp.InTx(ctx, func(tx *producer.Tx) error {
			attempt++
			id := fmt.Sprintf("%s-%d-%d", name, n, attempt)
			tx.OnEnd(func(err error) {
				end := verify.Committed
				switch {
				case errors.Is(err, producer.ErrOutcomeUnknown):
					end = verify.InDoubt
				case err != nil:
					end = verify.Aborted
				}
				journal.EndTx(id, end)
			})
			for j := range 20 {
				seq++
				item := &workload.Item{ID: verify.ID{Producer: name, Key: fmt.Sprint(j % 5), Seq: seq, Tx: id}}
				in := journal.Intend(item.ID)
				if err := items.Add(ctx, tx, item); err != nil {
					in.NotSent()
					return err
				}
			}
			if n%7 == 3 {
				return asked
			}
			return nil
		})
		if err != nil && !errors.Is(err, asked) && !errors.Is(err, producer.ErrOutcomeUnknown) {
			t.Fatalf("transaction %d: %v", n, err)
		}
		select {
		case <-over:
			more = false
		default:
		}
	}
	if err := tp.Close(ctx); err != nil {
		t.Error(err)
	}
	r, err := journal.Check(ctx, c.Addrs(), []string{name}, workload.Decode(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", r)
	fault{name: "the transaction coordinator killed while it commits"}.record(t, &workload.Result{Report: r}, time.Since(began))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Committed == 0 || r.Aborted == 0 {
		t.Errorf("%d committed, %d aborted: both were asked for", r.Committed, r.Aborted)
	}
}

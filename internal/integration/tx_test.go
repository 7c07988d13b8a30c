//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestTransactionFaults causes faults while transactions commit one after
// another. So a fault hits some transactions between prepare and complete.
// Committed events must be in the log once. Aborted events must be invisible.
func TestTransactionFaults(t *testing.T) {
	late := func(ctx context.Context, s *stage) error {
		s.proxy.SetNetwork(kafkacluster.Network{Latency: 300 * time.Millisecond, Jitter: 200 * time.Millisecond})
		pause(ctx, 10*time.Second)
		s.proxy.SetNetwork(kafkacluster.Network{})
		return nil
	}
	for _, f := range []fault{
		{name: "the transaction coordinator killed while it commits", short: true, disturb: coordinatorKilled},
		{name: "transactions, 10 % of all answers lost", short: true, proxied: true, disturb: losingAnswers},
		{name: "transactions, all answers 100 to 500 ms late", proxied: true, disturb: late},
		{name: "transactions, leaders moved each 200 ms", disturb: moving(50, 200*time.Millisecond)},
	} {
		if f.short || *whole {
			t.Run(f.name, f.runTransactions)
		}
	}
}

// coordinatorKilled kills the coordinator of the transactional id. The id is
// the topic's name.
func coordinatorKilled(ctx context.Context, s *stage) error {
	kills := 1
	if *whole {
		kills = 3
	}
	for range kills {
		pause(ctx, 2*time.Second)
		id, err := s.c.Coordinator(ctx, s.topic)
		if err == nil {
			err = s.c.Kill(id)
		}
		if err == nil {
			pause(ctx, 3*time.Second)
			err = s.c.Restart(ctx, id)
		}
		if err == nil {
			err = s.c.WaitInSync(ctx, s.topic)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f fault) runTransactions(t *testing.T) {
	s, brokers := f.stage(t)
	name := s.topic
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	tp, err := producer.NewTransactional(brokers, name, ser, chosen()...)
	if err != nil {
		t.Fatal(err)
	}
	items := producer.NewTopic(name, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := f.disturb(ctx, s); err != nil {
			t.Errorf("the fault itself failed: %v", err)
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
			more = n < 7 // one of the transactions is aborted
		default:
		}
	}
	if err := tp.Close(ctx); err != nil {
		t.Error(err)
	}
	r, err := journal.Check(ctx, s.c.Addrs(), []string{name}, workload.Decode(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", r)
	f.record(t, &workload.Result{Report: r}, time.Since(began))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Committed == 0 || r.Aborted == 0 {
		t.Errorf("%d committed, %d aborted: both were asked for", r.Committed, r.Aborted)
	}
}

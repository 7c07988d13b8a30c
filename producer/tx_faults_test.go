package producer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// txRun runs transactions under faults. A journal records every message.
type txRun struct {
	w       *kafkaEnv
	topic   string
	name    string
	journal *verify.Journal
	rng     *rand.Rand
	short   bool // contexts end at random points
}

// do runs n transactions of a transactional id. Some transactions are aborted
// on purpose.
func (r *txRun) do(ctx context.Context, n int, opts ...producer.Option) {
	t := r.w.t
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Error(err)
		return
	}
	tp, err := producer.NewTransactional(r.w.addrs, r.name, ser, opts...)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var left *producer.UndeliveredError
		if err := tp.Close(ctx); err != nil && !errors.As(err, &left) {
			t.Errorf("close: %v", err)
		}
		s := tp.Stats()
		if s.InFlight != 0 || s.Accepted != s.Delivered+s.NotSent+s.Unknown {
			t.Errorf("books: %+v", s)
		}
	}()
	items := producer.NewTopic(r.topic, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
	seq := int64(0)
	for i := range n {
		bad := r.rng.IntN(7) == 0
		limit, cancel := ctx, context.CancelFunc(func() {})
		if r.short {
			limit, cancel = context.WithTimeout(ctx, time.Duration(r.rng.IntN(300))*time.Millisecond)
		}
		size := 1 + r.rng.IntN(30)
		attempt := 0
		err := tp.InTx(limit, func(tx *producer.Tx) error {
			attempt++
			name := fmt.Sprintf("%s-%d-%d", r.name, i, attempt)
			tx.OnEnd(func(err error) {
				end := verify.Committed
				switch {
				case errors.Is(err, producer.ErrOutcomeUnknown):
					end = verify.InDoubt
				case err != nil:
					end = verify.Aborted
				}
				r.journal.EndTx(name, end)
			})
			for j := range size {
				seq++
				item := &workload.Item{ID: verify.ID{Producer: r.name, Key: fmt.Sprint(j % 5), Seq: seq, Tx: name}}
				intent := r.journal.Intend(item.ID)
				if err := items.Add(limit, tx, item); err != nil {
					intent.NotSent()
					return err
				}
			}
			if bad {
				return errOnPurpose
			}
			return nil
		})
		cancel()
		switch {
		case err == nil && bad, err != nil && errors.Is(err, producer.ErrNotSent) == errors.Is(err, producer.ErrOutcomeUnknown):
			t.Errorf("transaction %d: %v", i, err)
		case err != nil && !errors.Is(err, errOnPurpose) && !r.short && ctx.Err() == nil:
			t.Errorf("transaction %d: %v", i, err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// txFaultTime bounds a row of the table. After a lost answer the client waits
// before it reconnects, so transactions are slow.
const txFaultTime = 8 * time.Second

func TestTransactionFaults(t *testing.T) {
	t.Parallel()
	lose := func(b *producertest.Broker, share float64, seed uint64, requests ...producertest.Request) func() {
		f := b.LoseAnswers(share, seed, requests...)
		return f.Stop
	}
	for name, tc := range map[string]struct {
		fault func(b *producertest.Broker, seed uint64) (stop func())
		short bool
	}{
		"none":                 {fault: func(*producertest.Broker, uint64) func() { return func() {} }},
		"produce answers lost": {fault: func(b *producertest.Broker, seed uint64) func() { return lose(b, 0.1, seed) }},
		"ends' answers lost":   {fault: func(b *producertest.Broker, seed uint64) func() { return lose(b, 0.3, seed, producertest.EndTxn) }},
		"all answers lost": {fault: func(b *producertest.Broker, seed uint64) func() {
			return lose(b, 0.05, seed, producertest.Produce, producertest.EndTxn, producertest.InitProducerID, producertest.AddPartitionsToTxn)
		}},
		"ends slow": {fault: func(b *producertest.Broker, _ uint64) func() {
			return b.DelayAnswers(30*time.Millisecond, producertest.EndTxn, producertest.InitProducerID).Stop
		}},
		"contexts end": {short: true, fault: func(b *producertest.Broker, _ uint64) func() {
			return b.DelayAnswers(20*time.Millisecond, producertest.Produce, producertest.EndTxn, producertest.InitProducerID).Stop
		}},
		"contexts end, answers lost": {short: true, fault: func(b *producertest.Broker, seed uint64) func() {
			return lose(b, 0.2, seed, producertest.Produce, producertest.EndTxn, producertest.InitProducerID)
		}},
		"connections cut": {fault: func(b *producertest.Broker, _ uint64) func() {
			tick := time.NewTicker(40 * time.Millisecond)
			over := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-tick.C:
						b.Cut()
					case <-over:
						return
					}
				}
			})
			return func() { tick.Stop(); close(over); wg.Wait() }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			topic := w.topic("faults", 3)
			journal := verify.NewJournal()
			ctx, cancel := context.WithTimeout(t.Context(), txFaultTime)
			defer cancel()
			stop := tc.fault(w.fake, seed)
			var wg sync.WaitGroup
			for i := range 2 {
				r := &txRun{
					w: w, topic: topic, name: fmt.Sprintf("%s-%d", topic, i), journal: journal, short: tc.short,
					rng: rand.New(rand.NewPCG(seed, uint64(i))),
				}
				wg.Go(func() {
					r.do(ctx, 40, producer.WithLinger(time.Millisecond), producer.WithTransactionTimeout(20*time.Second))
				})
			}
			wg.Wait()
			stop()
			// Transactions after the faults succeed. On a slow machine, none
			// may have succeeded before.
			after := &txRun{w: w, topic: topic, name: topic + "-after", journal: journal, rng: rand.New(rand.NewPCG(seed, 2))}
			after.do(waitCtx(t), 10, producer.WithLinger(time.Millisecond))
			// The takeover of the id ends the open transaction.
			for i := range 2 {
				tp := w.transactional(fmt.Sprintf("%s-%d", topic, i))
				if err := tp.Prepare(waitCtx(t)); err != nil {
					t.Fatal(err)
				}
			}
			report, err := journal.Check(waitCtx(t), w.addrs, []string{topic}, workload.Decode(topic))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(report)
			if err := report.Err(); err != nil {
				t.Error(err)
			}
			if report.Committed == 0 && !tc.short {
				t.Error("nothing was committed")
			}
		})
	}
}

// TestControlRedoneAfterUnknown is a positive control. A program that handles
// an unknown outcome as "not sent" and publishes again must be caught.
func TestControlRedoneAfterUnknown(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	topic := w.topic("redo", 1)
	journal := verify.NewJournal()
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	tp, err := producer.NewTransactional(w.addrs, topic, ser, producer.WithLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tp.Close(waitCtx(t)) }() // the test wants unknown outcomes
	items := producer.NewTopic(topic, producer.NoKey[*workload.Item]())
	id := verify.ID{Producer: topic, Key: "k", Seq: 1, Tx: "once"}
	journal.Intend(id)
	send := func(ctx context.Context) error {
		return tp.InTx(ctx, func(tx *producer.Tx) error { return items.Add(ctx, tx, &workload.Item{ID: id}) })
	}
	if err := tp.Prepare(waitCtx(t), items); err != nil {
		t.Fatal(err)
	}
	lost := w.fake.LoseAnswers(1, 1, producertest.EndTxn)
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := send(short); !errors.Is(err, producer.ErrOutcomeUnknown) || lost.Hits() == 0 {
		t.Fatalf("got %v after %d lost answers, want an unknown outcome", err, lost.Hits())
	}
	lost.Stop()
	if err := send(waitCtx(t)); err != nil {
		t.Fatal(err)
	}
	journal.EndTx("once", verify.Committed)
	report, err := journal.Check(waitCtx(t), w.addrs, []string{topic}, workload.Decode(topic))
	if err != nil {
		t.Fatal(err)
	}
	if report.Twice != 1 {
		t.Errorf("the control passed clean: %v", report)
	}
}

// TestTransactionDenied checks that a final refusal ends the transaction at
// once, as not sent, with the broker's reason.
func TestTransactionDenied(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	const topicAuthorizationFailed = 29
	refusal := w.fake.Refuse(topicAuthorizationFailed, 1, 1)
	denied := func(err error) bool {
		var broker *producer.KafkaError
		return errors.As(err, &broker) && broker.Code == topicAuthorizationFailed
	}
	topic := w.topic("lines", 3)
	out := producer.NewTopic(topic, producer.KeyBy(byKey))
	ctx := waitCtx(t)
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) || !denied(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	tp, err := producer.NewTransactional(w.addrs, newID(t), newSerializer(t))
	if err != nil {
		t.Fatal(err)
	}
	defer tp.Close(ctx)
	check("a transaction", tp.InTx(ctx, func(tx *producer.Tx) error { return out.Add(ctx, tx, &event{}) }))

	refusal.Stop()
	if err := tp.InTx(ctx, func(tx *producer.Tx) error { return out.Add(ctx, tx, &event{}) }); err != nil {
		t.Errorf("once it may: %v", err)
	}
}

// TestOneOutcome checks that an error has exactly one outcome, whatever its
// cause wraps.
func TestOneOutcome(t *testing.T) {
	t.Parallel()
	other := &producer.MessageError{Outcome: producer.ErrOutcomeUnknown, Topic: "t", Cause: producer.ErrFatal}
	for _, err := range []error{
		&producer.TxError{Outcome: producer.ErrNotSent, Cause: fmt.Errorf("f: %w", other)},
		&producer.MessageError{Outcome: producer.ErrNotSent, Cause: other},
	} {
		if !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) || !errors.Is(err, producer.ErrFatal) {
			t.Errorf("%v", err)
		}
	}
}

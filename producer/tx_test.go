package producer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// kafkaEnv is the place of a test run: an embedded broker, or the cluster of
// AVROLINE_TEST_BROKERS.
type kafkaEnv struct {
	t     testing.TB
	addrs []string
	fake  *producertest.Broker // nil on a real cluster
}

func brokers(t testing.TB) *kafkaEnv {
	t.Helper()
	if real := os.Getenv("AVROLINE_TEST_BROKERS"); real != "" {
		return &kafkaEnv{t: t, addrs: strings.Split(real, ",")}
	}
	b := producertest.Start(t)
	return &kafkaEnv{t: t, addrs: b.Addrs(), fake: b}
}

// embedded skips a test whose faults need the embedded broker.
func embedded(t testing.TB) *kafkaEnv {
	t.Helper()
	w := brokers(t)
	if w.fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	return w
}

// topic creates a topic with a unique name.
func (w *kafkaEnv) topic(name string, partitions int32, configs ...string) string {
	w.t.Helper()
	name = fmt.Sprintf("%s-%d", name, rand.Int64())
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	settings := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		settings[configs[i]] = &configs[i+1]
	}
	if r, err := kadm.NewClient(cl).CreateTopic(waitCtx(w.t), partitions, -1, settings, name); err != nil || r.Err != nil {
		w.t.Fatal(err, r.Err)
	}
	return name
}

// committed reads a topic of events with read_committed.
func (w *kafkaEnv) committed(topic string) []event {
	w.t.Helper()
	w.waitForMarkers(topic)
	var out []event
	for r, err := range logread.All(waitCtx(w.t), w.addrs, topic) {
		if err != nil {
			w.t.Fatal(err)
		}
		_, e := decodeEvent(w.t, r.Value)
		out = append(out, e)
	}
	return out
}

// waitForMarkers waits until the brokers have written the markers, because the
// coordinator answers a commit before the markers are in the log. If a test
// leaves a transaction open, waitForMarkers does not wait.
func (w *kafkaEnv) waitForMarkers(topic string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for ctx.Err() == nil {
		open := false
		stable, err := adm.ListCommittedOffsets(ctx, topic)
		ends, err2 := adm.ListEndOffsets(ctx, topic)
		ends.Each(func(end kadm.ListedOffset) {
			at, _ := stable.Lookup(topic, end.Partition)
			open = open || at.Offset != end.Offset
		})
		if err == nil && err2 == nil && !open {
			return
		}
	}
}

func (w *kafkaEnv) transactional(id string, opts ...producer.Option) *producer.Transactional {
	w.t.Helper()
	tp, err := producer.NewTransactional(w.addrs, id, newSerializer(w.t), opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := tp.Close(ctx); err != nil {
			w.t.Logf("close %s: %v", id, err)
		}
	})
	return tp
}

func newID(t testing.TB) string { return fmt.Sprintf("%s-%d", t.Name(), rand.Int64()) }

var errOnPurpose = errors.New("asked for")

// addAll adds n events to a transaction.
func addAll(ctx context.Context, tx *producer.Tx, events *producer.Topic[*event], name string, n int) error {
	for i := range n {
		if err := events.Add(ctx, tx, &event{Key: name, Seq: int64(i)}); err != nil {
			return err
		}
	}
	return nil
}

func TestTransaction(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("tx", 3)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t))
	ctx := waitCtx(t)

	if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "committed", 5) }); err != nil {
		t.Fatal(err)
	}
	var kept *producer.Tx
	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		kept = tx
		return errors.Join(addAll(ctx, tx, events, "aborted", 5), errOnPurpose)
	})
	if !errors.Is(err, errOnPurpose) || !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) {
		t.Errorf("abort: %v", err)
	}
	if err := events.Add(ctx, kept, &event{}); !errors.Is(err, producer.ErrTxEnded) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("a transaction that has ended: %v", err)
	}
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not go on")
			}
		}()
		_ = tp.InTx(ctx, func(tx *producer.Tx) error {
			_ = addAll(ctx, tx, events, "panicked", 5)
			panic("boom")
		})
	}()
	// A refused message aborts the transaction, unless the function ignores it.
	refused := &event{Key: "x", Pad: "bad"}
	if err := tp.InTx(ctx, func(tx *producer.Tx) error {
		_ = events.Add(ctx, tx, refused)
		return addAll(ctx, tx, events, "debit without credit", 1)
	}); !errors.Is(err, errBadField) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("a refused message that the function overlooked: %v", err)
	}
	if err := tp.InTx(ctx, func(tx *producer.Tx) error {
		if err := events.Add(ctx, tx, &event{Key: "x", Pad: "bad"}); !errors.Is(err, errBadField) || !errors.Is(err, producer.ErrNotSent) {
			t.Errorf("refused: %v", err)
		}
		tx.IgnoreRefused()
		return addAll(ctx, tx, events, "second", 2)
	}); err != nil {
		t.Fatal(err)
	}
	if err := tp.InTx(ctx, func(*producer.Tx) error { return nil }); err != nil {
		t.Errorf("empty: %v", err)
	}
	count := map[string]int{}
	for _, e := range w.committed(topic) {
		count[e.Key]++
	}
	if count["committed"] != 5 || count["second"] != 2 || len(count) != 2 {
		t.Errorf("visible: %v", count)
	}
	if s := tp.Stats(); s.Accepted != 18 || s.Delivered != 7 || s.NotSent != 11 || s.InFlight != 0 || s.InFlightBytes != 0 {
		t.Errorf("stats: %+v", s)
	}
	if err := tp.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := tp.InTx(ctx, func(*producer.Tx) error { return nil }); !errors.Is(err, producer.ErrClosed) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("closed: %v", err)
	}
	if err := tp.Err(); !errors.Is(err, producer.ErrClosed) {
		t.Errorf("Err of a closed one: %v", err)
	}
}

// TestAbortRightAfterCommit aborts a transaction with messages in flight soon
// after a commit. On a real broker, such an abort is fatal, so the producer
// must wait for all reports first.
func TestAbortRightAfterCommit(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("abort", 6)
	events := producer.NewTopic(topic, producer.KeyBy(func(e *event) string { return fmt.Sprint(e.Seq) }))
	tp := w.transactional(newID(t), producer.WithLinger(time.Millisecond))
	ctx := waitCtx(t)
	for i := range 20 {
		if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "yes", 20) }); err != nil {
			t.Fatal(i, err)
		}
		if err := tp.InTx(ctx, func(tx *producer.Tx) error {
			return errors.Join(addAll(ctx, tx, events, "no", 20), errOnPurpose)
		}); !errors.Is(err, errOnPurpose) {
			t.Fatal(i, err)
		}
	}
	got := w.committed(topic)
	for _, e := range got {
		if e.Key != "yes" {
			t.Fatalf("an aborted event is visible: %+v", e)
		}
	}
	if len(got) != 400 {
		t.Errorf("%d visible, want 400", len(got))
	}
}

func TestFenced(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("fence", 1)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	id := newID(t)
	older, newer := w.transactional(id), w.transactional(id)
	ctx := waitCtx(t)
	err := older.InTx(ctx, func(tx *producer.Tx) error {
		if err := addAll(ctx, tx, events, "zombie", 3); err != nil {
			return err
		}
		// The messages must be in the log. If a zombie still had messages to
		// send, the embedded broker would give the zombie a new epoch. A real
		// broker would not.
		if err := w.until(func() bool { return len(w.openTransactions(topic)) > 0 }); err != nil {
			return err
		}
		return newer.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "owner", 3) })
	})
	if !errors.Is(err, producer.ErrFenced) || errors.Is(err, producer.ErrTxTimedOut) {
		t.Errorf("zombie: %v", err)
	}
	ran := false
	if err := older.InTx(ctx, func(*producer.Tx) error { ran = true; return nil }); !errors.Is(err, producer.ErrFenced) || !errors.Is(err, producer.ErrNotSent) || ran {
		t.Errorf("zombie again: %v, ran %v", err, ran)
	}
	if err := older.Err(); !errors.Is(err, producer.ErrFenced) {
		t.Errorf("Err: %v", err)
	}
	if err := newer.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "owner", 3) }); err != nil {
		t.Errorf("owner: %v", err)
	}
	for _, e := range w.committed(topic) {
		if e.Key != "owner" {
			t.Errorf("visible: %+v", e)
		}
	}
}

// TestFencedWhileFailing checks that a zombie notices the fencing even if its
// function fails. Otherwise the zombie's next transaction would fence the
// owner.
func TestFencedWhileFailing(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("fence", 1)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	id := newID(t)
	older, newer := w.transactional(id), w.transactional(id)
	ctx := waitCtx(t)
	add := func(tx *producer.Tx) error { return addAll(ctx, tx, events, "x", 3) }
	err := older.InTx(ctx, func(tx *producer.Tx) error {
		if err := errors.Join(add(tx), w.until(func() bool { return len(w.openTransactions(topic)) > 0 }), newer.InTx(ctx, add)); err != nil {
			return err
		}
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("zombie: %v", err)
	}
	if err := older.InTx(ctx, add); !errors.Is(err, producer.ErrFenced) {
		t.Errorf("zombie again: %v", err)
	}
	if err := newer.InTx(ctx, add); err != nil {
		t.Errorf("owner: %v", err)
	}
}

func TestTransactionTimesOut(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("slow", 1)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t), producer.WithTransactionTimeout(4*time.Second)) // on a busy machine the open transaction must still be seen
	ctx := waitCtx(t)
	runs := 0
	err := tp.InTx(ctx, func(tx *producer.Tx) error {
		runs++
		if err := addAll(ctx, tx, events, "slow", 3); err != nil {
			return err
		}
		// Wait until the coordinator has opened and then aborted the
		// transaction.
		return errors.Join(w.until(func() bool { return len(w.openTransactions(topic)) > 0 }), w.until(func() bool { return len(w.openTransactions(topic)) == 0 }))
	})
	if !errors.Is(err, producer.ErrTxTimedOut) || errors.Is(err, producer.ErrFenced) || !errors.Is(err, producer.ErrNotSent) || runs != 1 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "next", 3) }); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if got := w.committed(topic); len(got) != 3 || got[0].Key != "next" {
		t.Errorf("visible: %+v", got)
	}
}

// until waits until f returns true.
func (w *kafkaEnv) until(f func() bool) error {
	ctx := waitCtx(w.t)
	for !f() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// openTransactions returns the partitions of a topic with an open transaction.
func (w *kafkaEnv) openTransactions(topic string) []int32 {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	stable, err := adm.ListCommittedOffsets(waitCtx(w.t), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	end, err := adm.ListEndOffsets(waitCtx(w.t), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []int32
	end.Each(func(o kadm.ListedOffset) {
		if s, _ := stable.Lookup(topic, o.Partition); s.Offset < o.Offset {
			out = append(out, o.Partition)
		}
	})
	return out
}

func TestContextEndsInTransaction(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	ctx := waitCtx(t)
	for _, tc := range []struct {
		name    string
		fault   func() *producertest.Fault
		outcome error
	}{
		{"first start", func() *producertest.Fault { return w.fake.DelayAnswers(time.Minute, producertest.InitProducerID) }, producer.ErrNotSent},
		{"messages under way", func() *producertest.Fault { return w.fake.DelayAnswers(time.Minute) }, producer.ErrNotSent},
		{"commit under way", func() *producertest.Fault { return w.fake.DelayAnswers(time.Minute, producertest.EndTxn) }, producer.ErrOutcomeUnknown},
		{"commit's answer lost", func() *producertest.Fault { return w.fake.LoseAnswers(1, 1, producertest.EndTxn) }, producer.ErrOutcomeUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := w.topic("ctx", 2)
			events := producer.NewTopic(topic, producer.KeyBy(byKey))
			tp := w.transactional(newID(t), producer.WithLinger(0))
			if tc.name != "first start" {
				if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "before", 2) }); err != nil {
					t.Fatal(err)
				}
			}
			short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			fault := tc.fault()
			err := tp.InTx(short, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "cut", 2) })
			if !errors.Is(err, tc.outcome) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if fault.Hits() == 0 && errors.Is(tc.outcome, producer.ErrOutcomeUnknown) && tc.name != "commit under way" {
				t.Error("the fault did not happen")
			}
			fault.Stop()
			w.fake.Cut()
			if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "after", 2) }); err != nil {
				t.Fatalf("the next one: %v", err)
			}
			count := map[string]int{}
			for _, e := range w.committed(topic) {
				count[e.Key]++
			}
			if n := count["cut"]; n != 0 && (n != 2 || errors.Is(tc.outcome, producer.ErrNotSent)) {
				t.Errorf("%d of the cut one are visible", n)
			}
			if count["after"] != 2 {
				t.Errorf("visible: %v", count)
			}
		})
	}
}

// TestContextEndsBeforeCommit checks that nothing is committed after the
// context has ended, even if the function returns nil.
func TestContextEndsBeforeCommit(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("ended", 2)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	for name, run := range map[string]func(tp *producer.Transactional, ctx context.Context, f func(tx *producer.Tx) error) error{
		"InTx":     (*producer.Transactional).InTx,
		"InTxOnce": (*producer.Transactional).InTxOnce,
	} {
		for _, opts := range [][]producer.Option{nil, {producer.WithGroupCommit(100, 10*time.Millisecond)}} {
			tp := w.transactional(newID(t), opts...)
			ctx, cancel := context.WithCancelCause(waitCtx(t))
			err := run(tp, ctx, func(tx *producer.Tx) error {
				defer cancel(errOnPurpose)
				return addAll(ctx, tx, events, "cut", 3)
			})
			if !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) || !errors.Is(err, errOnPurpose) {
				t.Errorf("%s with %d options: %v", name, len(opts), err)
			}
			if err := tp.InTx(waitCtx(t), func(tx *producer.Tx) error { return addAll(t.Context(), tx, events, "after", 1) }); err != nil {
				t.Errorf("%s with %d options, the next one: %v", name, len(opts), err)
			}
		}
	}
	got := w.committed(topic)
	for _, e := range got {
		if e.Key != "after" {
			t.Errorf("visible: %+v", e)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d are visible, want 4", len(got))
	}
}

// TestTransactionSmallTopic uses a topic whose size limit is below the client's
// batch size.
func TestTransactionSmallTopic(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("small", 1, "max.message.bytes", "2000")
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t))
	ctx := waitCtx(t)
	if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, "x", 500) }); err != nil {
		t.Fatal(err)
	}
	if n := len(w.committed(topic)); n != 500 {
		t.Errorf("%d visible, want 500", n)
	}
}

func TestManyTransactionalIDs(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	topic := w.topic("many", 4)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	ctx := waitCtx(t)
	var wg sync.WaitGroup
	for i := range 8 {
		tp := w.transactional(newID(t))
		wg.Go(func() {
			for range 3 {
				if err := tp.InTx(ctx, func(tx *producer.Tx) error { return addAll(ctx, tx, events, fmt.Sprint(i), 10) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(w.committed(topic)); n != 240 {
		t.Errorf("%d visible, want 240", n)
	}
}

// TestInTxInsideInTx calls InTx inside the function of InTx and of OnEnd. Such
// a call can only wait for itself. The error says so when the context ends.
func TestInTxInsideInTx(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	for name, opts := range map[string][]producer.Option{
		"one":   {producer.WithTransport(producer.Franz)},
		"group": {producer.WithTransport(producer.Franz), producer.WithGroupCommit(100, time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tp, err := producer.NewTransactional(w.addrs, "inside-"+name, newSerializer(t), opts...)
			if err != nil {
				t.Fatal(err)
			}
			again := func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				err := tp.InTx(ctx, func(*producer.Tx) error { return nil })
				if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "waits for itself") {
					t.Errorf("%v", err)
				}
			}
			err = tp.InTx(t.Context(), func(tx *producer.Tx) error {
				tx.OnEnd(func(error) { again() })
				again()
				return nil
			})
			if err := errors.Join(err, tp.Close(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

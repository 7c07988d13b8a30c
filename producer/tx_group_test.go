package producer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	topic := w.topic("group", 2)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t), producer.WithGroupCommit(1000, 20*time.Millisecond), producer.WithLinger(0))
	ctx := waitCtx(t)
	ends := w.fake.DelayAnswers(time.Millisecond, producertest.EndTxn) // counts the commits
	const calls = 200
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range calls {
		wg.Go(func() {
			defer func() {
				if v := recover(); (v != nil) != (i == 77) {
					t.Errorf("call %d: %v", i, v)
				}
			}()
			err := tp.InTx(ctx, func(tx *producer.Tx) error {
				if err := events.Add(ctx, tx, &event{Key: fmt.Sprint(i % 5), Seq: int64(i)}); err != nil {
					return err
				}
				switch {
				case i == 78: // overlooks a refused message
					_ = events.Add(ctx, tx, &event{Key: "x", Pad: "bad"})
				case i == 77:
					panic("boom")
				case i%50 == 13:
					return errOnPurpose
				}
				return nil
			})
			if i%50 == 13 {
				failed.Add(1)
				if !errors.Is(err, errOnPurpose) || !errors.Is(err, producer.ErrNotSent) {
					t.Errorf("call %d: %v", i, err)
				}
			} else if i == 78 {
				if !errors.Is(err, errBadField) {
					t.Errorf("call %d: %v", i, err)
				}
			} else if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	seen := map[int64]int{}
	for _, e := range w.committed(topic) {
		seen[e.Seq]++
	}
	for i := range calls {
		want := 1
		if i%50 == 13 || i == 77 || i == 78 {
			want = 0
		}
		if seen[int64(i)] != want {
			t.Errorf("call %d: %d times, want %d", i, seen[int64(i)], want)
		}
	}
	if n := ends.Hits(); n > calls/4 {
		t.Errorf("%d transactions for %d calls: they are not put together", n, calls)
	}
	if failed.Load() != 4 {
		t.Errorf("%d failed", failed.Load())
	}
}

// TestGroupCommitContextEnds checks that a call whose context ends before the
// commit is in no committed transaction. The call does not delay the others.
func TestGroupCommitContextEnds(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	topic := w.topic("group", 1)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t), producer.WithGroupCommit(2, time.Minute-time.Second), producer.WithLinger(0))
	ctx := waitCtx(t)
	short, cancel := context.WithCancel(ctx)
	hurried := make(chan error)
	go func() {
		hurried <- tp.InTx(short, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{Key: "hurried"}) })
	}()
	if err := w.until(func() bool { return len(w.openTransactions(topic)) > 0 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-hurried; !errors.Is(err, producer.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("the hurried one: %v", err)
	}
	var patient sync.WaitGroup
	for range 2 {
		patient.Go(func() {
			if err := tp.InTx(ctx, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{Key: "patient"}) }); err != nil {
				t.Errorf("the patient one: %v", err)
			}
		})
	}
	patient.Wait()
	for _, e := range w.committed(topic) {
		if e.Key != "patient" {
			t.Errorf("%s is visible", e.Key)
		}
	}
}

// TestOnEndEnds ends OnEnd functions by a panic and by runtime.Goexit. The next
// function is called all the same, and later transactions run. With group
// commit, the failure handler gets the panic. Otherwise the caller of InTx gets
// it.
func TestOnEndEnds(t *testing.T) {
	t.Parallel()
	for _, group := range []bool{false, true} {
		t.Run(fmt.Sprintf("group %t", group), func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			events := producer.NewTopic(w.topic("ends", 1), producer.KeyBy(byKey))
			var reported atomic.Int64
			opts := []producer.Option{producer.WithLinger(0), producer.WithFailureHandler(func(_ producer.Delivery, err error) {
				if errors.As(err, new(*producer.PanicError)) {
					reported.Add(1)
				}
			})}
			if group {
				opts = append(opts, producer.WithGroupCommit(10, time.Millisecond))
			}
			tp := w.transactional(newID(t), opts...)
			ctx := waitCtx(t)
			var second, panicked atomic.Int64
			for _, end := range []func(){func() { panic("end") }, runtime.Goexit, func() {}} {
				var call sync.WaitGroup
				call.Go(func() {
					defer func() {
						if recover() != nil {
							panicked.Add(1)
						}
					}()
					_ = tp.InTx(ctx, func(tx *producer.Tx) error {
						tx.OnEnd(func(error) { end() })
						tx.OnEnd(func(err error) {
							if err == nil {
								second.Add(1)
							}
						})
						return events.Add(ctx, tx, &event{Key: "a"})
					})
				})
				call.Wait()
			}
			want := [3]int64{3, 1, 0}
			if group {
				want = [3]int64{3, 0, 1}
			}
			if got := [3]int64{second.Load(), panicked.Load(), reported.Load()}; got != want {
				t.Errorf("%d second functions, %d panics, %d reports, want %d", got[0], got[1], got[2], want)
			}
		})
	}
}

// TestGroupCommitCannotBegin makes calls while no transaction can begin. Each
// call returns the reason, also a call that waits behind a commit.
func TestGroupCommitCannotBegin(t *testing.T) {
	t.Parallel()
	group := producer.WithGroupCommit(10, time.Millisecond)
	add := func(ctx context.Context, tp *producer.Transactional, events *producer.Topic[*event]) error {
		return tp.InTx(ctx, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{Key: "a"}) })
	}
	t.Run("fenced", func(t *testing.T) {
		t.Parallel()
		w := embedded(t)
		events := producer.NewTopic(w.topic("group", 1), producer.KeyBy(byKey))
		id := newID(t)
		older, newer := w.transactional(id, group), w.transactional(id, group)
		ctx := waitCtx(t)
		for _, tp := range []*producer.Transactional{older, newer} {
			if err := add(ctx, tp, events); err != nil {
				t.Fatal(err)
			}
		}
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				for range 3 { // the first transaction of the zombie may notice the fence
					if err := add(ctx, older, events); !errors.Is(err, producer.ErrFenced) || !errors.Is(err, producer.ErrNotSent) {
						t.Errorf("zombie: %v", err)
					}
				}
			})
		}
		calls.Wait()
		if err := add(ctx, newer, events); err != nil {
			t.Errorf("owner: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		w := embedded(t)
		events := producer.NewTopic(w.topic("group", 1), producer.KeyBy(byKey))
		tp := w.transactional(newID(t), group)
		ctx := waitCtx(t)
		if err := add(ctx, tp, events); err != nil {
			t.Fatal(err)
		}
		ends := w.fake.DelayAnswers(200*time.Millisecond, producertest.EndTxn)
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- add(ctx, tp, events) }()
		if err := w.until(func() bool { return ends.Hits() > 0 }); err != nil {
			t.Fatal(err)
		}
		go func() { second <- add(ctx, tp, events) }()
		now, cancel := context.WithCancel(ctx)
		cancel()
		closed := tp.Close(now)
		if err := <-first; err != nil && !errors.Is(err, producer.ErrOutcomeUnknown) {
			t.Errorf("the call that commits: %v", err)
		} else if err == nil && closed != nil {
			t.Errorf("close: %v", closed)
		}
		if err := <-second; !errors.Is(err, producer.ErrNotSent) || !errors.Is(err, producer.ErrClosed) {
			t.Errorf("the call that waits: %v", err)
		}
	})
}

// TestGroupCommitOutage ends the context of a call while no broker answers the
// abort of its transaction. The call returns before the end of the outage.
func TestGroupCommitOutage(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	topic := w.topic("group", 1)
	events := producer.NewTopic(topic, producer.KeyBy(byKey))
	tp := w.transactional(newID(t), producer.WithGroupCommit(10, time.Millisecond), producer.WithLinger(0))
	long := waitCtx(t)
	ctx, cancel := context.WithCancel(long)
	defer cancel()
	var restart func()
	call := make(chan error, 1)
	go func() {
		call <- tp.InTx(ctx, func(tx *producer.Tx) error {
			if err := events.Add(ctx, tx, &event{Key: "late"}); err != nil {
				return err
			}
			if err := w.until(func() bool { return len(w.openTransactions(topic)) > 0 }); err != nil {
				return err
			}
			restart = w.fake.Stop()
			cancel()
			return ctx.Err()
		})
	}()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	select {
	case err := <-call:
		restart()
		if !errors.Is(err, producer.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("the call: %v", err)
		}
	case <-limit.C:
		restart()
		t.Errorf("the call returned only after the outage: %v", <-call)
	}
	if err := tp.InTx(long, func(tx *producer.Tx) error { return events.Add(long, tx, &event{Key: "next"}) }); err != nil {
		t.Errorf("the next call: %v", err)
	}
	for _, e := range w.committed(topic) {
		if e.Key != "next" {
			t.Errorf("%s is visible", e.Key)
		}
	}
}

package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiterOrder checks that waiting callers get slots in the order of their
// arrival, and that no caller overtakes the line.
func TestLimiterOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(8, 1<<20)
		for range 8 {
			if !l.try(1) {
				t.Fatal("there is room")
			}
		}
		var mu sync.Mutex
		var order []int
		for i := range 20 {
			go func() {
				inLine, err := l.acquire(t.Context(), 1, 0)
				if err != nil || !inLine {
					t.Errorf("waiter %d: %v, in line %v", i, err, inLine)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				l.leave()
				l.release(1, 1)
			}()
			synctest.Wait()
		}
		if l.waiting.Load() != 20 || l.try(1) {
			t.Fatalf("%d waiting, and somebody overtook", l.waiting.Load())
		}
		l.release(1, 1)
		synctest.Wait()
		l.release(7, 7)
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("order %v", order)
			}
		}
		if len(order) != 20 || l.waiting.Load() != 0 {
			t.Fatalf("order %v, waiting %d", order, l.waiting.Load())
		}
	})
}

// TestLimiterEnds checks that a wait ends with its context, with WithMaxBlock,
// or with the producer. The slot is given back.
func TestLimiterEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 100)
		l.try(100)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		ends := make(chan error, 3)
		go func() { _, err := l.acquire(ctx, 1, 0); ends <- err }()
		synctest.Wait()
		cancel(why)
		if err := <-ends; !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		if _, err := l.acquire(t.Context(), 1, time.Second); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("%v", err)
		}
		go func() { _, err := l.acquire(t.Context(), 1, 0); ends <- err }()
		synctest.Wait()
		l.close(ErrClosed)
		if err := <-ends; !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if _, err := l.acquire(t.Context(), 1, 0); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		l.release(1, 100)
		if l.waiting.Load() != 0 || !l.try(100) {
			t.Error("a slot got lost")
		}
	})
}

// TestLimiterBounds checks that the bounds hold and that every caller gets a
// slot, for any interleaving.
func TestLimiterBounds(t *testing.T) {
	t.Parallel()
	const most, mostBytes = 10, 500
	l := newLimiter(most, mostBytes)
	var messages, bytes, ended atomic.Int64
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 2000 {
				size := int64(1 + (g*31+i*17)%200)
				ctx, cancel := context.Background(), func() {}
				if i%50 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i%7)*10*time.Microsecond)
				}
				inLine, err := l.acquire(ctx, size, 0)
				cancel()
				if err != nil {
					ended.Add(1)
					continue
				}
				if m, b := messages.Add(1), bytes.Add(size); m > most || b > mostBytes {
					t.Errorf("%d messages, %d bytes in flight", m, b)
				}
				if inLine {
					l.leave()
				}
				messages.Add(-1)
				bytes.Add(-size)
				l.release(1, size)
			}
		})
	}
	all.Wait()
	if l.waiting.Load() != 0 || !l.try(mostBytes) {
		t.Error("a slot got lost")
	}
}

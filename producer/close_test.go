package producer_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestCloseAccounts checks Close if the broker is gone for good and Close's
// context ends. Every callback is called once, with the outcome not sent, and
// the counts are exact.
func TestCloseAccounts(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 3))
	p := newProducer(t, b.Addrs())
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	for range 10 {
		if _, err := events.Publish(ctx, p, &event{}); err != nil {
			t.Fatal(err)
		}
	}
	b.Stop()
	var called [1000]atomic.Int64
	for i := range called {
		err := events.PublishAsync(ctx, p, &event{Seq: int64(i)}, func(_ producer.Delivery, err error) {
			called[i].Add(1)
			if !errors.Is(err, producer.ErrNotSent) || !errors.Is(err, producer.ErrClosed) { // no message left the client
				t.Errorf("outcome %v", err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pending, err := events.PublishFuture(ctx, p, &event{})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err = p.Close(short)
	var u *producer.UndeliveredError
	if !errors.As(err, &u) || u.NotSent != 1001 || u.Unknown != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	for i := range called {
		if n := called[i].Load(); n != 1 {
			t.Errorf("callback %d was called %d times", i, n)
		}
	}
	if _, err, ok := pending.Done(); !ok || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("pending: %v %v", err, ok)
	}
	if again := p.Close(ctx); !errors.Is(again, err) {
		t.Errorf("a second Close: %v", again)
	}
	if s := p.Stats(); s.Accepted != 1011 || s.Delivered != 10 || s.NotSent != 1001 || s.InFlight != 0 || s.InFlightBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestCloseDuringTraffic calls Close while other goroutines publish or wait for
// room, and while answers are lost.
func TestCloseDuringTraffic(t *testing.T) {
	t.Parallel()
	for name, within := range map[string]time.Duration{"in time": time.Minute, "cut short": 30 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seed(t)
			b := startBroker(t, producertest.WithTopic("items", 4))
			f := b.LoseAnswers(0.3, s)
			defer f.Stop()
			w := workload.Run{
				Brokers: b.Addrs(), Topic: "items", Name: "close", Seed: s, Messages: 10_000, CloseAfter: 5_000, CloseWithin: within,
				Options: []producer.Option{fastReconnect(), producer.WithMaxInFlight(500, 2_000_000)},
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			r, err := w.Do(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(r, r.CloseErr)
			if err := r.Err(); err != nil {
				t.Error(err)
			}
			if r.NotSent == 0 {
				t.Error("nobody was refused by Close: it came too late to test anything")
			}
			if r.Stats.InFlight != 0 || r.Unbalanced != 0 || r.Stats.Unknown > 0 != (r.CloseErr != nil) {
				t.Errorf("stats %+v, close %v", r.Stats, r.CloseErr)
			}
		})
	}
}

// TestCallbacks checks two kinds of callbacks. A callback that publishes does
// not deadlock, even in a buffer of one message. A callback that blocks does
// not block the buffer or other producers.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.KeyBy(byKey))

	t.Run("publishes", func(t *testing.T) {
		t.Parallel()
		p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(1, 1_000_000), producer.WithLinger(0))
		done := make(chan struct{})
		n := 0
		var again producer.Callback
		again = func(_ producer.Delivery, err error) {
			if err != nil {
				t.Error(err)
			}
			if n++; n == 100 {
				close(done)
				return
			}
			if err := events.PublishAsync(ctx, p, &event{}, again); err != nil {
				t.Error(err)
			}
		}
		if err := events.PublishAsync(ctx, p, &event{}, again); err != nil {
			t.Fatal(err)
		}
		<-done
	})
	t.Run("publishes and waits", func(t *testing.T) {
		t.Parallel()
		p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(1, 1_000_000), producer.WithLinger(0))
		done := make(chan error)
		if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) {
			_, err := events.Publish(ctx, p, &event{})
			done <- err
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("blocks", func(t *testing.T) {
		t.Parallel()
		p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(10, 1_000_000), producer.WithLinger(0))
		unblock, entered := make(chan struct{}), make(chan struct{})
		if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { close(entered); <-unblock }); err != nil {
			t.Fatal(err)
		}
		<-entered
		var called atomic.Int64
		for range 100 { // ten times the buffer
			if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { called.Add(1) }); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := events.Publish(ctx, p, &event{}); err != nil {
			t.Fatal(err)
		}
		if called.Load() != 0 {
			t.Error("callbacks overtook the one that blocks")
		}
		close(unblock)
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		if called.Load() != 100 {
			t.Errorf("%d callbacks, want 100", called.Load())
		}
	})
	t.Run("bounded", func(t *testing.T) { // the control is "blocks"
		t.Parallel()
		p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(10, 1_000_000), producer.WithMaxWaitingCallbacks(5), producer.WithLinger(0))
		unblock, entered := make(chan struct{}), make(chan struct{})
		if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { close(entered); <-unblock }); err != nil {
			t.Fatal(err)
		}
		<-entered
		var called atomic.Int64
		accepted := int64(0)
		for {
			before := p.Stats()
			err := events.TryPublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { called.Add(1) })
			if err == nil {
				accepted++
				continue
			}
			if !errors.Is(err, producer.ErrWouldBlock) {
				t.Fatal(err)
			}
			if before.InFlight == 0 && before.InFlightBytes == 0 { // all outcomes are known, and the buffer is still full
				if !strings.Contains(err.Error(), "10 messages in the buffer wait for callbacks to return (WithMaxWaitingCallbacks)") {
					t.Error(err)
				}
				break
			}
			time.Sleep(time.Millisecond)
		}
		if accepted != 14 { // and the first: 5 outside of the buffer, 10 inside
			t.Errorf("%d messages were accepted", accepted)
		}
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if _, err := events.Publish(short, p, &event{}); !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "WithMaxWaitingCallbacks") {
			t.Error(err)
		}
		waits := make(chan error, 1)
		go func() {
			_, err := events.Publish(ctx, p, &event{})
			waits <- err
		}()
		close(unblock)
		if err := <-waits; err != nil {
			t.Error(err)
		}
		if err := p.Flush(ctx); err != nil {
			t.Error(err)
		}
		if called.Load() != accepted {
			t.Errorf("%d callbacks, want %d", called.Load(), accepted)
		}
		full := make(chan struct{})
		for range 10 { // the whole buffer is free again
			if err := events.TryPublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { <-full }); err != nil {
				t.Error(err)
			}
		}
		close(full)
	})
	t.Run("ends its goroutine", func(t *testing.T) {
		t.Parallel()
		p := newProducer(t, b.Addrs())
		var called atomic.Int64
		for i := range 10 {
			if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) {
				called.Add(1)
				if i%3 == 0 {
					runtime.Goexit() // as a test's FailNow does
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		if called.Load() != 10 {
			t.Errorf("%d callbacks, want 10", called.Load())
		}
	})
	t.Run("panics", func(t *testing.T) {
		t.Parallel()
		reported := make(chan error, 1)
		p := newProducer(t, b.Addrs(), producer.WithFailureHandler(func(_ producer.Delivery, err error) { reported <- err }))
		if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { panic("callback") }); err != nil {
			t.Fatal(err)
		}
		var pe *producer.PanicError
		if err := <-reported; !errors.As(err, &pe) || pe.Value != "callback" || !strings.Contains(string(pe.Stack), "close_test.go") {
			t.Errorf("reported %v", err)
		}
		if _, err := events.Publish(ctx, p, &event{}); err != nil {
			t.Errorf("after the panic: %v", err)
		}
		if err := p.Close(ctx); err != nil {
			t.Errorf("the message itself was delivered: %v", err)
		}
	})
}

// TestNoGoroutineLeft checks that no goroutine is left after an ordinary Close
// and after a Close that gave up.
func TestNoGoroutineLeft(t *testing.T) { // not parallel, because it counts goroutines
	b := startBroker(t, producertest.WithTopic("events", 1))
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	for _, stop := range []bool{false, true} {
		p, err := producer.New(b.Addrs(), newSerializer(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := events.Publish(waitCtx(t), p, &event{}); err != nil {
			t.Fatal(err)
		}
		ctx := waitCtx(t)
		if stop {
			defer b.Stop()()
			if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			ctx = short
		}
		if err := p.Close(ctx); (err != nil) != stop {
			t.Fatal(err)
		}
		if left := goroutines(); left != "" {
			t.Errorf("left behind (stopped %v):\n%s", stop, left)
		}
	}
}

// goroutines returns the running goroutines of the producer and its client,
// except goroutines in their last instruction.
func goroutines() string {
	var left []string
	for range 100 {
		left = nil
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "avroline/producer.(*") || strings.Contains(g, "confluent-kafka-go") {
				left = append(left, g)
			}
		}
		if left == nil {
			break
		}
		runtime.Gosched()
	}
	return strings.Join(left, "\n\n")
}

// TestCloseOnSignal checks that the signal ends only the context. finish closes
// the producer.
func TestCloseOnSignal(t *testing.T) { // not parallel: signals reach the whole process
	b := startBroker(t, producertest.WithTopic("events", 1))
	p := newProducer(t, b.Addrs())
	ctx, finish := producer.CloseOnSignal(waitCtx(t), p, time.Minute)
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself a signal")
	}
	if err := self.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !strings.Contains(cause.Error(), "terminated") {
		t.Errorf("cause %v", cause)
	}
	if _, err := events.Publish(waitCtx(t), p, &event{}); err != nil {
		t.Errorf("the producer publishes until finish: %v", err)
	}
	if err := finish(); err != nil {
		t.Error(err)
	}
	if !errors.Is(p.Err(), producer.ErrClosed) {
		t.Errorf("Err: %v", p.Err())
	}
}

// TestCloseDuringFunction closes while the function of a transaction runs. The
// context of Close ends first. The result blames no callback, because there is
// none.
func TestCloseDuringFunction(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	tp := w.transactional(newID(t))
	ctx := waitCtx(t)
	begun, end := make(chan struct{}), make(chan struct{})
	var call sync.WaitGroup
	call.Go(func() {
		_ = tp.InTx(ctx, func(*producer.Tx) error {
			close(begun)
			<-end
			return nil
		})
	})
	<-begun
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := tp.Close(short); err != nil {
		t.Errorf("close: %v", err)
	}
	close(end)
	call.Wait()
}

package source_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
)

// broken is an input that does not open.
type broken struct{ reason error }

func (b broken) Open(context.Context, source.Shard, []source.Position) (source.Reader[string], error) {
	return nil, b.reason
}

// onMessage is a log handler that runs a function at each message.
type onMessage struct {
	slog.Handler
	f func(message string)
}

func (onMessage) Enabled(context.Context, slog.Level) bool { return true }

func (h onMessage) Handle(_ context.Context, r slog.Record) error { h.f(r.Message); return nil }

// TestHealthOfStoppedShard checks that Health reports the error of a shard
// during the pause before the next try, when the producer of the shard is
// already closed.
func TestHealthOfStoppedShard(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	reg := &workload.Registry{}
	reason := errors.New("no such input")
	stopped := make(chan struct{}, 100)
	log := slog.New(onMessage{slog.DiscardHandler, func(message string) {
		if message == "shard_stopped" {
			stopped <- struct{}{}
		}
	}})
	s, err := source.New(w.Addrs, copytest.NewID(t), broken{reason}, reg, copytest.Serializer(t, reg), source.WithShards(1),
		source.WithCheckpoints(compacted(w, 1)), source.WithProducer(producer.WithLogger(log)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(context.Context, *producer.Tx, string) error { return nil })
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		t.Fatal("the shard did not stop")
	}
	if h := s.Shards(ctx); len(h) != 1 || h[0].Running || !errors.Is(h[0].Err, reason) {
		t.Errorf("shards in the pause: %+v", h)
	}
	if h := s.Health(); h.Ready || !errors.Is(h.Reason, reason) || h.Degraded != nil || h.Since.IsZero() {
		t.Errorf("health in the pause: %+v", h)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if h := s.Health(); h.Ready || !errors.Is(h.Reason, context.Canceled) {
		t.Errorf("health after Run: %+v", h)
	}
	if err := s.Close(copytest.Ctx(t)); err != nil {
		t.Error(err)
	}
}

// slow is an input that opens when the context ends.
type slow struct{ opening chan struct{} }

func (s slow) Open(ctx context.Context, _ source.Shard, _ []source.Position) (source.Reader[string], error) {
	close(s.opening)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHealthOfSlowInput checks that Health names an input that takes long to
// open, for example because a table is locked.
func TestHealthOfSlowInput(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	reg := &workload.Registry{}
	in := slow{make(chan struct{})}
	s, err := source.New(w.Addrs, copytest.NewID(t), in, reg, copytest.Serializer(t, reg), source.WithShards(1), source.WithCheckpoints(compacted(w, 1)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(context.Context, *producer.Tx, string) error { return nil })
	}()
	<-in.opening
	if h := source.HealthAfterWait(s); h.Ready || h.Reason == nil || !strings.Contains(h.Reason.Error(), "the input to open") {
		t.Errorf("health while the input opens: %+v", h)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Close(copytest.Ctx(t)); err != nil {
		t.Error(err)
	}
}

package producer_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/avroline/avroline/producer"
)

// TestRepeatedLines checks that lines that repeat are summed up: the first line
// at once, and the count of the others at the latest when the producer is
// closed.
func TestRepeatedLines(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	var mu sync.Mutex
	var repeated []int64 // of each line message_failed
	p := newProducer(t, w.addrs, producer.WithLogger(slog.New(recordHandler(func(r slog.Record) {
		if r.Message != "message_failed" {
			return
		}
		n := int64(0)
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "repeated" {
				n = a.Value.Int64()
			}
			return true
		})
		mu.Lock()
		defer mu.Unlock()
		repeated = append(repeated, n)
	}))))
	ctx := waitCtx(t)
	events := producer.NewTopic(w.topic("events", 1), producer.KeyBy(byKey))
	for range 50 {
		if err := events.PublishAsync(ctx, p, &event{}, func(producer.Delivery, error) { panic("callback") }); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	_ = p.Close(ctx)
	mu.Lock()
	defer mu.Unlock()
	sum := int64(0) // a line without a count stands for itself
	for _, n := range repeated {
		sum += max(n, 1)
	}
	if sum != 50 || len(repeated) > 10 {
		t.Errorf("50 messages failed, the lines say %v", repeated)
	}
}

// recordHandler is a log handler that gives each record to a function.
type recordHandler func(r slog.Record)

func (recordHandler) Enabled(context.Context, slog.Level) bool { return true }

func (f recordHandler) Handle(_ context.Context, r slog.Record) error { f(r); return nil }

func (f recordHandler) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f recordHandler) WithGroup(string) slog.Handler { return f }

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// logLevels counts the lines of a log by level, and keeps their messages.
type logLevels struct {
	mu    sync.Mutex
	lines []slog.Record
}

// logger returns a logger that writes to l.
func (l *logLevels) logger() *slog.Logger {
	return slog.New(recordHandler(func(r slog.Record) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, r)
	}))
}

// atOrAbove returns the lines of a level and above.
func (l *logLevels) atOrAbove(level slog.Level) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.lines {
		if r.Level >= level {
			line := r.Level.String() + " " + r.Message
			r.Attrs(func(a slog.Attr) bool { line += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
			lines = append(lines, line)
		}
	}
	return lines
}

// TestLogLevels checks that trouble that ends by itself is no ERROR line, and
// that an error that the caller gets is not logged too. The control is a
// producer that ends for good, which logs an ERROR line.
func TestLogLevels(t *testing.T) {
	t.Parallel()
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	add := func(ctx context.Context, tp *producer.Transactional) error {
		return tp.InTx(ctx, func(tx *producer.Tx) error { return events.Add(ctx, tx, &event{Key: "k"}) })
	}
	for name, c := range map[string]struct {
		least slog.Level // no line has this level
		run   func(ctx context.Context, t *testing.T, b *producertest.Broker, log producer.Option)
	}{
		"a wrong transaction timeout": {slog.LevelWarn, func(ctx context.Context, t *testing.T, b *producertest.Broker, log producer.Option) {
			tp := (&kafkaEnv{t: t, addrs: b.Addrs()}).transactional(newID(t), log)
			for range 3 {
				b.RefuseNext(1, invalidTransactionTimeout, producertest.InitProducerID)
				if err := add(ctx, tp); err == nil || strings.Count(err.Error(), "INVALID_TRANSACTION_TIMEOUT") != 1 || !errors.Is(err, producer.ErrNotSent) {
					t.Error(err)
				}
			}
		}},
		"fenced": {slog.LevelWarn, func(ctx context.Context, t *testing.T, b *producertest.Broker, log producer.Option) {
			w, id := &kafkaEnv{t: t, addrs: b.Addrs()}, newID(t)
			old := w.transactional(id, log)
			if err := errors.Join(add(ctx, old), add(ctx, w.transactional(id))); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				err := add(ctx, old)
				if !errors.Is(err, producer.ErrFenced) || strings.Count(err.Error(), "fenced: ") != 1 || strings.Contains(err.Error(), "urged") {
					t.Error(err)
				}
			}
		}},
		"fatal errors and brokers that come back": {slog.LevelError, func(ctx context.Context, t *testing.T, b *producertest.Broker, log producer.Option) {
			p := newProducer(t, b.Addrs(), log)
			// A message in flight may be unknown. Without a callback its
			// failure would be an ERROR line.
			outcome := func(_ producer.Delivery, err error) {
				if err != nil && !errors.Is(err, producer.ErrOutcomeUnknown) {
					t.Error(err)
				}
			}
			for range 3 {
				for range 100 {
					if err := events.PublishAsync(ctx, p, &event{}, outcome); err != nil {
						t.Error(err)
					}
				}
				p.FailForTest("a test's doing")
				restart := b.Stop()
				waits := make(chan error, 1)
				go func() { waits <- events.PublishAsync(ctx, p, &event{}, outcome) }()
				restart()
				if err := <-waits; err != nil {
					t.Error(err)
				}
				if err := p.Flush(ctx); err != nil {
					t.Error(err)
				}
			}
			if p.Stats().Unknown > 0 {
				closeWithLosses(t, p)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 3))
			log := &logLevels{}
			c.run(waitCtx(t), t, b, producer.WithLogger(log.logger()))
			for _, line := range log.atOrAbove(c.least) {
				t.Error(line)
			}
		})
	}
	t.Run("control: an end for good", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t, producertest.WithTopic("events", 3))
		log := &logLevels{}
		p := newProducer(t, b.Addrs(), producer.WithLogger(log.logger()), producer.WithoutRecovery())
		p.FailForTest("a test's doing")
		if err := p.Close(waitCtx(t)); err != nil {
			t.Error(err)
		}
		if lines := log.atOrAbove(slog.LevelError); len(lines) != 1 || !strings.Contains(lines[0], "fatal_error") {
			t.Errorf("%q", lines)
		}
	})
}

// invalidTransactionTimeout is Kafka's INVALID_TRANSACTION_TIMEOUT.
const invalidTransactionTimeout = 50

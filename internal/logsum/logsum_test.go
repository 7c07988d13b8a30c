package logsum_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/logsum"
)

// lines is a log with one line for each record.
type lines struct {
	mu  sync.Mutex
	out strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// drain returns the lines since the last call of take.
func (l *lines) drain() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.out.Reset()
	if l.out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(l.out.String()), "\n")
}

func (l *lines) handler() slog.Handler {
	return slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestRepeatedRecordsAreSummedUp logs a fault that repeats, stops, and occurs
// again.
func TestRepeatedRecordsAreSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lines
		h := logsum.New(out.handler(), "client_log")
		log := slog.New(h)
		check := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, out.drain()); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
		for i := range 5 {
			log.Warn("client_error", "code", 1, "err", fmt.Sprint("dial ", i))
		}
		check("the first of a kind passes", `level=WARN msg=client_error code=1 err="dial 0"`)
		log.Warn("client_error", "code", 2, "err", "TLS")
		log.With("part", "a").Warn("client_error", "code", 1, "err", "x")
		log.WithGroup("g").Warn("client_error", "code", 1, "err", "x")
		check("other kinds pass",
			`level=WARN msg=client_error code=2 err=TLS`,
			`level=WARN msg=client_error part=a code=1 err=x`,
			`level=WARN msg=client_error g.code=1 g.err=x`)
		log.Warn("kafka_client", "line", "a")
		log.Warn("kafka_client", "line", "b")
		check("a line of the library is a detail", "level=WARN msg=kafka_client line=a")
		for range 2 {
			log.Debug("consumer_log")
			log.Info("client_log", "line", "x")
		}
		check("neither debug nor the exceptions are summed up",
			"level=DEBUG msg=consumer_log", "level=INFO msg=client_log line=x", "level=DEBUG msg=consumer_log", "level=INFO msg=client_log line=x")
		time.Sleep(logsum.Every)
		synctest.Wait()
		sums := out.drain()
		slices.Sort(sums)
		if diff := cmp.Diff([]string{`level=WARN msg=client_error code=1 err="dial 4" repeated=4`, "level=WARN msg=kafka_client line=b repeated=1"}, sums); diff != "" {
			t.Errorf("the sums have the last record: %s", diff)
		}
		log.Warn("client_error", "code", 1, "err", "dial 5")
		check("the trouble goes on: only counted")
		time.Sleep(logsum.Every)
		check("the second sum", `level=WARN msg=client_error code=1 err="dial 5" repeated=1`)
		time.Sleep(2 * logsum.Every)
		check("nothing to sum up")
		log.Warn("client_error", "code", 1, "err", "dial 6")
		log.Warn("client_error", "code", 1, "err", "dial 7")
		check("a new first", `level=WARN msg=client_error code=1 err="dial 6"`)
		h.Close()
		check("Close logs the rest", `level=WARN msg=client_error code=1 err="dial 7" repeated=1`)
		log.Warn("client_error", "code", 1, "err", "dial 8")
		log.Warn("client_error", "code", 1, "err", "dial 9")
		check("after Close", `level=WARN msg=client_error code=1 err="dial 8"`, `level=WARN msg=client_error code=1 err="dial 9"`)
		h.Close()
		time.Sleep(2 * logsum.Every)
		check("no record comes after Close")
	})
}

// TestTooManyKindsPass checks that records beyond the limit on kinds are logged
// at once.
func TestTooManyKindsPass(t *testing.T) {
	t.Parallel()
	var out lines
	h := logsum.New(out.handler())
	defer h.Close()
	log := slog.New(h)
	for range 2 {
		for i := range 1100 {
			log.Info("topic_changed", "topic", i)
		}
	}
	if n := len(out.drain()); n != 1100+100 {
		t.Errorf("%d lines", n)
	}
}

// TestConcurrentRecordsAreCounted logs on several goroutines. Every record must
// be logged or counted.
func TestConcurrentRecordsAreCounted(t *testing.T) {
	t.Parallel()
	var out lines
	h := logsum.New(out.handler())
	log := slog.New(h)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				log.WarnContext(context.Background(), "client_error")
			}
		})
	}
	all.Wait()
	h.Close()
	if diff := cmp.Diff([]string{"level=WARN msg=client_error", "level=WARN msg=client_error repeated=7999"}, out.drain()); diff != "" {
		t.Error(diff)
	}
}

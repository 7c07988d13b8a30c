package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
)

// copyFrozen runs two workers with the same id. The first worker freezes in the
// middle of a transaction, for longer than its transaction timeout. The second
// worker publishes everything. Then the first worker wakes up.
func copyFrozen(t *testing.T, work func(ctx context.Context, w *copytest.KafkaEnv, id, file, topic string, freeze func(n int64)) error) (copytest.Differences, error) {
	t.Helper()
	w := copytest.Brokers(t)
	const n = 1000
	file := filepath.Join(t.TempDir(), "log")
	writeLines(t, file, 0, n)
	topic, id := w.Topic("lines", 3), copytest.NewID(t)
	ctx := copytest.Ctx(t)
	asleep, wake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := make(chan error, 1)
	go func() {
		first <- work(ctx, w, id, file, topic, func(n int64) {
			if n == 520 {
				once.Do(func() { close(asleep); <-wake })
			}
		})
	}()
	<-asleep
	copytest.WaitFor(ctx, 1500*time.Millisecond) // the transaction timeout is 1 s
	if err := work(ctx, w, id, file, topic, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	close(wake)
	err := <-first
	return w.Compare(topic, n), err
}

var quick = producer.WithTransactionTimeout(time.Second)

func TestWakesUp(t *testing.T) {
	t.Parallel()
	reg := &workload.Registry{}
	checkpoints := ""
	var once sync.Once
	found, err := copyFrozen(t, func(ctx context.Context, w *copytest.KafkaEnv, id, file, topic string, freeze func(n int64)) error {
		once.Do(func() { checkpoints = compacted(w, 1) })
		out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
		s := lines(w, reg, id, checkpoints, []string{file}, source.WithTransaction(50, 1<<20, 500*time.Millisecond), source.WithProducer(quick))
		defer func() { _ = s.Close(ctx) }()
		return s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
			e, err := parse(l)
			if err != nil {
				return err
			}
			freeze(e.Seq)
			return out.Add(ctx, tx, e)
		})
	})
	if err != nil && !errors.Is(err, producer.ErrFenced) {
		t.Errorf("the worker that woke up: %v", err)
	}
	if found != (copytest.Differences{}) {
		t.Errorf("%+v", found)
	}
}

// TestControlWakesUp is the control. A worker that continues from the position
// in its memory publishes lines twice in the same run.
func TestControlWakesUp(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	published := 0 // the number of published lines: a restart would read the number from a position in the log
	found, err := copyFrozen(t, func(ctx context.Context, w *copytest.KafkaEnv, id, file, topic string, freeze func(n int64)) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all := strings.Split(strings.TrimSpace(string(text)), "\n")
		tp, err := producer.NewTransactional(w.Addrs, id, copytest.Serializer(w, &workload.Registry{}), quick)
		if err != nil {
			return err
		}
		defer func() { _ = tp.Close(ctx) }()
		out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
		mu.Lock()
		at := published
		mu.Unlock()
		for at < len(all) && ctx.Err() == nil {
			to := min(at+50, len(all))
			err := tp.InTx(ctx, func(tx *producer.Tx) error {
				for i, line := range all[at:to] {
					e, err := parse(source.Line{Text: []byte(line), Number: int64(at + i + 1)})
					if err != nil {
						return err
					}
					freeze(e.Seq)
					if err := out.Add(ctx, tx, e); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				if errors.Is(err, producer.ErrTxTimedOut) {
					continue
				}
				return err
			}
			at = to
			mu.Lock()
			published = at
			mu.Unlock()
		}
		return nil
	})
	if t.Log(found, err); found.Twice == 0 {
		t.Error("the control passed clean: the freeze is too weak to judge by")
	}
}

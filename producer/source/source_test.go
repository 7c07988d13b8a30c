package source_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
)

// compacted creates a topic of positions.
func compacted(w *copytest.KafkaEnv, partitions int32) string {
	return w.Topic("checkpoints", partitions, "cleanup.policy", "compact")
}

func lines(w *copytest.KafkaEnv, reg *workload.Registry, name, checkpoints string, files []string, opts ...source.Option) *source.Source[source.Line] {
	w.Helper()
	opts = append([]source.Option{
		source.WithCheckpoints(checkpoints), source.WithTransaction(50, 1<<20, 5*time.Second),
		source.WithProducer(producer.WithCreateTopics(1, -1), copytest.Logger(w)),
	}, opts...)
	s, err := source.New(w.Addrs, name, source.Files(files), reg, copytest.Serializer(w, reg), opts...)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func writeLines(t testing.TB, path string, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
}

// parse makes the event of a line that writeLines wrote.
func parse(l source.Line) (*copytest.Event, error) {
	var n int64
	if _, err := fmt.Sscanf(string(l.Text), "line %d", &n); err != nil {
		return nil, err
	}
	return &copytest.Event{Key: fmt.Sprint(n % 5), Seq: n, Pad: fmt.Sprint(l.Number)}, nil
}

// TestFiles reads files that grow and rotate. Errors and panics stop the source
// at random places. A new source continues each time, like after a crash.
func TestFiles(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	reg := &workload.Registry{}
	topic, checkpoints := w.Topic("lines", 3), compacted(w, 1)
	out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	name := copytest.NewID(t)
	dir := t.TempDir()
	log, rotated := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	counted := 0
	run := func(files ...string) {
		t.Helper()
		for tries := 0; ; tries++ {
			s := lines(w, reg, name, checkpoints, files)
			left := rng.IntN(400)
			err := func() (err error) {
				defer func() {
					if v := recover(); v != nil {
						err = fmt.Errorf("%v", v)
					}
				}()
				return s.Run(copytest.Ctx(t), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
					if left--; left < 0 && tries < 6 {
						if left%2 == 0 {
							panic("crashed")
						}
						return copytest.ErrOnPurpose
					}
					tx.OnEnd(func(err error) {
						if err == nil {
							counted++
						}
					})
					e, err := parse(l)
					if err != nil {
						return err
					}
					return out.Add(ctx, tx, e)
				})
			}()
			if closed := s.Close(copytest.Ctx(t)); closed != nil {
				t.Error(closed)
			}
			if err == nil {
				return
			}
			if !errors.Is(err, copytest.ErrOnPurpose) && err.Error() != "crashed" {
				t.Fatal(err)
			}
			if errors.Is(err, copytest.ErrOnPurpose) && !strings.Contains(err.Error(), "log:") && !strings.Contains(err.Error(), "log.1:") {
				t.Errorf("the error names no line: %v", err)
			}
		}
	}
	writeLines(t, log, 0, 1000)
	run(log)
	w.WantExactlyOnce(topic, 1000)
	run(log) // nothing new to read
	w.WantExactlyOnce(topic, 1000)
	writeLines(t, log, 1000, 1500)
	run(log)
	w.WantExactlyOnce(topic, 1500)
	if err := os.Rename(log, rotated); err != nil {
		t.Fatal(err)
	}
	writeLines(t, rotated, 1500, 1600)
	writeLines(t, log, 1600, 2000)
	run(rotated, log)
	w.WantExactlyOnce(topic, 2000)
	if counted != 2000 {
		t.Errorf("OnEnd told of %d lines committed, want 2000", counted)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	reg := &workload.Registry{}
	ser := copytest.Serializer(t, reg)
	addrs := []string{"127.0.0.1:1"}
	files := func(paths ...string) source.Input[source.Line] { return source.Files(paths) }
	for want, tc := range map[string]struct {
		name string
		in   source.Input[source.Line]
		opts []source.Option
	}{
		"name":            {"", files(), nil},
		"input":           {"n", nil, nil},
		"twice":           {"n", files("a", "b", "./a"), nil},
		"WithMaxLine":     {"n", source.Files(nil, source.WithMaxLine(0)), nil},
		"WithCheckpoints": {"n", files(), []source.Option{source.WithCheckpoints("a/b")}},
		"WithTransaction": {"n", files(), []source.Option{source.WithTransaction(0, 1, time.Second)}},
		"timeout, 2s":     {"n", files(), []source.Option{source.WithProducer(producer.WithTransactionTimeout(2 * time.Second))}},
		"WithShards":      {"n", files(), []source.Option{source.WithShards(-1)}},
		"from 1 to 10000": {"n", files(), []source.Option{source.WithShards(0)}},
		"Restart":         {"n", files(), []source.Option{source.WithShards(2), source.Restart()}},
		"WithGroupCommit": {"n", files(), []source.Option{source.WithProducer(producer.WithGroupCommit(1, time.Second))}},
		"WithoutRecovery": {"n", files(), []source.Option{source.WithProducer(producer.WithoutRecovery())}},
	} {
		if _, err := source.New(addrs, tc.name, tc.in, reg, ser, tc.opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := source.New(addrs, "n", files(), reg, nil); err == nil || !strings.Contains(err.Error(), "serializer") {
		t.Errorf("no serializer: %v", err)
	}
	w := copytest.Embedded(t)
	s, err := source.New(w.Addrs, "n", files(), reg, ser)
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *producer.Tx, source.Line) error { return nil }
	if err := s.Run(copytest.Ctx(t), nothing); !errors.Is(err, producer.ErrUnknownTopic) || !strings.Contains(err.Error(), "compact") {
		t.Errorf("no topic for positions: %v", err)
	}
	if err := s.Run(copytest.Ctx(t), nil); err == nil {
		t.Error("a nil function was taken")
	}
	if err := s.Close(copytest.Ctx(t)); err != nil {
		t.Error(err)
	}
	if err := s.Run(copytest.Ctx(t), nothing); !errors.Is(err, producer.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestInDoubt lets commits end in doubt. The newest position shows the outcome,
// and the source continues behind that position.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	const n = 2000
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, n)
	topic := w.Topic("lines", 3)
	out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	s := lines(w, &workload.Registry{}, copytest.NewID(t), compacted(w, 1), []string{log})
	ctx := copytest.Ctx(t)
	over := copytest.InDoubt(ctx, w.Fake)
	var ends copytest.TxCounts
	if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		tx.OnEnd(ends.Count)
		e, err := parse(l)
		if err != nil {
			return err
		}
		return out.Add(ctx, tx, e)
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-over:
	default:
		t.Error("the lines ended before the doubts")
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if s := s.Stats(); s.Delivered != n+n/50 || s.Unknown != 0 || s.NotSent == 0 { // the lines, and one position for each transaction
		t.Errorf("the doubts are over, and the counts are %+v", s)
	}
	if ends.Committed != n || ends.NotSent == 0 || ends.Unknown != 0 {
		t.Errorf("OnEnd told %+v, want %d committed", ends, n)
	}
	w.WantExactlyOnce(topic, n)
}

// TestPermanentRefusalEndsReading checks that a permanent refusal ends Run at
// once. The error contains the broker's reason, and no commit is in doubt.
func TestPermanentRefusalEndsReading(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	const topicAuthorizationFailed = 29
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 10)
	out := producer.NewTopic(w.Topic("lines", 3), producer.KeyBy(copytest.ByKey))
	s := lines(w, &workload.Registry{}, copytest.NewID(t), compacted(w, 1), []string{log})
	defer func() { _ = s.Close(copytest.Ctx(t)) }()
	if err := s.Prepare(copytest.Ctx(t), out); err != nil {
		t.Fatal(err)
	}
	denied := w.Fake.Refuse(topicAuthorizationFailed, 1, 1, producertest.Produce)
	defer denied.Stop()
	err := s.Run(copytest.Ctx(t), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		return out.Add(ctx, tx, &copytest.Event{Seq: l.Number})
	})
	var broker *producer.KafkaError
	if !errors.Is(err, producer.ErrNotSent) || errors.Is(err, producer.ErrOutcomeUnknown) || !errors.As(err, &broker) || broker.Code != topicAuthorizationFailed {
		t.Errorf("got %v", err)
	}
}

// TestContextEndsReading ends the context during a transaction. The transaction
// is not committed, and the error wraps the reason.
func TestContextEndsReading(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 120)
	topic, reg, checkpoints, name := w.Topic("lines", 1), &workload.Registry{}, compacted(w, 1), copytest.NewID(t)
	out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	ctx, cancel := context.WithCancelCause(copytest.Ctx(t))
	copyLine := func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		e, err := parse(l)
		if err != nil {
			return err
		}
		if e.Seq == 75 {
			cancel(copytest.ErrOnPurpose)
		}
		return out.Add(context.WithoutCancel(ctx), tx, e)
	}
	for i, want := range []int{50, 120} {
		s := lines(w, reg, name, checkpoints, []string{log})
		err := s.Run(ctx, copyLine)
		if i == 0 && !errors.Is(err, copytest.ErrOnPurpose) {
			t.Errorf("got %v", err)
		}
		if i == 1 && err != nil {
			t.Error(err)
		}
		if err := s.Close(copytest.Ctx(t)); err != nil {
			t.Error(err)
		}
		if n := len(w.Committed(topic)); n != want {
			t.Errorf("run %d: %d lines, want %d", i+1, n, want)
		}
		ctx = copytest.Ctx(t)
	}
}

// TestRefusedByBroker lets a broker refuse the message of one item because of
// its content. The source finds the item. It calls the bad function with the
// item, or names the item in the error.
func TestRefusedByBroker(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 120)
	topic := w.Topic("lines", 3)
	out := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	w.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{2}, Err: kerr.InvalidTimestamp, Count: -1})
	run := func(bad source.BadFunction[source.Line]) error {
		s := lines(w, &workload.Registry{}, copytest.NewID(t), compacted(w, 1), []string{log})
		defer func() { _ = s.Close(copytest.Ctx(t)) }()
		if bad != nil {
			s.HandleBad(bad)
		}
		return s.Run(copytest.Ctx(t), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
			e, err := parse(l)
			if err != nil {
				return err
			}
			to := producer.ToPartition(0)
			if e.Seq == 77 {
				to = producer.ToPartition(2)
			}
			return out.AddMessage(ctx, tx, producer.Message[*copytest.Event]{Value: e, Partition: to})
		})
	}
	if err := run(nil); err == nil || !strings.Contains(err.Error(), "log:78") {
		t.Errorf("without a bad function: %v", err)
	}
	before := len(w.Committed(topic))
	var refused []int64
	if err := run(func(_ context.Context, tx *producer.Tx, l source.Line, reason error) error {
		tx.OnEnd(func(err error) {
			if err == nil {
				refused = append(refused, l.Number)
			}
		})
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n := len(w.Committed(topic)) - before; n != 119 || len(refused) != 1 || refused[0] != 78 {
		t.Errorf("%d lines published, refused %v", n, refused)
	}
}

// TestOtherShards checks that a source refuses positions of another number of
// shards.
func TestOtherShards(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 10)
	out := producer.NewTopic(w.Topic("lines", 1), producer.KeyBy(copytest.ByKey))
	reg, checkpoints, name := &workload.Registry{}, compacted(w, 2), copytest.NewID(t)
	publish := func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		e, err := parse(l)
		if err != nil {
			return err
		}
		return out.Add(ctx, tx, e)
	}
	s := lines(w, reg, name, checkpoints, []string{log})
	if err := s.Run(copytest.Ctx(t), publish); err != nil {
		t.Fatal(err)
	}
	_ = s.Close(copytest.Ctx(t))
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	defer cancel()
	stopped := make(chan error, 10)
	s = lines(w, reg, name, checkpoints, []string{log}, source.WithShards(2), source.WithHooks(source.Hooks{
		Stopped: func(_ context.Context, _ int, err error) { stopped <- err },
	}))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, publish) }()
	if err := <-stopped; err == nil || !strings.Contains(err.Error(), "ran with 1 shards before, and now has 2") {
		t.Errorf("got %v", err)
	}
	cancel()
	<-done
	_ = s.Close(copytest.Ctx(t))
}

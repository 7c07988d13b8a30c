package producer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

func (w *where) source(reg *workload.Registry, name, checkpoints string, files ...string) *producer.Source {
	w.t.Helper()
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := producer.NewSource(producer.SourceConfig{
		Brokers: w.addrs, TransactionalID: name, Name: name, Files: files, Checkpoints: checkpoints, BatchLines: 50,
	}, reg, ser, producer.WithCreateTopics(1, -1), testLogger(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func writeLines(t *testing.T, path string, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	reg := &workload.Registry{}
	topic := w.topic("lines", 3)
	checkpoints := w.topic("checkpoints", 1, "cleanup.policy", "compact")
	out := producer.NewTopic(topic, producer.KeyBy(byKey))
	name := newID(t)
	dir := t.TempDir()
	log, rotated := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	counted := 0
	// run reads the files as far as it comes: it fails and panics at random, each time with a new source, as after a crash.
	run := func(files ...string) {
		t.Helper()
		for tries := 0; ; tries++ {
			s := w.source(reg, name, checkpoints, files...)
			left := rng.IntN(400)
			err := func() (err error) {
				defer func() {
					if v := recover(); v != nil {
						err = fmt.Errorf("%v", v)
					}
				}()
				return s.Run(waitCtx(t), func(ctx context.Context, tx *producer.Tx, l producer.Line) error {
					if left--; left < 0 && tries < 6 {
						if left%2 == 0 {
							panic("crashed")
						}
						return errAsked
					}
					tx.OnEnd(func(err error) {
						if err == nil {
							counted++
						}
					})
					var n int64
					if _, err := fmt.Sscanf(string(l.Text), "line %d", &n); err != nil {
						return err
					}
					return out.Add(ctx, tx, &event{Key: fmt.Sprint(n % 5), Seq: n, Pad: fmt.Sprint(l.Number)})
				})
			}()
			if closed := s.Close(waitCtx(t)); closed != nil {
				t.Error(closed)
			}
			if err == nil {
				return
			}
			if !errors.Is(err, errAsked) && err.Error() != "crashed" {
				t.Fatal(err)
			}
		}
	}
	writeLines(t, log, 0, 1000)
	run(log)
	w.exactly(topic, 1000)
	run(log) // nothing new
	w.exactly(topic, 1000)
	writeLines(t, log, 1000, 1500)
	run(log)
	w.exactly(topic, 1500)
	if err := os.Rename(log, rotated); err != nil {
		t.Fatal(err)
	}
	writeLines(t, rotated, 1500, 1600)
	writeLines(t, log, 1600, 2000)
	run(rotated, log)
	w.exactly(topic, 2000)
	if counted != 2000 {
		t.Errorf("OnEnd told of %d lines committed, want 2000", counted)
	}
}

func TestSourceRefused(t *testing.T) {
	t.Parallel()
	reg := &workload.Registry{}
	ser := newSerializer(t)
	good := producer.SourceConfig{Brokers: []string{"127.0.0.1:1"}, TransactionalID: "t", Name: "n"}
	for want, change := range map[string]func(c *producer.SourceConfig){
		"Name":            func(c *producer.SourceConfig) { c.Name = "" },
		"twice":           func(c *producer.SourceConfig) { c.Files = []string{"a", "b", "a"} },
		"Checkpoints":     func(c *producer.SourceConfig) { c.Checkpoints = "a/b" },
		"positive":        func(c *producer.SourceConfig) { c.BatchLines = -1 },
		"transactionalID": func(c *producer.SourceConfig) { c.TransactionalID = "" },
	} {
		c := good
		change(&c)
		if _, err := producer.NewSource(c, reg, ser); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	w := embedded(t)
	s, err := producer.NewSource(producer.SourceConfig{Brokers: w.addrs, TransactionalID: "t", Name: "n"}, reg, ser)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(waitCtx(t), nil)
	if !errors.Is(err, producer.ErrUnknownTopic) || !strings.Contains(err.Error(), "compact") {
		t.Errorf("no topic for positions: %v", err)
	}
	if err := s.Close(waitCtx(t)); err != nil {
		t.Error(err)
	}
}

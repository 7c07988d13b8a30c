//go:build integration

package source_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry/contract"
)

// workTime is the time that a worker spends on one line, so that kills hit a
// worker during its work.
const workTime = 2 * time.Millisecond

// TestWorker is the body of a worker process.
func TestWorker(t *testing.T) {
	args := copytest.WorkerArgs(t)
	addrs, id, file, out, checkpoints := args[0], args[1], args[2], args[3], args[4]
	w := &copytest.KafkaEnv{TB: t, Addrs: strings.Split(addrs, ",")}
	reg := &workload.Registry{}
	for _, schema := range []string{copytest.Schema, checkpoint.PositionSchema, checkpoint.PositionKeySchema} { // each process gets the same ids
		if _, err := reg.Register(t.Context(), "", contract.Schema{Text: schema}); err != nil {
			t.Fatal(err)
		}
	}
	s := lines(w, reg, id, checkpoints, []string{file}, source.WithTransaction(50, 1<<20, time.Second),
		source.WithProducer(producer.WithTransactionTimeout(2*time.Second)))
	events := producer.NewTopic(out, producer.KeyBy(copytest.ByKey))
	err := s.Run(t.Context(), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		<-time.After(workTime)
		e, err := parse(l)
		if err != nil {
			return err
		}
		return events.Add(ctx, tx, e)
	})
	if err = errors.Join(err, s.Close(t.Context())); err != nil {
		if errors.Is(err, producer.ErrFenced) {
			fmt.Println("fenced")
			return
		}
		t.Fatal(err)
	}
	fmt.Println("all read")
}

func TestKilled(t *testing.T) {
	w := copytest.Brokers(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const n = 10_000
	out, checkpoints := w.Topic("lines", 3), compacted(w, 1)
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, n)
	id := copytest.NewID(t)
	for kills := 0; ; kills++ {
		worker := copytest.StartWorker(t, strings.Join(w.Addrs, ","), id, log, out, checkpoints)
		wait := time.Duration(500+rng.IntN(3000)) * time.Millisecond
		if kills >= 20 {
			wait = 5 * time.Minute
		}
		select {
		case <-worker.Done:
			if !strings.Contains(worker.Output(), "all read") {
				t.Fatalf("ended: %s", worker.Output())
			}
			t.Logf("%d kills", kills)
			if kills < 5 {
				t.Errorf("only %d kills", kills)
			}
			w.WantExactlyOnce(out, n)
			return
		case <-time.After(wait):
			worker.Kill()
		}
	}
}

// TestFrozenProcess stops a process by SIGSTOP for longer than its transaction
// timeout. A second process takes over. Then the first process continues.
func TestFrozenProcess(t *testing.T) {
	w := copytest.Brokers(t)
	const n = 5_000
	out, checkpoints := w.Topic("lines", 3), compacted(w, 1)
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, n)
	id := copytest.NewID(t)
	start := func() *copytest.Worker {
		return copytest.StartWorker(t, strings.Join(w.Addrs, ","), id, log, out, checkpoints)
	}
	ctx := copytest.Ctx(t)
	first := start()
	for len(w.Committed(out)) < n/10 && ctx.Err() == nil {
		copytest.WaitFor(ctx, 100*time.Millisecond)
	}
	if err := first.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	copytest.WaitFor(ctx, 3*time.Second)
	second := start()
	for before := len(w.Committed(out)); len(w.Committed(out)) < before+n/10 && ctx.Err() == nil; {
		copytest.WaitFor(ctx, 100*time.Millisecond)
	}
	if err := first.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, worker := range []*copytest.Worker{first, second} {
		select {
		case <-worker.Done:
		case <-ctx.Done():
			t.Fatal("not done in time")
		}
	}
	t.Logf("the first: %q, the second: %q", lastLine(first.Output()), lastLine(second.Output()))
	if !strings.Contains(first.Output()+second.Output(), "all read") { // each process has fenced the other
		third := start()
		<-third.Done
	}
	w.WantExactlyOnce(out, n)
}

// lastLine returns the result that a worker printed, "fenced" or "all read".
func lastLine(said string) string {
	for _, line := range []string{"fenced", "all read"} {
		if strings.Contains(said, line) {
			return line
		}
	}
	return said
}

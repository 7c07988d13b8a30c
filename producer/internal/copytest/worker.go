package copytest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// workerEnv holds the arguments of a worker process, separated by |.
const workerEnv = "AVROLINE_TEST_WORKER"

// WorkerArgs returns the arguments of a worker process. In any other process
// WorkerArgs skips the test. The test TestWorker calls WorkerArgs.
func WorkerArgs(t *testing.T) []string {
	text, ok := os.LookupEnv(workerEnv)
	if !ok {
		t.Skip("runs in worker processes only")
	}
	return strings.Split(text, "|")
}

// Worker is a process that runs TestWorker of this test binary.
type Worker struct {
	Cmd  *exec.Cmd
	Done chan struct{} // closed when the worker has ended
	mu   sync.Mutex
	out  []string
}

// StartWorker starts a worker. The end of the test kills the worker.
func StartWorker(t *testing.T, args ...string) *Worker {
	t.Helper()
	w := &Worker{Cmd: exec.Command(os.Args[0], "-test.run=^TestWorker$", "-test.v"), Done: make(chan struct{})}
	w.Cmd.Env = append(os.Environ(), workerEnv+"="+strings.Join(args, "|"))
	out, err := w.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Cmd.Stderr = w.Cmd.Stdout
	if err := w.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.Done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.mu.Lock()
			w.out = append(w.out, lines.Text())
			w.mu.Unlock()
		}
		_ = w.Cmd.Wait()
	}()
	t.Cleanup(w.Kill)
	return w
}

// Kill ends the worker like kill -9, and waits for the end.
func (w *Worker) Kill() {
	_ = w.Cmd.Process.Kill()
	<-w.Done
}

// Exited reports whether the worker has ended.
func (w *Worker) Exited() bool {
	select {
	case <-w.Done:
		return true
	default:
		return false
	}
}

// Output returns the worker's output.
func (w *Worker) Output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.out, "\n")
}

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Process is a server from its start to its end. Its methods are safe for
// concurrent use.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Run starts cmd with its output in the file log. On Linux the process ends
// with our process, even if our process is killed. Signals of our terminal do
// not reach the process.
func Run(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes()
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ties Pdeathsig to the thread that forked. So this
		// goroutine keeps its thread until the process has ended.
		runtime.LockOSThread()
		defer close(p.done)
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit status of a killed server is not an error
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Alive reports whether the process still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Await waits until the log holds text and returns the log.
func (p *Process) Await(ctx context.Context, text string) ([]byte, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := os.ReadFile(p.log)
		if err == nil && bytes.Contains(log, []byte(text)) {
			return log, nil
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("the process ended while it started:\n%s", Tail(log, 3000))
		case <-ctx.Done():
			return nil, fmt.Errorf("not ready: %w\n%s", ctx.Err(), Tail(log, 3000))
		case <-tick.C:
		}
	}
}

// Kill ends the process with SIGKILL and waits. Kill also ends a paused
// process.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

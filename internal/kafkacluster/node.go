package kafkacluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// node is one process of the cluster.
type node struct {
	id   int
	dir  string
	cmd  func() *exec.Cmd
	logs string

	mu   sync.Mutex
	proc *process
}

// process is one life of a node.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start begins a new life of the node. The log is kept from one life to the
// next; ready looks only at what this one wrote.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil {
		select {
		case <-n.proc.done:
		default:
			return fmt.Errorf("kafkacluster: node %d runs already", n.id)
		}
	}
	if old, err := os.ReadFile(n.logs); err == nil && len(old) > 0 {
		f, err := os.OpenFile(filepath.Join(n.dir, "earlier.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
		}
		_, err = f.Write(old)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
		}
	}
	out, err := os.Create(n.logs)
	if err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	cmd := n.cmd()
	cmd.Stdout, cmd.Stderr = out, out
	// A session of its own keeps the caller's Ctrl-C away from the broker;
	// Pdeathsig ends it when the caller is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ties Pdeathsig to the thread that forked: this goroutine
		// keeps its thread until the process has ended.
		runtime.LockOSThread()
		defer close(p.done)
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how a killed broker ends says nothing
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	n.proc = p
	return nil
}

// ready waits until the broker says that its listeners accept.
func (n *node) ready(ctx context.Context) error {
	p := n.current()
	if p == nil {
		return fmt.Errorf("kafkacluster: node %d was not started", n.id)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := os.ReadFile(n.logs)
		if err == nil && bytes.Contains(log, []byte("Kafka Server started")) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("kafkacluster: node %d ended while it started:\n%s", n.id, tail(log, 3000))
		case <-ctx.Done():
			return fmt.Errorf("kafkacluster: node %d is not ready: %w\n%s", n.id, ctx.Err(), tail(log, 3000))
		case <-tick.C:
		}
	}
}

func (n *node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// signal sends a signal to a node that runs; kill and terminate also wait for its end.
func (n *node) signal(s syscall.Signal) error {
	p := n.current()
	if p == nil {
		return fmt.Errorf("kafkacluster: node %d was not started", n.id)
	}
	select {
	case <-p.done:
		return fmt.Errorf("kafkacluster: node %d does not run", n.id)
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	return nil
}

func (n *node) kill() error {
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-n.current().done
	return nil
}

// ended waits for the node's end, and kills it when ctx ends first.
func (n *node) ended(ctx context.Context) {
	p := n.current()
	if p == nil {
		return
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// copyLogs writes the node's log of all its lives.
func (n *node) copyLogs(w io.Writer) {
	for _, name := range []string{filepath.Join(n.dir, "earlier.log"), n.logs} {
		if b, err := os.ReadFile(name); err == nil {
			_, _ = w.Write(b)
		}
	}
}

package kafkacluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/avroline/avroline/internal/local"
)

// node is one member of the cluster, across all restarts of its process.
type node struct {
	id  int
	dir string
	cmd func() *exec.Cmd

	mu   sync.Mutex
	logs []string // the log files, one for each start
	proc *local.Process
}

// start starts the process. Each start has its own log file, because ready
// reads the log.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && n.proc.Alive() {
		return fmt.Errorf("kafkacluster: node %d runs already", n.id)
	}
	log := filepath.Join(n.dir, fmt.Sprintf("life-%d.log", len(n.logs)+1))
	p, err := local.Run(n.cmd(), log)
	if err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	n.logs, n.proc = append(n.logs, log), p
	return nil
}

// running returns the process of the node, or an error if the node does not
// run.
func (n *node) running() (*local.Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil || !n.proc.Alive() {
		return nil, fmt.Errorf("kafkacluster: node %d does not run", n.id)
	}
	return n.proc, nil
}

// ready waits until the log says that the listeners accept connections.
func (n *node) ready(ctx context.Context) error {
	p, err := n.running()
	if err != nil {
		return err
	}
	if _, err := p.Await(ctx, "Kafka Server started"); err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	return nil
}

// signal calls one of the process's methods, Pause or Resume.
func (n *node) signal(send func(*local.Process) error) error {
	p, err := n.running()
	if err != nil {
		return err
	}
	if err := send(p); err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	return nil
}

func (n *node) kill() error {
	p, err := n.running()
	if err != nil {
		return err
	}
	return p.Kill()
}

// stop ends the node with SIGTERM. If ctx ends first, stop kills the node.
func (n *node) stop(ctx context.Context) error {
	p, err := n.running()
	if err != nil {
		return err
	}
	if err := p.Terminate(); err != nil {
		return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return p.Kill()
	}
}

// saveLog writes the logs of all starts into one file.
func (n *node) saveLog(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, life := range n.logs {
		log, err := os.ReadFile(life)
		if err != nil {
			return err
		}
		if _, err := f.Write(log); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal that something goes on, once it has taken more
// than a second. Elsewhere it is silent. Its methods may be called by several
// goroutines.
type progress struct {
	done, total atomic.Int64
	stop        chan struct{}
	stopped     chan struct{}
}

// startProgress begins to show what; the caller must end it with close. With
// total above 0 it shows how many of them step has counted.
func (a *app) startProgress(what string, total int) *progress {
	p := &progress{stop: make(chan struct{}), stopped: make(chan struct{})}
	p.total.Store(int64(total))
	file, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		close(p.stopped)
		return p
	}
	go p.show(file, what)
	return p
}

func (p *progress) step() { p.done.Add(1) }

func (p *progress) close() {
	close(p.stop)
	<-p.stopped
}

func (p *progress) show(file *os.File, what string) {
	defer close(p.stopped)
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-p.stop:
			if shown {
				fmt.Fprint(file, "\r\033[K")
			}
			return
		case now := <-tick.C:
			shown = true
			seconds := int(now.Sub(start).Seconds())
			if total := p.total.Load(); total > 0 {
				fmt.Fprintf(file, "\r\033[K%s: %d of %d, %d s", what, p.done.Load(), total, seconds)
			} else {
				fmt.Fprintf(file, "\r\033[K%s: %d s", what, seconds)
			}
		}
	}
}

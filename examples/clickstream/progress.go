package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress shows how much of the input is done. On a terminal, progress shows a
// bar. Otherwise, progress prints a line every few seconds.
type progress struct {
	stop, stopped chan struct{}
}

// step is the progress in bytes. total is 0 if the size is unknown.
type step struct {
	events, done, total int64
}

// startProgress reports to w until finish is called. If quiet is true,
// startProgress reports nothing.
func startProgress(w *os.File, quiet bool, now func() step) *progress {
	p := &progress{stop: make(chan struct{}), stopped: make(chan struct{})}
	if quiet {
		close(p.stopped)
		return p
	}
	tty := term.IsTerminal(int(w.Fd()))
	every := 5 * time.Second
	if tty {
		every = 200 * time.Millisecond
	}
	go func() {
		defer close(p.stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		start := time.Now()
		for {
			select {
			case <-p.stop:
				if tty {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-tick.C:
				width := 80
				if n, _, err := term.GetSize(int(w.Fd())); err == nil && n > 0 {
					width = n
				}
				draw(w, tty, width, time.Since(start), now())
			}
		}
	}()
	return p
}

// finish stops the report and clears the line of the bar.
func (p *progress) finish() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.stopped
}

func draw(w io.Writer, tty bool, width int, elapsed time.Duration, s step) {
	rate := float64(s.events) / elapsed.Seconds()
	text := fmt.Sprintf("%s events, %s/s", grouped(s.events), grouped(int64(rate)))
	share := 0.0
	if s.total > 0 && s.done > 0 {
		share = min(float64(s.done)/float64(s.total), 1)
		left := time.Duration(float64(elapsed) * (1 - share) / share).Round(time.Second)
		text = fmt.Sprintf("%3.0f %%  %s, %s left", share*100, text, left)
	}
	if !tty {
		fmt.Fprintln(w, "clickstream: "+strings.TrimSpace(text))
		return
	}
	bar := ""
	if cells := min(width-len(text)-4, 40); s.total > 0 && cells > 4 {
		full := int(share * float64(cells))
		bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "] "
	}
	fmt.Fprintf(w, "\r\x1b[K%s%s", bar, text)
}

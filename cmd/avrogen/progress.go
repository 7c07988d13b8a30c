package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// startProgress shows on a terminal that something goes on, once it has taken
// more than a second. Elsewhere it is silent. The caller must call stop, which
// takes the line away again.
func (a *app) startProgress(what string) (stop func()) {
	file, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		showProgress(file, what, end)
	}()
	return func() {
		close(end)
		<-ended
	}
}

func showProgress(file *os.File, what string, end <-chan struct{}) {
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-end:
			if shown {
				fmt.Fprint(file, "\r\033[K")
			}
			return
		case now := <-tick.C:
			shown = true
			fmt.Fprintf(file, "\r\033[K%s: %d s", what, int(now.Sub(start).Seconds()))
		}
	}
}

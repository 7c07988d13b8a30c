package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// startProgress shows progress on a terminal, if the work takes more than a
// second. Without a terminal, startProgress prints nothing. The caller must
// call stop, which removes the progress line.
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

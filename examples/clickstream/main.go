// Clickstream publishes every line of web-server access logs as a typed event,
// exactly once. Then the program reads the topic back with another client, and
// compares the topic with the lines.
//
// Without flags the program needs no server. The program then writes a sample
// log, and starts Kafka and a schema registry in this process. With --brokers
// and --registry the same program uses real servers.
//
//	lines ─► parse ─► ClickEvent ─► Topic ─► serializer ─► Kafka ─► kgo ─► deserializer ─► account
//	             └──► rejects                    └──► registry
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

func main() {
	o, err := parseOptions(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "clickstream:", err)
		fmt.Fprintln(os.Stderr, "clickstream --help tells more")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	noted := context.AfterFunc(ctx, func() {
		stop() // the next signal ends the process
		fmt.Fprintln(os.Stderr, "clickstream: interrupted: waiting for the outcomes of the events in flight; a second signal ends the program at once")
	})
	r, err := run(ctx, o)
	noted()
	interrupted := ctx.Err() != nil
	stop()
	if r != nil {
		var failed error
		if o.json {
			failed = r.writeJSON(os.Stdout)
		} else {
			failed = r.writeText(os.Stdout, err)
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clickstream:", err)
	}
	switch {
	case interrupted:
		os.Exit(130)
	case err != nil || !r.balanced():
		os.Exit(1)
	}
}

// Registry runs Apicurio Registry on 127.0.0.1 until an interrupt, and prints
// the address of the Confluent API. "make registry" starts the command.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/avroline/avroline/internal/apicurio"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(os.Stderr, "starting Apicurio Registry %s (the first time, Maven brings 158 MB) …\n", apicurio.Version)
	s, err := apicurio.New(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	fmt.Printf("AVROLINE_TEST_REGISTRY=%s\n", s.URL)
	fmt.Fprintln(os.Stderr, "ready; Ctrl-C ends it")
	<-ctx.Done()
	return nil
}

package registrytest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/avroline/avroline/registry/compat"
)

// Main runs a registry until it is interrupted. Main is the main function of a
// program for local runs, and ends the process.
//
//	func main() { registrytest.Main() }
//
// The program takes -addr HOST:PORT (default 127.0.0.1:8081), -dialect NAME
// (default "Confluent 8") and -level LEVEL (default: the dialect's level). The
// program registers arguments of the form SUBJECT=FILE in their order, and
// prints its URL.
func Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit status: 2 for wrong usage, 1 for any other failure.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8081", "address to listen on")
	var opts []Option
	flags.Func("level", "global compatibility level (default: the dialect's level)", func(text string) error {
		level, err := compat.ParseLevel(text)
		opts = append(opts, WithLevel(level))
		return err
	})
	flags.Func("dialect", "the registry to imitate: "+dialectNames()+" (default Confluent 8)", func(text string) error {
		for _, d := range Dialects() {
			if strings.EqualFold(d.String(), text) {
				opts = append(opts, WithDialect(d))
				return nil
			}
		}
		return fmt.Errorf("it is none of %s", dialectNames())
	})
	if err := flags.Parse(args); err != nil {
		return 2
	}
	s, err := NewServer(append(opts, WithAddr(*addr))...)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer func() { _ = s.Close() }()
	for _, arg := range flags.Args() {
		subject, file, ok := strings.Cut(arg, "=")
		if !ok {
			fmt.Fprintf(stderr, "registrytest: %s is not SUBJECT=FILE\n", arg)
			return 2
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = s.Seed(subject, string(text))
		}
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
	}
	fmt.Fprintln(stdout, s.URL)
	<-ctx.Done()
	return 0
}

func dialectNames() string {
	var names []string
	for _, d := range Dialects() {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}

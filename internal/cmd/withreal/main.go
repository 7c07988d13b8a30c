// Withreal starts a real Kafka and a real registry, runs a command, and ends
// the servers with the command:
//
//	withreal [-nodes N] [-kafka RELEASE] [--] COMMAND [ARG]…
//
// The command gets the addresses in AVROLINE_TEST_BROKERS and
// AVROLINE_TEST_REGISTRY.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/avroline/avroline/internal/apicurio"
	"github.com/avroline/avroline/internal/kafkacluster"
)

func main() {
	nodes := flag.Int("nodes", 3, "how many nodes of Kafka")
	release := flag.String("kafka", kafkacluster.Version, "which release of Apache Kafka")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "withreal: which command?")
		os.Exit(2)
	}
	err := run(*nodes, *release, flag.Args())
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) // the command has printed the reason
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "withreal:", err)
		os.Exit(1)
	}
}

func run(nodes int, release string, command []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	kafka, err := kafkacluster.New(ctx, kafkacluster.Nodes(nodes), kafkacluster.Release(release))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	registry, err := apicurio.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	fmt.Fprintf(os.Stderr, "withreal: %d nodes of Apache Kafka %s and Apicurio Registry %s after %.0f s\n",
		nodes, release, apicurio.Version, time.Since(begin).Seconds())
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"AVROLINE_TEST_BROKERS="+strings.Join(kafka.Addrs(), ","),
		"AVROLINE_TEST_REGISTRY="+registry.URL)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	return cmd.Run()
}

// Kafka runs three nodes of Apache Kafka on 127.0.0.1 until an interrupt, and
// prints the addresses. "make kafka" starts the command.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/avroline/avroline/internal/kafkacluster"
)

func main() {
	nodes := flag.Int("nodes", 3, "how many nodes")
	fast := flag.Bool("fast", false, "a larger heap and the full JIT, for benchmarks")
	flag.Parse()
	if err := run(*nodes, *fast); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(nodes int, fast bool) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(os.Stderr, "starting %d nodes of Apache Kafka %s (the first time, Maven brings 44 MB) …\n", nodes, kafkacluster.Version)
	opts := []kafkacluster.Option{kafkacluster.Nodes(nodes)}
	if fast {
		opts = append(opts, kafkacluster.FullJIT(), kafkacluster.Heap("512m"))
	}
	c, err := kafkacluster.New(ctx, opts...)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	certs, err := os.MkdirTemp("", "avroline-certs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(certs)
	for name, pem := range map[string][]byte{"ca.pem": c.Certs.CA, "client.pem": c.Certs.Client, "client.key": c.Certs.ClientKey} {
		if err := os.WriteFile(filepath.Join(certs, name), pem, 0o600); err != nil {
			return err
		}
	}
	fmt.Printf(`AVROLINE_TEST_BROKERS=%s
# SASL_SSL: %s
#   SCRAM-SHA-256 and -512: %s / %s; PLAIN: %s / %s; CA in %s/ca.pem
# mTLS: %s
#   certificate and key in %s/client.pem and client.key
`,
		strings.Join(c.Addrs(), ","),
		strings.Join(c.SASLAddrs(), ","), kafkacluster.ScramUser, kafkacluster.ScramPassword, kafkacluster.PlainUser, kafkacluster.PlainPassword, certs,
		strings.Join(c.MTLSAddrs(), ","), certs)
	fmt.Fprintln(os.Stderr, "ready; Ctrl-C ends it")
	<-ctx.Done()
	return nil
}

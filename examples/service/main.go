// Service is a complete HTTP service that publishes events. The service has
// handlers that publish, a processor, metrics, traces, health, and an orderly
// shutdown. The configuration comes from flags, a file and the environment.
// README.md describes each file.
//
//	go run ./examples/service                                  # nothing to install
//	go run ./examples/service --brokers host:port,… --registry URL
//	go run ./examples/service --config service.yaml            # librdkafka's or Java's names
//
// Then open http://127.0.0.1:8080.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/opentelemetry"
)

func main() {
	log := slog.New(opentelemetry.LogHandler(slog.NewTextHandler(os.Stderr, nil))) // adds trace ids
	c, err := readConfig(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, c, log)
		stop()
	}
	if err != nil {
		log.Error("stopped", "err", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. The order of the shutdown ensures that no event is
// lost.
func run(ctx context.Context, c config, log *slog.Logger) error {
	var inside *embedded
	if c.embedded() {
		var err error
		if inside, err = startEmbedded(); err != nil {
			return err
		}
		defer inside.close()
		c.brokers, c.registry = inside.broker.Addrs(), inside.registry.URL
	}
	s, err := newService(ctx, c, log)
	if err != nil {
		return err
	}
	connection, err := producer.ConnectionOf(c.brokers, c.producerOptions()...) // the brokers may be in the file
	if err != nil {
		return errors.Join(err, s.close())
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return errors.Join(err, s.close())
	}
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	s.start(working)
	server := &http.Server{Handler: s.routes(inside), ReadHeaderTimeout: 10 * time.Second}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	log.Info("serving", "url", "http://"+listener.Addr().String(), "brokers", connection.Brokers, "embedded", inside != nil)

	select {
	case <-ctx.Done():
	case err = <-serving:
	}
	// 1. Report "not ready", and give the load balancer time to notice.
	s.health.Drain()
	log.Info("draining", "for", c.drain)
	time.Sleep(c.drain)
	// 2. Wait for the open requests. Each request waits for the delivery of its
	// event.
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer done()
	err = errors.Join(err, server.Shutdown(closing))
	// 3. Stop the processor and the traffic of --load, and close the producer.
	// Close waits for the outcome of every accepted event.
	stopWork()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	err = errors.Join(err, s.close())
	log.Info("closed", "err", err)
	return err
}

// closeWait limits each step of the shutdown.
const closeWait = 20 * time.Second

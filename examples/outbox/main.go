// Outbox is a shop with three parts. An order service writes each order and its
// event in one database transaction. A relay publishes the events to Kafka. A
// billing service writes a bill for each event into a table. All parts run in
// one worker process. The program kills the worker with kill -9 five times, and
// restarts the worker each time. At the end each order has exactly one bill.
//
//	go run ./examples/outbox                            # SQLite, nothing to install
//	go run ./examples/outbox --postgres URL             # PostgreSQL, in a schema of its own
//	go run ./examples/outbox --orders 5000 --kills 20
//
// The program starts a broker and a schema registry in this process. Set
// BROKERS (host:port,…) and REGISTRY (a URL) to use real servers.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/registrytest"
)

var errOneServer = errors.New("only one of BROKERS and REGISTRY is set: set both or none, because schema ids are valid only with their own registry")

func main() {
	postgres := flag.String("postgres", "", "the `URL` of a PostgreSQL database to use instead of SQLite")
	n := flag.Int("orders", 300, "number of orders")
	kills := flag.Int("kills", 5, "number of kills of the worker")
	flag.Parse()
	if *n < 1 || *kills < 0 {
		log.Fatal("--orders must be at least 1, and --kills must not be negative")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	run := func() error { return supervise(ctx, *postgres, *n, *kills) }
	if os.Getenv(workerEnv) != "" {
		run = func() error { return work(ctx) }
	}
	if err := run(); err != nil {
		log.Print(err)
		os.Exit(1) //nolint:gocritic // the contexts end with the process
	}
}

// supervise starts the worker, kills the worker and starts a new one, until
// every order has a bill.
func supervise(ctx context.Context, postgres string, n, kills int) error {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &setting{
		Driver: "sqlite", URL: "file:" + filepath.Join(dir, "shop.db") + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate",
		Run: uuid.NewString()[:8], Orders: n,
	}
	if postgres != "" {
		drop, err := s.usePostgreSQL(ctx, postgres)
		if err != nil {
			return err
		}
		defer drop()
	}
	end, err := s.startServers()
	if err != nil {
		return err
	}
	defer end()
	db, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := s.createTables(ctx, db); err != nil {
		return err
	}
	for i := 0; ; i++ {
		done, err := s.runWorker(ctx, db, i < kills, n*(i+1)/(kills+1))
		if err != nil {
			return err
		}
		if done {
			return balance(ctx, db, i)
		}
	}
}

// usePostgreSQL creates a database schema for the tables of this run. drop
// deletes the database schema.
func (s *setting) usePostgreSQL(ctx context.Context, postgres string) (drop func(), err error) {
	at, err := url.Parse(postgres)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", postgres)
	if err != nil {
		return nil, err
	}
	schema := "outbox_example_" + s.Run
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	parameters := at.Query()
	parameters.Set("search_path", schema)
	at.RawQuery = parameters.Encode()
	s.Driver, s.URL = "pgx", at.String()
	return func() {
		if _, err := db.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			log.Print(err)
		}
		_ = db.Close()
	}, nil
}

// startServers starts the broker and the registry, unless real servers are
// given.
func (s *setting) startServers() (end func(), err error) {
	s.Brokers, s.Registry = os.Getenv("BROKERS"), os.Getenv("REGISTRY")
	if (s.Brokers == "") != (s.Registry == "") {
		return nil, errOneServer
	}
	if s.Brokers != "" {
		return func() {}, nil
	}
	broker, err := producertest.NewBroker(
		producertest.WithTopic(s.topic(), 3), producertest.WithTopicConfig("checkpoints", 2, map[string]string{"cleanup.policy": "compact"}),
		producertest.WithConfig("group.consumer.session.timeout.ms", "1500"), producertest.WithConfig("group.consumer.heartbeat.interval.ms", "300"),
	)
	if err != nil {
		return nil, err
	}
	server, err := registrytest.NewServer()
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	s.Brokers, s.Registry = strings.Join(broker.Addrs(), ","), server.URL
	return func() { _, _ = server.Close(), broker.Close() }, nil
}

// runWorker runs this program again as the worker. If kill is true, runWorker
// kills the worker when the database has the number of orders in the parameter
// at. done is true if the worker ended without a kill, because all work was
// done.
func (s *setting) runWorker(ctx context.Context, db *sql.DB, kill bool, at int) (done bool, err error) {
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), workerEnv+"="+s.text())
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return false, err
	}
	var killed atomic.Bool
	if kill {
		go func() {
			for placed := 0; placed < at && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
				_ = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM orders").Scan(&placed)
			}
			killed.Store(true)
			_ = cmd.Process.Kill()
		}()
	}
	err = cmd.Wait()
	switch {
	case err == nil:
		return true, nil
	case killed.Load() && ctx.Err() == nil:
		return false, nil
	}
	return false, fmt.Errorf("worker: %w\n%s", err, out.String())
}

// balance compares the tables, and prints the result.
func balance(ctx context.Context, db *sql.DB, kills int) error {
	var placed, sum, billed, different, billedSum, waiting int
	if err := errors.Join(
		db.QueryRowContext(ctx, "SELECT COUNT(*), SUM(total_cents) FROM orders").Scan(&placed, &sum),
		db.QueryRowContext(ctx, "SELECT COUNT(*), COUNT(DISTINCT order_id), SUM(total_cents) FROM bills").Scan(&billed, &different, &billedSum),
		db.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox").Scan(&waiting),
	); err != nil {
		return err
	}
	fmt.Printf("killed %d times\n", kills)
	fmt.Printf("orders %d, cents %d\n", placed, sum)
	fmt.Printf("bills  %d, cents %d, orders billed twice %d, events waiting %d\n", billed, billedSum, billed-different, waiting)
	if placed != billed || sum != billedSum || billed != different || waiting != 0 {
		return errors.New("the tables do not agree: an order has no bill, or several bills")
	}
	return nil
}

// topic returns the name of the topic of the events. Each run has a separate
// topic, so that a run on a real cluster does not bill the orders of an earlier
// run.
func (s *setting) topic() string { return "orders-" + s.Run }

func (s *setting) ordersTopic() *producer.Topic[*orders.OrderCreated] {
	return producer.NewTopic(s.topic(), producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
}

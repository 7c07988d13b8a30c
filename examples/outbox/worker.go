package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// workerEnv is the environment variable with the setting of a worker process.
const workerEnv = "OUTBOX_WORKER"

// setting is the configuration of a worker.
type setting struct {
	Driver, URL       string
	Brokers, Registry string
	Run               string // makes the names of this run unique
	Orders            int
}

// errorLog prints errors. If a worker fails, the program shows the worker's
// output.
func errorLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func (s *setting) text() string {
	text, err := json.Marshal(s)
	if err != nil { // cannot happen: strings and numbers can always be encoded
		panic(err)
	}
	return string(text)
}

func (s *setting) dialect() outbox.Dialect {
	if s.Driver == "pgx" {
		return outbox.PostgreSQL
	}
	return outbox.SQLite
}

func (s *setting) open() (*sql.DB, error) { return sql.Open(s.Driver, s.URL) }

func (s *setting) createTables(ctx context.Context, db *sql.DB) error {
	table, err := outbox.NewTable(s.dialect())
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS orders (order_id text PRIMARY KEY, customer text NOT NULL, total_cents bigint NOT NULL)",
		"CREATE TABLE IF NOT EXISTS bills (order_id text NOT NULL, total_cents bigint NOT NULL)", // no primary key, so that the result would show a second bill
		outbox.InboxSchema(s.dialect(), ""),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return table.Create(ctx, db)
}

// work runs the order service, the relay and the billing service until every
// order has its bill.
func work(ctx context.Context) error {
	var s setting
	if err := json.Unmarshal([]byte(os.Getenv(workerEnv)), &s); err != nil {
		return err
	}
	db, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	reg, err := registry.New([]string{s.Registry})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return err
	}
	table, err := outbox.NewTable(s.dialect())
	if err != nil {
		return err
	}
	relay, err := outbox.NewRelay(strings.Split(s.Brokers, ","), "shop-relay-"+s.Run, table, db, reg, ser,
		outbox.WithPoll(20*time.Millisecond), outbox.WithSource(source.WithCheckpoints("checkpoints"),
			source.WithProducer(producer.WithCreateTopics(3, -1), producer.WithLogger(errorLog()))))
	if err != nil {
		return err
	}
	if err := relay.Prepare(ctx, s.ordersTopic()); err != nil {
		return err
	}
	des, err := serde.NewDeserializer[orders.OrderCreated](reg)
	if err != nil {
		return err
	}
	billing, err := outbox.NewInbox(strings.Split(s.Brokers, ","), "billing-"+s.Run, []string{s.topic()}, s.dialect(), db, des, s.bill)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	all, running := errgroup.WithContext(running)
	all.Go(func() error { return relay.Run(running) })
	all.Go(func() error { return billing.Run(running) })
	all.Go(func() error {
		defer stop()
		if err := s.placeOrders(running, db, outbox.NewTopic(table, s.ordersTopic(), ser)); err != nil {
			return err
		}
		return s.allBilled(running, db)
	})
	err = all.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, relay.Close(closing))
}

var errChangedMind = errors.New("the customer changed their mind")

// placeOrders places orders until there are enough orders. Every seventh
// customer cancels. The order and its event are then rolled back together.
func (s *setting) placeOrders(ctx context.Context, db *sql.DB, events *outbox.Topic[*orders.OrderCreated]) error {
	for i := 0; ; i++ {
		var placed int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM orders").Scan(&placed); err != nil || placed >= s.Orders {
			return err
		}
		order := &orders.OrderCreated{OrderID: uuid.New(), Customer: "ada", TotalCents: int64(placed + 1), At: time.Now()}
		err := inTx(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, s.query("INSERT INTO orders (order_id, customer, total_cents) VALUES (?, ?, ?)"),
				order.OrderID.String(), order.Customer, order.TotalCents); err != nil {
				return err
			}
			if err := events.Enlist(ctx, tx, order); err != nil {
				return err
			}
			if i%7 == 6 {
				return errChangedMind
			}
			return nil
		})
		if err != nil && !errors.Is(err, errChangedMind) {
			return err
		}
	}
}

// bill writes the bill of an order.
func (s *setting) bill(ctx context.Context, tx *sql.Tx, m processor.Consumed[orders.OrderCreated]) error {
	_, err := tx.ExecContext(ctx, s.query("INSERT INTO bills (order_id, total_cents) VALUES (?, ?)"), m.Value.OrderID.String(), m.Value.TotalCents)
	return err
}

// allBilled waits until every order has a bill and the outbox is empty.
func (s *setting) allBilled(ctx context.Context, db *sql.DB) error {
	for ctx.Err() == nil {
		var billed, waiting int
		if err := errors.Join(
			db.QueryRowContext(ctx, "SELECT COUNT(*) FROM bills").Scan(&billed),
			db.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox").Scan(&waiting),
		); err != nil {
			return err
		}
		if billed >= s.Orders && waiting == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

func inTx(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// query converts the placeholders of a statement to PostgreSQL's form.
func (s *setting) query(statement string) string {
	if s.dialect() != outbox.PostgreSQL {
		return statement
	}
	for n := 1; strings.Contains(statement, "?"); n++ {
		statement = strings.Replace(statement, "?", fmt.Sprintf("$%d", n), 1)
	}
	return statement
}

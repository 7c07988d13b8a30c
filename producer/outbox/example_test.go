package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver of the example's database

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// An event is published only if its transaction commits.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	ser := must(serde.NewSerializer(reg))
	dir := must(os.MkdirTemp("", "outbox"))
	defer func() { _ = os.RemoveAll(dir) }()
	db := must(sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"))
	defer func() { _ = db.Close() }()

	table := must(outbox.NewTable(outbox.SQLite))
	check(table.Create(ctx, db))
	placed := outbox.NewTopic(table, producer.NewTopic("orders", producer.KeyBy(func(o *orders.OrderCreated) string { return o.OrderID.String() })), ser)
	for _, customer := range []string{"ada", "bob"} {
		tx := must(db.BeginTx(ctx, nil))
		check(placed.Enlist(ctx, tx, &orders.OrderCreated{OrderID: uuid.New(), Customer: customer, TotalCents: 4200, At: time.Now()}))
		if customer == "ada" {
			check(tx.Commit())
		} else {
			check(tx.Rollback())
		}
	}

	published := make(chan struct{})
	relay := must(outbox.NewRelay(broker.Addrs(), "shop", table, db, reg, ser, outbox.WithSource(
		source.WithProducer(producer.WithCreateTopics(1, -1)),
		source.WithHooks(source.Hooks{Committed: func(context.Context, source.Commit) { close(published) }}))))
	running, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- relay.Run(running) }()
	<-published
	stop()
	check(<-done)
	check(relay.Close(ctx))
	for r, err := range producertest.Read(ctx, broker, "orders", must(serde.NewDeserializer[orders.OrderCreated](reg))) {
		fmt.Println(must(r.Value, err).Customer, r.Value.TotalCents)
	}
	// Output: ada 4200
}

// Schema prints the statements for a migration.
func ExampleSchema() {
	fmt.Print(must(outbox.Schema(outbox.PostgreSQL, outbox.WithName("shop.outbox"), outbox.WithDebeziumColumns())))
	// Output:
	// CREATE TABLE IF NOT EXISTS "shop"."outbox" (
	//   "seq" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	//   "id" uuid NOT NULL,
	//   "shard" smallint NOT NULL,
	//   "aggregatetype" text NOT NULL,
	//   "type" text NOT NULL,
	//   "aggregateid" bytea,
	//   "payload" bytea,
	//   "headers" text,
	//   "partition_number" integer,
	//   "created_at" timestamptz NOT NULL,
	//   "checksum" bigint NOT NULL,
	//   "tx" xid8 NOT NULL DEFAULT pg_current_xact_id()
	// );
	//
	// CREATE INDEX IF NOT EXISTS "outbox_shard_seq" ON "shop"."outbox" (shard, seq);
	//
	// CREATE INDEX IF NOT EXISTS "outbox_shard_tx" ON "shop"."outbox" (shard, tx);
	//
	// CREATE TABLE IF NOT EXISTS "shop"."outbox_state" (
	//   name text PRIMARY KEY,
	//   value text NOT NULL
	// );
	//
	// INSERT INTO "shop"."outbox_state" (name, value) VALUES ('database', gen_random_uuid()::text) ON CONFLICT (name) DO NOTHING;
}

// An inbox consumes messages into a database. The offsets are in the same
// database transaction, so each message has its effect once.
func ExampleInbox() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	p := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg))))
	placed := producer.NewTopic("orders", producer.NoKey[*orders.OrderCreated]())
	must(placed.Publish(ctx, p, &orders.OrderCreated{Customer: "ada", TotalCents: 4200, At: time.Now()}))
	check(p.Close(ctx))

	dir := must(os.MkdirTemp("", "inbox"))
	defer func() { _ = os.RemoveAll(dir) }()
	db := must(sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"))
	defer func() { _ = db.Close() }()
	for _, statement := range []string{outbox.InboxSchema(outbox.SQLite, ""), "CREATE TABLE revenue (customer TEXT, cents INTEGER)"} {
		must(db.ExecContext(ctx, statement))
	}
	stored := make(chan struct{})
	inbox := must(outbox.NewInbox(broker.Addrs(), "revenue", []string{"orders"}, outbox.SQLite, db,
		must(serde.NewDeserializer[orders.OrderCreated](reg)),
		func(ctx context.Context, tx *sql.Tx, m processor.Consumed[orders.OrderCreated]) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO revenue VALUES (?, ?)", m.Value.Customer, m.Value.TotalCents)
			return err
		}))
	running, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- inbox.Run(running) }()
	go func() {
		for n := 0; n == 0; time.Sleep(10 * time.Millisecond) {
			check(db.QueryRowContext(ctx, "SELECT count(*) FROM revenue").Scan(&n))
		}
		close(stored)
	}()
	<-stored
	stop()
	check(<-done)
	var customer string
	var cents int
	check(db.QueryRowContext(ctx, "SELECT customer, cents FROM revenue").Scan(&customer, &cents))
	fmt.Println(customer, cents)
	// Output: ada 4200
}

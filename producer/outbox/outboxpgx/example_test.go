package outboxpgx_test

import (
	"context"
	"database/sql"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/outbox/outboxpgx"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// A service writes events with pgx. A notification of PostgreSQL wakes the
// relay at once. The example needs a database, and therefore does not run as a
// test.
func Example() {
	ctx := context.Background()
	const url = "postgres://shop@db.example/shop"
	pool := must(pgxpool.New(ctx, url))
	defer pool.Close()
	reg := must(registry.New([]string{"https://registry.example:8081"}))
	ser := must(serde.NewSerializer(reg))
	table := must(outbox.NewTable(outbox.PostgreSQL, outbox.WithNotify("shop_events")))
	placed := outbox.NewTopic(table, producer.NewTopic("orders", producer.NoKey[*orders.OrderCreated]()), ser)

	// In the service:
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO orders (customer) VALUES ($1)", "ada"); err != nil {
			return err
		}
		return placed.Enlist(ctx, outboxpgx.Tx(tx), &orders.OrderCreated{Customer: "ada"})
	})
	if err != nil {
		log.Fatal(err)
	}

	// In the relay, which may be another process:
	listener := must(outboxpgx.Listen(url, "shop_events"))
	defer listener.Close()
	db := must(sql.Open("pgx", url))
	relay := must(outbox.NewRelay([]string{"kafka.example:9092"}, "shop", table, db, reg, ser, outbox.WithWaker(listener)))
	if err := relay.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

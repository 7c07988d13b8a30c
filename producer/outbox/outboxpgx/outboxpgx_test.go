package outboxpgx_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/outbox/outboxpgx"
	"github.com/avroline/avroline/producer/source"
)

// TestNotificationWakesRelay writes events with pgx. A notification wakes the
// relay long before the relay's next poll. The listener connects again after it
// has lost its connection.
func TestNotificationWakesRelay(t *testing.T) {
	t.Parallel()
	server := databases.PostgreSQL(t)
	w := copytest.Brokers(t)
	ctx := copytest.Ctx(t)
	db := server.Open()
	const channel = `Shop's $$news"` // quotes must not break a statement
	table, err := outbox.NewTable(outbox.PostgreSQL, outbox.WithNotify(channel))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := table.Create(ctx, db); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := pgxpool.New(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	listener, err := outboxpgx.Listen(server.URL, channel)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	reg := &workload.Registry{}
	ser := copytest.Serializer(t, reg)
	topic := w.Topic("orders", 1)
	orders := outbox.NewTopic(table, producer.NewTopic(topic, producer.KeyBy(copytest.ByKey)), ser)
	relay, err := outbox.NewRelay(w.Addrs, copytest.NewID(t), table, db, reg, ser, outbox.WithPoll(time.Hour), outbox.WithWaker(listener),
		outbox.WithSource(source.WithCheckpoints(w.Topic("checkpoints", 1, "cleanup.policy", "compact"))))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- relay.Run(running) }()
	write := func(seq int64, commit bool) {
		t.Helper()
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := orders.Enlist(ctx, outboxpgx.Tx(tx), &copytest.Event{Key: "k", Seq: seq}); err != nil {
			t.Fatal(err)
		}
		end := tx.Commit
		if !commit {
			end = tx.Rollback
		}
		if err := end(ctx); err != nil {
			t.Fatal(err)
		}
	}
	until := func(n int) {
		t.Helper()
		for len(w.Committed(topic)) < n {
			if copytest.WaitFor(ctx, 50*time.Millisecond); ctx.Err() != nil {
				t.Fatalf("in vain for %d events", n)
			}
		}
	}
	write(0, true)
	until(1)
	write(-1, false)
	write(1, true)
	until(2)
	server.Kill()
	server.Start()
	for pool.Ping(ctx) != nil {
		copytest.WaitFor(ctx, 100*time.Millisecond)
	}
	write(2, true)
	until(3)
	stop()
	if err := errors.Join(<-done, relay.Close(ctx)); err != nil {
		t.Error(err)
	}
	w.WantExactlyOnce(topic, 3)
}

func TestListenRefused(t *testing.T) {
	t.Parallel()
	if _, err := outboxpgx.Listen("postgres://h:x/", "c"); err == nil {
		t.Error("an impossible URL was taken")
	}
	if _, err := outboxpgx.Listen("postgres://h/", ""); err == nil {
		t.Error("an empty channel was taken")
	}
}

func TestLongChannelIsRefused(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"", strings.Repeat("c", 64)} {
		if l, err := outboxpgx.Listen("postgres://localhost/", channel); err == nil {
			l.Close()
			t.Errorf("the channel %q was accepted", channel)
		}
	}
}

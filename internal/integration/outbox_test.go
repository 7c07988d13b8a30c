//go:build integration

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/outbox"
	sources "github.com/avroline/avroline/producer/source" // another file has a function source
	"github.com/avroline/avroline/serde"
)

// relayShards is the number of shards of the relay's table.
const relayShards = 2

// TestRelayFaults causes faults of the brokers. Meanwhile two services write
// rows with events into PostgreSQL, and two relays publish the rows. At the end
// every row of a committed transaction must have exactly one event, in the
// order of the row's key. An event of a rolled back transaction must not exist.
func TestRelayFaults(t *testing.T) {
	leader := kills(4*time.Second, leaderOf(1))
	times, moves := 1, 20
	if *whole {
		times, moves = 3, 50
	}
	for _, f := range []fault{
		{name: "relay, kill -9 of the leader", short: true, disturb: func(ctx context.Context, s *stage) error {
			for range times {
				if err := leader(ctx, s); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "relay, its transaction coordinator killed", short: true, disturb: coordinatorKilled},
		{name: "relay, leaders moved each 200 ms", short: true, disturb: moving(moves, 200*time.Millisecond)},
		{name: "relay, 10 % of all answers lost", short: true, proxied: true, disturb: losingAnswers},
	} {
		if f.short || *whole {
			t.Run(f.name, f.runRelays)
		}
	}
}

// shop is a database with services that write events.
type shop struct {
	db      *sql.DB
	table   *outbox.Table
	items   *outbox.Topic[*workload.Item]
	journal *verify.Journal
}

func (f fault) runRelays(t *testing.T) {
	s, brokers := f.stage(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	positions := topic(t, relayShards, map[string]string{"cleanup.policy": "compact"})
	reg := &workload.Registry{}
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	shop := openShop(t, s.topic, ser)

	began := time.Now()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var relays sync.WaitGroup
	for range 2 {
		relay, err := outbox.NewRelay(brokers, s.topic, shop.table, shop.db, reg, ser, outbox.WithPoll(20*time.Millisecond),
			outbox.WithSource(sources.WithCheckpoints(positions), sources.WithProducer(producer.WithTransactionTimeout(10*time.Second))))
		if err != nil {
			t.Fatal(err)
		}
		relays.Go(func() {
			if err := relay.Run(running); err != nil {
				t.Errorf("relay: %v", err)
			}
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			if err := relay.Close(closing); err != nil {
				t.Errorf("close the relay: %v", err)
			}
		})
	}
	serving, over := context.WithCancel(ctx)
	defer over()
	var services sync.WaitGroup
	for n := range 2 {
		services.Go(func() {
			if err := shop.serve(serving, fmt.Sprintf("%s-service-%d", s.topic, n)); err != nil {
				t.Errorf("service: %v", err)
			}
		})
	}
	if err := f.disturb(ctx, s); err != nil {
		t.Errorf("the fault itself failed: %v", err)
	}
	over()
	services.Wait()
	for waiting := 1; waiting > 0 && ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		if err := shop.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	relays.Wait()

	if err := shop.account(ctx); err != nil {
		t.Fatal(err)
	}
	r, err := shop.journal.Check(ctx, s.c.Addrs(), []string{s.topic}, workload.Decode(s.topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", r)
	f.record(t, &workload.Result{Report: r}, time.Since(began))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Acked < 100 || r.NotSent == 0 {
		t.Errorf("%d rows and %d transactions rolled back are too few", r.Acked, r.NotSent)
	}
}

func openShop(t *testing.T, topic string, ser *serde.Serializer) *shop {
	t.Helper()
	table, err := outbox.NewTable(outbox.PostgreSQL, outbox.WithShards(relayShards))
	if err != nil {
		t.Fatal(err)
	}
	out := producer.NewTopic(topic, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
	s := &shop{db: databases.PostgreSQL(t).Open(), table: table, items: outbox.NewTopic(table, out, ser), journal: verify.NewJournal()}
	if err := table.Create(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), "CREATE TABLE business (service text, item text, seq bigint)"); err != nil {
		t.Fatal(err)
	}
	return s
}

// serve repeatedly writes a business row and its event in one transaction.
// serve rolls back each ninth transaction. No other service writes the same
// keys.
func (s *shop) serve(ctx context.Context, name string) error {
	for n := int64(1); ctx.Err() == nil; n++ {
		id := verify.ID{Producer: name, Key: fmt.Sprintf("%s-%d", name, n%5), Seq: n}
		tx, err := s.db.Begin()
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO business VALUES ($1, $2, $3)", id.Producer, id.Key, id.Seq); err != nil {
			return err
		}
		if err := s.items.Enlist(context.WithoutCancel(ctx), tx, &workload.Item{ID: id}); err != nil {
			return err
		}
		if n%9 == 0 {
			s.journal.Intend(id).NotSent()
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			return err
		}
		pause(ctx, 2*time.Millisecond)
	}
	return nil
}

// account tells the journal which business rows are committed. account asks the
// database, because a service does not know the outcome of every commit.
func (s *shop) account(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, "SELECT service, item, seq FROM business")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id verify.ID
		if err := rows.Scan(&id.Producer, &id.Key, &id.Seq); err != nil {
			return err
		}
		s.journal.Intend(id).Acked(0, -1)
	}
	return rows.Err()
}

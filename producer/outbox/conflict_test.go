package outbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/serde"
)

// TestConflicts runs concurrent transfers between a few accounts. The
// transactions are serializable and lock the accounts in random order. So the
// database ends many transactions with a serialization failure or a deadlock,
// before or after Enlist. The service then tries again. At the end each version
// of an account must have exactly one event, and the events must be in order.
func TestConflicts(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]outbox.Dialect{"PostgreSQL": outbox.PostgreSQL, "MariaDB": outbox.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, d)
			const accounts, services, transfers = 4, 4, 20
			for _, statement := range []string{"CREATE TABLE account (id int PRIMARY KEY, version int NOT NULL)", "INSERT INTO account VALUES (0, 0), (1, 0), (2, 0), (3, 0)"} {
				if _, err := p.db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			stop := p.running(p.relay())
			ctx := copytest.Ctx(t)
			var conflicts atomic.Int64
			var all sync.WaitGroup
			for range services {
				all.Go(func() {
					for done := 0; done < transfers && ctx.Err() == nil; {
						a := rand.IntN(accounts)
						b := (a + 1 + rand.IntN(accounts-1)) % accounts
						if err := p.transfer(ctx, a, b); err != nil {
							conflicts.Add(1)
							continue
						}
						done++
					}
				})
			}
			all.Wait()
			const events = 2 * services * transfers
			p.until("the events", p.published(events))
			p.until("the deletion", func() bool { return p.count() == 0 })
			stop()
			last := map[string]int64{}
			n := 0
			for _, e := range p.Committed(p.topic) {
				if e.Seq != last[e.Key]+1 {
					t.Errorf("account %s: version %d after version %d", e.Key, e.Seq, last[e.Key])
				}
				last[e.Key] = e.Seq
				n++
			}
			if n != events || conflicts.Load() == 0 {
				t.Errorf("%d events, want %d; %d conflicts, want some", n, events, conflicts.Load())
			}
			t.Logf("%d conflicts", conflicts.Load())
		})
	}
}

// transfer raises the versions of two accounts and writes an event for each, in
// one serializable transaction.
func (p *fixture) transfer(ctx context.Context, a, b int) error {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, id := range []int{a, b} {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE account SET version = version + 1 WHERE id = %d", id)); err != nil {
			return err
		}
		var version int64
		if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT version FROM account WHERE id = %d", id)).Scan(&version); err != nil {
			return err
		}
		if err := p.orders.Enlist(ctx, tx, &event{Key: fmt.Sprint("account ", id), Seq: version}); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// TestUnusualNamesAndSizes checks unusual names, keys, headers and sizes.
// Databases may treat such values differently.
func TestUnusualNamesAndSizes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		if p.dialect == outbox.MySQL { // use a connection in another time zone, and a database without Unicode
			if _, err := p.db.Exec("ALTER DATABASE test CHARACTER SET latin1"); err != nil {
				t.Fatal(err)
			}
			p.server.URL += "?parseTime=true&loc=Asia%2FTokyo&time_zone=%27-07%3A00%27"
			p.db = p.server.Open()
		}
		var err error
		if p.table, err = outbox.NewTable(p.dialect, outbox.WithName("Out-box \"1\" `2` \u00fc")); err != nil {
			t.Fatal(err)
		}
		if err := p.table.Create(ctx, p.db); err != nil {
			t.Fatal(err)
		}
		large := bytes.Repeat([]byte("0123456789abcdef"), 50_000) // 800 kB
		messages := []producer.Encoded{
			{Topic: p.topic, Key: []byte("\u043a\u043b\u044e\u0447 \U0001f511 \x00\xff'\"\\?"), Value: []byte{}, Headers: []serde.Header{{Key: "\U0001f511 \x00'?", Value: []byte("\U0001f511 \x00'?")}}},
			{Topic: p.topic, Key: []byte("gone"), Timestamp: time.UnixMilli(1_700_000_000_123)},
		}
		for range 25 { // together larger than MariaDB's max_allowed_packet
			messages = append(messages, producer.Encoded{Topic: p.topic, Key: []byte("large"), Value: large})
		}
		p.inTx(func(tx *sql.Tx) error { return p.table.Insert(ctx, tx, "", messages...) })
		r := p.relay()
		defer p.running(r)()
		p.until("the messages", func() bool { return len(p.Records(p.topic)) == len(messages) })
		p.until("no lag", func() bool { h := r.Shards(ctx); return len(h) == 1 && h[0].Lag == source.Lag{} && h[0].Err == nil })
		records := p.Records(p.topic) // read once, because the order of the partitions differs between two reads
		for _, m := range messages[:2] {
			i := slices.IndexFunc(records, func(k *kgo.Record) bool { return bytes.Equal(k.Key, m.Key) })
			if i < 0 {
				t.Errorf("no message has the key %q", m.Key)
				continue
			}
			k := records[i]
			if (k.Value == nil) != (m.Value == nil) || len(k.Value) != len(m.Value) || !m.Timestamp.IsZero() && !k.Timestamp.Equal(m.Timestamp) {
				t.Errorf("%q: value %v, time %v", k.Key, k.Value, k.Timestamp)
			}
			for j, h := range m.Headers {
				if k.Headers[j].Key != h.Key || !bytes.Equal(k.Headers[j].Value, h.Value) {
					t.Errorf("header %+v, want %+v", k.Headers[j], h)
				}
			}
		}
	})
}

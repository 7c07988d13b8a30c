package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/source"
)

// write commits events with the numbers from (inclusive) to to (exclusive).
func (p *fixture) write(from, to int) {
	p.Helper()
	p.inTx(func(tx *sql.Tx) error {
		var events []*event
		for i := from; i < to; i++ {
			events = append(events, p.event(i))
		}
		return p.orders.Enlist(copytest.Ctx(p), tx, events...)
	})
}

// fails waits until the relay reports an error for which is returns true.
func (p *fixture) fails(r *outbox.Relay, what string, is func(error) bool) {
	p.Helper()
	var last error
	defer func() {
		if p.Failed() {
			p.Logf("the last error: %v", last)
		}
	}()
	p.until(what, func() bool {
		for _, h := range r.Shards(copytest.Ctx(p)) {
			if h.Err != nil {
				last = h.Err
			}
			if h.Err != nil && is(h.Err) {
				return true
			}
		}
		return false
	})
}

// TestEarlierCopy replaces the data of a database server by a copy from an
// earlier time, while a relay is running. The relay must refuse the copy. The
// relay must not publish an event twice, and must not skip an event silently.
func TestEarlierCopy(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]outbox.Dialect{"PostgreSQL": outbox.PostgreSQL, "MariaDB": outbox.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, d)
			r := p.relay()
			defer p.running(r)()
			p.write(0, 10)
			p.until("the first events", p.published(10))
			restore := p.server.Save()
			p.until("the database", func() bool { return p.db.Ping() == nil })
			p.write(10, 20)
			p.until("the second events", p.published(20))
			restore()
			p.until("the database", func() bool { return p.db.Ping() == nil })
			p.write(20, 30) // the events may get the numbers and transaction ids of published events
			p.fails(r, "the refusal, with the advice to delete published rows", func(err error) bool {
				return errors.Is(err, outbox.ErrDatabase) && strings.Contains(err.Error(), "delete the rows that were published")
			})
			p.WantExactlyOnce(p.topic, 20)
		})
	}
}

// TestUnnumberedCopy checks a copy of MySQL in which the last published row has
// no batch number. Such a copy exists if the replication is behind.
func TestUnnumberedCopy(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.MySQL)
	p.write(0, 10)
	stop := p.running(p.relay(outbox.WithKeep(time.Hour)))
	p.until("the events", p.published(10))
	stop()
	for _, statement := range []string{"UPDATE outbox SET batch = NULL", "DELETE FROM outbox_state WHERE name <> 'database'"} {
		if _, err := p.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	r := p.relay(outbox.WithKeep(time.Hour))
	defer p.running(r)()
	p.fails(r, "the refusal", func(err error) bool { return errors.Is(err, outbox.ErrDatabase) })
	p.WantExactlyOnce(p.topic, 10)
}

// TestLockTimeout holds the lock that the relay needs to number rows in MySQL.
// The relay's statement ends with error 1205. When the lock is released, the
// relay continues.
func TestLockTimeout(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.MySQL)
	ctx := copytest.Ctx(t)
	if _, err := p.db.Exec("SET GLOBAL innodb_lock_wait_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	p.db = p.server.Open() // with connections that have the new timeout
	r := p.relay()
	defer p.running(r)()
	p.write(0, 1)
	p.until("the first event", p.published(1))
	holder := p.holding(ctx, "SELECT value FROM outbox_state WHERE name = 'batch shard-0' FOR UPDATE")
	p.write(1, 2)
	p.fails(r, "the lock timeout", func(err error) bool { return strings.Contains(err.Error(), "1205") })
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	p.until("the second event", p.published(2))
	p.WantExactlyOnce(p.topic, 2)
}

// TestStatementBinaryLog publishes from a server whose binary log has
// statements. Such a server refuses writes in READ COMMITTED.
func TestStatementBinaryLog(t *testing.T) {
	t.Parallel()
	server := databases.MariaDB(t, "--log-bin=log", "--binlog-format=STATEMENT", "--server-id=1")
	p := newFixtureOn(t, server, outbox.MySQL, outbox.WithShards(2))
	const n = 200
	stop, second := p.running(p.relay()), p.running(p.relay())
	for i := 0; i < n; i += 10 {
		p.write(i, i+10)
	}
	p.until("the events", p.published(n))
	p.until("the deletion", func() bool { return p.count() == 0 })
	stop()
	second()
	p.WantExactlyOnce(p.topic, n)
	// A replica runs the same statements, and must get the same values.
	var log strings.Builder
	events, err := p.db.Query("SHOW BINLOG EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Close() }()
	for events.Next() {
		var file, position, kind, server, end, info string
		if err := events.Scan(&file, &position, &kind, &server, &end, &info); err != nil {
			t.Fatal(err)
		}
		log.WriteString(info)
	}
	if text := log.String(); !strings.Contains(text, "rand_seed1") || strings.Contains(text, "UUID") {
		t.Error("a replica gets another identity of the database")
	}
}

// holding returns a transaction that holds the lock of a query. The relay also
// locks the row. So the database may choose the transaction as the victim of a
// deadlock. holding then repeats the query in a new transaction.
func (p *fixture) holding(ctx context.Context, query string) *sql.Tx {
	p.Helper()
	for {
		tx, err := p.db.BeginTx(ctx, nil)
		if err != nil {
			p.Fatal(err)
		}
		var value string
		if err = tx.QueryRowContext(ctx, query).Scan(&value); err == nil {
			return tx
		}
		if rollback := tx.Rollback(); rollback != nil {
			p.Fatal(rollback)
		}
		if deadlock := new(mysql.MySQLError); !errors.As(err, &deadlock) || deadlock.Number != 1213 {
			p.Fatal(err)
		}
	}
}

// TestClocksOfServicesDiffer writes events from services whose clocks differ by
// hours. The clocks must change neither the order nor the set of published
// events. A row of a slow clock is kept for a shorter time, but is never
// deleted before the relay publishes the row.
func TestClocksOfServicesDiffer(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		const n = 60
		write := func(from, to int) {
			for i := from; i < to; i++ {
				skew := []time.Duration{0, -48 * time.Hour, 48 * time.Hour}[i%3]
				p.inTx(func(tx *sql.Tx) error {
					return p.orders.EnlistMessages(ctx, tx, producer.Message[*event]{Value: &event{Key: "k", Seq: int64(i)}, Timestamp: time.Now().Add(skew)})
				})
			}
		}
		write(0, n/2)
		stop := p.running(p.relay(outbox.WithKeep(24 * time.Hour)))
		write(n/2, n)
		p.until("the events", p.published(n))
		stop()
		r := p.relay(outbox.WithKeep(24 * time.Hour)) // looks for old rows at its start
		defer p.running(r)()
		p.until("the deletion of the rows of the slow clock", func() bool { return p.count() == n-n/3 })
		p.WantExactlyOnce(p.topic, n)
		p.until("a lag of 0", func() bool { // the lag is -1 until the relay has counted the rows
			shards := r.Shards(ctx)
			for _, h := range shards {
				if h.Lag.Items != 0 || h.Lag.Oldest != 0 {
					return false
				}
			}
			return len(shards) > 0
		})
	})
}

// TestPgBouncer runs service and relay through PgBouncer in transaction
// pooling. The test uses the modes of pgx that docs/outbox.md names.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := databases.PostgreSQL(t)
	url := databases.PgBouncer(t, server)
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			name := "outbox_" + mode
			p := newFixtureOn(t, server, outbox.PostgreSQL, outbox.WithName(name), outbox.WithShards(2))
			var err error
			if p.db, err = sql.Open("pgx", url+"&default_query_exec_mode="+mode); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.db.Close() }()
			const n = 200
			for i := 0; i < n/2; i += 10 {
				p.write(i, i+10)
			}
			stop, second := p.running(p.relay()), p.running(p.relay())
			for i := n / 2; i < n; i += 10 {
				p.write(i, i+10)
			}
			p.until("the events", p.published(n))
			p.until("the deletion", func() bool {
				var left int
				return p.db.QueryRow(fmt.Sprintf("SELECT COUNT(*) FROM %s", name)).Scan(&left) == nil && left == 0
			})
			stop()
			second()
			p.WantExactlyOnce(p.topic, n)
		})
	}
}

// TestPermissionIsNotABadRow takes the permission on the topic away. The rows
// wait for the permission, and do not go to the dead-letter topic.
func TestPermissionIsNotABadRow(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	if p.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	denied := p.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: p.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	dead := p.Topic("dead", 1)
	r := p.relay(outbox.WithDeadLetters(dead))
	defer p.running(r)()
	p.write(0, 3)
	p.until("the missing permission", func() bool {
		if n := len(p.Records(dead)); n > 0 {
			t.Fatalf("%d dead letters", n)
		}
		return slices.ContainsFunc(r.Shards(copytest.Ctx(t)), func(h source.ShardHealth) bool {
			return h.Err != nil && strings.Contains(h.Err.Error(), "grant Write on topic")
		})
	})
	denied.Remove()
	p.until("the events", p.published(3))
	p.WantExactlyOnce(p.topic, 3)
	if n := len(p.Records(dead)); n > 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestFullBufferIsNotABadRow fills the buffer of the relay's producer, because
// the topic has no leader. The rows wait, and do not go to the dead-letter
// topic.
func TestFullBufferIsNotABadRow(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	if p.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	leaderless := p.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: p.topic, Err: kerr.NotLeaderForPartition, Count: -1})
	dead := p.Topic("dead", 1)
	r := p.relay(outbox.WithDeadLetters(dead),
		outbox.WithSource(source.WithProducer(producer.WithMaxInFlight(5, 1<<20), producer.WithMaxBlock(200*time.Millisecond))))
	defer p.running(r)()
	const n = 30
	p.write(0, n)
	p.fails(r, "the full buffer", func(err error) bool {
		if strings.Contains(err.Error(), "dead letter") {
			t.Fatal(err)
		}
		return errors.Is(err, producer.ErrWouldBlock)
	})
	leaderless.Remove()
	p.until("the events", p.published(n))
	p.WantExactlyOnce(p.topic, n)
	if n := len(p.Records(dead)); n > 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestGrants runs a relay whose user lacks permissions, and grants one after
// the other. The relay publishes without the permission to delete rows, but
// reports the error.
func TestGrants(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		d     outbox.Dialect
		other func(url string) string
		rows  string // the permissions for the table of rows, without DELETE
	}{
		{outbox.PostgreSQL, func(url string) string { return strings.Replace(url, "test@", "limited@", 1) }, "SELECT"},
		{outbox.MySQL, func(url string) string { return strings.Replace(url, "root@", "limited@", 1) }, "SELECT, UPDATE"},
	} {
		t.Run(tc.d.String(), func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, tc.d)
			p.exec("CREATE USER limited", "CREATE TABLE other (n int)", "GRANT SELECT ON other TO limited") // without a grant, MySQL refuses the connection
			if tc.d == outbox.PostgreSQL {
				p.exec("ALTER ROLE limited LOGIN")
			}
			p.write(0, 3)
			limited := *p.server
			limited.URL = tc.other(p.server.URL)
			service := p.db
			p.db = limited.Open()
			r := p.relay()
			p.db = service
			defer p.running(r)()
			failsWith := func(text string) {
				t.Helper()
				p.fails(r, text, func(err error) bool { return strings.Contains(err.Error(), text) })
			}
			failsWith("grant " + map[bool]string{true: "SELECT and DELETE", false: "SELECT, UPDATE and DELETE"}[tc.d == outbox.PostgreSQL] + " on the table")
			p.exec("GRANT " + tc.rows + " ON outbox TO limited")
			failsWith("grant SELECT, INSERT and UPDATE on the table")
			p.exec("GRANT SELECT, INSERT, UPDATE ON outbox_state TO limited")
			p.until("the events", p.published(3))
			failsWith("delete published rows")
			if h := r.Health(); !h.Ready || h.Degraded == nil || !strings.Contains(h.Degraded.Error(), "delete published rows") {
				t.Errorf("%+v", h)
			}
			p.exec("GRANT DELETE ON outbox TO limited")
			p.until("the deletion", func() bool { return p.count() == 0 })
			p.until("no error", func() bool { return r.Health().Degraded == nil && r.Shards(copytest.Ctx(t))[0].Err == nil })
			p.WantExactlyOnce(p.topic, 3)
		})
	}
}

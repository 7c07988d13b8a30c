package outbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/serde"
)

type event = copytest.Event

// fixture is a database with a table, brokers and a topic.
type fixture struct {
	*copytest.KafkaEnv
	dialect     outbox.Dialect
	server      *databases.Server
	db          *sql.DB
	table       *outbox.Table
	reg         *workload.Registry
	topic       string
	checkpoints string
	name        string
	orders      *outbox.Topic[*event]
}

// eachDatabase runs a test on every database that is installed.
func eachDatabase(t *testing.T, test func(t *testing.T, p *fixture), opts ...outbox.TableOption) {
	t.Helper()
	for name, d := range map[string]outbox.Dialect{"SQLite": outbox.SQLite, "PostgreSQL": outbox.PostgreSQL, "MariaDB": outbox.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t, d, opts...))
		})
	}
}

func newFixture(t testing.TB, d outbox.Dialect, opts ...outbox.TableOption) *fixture {
	t.Helper()
	start := map[outbox.Dialect]func(testing.TB) *databases.Server{
		outbox.SQLite: databases.SQLite, outbox.PostgreSQL: databases.PostgreSQL,
		outbox.MySQL: func(t testing.TB) *databases.Server { return databases.MariaDB(t) },
	}
	return newFixtureOn(t, start[d](t), d, opts...)
}

// newFixtureOn is newFixture on a running server.
func newFixtureOn(t testing.TB, server *databases.Server, d outbox.Dialect, opts ...outbox.TableOption) *fixture {
	t.Helper()
	p := &fixture{KafkaEnv: copytest.Brokers(t), dialect: d, server: server, reg: &workload.Registry{}, name: copytest.NewID(t)}
	p.db = p.server.Open()
	var err error
	if p.table, err = outbox.NewTable(d, opts...); err != nil {
		t.Fatal(err)
	}
	ctx := copytest.Ctx(t)
	for range 2 { // running the statements again must succeed
		if err := p.table.Create(ctx, p.db); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.table.Check(ctx, p.db); err != nil {
		t.Fatal(err)
	}
	p.topic = p.Topic("orders", 3)
	p.checkpoints = p.Topic("checkpoints", 4, "cleanup.policy", "compact")
	p.orders = outbox.NewTopic(p.table, producer.NewTopic(p.topic, producer.KeyBy(copytest.ByKey)), copytest.Serializer(t, p.reg))
	return p
}

func (p *fixture) relay(opts ...outbox.RelayOption) *outbox.Relay {
	p.Helper()
	opts = append([]outbox.RelayOption{
		outbox.WithPoll(20 * time.Millisecond),
		outbox.WithSource(source.WithCheckpoints(p.checkpoints), source.WithTransaction(100, 1<<20, 500*time.Millisecond),
			source.WithProducer(producer.WithTransactionTimeout(5*time.Second), copytest.Logger(p))),
	}, opts...)
	r, err := outbox.NewRelay(p.Addrs, p.name, p.table, p.db, p.reg, copytest.Serializer(p, p.reg), opts...)
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// running runs a relay until the test calls stop.
func (p *fixture) running(r *outbox.Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				p.Errorf("the relay: %v", err)
			}
			if err := r.Close(copytest.Ctx(p)); err != nil {
				p.Errorf("close the relay: %v", err)
			}
		})
	}
	p.Cleanup(stop)
	return stop
}

// until waits until a condition is true.
func (p *fixture) until(what string, f func() bool) {
	p.Helper()
	for ctx := copytest.Ctx(p); !f(); copytest.WaitFor(ctx, 50*time.Millisecond) {
		if ctx.Err() != nil {
			p.Fatalf("in vain for %s", what)
		}
	}
}

func (p *fixture) published(n int) func() bool {
	return func() bool { return len(p.Committed(p.topic)) >= n }
}

func (p *fixture) count() (n int) {
	p.Helper()
	if err := p.db.QueryRow("SELECT COUNT(*) FROM outbox").Scan(&n); err != nil {
		p.Fatal(err)
	}
	return n
}

// inTx runs f in a database transaction and commits the transaction.
func (p *fixture) inTx(f func(tx *sql.Tx) error) {
	p.Helper()
	tx, err := p.db.Begin()
	if err == nil {
		if err = f(tx); err == nil {
			err = tx.Commit()
		} else {
			_ = tx.Rollback()
		}
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *fixture) event(n int) *event { return &event{Key: fmt.Sprint(n % 7), Seq: int64(n)} }

// TestOutbox checks that a committed event is published once, with key,
// headers, time and event id. An event that was rolled back is not published.
// Published rows are deleted.
func TestOutbox(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		const n = 500
		add := func(from, to int, commit bool) {
			tx, err := p.db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			var events []*event
			for i := from; i < to; i++ {
				e := p.event(i)
				if !commit {
					e.Seq = -1
				}
				events = append(events, e)
			}
			if err := p.orders.Enlist(ctx, tx, events...); err != nil {
				t.Fatal(err)
			}
			if end := map[bool]func() error{true: tx.Commit, false: tx.Rollback}[commit]; end() != nil {
				t.Fatal("the transaction did not end")
			}
		}
		for i := 0; i < n/2; i += 10 {
			add(i, i+10, true)
			add(i, i+3, false)
		}
		r := p.relay()
		stop := p.running(r)
		for i := n / 2; i < n; i += 10 {
			add(i, i+10, true)
			add(i, i+3, false)
		}
		p.until("the events", p.published(n))
		p.until("the deletion", func() bool { return p.count() == 0 })
		p.until("the health", func() bool {
			h := r.Shards(ctx)
			return len(h) == 1 && h[0].Running && h[0].Err == nil && h[0].Items == n && h[0].Lag.Items == 0
		})
		stop()

		at := time.UnixMilli(1_700_000_000_123)
		p.inTx(func(tx *sql.Tx) error {
			return p.orders.EnlistMessages(ctx, tx,
				producer.Message[*event]{
					Value: p.event(n), Timestamp: at, Partition: producer.ToPartition(2), Key: producer.BytesKey([]byte{}),
					Headers: []serde.Header{{Key: "text", Value: []byte("v\u00e9")}, {Key: "bytes", Value: []byte{0xff, 0}}, {Key: "nil"}, {Key: "empty", Value: []byte{}}},
				},
				producer.Message[*event]{Tombstone: true, Key: producer.StringKey("gone"), Timestamp: at, Partition: producer.ToPartition(2)},
			)
		})
		stop = p.running(p.relay())
		p.until("the messages", func() bool { return len(p.Records(p.topic)) == n+2 })
		stop()
		log := p.Records(p.topic)
		var events []event
		for _, r := range log {
			if r.Timestamp.Equal(at) {
				if r.Partition != 2 {
					t.Errorf("partition %d", r.Partition)
				}
				if r.Value == nil {
					if string(r.Key) != "gone" {
						t.Errorf("the tombstone's key is %q", r.Key)
					}
					continue
				}
				h := ""
				for _, header := range r.Headers[:4] {
					h += fmt.Sprintf("%s=%q ", header.Key, header.Value)
				}
				if r.Key == nil || len(r.Key) != 0 || h != "text=\"v\u00e9\" bytes=\"\\xff\\x00\" nil=\"\" empty=\"\" " || len(r.Headers) != 5 || r.Headers[4].Key != "event-id" || r.Headers[2].Value != nil || r.Headers[3].Value == nil {
					t.Errorf("key %v, headers %s", r.Key, h)
				}
			}
			events = append(events, p.Decode(r.Value))
		}
		if f := copytest.CompareEvents(events, n+1); f != (copytest.Differences{}) {
			t.Errorf("%+v", f)
		}
	})
}

// TestLateCommit commits transactions in another order than the order of their
// rows. No row is skipped, and the order of a key is kept. An unrelated open
// transaction does not change the result.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]outbox.Dialect{"PostgreSQL": outbox.PostgreSQL, "MariaDB": outbox.MySQL} { // not SQLite, because SQLite allows only one writer
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, d)
			ctx := copytest.Ctx(t)
			begin := func() *sql.Tx {
				tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
				if err != nil {
					t.Fatal(err)
				}
				return tx
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := p.db.Exec("CREATE TABLE other (n int)")
			must(err)
			defer p.running(p.relay())()
			slow, late, early := begin(), begin(), begin()
			unrelated := begin()
			must(p.orders.Enlist(ctx, slow, &event{Key: "slow", Seq: 0})) // the first row is committed last
			_, err = late.Exec("INSERT INTO other VALUES (1)")            // late gets its transaction id before early
			must(err)
			_, err = unrelated.Exec("INSERT INTO other VALUES (2)")
			must(err)
			must(p.orders.Enlist(ctx, early, &event{Key: "k", Seq: 1}))
			must(early.Commit())
			must(p.orders.Enlist(ctx, late, &event{Key: "k", Seq: 2})) // behind early on the same key, but with a smaller transaction id
			must(late.Commit())
			p.until("two events", p.published(2))
			must(slow.Commit())
			p.until("the slow one", p.published(3))
			must(unrelated.Rollback())
			p.WantExactlyOnce(p.topic, 3)
		})
	}
}

// TestControlLateCommit is the control. A relay that polls by seq alone must
// lose the row of a slow transaction.
func TestControlLateCommit(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.PostgreSQL)
	ctx := copytest.Ctx(t)
	slow, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.orders.Enlist(ctx, slow, p.event(0)); err != nil {
		t.Fatal(err)
	}
	p.inTx(func(tx *sql.Tx) error { return p.orders.Enlist(ctx, tx, p.event(1)) })
	var found []int64
	last := int64(0)
	poll := func() {
		rows, err := p.db.Query("SELECT seq FROM outbox WHERE seq > $1 ORDER BY seq", last)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := rows.Scan(&last); err != nil {
				t.Fatal(err)
			}
			found = append(found, last)
		}
	}
	poll()
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	poll()
	if len(found) != 1 {
		t.Errorf("polling by seq found %v of 2 rows: the test of late commits says nothing", found)
	}
}

// TestRelayStops stops and starts relays during their work. Two relays run at a
// time, with several shards.
func TestRelayStops(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		const n = 1200
		written := make(chan struct{})
		go func() {
			defer close(written)
			for i := 0; i < n && ctx.Err() == nil; i += 4 {
				p.inTx(func(tx *sql.Tx) error {
					return p.orders.Enlist(ctx, tx, p.event(i), p.event(i+1), p.event(i+2), p.event(i+3))
				})
			}
		}()
		steady := p.running(p.relay())
		for i := range 3 {
			stop := p.running(p.relay())
			p.until("progress", p.published(n/10*(i+1)))
			stop()
		}
		<-written
		p.until("the events", p.published(n))
		steady()
		p.WantExactlyOnce(p.topic, n)
	}, outbox.WithShards(4))
}

// TestBadRows checks rows that cannot be published. Such a row stops its shard,
// and the error names the row. With dead letters, the row goes to the
// dead-letter topic and the other rows are published.
func TestBadRows(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		small := p.Topic("small", 1, "max.message.bytes", "1500")
		write := func() {
			p.inTx(func(tx *sql.Tx) error {
				value := bytes.Repeat([]byte{1}, 3000)
				return errors.Join(
					p.orders.Enlist(ctx, tx, p.event(0)),
					p.table.Insert(ctx, tx, "", producer.Encoded{Topic: small, Value: value}),                                  // too large
					p.table.Insert(ctx, tx, "", producer.Encoded{Topic: "no-such-topic", Value: []byte("x")}),                  // the topic does not exist
					p.table.Insert(ctx, tx, "", producer.Encoded{Topic: p.topic, Value: []byte{0, 0, 0, 99, 99, 1}}),           // an unknown schema
					p.table.Insert(ctx, tx, "changed", producer.Encoded{Topic: p.topic, Key: []byte("c"), Value: []byte("y")}), // the row is changed below
					p.orders.Enlist(ctx, tx, p.event(1)),
				)
			})
			if _, err := p.db.Exec("UPDATE outbox SET payload = message_key WHERE event_type = 'changed'"); err != nil {
				t.Fatal(err)
			}
		}
		write()
		r := p.relay()
		stop := p.running(r)
		var said error
		p.until("the error", func() bool { // not the first error, because the relay first halves the batches
			for _, h := range r.Shards(ctx) {
				if h.Err != nil && strings.Contains(h.Err.Error(), "row seq") {
					said = h.Err
				}
			}
			return said != nil
		})
		stop()
		if !strings.Contains(said.Error(), "row seq=2 ") || !errors.As(said, new(*producer.TooLargeError)) {
			t.Errorf("the error is %v", said)
		}
		dead := p.Topic("dead", 1)
		stop = p.running(p.relay(outbox.WithDeadLetters(dead)))
		p.until("the dead letters", func() bool { return len(p.Records(dead)) >= 4 })
		p.until("the events", p.published(2))
		p.until("the deletion", func() bool { return p.count() == 0 })
		stop()
		p.WantExactlyOnce(p.topic, 2)
		var reasons []string
		for _, r := range p.Records(dead) {
			if !slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "event-id" && len(h.Value) == 36 }) {
				t.Errorf("a dead letter has no event id: %v", r.Headers)
			}
			for _, h := range r.Headers {
				if h.Key == outbox.DeadLetterReason {
					reasons = append(reasons, string(h.Value))
				}
			}
		}
		all := strings.Join(reasons, "\n")
		for _, want := range []string{"too large", "unknown topic", "schema id 25443", "changed"} {
			if !strings.Contains(all, want) {
				t.Errorf("no dead letter says %q:\n%s", want, all)
			}
		}
	})
}

// TestLargeDeadLetter writes a row that exceeds the default limits. If the
// dead-letter topic and the producer allow the size, the row goes to the topic.
// Otherwise the shard stops, and the error says which limits to raise.
func TestLargeDeadLetter(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	p.inTx(func(tx *sql.Tx) error {
		return p.table.Insert(copytest.Ctx(t), tx, "", producer.Encoded{Topic: p.topic, Value: make([]byte, 1_500_000)})
	})
	p.write(0, 10)
	small, large := p.Topic("small", 1), p.Topic("large", 1, "max.message.bytes", "1502000")
	fails := func(topic, cause string) {
		t.Helper()
		r := p.relay(outbox.WithDeadLetters(topic))
		defer p.running(r)()
		p.fails(r, "the error", func(err error) bool {
			return errors.As(err, new(*producer.TooLargeError)) && strings.Contains(err.Error(), "raise max.message.bytes of topic "+topic) &&
				strings.Contains(err.Error(), cause)
		})
	}
	fails(small, "max.message.bytes of topic "+small+" allows")
	fails(large, "WithMaxMessageBytes")
	p.WantExactlyOnce(p.topic, 0)
	allow := outbox.WithSource(source.WithProducer(producer.WithMaxMessageBytes(1_502_000)))
	defer p.running(p.relay(outbox.WithDeadLetters(large), allow))()
	p.until("the events", p.published(10))
	p.WantExactlyOnce(p.topic, 10)
	if n := len(p.Records(large)); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

// TestDeadLetterHeaders checks that the dead letter of a changed row has the
// headers of the row.
func TestDeadLetterHeaders(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{"payload": "payload = 'x'", "time": "created_at = 'soon'", "time before 1970": "created_at = '1960-01-01 00:00:00.000'", "headers": `headers = headers || '!'`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, outbox.SQLite)
			dead := p.Topic("dead", 1)
			p.inTx(func(tx *sql.Tx) error {
				return p.orders.EnlistMessages(copytest.Ctx(t), tx, producer.Message[*event]{Value: p.event(0), Headers: []serde.Header{{Key: "tenant", Value: []byte("acme")}}})
			})
			if _, err := p.db.Exec("UPDATE outbox SET " + change); err != nil {
				t.Fatal(err)
			}
			defer p.running(p.relay(outbox.WithDeadLetters(dead)))()
			p.until("the dead letter", func() bool { return len(p.Records(dead)) == 1 })
			want, got := kgo.RecordHeader{Key: "tenant", Value: []byte("acme")}, p.Records(dead)[0].Headers
			if name == "headers" {
				want = kgo.RecordHeader{Key: outbox.DeadLetterHeaders, Value: []byte(`[["tenant","acme"]]!`)}
			}
			if !slices.ContainsFunc(got, func(h kgo.RecordHeader) bool { return h.Key == want.Key && bytes.Equal(h.Value, want.Value) }) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestLongestName publishes from a table with the longest name. PostgreSQL must
// not cut the names of the indexes.
func TestLongestName(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 51)
	for _, d := range []outbox.Dialect{outbox.PostgreSQL, outbox.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, d, outbox.WithName(name))
			if d == outbox.PostgreSQL {
				var indexes int
				if err := p.db.QueryRow("SELECT COUNT(*) FROM pg_indexes WHERE tablename = $1", name).Scan(&indexes); err != nil || indexes != 3 {
					t.Errorf("%d indexes: %v", indexes, err)
				}
			}
			p.write(0, 10)
			defer p.running(p.relay())()
			p.until("the events", p.published(10))
			p.WantExactlyOnce(p.topic, 10)
		})
	}
}

// TestWrongDatabase checks that the relay refuses a position of another
// database, and a database copy from an earlier time.
func TestWrongDatabase(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		p.inTx(func(tx *sql.Tx) error { return p.orders.Enlist(ctx, tx, p.event(0), p.event(1)) })
		stop := p.running(p.relay())
		p.until("the events", p.published(2))
		p.until("the deletion", func() bool { return p.count() == 0 })
		stop()
		var progress string
		if err := p.db.QueryRow("SELECT value FROM outbox_state WHERE name LIKE 'relay%'").Scan(&progress); err != nil {
			t.Fatal(err)
		}
		refused := func(what, undo string, do string) {
			t.Helper()
			if _, err := p.db.Exec(do); err != nil {
				t.Fatal(err)
			}
			r := p.relay()
			stop := p.running(r)
			var said error
			p.until(what, func() bool {
				for _, h := range r.Shards(ctx) {
					if h.Err != nil {
						said = h.Err
					}
				}
				return said != nil
			})
			stop()
			if !errors.Is(said, outbox.ErrDatabase) {
				t.Errorf("%s: %v", what, said)
			}
			if undo != "" {
				if _, err := p.db.Exec(undo); err != nil {
					t.Fatal(err)
				}
			}
		}
		quote := func(s string) string { return "'" + s + "'" }
		var identity string
		if err := p.db.QueryRow("SELECT value FROM outbox_state WHERE name = 'database'").Scan(&identity); err != nil {
			t.Fatal(err)
		}
		refused("another database", "UPDATE outbox_state SET value = "+quote(identity)+" WHERE name = 'database'", "UPDATE outbox_state SET value = 'another' WHERE name = 'database'")
		refused("an earlier copy", "", "DELETE FROM outbox_state WHERE name LIKE 'relay%'")
	})
}

// TestKeptRowsAreNotPublishedAgain keeps published rows for a time. The relay
// does not publish a kept row again.
func TestKeptRowsAreNotPublishedAgain(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		ctx := copytest.Ctx(t)
		for i := range 20 {
			p.inTx(func(tx *sql.Tx) error { return p.orders.Enlist(ctx, tx, p.event(i)) })
		}
		r := p.relay(outbox.WithKeep(time.Hour))
		stop := p.running(r)
		p.until("the events", p.published(20))
		p.until("no lag", func() bool { h := r.Shards(ctx); return len(h) == 1 && h[0].Lag.Items == 0 })
		p.inTx(func(tx *sql.Tx) error { return p.orders.Enlist(ctx, tx, p.event(20)) })
		p.until("the late event", p.published(21))
		stop()
		if n := p.count(); n != 21 {
			t.Errorf("%d rows are kept, want 21", n)
		}
		stop = p.running(p.relay(outbox.WithKeep(time.Millisecond)))
		p.until("the deletion", func() bool { return p.count() == 0 })
		stop()
		p.WantExactlyOnce(p.topic, 21)
	})
}

// TestDebeziumColumns checks that the table has the column names that
// Debezium's event router expects, and that the relay publishes from the table.
func TestDebeziumColumns(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		p.inTx(func(tx *sql.Tx) error { return p.orders.Enlist(copytest.Ctx(t), tx, p.event(0), p.event(1)) })
		var topic, kind string
		if err := p.db.QueryRow("SELECT aggregatetype, type FROM outbox WHERE id IS NOT NULL AND aggregateid IS NOT NULL AND payload IS NOT NULL").Scan(&topic, &kind); err != nil {
			t.Fatal(err)
		}
		if topic != p.topic || kind != "test.Event" {
			t.Errorf("topic %q, type %q", topic, kind)
		}
		stop := p.running(p.relay())
		p.until("the events", p.published(2))
		stop()
		p.WantExactlyOnce(p.topic, 2)
	}, outbox.WithDebeziumColumns())
}

// TestMissingColumns checks that Check, Prepare and the relay name the missing
// columns.
func TestMissingColumns(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		for _, change := range []struct{ do, want string }{
			{"ALTER TABLE outbox DROP COLUMN checksum", "checksum"},
			{"DROP TABLE outbox", "outbox"},
		} {
			if _, err := p.db.Exec(change.do); err != nil {
				t.Fatal(err)
			}
			err := p.table.Check(copytest.Ctx(t), p.db)
			var missing *outbox.SchemaError
			if !errors.As(err, &missing) || len(missing.Missing) != 1 || missing.Missing[0] != change.want {
				t.Errorf("%s: %v", change.do, err)
			}
		}
		r := p.relay()
		var missing *outbox.SchemaError
		if err := r.Prepare(copytest.Ctx(t)); !errors.As(err, &missing) {
			t.Errorf("Prepare: %v", err)
		}
		missing = nil
		stop := p.running(r)
		p.until("the error", func() bool {
			for _, h := range r.Shards(copytest.Ctx(t)) {
				if errors.As(h.Err, &missing) {
					return true
				}
			}
			return false
		})
		stop()
	})
}

// TestMissingTable checks tables that do not exist, also in a schema that does
// not exist, and with error texts of MariaDB in German.
func TestMissingTable(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		if p.dialect == outbox.MySQL {
			p.server.URL += "?lc_messages=%27de_DE%27"
		}
		db := p.server.Open()
		for _, name := range []string{"other", "nowhere.other"} {
			table, err := outbox.NewTable(p.dialect, outbox.WithName(name))
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Check(copytest.Ctx(t), db); !errors.As(err, new(*outbox.SchemaError)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestLockedTable checks a table that another transaction has locked, for
// example a migration. The table is not missing, and the relay publishes the
// rows after the transaction.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		d      outbox.Dialect
		lock   []string
		option string // of the relay's connections
	}{
		{outbox.SQLite, []string{"BEGIN EXCLUSIVE"}, "?_pragma=busy_timeout(0)"},
		{outbox.PostgreSQL, []string{"BEGIN", "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"}, "&statement_timeout=100"},
		{outbox.MySQL, []string{"LOCK TABLES outbox WRITE"}, "?max_statement_time=0.1"},
	} {
		t.Run(tc.d.String(), func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, tc.d)
			ctx := copytest.Ctx(t)
			if tc.d == outbox.SQLite {
				p.exec("PRAGMA journal_mode=DELETE") // so that a writer locks readers out
			}
			p.write(0, 3)
			locking, err := p.db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range tc.lock {
				if _, err := locking.ExecContext(ctx, statement); err != nil {
					t.Fatal(err)
				}
			}
			url := p.server.URL
			if tc.d == outbox.SQLite {
				url, _, _ = strings.Cut(url, "?")
			}
			if p.db, err = sql.Open(p.server.Driver, url+tc.option); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.db.Close() }()
			if err := p.table.Check(ctx, p.db); err == nil || errors.As(err, new(*outbox.SchemaError)) {
				t.Errorf("Check: %v", err)
			}
			r := p.relay()
			defer p.running(r)()
			p.fails(r, "the lock", func(err error) bool { return !errors.As(err, new(*outbox.SchemaError)) })
			_ = locking.Raw(func(any) error { return driver.ErrBadConn }) // ends the connection, and so the lock
			_ = locking.Close()
			p.until("the events", p.published(3))
			p.WantExactlyOnce(p.topic, 3)
		})
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	addrs, reg := []string{"127.0.0.1:1"}, &workload.Registry{}
	ser := copytest.Serializer(t, reg)
	table, err := outbox.NewTable(outbox.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	des, err := serde.NewDeserializer[event](reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []outbox.RelayOption{outbox.WithWaker(nil), outbox.WithDeadLetters(""), outbox.WithDeadLetters("a/b"), outbox.WithRows(0)} {
		if _, err := outbox.NewRelay(addrs, "shop", table, new(sql.DB), reg, ser, o); err == nil || !strings.Contains(err.Error(), o.String()) {
			t.Errorf("%s: %v", o, err)
		}
	}
	function := func(context.Context, *sql.Tx, processor.Consumed[event]) error { return nil }
	for _, o := range []outbox.InboxOption{outbox.WithBadMessages(nil), outbox.WithInboxTable(""), outbox.WithInboxBatch(0, 0)} {
		if _, err := outbox.NewInbox(addrs, "g", []string{"t"}, outbox.SQLite, new(sql.DB), des, function, o); err == nil || !strings.Contains(err.Error(), o.String()) {
			t.Errorf("%s: %v", o, err)
		}
	}
	if err := outbox.NewTopic[*event](table, nil, ser).Enlist(t.Context(), new(sql.Tx), &event{}); err == nil {
		t.Error("a nil topic was accepted")
	}
}

func TestTableRefused(t *testing.T) {
	t.Parallel()
	for want, tc := range map[string]struct {
		d    outbox.Dialect
		opts []outbox.TableOption
	}{
		"Dialect(0)":        {0, nil},
		"WithName":          {outbox.SQLite, []outbox.TableOption{outbox.WithName("shop.")}},
		"WithShards":        {outbox.SQLite, []outbox.TableOption{outbox.WithShards(0)}},
		"WithNotify":        {outbox.MySQL, []outbox.TableOption{outbox.WithNotify("c")}},
		"WithName: \"nnn":   {outbox.PostgreSQL, []outbox.TableOption{outbox.WithName("shop." + strings.Repeat("n", 52))}},
		"WithName: \"mmm":   {outbox.MySQL, []outbox.TableOption{outbox.WithName(strings.Repeat("m", 53))}},
		"WithName: \"sss":   {outbox.PostgreSQL, []outbox.TableOption{outbox.WithName(strings.Repeat("s", 64) + ".outbox")}},
		"WithNotify: \"ccc": {outbox.PostgreSQL, []outbox.TableOption{outbox.WithNotify(strings.Repeat("c", 64))}},
	} {
		if _, err := outbox.NewTable(tc.d, tc.opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := outbox.NewTable(outbox.SQLite, outbox.WithName(strings.Repeat("n", 200))); err != nil {
		t.Errorf("SQLite has no limit: %v", err)
	}
	if _, err := outbox.NewTable(outbox.SQLite, outbox.TableOption{}); err != nil {
		t.Errorf("the zero option: %v", err)
	}
}

// TestNames publishes from tables whose names need quotes, also with a schema.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]outbox.Dialect{"SQLite": outbox.SQLite, "PostgreSQL": outbox.PostgreSQL, "MariaDB": outbox.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := map[outbox.Dialect]string{outbox.SQLite: "main", outbox.PostgreSQL: "public", outbox.MySQL: "test"}[d]
			p := newFixture(t, d, outbox.WithName(schema+`.Wei"rd? na'me`+"`\u00e9?"))
			defer p.running(p.relay(outbox.WithKeep(time.Hour)))()
			p.write(0, 3)
			p.until("the events", p.published(3))
			p.WantExactlyOnce(p.topic, 3)
		})
	}
}

// TestServiceWithMoreShards checks that the relay reports rows of shards that
// no relay reads.
func TestServiceWithMoreShards(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite, outbox.WithShards(4))
	p.write(0, 20)
	var err error
	if p.table, err = outbox.NewTable(outbox.SQLite); err != nil {
		t.Fatal(err)
	}
	r := p.relay()
	defer p.running(r)()
	p.fails(r, "the error", func(err error) bool { return strings.Contains(err.Error(), "WithShards(1)") })
}

package outbox_test

import (
	"context"
	"database/sql"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/outbox/outboxpgx"
	"github.com/avroline/avroline/producer/source"
)

// benchRows returns the number of waiting rows. AVROLINE_BENCH_ROWS changes the
// number.
func benchRows(b *testing.B) int {
	if text := os.Getenv("AVROLINE_BENCH_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 100_000
}

// txRows is the number of rows in a transaction, in both ways.
const txRows = 5000

// BenchmarkBacklog publishes a backlog from PostgreSQL in two ways. The first
// way is a relay, which deletes the published rows. The second way is a SELECT
// and Kafka transactions with the same number of rows and the same bytes. The
// second way stores no positions and deletes no rows.
func BenchmarkBacklog(b *testing.B) {
	n := benchRows(b)
	fill := func(b *testing.B) *fixture {
		p := newFixture(b, outbox.PostgreSQL)
		e := event{Key: "k", Pad: "a value of about a hundred bytes, as events of services are: an id, an amount, a name, a time"}
		for i := 0; i < n; i += 1000 {
			p.inTx(func(tx *sql.Tx) error {
				events := make([]*event, min(1000, n-i))
				for j := range events {
					one := e
					one.Key, one.Seq = strconv.Itoa((i+j)%500), int64(i+j)
					events[j] = &one
				}
				return p.orders.Enlist(b.Context(), tx, events...)
			})
		}
		if _, err := p.db.Exec("VACUUM ANALYZE outbox"); err != nil {
			b.Fatal(err)
		}
		return p
	}
	relay := func(b *testing.B, opts ...outbox.RelayOption) {
		for b.Loop() {
			b.StopTimer()
			p := fill(b)
			r := p.relay(append(opts, outbox.WithSource(source.WithTransaction(txRows, 4<<20, 2*time.Second)))...)
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			b.StartTimer()
			go func() { done <- r.Run(ctx) }()
			for r.Stats().Delivered < int64(n) {
				time.Sleep(10 * time.Millisecond)
			}
			b.StopTimer()
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			_ = r.Close(copytest.Ctx(b))
			b.StartTimer()
		}
		b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("Relay", func(b *testing.B) { relay(b) })
	b.Run("Relay that keeps rows", func(b *testing.B) { relay(b, outbox.WithKeep(time.Hour)) })
	b.Run("SELECT and InTx", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			p := fill(b)
			tp, err := producer.NewTransactional(p.Addrs, p.name, copytest.Serializer(b, p.reg))
			if err != nil {
				b.Fatal(err)
			}
			ctx := copytest.Ctx(b)
			if err := tp.Prepare(ctx); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			rows, err := p.db.Query("SELECT topic, message_key, payload FROM outbox ORDER BY seq")
			if err != nil {
				b.Fatal(err)
			}
			for more := true; more; {
				if err := tp.InTx(ctx, func(tx *producer.Tx) error {
					for range txRows {
						if more = rows.Next(); !more {
							return rows.Err()
						}
						var e producer.Encoded
						if err := rows.Scan(&e.Topic, &e.Key, &e.Value); err != nil {
							return err
						}
						if err := e.Add(ctx, tx); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			_ = rows.Close()
			_ = tp.Close(ctx)
			b.StartTimer()
		}
		b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
	})
}

// BenchmarkLatency measures the time for one event. The time begins with the
// database transaction and ends with the commit of the Kafka transaction. There
// are no other events.
func BenchmarkLatency(b *testing.B) {
	for name, notify := range map[string]string{"poll of 100 ms": "", "notification": "news"} {
		b.Run(name, func(b *testing.B) {
			p := newFixture(b, outbox.PostgreSQL, outbox.WithNotify(notify))
			committed := make(chan struct{}, 1)
			opts := []outbox.RelayOption{
				outbox.WithPoll(100 * time.Millisecond),
				outbox.WithSource(source.WithHooks(source.Hooks{Committed: func(context.Context, source.Commit) { committed <- struct{}{} }})),
			}
			if notify != "" {
				listener, err := outboxpgx.Listen(p.server.URL, notify)
				if err != nil {
					b.Fatal(err)
				}
				defer listener.Close()
				opts = append(opts, outbox.WithPoll(time.Second), outbox.WithWaker(listener))
			}
			defer p.running(p.relay(opts...))()
			one := func() {
				p.write(0, 1)
				<-committed
			}
			one() // the first event also measures the start
			for b.Loop() {
				one()
			}
		})
	}
}

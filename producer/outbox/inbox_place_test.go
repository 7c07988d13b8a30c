package outbox_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/serde"
)

// inbox makes an inbox that writes a bill for each event.
func (p *fixture) inbox(topic string, opts ...outbox.InboxOption) *outbox.Inbox[event] {
	p.Helper()
	des, err := serde.NewDeserializer[event](p.reg)
	if err != nil {
		p.Fatal(err)
	}
	in, err := outbox.NewInbox(p.Addrs, p.name, []string{topic}, p.dialect, p.db, des, p.bill,
		append([]outbox.InboxOption{outbox.WithInboxBatch(20, 20*time.Millisecond)}, opts...)...)
	if err != nil {
		p.Fatal(err)
	}
	return in
}

// runInbox runs an inbox until the test calls stop.
func (p *fixture) runInbox(in *outbox.Inbox[event]) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	p.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func (p *fixture) billed(n int) func() bool {
	return func() bool { all, _ := p.bills(); return all >= n }
}

// TestInboxTopicCreatedAgain deletes a topic and creates it again. The new
// messages have offsets below the stored offset. The inbox must not ignore the
// new messages silently.
func TestInboxTopicCreatedAgain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"between runs", "during a run"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, outbox.SQLite)
			if p.Fake == nil {
				t.Skip("deletes a topic of the embedded broker")
			}
			p.createBilling()
			topic := p.Topic("in", 1)
			p.Seed(p.reg, topic, 20, nil)
			ctx, cancel := context.WithCancel(copytest.Ctx(t))
			defer cancel()
			done := make(chan error, 1)
			run := func() { done <- p.inbox(topic).Run(ctx) }
			go run()
			p.until("the bills", p.billed(20))
			if name == "between runs" {
				cancel()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				ctx = copytest.Ctx(t)
			}
			cl, err := kgo.NewClient(kgo.SeedBrokers(p.Addrs...))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if _, err := kadm.NewClient(cl).DeleteTopic(ctx, topic); err != nil {
				t.Fatal(err)
			}
			if err := p.Fake.CreateTopic(topic, 1, nil); err != nil {
				t.Fatal(err)
			}
			p.Seed(p.reg, topic, 5, nil)
			if name == "between runs" {
				go run()
			}
			if err := <-done; err == nil || !strings.Contains(err.Error(), "has the offset 20, but the partition ends at 5") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestInboxLatest starts an inbox with auto.offset.reset=latest. The inbox
// still continues at its stored offset.
func TestInboxLatest(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	p.createBilling()
	topic := p.Topic("in", 1)
	p.Seed(p.reg, topic, 10, nil)
	stop := p.runInbox(p.inbox(topic))
	p.until("the first bills", p.billed(10))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p.Seed(p.reg, topic, 10, nil)
	latest := outbox.WithInboxProducer(producer.WithConfig(map[string]string{"auto.offset.reset": "latest"}))
	stop = p.runInbox(p.inbox(topic, latest))
	n := 20
	p.until("a later bill", func() bool { // the messages before the join are not the latest
		p.Seed(p.reg, topic, 1, nil)
		n++
		return p.billed(11)()
	})
	p.until("all bills", p.billed(n))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if all, _ := p.bills(); all != n {
		t.Errorf("%d bills, want %d", all, n)
	}
}

// TestInboxConnectionEnds ends the connection of a transaction while the
// function runs. The database still answers on other connections. Run goes on,
// although the function returns an error that is not temporary.
func TestInboxConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, d := range []outbox.Dialect{outbox.PostgreSQL, outbox.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			testInboxConnectionEnds(t, newFixture(t, d))
		})
	}
}

func testInboxConnectionEnds(t *testing.T, p *fixture) {
	end := "SELECT pg_terminate_backend(pg_backend_pid())"
	if p.dialect == outbox.MySQL {
		end = "KILL CONNECTION_ID()"
	}
	p.createBilling()
	topic := p.Topic("in", 1)
	p.Seed(p.reg, topic, 10, nil)
	des, err := serde.NewDeserializer[event](p.reg)
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	in, err := outbox.NewInbox(p.Addrs, p.name, []string{topic}, p.dialect, p.db, des,
		func(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
			if m.Value.Seq == 5 && !ended {
				ended = true
				if _, err := tx.ExecContext(ctx, end); err != nil {
					return err
				}
			}
			return p.bill(ctx, tx, m)
		})
	if err != nil {
		t.Fatal(err)
	}
	stop := p.runInbox(in)
	p.until("the bills", p.billed(10))
	if err := stop(); err != nil {
		t.Error(err)
	}
	if all, different := p.bills(); all != 10 || different != 10 || !ended {
		t.Errorf("%d bills, %d different", all, different)
	}
}

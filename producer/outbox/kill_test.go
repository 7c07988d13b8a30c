//go:build integration

package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
)

const shards = 4

// TestWorker is the body of a worker process.
func TestWorker(t *testing.T) {
	args := copytest.WorkerArgs(t)
	dialect, err := strconv.Atoi(args[1])
	if err != nil {
		t.Fatal(err)
	}
	p := &fixture{
		KafkaEnv: &copytest.KafkaEnv{TB: t, Addrs: strings.Split(args[4], ",")}, dialect: outbox.Dialect(dialect), reg: sameIDs(t),
		topic: args[5], checkpoints: args[6], name: args[7],
	}
	if p.db, err = sql.Open(args[2], args[3]); err != nil {
		t.Fatal(err)
	}
	if p.table, err = outbox.NewTable(p.dialect, outbox.WithShards(shards)); err != nil {
		t.Fatal(err)
	}
	p.orders = outbox.NewTopic(p.table, producer.NewTopic(p.topic, producer.KeyBy(copytest.ByKey)), copytest.Serializer(t, p.reg))
	switch args[0] {
	case "service":
		p.serve(t.Context(), args[8])
	case "at-least-once":
		p.atLeastOnce(t.Context())
	default:
		if err := p.relay().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// sameIDs returns a registry that assigns the same ids in each process.
func sameIDs(t *testing.T) *workload.Registry {
	reg := &workload.Registry{}
	for _, schema := range []string{copytest.Schema, checkpoint.PositionSchema, checkpoint.PositionKeySchema} {
		if _, err := reg.Register(t.Context(), "", contract.Schema{Text: schema}); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

// serve repeatedly writes a business row and its event in one transaction.
// serve rolls back some transactions. The sequence numbers of a key rise, and
// no other service writes the same key.
func (p *fixture) serve(ctx context.Context, name string) {
	insert := map[bool]string{true: "INSERT INTO business (seq) VALUES ($1)", false: "INSERT INTO business (seq) VALUES (?)"}[p.dialect == outbox.PostgreSQL]
	for i := 0; ctx.Err() == nil; i++ {
		seq := time.Now().UnixNano()
		tx, err := p.db.BeginTx(ctx, nil)
		if err != nil {
			copytest.WaitFor(ctx, 50*time.Millisecond) // the test is killing the database
			continue
		}
		if _, err = tx.ExecContext(ctx, insert, seq); err == nil {
			err = p.orders.Enlist(ctx, tx, &event{Key: fmt.Sprint(name, i%5), Seq: seq})
		}
		if err != nil || i%9 == 0 {
			_ = tx.Rollback()
			copytest.WaitFor(ctx, 10*time.Millisecond)
			continue
		}
		_ = tx.Commit()
		copytest.WaitFor(ctx, 2*time.Millisecond)
	}
}

// atLeastOnce is a relay like in most programs. The relay publishes rows and
// then deletes them.
func (p *fixture) atLeastOnce(ctx context.Context) {
	events, err := producer.New(p.Addrs, copytest.Serializer(p, p.reg))
	if err != nil {
		p.Fatal(err)
	}
	out := producer.NewTopic(p.topic, producer.KeyBy(copytest.ByKey))
	for ctx.Err() == nil {
		rows, err := p.db.QueryContext(ctx, "SELECT seq, payload FROM outbox ORDER BY seq LIMIT 50")
		if err != nil {
			copytest.WaitFor(ctx, 50*time.Millisecond)
			continue
		}
		var seqs []string
		for rows.Next() {
			var seq int64
			var payload []byte
			if err := rows.Scan(&seq, &payload); err != nil {
				p.Fatal(err)
			}
			var e event
			if err := e.UnmarshalAvro(payload[5:]); err != nil {
				p.Fatal(err)
			}
			if err := out.PublishAsync(ctx, events, &e, nil); err != nil {
				p.Fatal(err)
			}
			seqs = append(seqs, fmt.Sprint(seq))
		}
		_ = rows.Close()
		if err := events.Flush(ctx); err != nil {
			p.Fatal(err)
		}
		copytest.WaitFor(ctx, 200*time.Millisecond) // a pause, so that kills hit the program here
		if len(seqs) > 0 {
			_, _ = p.db.ExecContext(ctx, "DELETE FROM outbox WHERE seq IN ("+strings.Join(seqs, ",")+")")
		}
	}
}

// newKillable returns a place with a short session for the members of a group.
func newKillable(t *testing.T, d outbox.Dialect) *fixture {
	p := newFixture(t, d, outbox.WithShards(shards))
	p.reg = sameIDs(t)
	if os.Getenv("AVROLINE_TEST_BROKERS") == "" {
		p.KafkaEnv = copytest.Brokers(t, producertest.WithConfig("group.consumer.session.timeout.ms", "3000"), producertest.WithConfig("group.consumer.heartbeat.interval.ms", "500"))
		p.topic = p.Topic("orders", 3)
		p.checkpoints = p.Topic("checkpoints", shards, "cleanup.policy", "compact")
	}
	if _, err := p.db.Exec("CREATE TABLE business (seq bigint NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *fixture) start(t *testing.T, kind, name string) *copytest.Worker {
	return copytest.StartWorker(t, kind, fmt.Sprint(int(p.dialect)), p.server.Driver, p.server.URL, strings.Join(p.Addrs, ","), p.topic, p.checkpoints, p.name, name)
}

// comparison is the result of comparing the business table with the topic.
type comparison struct{ Rows, Lost, Twice, Strange, OutOfOrder int }

// compare compares the business table with the topic, after the relays have
// emptied the outbox.
func (p *fixture) compare(t *testing.T) (c comparison) {
	t.Helper()
	rows, err := p.db.Query("SELECT seq FROM business")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	want := map[int64]int{}
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			t.Fatal(err)
		}
		want[seq] = 0
		c.Rows++
	}
	last := map[string]int64{}
	for _, e := range p.Committed(p.topic) {
		if _, ok := want[e.Seq]; !ok {
			c.Strange++
			continue
		}
		if want[e.Seq]++; want[e.Seq] > 1 {
			c.Twice++
		}
		if e.Seq < last[e.Key] {
			c.OutOfOrder++
		}
		last[e.Key] = max(last[e.Key], e.Seq)
	}
	for _, times := range want {
		if times == 0 {
			c.Lost++
		}
	}
	return c
}

// underKills runs two services and two relays. Meanwhile kill -9 ends a process
// at random, repeatedly. If the database is a server, kill -9 also ends the
// database.
func underKills(t *testing.T, d outbox.Dialect, kind string, kills int) comparison {
	p := newKillable(t, d)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	kinds := []string{kind, kind, "service", "service"}
	if kind == "at-least-once" {
		kinds = kinds[1:] // one such relay at a time, because two would publish everything twice
	}
	workers := make([]*copytest.Worker, len(kinds))
	for i, k := range kinds {
		workers[i] = p.start(t, k, fmt.Sprint(i))
	}
	for i := range kills {
		copytest.WaitFor(t.Context(), time.Duration(400+rng.IntN(900))*time.Millisecond)
		victim := rng.IntN(len(kinds))
		if kind == "at-least-once" { // only kills of this relay show the damage
			victim = 0
		}
		workers[victim].Kill()
		if i%5 == 4 && d != outbox.SQLite {
			p.server.Kill()
			p.server.Start()
		}
		workers[victim] = p.start(t, kinds[victim], fmt.Sprint(victim, "-", i))
	}
	for i, k := range kinds {
		if k == "service" {
			workers[i].Kill()
		}
	}
	end := time.Now().Add(4 * time.Minute)
	for p.count() > 0 && time.Now().Before(end) {
		for i, k := range kinds {
			if k != "service" && workers[i].Exited() {
				workers[i] = p.start(t, k, fmt.Sprint(i))
			}
		}
		copytest.WaitFor(t.Context(), 200*time.Millisecond)
	}
	if n := p.count(); n > 0 {
		t.Errorf("%d rows are left; the relays said:\n%s", n, workers[0].Output())
	}
	for _, w := range workers {
		w.Kill()
	}
	c := p.compare(t)
	t.Logf("%v, %s, %d kills: %+v", d, kind, kills, c)
	return c
}

func TestKilled(t *testing.T) {
	for _, d := range []outbox.Dialect{outbox.SQLite, outbox.PostgreSQL, outbox.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			c := underKills(t, d, "relay", 20)
			if c.Lost+c.Twice+c.Strange+c.OutOfOrder > 0 || c.Rows == 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestControlKilled is the control. A relay that publishes rows and then
// deletes them must show duplicates in the same run.
func TestControlKilled(t *testing.T) {
	if c := underKills(t, outbox.PostgreSQL, "at-least-once", 12); c.Twice == 0 {
		t.Error("the control passed clean: the kills are too weak to judge by")
	}
}

// TestZombieRelay stops a relay by SIGSTOP until its shards have moved to
// another relay. Then the relay continues.
func TestZombieRelay(t *testing.T) {
	p := newKillable(t, outbox.PostgreSQL)
	service := p.start(t, "service", "s")
	zombie, other := p.start(t, "relay", "z"), p.start(t, "relay", "o")
	for range 2 {
		copytest.WaitFor(t.Context(), 3*time.Second)
		if err := zombie.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err, zombie.Output())
		}
		copytest.WaitFor(t.Context(), 8*time.Second) // the session is 3 s, and the transaction timeout is 5 s
		if err := zombie.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	copytest.WaitFor(t.Context(), 2*time.Second)
	service.Kill()
	p.until("the rest", func() bool { return p.count() == 0 })
	for name, w := range map[string]*copytest.Worker{"the zombie": zombie, "the other": other} {
		if w.Exited() {
			t.Errorf("%s has ended: %s", name, w.Output())
		}
	}
	if c := p.compare(t); c.Lost+c.Twice+c.Strange+c.OutOfOrder > 0 || c.Rows == 0 {
		t.Errorf("%+v", c)
	} else {
		t.Logf("%+v", c)
	}
}

// TestAnswersLost loses answers of the brokers, so that commits end in doubt.
func TestAnswersLost(t *testing.T) {
	p := newKillable(t, outbox.PostgreSQL)
	if p.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	lost := p.Fake.LoseAnswers(0.05, 7, producertest.Produce, producertest.EndTxn)
	service, relay := p.start(t, "service", "s"), p.start(t, "relay", "r")
	copytest.WaitFor(t.Context(), 10*time.Second)
	service.Kill()
	lost.Stop()
	p.until("the rest", func() bool { return p.count() == 0 })
	relay.Kill()
	if c := p.compare(t); c.Lost+c.Twice+c.Strange+c.OutOfOrder > 0 || c.Rows == 0 || lost.Hits() == 0 {
		t.Errorf("%+v, %d answers lost", c, lost.Hits())
	}
}

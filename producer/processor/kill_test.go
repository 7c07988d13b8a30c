//go:build integration && cgo

package processor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
)

// workTime is the time that a worker spends on one message, so that kills hit a
// worker during its work.
const workTime = 2 * time.Millisecond

func workSlowly(context.Context, *producer.Tx, processor.Consumed[event]) error {
	<-time.After(workTime)
	return nil
}

// TestWorker is the body of a worker process.
func TestWorker(t *testing.T) {
	args := copytest.WorkerArgs(t)
	kind, id := args[0], args[2]
	w := &copytest.KafkaEnv{TB: t, Addrs: strings.Split(args[1], ",")}
	reg := &workload.Registry{}
	if _, err := reg.Register(t.Context(), "", contract.Schema{Text: copytest.Schema}); err != nil {
		t.Fatal(err)
	}
	c := &copyJob{w: w, reg: reg, in: args[3], out: args[4], group: args[5], protocol: args[6], messages: 100, opts: shortSession(args[6]), each: workSlowly}
	if kind != "processor" {
		c.copyByHand(t.Context(), kind, id)
		return
	}
	if err := c.processor(id).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// shortSession returns options with a short session, so that the group notices
// a killed member after 3 s. For the protocol "consumer" the broker sets the
// session timeout.
func shortSession(protocol string) []producer.Option {
	if protocol != "classic" {
		return nil
	}
	return []producer.Option{producer.WithConfig(map[string]string{"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"})}
}

// copyByHand copies messages without a processor. The kind "at-least-once" uses
// no transactions. The kind "offsets-outside" uses transactions, and commits
// the offsets after each transaction.
func (c *copyJob) copyByHand(ctx context.Context, kind, id string) {
	w := c.w
	must := func(err error) {
		if err != nil {
			w.Fatal(err)
		}
	}
	ser := copytest.Serializer(w, c.reg)
	events := producer.NewTopic(c.out, producer.KeyBy(copytest.ByKey))
	p, err := producer.New(w.Addrs, ser)
	must(err)
	defer func() { must(p.Close(copytest.Ctx(w))) }()
	tp, err := producer.NewTransactional(w.Addrs, id, ser, producer.WithTransactionTimeout(10*time.Second))
	must(err)
	defer func() { must(tp.Close(copytest.Ctx(w))) }()
	settings := kafka.ConfigMap{
		"bootstrap.servers": strings.Join(w.Addrs, ","), "group.id": c.group, "group.protocol": c.protocol,
		"auto.offset.reset": "earliest", "enable.auto.commit": false, "isolation.level": "read_committed",
	}
	if c.protocol == "classic" {
		settings["session.timeout.ms"], settings["heartbeat.interval.ms"] = 3000, 500
	}
	consumer, err := kafka.NewConsumer(&settings)
	must(err)
	defer func() { must(consumer.Close()) }()
	must(consumer.Subscribe(c.in, nil))
	for ctx.Err() == nil {
		var batch []*kafka.Message
		for end := time.Now().Add(50 * time.Millisecond); len(batch) < 100 && time.Now().Before(end); {
			if m, ok := consumer.Poll(10).(*kafka.Message); ok && m.TopicPartition.Error == nil {
				batch = append(batch, m)
				must(c.each(ctx, nil, processor.Consumed[event]{}))
			}
		}
		if len(batch) == 0 {
			continue
		}
		add := func(send func(e *event) error) error {
			for _, m := range batch {
				e := w.Decode(m.Value)
				if err := send(&e); err != nil {
					return err
				}
			}
			return nil
		}
		if kind == "at-least-once" {
			must(add(func(e *event) error { return events.PublishAsync(w.Context(), p, e, nil) }))
			must(p.Flush(w.Context()))
		} else {
			must(tp.InTx(w.Context(), func(tx *producer.Tx) error {
				return add(func(e *event) error { return events.Add(w.Context(), tx, e) })
			}))
		}
		copytest.WaitFor(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		if _, err := consumer.Commit(); err != nil {
			fmt.Println("commit:", err)
		}
	}
}

// killable returns a cluster with a short session for the members of a group.
func killable(t *testing.T, protocol string) *copytest.KafkaEnv {
	if os.Getenv("AVROLINE_TEST_BROKERS") != "" {
		w := copytest.Brokers(t)
		w.NeedsProtocol(protocol)
		return w
	}
	if protocol == "classic" {
		t.Skip("the embedded broker's classic group stalls when members go")
	}
	return copytest.Brokers(t, producertest.WithConfig("group.consumer.session.timeout.ms", "3000"), producertest.WithConfig("group.consumer.heartbeat.interval.ms", "500"))
}

// copyUnderKills lets two workers copy n messages. Meanwhile kill -9 ends one
// of the workers at random, repeatedly.
func copyUnderKills(t *testing.T, kind, protocol string, n int) (_ copytest.Differences, kills int) {
	w := killable(t, protocol)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in, out, group := w.Topic("in", 6), w.Topic("out", 6), copytest.NewID(t)
	w.Seed(&workload.Registry{}, in, n, nil)
	start := func(i int) *copytest.Worker {
		return copytest.StartWorker(t, kind, strings.Join(w.Addrs, ","), fmt.Sprintf("%s-%d", group, i), in, out, group, protocol)
	}
	workers := []*copytest.Worker{start(0), start(1)}
	deadline := time.Now().Add(4 * time.Minute)
	for w.GroupLag(in, group) != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d left after %d kills; the workers said:\n%s\n---\n%s", w.GroupLag(in, group), kills, workers[0].Output(), workers[1].Output())
		}
		<-time.After(time.Duration(700+rng.IntN(800)) * time.Millisecond)
		i := rng.IntN(2)
		if kills < 15 {
			workers[i].Kill()
			kills++
		}
		for i := range workers {
			if workers[i].Exited() {
				workers[i] = start(i)
			}
		}
	}
	for _, worker := range workers {
		worker.Kill()
	}
	for i := range workers { // end the transactions that killed workers have left open
		tp, err := producer.NewTransactional(w.Addrs, fmt.Sprintf("%s-%d", group, i), copytest.Serializer(t, &workload.Registry{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Prepare(copytest.Ctx(t)); err != nil {
			t.Fatal(err)
		}
		_ = tp.Close(copytest.Ctx(t))
	}
	found := w.Compare(out, n)
	t.Logf("%s, %s: %d messages, %d kills: %+v", kind, protocol, n, kills, found)
	return found, kills
}

// protocols lists the group protocols.
var protocols = []string{"consumer", "classic"}

func TestKilled(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			found, kills := copyUnderKills(t, "processor", protocol, 20_000)
			if found != (copytest.Differences{}) {
				t.Errorf("%+v", found)
			}
			if kills < 10 {
				t.Errorf("only %d kills", kills)
			}
		})
	}
}

// TestControlKilled is the control. Two faulty ways of copying must show
// duplicates in the same run: a way without transactions, and a way that
// commits the offsets outside of the transaction.
func TestControlKilled(t *testing.T) {
	for _, control := range [][2]string{{"at-least-once", "consumer"}, {"offsets-outside", "consumer"}, {"offsets-outside", "classic"}} {
		t.Run(strings.Join(control[:], " "), func(t *testing.T) {
			t.Parallel()
			for range 3 { // each kill bites with some chance only
				if found, _ := copyUnderKills(t, control[0], control[1], 8_000); found.Twice > 0 {
					return
				}
			}
			t.Error("the control passed clean: the kills are too weak to judge by")
		})
	}
}

// TestFrozen stops a worker by SIGSTOP in the middle of a transaction, five
// times. Each stop is longer than the transaction timeout and the group's
// session. The worker then joins the group again and continues.
func TestFrozen(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			w := killable(t, protocol)
			in, out, group := w.Topic("in", 6), w.Topic("out", 6), copytest.NewID(t)
			const n = 10_000
			w.Seed(&workload.Registry{}, in, n, nil)
			start := func(i int) *copytest.Worker {
				return copytest.StartWorker(t, "processor", strings.Join(w.Addrs, ","), fmt.Sprintf("%s-%d", group, i), in, out, group, protocol)
			}
			sleeper, other := start(0), start(1)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			for range 3 {
				copytest.WaitFor(ctx, 2*time.Second)
				if err := sleeper.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err, sleeper.Output())
				}
				copytest.WaitFor(ctx, 12*time.Second) // the transaction timeout is 10 s, the session 3 s
				if err := sleeper.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err, sleeper.Output())
				}
			}
			for w.GroupLag(in, group) != 0 && ctx.Err() == nil {
				copytest.WaitFor(ctx, 200*time.Millisecond)
			}
			copytest.WaitFor(ctx, time.Second)
			for name, worker := range map[string]*copytest.Worker{"the one that slept": sleeper, "the other": other} {
				if worker.Exited() {
					t.Errorf("%s has ended: %s", name, worker.Output())
				}
			}
			w.WantExactlyOnce(out, n)
		})
	}
}

// copyThroughRebalances lets a worker copy n messages. Meanwhile a second
// worker joins the group, works and leaves, twice.
func copyThroughRebalances(t *testing.T, protocol string, n int, work func(ctx context.Context, c *copyJob, id string) error) copytest.Differences {
	t.Helper()
	w := killable(t, protocol)
	c := copyJob{w: w, reg: &workload.Registry{}, in: w.Topic("in", 6), out: w.Topic("out", 6), group: copytest.NewID(t), protocol: protocol, messages: 100, opts: shortSession(protocol)}
	w.Seed(c.reg, c.in, n, nil)
	limit, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	var workers sync.WaitGroup
	start := func(i int) (did *atomic.Int64, leave func()) {
		c, did := c, new(atomic.Int64)
		c.each = func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error {
			did.Add(1)
			return workSlowly(ctx, tx, m)
		}
		ctx, cancel := context.WithCancel(limit)
		gone := make(chan struct{})
		workers.Go(func() {
			defer close(gone)
			if err := work(ctx, &c, fmt.Sprintf("%s-%d", c.group, i)); err != nil {
				t.Error(err)
			}
		})
		return did, func() { cancel(); <-gone }
	}
	until := func(what string, f func() bool) {
		t.Helper()
		for !f() {
			copytest.WaitFor(limit, 20*time.Millisecond)
			if limit.Err() != nil {
				t.Fatalf("in vain for %s", what)
			}
		}
	}
	first, stay := start(0)
	until("the first worker", func() bool { return first.Load() > int64(n/20) })
	for range 2 {
		second, leave := start(1)
		until("the second worker", func() bool { return second.Load() > int64(n/20) })
		t.Logf("the second worker leaves when the first has done %d and it %d", first.Load(), second.Load())
		leave()
	}
	until("the rest", func() bool { return w.GroupLag(c.in, c.group) == 0 })
	stay()
	workers.Wait()
	return w.Compare(c.out, n)
}

// TestRebalances checks that each message is copied once and in order, even if
// its partition changes owner.
func TestRebalances(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			found := copyThroughRebalances(t, protocol, 4_000, func(ctx context.Context, c *copyJob, id string) error { return c.processor(id).Run(ctx) })
			if found != (copytest.Differences{}) {
				t.Errorf("%+v", found)
			}
		})
	}
}

// TestControlRebalances is the control. The workers commit the offsets after
// the transaction. A worker that leaves the group must then cause duplicates.
func TestControlRebalances(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			found := copyThroughRebalances(t, protocol, 4_000, func(ctx context.Context, c *copyJob, id string) error {
				c.copyByHand(ctx, "offsets-outside", id)
				return nil
			})
			if t.Logf("%+v", found); found.Twice == 0 {
				t.Error("the control passed clean: the rebalances are too weak to judge by")
			}
		})
	}
}

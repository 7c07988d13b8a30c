//go:build integration

package producer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// workerEnv holds, for a worker process: kind, brokers, id, in, out, group, its protocol, separated by |.
const workerEnv = "AVROLINE_TEST_WORKER"

// workFor is how long a worker works on one message, so that kills find it working.
const workFor = 2 * time.Millisecond

// TestWorker is what a worker process runs. In the tests themselves it does nothing.
func TestWorker(t *testing.T) {
	args := strings.Split(os.Getenv(workerEnv), "|")
	if len(args) != 7 {
		t.Skip("runs in worker processes only")
	}
	w := &where{t: t, addrs: strings.Split(args[1], ",")}
	reg := &workload.Registry{}
	for _, schema := range []string{eventSchema, checkpoint.FilePositionSchema, checkpoint.FileKeySchema} { // the same ids in each process
		if _, err := reg.Register(t.Context(), "", contract.Schema{Text: schema}); err != nil {
			t.Fatal(err)
		}
	}
	id := args[2]
	c := &copying{w: w, reg: reg, in: args[3], out: args[4], group: args[5], protocol: args[6], messages: 100, opts: soonGone(args[6])}
	c.each = func(context.Context, producer.Consumed[event]) error {
		<-time.After(workFor)
		return nil
	}
	switch args[0] {
	case "processor":
		if err := c.processor(id).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	case "source":
		workSource(w, reg, id, c.in, c.out, c.group)
	default:
		c.byHand(t.Context(), args[0], id)
	}
}

// soonGone lets the group miss a killed member after 3 s. With the protocol "consumer" that is the broker's to say.
func soonGone(protocol string) []producer.Option {
	if protocol != "classic" {
		return nil
	}
	return []producer.Option{producer.WithConfig(map[string]string{"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"})}
}

// byHand copies as one would without the processor: "at-least-once" without transactions, "offsets-outside" with
// transactions but the offsets committed after them. When ctx ends it goes away without that.
func (c *copying) byHand(ctx context.Context, kind, id string) {
	w, t := c.w, c.w.t
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ser, err := serde.NewSerializer(c.reg)
	must(err)
	events := producer.NewTopic(c.out, producer.KeyBy(byKey))
	p, err := producer.New(w.addrs, ser)
	must(err)
	defer func() { must(p.Close(waitCtx(t))) }()
	tp, err := producer.NewTransactional(w.addrs, id, ser, producer.WithTransactionTimeout(10*time.Second))
	must(err)
	defer func() { must(tp.Close(waitCtx(t))) }()
	settings := kafka.ConfigMap{
		"bootstrap.servers": strings.Join(w.addrs, ","), "group.id": c.group, "group.protocol": c.protocol,
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
				must(c.each(ctx, producer.Consumed[event]{}))
			}
		}
		if len(batch) == 0 {
			continue
		}
		add := func(send func(e *event) error) error {
			for _, m := range batch {
				_, e := decodeEvent(t, m.Value)
				if err := send(&e); err != nil {
					return err
				}
			}
			return nil
		}
		if kind == "at-least-once" {
			must(add(func(e *event) error { return events.PublishAsync(t.Context(), p, e, nil) }))
			must(p.Flush(t.Context()))
		} else {
			must(tp.InTx(t.Context(), func(tx *producer.Tx) error {
				return add(func(e *event) error { return events.Add(t.Context(), tx, e) })
			}))
		}
		during(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		if _, err := consumer.Commit(); err != nil {
			fmt.Println("commit:", err)
		}
	}
}

func workSource(w *where, reg *workload.Registry, id, file, out, checkpoints string) {
	s := w.source(reg, id, checkpoints, file)
	events := producer.NewTopic(out, producer.KeyBy(byKey))
	err := s.Run(w.t.Context(), func(ctx context.Context, tx *producer.Tx, l producer.Line) error {
		<-time.After(workFor)
		return events.Add(ctx, tx, &event{Key: fmt.Sprint(l.Number % 50), Seq: l.Number - 1})
	})
	if err = errors.Join(err, s.Close(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
	fmt.Println("all read")
}

// worker is a process that is this test binary again.
type worker struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  []string
}

func startWorker(t *testing.T, args ...string) *worker {
	t.Helper()
	w := &worker{cmd: exec.Command(os.Args[0], "-test.run=^TestWorker$", "-test.v"), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+strings.Join(args, "|"))
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd.Stderr = w.cmd.Stdout
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.mu.Lock()
			w.out = append(w.out, lines.Text())
			w.mu.Unlock()
		}
		_ = w.cmd.Wait()
	}()
	t.Cleanup(w.kill)
	return w
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.done
}

func (w *worker) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.out, "\n")
}

// killable is where members of a group may vanish.
func killable(t *testing.T, protocol string) *where {
	if os.Getenv("AVROLINE_TEST_BROKERS") != "" {
		return brokers(t)
	}
	if protocol == "classic" {
		t.Skip("the embedded broker's classic group stalls when members go")
	}
	b := producertest.Start(t, producertest.WithConfig("group.consumer.session.timeout.ms", "3000"), producertest.WithConfig("group.consumer.heartbeat.interval.ms", "500"))
	return &where{t: t, addrs: b.Addrs(), fake: b}
}

// behind is how many messages of a topic a group has not committed.
func (w *where) behind(topic, group string) int64 {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(waitCtx(w.t), topic)
	if err != nil {
		return -1
	}
	committed, err := adm.FetchOffsets(waitCtx(w.t), group)
	if err != nil {
		return -1
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		left += o.Offset
		if c, ok := committed.Lookup(topic, o.Partition); ok && c.At > 0 {
			left -= c.At
		}
	})
	return left
}

// copyUnderKills has two workers copy n messages while one or the other is killed with -9, and tells what came of it.
func copyUnderKills(t *testing.T, kind, protocol string, n int) (_ copied, kills int) {
	w := killable(t, protocol)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	in, out, group := w.topic("in", 6), w.topic("out", 6), newID(t)
	w.seed(&workload.Registry{}, in, n, nil)
	start := func(i int) *worker {
		return startWorker(t, kind, strings.Join(w.addrs, ","), fmt.Sprintf("%s-%d", group, i), in, out, group, protocol)
	}
	workers := []*worker{start(0), start(1)}
	deadline := time.Now().Add(4 * time.Minute)
	for w.behind(in, group) != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d left after %d kills; the workers said:\n%s\n---\n%s", w.behind(in, group), kills, workers[0].said(), workers[1].said())
		}
		<-time.After(time.Duration(700+rng.IntN(800)) * time.Millisecond)
		i := rng.IntN(2)
		if kills < 15 {
			workers[i].kill()
			kills++
		}
		for i := range workers {
			select {
			case <-workers[i].done:
				workers[i] = start(i)
			default:
			}
		}
	}
	for _, worker := range workers {
		worker.kill()
	}
	for i := range workers { // ends what they left open
		if err := w.transactional(fmt.Sprintf("%s-%d", group, i)).Prepare(waitCtx(t)); err != nil {
			t.Fatal(err)
		}
	}
	c := w.judge(out, n)
	t.Logf("%s, %s: %d messages, %d kills: %+v", kind, protocol, n, kills, c)
	return c, kills
}

func TestProcessorKilled(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			c, kills := copyUnderKills(t, "processor", protocol, 20_000)
			if c != (copied{}) {
				t.Errorf("%+v", c)
			}
			if kills < 10 {
				t.Errorf("only %d kills", kills)
			}
		})
	}
}

// Positive controls: without transactions, and with the offsets outside of them, the same run must show duplicates.
func TestControlCopyKilled(t *testing.T) {
	for _, control := range [][2]string{{"at-least-once", "consumer"}, {"offsets-outside", "consumer"}, {"offsets-outside", "classic"}} {
		t.Run(strings.Join(control[:], " "), func(t *testing.T) {
			if c, _ := copyUnderKills(t, control[0], control[1], 8_000); c.twice == 0 {
				t.Error("the control passed clean: the kills are too weak to judge by")
			}
		})
	}
}

func TestSourceKilled(t *testing.T) {
	w := killable(t, "")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const lines = 10_000
	out, checkpoints := w.topic("lines", 3), w.topic("checkpoints", 1, "cleanup.policy", "compact")
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, lines)
	id := newID(t)
	for kills := 0; ; kills++ {
		worker := startWorker(t, "source", strings.Join(w.addrs, ","), id, log, out, checkpoints, "")
		wait := time.Duration(500+rng.IntN(3000)) * time.Millisecond
		if kills >= 20 {
			wait = 2 * time.Minute
		}
		select {
		case <-worker.done:
			if !strings.Contains(worker.said(), "all read") {
				t.Fatalf("ended: %s", worker.said())
			}
			t.Logf("%d kills", kills)
			if kills < 5 {
				t.Errorf("only %d kills", kills)
			}
			w.exactly(out, lines)
			return
		case <-time.After(wait):
			worker.kill()
		}
	}
}

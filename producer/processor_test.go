package producer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

func (e *event) UnmarshalAvro(data []byte) error {
	text := func() string {
		n, w := binary.Varint(data)
		if w <= 0 || n < 0 || int(n) > len(data)-w {
			data = nil
			return "?"
		}
		s := string(data[w : w+int(n)])
		data = data[w+int(n):]
		return s
	}
	e.Key = text()
	seq, w := binary.Varint(data)
	if w <= 0 {
		return errors.New("event: short")
	}
	e.Seq, data = seq, data[w:]
	e.Pad = text()
	if len(data) != 0 {
		return errors.New("event: bytes left over")
	}
	return nil
}

func (e *event) UnmarshalAvroPlan(*avrobin.Plan, []byte) error { return errors.New("one version only") }

// seed writes n events, keyed, into a topic by another client, and puts raw values where bad says so.
func (w *where) seed(reg *workload.Registry, topic string, n int, bad func(i int) []byte) {
	w.t.Helper()
	v, _ := reg.Register(context.Background(), "", contract.Schema{Text: eventSchema})
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		e := event{Key: fmt.Sprint(i % 50), Seq: int64(i)}
		value, _ := e.AppendAvro(binary.BigEndian.AppendUint32([]byte{0}, uint32(v.ID)))
		if bad != nil {
			if b := bad(i); b != nil {
				value = b
			}
		}
		cl.Produce(context.Background(), &kgo.Record{Key: []byte(e.Key), Value: value, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}}}, nil)
	}
	if err := cl.Flush(waitCtx(w.t)); err != nil {
		w.t.Fatal(err)
	}
}

// processor makes one that copies events from one topic to another, and runs it until the test stops it.
type copying struct {
	w        *where
	reg      *workload.Registry
	in, out  string
	group    string
	protocol string // of the group; "": the default
	onBad    func(ctx context.Context, tx *producer.Tx, m producer.Raw) error
	each     func(ctx context.Context, m producer.Consumed[event]) error
	onEnd    func(err error) // of each message
	messages int
	opts     []producer.Option

	stopWithin time.Duration
}

func (c *copying) processor(id string) *producer.Processor[event] {
	c.w.t.Helper()
	ser, err := serde.NewSerializer(c.reg)
	if err != nil {
		c.w.t.Fatal(err)
	}
	des, err := serde.NewDeserializer[event](c.reg)
	if err != nil {
		c.w.t.Fatal(err)
	}
	out := producer.NewTopic(c.out, producer.KeyBy(byKey))
	p, err := producer.NewProcessor(producer.ProcessorConfig{
		Brokers: c.w.addrs, Group: c.group, TransactionalID: id, Topics: []string{c.in}, OnBad: c.onBad,
		BatchMessages: c.messages, BatchWait: 20 * time.Millisecond, GroupProtocol: c.protocol, StopWithin: c.stopWithin,
	}, des, ser, func(ctx context.Context, tx *producer.Tx, m producer.Consumed[event]) error {
		if c.onEnd != nil {
			tx.OnEnd(c.onEnd)
		}
		if c.each != nil {
			if err := c.each(ctx, m); err != nil {
				return err
			}
		}
		if m.Value == nil {
			return nil
		}
		return out.Add(ctx, tx, m.Value)
	}, c.opts...)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return p
}

func newCopying(w *where, partitions int32) *copying {
	return &copying{w: w, reg: &workload.Registry{}, in: w.topic("in", partitions), out: w.topic("out", partitions), group: newID(w.t)}
}

// run runs a processor until enough says so, or it ends by itself.
func run(t *testing.T, p *producer.Processor[event], enough func() bool) error {
	t.Helper()
	ctx, cancel := context.WithCancel(waitCtx(t))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(50 * time.Millisecond):
			if ctx.Err() != nil {
				t.Error("not enough in time")
			}
			if ctx.Err() != nil || enough() {
				cancel()
				return <-ended
			}
		}
	}
}

// copied is what came of n events in a topic.
type copied struct{ lost, twice, disorder, strange int }

// judge looks for each of n events in a topic, and at the order of each key's.
func (w *where) judge(topic string, n int) (c copied) {
	w.t.Helper()
	seen, last := map[int64]int{}, map[string]int64{}
	for _, e := range w.committed(topic) {
		seen[e.Seq]++
		if l, ok := last[e.Key]; ok && e.Seq < l {
			c.disorder++
		}
		last[e.Key] = e.Seq
	}
	for i := range n {
		if times := seen[int64(i)]; times == 0 {
			c.lost++
		} else {
			c.twice += times - 1
		}
		delete(seen, int64(i))
	}
	c.strange = len(seen)
	return c
}

// exactly checks that a topic holds each of n events once, and each key's in order.
func (w *where) exactly(topic string, n int) {
	w.t.Helper()
	if c := w.judge(topic, n); c != (copied{}) {
		w.t.Errorf("%+v", c)
	}
}

func testLogger(t *testing.T) producer.Option {
	name := "test"
	if t != nil {
		name = t.Name()
	}
	if os.Getenv("AVROLINE_TEST_LOG") == "" {
		return producer.WithLogger(nil)
	}
	return producer.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil)).With("test", name))
}

func TestProcessor(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	c := newCopying(w, 3)
	c.opts = []producer.Option{testLogger(t)}
	w.seed(c.reg, c.in, 3000, nil)
	if err := run(t, c.processor(newID(t)), func() bool { return len(w.committed(c.out)) >= 3000 }); err != nil {
		t.Fatal(err)
	}
	w.exactly(c.out, 3000)

	// It goes on where it was: in smaller batches, and nothing is done again.
	w.seed(c.reg, c.in, 0, nil)
	c.messages = 7
	if err := run(t, c.processor(newID(t)), func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	w.exactly(c.out, 3000)
}

func TestProcessorDeadLetters(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	c := newCopying(w, 2)
	dead := w.topic("dead", 1)
	c.onBad = producer.DeadLetter(dead)
	c.messages = 100
	errOdd := errors.New("thirteen")
	c.each = func(_ context.Context, m producer.Consumed[event]) error {
		if m.Value != nil && m.Value.Seq%100 == 13 {
			return producer.Poison(errOdd)
		}
		return nil
	}
	w.seed(c.reg, c.in, 1000, func(i int) []byte {
		switch {
		case i == 500:
			return []byte("not framed")
		case i == 501:
			return []byte{0, 0, 0, 0, 1, 0xff} // short
		}
		return nil
	})
	if err := run(t, c.processor(newID(t)), func() bool { return len(w.committed(c.out)) >= 988 }); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for r, err := range logread.All(waitCtx(t), w.addrs, dead) {
		if err != nil {
			t.Fatal(err)
		}
		h := map[string]string{}
		for _, header := range r.Headers {
			h[header.Key] = string(header.Value)
		}
		if h[producer.DeadLetterTopic] != c.in || h[producer.DeadLetterOffset] == "" || h[producer.DeadLetterPartition] == "" || string(r.Key) == "" {
			t.Errorf("headers: %v", h)
		}
		if h["n"] == "500" && string(r.Value) != "not framed" {
			t.Errorf("the dead letter is not as it came: %q", r.Value)
		}
		reasons[h["n"]] = h[producer.DeadLetterReason]
	}
	if len(reasons) != 12 || reasons["113"] != "thirteen" || !strings.Contains(reasons["500"], "schema id") {
		t.Errorf("dead letters: %v", reasons)
	}
	if n := len(w.committed(c.out)); n != 988 {
		t.Errorf("%d copied, want 988", n)
	}
}

// stringsAlone is a registry in which the first schema is a string, so that no event decodes.
func stringsAlone(t *testing.T) *workload.Registry {
	r := new(workload.Registry)
	if v, err := r.Register(t.Context(), "", contract.Schema{Text: `"string"`}); v.ID != 1 || err != nil {
		t.Fatal(v.ID, err)
	}
	return r
}

func TestProcessorEnds(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	for name, tc := range map[string]struct {
		change func(c *copying)
		want   error
	}{
		"an error of the function": {func(c *copying) {
			c.each = func(context.Context, producer.Consumed[event]) error { return errAsked }
		}, errAsked},
		"poison that nobody takes": {func(c *copying) {
			c.each = func(context.Context, producer.Consumed[event]) error { return producer.Poison(errAsked) }
		}, errAsked},
		"a message that does not decode": {func(c *copying) { c.reg = stringsAlone(t) }, avrobin.ErrUnreadable},
		"OnBad says no": {func(c *copying) {
			c.reg = stringsAlone(t)
			c.onBad = func(context.Context, *producer.Tx, producer.Raw) error { return errAsked }
		}, errAsked},
		"no such topic": {func(c *copying) { c.in = "no-such-topic" }, producer.ErrUnknownTopic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCopying(w, 1)
			w.seed(c.reg, c.in, 10, nil)
			tc.change(c)
			err := run(t, c.processor(newID(t)), func() bool { return false })
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if n := len(w.committed(c.out)); n != 0 {
				t.Errorf("%d copied", n)
			}
		})
	}
}

func TestProcessorConfigRefused(t *testing.T) {
	t.Parallel()
	ser := newSerializer(t)
	des, err := serde.NewDeserializer[event](&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(context.Context, *producer.Tx, producer.Consumed[event]) error { return nil }
	good := producer.ProcessorConfig{Brokers: []string{"127.0.0.1:1"}, Group: "g", TransactionalID: "t", Topics: []string{"x"}}
	for name, change := range map[string]func(c *producer.ProcessorConfig){
		"Group":           func(c *producer.ProcessorConfig) { c.Group = "" },
		"transactionalID": func(c *producer.ProcessorConfig) { c.TransactionalID = "" },
		"Topics":          func(c *producer.ProcessorConfig) { c.Topics = nil },
		"allowed":         func(c *producer.ProcessorConfig) { c.Topics = []string{"a/b"} },
		"negative":        func(c *producer.ProcessorConfig) { c.BatchMessages = -1 },
		"GroupProtocol":   func(c *producer.ProcessorConfig) { c.GroupProtocol = "share" },
		"broker":          func(c *producer.ProcessorConfig) { c.Brokers = nil },
	} {
		c := good
		change(&c)
		if _, err := producer.NewProcessor(c, des, ser, f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, opt := range map[string]producer.Option{
		"WithRecovery":        producer.WithRecovery(),
		"WithGroupCommit":     producer.WithGroupCommit(1, time.Second),
		"WithWeakAcks":        producer.WithWeakAcks(producer.AcksAll),
		"enable.auto.commit":  producer.WithConfig(map[string]string{"enable.auto.commit": "true"}),
		"isolation.level":     producer.WithConfig(map[string]string{"isolation.level": "read_uncommitted"}),
		"transaction.timeout": producer.WithConfig(map[string]string{"transaction.timeout.ms": "1"}),
	} {
		if _, err := producer.NewProcessor(good, des, ser, f, opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := producer.NewProcessor(good, des, ser, f, producer.WithConfig(map[string]string{"max.poll.interval.ms": "10000"}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Errorf("stopped before it began: %v", err)
	}
}

// Answers of everything that a processor's transaction asks for are lost, and every input has its effect once.
func TestProcessorAnswersLost(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	c := newCopying(w, 3)
	c.messages = 200
	w.seed(c.reg, c.in, 2000, nil)
	lost := w.fake.LoseAnswers(0.05, 7, producertest.Produce, producertest.EndTxn, producertest.TxnOffsetCommit, producertest.AddOffsetsToTxn)
	defer lost.Stop()
	if err := run(t, c.processor(newID(t)), func() bool { return len(w.committed(c.out)) >= 2000 }); err != nil {
		t.Fatal(err)
	}
	w.exactly(c.out, 2000)
	if lost.Hits() == 0 {
		t.Error("no answer was lost")
	}
}

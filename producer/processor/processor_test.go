package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

type event = copytest.Event

// copyJob copies events from one topic to another.
type copyJob struct {
	w        *copytest.KafkaEnv
	reg      *workload.Registry
	reader   serde.Registry // for the deserializer; nil means reg
	in, out  string
	group    string
	protocol string // "" means the default
	onBad    processor.BadHandler
	each     func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error
	messages int
	silent   bool // each message is published outside of the transaction
	opts     []producer.Option
	hooks    []processor.Hooks
}

func newCopyJob(w *copytest.KafkaEnv, partitions int32) *copyJob {
	return &copyJob{w: w, reg: &workload.Registry{}, in: w.Topic("in", partitions), out: w.Topic("out", partitions), group: copytest.NewID(w), messages: 1000}
}

func (c *copyJob) processor(id string) *processor.Processor[event] {
	c.w.Helper()
	var reg serde.Registry = c.reg
	if c.reader != nil {
		reg = c.reader
	}
	des, err := serde.NewDeserializer[event](reg)
	if err != nil {
		c.w.Fatal(err)
	}
	out := producer.NewTopic(c.out, producer.KeyBy(copytest.ByKey))
	opts := []processor.Option{
		processor.WithBatch(c.messages, 1<<20, 20*time.Millisecond), processor.WithGroupProtocol(c.protocol),
		processor.WithProducer(append([]producer.Option{copytest.Logger(c.w)}, c.opts...)...),
	}
	if c.onBad != nil {
		opts = append(opts, processor.WithBadHandler(c.onBad))
	}
	for _, h := range c.hooks {
		opts = append(opts, processor.WithHooks(h))
	}
	p, err := processor.New(c.w.Addrs, id, c.group, []string{c.in}, des, copytest.Serializer(c.w, c.reg),
		func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error {
			if c.each != nil {
				if err := c.each(ctx, tx, m); err != nil {
					return err
				}
			}
			if m.Value == nil || c.silent {
				return nil
			}
			return out.Add(ctx, tx, m.Value)
		}, opts...)
	if err != nil {
		c.w.Fatal(err)
	}
	return p
}

// run runs a processor until enough returns true, or until Run returns.
func run(t *testing.T, p *processor.Processor[event], enough func() bool) error {
	t.Helper()
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
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

// copied returns a function that reports whether n events are in the output.
func (c *copyJob) copied(n int) func() bool {
	return func() bool { return len(c.w.Committed(c.out)) >= n }
}

func TestProcessor(t *testing.T) {
	t.Parallel()
	c := newCopyJob(copytest.Brokers(t), 3)
	c.w.Seed(c.reg, c.in, 3000, nil)
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(3000)); err != nil {
		t.Fatal(err)
	}
	c.w.WantExactlyOnce(c.out, 3000)

	// The second run continues with smaller batches and repeats no message.
	c.messages = 7
	if err := run(t, c.processor(copytest.NewID(t)), func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	c.w.WantExactlyOnce(c.out, 3000)
}

// TestGroupProtocol checks that the default protocol depends on the brokers.
// Kafka 3.9 lists the requests of the protocol "consumer", but does not support
// the protocol.
func TestGroupProtocol(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]*kversion.Versions{"2.8": kversion.V2_8_0(), "3.6": kversion.V3_6_0(), "3.9": kversion.V3_9_0(), "4.0": kversion.V4_0_0()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(version))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			w := &copytest.KafkaEnv{TB: t, Addrs: cluster.ListenAddrs()}
			c := newCopyJob(w, 1)
			w.Seed(c.reg, c.in, 100, nil)
			if err := run(t, c.processor(copytest.NewID(t)), c.copied(100)); err != nil {
				t.Fatal(err)
			}
			w.WantExactlyOnce(c.out, 100)

			// Old brokers do not support "consumer". Run must return an error,
			// because a member of such a group would receive nothing.
			c.protocol = "consumer"
			err = run(t, c.processor(copytest.NewID(t)), func() bool { return name == "4.0" })
			if refused := new(producer.ConfigError); errors.As(err, &refused) == (name == "4.0") {
				t.Errorf("WithGroupProtocol(consumer): %v", err)
			}
		})
	}
}

// TestFirstBatch checks who commits the offsets of a new member's first batch.
// The coordinator must know the member, because a coordinator takes the offsets
// of an unnamed member without any check. The coordinator must not refuse the
// member, because then the function would handle every message twice.
func TestFirstBatch(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			w := copytest.Embedded(t)
			c := newCopyJob(w, 3)
			c.protocol = protocol
			w.Seed(c.reg, c.in, 300, nil)
			handled := map[copytest.Event]int{}
			c.each = func(_ context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
				handled[*m.Value]++
				return nil
			}
			unnamed := make(chan string, 100)
			w.Fake.Cluster().ControlKey(int16(kmsg.TxnOffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.Fake.Cluster().KeepControl()
				if r := r.(*kmsg.TxnOffsetCommitRequest); r.MemberID == "" || r.Generation < 0 {
					unnamed <- fmt.Sprintf("member %q, generation %d", r.MemberID, r.Generation)
				}
				return nil, nil, false
			})
			if err := run(t, c.processor(copytest.NewID(t)), c.copied(300)); err != nil {
				t.Fatal(err)
			}
			w.WantExactlyOnce(c.out, 300)
			for e, n := range handled {
				if n != 1 {
					t.Fatalf("event %d was handled %d times", e.Seq, n)
				}
			}
			select {
			case u := <-unnamed:
				t.Errorf("offsets committed by %s", u)
			default:
			}
		})
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 2)
	dead := w.Topic("dead", 1)
	c.onBad = processor.DeadLetter(dead)
	c.messages = 100
	errOdd := errors.New("thirteen")
	c.each = func(_ context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
		if m.Value != nil && m.Value.Seq%100 == 13 {
			return processor.Poison(errOdd)
		}
		return nil
	}
	w.Seed(c.reg, c.in, 1000, func(i int) []byte {
		switch {
		case i == 500:
			return []byte("not framed")
		case i == 501:
			return []byte{0, 0, 0, 0, 1, 0xff} // too short for an event
		}
		return nil
	})
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(988)); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, r := range w.Records(dead) {
		h := map[string]string{}
		for _, header := range r.Headers {
			h[header.Key] = string(header.Value)
		}
		if h[processor.DeadLetterTopic] != c.in || h[processor.DeadLetterOffset] == "" || h[processor.DeadLetterPartition] == "" || string(r.Key) == "" {
			t.Errorf("headers: %v", h)
		}
		if h["n"] == "500" && string(r.Value) != "not framed" {
			t.Errorf("the dead letter is not as it came: %q", r.Value)
		}
		reasons[h["n"]] = h[processor.DeadLetterReason]
	}
	if len(reasons) != 12 || reasons["113"] != "thirteen" || !strings.Contains(reasons["500"], "schema id") {
		t.Errorf("dead letters: %v", reasons)
	}
	if n := len(w.Committed(c.out)); n != 988 {
		t.Errorf("%d copied, want 988", n)
	}
}

// TestAllPoisoned refuses every message of a batch. The dead letters of the
// batch are written once, and not again for each poisoned message.
func TestAllPoisoned(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 1)
	dead := w.Topic("dead", 1)
	c.onBad = processor.DeadLetter(dead)
	c.each = func(context.Context, *producer.Tx, processor.Consumed[event]) error {
		return processor.Poison(copytest.ErrOnPurpose)
	}
	const n = 200
	w.Seed(c.reg, c.in, n, nil)
	if err := run(t, c.processor(copytest.NewID(t)), func() bool { return w.GroupLag(c.in, c.group) == 0 }); err != nil {
		t.Fatal(err)
	}
	letters := w.Records(dead)
	if len(letters) != n {
		t.Errorf("%d dead letters, want %d", len(letters), n)
	}
	if last := letters[len(letters)-1].Offset; last > 5*n {
		t.Errorf("the topic has %d records, most of aborted transactions", last)
	}
}

// TestDeadLetterAgain reads a dead letter that fails again. The headers of the
// new dead letter replace the headers of the old dead letter. The topic of the
// dead letters cannot be the input.
func TestDeadLetterAgain(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 1)
	c.each = func(context.Context, *producer.Tx, processor.Consumed[event]) error {
		return processor.Poison(copytest.ErrOnPurpose)
	}
	w.Seed(c.reg, c.in, 1, nil)
	for range 2 {
		dead := w.Topic("dead", 1)
		c.onBad, c.group = processor.DeadLetter(dead), copytest.NewID(t)
		if err := run(t, c.processor(c.group), func() bool { return len(w.Records(dead)) > 0 }); err != nil {
			t.Fatal(err)
		}
		letters := w.Records(dead)
		if len(letters) != 1 || len(letters[0].Headers) != 6 { // the header of Seed, and five of DeadLetter
			t.Fatalf("the dead letters: %+v", letters)
		}
		if h := letters[0].Headers[2]; h.Key != processor.DeadLetterTopic || string(h.Value) != c.in {
			t.Errorf("the topic of the dead letter: %+v, want %s", h, c.in)
		}
		c.in = dead
	}
	for _, bad := range []processor.BadHandler{
		processor.DeadLetter(c.in),
		func(context.Context, *producer.Tx, processor.Raw) error {
			return processor.Poison(copytest.ErrOnPurpose)
		},
	} {
		c.onBad, c.group = bad, copytest.NewID(t)
		ends := time.Now().Add(10 * time.Second)
		if err := run(t, c.processor(c.group), func() bool { return time.Now().After(ends) }); err == nil || !strings.Contains(err.Error(), "bad handler: ") {
			t.Errorf("a message without end: %v", err)
		}
	}
}

// encrypted is a registry whose schemas have an encryption rule.
type encrypted struct{ *workload.Registry }

func (r encrypted) SchemaByID(ctx context.Context, subject string, id int) (contract.Version, error) {
	v, err := r.Registry.SchemaByID(ctx, subject, id)
	v.RuleSet = &contract.RuleSet{DomainRules: []contract.Rule{{Name: "pii", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"}}}}
	return v, err
}

// TestRuleWithoutExecutor checks that the processor stops if the program lacks
// the executor of a rule. The messages are not bad, so no message goes to the
// dead letters.
func TestRuleWithoutExecutor(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 1)
	dead := w.Topic("dead", 1)
	c.onBad = processor.DeadLetter(dead)
	c.reader = encrypted{c.reg}
	w.Seed(c.reg, c.in, 10, nil)
	err := run(t, c.processor(copytest.NewID(t)), func() bool { return len(w.Committed(dead)) > 0 })
	var rule *serde.RuleError
	if !errors.As(err, &rule) || rule.Type != "ENCRYPT" {
		t.Errorf("Run returned %v, want a RuleError", err)
	}
	if n := len(w.Committed(dead)) + len(w.Committed(c.out)); n != 0 {
		t.Errorf("%d messages were committed", n)
	}
}

// TestRefusedResult publishes a result that is too large for its topic. Only
// the message with this result goes to the bad handler. The other messages are
// copied.
func TestRefusedResult(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	c := newCopyJob(w, 1)
	c.out = w.Topic("small", 1, "max.message.bytes", "2000")
	dead := w.Topic("dead", 1)
	c.onBad = processor.DeadLetter(dead)
	c.each = func(_ context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
		if m.Value.Seq == 42 {
			m.Value.Pad = strings.Repeat("x", 3000)
		}
		return nil
	}
	w.Seed(c.reg, c.in, 100, nil)
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(99)); err != nil {
		t.Fatal(err)
	}
	letters := w.Records(dead)
	if len(letters) != 1 || w.Decode(letters[0].Value).Seq != 42 {
		t.Errorf("%d dead letters", len(letters))
	}
	if n := len(w.Committed(c.out)); n != 99 {
		t.Errorf("%d copied, want 99", n)
	}
}

// TestFullBuffer fills the producer's buffer, because the partition of the
// results has no leader. The messages are correct, so the processor handles the
// batch again, and no message goes to the bad handler.
func TestFullBuffer(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	c := newCopyJob(w, 1)
	c.silent = true // each calls Add
	c.opts = []producer.Option{producer.WithMaxInFlight(5, 1<<20), producer.WithMaxBlock(200 * time.Millisecond)}
	c.onBad = func(_ context.Context, _ *producer.Tx, m processor.Raw) error {
		t.Errorf("a bad message: %v", m.Err)
		return nil
	}
	leaderless := w.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: c.out, Err: kerr.NotLeaderForPartition, Count: -1})
	var heal sync.Once
	out := producer.NewTopic(c.out, producer.KeyBy(copytest.ByKey))
	c.each = func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error {
		err := out.Add(ctx, tx, m.Value)
		if errors.Is(err, producer.ErrWouldBlock) {
			heal.Do(leaderless.Remove)
		}
		return err
	}
	const n = 30
	w.Seed(c.reg, c.in, n, nil)
	if err := run(t, c.processor(copytest.NewID(t)), func() bool { return t.Failed() || c.copied(n)() }); err != nil {
		t.Fatal(err)
	}
	w.WantExactlyOnce(c.out, n)
}

// stringsOnly returns a registry in which the first schema is a string. So no
// event decodes.
func stringsOnly(t *testing.T) *workload.Registry {
	r := new(workload.Registry)
	if v, err := r.Register(t.Context(), "", contract.Schema{Text: `"string"`}); v.ID != 1 || err != nil {
		t.Fatal(v, err)
	}
	return r
}

func TestPermanentErrorsEndTheRun(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	for name, tc := range map[string]struct {
		change func(c *copyJob)
		want   error
	}{
		"an error of the function": {func(c *copyJob) {
			c.each = func(context.Context, *producer.Tx, processor.Consumed[event]) error { return copytest.ErrOnPurpose }
		}, copytest.ErrOnPurpose},
		"poison that nobody takes": {func(c *copyJob) {
			c.each = func(context.Context, *producer.Tx, processor.Consumed[event]) error {
				return processor.Poison(copytest.ErrOnPurpose)
			}
		}, copytest.ErrOnPurpose},
		"a message that does not decode": {func(c *copyJob) { c.reg = stringsOnly(t) }, avrobin.ErrUnreadable},
		"the bad handler says no": {func(c *copyJob) {
			c.reg = stringsOnly(t)
			c.onBad = func(context.Context, *producer.Tx, processor.Raw) error { return copytest.ErrOnPurpose }
		}, copytest.ErrOnPurpose},
		"no such topic to read": {func(c *copyJob) { c.in = "no-such-topic" }, producer.ErrUnknownTopic},
		"no such topic to write": {func(c *copyJob) {
			c.out = "no-such-topic"
			c.onBad = func(context.Context, *producer.Tx, processor.Raw) error { return nil } // must not be called, because the message is correct
		}, producer.ErrUnknownTopic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCopyJob(w, 1)
			w.Seed(c.reg, c.in, 10, nil)
			out := c.out
			tc.change(c)
			p := c.processor(copytest.NewID(t))
			err := run(t, p, func() bool { return false })
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if h := p.Health(); h.Ready || !errors.Is(h.Reason, tc.want) {
				t.Errorf("the health does not say why: %+v", h)
			}
			if n := len(w.Committed(out)); n != 0 {
				t.Errorf("%d copied", n)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	ser := copytest.Serializer(t, &workload.Registry{})
	des, err := serde.NewDeserializer[event](&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(context.Context, *producer.Tx, processor.Consumed[event]) error { return nil }
	type args struct {
		brokers   []string
		id, group string
		topics    []string
		opts      []processor.Option
	}
	good := args{[]string{"127.0.0.1:1"}, "t", "g", []string{"x"}, nil}
	with := func(o producer.Option) func(a *args) {
		return func(a *args) { a.opts = []processor.Option{processor.WithProducer(o)} }
	}
	for name, change := range map[string]func(a *args){
		"group":               func(a *args) { a.group = "" },
		"transactionalID":     func(a *args) { a.id = "" },
		"topics":              func(a *args) { a.topics = nil },
		"allowed":             func(a *args) { a.topics = []string{"a/b"} },
		"WithBatch":           func(a *args) { a.opts = []processor.Option{processor.WithBatch(0, 1, 0)} },
		"WithBadHandler":      func(a *args) { a.opts = []processor.Option{processor.WithBadHandler(nil)} },
		"WithGroupProtocol":   func(a *args) { a.opts = []processor.Option{processor.WithGroupProtocol("share")} },
		"broker":              func(a *args) { a.brokers = nil },
		"WithoutRecovery":     with(producer.WithoutRecovery()),
		"WithGroupCommit":     with(producer.WithGroupCommit(1, time.Second)),
		"WithWeakAcks":        with(producer.WithWeakAcks(producer.AcksAll)),
		"enable.auto.commit":  with(producer.WithConfig(map[string]string{"enable.auto.commit": "true"})),
		"isolation.level":     with(producer.WithConfig(map[string]string{"isolation.level": "read_uncommitted"})),
		"transaction.timeout": with(producer.WithConfig(map[string]string{"transaction.timeout.ms": "1"})),
	} {
		a := good
		change(&a)
		if _, err := processor.New(a.brokers, a.id, a.group, a.topics, des, ser, f, a.opts...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := processor.New(good.brokers, "t", "g", good.topics, des, ser, f, processor.WithProducer(producer.WithConfig(map[string]string{"max.poll.interval.ms": "10000"})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Errorf("stopped before it began: %v", err)
	}
}

// TestNothingCommittedAfterTheContext lets the function return nil after the
// context of Run has ended. The batch must not become visible.
func TestNothingCommittedAfterTheContext(t *testing.T) {
	t.Parallel()
	c := newCopyJob(copytest.Brokers(t), 1)
	c.w.Seed(c.reg, c.in, 10, nil)
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	defer cancel()
	c.each = func(_ context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
		if m.Value.Seq == 5 {
			cancel()
		}
		return nil
	}
	if err := c.processor(copytest.NewID(t)).Run(ctx); err != nil {
		t.Error(err)
	}
	if n := len(c.w.Committed(c.out)); n != 0 {
		t.Errorf("%d copied after the end", n)
	}
	c.each = nil
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(10)); err != nil {
		t.Error(err)
	}
	c.w.WantExactlyOnce(c.out, 10)
}

// TestAnswersLost loses answers to all requests of a processor's transaction.
// Every message must have its effect once.
func TestAnswersLost(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	c := newCopyJob(w, 3)
	c.messages = 200
	w.Seed(c.reg, c.in, 2000, nil)
	lost := w.Fake.LoseAnswers(0.05, 7, producertest.Produce, producertest.EndTxn, producertest.TxnOffsetCommit, producertest.AddOffsetsToTxn)
	defer lost.Stop()
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(2000)); err != nil {
		t.Fatal(err)
	}
	w.WantExactlyOnce(c.out, 2000)
	if lost.Hits() == 0 {
		t.Error("no answer was lost")
	}
}

// TestInDoubt lets commits end in doubt. The start of the next client decides
// the transaction. The group's offsets then show the outcome. After a commit,
// the processor continues behind the batch. After an abort, the processor reads
// the batch again.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	c := newCopyJob(w, 3)
	c.messages = 50
	const n = 2000
	w.Seed(c.reg, c.in, n, nil)
	over := copytest.InDoubt(copytest.Ctx(t), w.Fake)
	var ends copytest.TxCounts
	c.each = func(_ context.Context, tx *producer.Tx, _ processor.Consumed[event]) error {
		tx.OnEnd(ends.Count)
		return nil
	}
	p := c.processor(copytest.NewID(t))
	if err := run(t, p, func() bool {
		select {
		case <-over:
			return len(w.Committed(c.out)) >= n
		default:
			return false
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.WantExactlyOnce(c.out, n)
	if s := p.Stats(); s.Delivered != n || s.Unknown != 0 || s.NotSent == 0 || s.InFlight != 0 {
		t.Errorf("the doubts are over, and the counts are %+v", s)
	}
	if ends.Committed != n || ends.NotSent == 0 || ends.Unknown != 0 {
		t.Errorf("OnEnd told %+v, want %d committed", ends, n)
	}
}

// TestStoppedInDoubt ends runs before the answer to a commit arrives. If the
// commit has succeeded, the next run continues behind the committed messages.
func TestStoppedInDoubt(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	c := newCopyJob(w, 3)
	c.messages = 50
	const n = 1000
	w.Seed(c.reg, c.in, n, nil)
	id := copytest.NewID(t)
	for range 4 {
		lost := w.Fake.LoseAnswers(1, 1, producertest.EndTxn)
		if err := run(t, c.processor(id), func() bool { return lost.Hits() > 0 }); err != nil {
			t.Fatal(err)
		}
		lost.Stop()
	}
	if err := run(t, c.processor(id), c.copied(n)); err != nil {
		t.Fatal(err)
	}
	w.WantExactlyOnce(c.out, n)
}

// TestSlowFunction checks that Run continues if a function holds a transaction
// longer than the transaction timeout.
func TestSlowFunction(t *testing.T) {
	t.Parallel()
	c := newCopyJob(copytest.Brokers(t), 1)
	c.opts = []producer.Option{producer.WithTransactionTimeout(time.Second)}
	c.w.Seed(c.reg, c.in, 200, nil)
	slept := 0
	c.each = func(ctx context.Context, _ *producer.Tx, m processor.Consumed[event]) error {
		if m.Value.Seq == 20 && slept < 2 {
			slept++
			copytest.WaitFor(ctx, 2500*time.Millisecond) // like a frozen process
		}
		return nil
	}
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(200)); err != nil {
		t.Fatal(err)
	}
	c.w.WantExactlyOnce(c.out, 200)
	if slept != 2 {
		t.Errorf("slept %d times", slept)
	}
}

// TestRefusedByBroker lets a broker refuse the result of one message because of
// its content. The processor finds the message, and the bad handler gets the
// message. The other messages are copied.
func TestRefusedByBroker(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	c := newCopyJob(w, 1)
	dead := w.Topic("dead", 1)
	c.onBad = processor.DeadLetter(dead)
	c.out = w.Topic("out", 3)
	out := producer.NewTopic(c.out, producer.KeyBy(copytest.ByKey))
	c.each = func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error {
		to := producer.ToPartition(0)
		if m.Value.Seq == 42 {
			to = producer.ToPartition(2)
		}
		return out.AddMessage(ctx, tx, producer.Message[*event]{Value: m.Value, Partition: to})
	}
	c.silent = true
	w.Seed(c.reg, c.in, 200, nil)
	w.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{2}, Err: kerr.InvalidTimestamp, Count: -1})
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(199)); err != nil {
		t.Fatal(err)
	}
	letters := w.Records(dead)
	if len(letters) != 1 || w.Decode(letters[0].Value).Seq != 42 {
		t.Errorf("%d dead letters", len(letters))
	}
	if n := len(w.Committed(c.out)); n != 199 {
		t.Errorf("%d copied, want 199", n)
	}

	// Without a handler, the error names the message.
	c.onBad, c.group = nil, copytest.NewID(t)
	if err := run(t, c.processor(copytest.NewID(t)), func() bool { return false }); err == nil || !strings.Contains(err.Error(), "@42") {
		t.Errorf("no handler: %v", err)
	}
}

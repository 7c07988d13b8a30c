// Package transporttest is the conformance suite for transports. The engine
// relies on these properties with every client library.
//
// The test of each transport calls [Run]. The suite runs on the broker in
// process (producertest). With AVROLINE_TEST_BROKERS, the tests without an
// injected fault also run on the brokers of the variable.
package transporttest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// Library is a transport under test.
type Library struct {
	Open func(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error)
	// NamesGuilty says that the library reports the record that the broker
	// refused.
	NamesGuilty bool
	// RefusalIsFatal says that a refused batch ends the client (Fatal). The
	// next client then sends the messages that are certainly not written.
	RefusalIsFatal bool
	// NoFailureDetails says that the library reports nothing about a failed
	// message. Every failure is then possibly persisted.
	NoFailureDetails bool
	// NothingUncertainExpires says that a message with a delivery timeout does
	// not expire if the message may be in the log.
	NothingUncertainExpires bool
	// LingersInFlush says that messages wait for linger.ms in a flush too.
	LingersInFlush bool
	// NoTimestampZero says that the library refuses the timestamp 0.
	NoTimestampZero bool
}

// Run runs the whole suite.
func Run(t *testing.T, lib Library) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, Library)
	}{
		{"outcomes", testOutcomes},
		{"faults", testFaults},
		{"expiry", testExpiry},
		{"refused", testRefused},
		{"transactions", testTransactions},
		{"security", testSecurity},
		{"partitions", testPartitions},
		{"flush", testFlush},
		{"close", testClose},
		{"topics", testTopics},
		{"brokers", testBrokers},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, lib)
		})
	}
}

// wait limits every wait of the suite.
const wait = 2 * time.Minute

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

// brokers are the brokers of a test, in process or real.
type brokers struct {
	name   string
	addrs  []string
	prefix string // of topic names
	inside *producertest.Broker
}

// topic returns a topic name with the prefix of the test.
func (b brokers) topic(name string) string { return b.prefix + name }

// create makes a topic.
func (b brokers) create(t *testing.T, name string, partitions int32, config map[string]string) string {
	t.Helper()
	name = b.topic(name)
	adm := b.admin(t)
	settings := map[string]*string{}
	for k, v := range config {
		settings[k] = &v
	}
	if _, err := adm.CreateTopic(deadline(t), partitions, -1, settings, name); err != nil {
		t.Fatal(err)
	}
	b.waitForTopic(t, name)
	return name
}

// waitForTopic waits until every broker knows the topic and its leaders.
func (b brokers) waitForTopic(t *testing.T, topic string) {
	t.Helper()
	ctx := deadline(t)
	for _, addr := range b.addrs {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic); err != nil || ends.Error() != nil || len(ends) == 0; {
			if ctx.Err() != nil {
				t.Fatalf("broker %s does not know topic %s: %v", addr, topic, err)
			}
			time.Sleep(50 * time.Millisecond)
			ends, err = kadm.NewClient(cl).ListEndOffsets(ctx, topic)
		}
	}
}

func (b brokers) admin(t *testing.T) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

// read returns the messages that a read_committed consumer can see. A commit
// returns before the brokers have ended the transaction in every partition.
// Therefore read first waits until no transaction is open.
func (b brokers) read(t *testing.T, topic string) []*kgo.Record {
	t.Helper()
	adm, ctx := b.admin(t), deadline(t)
	for {
		ends, err := adm.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		stable, err := adm.ListCommittedOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		open := false
		ends.Each(func(end kadm.ListedOffset) {
			committed, _ := stable.Lookup(end.Topic, end.Partition)
			open = open || committed.Offset < end.Offset
		})
		if !open {
			break
		}
	}
	var all []*kgo.Record
	for r, err := range logread.All(deadline(t), b.addrs, topic) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// onAllBrokers runs a test on the broker in process and on the real brokers.
func onAllBrokers(t *testing.T, f func(t *testing.T, b brokers)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		f(t, embedded(t))
	})
	if addrs := os.Getenv("AVROLINE_TEST_BROKERS"); addrs != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			f(t, brokers{"real", strings.Split(addrs, ","), "transport-" + uuid.NewString()[:8] + "-", nil})
		})
	}
}

func embedded(t *testing.T, opts ...producertest.Option) brokers {
	t.Helper()
	b := producertest.Start(t, opts...)
	return brokers{"embedded", b.Addrs(), "", b}
}

// config makes the settings of a client.
func config(t *testing.T, addrs []string, transactionalID string, opts ...settings.Option) *settings.Config {
	t.Helper()
	purpose := settings.ForProducer
	if transactionalID != "" {
		purpose = settings.ForTransactional
	}
	c, err := settings.New(purpose, addrs, transactionalID, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// set returns an option that changes a field.
func set(f func(c *settings.Config)) settings.Option { return settings.Set("test", f) }

// recorder is a handler that keeps every report.
type recorder struct {
	mu       sync.Mutex
	changed  chan struct{}
	outcomes map[transport.Token]transport.Outcome
	order    map[int32][]transport.Token // by partition
	twice    []transport.Token
	trouble  []*transport.Error
	fatal    []*transport.Error
	late     int // outcomes after close
	closed   bool
	// held makes send queue the messages, like the engine after a refused
	// message that the engine may send again.
	held bool
	kept []transport.Token
}

func newRecorder() *recorder {
	return &recorder{
		changed:  make(chan struct{}, 1),
		outcomes: map[transport.Token]transport.Outcome{}, order: map[int32][]transport.Token{},
	}
}

func (r *recorder) note(f func()) {
	r.mu.Lock()
	f()
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Outcomes implements [transport.Handler].
func (r *recorder) Outcomes(outcomes []transport.Outcome) {
	r.note(func() {
		for o := range Single(outcomes) {
			if _, ok := r.outcomes[o.Token]; ok {
				r.twice = append(r.twice, o.Token)
			}
			if r.closed {
				r.late++
			}
			r.outcomes[o.Token] = o
			r.held = r.held || o.Persistence == transport.NotPersisted
			r.order[o.Partition] = append(r.order[o.Partition], o.Token)
		}
	})
}

// Single yields an outcome for each message.
func Single(outcomes []transport.Outcome) iter.Seq[transport.Outcome] {
	return func(yield func(transport.Outcome) bool) {
		for _, o := range outcomes {
			for ; o.More >= 0; o.More-- {
				one := o
				one.More = 0
				if !yield(one) {
					return
				}
				o.Token++
				o.Offset++
			}
		}
	}
}

// Trouble implements [transport.Handler].
func (r *recorder) Trouble(err *transport.Error) {
	r.note(func() { r.trouble = append(r.trouble, err) })
}

// Refused implements [transport.Handler].
func (*recorder) Refused(string, int32, *transport.Error) {}

// Fatal implements [transport.Handler].
func (r *recorder) Fatal(err *transport.Error) { r.note(func() { r.fatal = append(r.fatal, err) }) }

// until waits for a condition, as long as new outcomes come. until checks the
// condition under the recorder's lock.
func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	before := 0
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for {
		r.mu.Lock()
		done, now := ok(), len(r.outcomes)
		r.mu.Unlock()
		if done {
			return
		}
		if now > before { // the machine is slow, and no message is without outcome
			before = now
			patience.Reset(wait)
		}
		select {
		case <-r.changed:
		case <-time.After(20 * time.Millisecond):
		case <-patience.C:
			r.mu.Lock()
			defer r.mu.Unlock()
			shown := 0
			for token, o := range r.outcomes {
				if o.Err != nil && shown < 3 {
					t.Logf("message %d of partition %d: persistence %d, %v", token, o.Partition, o.Persistence, o.Err)
					shown++
				}
			}
			t.Fatalf("waited in vain for %s: %d outcomes, fatal %v, trouble %v (%d in all)",
				what, len(r.outcomes), r.fatal, r.trouble[max(0, len(r.trouble)-3):], len(r.trouble))
		}
	}
}

// all waits for n outcomes.
func (r *recorder) all(t *testing.T, n int) {
	t.Helper()
	r.until(t, fmt.Sprintf("%d outcomes", n), func() bool { return len(r.outcomes) >= n })
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.outcomes) > n || len(r.twice) > 0 {
		t.Fatalf("%d outcomes of %d, twice: %v", len(r.outcomes), n, r.twice)
	}
}

// session is an open client with its recorder.
type session struct {
	*recorder
	client transport.Client
	next   transport.Token
}

func open(t *testing.T, lib Library, c *settings.Config) *session {
	t.Helper()
	r := newRecorder()
	client, err := lib.Open(c, c.BatchBytes, r)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{recorder: r, client: client}
	t.Cleanup(s.close)
	return s
}

// reopen closes the client and opens a new client.
func (s *session) reopen(t *testing.T, lib Library, c *settings.Config) {
	t.Helper()
	s.client.Close()
	client, err := lib.Open(c, c.BatchBytes, s.recorder)
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
}

// ended reports whether the client has ended.
func (s *session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fatal) > 0
}

func (s *session) close() {
	s.client.Close()
	s.note(func() { s.closed = true })
}

// topic returns a topic's handle.
func (s *session) topic(t *testing.T, name string) transport.Topic {
	t.Helper()
	h, err := s.client.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// send produces n messages to each partition in turn. The value of a message is
// its token.
func (s *session) send(t *testing.T, h transport.Topic, partitions int32, n int) (first transport.Token) {
	t.Helper()
	first = s.next + 1
	for range n {
		s.next++
		s.mu.Lock()
		if s.held {
			s.kept = append(s.kept, s.next)
			s.mu.Unlock()
			continue
		}
		err := h.Produce(int32(s.next)%partitions, &transport.Message{Value: value(s.next)}, s.next)
		// A refused batch may be reported before the last message is sent. The
		// client then recovers the partition, or has ended.
		var failed *transport.Error
		if errors.As(err, &failed) && (failed.Code == transport.Recovering || failed.Fatal) {
			s.kept = append(s.kept, s.next)
			s.held, err = true, nil
		}
		s.mu.Unlock()
		if err != nil {
			t.Fatalf("message %d: %v", s.next, err)
		}
	}
	return first
}

func value(token transport.Token) []byte { return fmt.Appendf(nil, "message %d", token) }

// compareWithLog compares the outcomes with the log:
//
//   - a persisted message is in the log once, at its offset and with its
//     timestamp,
//   - a message that is not persisted is not in the log,
//   - every other message is in the log at most once.
//
// The messages of a partition have the order of their tokens.
func (s *session) compareWithLog(t *testing.T, log []*kgo.Record) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[transport.Token]*kgo.Record{}
	last := map[int32]transport.Token{}
	for _, r := range log {
		var token transport.Token
		if _, err := fmt.Sscanf(string(r.Value), "message %d", &token); err != nil {
			t.Fatalf("the log holds %q", r.Value)
		}
		if found[token] != nil {
			t.Errorf("message %d is there twice: offsets %d and %d of partition %d", token, found[token].Offset, r.Offset, r.Partition)
		}
		if token <= last[r.Partition] {
			t.Errorf("message %d lies behind %d in partition %d", token, last[r.Partition], r.Partition)
		}
		found[token], last[r.Partition] = r, token
	}
	for token, o := range s.outcomes {
		r := found[token]
		switch o.Persistence {
		case transport.Persisted:
			if o.Err != nil {
				t.Errorf("message %d: persisted, with the error %v", token, o.Err)
			}
			if r == nil {
				t.Errorf("message %d: reported persisted, and lost", token)
			} else if r.Offset != o.Offset || r.Partition != o.Partition {
				t.Errorf("message %d: reported at %d of %d, lies at %d of %d", token, o.Offset, o.Partition, r.Offset, r.Partition)
			} else if reported, want := o.Timestamp, r.Timestamp.UnixMilli(); reported != want {
				t.Errorf("message %d: reported with the time %d, has %d in the log", token, reported, want)
			}
		case transport.NotPersisted:
			if o.Err == nil {
				t.Errorf("message %d: not persisted, without an error", token)
			}
			if r != nil {
				t.Errorf("message %d: reported not persisted (%v), lies at %d of %d", token, o.Err, r.Offset, r.Partition)
			}
			if o.Message != nil && o.Message.Timestamp != o.Timestamp {
				t.Errorf("message %d: reported with the time %d, its copy has %d", token, o.Timestamp, o.Message.Timestamp)
			}
		default:
			if o.Err == nil {
				t.Errorf("message %d: possibly persisted, without an error", token)
			}
		}
	}
	for partition, tokens := range s.order {
		for i := 1; i < len(tokens); i++ {
			a, b := s.outcomes[tokens[i-1]], s.outcomes[tokens[i]]
			if a.Err == nil && b.Err == nil && a.Offset >= b.Offset {
				t.Errorf("partition %d: offset %d is reported before %d", partition, a.Offset, b.Offset)
			}
		}
	}
}

// count returns the number of outcomes with each persistence.
func (s *session) count() (persisted, not, maybe int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outcomes {
		switch o.Persistence {
		case transport.Persisted:
			persisted++
		case transport.NotPersisted:
			not++
		default:
			maybe++
		}
	}
	return persisted, not, maybe
}

// allPersisted reports a test error for each of the n messages that is not
// persisted.
func (s *session) allPersisted(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := 0
	for token, o := range s.outcomes {
		if o.Persistence == transport.Persisted {
			continue
		}
		if failed++; failed <= 3 {
			t.Errorf("message %d of partition %d: persistence %d, %v", token, o.Partition, o.Persistence, o.Err)
		}
	}
	if failed > 0 || len(s.outcomes) != n {
		t.Errorf("%d outcomes of %d, %d failed", len(s.outcomes), n, failed)
	}
}

// code returns the transport code of an error, or 0.
func code(err error) transport.Code {
	var e *transport.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

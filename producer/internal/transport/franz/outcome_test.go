package franz

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// flight is a partition with two batches. A request has the first one.
type flight struct {
	c *client
	h *collector
	p *partition
	r *request
	b *batch
}

func newFlight(t *testing.T, config *settings.Config) *flight {
	t.Helper()
	h := &collector{all: make(chan struct{}), want: -1}
	c := testClient(config, h)
	c.ids.set(9, 0)
	made, err := c.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	events := made.(*topic)
	events.batchBytes.Store(1 << 20)
	events.noteMetadata(&kmsg.MetadataResponseTopic{
		TopicID: [16]byte{1}, Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1, LeaderEpoch: 4}},
	})
	f := &flight{c: c, h: h}
	produce := func(token transport.Token) {
		if err := events.Produce(0, &transport.Message{Value: []byte("v"), HasTimestamp: true, Timestamp: 5}, token); err != nil {
			t.Fatal(err)
		}
	}
	produce(1)
	produce(2)
	f.p = events.at(0)
	f.p.mu.Lock()
	f.p.stage, f.p.due = queued, true
	f.p.mu.Unlock()
	f.takeOff(t)
	produce(3)
	return f
}

// takeOff gives the first batch to a request.
func (f *flight) takeOff(t *testing.T) {
	t.Helper()
	f.p.mu.Lock()
	f.p.stage = queued
	f.p.mu.Unlock()
	f.r, _ = f.c.senders.at(1).request([]*partition{f.p}, mostBytes)
	if len(f.r.batches) != 1 {
		t.Fatal("the partition has no batch for the request")
	}
	f.b = f.r.batches[0]
}

// answer gives the partition a broker's answer.
func (f *flight) answer(a kmsg.ProduceResponseTopicPartition) {
	f.r.begin()
	var to report
	f.p.answered(f.r, f.b, &a, &to)
	to.put(f.c.outbox)
	f.c.outbox.wait()
}

func (f *flight) lose(begun bool) {
	if begun {
		f.r.begin()
	}
	var to report
	f.p.unanswered(f.r, f.b, errors.New("the connection ended"), &to)
	to.put(f.c.outbox)
	f.c.outbox.wait()
}

func answerWith(code *kerr.Error) kmsg.ProduceResponseTopicPartition {
	a := kmsg.NewProduceResponseTopicPartition()
	a.BaseOffset = -1
	if code != nil {
		a.ErrorCode = code.Code
	}
	return a
}

// TestAnswers gives a partition each answer that decides about a batch.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const again transport.Persistence = 99
	idempotent, inTx := settings.Config{}, settings.Config{TransactionalID: "id"}
	weak := settings.Config{WeakAcks: true, Acks: settings.AcksLeader, Retries: 0}
	for name, c := range map[string]struct {
		config  settings.Config
		lost    bool // an earlier attempt had no answer
		code    *kerr.Error
		outcome transport.Persistence // of the first message, or again
		newID   bool                  // the next batch has another producer id
	}{
		"in the log before":              {config: idempotent, lost: true, code: kerr.DuplicateSequenceNumber, outcome: transport.Persisted},
		"not the leader":                 {config: idempotent, code: kerr.NotLeaderForPartition, outcome: again},
		"too few replicas":               {config: idempotent, code: kerr.NotEnoughReplicas, outcome: again},
		"too few replicas, after append": {config: idempotent, code: kerr.NotEnoughReplicasAfterAppend, outcome: again},
		"refused":                        {config: idempotent, code: kerr.MessageTooLarge, outcome: transport.NotPersisted},
		"refused after a lost answer":    {config: idempotent, lost: true, code: kerr.MessageTooLarge, outcome: transport.PossiblyPersisted, newID: true},
		"damaged":                        {config: idempotent, code: kerr.CorruptMessage, outcome: transport.NotPersisted},
		"out of order":                   {config: idempotent, code: kerr.OutOfOrderSequenceNumber, outcome: again, newID: true},
		"out of order after a lost answer": {
			config: idempotent, lost: true, code: kerr.OutOfOrderSequenceNumber, outcome: transport.PossiblyPersisted, newID: true,
		},
		"unknown producer":     {config: idempotent, code: kerr.UnknownProducerID, outcome: again, newID: true},
		"not from the broker":  {config: idempotent, code: kerr.UnknownServerError, outcome: transport.PossiblyPersisted, newID: true},
		"refused in tx":        {config: inTx, code: kerr.InvalidTxnState, outcome: transport.NotPersisted},
		"out of order in tx":   {config: inTx, code: kerr.OutOfOrderSequenceNumber, outcome: transport.NotPersisted},
		"not the leader in tx": {config: inTx, code: kerr.NotLeaderForPartition, outcome: again},
		"no attempts left":     {config: weak, code: kerr.NotEnoughReplicas, outcome: transport.NotPersisted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlight(t, &c.config)
			id := f.c.ids.get()
			if c.lost {
				f.lose(true)
				f.takeOff(t)
			}
			f.answer(answerWith(c.code))
			f.h.Lock()
			defer f.h.Unlock()
			if c.outcome == again {
				if len(f.h.outcomes) > 0 || f.p.front != f.b || f.p.request != nil {
					t.Errorf("outcomes %+v, the batch is not sent again", f.h.outcomes)
				}
			} else {
				if len(f.h.outcomes) < 2 || f.h.outcomes[0].Persistence != c.outcome || f.h.outcomes[1].Persistence != c.outcome {
					t.Errorf("outcomes %+v", f.h.outcomes)
				}
				if refused := c.outcome != transport.Persisted; refused != (len(f.h.outcomes) == 3) {
					t.Errorf("%d outcomes", len(f.h.outcomes))
				} else if refused && f.h.outcomes[2].Persistence != transport.NotPersisted {
					t.Errorf("the message behind: %+v", f.h.outcomes[2])
				}
			}
			if c.config.TransactionalID == "" && (f.c.ids.get() != id) != c.newID {
				t.Errorf("another producer id: %t", f.c.ids.get() != id)
			}
			if c.config.TransactionalID != "" && (f.c.tx.broken.Load() != nil) != (c.outcome != again) {
				t.Errorf("the transaction is broken: %v", f.c.tx.broken.Load())
			}
		})
	}
}

// TestDelivered checks the offsets and the times of delivered messages.
func TestDelivered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens     []transport.Token
		stamps     []int64
		appendTime int64
		reports    int
	}{
		"one report":    {[]transport.Token{1, 2, 3}, []int64{5, 5, 5}, -1, 1},
		"other times":   {[]transport.Token{1, 2, 3}, []int64{5, 6, 6}, -1, 2},
		"other tokens":  {[]transport.Token{7, 8, 3}, []int64{5, 5, 5}, -1, 2},
		"LogAppendTime": {[]transport.Token{1, 2, 3}, []int64{5, 5, 6}, 777, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTestBatch(testClient(&settings.Config{}, nil), nil)
			for i, token := range c.tokens {
				b.add(&transport.Message{}, c.stamps[i], token)
			}
			var to report
			to.delivered(b, 10, c.appendTime, time.Second)
			h := &collector{want: -1}
			h.Outcomes(to.outcomes)
			if h.reports != c.reports || len(h.outcomes) != 3 {
				t.Errorf("%d reports of %d messages, want %d", h.reports, len(h.outcomes), c.reports)
			}
			for i, o := range h.outcomes {
				stamp := c.stamps[i]
				if c.appendTime >= 0 {
					stamp = c.appendTime
				}
				want := transport.Outcome{
					Token: c.tokens[i], Partition: 7, Offset: int64(10 + i), Timestamp: stamp, OnWire: time.Second, Persistence: transport.Persisted,
				}
				if o != want {
					t.Errorf("%+v, want %+v", o, want)
				}
			}
		})
	}
}

// TestNoOffset acknowledges a batch without an offset, which is no delivery.
func TestNoOffset(t *testing.T) {
	t.Parallel()
	f := newFlight(t, &settings.Config{})
	f.answer(answerWith(nil))
	if o := f.h.outcomes[0]; o.Persistence != transport.PossiblyPersisted || o.Err == nil {
		t.Errorf("%+v", o)
	}
}

// TestGuilty refuses a batch because of its second record.
func TestGuilty(t *testing.T) {
	t.Parallel()
	f := newFlight(t, &settings.Config{})
	a, text := answerWith(kerr.InvalidRecord), "the record has no key"
	a.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 1, ErrorMessage: &text}}
	f.answer(a)
	o := f.h.outcomes
	if len(o) != 3 || o[0].Guilty || !o[1].Guilty || o[2].Guilty || convert(o[1].Err).Text != text {
		t.Errorf("%+v", o)
	}
	for i := range o {
		if o[i].Persistence != transport.NotPersisted || o[i].Message == nil || string(o[i].Message.Value) != "v" {
			t.Errorf("message %d: %+v", i, o[i])
		}
	}
}

// TestLostBeforeWrite loses a request that no connection has begun to write.
// The messages are in no log.
func TestLostBeforeWrite(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("begun ", begun), func(t *testing.T) {
			t.Parallel()
			f := newFlight(t, &settings.Config{})
			f.lose(begun)
			f.c.Purge()
			f.c.outbox.wait()
			want := transport.NotPersisted
			if begun {
				want = transport.PossiblyPersisted
			}
			o := f.h.outcomes
			if len(o) != 3 || o[0].Persistence != want || o[1].Persistence != want || o[2].Persistence != transport.NotPersisted {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestPurgeInFlight gives up messages while a request has them. The request is
// not written afterwards, and its answer changes nothing.
func TestPurgeInFlight(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("begun ", begun), func(t *testing.T) {
			t.Parallel()
			f := newFlight(t, &settings.Config{})
			if begun {
				f.r.begin()
			}
			f.c.Purge()
			f.c.outbox.wait()
			want := transport.NotPersisted
			if begun {
				want = transport.PossiblyPersisted
			}
			if o := f.h.outcomes; len(o) != 3 || o[0].Persistence != want || o[2].Persistence != transport.NotPersisted {
				t.Errorf("%+v", o)
			}
			if !begun && (f.r.begin() || len(f.r.AppendTo([]byte{0})) > 1) {
				t.Error("the request is written")
			}
			late := answerWith(nil)
			late.BaseOffset = 1
			f.answer(late)
			if len(f.h.outcomes) != 3 {
				t.Errorf("%d outcomes of 3 messages", len(f.h.outcomes))
			}
			if f.p.active != &idle {
				t.Errorf("the partition is not idle: %+v", f.p.active)
			}
		})
	}
}

// TestRenewedTopic creates a topic again while an answer is missing. The
// message can be in the old log, and is not sent to the new one.
func TestRenewedTopic(t *testing.T) {
	t.Parallel()
	f := newFlight(t, &settings.Config{})
	f.lose(true)
	f.p.topic.noteMetadata(&kmsg.MetadataResponseTopic{
		TopicID: [16]byte{2}, Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1}},
	})
	f.p.mu.Lock()
	f.p.stage = queued
	f.p.mu.Unlock()
	if r, _ := f.c.senders.at(1).request([]*partition{f.p}, mostBytes); len(r.batches) > 0 {
		t.Error("the batch is sent to the new topic")
	}
	f.c.outbox.wait()
	o := f.h.outcomes
	if len(o) != 3 || o[0].Persistence != transport.PossiblyPersisted || o[2].Persistence != transport.NotPersisted {
		t.Errorf("%+v", o)
	}
}

// TestNewLeader gets the leader with a refusal (KIP-951).
func TestNewLeader(t *testing.T) {
	t.Parallel()
	f := newFlight(t, &settings.Config{})
	a := answerWith(kerr.NotLeaderForPartition)
	a.CurrentLeader.LeaderID, a.CurrentLeader.LeaderEpoch = 3, 5
	before := f.c.asked.Load()
	f.answer(a)
	if id, err := f.p.topic.leader(0); id != 3 || err != nil {
		t.Errorf("leader %d, %v", id, err)
	}
	if f.p.fresh > before || len(f.c.senders.at(3).waiting) != 1 {
		t.Error("the partition waits for the leader")
	}
	f.p.topic.noteMetadata(&kmsg.MetadataResponseTopic{ // of a broker that lags behind
		TopicID: [16]byte{1}, Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1, LeaderEpoch: 4}},
	})
	if id, _ := f.p.topic.leader(0); id != 3 {
		t.Errorf("leader %d after old metadata", id)
	}
}

// TestAcksNone checks that a message without an answer has no offset.
func TestAcksNone(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config := testConfig(t, b.Addrs(), "")
	config.WeakAcks, config.Acks, config.InFlightRequests = true, settings.AcksNone, 1
	h := &collector{all: make(chan struct{}), want: 3}
	_, events := openTopic(t, config, config.BatchBytes, h, "events")
	for i := range transport.Token(3) {
		if err := events.Produce(0, &transport.Message{Value: []byte("v")}, i); err != nil {
			t.Fatal(err)
		}
	}
	<-h.all
	for _, o := range h.outcomes {
		if o.Err != nil || o.Offset != -1 {
			t.Errorf("%+v", o)
		}
	}
}

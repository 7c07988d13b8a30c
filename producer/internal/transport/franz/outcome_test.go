package franz

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestRefusalAfterExpiry refuses a batch while an expired batch is in doubt.
// kgo has forgotten the expired batch, so the refusal counts.
func TestRefusalAfterExpiry(t *testing.T) {
	t.Parallel()
	p := &partition{active: new(active), topic: &topic{client: &client{config: &settings.Config{}}}}
	lost, refused := &request{}, &request{}
	expired, _ := p.wrote(lost, batchKey{}, 2)
	expired.lost(lost)
	p.handed, p.someExpired = 4, true
	p.end(2)
	if !p.inDoubt() {
		t.Error("the batch is not in doubt any more")
	}
	p.wrote(refused, batchKey{epoch: 1}, 2)
	p.answered(refused, answer{code: kerr.InvalidRecord.Code})
	if !p.held || p.refusal == nil {
		t.Error("the refusal does not count")
	}
}

// TestRefusalWaitsForGiving answers batches while messages are on the way to
// kgo. A refused batch waits, because kgo would write a message that comes
// after the refusal. Other answers do not wait.
func TestRefusalWaitsForGiving(t *testing.T) {
	t.Parallel()
	p := &partition{active: new(active), topic: &topic{client: &client{config: &settings.Config{}}}}
	acknowledged, refused := &request{}, &request{}
	p.wrote(acknowledged, batchKey{sequence: 0}, 2)
	p.wrote(refused, batchKey{sequence: 2}, 2)
	p.giving.Lock()
	p.answered(acknowledged, answer{})
	noted := make(chan struct{})
	go func() {
		defer close(noted)
		p.answered(refused, answer{code: kerr.InvalidRecord.Code})
	}()
	select {
	case <-noted:
		t.Error("the refusal is noted while messages are on the way")
	case <-time.After(20 * time.Millisecond):
	}
	p.giving.Unlock()
	<-noted
	if !p.held {
		t.Error("the partition takes messages")
	}
}

// TestBatchBehindRefusedBatch answers a batch behind a refused batch before and
// after kgo has reported the messages of the refused batch. The messages behind
// it are certainly not in the log in both cases, unless their batch may have
// been appended. An earlier attempt of the refused batch may be in the log.
// Then the broker may append a batch behind it.
func TestBatchBehindRefusedBatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reported bool // the refused batch, before the answer to the next batch
		doubt    bool // the refused batch may be in the log
		inFlight bool // the next batch
		code     int16
		lost     bool // the next batch has no answer
		want     transport.Persistence
	}{
		"before":             {code: kerr.OutOfOrderSequenceNumber.Code, want: transport.NotPersisted},
		"after":              {reported: true, code: kerr.OutOfOrderSequenceNumber.Code, want: transport.NotPersisted},
		"after, unknown id":  {reported: true, code: kerr.UnknownProducerID.Code, want: transport.NotPersisted},
		"after, maybe":       {reported: true, code: kerr.RequestTimedOut.Code, want: transport.PossiblyPersisted},
		"after, no answer":   {reported: true, lost: true, want: transport.PossiblyPersisted},
		"before, no answer":  {lost: true, want: transport.PossiblyPersisted},
		"before, in the log": {code: 0, want: transport.PossiblyPersisted},
		"in flight":          {inFlight: true, want: transport.NotPersisted},
		"doubt, in flight":   {doubt: true, inFlight: true, want: transport.PossiblyPersisted},
		"doubt, refused":     {doubt: true, code: kerr.OutOfOrderSequenceNumber.Code, want: transport.NotPersisted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &partition{active: new(active), topic: &topic{client: &client{config: &settings.Config{}}}}
			first, second := &request{}, &request{}
			a, _ := p.wrote(first, batchKey{sequence: 0}, 2)
			if c.doubt {
				a.lost(first)
				p.wrote(first, batchKey{sequence: 0}, 2)
			}
			b, _ := p.wrote(second, batchKey{sequence: 2}, 3)
			p.handed = 7 // two messages were never written
			p.answered(first, answer{code: kerr.InvalidRecord.Code})
			if c.reported {
				p.end(1)
				p.end(1)
			}
			switch {
			case c.inFlight:
			case c.lost:
				b.lost(second)
			default:
				p.answered(second, answer{code: c.code})
			}
			for index, want := range map[uint64]transport.Persistence{2: c.want, 4: c.want, 5: transport.NotPersisted, 6: transport.NotPersisted} {
				var o transport.Outcome
				p.explain(&o, index, kerr.InvalidRecord)
				if o.Persistence != want {
					t.Errorf("message %d: persistence %v, want %v: %v", index, o.Persistence, want, o.Err)
				}
			}
		})
	}
}

// TestReportsOfBatch gives the client kgo's reports of a batch of three
// messages. Each message gets its outcome, also if the reports do not continue
// as they began.
func TestReportsOfBatch(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	inOrder := [3]transport.Token{0, 1, 2}
	type report struct {
		offset int64
		err    error
	}
	for name, c := range map[string]struct {
		reports    [3]report
		appendTime int64
		tokens     [3]transport.Token
		times      [3]int64
		outcomes   int // outcomes of the transport
	}{
		"in the log":           {[3]report{{offset: 10}, {offset: 11}, {offset: 12}}, -1, inOrder, [3]int64{5, 5, 5}, 1},
		"other times":          {[3]report{{offset: 10}, {offset: 11}, {offset: 12}}, -1, inOrder, [3]int64{5, 6, 6}, 2},
		"other tokens":         {[3]report{{offset: 10}, {offset: 11}, {offset: 12}}, -1, [3]transport.Token{7, 8, 3}, [3]int64{5, 5, 5}, 2},
		"LogAppendTime":        {[3]report{{offset: 10}, {offset: 11}, {offset: 12}}, 777, inOrder, [3]int64{5, 6, 7}, 1},
		"the last one fails":   {[3]report{{offset: 10}, {offset: 11}, {err: failed}}, -1, inOrder, [3]int64{5, 5, 5}, 2},
		"the second one fails": {[3]report{{offset: 10}, {err: failed}, {offset: 12}}, -1, inOrder, [3]int64{5, 5, 5}, 3},
		"the offsets jump":     {[3]report{{offset: 10}, {offset: 20}, {offset: 21}}, -1, inOrder, [3]int64{5, 5, 5}, 3},
		"all fail":             {[3]report{{err: failed}, {err: failed}, {err: failed}}, -1, inOrder, [3]int64{5, 5, 5}, 3},
		"no offsets":           {[3]report{{offset: -1}, {offset: -1}, {offset: -1}}, -1, inOrder, [3]int64{5, 5, 5}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &collector{all: make(chan struct{}), want: 3}
			k := &client{config: &settings.Config{TransactionalID: "id"}, handler: h} // with an id, a failure does not end the client
			k.outbox = newOutbox(h)
			p := &partition{active: &active{handed: 3}, topic: &topic{client: k}}
			b, _ := p.wrote(&request{}, batchKey{}, 3)
			p.answered(b.request, answer{offset: 10, appendTime: c.appendTime})
			for i, report := range c.reports {
				r := k.chunks.copy(&transport.Message{Value: []byte("v")}, 1)
				r.part, r.token, r.index, r.Timestamp = p, c.tokens[i], uint64(i), time.UnixMilli(c.times[i])
				r.Offset = report.offset
				k.handlePromise(&r.Record, report.err)
			}
			k.outbox.close()
			if p.active != &idle || k.run.batch != nil {
				t.Errorf("%d messages ended, %d batches, a run %t", p.ended, len(p.batches), k.run.batch != nil)
			}
			for i, o := range h.outcomes {
				report, stamp := c.reports[i], c.times[i]
				persisted := report.err == nil && report.offset >= 0
				if persisted && c.appendTime >= 0 {
					stamp = c.appendTime
				}
				if o.Token != c.tokens[i] || (o.Persistence == transport.Persisted) != persisted || persisted && o.Offset != report.offset || o.Timestamp != stamp {
					t.Errorf("message %d: %+v", i, o)
				}
			}
			if len(h.outcomes) != 3 || h.reports != c.outcomes {
				t.Errorf("%d outcomes of %d messages, want %d", h.reports, len(h.outcomes), c.outcomes)
			}
		})
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

// TestSecondSequence answers a batch in doubt with a code after which kgo
// begins a new sequence, although kgo began one for the same messages before.
// kgo must not write the messages once more.
func TestSecondSequence(t *testing.T) {
	t.Parallel()
	p := &partition{active: new(active), topic: &topic{client: &client{config: &settings.Config{}}}}
	p.handed = 2
	refused, lost, last := &request{}, &request{}, &request{}
	p.wrote(refused, batchKey{epoch: 0, sequence: 7}, 2)
	if code := p.answered(refused, answer{code: kerr.OutOfOrderSequenceNumber.Code}); code != kerr.OutOfOrderSequenceNumber.Code {
		t.Fatalf("the batch is not in the log, and kgo gets the code %d", code)
	}
	again, _ := p.wrote(lost, batchKey{epoch: 1}, 2)
	again.lost(lost)
	p.wrote(last, batchKey{epoch: 1}, 2)
	if code := p.answered(last, answer{code: kerr.UnknownProducerID.Code}); code != kerr.InvalidRecord.Code || p.refusal == nil {
		t.Errorf("kgo gets the code %d and writes the batch a second time", code)
	}
}

// TestAcknowledgedEarly acknowledges a batch before the batch in front of it.
// kgo takes no notice, sends the batch again, and must not let the batch expire
// after the next answer.
func TestAcknowledgedEarly(t *testing.T) {
	t.Parallel()
	c := &client{config: &settings.Config{}}
	c.expiry.after = time.Second
	p := &partition{active: new(active), topic: &topic{client: c}}
	first, second, again := &request{}, &request{}, &request{}
	p.wrote(first, batchKey{sequence: 0}, 2)
	p.wrote(second, batchKey{sequence: 2}, 2)
	p.answered(first, answer{code: kerr.NotEnoughReplicas.Code})
	p.answered(second, answer{})
	p.wrote(again, batchKey{sequence: 2}, 2)
	if code := p.answered(again, answer{code: kerr.NotEnoughReplicas.Code}); code != kerr.NotEnoughReplicasAfterAppend.Code {
		t.Errorf("kgo gets the code %d and may let the batch expire", code)
	}
}

// TestWrittenTwice writes a batch again before the client has noted that the
// first attempt got no answer. The first attempt may be in the log.
func TestWrittenTwice(t *testing.T) {
	t.Parallel()
	p := &partition{active: new(active), topic: &topic{client: &client{config: &settings.Config{}}}}
	first, second := &request{}, &request{}
	b, _ := p.wrote(first, batchKey{}, 2)
	p.wrote(second, batchKey{}, 2)
	b.lost(first)
	p.answered(second, answer{code: kerr.TopicAuthorizationFailed.Code})
	var o transport.Outcome
	if p.explain(&o, 0, kerr.TopicAuthorizationFailed); o.Persistence != transport.PossiblyPersisted {
		t.Errorf("persistence %v: %v", o.Persistence, o.Err)
	}
}

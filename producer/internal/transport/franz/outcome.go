package franz

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// report collects outcomes for the outbox, and what follows.
type report struct {
	outcomes []transport.Outcome
	parts    []*partition // go on
	held     []*partition // go on after the handler has the outcomes
	ended    []*batch     // are free
}

// delivered adds the outcomes of a batch that is in the log.
func (to *report) delivered(b *batch, offset, appendTime int64, onWire time.Duration) {
	o := transport.Outcome{Partition: b.part.number, Persistence: transport.Persisted, OnWire: onWire}
	for _, r := range b.runs {
		o.Token, o.More, o.Offset, o.Timestamp = r.token, r.count-1, offset, r.stamp
		if appendTime >= 0 {
			o.Timestamp = appendTime
		}
		if offset >= 0 {
			to.outcomes = append(to.outcomes, o)
			offset += int64(r.count)
			continue
		}
		for o.More = 0; o.Token < r.token+transport.Token(r.count); o.Token++ { // offsets of a run rise
			to.outcomes = append(to.outcomes, o)
		}
	}
}

// failed adds the outcomes of a failed batch. guilty has the texts of the
// records that the broker named, by their index. maybe says that the batch may
// be in the log.
func (to *report) failed(b *batch, err *transport.Error, guilty map[int]string, maybe bool) {
	b.messages(func(index int, token transport.Token, m *transport.Message) {
		o := transport.Outcome{Token: token, Partition: b.part.number, Offset: -1, Timestamp: m.Timestamp, Err: err}
		if !maybe {
			o.Persistence, o.Message = transport.NotPersisted, m
		}
		switch text, ok := guilty[index]; {
		case ok:
			o.Guilty = true
			if text != "" {
				o.Err = &transport.Error{Code: err.Code, Text: text, Err: err}
			}
		case len(guilty) > 0:
			o.Err = gaveUpError("another record of the batch was refused: " + err.Error())
		}
		to.outcomes = append(to.outcomes, o)
	})
}

// put puts the outcomes into the outbox, and lets the partitions go on. The
// caller holds no lock. A partition goes on last, so that the outcomes of its
// next batch come later.
func (to *report) put(o *outbox) {
	o.put(to)
	for _, p := range to.parts {
		p.goOn()
	}
	for _, b := range to.ended {
		b.free()
	}
	clear(to.outcomes)
	clear(to.parts)
	clear(to.held)
	clear(to.ended)
	*to = report{outcomes: to.outcomes[:0], parts: to.parts[:0], held: to.held[:0], ended: to.ended[:0]}
	if cap(to.outcomes) > keptOutcomes {
		to.outcomes = nil
	}
}

// outbox passes outcomes to the handler, in their order, on a goroutine of its
// own. So the next request does not wait for the handler.
type outbox struct {
	handler transport.Handler

	mu     sync.Mutex
	filled sync.Cond // there is work, or the outbox closes
	idle   sync.Cond // there is no work
	next   []transport.Outcome
	held   []*partition // go on after the handler has returned from next
	busy   bool
	closed bool
	done   chan struct{}
}

// keptOutcomes is the length of the longest list that is kept while there are
// no outcomes.
const keptOutcomes = 1024

func newOutbox(h transport.Handler) *outbox {
	o := &outbox{handler: h, done: make(chan struct{})}
	o.filled.L, o.idle.L = &o.mu, &o.mu
	go o.run()
	return o
}

func (o *outbox) put(r *report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = append(o.next, r.outcomes...)
	o.held = append(o.held, r.held...)
	o.filled.Signal()
}

func (o *outbox) run() {
	defer close(o.done)
	var group []transport.Outcome
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for len(o.next)+len(o.held) == 0 {
			o.busy = false
			o.idle.Broadcast()
			if o.closed {
				return
			}
			if cap(o.next) > keptOutcomes || cap(group) > keptOutcomes {
				o.next, group = nil, nil
			}
			o.filled.Wait()
		}
		o.busy = true
		group, o.next = o.next, group[:0]
		held := o.held
		o.held = nil
		o.mu.Unlock()
		o.handler.Outcomes(group)
		for _, p := range held {
			p.reported()
		}
		clear(group)
		o.mu.Lock()
	}
}

// wait returns after the handler has returned from every outcome.
func (o *outbox) wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy || len(o.next)+len(o.held) > 0 {
		o.idle.Wait()
	}
}

// close passes on the remaining outcomes, and ends the goroutine.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.filled.Signal()
	o.mu.Unlock()
	<-o.done
}

// landed ends the flight of a batch. landed returns false if the batch has
// ended meanwhile. The caller holds p.mu.
func (p *partition) landed(r *request, b *batch) bool {
	if p.request != r {
		return false // Purge has ended all batches
	}
	p.request = nil
	if p.front != b { // expired
		p.rest()
		return false
	}
	return true
}

// answered handles a broker's answer for a batch.
func (p *partition) answered(r *request, b *batch, a *kmsg.ProduceResponseTopicPartition, to *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.landed(r, b) {
		return
	}
	c := p.topic.client
	code := kerr.TypedErrorForCode(a.ErrorCode)
	switch {
	case code == nil:
		offset := a.BaseOffset
		if c.config.WeakAcks && c.config.Acks == settings.AcksNone {
			offset = -1
		} else if offset < 0 && !c.config.WeakAcks {
			p.refused(b, to, &transport.Error{Code: transport.Other, Text: "the broker acknowledged the message without an offset"}, nil, true)
			return
		}
		p.acknowledged(b, to, offset, a.LogAppendTime, time.Since(r.at))
		return
	case code == kerr.DuplicateSequenceNumber:
		p.acknowledged(b, to, -1, -1, time.Since(r.at))
		return
	case !appendsNothing(a.ErrorCode):
		b.maybe = true
	}
	newLeader := p.topic.noteLeader(p.number, a.CurrentLeader.LeaderID, a.CurrentLeader.LeaderEpoch)
	switch {
	case newSequence(code) && c.config.TransactionalID == "" && !c.config.WeakAcks && !b.maybe:
		if code == kerr.OutOfOrderSequenceNumber {
			c.dataLost(p.topic.name, p.number)
		}
		c.lostSequence(b.id)
		p.retry(c.backoff(p.fails))
	case !resends(code) || c.tooOften(b):
		err := convert(code)
		if a.ErrorMessage != nil && *a.ErrorMessage != code.Message {
			err.Text = *a.ErrorMessage
		}
		p.refused(b, to, err, guilty(a), b.maybe)
	case c.tx.aborting.Load():
		p.refused(b, to, convert(code), nil, b.maybe)
	case code == kerr.ConcurrentTransactions:
		p.retry(concurrentPause)
	case newLeader:
		p.retry(0)
	case code == kerr.NotLeaderForPartition || code == kerr.LeaderNotAvailable || code == kerr.UnknownTopicOrPartition || code == kerr.UnknownTopicID:
		p.fresh = c.asked.Load() + 1
		p.retry(0)
	case code == kerr.NotEnoughReplicas || code == kerr.NotEnoughReplicasAfterAppend:
		p.retry(c.backoff(p.fails))
	default:
		p.fresh = c.asked.Load() + 1
		p.retry(c.backoff(p.fails))
	}
}

// concurrentPause is the pause while the coordinator still ends the transaction
// before.
const concurrentPause = 5 * time.Millisecond

// resends reports whether a batch is sent again after a code.
func resends(code *kerr.Error) bool {
	return code.Retriable && code != kerr.CorruptMessage || code == kerr.ConcurrentTransactions
}

// unanswered handles a request without an answer for a batch.
func (p *partition) unanswered(r *request, b *batch, err error, to *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.landed(r, b) {
		return
	}
	c := p.topic.client
	b.maybe = b.maybe || r.over()
	if c.tx.aborting.Load() || c.tooOften(b) {
		p.refused(b, to, convert(err), nil, b.maybe)
		return
	}
	p.fresh = c.asked.Load() + 1
	p.retry(c.backoff(p.fails))
}

// tooOften reports whether a batch has had all its attempts. There is a limit
// only without idempotence.
func (c *client) tooOften(b *batch) bool {
	return c.config.WeakAcks && c.config.Retries >= 0 && b.attempts > c.config.Retries
}

// retry sends the first batch again after a pause. The caller holds p.mu.
func (p *partition) retry(after time.Duration) {
	p.fails++
	if after > 0 {
		p.pause(after)
	} else {
		p.rest()
	}
}

// acknowledged ends a batch that is in the log. The caller holds p.mu.
func (p *partition) acknowledged(b *batch, to *report, offset, appendTime int64, onWire time.Duration) {
	p.remove()
	if b.id != nil {
		p.sequence = addSequence(b.sequence, b.count)
	}
	to.delivered(b, offset, appendTime, onWire)
	p.stage = reporting
	to.parts = append(to.parts, p)
	to.ended = append(to.ended, b)
}

// refused ends the first batch, and all messages behind it. The engine may have
// to send the messages again in their order, so the partition takes no other
// message before the handler has the outcomes. The caller holds p.mu.
func (p *partition) refused(b *batch, to *report, err *transport.Error, guilty map[int]string, maybe bool) {
	c := p.topic.client
	p.remove()
	to.failed(b, err, guilty, maybe)
	to.ended = append(to.ended, b)
	if maybe {
		c.lostSequence(b.id)
	}
	c.failIfFinal(err)
	p.end(to, gaveUpError("an earlier batch of the partition was refused: "+err.Error()))
	p.hold(to)
}

// guilty returns the texts of the records that the broker names, by their
// index in the batch.
func guilty(a *kmsg.ProduceResponseTopicPartition) map[int]string {
	if len(a.ErrorRecords) == 0 {
		return nil
	}
	texts := map[int]string{}
	for _, r := range a.ErrorRecords {
		text := ""
		if r.ErrorMessage != nil {
			text = *r.ErrorMessage
		}
		texts[int(r.RelativeOffset)] = text
	}
	return texts
}

// newSequence reports whether the code says that the broker does not have the
// sequence numbers before the batch.
func newSequence(code *kerr.Error) bool {
	switch code {
	case kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerIDMapping, kerr.InvalidProducerEpoch:
		return true
	}
	return false
}

// dataLost reports that a broker does not know the next sequence number of a
// partition, although a broker has acknowledged every earlier batch.
func (c *client) dataLost(topic string, partition int32) {
	err := &transport.Error{
		Code: transport.Desynchronized,
		Text: fmt.Sprintf("%s[%d]: the broker has lost the end of the log, as after an unclean leader election: acknowledged messages may be gone", topic, partition),
	}
	c.background.Go(func() { c.handler.Trouble(err) })
}

package engine

import (
	"errors"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

// eventBatch is the largest number of outcomes per turn. A larger turn would
// leave the processor's cache.
const eventBatch = 256

// turn collects the changes by some outcomes. settle applies the changes in
// this order: counters, free slots, futures, callbacks, and last the waiters
// for an empty queue.
type turn struct {
	mu     sync.Mutex
	closed bool // outcomes are ignored

	ended                       int64 // messages with an outcome
	delivered, notSent, unknown int64
	slots, bytes                int64
	err                         error // of the first failed message
	touched                     []*queue
	waits                       []outcome
	calls                       *outcomes

	lost    []lostMessage // the next client sends these
	lostWhy error
}

// lostMessage is a message that is certainly not in the log.
type lostMessage struct {
	topic     string
	partition int32
	seq       uint32
	entry     entry
	message   *transport.Message
	why       transport.Code
}

// Outcomes implements [transport.Handler].
func (k *client) Outcomes(list []transport.Outcome) {
	t := &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for i := range list {
		k.takeAll(list[i])
	}
	k.settle()
}

// takeAll finds the entries of an outcome.
func (k *client) takeAll(o transport.Outcome) {
	q := k.queueOf(o.Token)
	for left := int(o.More) + 1; left > 0; {
		var front []entry
		if q != nil && o.Persistence == transport.Persisted {
			front = q.front(uint32(o.Token), left)
		}
		if len(front) == 0 {
			k.take(q, &o)
			o.Token++
			o.Offset++
			left--
		} else {
			k.touch(q)
			for i := range front {
				k.outcome(q, &front[i], &o, nil)
				o.Offset++
			}
			q.drop(front)
			o.Token += transport.Token(len(front))
			left -= len(front)
		}
		if k.events.ended >= eventBatch {
			k.settle()
		}
	}
}

// queueOf returns the queue of a token, or nil.
func (k *client) queueOf(token transport.Token) *queue {
	queues := *k.queues.Load()
	if number := uint32(token >> 32); int(number) < len(queues) {
		return queues[number]
	}
	return nil
}

// touch notes that the turn has an outcome of a queue.
func (k *client) touch(q *queue) {
	if !q.touched {
		q.touched = true
		k.events.touched = append(k.events.touched, q)
	}
}

// take finds the entry of an outcome of one message.
func (k *client) take(q *queue, o *transport.Outcome) {
	t := &k.events
	seq := uint32(o.Token)
	var e entry
	if q == nil || !q.take(seq, &e) {
		k.engine.config.Logger.Error("outcome_without_message", "token", uint64(o.Token), "partition", o.Partition)
		return
	}
	k.touch(q)
	switch {
	case o.Persistence == transport.Persisted:
		k.outcome(q, &e, o, nil)
	case o.Persistence == transport.NotPersisted && k.resends(o, &e):
		e.stamp = o.Message.Timestamp
		t.lost = append(t.lost, lostMessage{q.topic.name, q.partition, seq, e, o.Message, codeOf(o.Err)})
		k.engine.progress.noteLost(q, o.Err, time.Now())
		if t.lostWhy == nil {
			t.lostWhy = o.Err
		}
	case o.Persistence == transport.NotPersisted:
		k.outcome(q, &e, o, NotSent(q.topic.name, q.partition, k.explainRefused(q, o.Err)))
	default:
		k.outcome(q, &e, o, Unknown(q.topic.name, q.partition, k.explain(q, o.Err)))
	}
}

// maxResends bounds how often a message is sent again. The search for a record
// that the broker refuses and does not name needs about 20.
const maxResends = 100

// resends decides whether a message is sent again. The message is certainly not
// in the log.
func (k *client) resends(o *transport.Outcome, e *entry) bool {
	if k.tx != nil || o.Guilty || o.Message == nil || k.engine.config.WeakAcks || !k.engine.config.Recovery || k.engine.replacing.Err() != nil || e.resends >= maxResends {
		return false
	}
	if fatal := k.fatal.Load(); fatal != nil && isDenied(*fatal) {
		return false
	}
	switch code := codeOf(o.Err); code {
	case transport.TimedOut, transport.TopicAuthorizationFailed, transport.ClusterAuthorizationFailed, transport.UnknownTopicOrPartition,
		transport.InvalidTopic, transport.Invalid:
		return false
	default:
		if !isAboutRecord(code) {
			return true
		}
		// The broker refused the batch because of a record. If the message was
		// alone in its batch, the message is the reason. lowerBatch decides
		// about a batch that is too large.
		if e.group == 1 {
			return false
		}
		if e.suspect || !tooLarge(code) {
			e.suspect, e.refused = true, true
		}
		return true
	}
}

func tooLarge(code transport.Code) bool {
	return code == transport.MessageTooLarge || code == transport.RecordListTooLarge
}

// isAboutRecord reports whether a broker's code is about a record. Other codes
// are about the topic or the producer.
func isAboutRecord(code transport.Code) bool {
	switch code {
	case transport.CorruptMessage, transport.InvalidTimestamp, transport.UnsupportedForMessageFormat, transport.PolicyViolation,
		transport.UnsupportedCompressionType, transport.InvalidRecord, transport.MessageTooLarge, transport.RecordListTooLarge:
		return true
	}
	return false
}

// explain adds the error that ended the client to the error of a message, and a
// missing permission.
func (k *client) explain(q *queue, err error) error {
	if fatal := k.fatal.Load(); fatal != nil && !errors.Is(*fatal, err) {
		switch codeOf(err) {
		case transport.Purged: // the fatal error says more
			return *fatal
		case transport.TopicAuthorizationFailed, transport.InvalidTopic: // comes first, because the reason of an error is its first code
			return withCause(diagnose.ExplainDenied(k.engine.config, err, "Write", q.topic.name), *fatal)
		}
		return withCause(*fatal, err)
	}
	if why := k.engine.gaveUp.Load(); why != nil && codeOf(err) == transport.Purged {
		return *why
	}
	return diagnose.ExplainDenied(k.engine.config, err, "Write", q.topic.name)
}

// explainRefused explains the error of a message that is not in the log. If the
// topic is the reason, the topic is unusable for a short time, and is then
// looked up again.
func (k *client) explainRefused(q *queue, err error) error {
	explained := k.explain(q, err)
	switch codeOf(err) {
	case transport.UnknownTopicOrPartition:
		explained = withCause(k.engine.unknownPartition(q.topic.name, q.partition), explained)
		fallthrough
	case transport.TopicAuthorizationFailed, transport.InvalidTopic:
		if k.tx == nil {
			k.engine.Topic(q.topic.name).setMissing(explained)
		}
	}
	return explained
}

// outcome adds the outcome of an entry to this turn.
func (k *client) outcome(q *queue, e *entry, o *transport.Outcome, err error) {
	t := &k.events
	if e.lent {
		k.engine.lent.Add(-1)
		k.engine.lentBytes.Add(-e.bytes)
	} else {
		t.slots++
		t.bytes += e.bytes
	}
	t.ended++
	if e.resends > 0 {
		k.engine.progress.forgetLost(q)
	}
	switch {
	case err == nil:
		t.delivered++
	case errors.Is(err, ErrNotSent):
		t.notSent++
	default:
		t.unknown++
	}
	if err != nil && t.err == nil {
		t.err = err
	}
	hooked := k.engine.hooked
	if e.callback == nil && e.future == nil && !hooked && (err == nil || k.tx != nil) {
		return
	}
	list := &t.calls.list
	if e.future != nil {
		list = &t.waits
	}
	*list = append(*list, outcome{
		callback: e.callback, future: e.future, token: e.token, since: e.since, queue: q, err: err,
		offset: -1, stamp: e.stamp, held: notHeld, keyID: e.keyID, valueID: e.valueID,
	})
	out := &(*list)[len(*list)-1]
	if o != nil && err == nil {
		out.offset, out.onWire = o.Offset, o.OnWire
	}
	if o != nil && o.Timestamp >= 0 {
		out.stamp = o.Timestamp
	}
	if e.future != nil {
		if e.callback == nil {
			return
		}
		t.calls.list = append(t.calls.list, *out)
		out = &t.calls.list[len(t.calls.list)-1]
	}
	if k.engine.deliverer.hold(out, e) {
		t.slots--
		t.bytes -= e.bytes
	}
}

// settle applies the changes of a turn.
func (k *client) settle() {
	t, c := &k.events, k.engine
	if t.ended > 0 {
		if k.tx != nil {
			k.tx.add(t.delivered, t.notSent+t.unknown, t.err)
		} else {
			c.count.delivered.Add(t.delivered)
			c.count.notSent.Add(t.notSent)
			c.count.unknown.Add(t.unknown)
		}
		c.limit.release(t.slots, t.bytes)
	}
	if t.delivered > 0 {
		c.trouble.clear()
		if c.denial.Load() != nil {
			c.denial.Store(nil)
		}
		c.replacements.Store(0)
	}
	for i := range t.waits {
		w := &t.waits[i]
		d := w.delivery()
		if c.hooked {
			c.callOutcome(w, d)
		}
		w.future.complete(d, w.err)
	}
	clear(t.waits)
	t.waits = t.waits[:0]
	if len(t.calls.list) > 0 {
		c.deliverer.deliver(t.calls)
		t.calls = c.deliverer.batch()
	}
	if t.lostWhy != nil {
		k.recover(t.lostWhy)
		t.lostWhy = nil
		// A publisher may have looked at the refusal before, and hand its
		// message over only now. The transport refuses the message until
		// Outcomes has returned. So wait for the publishers inside. Otherwise
		// their messages would overtake the lost messages.
		for _, q := range t.touched {
			q.mu.Lock()
			q.mu.Unlock() //nolint:staticcheck // the lock waits for publishers inside
		}
	}
	for _, q := range t.touched {
		q.settle()
	}
	clear(t.touched)
	t.touched = t.touched[:0]
	t.ended, t.delivered, t.notSent, t.unknown, t.slots, t.bytes, t.err = 0, 0, 0, 0, 0, 0, nil
}

// recover starts the replacement of the client. Lost messages must be sent
// again before newer messages of the same partition.
func (k *client) recover(why error) {
	err := withCause(errRecovering, why)
	k.refuse(err)
	go k.engine.renew(k)
}

var (
	errRecovering          = errors.New("producer: messages are sent again")
	errRecoveringPartition = errors.New("producer: the outcomes of earlier messages come first")
)

// writeOff gives the outcome unknown to everything in flight, and ignores later
// outcomes. Call refuse first. A publisher that is already inside holds the
// queue's lock until its entry is added or removed.
func (k *client) writeOff(why error) {
	t := &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	for _, q := range *k.queues.Load() {
		q.mu.Lock()
		q.drainInto(func(e *entry) {
			if !q.touched {
				q.touched = true
				t.touched = append(t.touched, q)
			}
			k.outcome(q, e, nil, Unknown(q.topic.name, q.partition, why))
		})
		q.mu.Unlock()
	}
	k.settle()
}

// lostAny reports whether there are lost messages.
func (k *client) lostAny() bool {
	t := &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lost) > 0
}

// takeLost returns the lost messages and clears the list.
func (k *client) takeLost() []lostMessage {
	t := &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	lost := t.lost
	t.lost = nil
	return lost
}

// giveUp gives lost messages the outcome not sent.
func (k *client) giveUp(lost []lostMessage, why error) {
	if len(lost) == 0 {
		return
	}
	t := &k.events
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range lost {
		m := &lost[i]
		q := &queue{topic: &clientTopic{client: k, name: m.topic}, partition: m.partition}
		k.outcome(q, &m.entry, nil, NotSent(m.topic, m.partition, why))
	}
	k.settle()
}

// codeOf returns the code of a transport's error, or 0.
func codeOf(err error) transport.Code {
	var e *transport.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

package franz

import (
	"fmt"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// partition holds the messages of one partition in batches, and sends one batch
// after the other. The next batch is not written before the broker has answered
// for the batch before. So at most one batch of a partition is in doubt, and no
// batch can overtake another.
//
// A client may have thousands of partitions, so each field counts.
type partition struct {
	topic  *topic
	number int32
	// sequence is the number of the next batch. identity is the number of the
	// producer id whose sequence numbers the partition uses.
	sequence int32
	identity uint32
	renewals int32  // topic.renewals when the sequence began
	tx       uint32 // the last transaction for which the coordinator was asked
	inTx     bool   // the coordinator has the partition in this transaction
	size     uint8  // of the buffer that the last full batch needed
	// lingers and hurries say that a list of the client's linger has the
	// partition, due or now.
	lingers, hurries bool

	mu      sync.Mutex
	*active // idle: no messages
}

// active is the part of a partition's state that matters only while the
// partition has messages. A client may have thousands of idle partitions, so
// they share the state idle. Call activate before a write.
type active struct {
	front, back *batch
	stage       stage
	request     *request // in flight with the first batch, or nil
	// held refuses messages after a refused batch, until the handler has the
	// outcomes of all messages of the partition.
	held bool
	// due says that the last batch has lingered long enough.
	due   bool
	fails int // attempts of the first batch that failed in a row
	// fresh is the number of the metadata request whose answer the partition
	// waits for, because the leader was wrong.
	fresh uint64
	now   clock
}

// stage says who works on the first batch of a partition.
type stage uint8

const (
	resting   stage = iota // nobody
	queued                 // a broker has the partition in its queue
	flying                 // a request has the batch
	reporting              // the outbox gets outcomes
	pausing                // a timer will wake the partition up
)

var (
	idle    active                                              //nolint:gochecknoglobals // never written
	actives = sync.Pool{New: func() any { return new(active) }} //nolint:gochecknoglobals // a pool
)

// activate gives the partition a state of its own. The caller holds p.mu.
func (p *partition) activate() {
	if p.active == &idle {
		p.active = actives.Get().(*active)
		p.countBusy(1)
	}
}

// deactivate forgets the state of a partition without messages. The caller
// holds p.mu.
func (p *partition) deactivate() {
	if p.active != &idle {
		*p.active = active{}
		actives.Put(p.active)
		p.active = &idle
		p.countBusy(-1)
	}
}

// countBusy counts the partition for the end of the transaction.
func (p *partition) countBusy(n int) {
	if c := p.topic.client; c.config.TransactionalID != "" {
		c.busy.add(n)
	}
}

var _ transport.Topic = (*topic)(nil)

// Produce implements [transport.Topic].
func (t *topic) Produce(number int32, m *transport.Message, token transport.Token) error {
	c := t.client
	limit := int(t.batchBytes.Load())
	if n := m.WireSize(); n > limit {
		return &transport.Error{Code: codeMessageTooLarge, Text: fmt.Sprintf("%d bytes, a batch holds %d", n, limit)}
	}
	if number < 0 {
		return &transport.Error{Code: transport.Invalid, Text: fmt.Sprintf("partition %d", number)}
	}
	p := t.use(number)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.refusalError(); err != nil {
		return err
	}
	switch {
	case t.gone.Load():
		return errGone
	case p.held:
		return errRecovering
	}
	p.activate()
	stamp := m.Timestamp
	if !m.HasTimestamp {
		stamp = p.now.read(&c.ticks)
	}
	b := p.open(m, limit)
	b.add(m, stamp, token)
	c.linger.add(p)
	if c.config.TransactionalID != "" {
		c.tx.begun(p)
	}
	return nil
}

var errGone = &transport.Error{Code: codeUnknownTopic, Text: "the topic does not exist any more", Retriable: true}

var errRecovering = &transport.Error{
	Code: transport.Recovering, Retriable: true, Text: "an earlier batch of the partition was refused",
}

// open returns the last batch, which has room for a message. If the last batch
// has no room, open adds a batch. The caller holds p.mu.
func (p *partition) open(m *transport.Message, limit int) *batch {
	b, x := p.back, &p.topic.client.expiry
	if b != nil && !b.full && len(b.raw.data)+mostRecord(m) <= limit && !x.separates(b) {
		return b
	}
	size := sizeOf(headerSize + mostRecord(m))
	if b != nil && !b.full {
		p.fill(b)
		p.topic.client.linger.hurry(p)
	}
	most := p.size // a busy partition needs as much memory as before
	if b == nil {
		most = min(most, idleBuffer)
	}
	next := p.newBatch(max(size, most))
	next.came = x.now()
	if b == nil {
		p.front = next
	} else {
		b.next = next
	}
	p.back = next
	p.due = false
	return next
}

// idleBuffer is the size of the largest buffer that a partition without
// messages begins with. A client may have thousands of such partitions.
const idleBuffer = 12 // 4 KiB

// fill says that a batch takes no more messages. The caller holds p.mu.
func (p *partition) fill(b *batch) {
	b.full = true
	p.size = sizeOf(len(b.raw.data))
}

// lingered sends the last batch of a partition too.
func (p *partition) lingered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lingers = false
	if p.front != nil {
		p.due = true
		p.dispatch()
	}
}

// hurried sends the full batches of a partition.
func (p *partition) hurried() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurries = false
	p.dispatch()
}

// dispatch gives the partition to the broker that leads the partition, if the
// first batch can be sent. The caller holds p.mu.
func (p *partition) dispatch() {
	b, t := p.front, p.topic
	c := t.client
	if p.stage != resting || b == nil || !b.full && !p.due || c.tx.aborting.Load() {
		return
	}
	if c.answered.Load() < p.fresh {
		c.refresh()
		return
	}
	leader, err := t.leader(p.number)
	switch {
	case err != nil:
		p.giveUp(err)
	case leader < 0:
		c.refresh()
	case !c.config.WeakAcks && c.ids.get() == nil:
		c.needID()
	case c.config.TransactionalID != "" && !c.tx.has(p):
	default:
		p.stage = queued
		c.senders.at(leader).enqueue(p)
	}
}

// load returns the first batch for a request, or nil if the batch cannot be
// sent now.
func (p *partition) load(r *request) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, b := p.topic.client, p.front
	if p.stage != queued {
		return nil
	}
	p.stage = resting
	renewals := p.topic.renewals.Load()
	switch {
	case b == nil || c.tx.aborting.Load():
		return nil
	case b.maybe && b.renewals != renewals:
		p.giveUp(gaveUpError("the topic was created again while the broker's answer was missing"))
		return nil
	case c.config.WeakAcks:
	case !b.maybe:
		id := c.ids.get()
		if id == nil {
			c.needID()
			return nil
		}
		if p.identity != id.number || p.renewals != renewals {
			p.identity, p.sequence, p.renewals = id.number, 0, renewals
		}
		b.id, b.sequence = id, p.sequence
	}
	b.renewals = renewals
	if !b.full {
		p.fill(b)
	}
	p.stage = flying
	p.request = r
	return b
}

// remove removes the first batch. The caller holds p.mu.
func (p *partition) remove() *batch {
	b := p.front
	p.front, b.next = b.next, nil
	if p.front == nil {
		p.back = nil
		p.due = false
	}
	p.fails = 0
	return b
}

// goOn continues after the outcomes are in the outbox.
func (p *partition) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest()
}

// hold lets a partition wait until the handler has the outcomes of a report.
// The caller holds p.mu.
func (p *partition) hold(r *report) {
	p.stage = reporting
	p.held = true
	r.held = append(r.held, p)
}

// reported continues after hold.
func (p *partition) reported() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active != &idle {
		p.held = false
		p.rest()
	}
}

// rest ends the stage of a partition, and sends the next batch. The caller
// holds p.mu.
func (p *partition) rest() {
	if p.active == &idle {
		return
	}
	p.stage = resting
	switch {
	case p.front == nil:
		p.deactivate()
	case p.topic.client.tx.aborting.Load():
		p.giveUp(errAborted)
	default:
		p.dispatch()
	}
}

var errAborted = gaveUpError("the transaction was aborted")

// pause waits before the next attempt of the first batch. The caller holds
// p.mu.
func (p *partition) pause(d time.Duration) {
	p.stage = pausing
	time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stage == pausing {
			p.rest()
		}
	})
}

// giveUp ends all messages of a partition that no request has. The caller holds
// p.mu.
func (p *partition) giveUp(err *transport.Error) {
	var report report
	p.end(&report, err)
	p.hold(&report)
	report.put(p.topic.client.outbox)
}

// end removes all batches, and adds the outcomes of their messages to a report.
// The caller holds p.mu.
func (p *partition) end(to *report, err *transport.Error) {
	c := p.topic.client
	for p.front != nil {
		b := p.remove()
		maybe := b.maybe
		if p.request != nil {
			maybe = !p.request.abandon() || maybe
			p.request = nil
		} else {
			to.ended = append(to.ended, b)
		}
		to.failed(b, err, nil, maybe)
		if maybe {
			c.lostSequence(b.id)
		}
		if c.config.TransactionalID != "" {
			c.tx.broken.CompareAndSwap(nil, err)
		}
	}
}

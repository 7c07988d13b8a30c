package franz

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// run collects the outcomes of a batch that is in the log. The client takes the
// partition's lock for the first and the last message of a batch, not for each
// one, because publishers need the same lock. kgo reports the messages of a
// batch one after the other, on one goroutine at a time, so run needs no lock.
type run struct {
	batch    *batch    // nil: no run
	next     uint64    // the index of the next message
	offset   int64     // of the next message
	stamped  bool      // the broker has set the time of the messages
	time     time.Time // of the last outcome, if not stamped
	outcomes []transport.Outcome

	chunk *chunk // of the last message that ended
	ended int32  // messages of chunk that ended, and are not counted there yet
}

// release marks a message of the run as ended. The messages of a chunk usually
// end one after the other, so release counts them without atomic operations.
func (n *run) release(r *record, chunks *chunkPool) {
	r.forget()
	if r.chunk != n.chunk {
		n.drop(chunks)
		n.chunk = r.chunk
	}
	n.ended++
}

// drop counts the ended messages in their chunk.
func (n *run) drop(chunks *chunkPool) {
	if n.ended > 0 {
		chunks.drop(n.chunk, n.ended)
		n.chunk, n.ended = nil, 0
	}
}

// begin begins a run after the outcome of a batch's first message. The caller
// holds the partition's lock.
func (n *run) begin(b *batch, first transport.Outcome, at time.Time, stamped bool) {
	n.batch, n.next, n.offset, n.stamped, n.time = b, b.first+1, first.Offset+1, stamped, at
	n.outcomes = append(n.outcomes[:0], first)
}

// add adds the outcome of a message, and returns false if the message does not
// continue the run.
func (n *run) add(r *record, kr *kgo.Record, err error) bool {
	if err != nil || r.part != n.batch.part || r.index != n.next || kr.Offset != n.offset {
		return false
	}
	n.next++
	n.offset++
	last := &n.outcomes[len(n.outcomes)-1]
	if r.token == last.Token+transport.Token(last.More)+1 && (n.stamped || kr.Timestamp.Equal(n.time)) {
		last.More++
		return true
	}
	o := transport.Outcome{
		Token: r.token, Partition: last.Partition, Offset: kr.Offset, OnWire: last.OnWire,
		Persistence: transport.Persisted, Timestamp: last.Timestamp,
	}
	if !n.stamped {
		n.time = kr.Timestamp
		o.Timestamp = n.time.UnixMilli()
	}
	n.outcomes = append(n.outcomes, o)
	return true
}

// complete reports whether every message of the batch has its outcome.
func (n *run) complete() bool { return n.next == n.batch.first+n.batch.count }

// endRun counts the messages of a run, and gives their outcomes to the handler.
func (c *client) endRun() {
	n := &c.run
	p, first := n.batch.part, n.batch.first
	n.batch = nil
	n.drop(&c.chunks)
	p.mu.Lock()
	resume := p.end(n.next - first)
	p.mu.Unlock()
	c.outbox.put(resume, n.outcomes...)
}

// handlePromise handles kgo's report of one message. kgo calls handlePromise
// for one message at a time, and in order for the messages of a partition. The
// report comes early if kgo refuses a message before queueing the message.
func (c *client) handlePromise(kr *kgo.Record, err error) {
	r := kr.Context.(*recordContext).record
	if c.run.batch != nil {
		if c.run.add(r, kr, err) {
			c.run.release(r, &c.chunks)
			if c.run.complete() {
				c.endRun()
			}
			return
		}
		c.endRun() // never seen: kgo reports a batch as a whole
	}
	p := r.part
	o := transport.Outcome{Token: r.token, Partition: p.number, Offset: -1, Timestamp: -1}

	p.mu.Lock()
	if r.index != p.ended {
		p.newSequenceBegun = true
	}
	var b *batch // of a message in the log
	if err == nil {
		o.Offset, o.Persistence = kr.Offset, transport.Persisted
		if c.config.WeakAcks && c.config.Acks == settings.AcksNone {
			o.Offset = -1 // kgo sets 0
		}
		o.Timestamp = p.appendTime(kr.Offset)
		b = p.batchOf(r.index)
		if b != nil && !p.newSequenceBegun {
			o.OnWire = b.onWire
		}
		if kr.Offset < 0 && !c.config.WeakAcks && !p.duplicate(r.index) {
			o.Persistence = transport.PossiblyPersisted
			o.Err = &transport.Error{Code: transport.Other, Text: "the broker acknowledged the message without an offset"}
		}
	} else {
		if c.expires(err) {
			p.expired(r.index)
		}
		p.explain(&o, r.index, err)
	}
	stamped := o.Timestamp >= 0
	if !stamped {
		o.Timestamp = kr.Timestamp.UnixMilli()
	}
	if b != nil && kr.Offset >= 0 && !p.newSequenceBegun && !p.someExpired && r.index == b.first && b.count > 1 {
		c.run.begin(b, o, kr.Timestamp, stamped)
		p.mu.Unlock()
		c.run.release(r, &c.chunks)
		return
	}
	retried := err != nil && p.retries(&o)
	if retried {
		p.resends.push(r)
	}
	resume := p.end(1)
	loader := err != nil && r.loader
	p.mu.Unlock()

	if retried {
		if loader {
			p.topic.notLoaded(nil)
		}
		return
	}
	if o.Err != nil {
		c.failIfFinal(o.Err)
		if o.Persistence == transport.NotPersisted {
			o.Message = r.message()
		}
	}
	c.chunks.release(r)
	c.outbox.put(resume, o)
	if loader {
		p.topic.notLoaded(o.Err)
	}
}

// end counts the next n messages as ended, and forgets the batches that have
// ended. If no message is left, end gives the resent messages to kgo again, or
// returns the function that opens the partition after a refusal. The caller
// holds p.mu.
func (p *partition) end(n uint64) (resume func()) {
	p.ended += n
	for len(p.batches) > 0 && p.batches[0].first+p.batches[0].count <= p.ended && !(p.someExpired && p.batches[0].inDoubt()) {
		p.batches[0] = nil
		p.batches = p.batches[1:]
	}
	if p.ended != p.handed {
		return nil
	}
	p.forgetEnded()
	switch c := p.topic.client; {
	case !p.resends.empty():
		p.retrying = true
		p.waiting.prepend(&p.resends)
		if c.refusalError() != nil {
			p.dropWaiting(gaveUpError("the client was told to give up what is not delivered"), nil)
		} else {
			time.AfterFunc(c.config.RetryBackoffMax, p.retry)
		}
	case p.held:
		return p.resume
	}
	return nil
}

// forgetEnded forgets the state of all ended messages. The caller holds p.mu.
func (p *partition) forgetEnded() {
	p.written = p.handed
	if p.waiting.empty() {
		p.finishChunk()
		if p.resends.empty() && !p.retrying {
			p.deactivate()
			return
		}
	}
	p.batches, p.stamps, p.refusal, p.newSequenceBegun, p.someExpired = nil, nil, nil, false, false
}

// retries reports whether a failed message goes back to kgo. A message goes
// back if it never left the client, because no connection or login succeeded.
// kgo gives up such messages. The caller holds p.mu.
func (p *partition) retries(o *transport.Outcome) bool {
	c := p.topic.client
	if o.Persistence != transport.NotPersisted || p.refusal != nil || c.config.TransactionalID != "" || c.refusalError() != nil {
		return false
	}
	switch convert(o.Err).Code {
	case transport.Transport, transport.Authentication, transport.Certificate:
		return true
	}
	return false
}

// retry gives the messages that never left the client to kgo again.
func (p *partition) retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.topic.client.refusalError() != nil {
		return // Purge has given up the waiting messages
	}
	p.retrying = false
	p.topic.client.linger.hurry(p)
}

// explain fills in the outcome of a failed message. The caller holds p.mu.
func (p *partition) explain(o *transport.Outcome, index uint64, err error) {
	b := p.batchOf(index)
	unsure := p.newSequenceBegun && index < p.written || p.someExpired && p.inDoubt() && !p.topic.client.expires(err)
	switch refused := p.refusal; {
	case refused != nil && !errors.Is(err, kgo.ErrClientClosed) && !errors.Is(err, kgo.ErrAborting):
		o.Err = refused.err
		if b != refused.batch {
			o.Err = gaveUpError("an earlier batch of the partition was refused: " + refused.err.Error())
		} else if text, ok := refused.guilty[index-b.first]; ok && !p.newSequenceBegun && !p.someExpired {
			o.Guilty = true
			if text != "" {
				o.Err = &transport.Error{Code: refused.err.Code, Text: text, Err: refused.err}
			}
		} else if len(refused.guilty) > 0 && !p.newSequenceBegun && !p.someExpired {
			o.Err = gaveUpError("another record of the batch was refused: " + refused.err.Error())
		}
		// The broker appends nothing behind a refused batch, unless an earlier
		// attempt of the refused batch is in the log.
		o.Persistence = persistence(b != nil && (b.maybe || b.request != nil && refused.batch.maybe) || unsure)
	default:
		converted := convert(err)
		switch {
		case errors.Is(err, kgo.ErrAborting):
			converted = gaveUpError("the client was told to give up what is not delivered")
		case topicState(p.topic.state.Load()) == topicGone:
			converted = errGone
		}
		o.Err = converted
		o.Persistence = persistence(b != nil && (b.maybe || b.request != nil) || unsure)
	}
}

// expires reports whether kgo gave up a message with this error because of the
// delivery timeout. The error is context.Canceled if kgo waited for a producer
// id. Without idempotence the batches have no sequence numbers.
func (c *client) expires(err error) bool {
	return c.expiry.after > 0 && !c.config.WeakAcks && (errors.Is(err, errExpired) || errors.Is(err, context.Canceled))
}

// keepsUncertain reports whether messages expire, but not messages that may be
// in the log. In a transaction an expired message aborts the transaction.
func (c *client) keepsUncertain() bool {
	return c.expiry.after > 0 && !c.config.WeakAcks && c.config.TransactionalID == ""
}

// expired notes that a message has expired, before the call of explain. The
// caller holds p.mu.
//
// kgo gives up all its messages of the partition, also messages that kgo has
// never written. kgo may write later messages before the promises of the
// expired messages run. Then the batches do not match the messages. So expired
// moves the batches by these rules:
//
//   - If no batch has the message, kgo has never written the message.
//   - kgo gives up nothing while the first batch is in doubt or in the log (see
//     answered). So such a batch has later messages.
//   - After kgo has given up a written batch, kgo begins another epoch. So
//     batches of the same epoch have expired messages.
//
// The rules are wrong for later messages if a broker refuses their batch before
// the promises run. Therefore explain also asks inDoubt.
func (p *partition) expired(index uint64) {
	p.someExpired = true
	switch {
	case index >= p.written:
		p.written = index + 1
		return
	case len(p.batches) == 0 || p.batches[0].first != index:
		return
	}
	first := p.batches[0]
	epoch := batchKey{producer: first.key.producer, epoch: first.key.epoch}
	if !first.inDoubt() && !first.acknowledged {
		p.expiredEpoch = epoch
	}
	if epoch == p.expiredEpoch {
		return
	}
	for _, b := range p.batches {
		b.first++
	}
	p.written++
}

// inDoubt reports whether a written batch may be in the log, and has no answer
// that says so.
func (b *batch) inDoubt() bool { return b.request != nil || b.maybe && !b.acknowledged }

// inDoubt reports whether any batch is in doubt. The caller holds p.mu.
func (p *partition) inDoubt() bool { return slices.ContainsFunc(p.batches, (*batch).inDoubt) }

func persistence(maybe bool) transport.Persistence {
	if maybe {
		return transport.PossiblyPersisted
	}
	return transport.NotPersisted
}

// batchOf returns the written batch of a message, or nil. The caller holds
// p.mu.
func (p *partition) batchOf(index uint64) *batch {
	for _, b := range p.batches {
		if index >= b.first && index < b.first+b.count {
			return b
		}
	}
	return nil
}

// duplicate reports whether the broker called the message's batch a duplicate
// of a batch in the log. The caller holds p.mu.
func (p *partition) duplicate(index uint64) bool {
	b := p.batchOf(index)
	return b != nil && b.duplicate
}

// appendTime returns the broker's append time of the message at an offset, or
// -1. The caller holds p.mu.
func (p *partition) appendTime(offset int64) int64 {
	for len(p.stamps) > 0 && offset >= p.stamps[0].offset+p.stamps[0].count {
		p.stamps = p.stamps[1:]
	}
	if len(p.stamps) > 0 && offset >= p.stamps[0].offset {
		return p.stamps[0].time
	}
	return -1
}

// wrote notes that a request is about to write a batch. wrote returns the
// batch, and the answer belongs to this batch. kgo has a batch in only one
// request at a time. again says that an earlier request had the batch.
func (p *partition) wrote(r *request, key batchKey, count uint64) (b *batch, again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.batches {
		if b.key == key && b.count == count {
			// kgo may write the batch again while Close marks the requests of
			// the connection as lost.
			b.maybe = b.maybe || b.request != nil
			b.request = r
			return b, true
		}
	}
	p.activate()
	b = &batch{part: p, key: key, first: p.written, count: count, request: r}
	p.batches = append(p.batches, b)
	p.written += count
	return b, false
}

// unwritten undoes wrote, because the connection sent no byte of the request.
func (b *batch) unwritten(r *request) {
	b.part.mu.Lock()
	defer b.part.mu.Unlock()
	if b.request == r {
		b.request = nil
	}
}

// lost notes that a request will never get an answer.
func (b *batch) lost(r *request) {
	b.part.mu.Lock()
	defer b.part.mu.Unlock()
	if b.request == r {
		b.request, b.maybe = nil, true
	}
}

// answered notes a broker's answer for the partition's batch in a request, and
// returns the code that kgo gets.
//
// kgo gets another code if kgo must not resend the batch. kgo would use a new
// sequence number, but an earlier attempt may be in the log.
//
// kgo also gets another code if kgo resends a batch that may be in the log and
// may expire. kgo lets a batch expire after each answer. kgo forgets that the
// answer to an earlier attempt was lost. kgo also ignores an acknowledgement
// that comes before the acknowledgement of an earlier batch. Only after a few
// codes, kgo knows that the batch may be in the log.
func (p *partition) answered(r *request, a answer) int16 {
	if a.code != 0 {
		// kgo gives up all its messages of the partition after a refusal, and
		// would write a message that comes later. So no message is on the way
		// to kgo when the refusal is noted.
		p.giving.Lock()
		defer p.giving.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.batches {
		if b.request == r {
			b.request = nil
			b.onWire = time.Since(r.at)
			if !b.answered(a) {
				return kerr.InvalidRecord.Code
			}
			if p.refusal == nil && b.maybe && p.topic.client.keepsUncertain() && kerr.IsRetriable(kerr.ErrorForCode(a.code)) {
				return kerr.NotEnoughReplicasAfterAppend.Code
			}
			return a.code
		}
	}
	return a.code
}

func (b *batch) answered(a answer) bool {
	p := b.part
	code := kerr.TypedErrorForCode(a.code)
	switch {
	case a.code == 0:
		b.maybe, b.acknowledged = true, true
		if a.appendTime >= 0 {
			p.stamps = append(p.stamps, stamp{a.offset, int64(b.count), a.appendTime})
		}
		return true
	case code == kerr.DuplicateSequenceNumber:
		b.maybe, b.acknowledged, b.duplicate = true, true, true
		return true
	case !appendsNothing(a.code):
		b.maybe = true
		return true
	case p.refusal != nil:
		return true // kgo has given up this batch with the refused batch
	case !p.earlierAcknowledged(b):
		return true // kgo only uses the answer to the first batch, and resends the other batches
	}
	kgoResends := kerr.IsRetriable(code) && code != kerr.CorruptMessage || code == kerr.ConcurrentTransactions
	dangerous := false
	if newSequence(code) && p.topic.client.config.TransactionalID == "" {
		kgoResends, dangerous = !b.maybe, b.maybe
		p.newSequenceBegun = p.newSequenceBegun || kgoResends
	}
	if !kgoResends {
		p.refusal = &refusal{batch: b, err: convert(code), guilty: a.guilty}
		if a.text != "" && a.text != code.Message {
			p.refusal.err.Text = a.text
		}
		p.held = true
	}
	return !dangerous
}

// earlierAcknowledged reports whether the broker has acknowledged all earlier
// batches whose messages have not ended. kgo begins a new epoch only with the
// first batch in its queue. So an earlier batch of another epoch has ended, or
// kgo has written its messages again in the new epoch. The caller holds p.mu.
func (p *partition) earlierAcknowledged(b *batch) bool {
	for _, earlier := range p.batches {
		if earlier == b {
			return true
		}
		if earlier.key.producer != b.key.producer || earlier.key.epoch != b.key.epoch {
			continue
		}
		if !earlier.acknowledged && earlier.first+earlier.count > p.ended {
			return false
		}
	}
	return true
}

// newSequence reports whether kgo starts a new epoch and sequence after the
// code.
func newSequence(code *kerr.Error) bool {
	switch code {
	case kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerIDMapping, kerr.InvalidProducerEpoch:
		return true
	}
	return false
}

// outbox passes outcomes to the handler in groups, on a goroutine of its own.
type outbox struct {
	handler transport.Handler

	mu     sync.Mutex
	filled sync.Cond // there is work
	idle   sync.Cond // there is no work
	next   []transport.Outcome
	then   []func() // run after the handler has returned from next
	busy   bool
	closed bool
	done   chan struct{}
}

// keptOutcomes is the size of the largest buffer that an idle outbox keeps.
const keptOutcomes = 4096

func newOutbox(h transport.Handler) *outbox {
	o := &outbox{handler: h, done: make(chan struct{})}
	o.filled.L, o.idle.L = &o.mu, &o.mu
	go o.run()
	return o
}

// put queues outcomes. then runs after the handler has returned from them. then
// may be nil.
func (o *outbox) put(then func(), outcomes ...transport.Outcome) {
	o.mu.Lock()
	if len(o.next) == 0 {
		o.filled.Signal()
	}
	o.next = append(o.next, outcomes...)
	if then != nil {
		o.then = append(o.then, then)
	}
	o.mu.Unlock()
}

func (o *outbox) run() {
	defer close(o.done)
	var group []transport.Outcome
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for len(o.next) == 0 {
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
		then := o.then
		o.then = nil
		o.mu.Unlock()
		o.handler.Outcomes(group)
		for _, f := range then {
			f()
		}
		clear(group)
		o.mu.Lock()
	}
}

// wait returns after the handler has returned from every queued outcome.
func (o *outbox) wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy || len(o.next) > 0 {
		o.idle.Wait()
	}
}

// close passes on the remaining outcomes and ends the goroutine.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.filled.Signal()
	o.mu.Unlock()
	<-o.done
}

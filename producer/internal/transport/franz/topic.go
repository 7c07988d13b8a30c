package franz

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/transport"
)

// topic is the client's state of one topic.
type topic struct {
	client     *client
	name       string
	batchBytes int                          // the size of the largest batch
	partitions atomic.Pointer[[]*partition] // by number; nil if the partition was never used
	state      atomic.Int32
	loading    atomic.Int32

	mu      sync.Mutex
	id      [16]byte  // the last id from the brokers
	missing time.Time // since this time the brokers report a missing topic
}

// topicState says if kgo takes messages of the topic.
type topicState int32

const (
	topicUsable topicState = iota
	// topicRenewed means that the topic was deleted and created again. kgo is
	// forgetting the old topic. Messages wait.
	topicRenewed
	// topicGone means that the topic was deleted. The client refuses messages.
	topicGone
)

// topicLoading says if kgo knows the partitions of the topic. Until then kgo
// keeps the messages of the topic apart from the queues of the partitions.
// Later kgo moves the messages to the queues. If kgo met a refused batch
// meanwhile, it would give up the messages in the queues, and write the later
// ones. Therefore only one message, the loader, goes to kgo before the topic is
// loaded. The others wait.
type topicLoading int32

const (
	topicNew topicLoading = iota
	topicLoads
	topicLoaded
)

// canProduce reports whether kgo can take a message of the topic now. If kgo
// does not know the topic, the first message becomes the loader. The messages
// of a transaction never wait, because a refused batch ends the transaction.
func (t *topic) canProduce(r *record) bool {
	r.loader = false
	if topicLoading(t.loading.Load()) == topicLoaded || t.client.config.TransactionalID != "" {
		return true
	}
	r.loader = t.loading.CompareAndSwap(int32(topicNew), int32(topicLoads))
	return r.loader
}

// lingers reports whether a message waits for more messages. The first message
// of a topic does not wait, because kgo loads the topic meanwhile.
func (t *topic) lingers() bool {
	return t.client.linger.after > 0 && topicLoading(t.loading.Load()) == topicLoaded
}

// loaded notes that kgo has put the loader into the queue of its partition.
// loaded runs under a lock of kgo.
func (t *topic) loaded() {
	if t.loading.CompareAndSwap(int32(topicLoads), int32(topicLoaded)) {
		t.client.background.Go(func() { t.each(t.client.linger.hurry) })
	}
}

// notLoaded notes that kgo has given up the loader. err ends the waiting
// messages too, because they would only fail one by one. If err is nil, the
// loader goes to kgo again later.
func (t *topic) notLoaded(err error) {
	if !t.loading.CompareAndSwap(int32(topicLoads), int32(topicNew)) || err == nil {
		return
	}
	t.each(func(p *partition) {
		if !p.waiting.empty() && !p.retrying {
			p.held = true
			p.dropWaiting(convert(err), p.resume)
		}
	})
}

// each calls f for every used partition, under the partition's lock.
func (t *topic) each(f func(p *partition)) {
	for _, p := range *t.partitions.Load() {
		if p != nil {
			p.giving.Lock()
			p.mu.Lock()
			f(p)
			p.mu.Unlock()
			p.giving.Unlock()
		}
	}
}

func (t *topic) blocked() bool { return topicState(t.state.Load()) != topicUsable }

// partition keeps the messages of one partition in order, and records the
// messages written to a connection.
type partition struct {
	topic  *topic
	number int32
	// held is true after a refused batch until the handler has the outcomes of
	// all later messages.
	held bool
	// lingers and hurries say that a list of the client's linger has the
	// partition, due or now.
	lingers, hurries bool

	// giving is held while linger gives messages to kgo. Lock giving before mu.
	giving sync.Mutex
	mu     sync.Mutex

	*active // idle: no messages
}

// active is the part of a partition's state that matters only while the
// partition has messages. A client may have thousands of idle partitions, so
// they share the state idle. Call activate before a write. A partition with a
// message that has not ended is active already.
type active struct {
	// handed counts the messages given to kgo. written counts the messages in
	// written batches, and is an upper bound. ended counts the ended messages.
	handed, written, ended uint64
	// batches has, in order, every batch with a message that has not ended.
	batches []*batch
	// newSequenceBegun is true after kgo has begun a new sequence. Then written
	// and the batches do not match the messages.
	newSequenceBegun bool
	// someExpired is true after messages have expired. Then the batches may not
	// match the messages. expiredEpoch is the epoch of the last batch that kgo
	// gave up then.
	someExpired  bool
	expiredEpoch batchKey
	// retrying is true while the resent messages are at the front of waiting.
	retrying bool
	refusal  *refusal
	now      clock
	chunk    *chunk // that only this partition fills; nil: none
	// waiting holds the messages that kgo gets later. They linger, or kgo had
	// no connection for earlier messages (retrying), or kgo is forgetting or
	// loading the topic.
	waiting recordList
	// resends holds the messages that kgo gave up because there was no
	// connection. They wait for the end of the other messages in kgo.
	resends recordList
	stamps  []stamp
}

var (
	idle    active                                              //nolint:gochecknoglobals // never written
	actives = sync.Pool{New: func() any { return new(active) }} //nolint:gochecknoglobals // a pool
)

// activate gives the partition a state of its own. The caller holds p.mu.
func (p *partition) activate() {
	if p.active == &idle {
		p.active = actives.Get().(*active)
	}
}

// deactivate forgets the state of a partition without messages. The caller
// holds p.mu.
func (p *partition) deactivate() {
	if p.active != &idle {
		*p.active = active{}
		actives.Put(p.active)
		p.active = &idle
	}
}

// batch is a batch of records that the client has written at least once.
type batch struct {
	part    *partition
	key     batchKey
	first   uint64 // the index of its first message
	count   uint64
	request *request      // the request in flight with this batch, or nil
	maybe   bool          // the broker may have appended an attempt
	onWire  time.Duration // of the acknowledged attempt
	// acknowledged means that a broker answered that the batch is in the log.
	// duplicate means that the answer had no offset, because the batch was
	// already in the log.
	acknowledged, duplicate bool
}

// batchKey identifies a batch for the broker. kgo resends a batch unchanged.
type batchKey struct {
	producer int64
	epoch    int16
	sequence int32
}

// refusal is a broker's answer that ends a batch. kgo then also ends every
// later message of the partition.
type refusal struct {
	batch  *batch
	err    *transport.Error
	guilty map[uint64]string // the broker's text, by index in the batch
}

// stamp is the append time of a batch, for a topic with LogAppendTime.
type stamp struct {
	offset, count, time int64
}

var _ transport.Topic = (*topic)(nil)

// at returns a partition that has been used, or nil.
func (t *topic) at(n int32) *partition {
	partitions := *t.partitions.Load()
	if n < 0 || int(n) >= len(partitions) {
		return nil
	}
	return partitions[n]
}

// use returns a partition, and creates the partition if necessary.
func (t *topic) use(n int32) *partition {
	if p := t.at(n); p != nil {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.at(n); p != nil {
		return p
	}
	old := *t.partitions.Load()
	size := max(len(old), int(n)+1)
	partitions := make([]*partition, size, max(size, cap(old)))
	copy(partitions, old)
	p := &partition{topic: t, number: n, active: &idle}
	partitions[n] = p
	t.partitions.Store(&partitions)
	return p
}

// Produce implements [transport.Topic].
func (t *topic) Produce(number int32, m *transport.Message, token transport.Token) error {
	c := t.client
	if n := m.WireSize(); n > t.batchBytes {
		return &transport.Error{Code: codeMessageTooLarge, Text: fmt.Sprintf("%d bytes, a batch holds %d", n, t.batchBytes)}
	}
	if number < 0 {
		return &transport.Error{Code: transport.Invalid, Text: fmt.Sprintf("partition %d", number)}
	}
	if m.HasTimestamp && m.Timestamp > maxTimestamp {
		return &transport.Error{
			Code: transport.Invalid,
			Text: fmt.Sprintf("the timestamp %s is after 2262, which kgo cannot write", time.UnixMilli(m.Timestamp).UTC().Format(time.RFC3339)),
		}
	}
	p := t.use(number)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.refusalError(); err != nil {
		return err
	}
	switch {
	case topicState(t.state.Load()) == topicGone:
		return errGone
	case p.held: // kgo would refuse the message, or the message would overtake a resent message
		return errRecovering
	}
	p.activate()
	size := m.Size()
	r := p.copy(m, size)
	r.Topic, r.Partition = t.name, number
	r.part, r.token, r.size, r.slot = p, token, size, c.expiry.slot()
	if m.HasTimestamp {
		r.Timestamp = time.UnixMilli(m.Timestamp)
	} else {
		r.Timestamp = time.UnixMilli(p.now.read(&c.ticks))
	}
	if c.config.TransactionalID != "" && !c.tx.produced.Load() {
		c.tx.begun()
	}
	p.waiting.push(r)
	if p.waiting.bytes < t.batchBytes && t.lingers() {
		c.linger.add(p)
	} else {
		c.linger.hurry(p)
	}
	return nil
}

// maxTimestamp is the last time that kgo writes correctly, in Unix
// milliseconds. kgo calculates with nanoseconds in 64 bits.
const maxTimestamp = math.MaxInt64 / int64(time.Millisecond)

var errGone = &transport.Error{Code: codeUnknownTopic, Text: "the topic does not exist any more", Retriable: true}

var errRecovering = &transport.Error{
	Code: transport.Recovering, Retriable: true, Text: "an earlier batch of the partition was refused",
}

// giveToKgo gives messages to kgo. first is the index of the first one.
func (p *partition) giveToKgo(given recordList, first uint64) {
	c := p.topic.client
	for r := given.first; r != nil; first++ {
		next := r.next // kgo may end the message, and then the memory is reused
		r.next, r.index = nil, first
		var ctx context.Context = &r.self
		if r.slot != nil {
			ctx = r.slot
		}
		c.kgo.Produce(ctx, &r.Record, c.promise)
		r = next
	}
}

// give gives the waiting messages to kgo, and clears listed, which is p.lingers
// or p.hurries. Only the goroutine of linger calls give. Publishers add
// messages meanwhile, because they need only p.mu.
func (p *partition) give(listed *bool) {
	p.giving.Lock()
	defer p.giving.Unlock()
	p.mu.Lock()
	*listed = false
	given, first := p.take()
	p.mu.Unlock()
	p.giveToKgo(given, first)
}

// take removes the waiting messages that kgo can take now. first is the index
// of the first one. The caller holds p.mu. The caller holds p.giving until kgo
// has the messages: see answered.
func (p *partition) take() (taken recordList, first uint64) {
	c := p.topic.client
	if p.held || p.topic.blocked() || c.refusalError() != nil || p.retrying || !p.resends.empty() {
		if c.config.TransactionalID != "" {
			// A commit must not leave the messages behind.
			p.dropWaiting(gaveUpError("an earlier message of the partition was refused, or the topic was deleted"), nil)
		}
		return taken, 0
	}
	switch {
	case p.waiting.empty() || !p.topic.canProduce(p.waiting.first):
		return taken, 0
	case p.waiting.first.loader:
		taken.push(p.waiting.pop())
	default:
		taken, p.waiting = p.waiting, taken
	}
	first = p.handed
	p.handed += uint64(taken.count)
	return taken, first
}

// Close implements [transport.Topic]. The client frees its topics.
func (*topic) Close() {}

// These are the codes of Kafka's protocol that this package reports without a
// broker.
const (
	codeUnknownTopic    transport.Code = 3
	codeMessageTooLarge transport.Code = 10
)

// missingFor is the time for which the brokers must report a missing topic
// before the client gives up the messages. A broker that has just started may
// not know the topic yet.
const missingFor = 5 * time.Second

// noteMetadata notes a broker's metadata of the topic.
func (t *topic) noteMetadata(code int16, id [16]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.id
	switch {
	case code == kerr.UnknownTopicOrPartition.Code:
		switch {
		case t.missing.IsZero():
			t.missing = time.Now()
		case time.Since(t.missing) > missingFor && !t.blocked():
			t.state.Store(int32(topicGone))
			t.client.background.Go(t.forget)
		}
		return
	case code != 0:
		return
	}
	t.missing, t.id = time.Time{}, id
	switch {
	case known == [16]byte{}:
	case topicState(t.state.Load()) == topicGone && known == id:
		// kgo would start the sequence numbers from 0 again. The broker would
		// then treat new messages as duplicates.
		t.client.fail(&transport.Error{Code: transport.Desynchronized, Fatal: true, Text: "topic " + t.name + " was missing and is there again"})
	case topicState(t.state.Load()) == topicGone:
		t.state.Store(int32(topicUsable))
	case known != id && !t.blocked():
		t.state.Store(int32(topicRenewed))
		t.client.background.Go(t.forget)
	}
}

// forget makes kgo give up the topic's messages and state. forget gives up the
// waiting messages too.
func (t *topic) forget() {
	// each waits for the messages that are on the way to kgo. Without held, a
	// new message could go to kgo before the old topic's messages have their
	// outcomes, and overtake them when the engine sends them again.
	t.each(func(p *partition) { p.held = true })
	t.client.kgo.PurgeTopicsFromProducing(t.name)
	t.loading.CompareAndSwap(int32(topicLoaded), int32(topicNew))
	t.mu.Lock()
	t.state.CompareAndSwap(int32(topicRenewed), int32(topicUsable))
	t.mu.Unlock()
	t.each(func(p *partition) {
		p.held = true
		if p.handed == p.ended { // otherwise the last outcome calls resume
			p.reopen()
		}
	})
}

// resume opens the partition again after a refusal. The handler has already got
// the outcome of every message behind the refusal. resume first ends the
// waiting messages, because the engine may have to resend earlier messages
// before them.
func (p *partition) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reopen()
}

// reopen is resume for a caller that holds p.mu.
func (p *partition) reopen() {
	if !p.waiting.empty() {
		err := gaveUpError("an earlier message of the partition was refused")
		if topicState(p.topic.state.Load()) == topicGone {
			err = errGone
		}
		p.dropWaiting(err, p.resume)
		return
	}
	p.held = p.handed != p.ended
}

// dropWaiting ends the messages that kgo has not seen. A transaction with such
// a message cannot commit. The caller holds p.mu.
func (p *partition) dropWaiting(err *transport.Error, then func()) {
	c := p.topic.client
	if !p.waiting.empty() && c.config.TransactionalID != "" {
		c.tx.broken.CompareAndSwap(nil, err)
	}
	for !p.waiting.empty() {
		r := p.waiting.pop()
		m := r.message()
		o := transport.Outcome{
			Token: r.token, Partition: p.number, Offset: -1, Timestamp: m.Timestamp,
			Persistence: transport.NotPersisted, Err: err, Message: m,
		}
		c.chunks.release(r)
		if p.waiting.empty() {
			c.outbox.put(then, o)
		} else {
			c.outbox.put(nil, o)
		}
	}
}

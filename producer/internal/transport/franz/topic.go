package franz

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/transport"
)

// topic has what the client keeps of one topic: its partitions.
type topic struct {
	client     *client
	name       string
	partitions atomic.Pointer[[]*partition] // by number; a nil one was never used
	state      atomic.Int32

	mu      sync.Mutex
	id      [16]byte  // as the brokers said last
	missing time.Time // since when the brokers say that there is no such topic
}

// topicState says whether kgo takes messages of the topic.
type topicState int32

const (
	topicUsable topicState = iota
	// topicRenewed: the topic was deleted and created again. kgo is being told
	// to forget the old one. Messages wait.
	topicRenewed
	// topicGone: the topic was deleted. Messages are refused.
	topicGone
)

func (t *topic) blocked() bool { return topicState(t.state.Load()) != topicUsable }

// partition keeps the messages of one partition in their order, and knows which
// of them were written to a connection.
type partition struct {
	topic  *topic
	number int32

	mu sync.Mutex
	// handed, written and ended count messages: given to kgo, part of a batch
	// that was written, and ended. written is an upper bound.
	handed, written, ended uint64
	// batches are those with a message that has not ended, in order.
	batches []*batch
	stamps  []stamp
	// held: a batch was refused, and the handler has not been told yet of
	// everything behind it.
	held bool
	// waiting are messages for later: kgo made no connection for those before
	// them (retrying), or is told to forget the topic. again are those that kgo
	// gave up for that reason.
	waiting, again []*record
	retrying       bool
	refusal        *refusal
	// muddled says that written and the batches do not fit the messages. kgo
	// has begun a new sequence.
	muddled bool
}

// batch is one batch of records that was written at least once.
type batch struct {
	part    *partition
	key     batchKey
	first   uint64 // the index of its first message
	count   uint64
	request *request // the one that carries it now and has no answer yet
	maybe   bool     // an attempt may have been appended
	// acknowledged: a broker answered that the batch is in the log. duplicate: it
	// named no offset, because the batch was there already.
	acknowledged, duplicate bool
}

// batchKey identifies a batch for the broker. kgo resends a batch unchanged.
type batchKey struct {
	producer int64
	epoch    int16
	sequence int32
}

// refusal is a broker's answer that ends a batch and, in kgo, everything behind
// it.
type refusal struct {
	batch  *batch
	err    *transport.Error
	guilty map[uint64]string // by index in the batch; the broker's text
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

// use returns a partition, and makes it if need be.
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
	p := &partition{topic: t, number: n}
	partitions[n] = p
	t.partitions.Store(&partitions)
	return p
}

// Produce implements [transport.Topic].
func (t *topic) Produce(number int32, m *transport.Message, token transport.Token) error {
	c := t.client
	size := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		size += len(h.Key) + len(h.Value)
	}
	if n := size + batchOverhead + recordOverhead + len(m.Headers)*headerOverhead; n > c.batchBytes {
		return &transport.Error{Code: codeMessageTooLarge, Text: fmt.Sprintf("%d bytes, a batch holds %d", n, c.batchBytes)}
	}
	if number < 0 {
		return &transport.Error{Code: transport.Invalid, Text: fmt.Sprintf("partition %d", number)}
	}
	p := t.use(number)
	r := c.chunks.copy(m, size)
	r.Topic, r.Partition = t.name, number
	r.Timestamp = time.Time{}
	if m.HasTimestamp {
		r.Timestamp = time.UnixMilli(m.Timestamp)
	}
	r.part, r.token = p, token

	p.mu.Lock()
	defer p.mu.Unlock()
	if err := c.refuses(); err != nil {
		c.chunks.release(r)
		return err
	}
	switch state := topicState(t.state.Load()); {
	case state == topicGone:
		c.chunks.release(r)
		return &transport.Error{Code: codeUnknownTopic, Text: "the topic does not exist any more", Retriable: true}
	case p.held: // kgo would refuse it, or it would overtake what is sent again
		c.chunks.release(r)
		return errRecovering
	case state == topicRenewed, p.retrying:
		p.waiting = append(p.waiting, r)
		return nil
	}
	p.hand(r)
	return nil
}

var errRecovering = &transport.Error{
	Code: transport.Recovering, Retriable: true, Text: "an earlier batch of the partition was refused",
}

// hand gives a message to kgo. p.mu is held: it keeps the order of the indexes
// that of kgo's queue.
func (p *partition) hand(r *record) {
	r.index = p.handed
	p.handed++
	c := p.topic.client
	if c.config.TransactionalID != "" && !c.tx.produced.Load() {
		c.tx.produced.Store(true)
	}
	c.kgo.Produce(&r.self, &r.Record, c.promise)
}

// Close implements [transport.Topic]. The client frees its topics itself.
func (*topic) Close() {}

// Sizes of the record batch format, version 2, and of kgo's framing of it.
const (
	batchOverhead  = 65
	recordOverhead = 32 // lengths and deltas, at most
	headerOverhead = 10
)

// Codes of Kafka's protocol that this package itself reports.
const (
	codeUnknownTopic    transport.Code = 3
	codeMessageTooLarge transport.Code = 10
)

// missingFor is how long the brokers must say that a topic does not exist before
// its messages are given up. A broker that has just started may not know it yet.
const missingFor = 5 * time.Second

// seen notes what a broker says of the topic.
func (t *topic) seen(code int16, id [16]byte) {
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
		// kgo would number the messages from the start, as it did before, and the
		// broker would take them for those that it has.
		t.client.fail(&transport.Error{Code: transport.Desynchronized, Fatal: true, Text: "topic " + t.name + " was missing and is there again"})
	case topicState(t.state.Load()) == topicGone:
		t.state.Store(int32(topicUsable))
	case known != id && !t.blocked():
		t.state.Store(int32(topicRenewed))
		t.client.background.Go(t.forget)
	}
}

// forget has kgo give up the topic's messages and what it knows of the topic.
// The messages that waited are given up too.
func (t *topic) forget() {
	t.client.kgo.PurgeTopicsFromProducing(t.name)
	t.mu.Lock()
	t.state.CompareAndSwap(int32(topicRenewed), int32(topicUsable))
	t.mu.Unlock()
	for _, p := range *t.partitions.Load() {
		if p == nil {
			continue
		}
		p.mu.Lock()
		p.held = true
		ended := p.handed == p.ended
		p.mu.Unlock()
		if ended { // else the last outcome does it
			p.resume()
		}
	}
}

// resume opens the partition again after a refusal, when the handler has been
// told of every message behind it. Messages that waited end first, because the
// engine may have to send those before them again.
func (p *partition) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.dropWaiting(gaveUp("an earlier message of the partition was refused"), p.resume)
		return
	}
	p.held = p.handed != p.ended
}

// dropWaiting ends the messages that kgo has not seen. p.mu is held.
func (p *partition) dropWaiting(err *transport.Error, then func()) {
	c := p.topic.client
	for i, r := range p.waiting {
		o := transport.Outcome{
			Token: r.token, Partition: p.number, Offset: -1, Timestamp: -1,
			Persistence: transport.NotPersisted, Err: err, Message: r.message(),
		}
		c.chunks.release(r)
		if i < len(p.waiting)-1 {
			c.outbox.put(o, nil)
		} else {
			c.outbox.put(o, then)
		}
	}
	p.waiting = nil
}

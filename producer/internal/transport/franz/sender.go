package franz

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// senders has a sender for each broker.
type senders struct {
	client *client
	byID   sync.Map // node id to *sender
}

// at returns the sender of a broker.
func (s *senders) at(id int32) *sender {
	if known, ok := s.byID.Load(id); ok {
		return known.(*sender)
	}
	b := &sender{client: s.client, id: id, limit: mostBytes}
	b.filled.L = &b.mu
	known, _ := s.byID.LoadOrStore(id, b)
	return known.(*sender)
}

// close ends the goroutines of all senders.
func (s *senders) close() {
	for _, b := range s.byID.Range {
		b.(*sender).close()
	}
}

// sender writes produce requests to a broker. A request has a batch of each
// partition that waits. While a request is being written, the partitions wait
// for the next request, because one large request costs less than two. While
// the allowed number of requests is in flight, the partitions also fill their
// batches.
type sender struct {
	client *client
	id     int32

	mu      sync.Mutex
	filled  sync.Cond
	waiting []*partition
	workers int
	free    int  // workers without a request
	writing bool // a request is made, and not yet written
	limit   int  // for the size of a request in bytes, apart from its last batch
	closed  bool
}

const (
	// inFlight is the number of requests that wait for their answer at the same
	// time. Their batches are of different partitions.
	inFlight = 5
	// mostBytes bounds the size of a request, apart from its last batch. A
	// broker accepts 100 MiB (socket.request.max.bytes).
	mostBytes = 4 << 20
)

// enqueue adds a partition. The caller holds the partition's lock.
func (s *sender) enqueue(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, p)
	s.callWorker()
}

// ready reports whether the next request can be made. Compression takes longer
// than writing, so several workers compress at the same time. The caller holds
// s.mu.
func (s *sender) ready() bool {
	return len(s.waiting) > 0 && (!s.writing || s.client.compressor != nil)
}

// callWorker lets a worker make the next request. The caller holds s.mu.
func (s *sender) callWorker() {
	most := inFlight
	if s.client.config.WeakAcks {
		most = s.client.config.InFlightRequests
	}
	switch {
	case s.closed || !s.ready():
	case s.free > 0:
		s.filled.Signal()
	case s.workers < most:
		s.workers++
		s.client.background.Go(s.work)
	}
}

// written says that the last request is written, or has failed.
func (s *sender) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	s.callWorker()
}

// adapt chooses the size of the next requests after the end of a request. A
// slow network may not carry a large request before the client's timeout, and
// would not carry the same request later. So the requests become smaller, down
// to one batch, and grow again with each answer.
func (s *sender) adapt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.limit /= 4
	} else {
		s.limit = min(2*s.limit+leastGrowth, mostBytes)
	}
}

const leastGrowth = 64 << 10

func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.filled.Broadcast()
}

// work sends requests, one after the other.
func (s *sender) work() {
	var parts []*partition
	var report report
	for {
		s.mu.Lock()
		for !s.ready() && !s.closed {
			s.free++
			s.filled.Wait()
			s.free--
		}
		if s.closed {
			s.mu.Unlock()
			return
		}
		parts, s.waiting = s.waiting, emptied(parts)
		s.writing = true
		limit := s.limit
		s.mu.Unlock()
		r, rest := s.request(parts, limit)
		if len(rest) > 0 {
			s.mu.Lock()
			s.waiting = append(slices.Clone(rest), s.waiting...)
			s.callWorker()
			s.mu.Unlock()
		}
		parts = emptied(parts)
		if len(r.batches) > 0 {
			s.send(r, &report)
			report.put(s.client.outbox)
		} else {
			s.written()
		}
		r.cancel()
	}
}

// request makes a request with the first batches of the partitions. limit is
// the size of the request in bytes, apart from its last batch. rest are the
// partitions that have no room in the request.
func (s *sender) request(parts []*partition, limit int) (r *request, rest []*partition) {
	c := s.client
	r = &request{sender: s, most: lastVersion}
	r.ctx, r.cancel = context.WithCancel(c.alive)
	r.Acks, r.TimeoutMillis = c.acks(), int32(max(c.config.RequestTimeout, 100*time.Millisecond).Milliseconds())
	if id := c.config.TransactionalID; id != "" {
		r.TransactionID = &id
		if !c.tx.second {
			r.most = lastFirst
		}
	}
	size := 0
	for i, p := range parts {
		if size > limit {
			rest = parts[i:]
			break
		}
		b := p.load(r)
		if b == nil {
			continue
		}
		b.encode()
		size += len(b.bytes())
		if b.attempts++; b.attempts > 1 {
			r.again++
		}
		r.batches = append(r.batches, b)
	}
	// A topic is in the request once, so its partitions must be neighbours.
	slices.SortStableFunc(r.batches, func(a, b *batch) int { return cmp.Compare(a.part.topic.name, b.part.topic.name) })
	for i, b := range r.batches {
		t := b.part.topic
		if i == 0 || r.batches[i-1].part.topic != t {
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic, topic.TopicID = t.name, t.topicID()
			if topic.TopicID == [16]byte{} {
				r.most = min(r.most, lastWithNames)
			}
			r.Topics = append(r.Topics, topic)
		}
		r.topics = append(r.topics, len(r.Topics)-1)
		last := &r.Topics[len(r.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.ProduceRequestTopicPartition{Partition: b.part.number, Records: b.bytes()})
	}
	return r, rest
}

// send sends a request, and handles the answer.
func (s *sender) send(r *request, to *report) {
	c := s.client
	var plain kmsg.Request = r
	if r.Acks == 0 { // kgo waits for no answer if it knows the type
		plain = &r.ProduceRequest
		r.begin()
	}
	resp, err := c.kgo.Broker(int(s.id)).Request(r.ctx, plain)
	answer, _ := resp.(*kmsg.ProduceResponse)
	r.over()
	r.tellWritten()
	s.adapt(err)
	if err == nil && r.Acks == 0 {
		for _, b := range r.batches {
			b.part.answered(r, b, &noAnswer, to)
		}
		return
	}
	if err == nil {
		s.answers(r, answer, to)
		err = errNoAnswer
	}
	for _, b := range r.batches {
		if b != nil {
			b.part.unanswered(r, b, err, to)
		}
	}
}

var errNoAnswer = &transport.Error{Code: transport.Other, Text: "the broker's answer does not name the partition", Retriable: true}

// noAnswer stands for the answer to a request with acks=0.
var noAnswer = kmsg.NewProduceResponseTopicPartition() //nolint:gochecknoglobals // never written

// answers hands the answers to the partitions. The broker usually keeps the
// order of the request.
func (s *sender) answers(r *request, answer *kmsg.ProduceResponse, to *report) {
	next := 0
	for i := range answer.Topics {
		topic := &answer.Topics[i]
		for j := range topic.Partitions {
			a := &topic.Partitions[j]
			at := r.find(next, topic, a.Partition)
			if at < 0 {
				continue
			}
			b := r.batches[at]
			r.batches[at] = nil
			next = at + 1
			if err := kerr.TypedErrorForCode(a.ErrorCode); err != nil && err != kerr.DuplicateSequenceNumber {
				s.client.handler.Refused(b.part.topic.name, b.part.number, convert(err))
			}
			b.part.answered(r, b, a, to)
		}
	}
}

// acks returns the setting acks of a request.
func (c *client) acks() int16 {
	if c.config.WeakAcks {
		switch c.config.Acks {
		case settings.AcksNone:
			return 0
		case settings.AcksLeader:
			return 1
		}
	}
	return -1
}

package franz

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
)

// topic is the client's state of one topic.
type topic struct {
	client     *client
	name       string
	batchBytes atomic.Int32                 // the size of the largest batch
	partitions atomic.Pointer[[]*partition] // by number; nil if the partition was never used
	gone       atomic.Bool                  // the topic was deleted; the client refuses messages
	renewals   atomic.Int32                 // how often the topic was created again

	mu      sync.Mutex
	id      [16]byte  // the last id from the brokers
	missing time.Time // since this time the brokers report a missing topic
	leaders []leader  // by partition
	known   bool      // the brokers have named the partitions
	refusal *transport.Error
}

// leader is the broker that leads a partition, or -1.
type leader struct{ id, epoch int32 }

// each calls f for every used partition, under the partition's lock.
func (t *topic) each(f func(p *partition)) {
	for _, p := range *t.partitions.Load() {
		if p != nil {
			p.mu.Lock()
			f(p)
			p.mu.Unlock()
		}
	}
}

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
	partitions := make([]*partition, max(len(old), int(n)+1, len(t.leaders)))
	copy(partitions, old)
	p := &partition{topic: t, number: n, active: &idle}
	partitions[n] = p
	t.partitions.Store(&partitions)
	return p
}

// Close implements [transport.Topic]. The client frees its topics.
func (*topic) Close() {}

// These are the codes of Kafka's protocol that this package reports without a
// broker.
const (
	codeUnknownTopic    transport.Code = 3
	codeMessageTooLarge transport.Code = 10
)

// topicID returns the topic's id, or zero.
func (t *topic) topicID() [16]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id
}

// leader returns the broker that leads a partition, or -1 if nobody knows. The
// error says that the partition takes no messages.
func (t *topic) leader(n int32) (int32, *transport.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.gone.Load():
		return -1, errGone
	case t.refusal != nil:
		return -1, t.refusal
	case !t.known:
		return -1, nil
	case int(n) >= len(t.leaders):
		return -1, errNoPartition
	}
	return t.leaders[n].id, nil
}

var errNoPartition = &transport.Error{Code: codeUnknownTopic, Text: "the topic does not have the partition", Retriable: true}

// noteLeader notes a leader that a broker has named in its answer to messages.
// noteLeader returns false if this is not news.
func (t *topic) noteLeader(n, id, epoch int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id < 0 || int(n) >= len(t.leaders) || t.leaders[n].epoch >= epoch {
		return false
	}
	t.leaders[n] = leader{id, epoch}
	return true
}

// missingFor is the time for which the brokers must report a missing topic
// before the client gives up the messages. A broker that has just started may
// not know the topic yet.
const missingFor = 5 * time.Second

// noteMetadata notes a broker's metadata of the topic.
func (t *topic) noteMetadata(m *kmsg.MetadataResponseTopic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch code := kerr.TypedErrorForCode(m.ErrorCode); {
	case code == kerr.UnknownTopicOrPartition:
		switch {
		case t.missing.IsZero():
			t.missing = time.Now()
		case time.Since(t.missing) > missingFor:
			t.gone.Store(true)
		}
		return
	case code != nil && !code.Retriable && !t.known:
		t.refusal = convert(code)
		return
	case code != nil:
		return
	}
	renewed := t.id != [16]byte{} && t.id != m.TopicID
	if renewed {
		t.renewals.Add(1)
	}
	leaders := make([]leader, 0, len(m.Partitions))
	if !renewed && m.TopicID != [16]byte{} {
		leaders = append(leaders, t.leaders...) // a broker that lags behind may name fewer
	}
	for len(leaders) < len(m.Partitions) {
		leaders = append(leaders, leader{-1, -1})
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if p.Partition < 0 || int(p.Partition) >= len(leaders) {
			continue // wrong: the numbers begin at 0, and have no gap
		}
		if l := &leaders[p.Partition]; p.LeaderEpoch >= l.epoch || p.LeaderEpoch < 0 {
			*l = leader{p.Leader, p.LeaderEpoch}
		}
	}
	t.id, t.leaders, t.known, t.missing, t.refusal = m.TopicID, leaders, true, time.Time{}, nil
	t.gone.Store(false)
}

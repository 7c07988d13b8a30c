package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

// refusals has the last refusal of each partition with messages in flight. The
// key without a topic is for the producer id, which all partitions need. Under
// progress.mu.
type refusals map[refusedPartition]refusedMessages

type refusedPartition struct {
	topic     string
	partition int32
}

// noProducerID is the key of the producer id.
var noProducerID = refusedPartition{partition: -1} //nolint:gochecknoglobals // never changed

// refusedMessages is the last refusal of messages that the client sends again.
type refusedMessages struct {
	err *transport.Error
	at  time.Time
}

// noteRefusal implements [transport.Handler.Refused].
func (p *progress) noteRefusal(topic string, partition int32, err *transport.Error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusals == nil {
		p.refusals = refusals{}
	}
	p.refusals[refusedPartition{topic, partition}] = refusedMessages{err, now}
}

// keep forgets the partitions that have no messages in flight.
func (r refusals) keep(seen map[*queue]progressMark) {
	if len(r) == 0 {
		return
	}
	keep := map[refusedPartition]bool{noProducerID: len(seen) > 0}
	for q := range seen {
		keep[refusedPartition{q.topic.name, q.partition}] = true
	}
	for key := range r {
		if !keep[key] {
			delete(r, key)
		}
	}
}

// refusal returns why the first partition that has not moved for the given time
// does not move, and the code of the reason. A refusal from before the last
// movement is no reason. The result is nil if no reason is known.
func (p *progress) refusal(after time.Duration) (code transport.Code, reason error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var first refusedPartition
	var found *transport.Error
	explain := diagnose.ExplainRefusal
	for q, mark := range p.seen {
		if q.head.Load() != mark.head || now.Sub(mark.at) < after {
			continue
		}
		at := refusedPartition{q.topic.name, q.partition}
		last := p.refusals[at]
		why := diagnose.ExplainRefusal
		if last.err == nil {
			last, why = p.refusals[noProducerID], diagnose.ExplainNoProducerID
		}
		if last.err == nil || last.at.Before(mark.at) || found != nil && !at.before(first) {
			continue
		}
		first, found, explain = at, last.err, why
	}
	if found == nil {
		return 0, nil
	}
	return found.Code, explain(fmt.Sprintf("%s[%d]", first.topic, first.partition), found)
}

func (p refusedPartition) before(q refusedPartition) bool {
	return p.topic < q.topic || p.topic == q.topic && p.partition < q.partition
}

const (
	notEnoughReplicas            transport.Code = 19
	notEnoughReplicasAfterAppend transport.Code = 20
)

// noteLeaders notes the partitions of a topic that have no leader.
func (e *Engine) noteLeaders(k *client, topic string) {
	ctx, cancel := context.WithTimeout(e.alive, longestCall)
	defer cancel()
	metadata, err := k.transport.Metadata(ctx, topic)
	if err != nil {
		return
	}
	for n, p := range metadata.Partitions {
		if p.Leader < 0 {
			e.progress.noteRefusal(topic, int32(n), &transport.Error{Code: leaderNotAvailable, Text: "the partition has no leader"}, time.Now())
		}
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

// lostPartition is a partition whose messages were refused for good, and are
// sent again by the next client. Since then no such message has an outcome.
type lostPartition struct {
	topic *clientTopic
	since time.Time
	err   *transport.Error // the refusal, if a broker gave one
}

// noteLost notes that a message of a partition is certainly not in the log, and
// is sent again.
func (p *progress) noteLost(q *queue, err error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := refusedPartition{q.topic.name, q.partition}
	lost, known := p.lost[at]
	if !known {
		lost = lostPartition{q.topic, now, nil}
	}
	if refused := new(transport.Error); errors.As(err, &refused) && refused.Code.OfBroker() {
		lost.err = refused
	}
	if p.lost == nil {
		p.lost = map[refusedPartition]lostPartition{}
	}
	p.lost[at] = lost
}

// forgetLost notes that a message that was sent again has its outcome.
func (p *progress) forgetLost(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lost, refusedPartition{q.topic.name, q.partition})
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
	for at, lost := range p.lost {
		if lost.err != nil && now.Sub(lost.since) >= after && (found == nil || at.before(first)) {
			first, found, explain = at, lost.err, diagnose.ExplainRefusal
		}
	}
	if found == nil {
		return 0, p.silentLocked(now, after)
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

// unexplained returns the partitions that have not moved for the given time and
// have no refusal since they moved last.
func (p *progress) unexplained(after time.Duration) (all []refusedPartition) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for q, mark := range p.seen {
		at := refusedPartition{q.topic.name, q.partition}
		if q.head.Load() == mark.head && now.Sub(mark.at) >= after && !p.refusals[at].at.After(mark.at) && !p.refusals[noProducerID].at.After(mark.at) {
			all = append(all, at)
		}
	}
	return all
}

// silentLocked returns why the leader of the first partition that has not moved
// for the given time gives no answer, or nil. Under mu.
func (p *progress) silentLocked(now time.Time, after time.Duration) (why error) {
	var first refusedPartition
	for q, mark := range p.seen {
		at := refusedPartition{q.topic.name, q.partition}
		if p.silent[at] != nil && q.head.Load() == mark.head && now.Sub(mark.at) >= after && (why == nil || at.before(first)) {
			first, why = at, p.silent[at]
		}
	}
	return why
}

// noteSilent notes why partitions have no answer. leaders has the addresses of
// the leaders that the brokers have named. noteSilent probes these leaders.
func (e *Engine) noteSilent(silent []refusedPartition, leaders map[refusedPartition]string) {
	found := map[string]*error{"": new(errors.New("the brokers have not answered yet, also no request for the metadata of the topic"))}
	var probes sync.WaitGroup
	for _, at := range silent {
		leader := leaders[at]
		if found[leader] != nil {
			continue
		}
		why := fmt.Errorf("broker %s, the leader, has not answered yet", leader)
		found[leader] = &why
		probes.Go(func() {
			ctx, cancel := context.WithTimeout(e.alive, probeWait)
			defer cancel()
			if err := diagnose.Probe(ctx, e.config, leader); err != nil {
				why = err
			}
		})
	}
	probes.Wait()
	e.progress.mu.Lock()
	defer e.progress.mu.Unlock()
	e.progress.silent = map[refusedPartition]error{}
	for _, at := range silent {
		e.progress.silent[at] = *found[leaders[at]]
	}
}

// noteLeaders notes the partitions of a topic that have no leader, and adds the
// addresses of the leaders of the other partitions to leaders.
func (e *Engine) noteLeaders(k *client, topic string, leaders map[refusedPartition]string) {
	ctx, cancel := context.WithTimeout(e.alive, longestCall)
	defer cancel()
	metadata, err := k.transport.Metadata(ctx, topic)
	if err != nil {
		return
	}
	addresses := map[int32]string{}
	for _, b := range k.transport.Brokers().List() {
		addresses[b.ID] = b.Address
	}
	for n, p := range metadata.Partitions {
		leaders[refusedPartition{topic, int32(n)}] = addresses[p.Leader]
		if p.Leader < 0 {
			e.progress.noteRefusal(topic, int32(n), &transport.Error{Code: leaderNotAvailable, Text: "the partition has no leader"}, time.Now())
		}
	}
}

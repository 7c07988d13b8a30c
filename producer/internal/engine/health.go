package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Health is the state of a producer at one moment. Asking for it does no I/O.
type Health struct {
	// Ready says whether the producer can publish, as far as the producer
	// knows.
	Ready bool
	// Since is the time of the last change of Ready.
	Since time.Time
	// Reason says why the producer is not ready, in the words of its errors.
	// Reason is nil if Ready is true.
	Reason error
	// InFlight is the number of accepted messages without an outcome.
	InFlight int64
	// Stuck names partitions, as "topic[partition]". Such a partition has
	// messages in flight and had no outcome for 10 seconds.
	Stuck []string
	// OldestInFlight is the longest time for which a partition has had no
	// outcome. It is 0 if nothing is in flight.
	OldestInFlight time.Duration
}

// Health reports whether the engine can publish. Health does no I/O.
func (e *Engine) Health() Health { return e.healthNow(e.Err()) }

// stuckAfter is the time without an outcome after which a partition with
// messages in flight is stuck.
const stuckAfter = 10 * time.Second

// progress is the last observation of each partition.
type progress struct {
	mu    sync.Mutex
	seen  map[*queue]progressMark
	ready bool
	since time.Time
}

type progressMark struct {
	head int64
	at   time.Time
}

// watchEvery is the interval of the observations.
const watchEvery = time.Second

// watchProgress observes all partitions until the producer is closed.
func (e *Engine) watchProgress() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			e.progress.look(e.allQueues(), now)
			e.lend(now)
			e.checkTopics(now)
			if e.trouble.cause() != nil && e.Stats().InFlight == 0 {
				e.lookForBrokers()
			}
		case <-e.alive.Done():
			return
		}
	}
}

// lookForBrokers ends the trouble if a broker answers. A delivery ends the
// trouble too, but an idle producer has no delivery.
func (e *Engine) lookForBrokers() {
	k, err := e.mainOrErr()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.alive, watchEvery)
	defer cancel()
	if k.transport.Reach(ctx) == nil {
		e.trouble.over()
	}
}

func (e *Engine) allQueues() []*queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*queue
	for _, k := range e.clients {
		all = append(all, *k.queues.Load()...)
	}
	return all
}

// look records when each partition with messages in flight moved last.
func (p *progress) look(queues []*queue, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[*queue]progressMark{}
	for _, q := range queues {
		head := q.head.Load()
		if head == q.tail.Load() {
			continue
		}
		mark, known := p.seen[q]
		if !known || mark.head != head {
			mark = progressMark{head, now}
		}
		seen[q] = mark
	}
	p.seen = seen
}

// stuck returns the names of the partitions that have not moved for the given
// time, in order, and the longest time for which a partition has not moved.
func (p *progress) stuck(now time.Time, after time.Duration) (names []string, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for q, mark := range p.seen {
		if q.head.Load() != mark.head {
			continue
		}
		waited := now.Sub(mark.at)
		oldest = max(oldest, waited)
		if waited >= after {
			names = append(names, fmt.Sprintf("%s[%d]", q.topic.name, q.partition))
		}
	}
	slices.Sort(names)
	return names, oldest
}

// healthNow returns the current health. ended is the reason why the producer
// ended, or nil.
func (e *Engine) healthNow(ended error) Health {
	now := time.Now()
	h := Health{InFlight: e.Stats().InFlight}
	h.Stuck, h.OldestInFlight = e.progress.stuck(now, stuckAfter)
	switch {
	case ended != nil:
		h.Reason = ended
	case e.trouble.cause() != nil:
		h.Reason = e.trouble.cause()
	case len(h.Stuck) > 0:
		h.Reason = e.stuckError(h.Stuck, stuckAfter)
	}
	h.Ready = h.Reason == nil
	e.progress.mu.Lock()
	if e.progress.since.IsZero() || e.progress.ready != h.Ready {
		e.progress.ready, e.progress.since = h.Ready, now
	}
	h.Since = e.progress.since
	e.progress.mu.Unlock()
	return h
}

var errStuck = errors.New("producer: partitions do not move")

// stuckError returns an error that names at most five partitions.
func (e *Engine) stuckError(names []string, after time.Duration) error {
	const most = 5
	if len(names) > most {
		return fmt.Errorf("%w: %v and %d more had no delivery for %v", errStuck, names[:most], len(names)-most, after)
	}
	return fmt.Errorf("%w: %v had no delivery for %v", errStuck, names, after)
}

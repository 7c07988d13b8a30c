package franz

import (
	"context"
	"sync"
	"time"
)

// linger sends the batches of partitions, on a goroutine of its own. So
// publishers do not wait.
//
// linger first keeps the batches for the time of linger.ms, so that they become
// larger. A timer for each partition, and a request for each batch, would cost
// more than the messages if there are thousands of partitions. linger sends the
// batches of many partitions at once.
type linger struct {
	after time.Duration // 0: messages do not wait
	wake  chan struct{} // capacity 1

	mu      sync.Mutex
	due     []lingering  // in the order of their time
	pass    time.Time    // when run may look at due again
	now     []*partition // their full batches leave at once
	flushes int          // BeginFlush without EndFlush; messages do not wait
}

// lingering is a partition whose last batch leaves at a time.
type lingering struct {
	partition *partition
	at        time.Time
}

// add makes sure that the last batch of a partition leaves after the time of
// linger.ms, or at once during a flush. The caller holds p.mu.
func (l *linger) add(p *partition) {
	if p.lingers || p.due && (p.hurries || p.stage != resting) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flushes > 0 || l.after == 0 {
		p.due = true
		l.hurryLocked(p)
		return
	}
	// run pauses for lingerPart, so the messages wait at most for after.
	l.due = append(l.due, lingering{p, time.Now().Add(l.after - l.after/lingerPart)})
	p.lingers = true
	if len(l.due) == 1 {
		l.wakeUp()
	}
}

// hurry makes the full batches of a partition leave now. The caller holds p.mu.
func (l *linger) hurry(p *partition) {
	if p.hurries {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurryLocked(p)
}

func (l *linger) hurryLocked(p *partition) {
	if p.hurries {
		return
	}
	p.hurries = true
	l.now = append(l.now, p)
	if len(l.now) == 1 {
		l.wakeUp()
	}
}

func (l *linger) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// BeginFlush implements [transport.Client].
func (c *client) BeginFlush() {
	l := &c.linger
	l.mu.Lock()
	l.flushes++
	l.mu.Unlock()
	l.wakeUp()
}

// EndFlush implements [transport.Client].
func (c *client) EndFlush() {
	l := &c.linger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushes--
}

// lingerPart divides linger.ms. One part is the shortest pause between two
// passes.
const lingerPart = 4

// run sends batches until ctx ends.
func (l *linger) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var now, due []*partition
	for {
		var pause time.Duration
		now, due, pause = l.take(now[:0], due[:0], time.Now())
		for _, p := range now {
			p.hurried()
		}
		for _, p := range due {
			p.lingered()
		}
		again := len(now)+len(due) > 0
		now, due = emptied(now), emptied(due)
		if again {
			continue
		}
		timer.Reset(pause)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// take moves the partitions whose batches leave from the lists to now and due.
// pause is the time until run must look again if nothing wakes it.
func (l *linger) take(now, due []*partition, at time.Time) (_, _ []*partition, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = append(now, l.now...)
	l.now = emptied(l.now)
	if n := l.ready(at); n > 0 {
		for _, one := range l.due[:n] {
			due = append(due, one.partition)
		}
		rest := copy(l.due, l.due[n:])
		clear(l.due[rest:])
		l.due = l.due[:rest]
		if rest == 0 {
			l.due = emptied(l.due)
		}
		l.pass = at.Add(l.after / lingerPart)
	}
	if len(l.due) == 0 {
		return now, due, time.Hour
	}
	next := l.due[0].at
	if next.Before(l.pass) {
		next = l.pass
	}
	return now, due, next.Sub(at)
}

// emptied returns a list without its elements, and without the memory of a long
// list. A client may have used thousands of partitions at once.
func emptied[E any](list []E) []E {
	if cap(list) > keptParts {
		return nil
	}
	clear(list)
	return list[:0]
}

// keptParts is the length of the longest list of partitions that is kept.
const keptParts = 1024

// ready returns how many of the partitions have lingered long enough.
func (l *linger) ready(at time.Time) (n int) {
	switch {
	case l.flushes > 0:
		return len(l.due)
	case at.Before(l.pass):
		return 0
	}
	for n < len(l.due) && !l.due[n].at.After(at) {
		n++
	}
	return n
}

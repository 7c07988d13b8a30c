package franz

import (
	"context"
	"sync"
	"time"
)

// linger keeps messages for the time of linger.ms, so that batches become
// larger. kgo's own linger has a timer for each partition, and sends each
// partition alone. With thousands of partitions, the timers and the small
// requests cost more than the messages. linger gives the messages of many
// partitions to kgo at once.
//
// A transactional client leaves the linger to kgo. All its messages would
// usually wait until the commit, and the commit would take longer.
type linger struct {
	after time.Duration // 0: messages do not wait
	wake  chan struct{} // capacity 1

	mu      sync.Mutex
	due     []lingering // in the order of their time
	flushes int         // BeginFlush without EndFlush; messages do not wait
	stop    func()      // ends kgo's flush
	closed  bool
}

// lingering is a partition whose messages go to kgo at a time.
type lingering struct {
	partition *partition
	at        time.Time
}

// add adds a partition that is not in the list. add returns false if messages
// do not wait, because of a flush.
func (l *linger) add(p *partition) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flushes > 0 {
		return false
	}
	// run pauses for lingerPart, so the messages wait at most for after.
	l.due = append(l.due, lingering{p, time.Now().Add(l.after - l.after/lingerPart)})
	if len(l.due) == 1 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// BeginFlush implements [transport.Client].
func (c *client) BeginFlush() {
	l := &c.linger
	l.mu.Lock()
	l.flushes++
	due := l.due
	l.due = nil
	if l.flushes == 1 && c.config.TransactionalID != "" && !l.closed {
		ctx, stop := context.WithCancel(c.alive)
		l.stop = stop
		c.background.Go(func() { c.flushKgo(ctx) })
	}
	l.mu.Unlock()
	for _, one := range due {
		one.partition.endLinger()
	}
}

// flushKgo ends the linger of the messages in kgo until ctx ends. kgo's Flush
// returns when nothing is in flight, so flushKgo calls it again.
func (c *client) flushKgo(ctx context.Context) {
	for c.kgo.Flush(ctx) == nil {
		select {
		case <-time.After(flushPause):
		case <-ctx.Done():
		}
	}
}

// flushPause is the time between two calls of kgo's Flush if nothing is in
// flight.
const flushPause = time.Millisecond

// EndFlush implements [transport.Client].
func (c *client) EndFlush() {
	l := &c.linger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flushes--; l.flushes == 0 && l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// close says that the client closes.
func (l *linger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

const (
	// lingerPart divides linger.ms. One part is the shortest pause between two
	// passes.
	lingerPart = 4
	// lingerRun is how many messages go to kgo while publishers to the
	// partition wait.
	lingerRun = 64
)

// run gives messages to kgo until ctx ends.
func (l *linger) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []lingering
	for {
		l.mu.Lock()
		idle, pause := len(l.due) == 0, l.after/lingerPart
		if !idle {
			pause = max(pause, time.Until(l.due[0].at))
		}
		l.mu.Unlock()
		if idle {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		due = l.take(due[:0], time.Now())
		for _, one := range due {
			one.partition.endLinger()
		}
		clear(due)
	}
}

// take moves the partitions whose time has come from the list to due.
func (l *linger) take(due []lingering, now time.Time) []lingering {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.due) && !l.due[n].at.After(now) {
		n++
	}
	due = append(due, l.due[:n]...)
	rest := copy(l.due, l.due[n:])
	clear(l.due[rest:])
	l.due = l.due[:rest]
	return due
}

// endLinger gives the waiting messages to kgo.
func (p *partition) endLinger() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lingers = false
	for left := p.waiting.count; left > 0; left -= lingerRun {
		p.release(min(left, lingerRun))
		if left > lingerRun { // let publishers in
			p.mu.Unlock()
			p.mu.Lock()
		}
	}
}

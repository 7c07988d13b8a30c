package franz

import (
	"context"
	"sync"
	"time"
)

// linger gives messages to kgo, on a goroutine of its own. So publishers do not
// wait for kgo.
//
// linger first keeps the messages for the time of linger.ms, so that batches
// become larger. kgo's own linger has a timer for each partition, and sends
// each partition alone. With thousands of partitions, the timers and the small
// requests cost more than the messages. linger gives the messages of many
// partitions to kgo at once.
//
// A transactional client leaves the linger to kgo. All its messages would
// usually wait until the commit, and the commit would take longer.
type linger struct {
	after time.Duration // 0: messages do not wait
	wake  chan struct{} // capacity 1

	mu      sync.Mutex
	idle    sync.Cond    // now is empty, and kgo has every message that was in it
	due     []lingering  // in the order of their time
	pass    time.Time    // when run may look at due again
	now     []*partition // their messages go to kgo at once
	busy    bool         // run gives messages to kgo
	ended   bool         // run has returned
	flushes int          // BeginFlush without EndFlush; messages do not wait
	stop    func()       // ends kgo's flush
	closed  bool
}

// lingering is a partition whose messages go to kgo at a time.
type lingering struct {
	partition *partition
	at        time.Time
}

func (l *linger) init() {
	l.wake = make(chan struct{}, 1)
	l.idle.L = &l.mu
}

// add makes sure that the messages of a partition go to kgo after the time of
// linger.ms, or at once during a flush. The caller holds p.mu.
func (l *linger) add(p *partition) {
	if p.lingers || p.hurries {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flushes > 0 {
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

// hurry makes the messages of a partition go to kgo now. The caller holds p.mu.
func (l *linger) hurry(p *partition) {
	if p.hurries {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurryLocked(p)
}

func (l *linger) hurryLocked(p *partition) {
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
	if l.flushes == 1 && c.config.TransactionalID != "" && !l.closed {
		ctx, stop := context.WithCancel(c.alive)
		l.stop = stop
		c.background.Go(func() { c.flushKgo(ctx) })
	}
	l.mu.Unlock()
	l.wakeUp()
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

// lingerPart divides linger.ms. One part is the shortest pause between two
// passes.
const lingerPart = 4

// settle waits until kgo has the messages that do not linger.
func (l *linger) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended && (l.busy || len(l.now) > 0) {
		l.idle.Wait()
	}
}

// end says that run returns.
func (l *linger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.idle.Broadcast()
}

// run gives messages to kgo until ctx ends.
func (l *linger) run(ctx context.Context) {
	defer l.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var now, due []*partition
	for {
		var pause time.Duration
		now, due, pause = l.take(now[:0], due[:0], time.Now())
		for _, p := range now {
			p.give(&p.hurries)
		}
		for _, p := range due {
			p.give(&p.lingers)
		}
		clear(now)
		clear(due)
		if len(now)+len(due) > 0 {
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

// take moves the partitions whose messages go to kgo from the lists to now and
// due. pause is the time until run must look again if nothing wakes it.
func (l *linger) take(now, due []*partition, at time.Time) (_, _ []*partition, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = append(now, l.now...)
	clear(l.now)
	l.now = l.now[:0]
	if n := l.ready(at); n > 0 {
		for _, one := range l.due[:n] {
			due = append(due, one.partition)
		}
		rest := copy(l.due, l.due[n:])
		clear(l.due[rest:])
		l.due = l.due[:rest]
		l.pass = at.Add(l.after / lingerPart)
	}
	if l.busy = len(now)+len(due) > 0; !l.busy {
		l.idle.Broadcast()
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

// ready returns how many of the partitions that linger go to kgo now.
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

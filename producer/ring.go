package producer

import (
	"sync"
	"sync/atomic"
)

// entry is what the producer remembers of a message under way.
type entry struct {
	callback Callback
	future   *Future
	stamp    int64 // the message's timestamp, Unix milliseconds; 0: nobody asked
	since    int64 // when it was accepted, on the monotonic clock; 0: nobody asked
	bytes    int64
	keyID    int
	valueID  int
}

// apart keeps what is written by different goroutines off each other's cache lines, which processors fetch in pairs.
type apart [128]byte

// told says that somebody wants the delivery.
func (e *entry) told() bool { return e.callback != nil || e.future != nil }

const chunkSize = 64

type chunk struct {
	entries [chunkSize]entry
	next    *chunk
}

// ring matches delivery reports to messages for one partition: reports come in the order of produce calls, so the next
// report belongs to the oldest entry. (librdkafka keeps a partition's messages in one queue and reports them from its
// head; what breaks the order is polling for reports beside the client's own poller, as Flush does, and Purge.)
//
// Publishers push under mu, which they hold across the produce call, so that entry order is produce order. The event
// goroutine alone pops. The entries lie in a chain of chunks; tail and head count them, and publish them to each other.
//
// What publishers write and what the event goroutine writes lies on different cache lines, or each message of one would
// wait for the other's.
type ring struct {
	topic     *clientTopic
	partition int32
	_         apart

	// The publishers', under mu.
	mu   sync.Mutex
	last *chunk // where the next entry goes
	used int    // entries of last in use
	tail atomic.Int64
	_    apart

	// The event goroutine's.
	first  *chunk
	taken  int          // entries of first popped
	popped int64        // entries popped
	seen   int64        // tail, when it was last looked at
	doubt  int64        // up to this entry reports cannot be told apart
	offset int64        // of the newest report that had one
	head   atomic.Int64 // entries whose outcome is on the books

	waiting atomic.Bool // there are waiters
	waitMu  sync.Mutex
	waiters []ringWaiter
}

// ringWaiter is told when head reaches mark.
type ringWaiter struct {
	mark int64
	done func()
}

func newRing(t *clientTopic, partition int32) *ring {
	c := t.client.chunks.Get().(*chunk)
	return &ring{topic: t, partition: partition, last: c, first: c, offset: -1}
}

// push appends an entry. Under mu.
func (r *ring) push(e *entry) {
	if r.used == chunkSize {
		c := r.topic.client.chunks.Get().(*chunk)
		r.last.next = c
		r.last, r.used = c, 0
	}
	r.last.entries[r.used] = *e
	r.used++
	r.tail.Add(1)
}

// unpush takes back the newest entry, for which no report will come. Under mu.
func (r *ring) unpush() {
	r.tail.Add(-1)
	r.used--
	r.last.entries[r.used] = entry{}
}

// pop moves the oldest entry out; false: there is none. Only for the event goroutine.
func (r *ring) pop(e *entry) bool {
	if r.popped == r.seen {
		if r.seen = r.tail.Load(); r.popped == r.seen {
			return false
		}
	}
	if r.taken == chunkSize {
		old := r.first
		r.first, r.taken = old.next, 0
		old.next = nil
		r.topic.client.chunks.Put(old)
	}
	slot := &r.first.entries[r.taken]
	*e, *slot = *slot, entry{}
	r.taken++
	r.popped++
	return true
}

// settle says that what was popped has its outcome on the books.
func (r *ring) settle() {
	r.head.Store(r.popped)
	if r.waiting.Load() {
		r.wake(r.popped)
	}
}

// wait calls done once everything pushed before the call is settled, at once if it is.
//
// No wake is lost: wait registers before it looks at head, settle moves head before it looks for waiters.
func (r *ring) wait(done func()) {
	r.mu.Lock()
	mark := r.tail.Load()
	r.mu.Unlock()
	if r.head.Load() >= mark {
		done()
		return
	}
	r.waitMu.Lock()
	r.waiters = append(r.waiters, ringWaiter{mark, done})
	r.waiting.Store(true)
	r.waitMu.Unlock()
	r.wake(r.head.Load())
}

func (r *ring) wake(head int64) {
	r.waitMu.Lock()
	var due []func()
	rest := r.waiters[:0]
	for _, w := range r.waiters {
		if head >= w.mark {
			due = append(due, w.done)
		} else {
			rest = append(rest, w)
		}
	}
	clear(r.waiters[len(rest):])
	r.waiters = rest
	r.waiting.Store(len(rest) > 0)
	r.waitMu.Unlock()
	for _, done := range due {
		done()
	}
}

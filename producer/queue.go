package producer

import (
	"sync"
	"sync/atomic"
)

// entry is what the producer remembers of a message in flight.
type entry struct {
	callback Callback
	future   *Future
	stamp    int64 // the message's timestamp, Unix milliseconds, if stamped
	since    int64 // when it was accepted, on the monotonic clock; 0: nobody asked
	token    any   // of the hooks
	bytes    int64
	keyID    int
	valueID  int
	stamped  bool
	suspect  bool  // it was sent alone, because the broker refused its batch
	resends  uint8 // how often it was sent again
	lent     bool  // its slot was given to others, so that it releases none
	done     bool  // it has its outcome
}

// wantsDelivery says that somebody will look at the delivery.
func (e *entry) wantsDelivery() bool { return e.callback != nil || e.future != nil }

const chunkSize = 64

type chunk struct {
	entries [chunkSize]entry
	next    *chunk
}

// queue holds the entries of one partition that are in flight, in the order in
// which they were given to the transport. An entry's sequence number, with the
// number of its queue, is the message's token. So an outcome finds its entry
// whatever the order of outcomes is.
//
// The entries lie in a chain of chunks. An empty queue has none, so that an idle
// partition costs little.
type queue struct {
	topic     *clientTopic
	partition int32
	number    uint32 // in the client's table

	// The publishers' fields, under mu, which is held while a message is given to
	// the transport, so that the order of entries is the order of the log.
	mu   sync.Mutex
	last *chunk // where the next entry goes
	used int32  // entries of last in use
	tail atomic.Int64

	// The fields of whoever reports outcomes, under the client's events.mu.
	touched bool // in this turn
	taken   int32
	first   *chunk
	popped  int64        // entries that were popped
	head    atomic.Int64 // entries whose outcome is on the books

	waiters atomic.Pointer[waiters]

	// stuck says that the partition does not move while others wait for its share of
	// the buffer. See [core.lend].
	stuck atomic.Bool
}

// waiters are told when head reaches their mark.
type waiters struct {
	mu   sync.Mutex
	list []queueWaiter
}

type queueWaiter struct {
	mark int64
	done func()
}

// push appends an entry and returns its sequence number. Under mu.
func (q *queue) push(e *entry) uint32 {
	if q.last == nil {
		q.last = q.topic.client.chunk()
		q.first, q.used, q.taken = q.last, 0, 0
	} else if q.used == chunkSize {
		c := q.topic.client.chunk()
		q.last.next = c
		q.last, q.used = c, 0
	}
	slot := &q.last.entries[q.used]
	*slot = *e
	slot.done = false
	q.used++
	return uint32(q.tail.Add(1) - 1)
}

// unpush takes back the newest entry, which will have no outcome. Under mu.
func (q *queue) unpush() {
	q.tail.Add(-1)
	q.used--
	q.last.entries[q.used] = entry{}
}

// take moves an entry out. false: there is no such entry.
func (q *queue) take(seq uint32, e *entry) bool {
	tail := q.tail.Load()
	at := int64(seq - uint32(q.popped))
	if at >= tail-q.popped {
		return false
	}
	c, i := q.first, int64(q.taken)+at
	for ; i >= chunkSize; i -= chunkSize {
		c = c.next
	}
	slot := &c.entries[i]
	if slot.done {
		return false
	}
	*e = *slot
	*slot = entry{done: true}
	if at == 0 {
		q.advance(tail)
	}
	return true
}

// advance pops the entries at the head that are done.
func (q *queue) advance(tail int64) {
	for q.popped < tail {
		if q.taken == chunkSize {
			old := q.first
			q.first, q.taken = old.next, 0
			old.next = nil
			q.topic.client.chunks.Put(old)
		}
		slot := &q.first.entries[q.taken]
		if !slot.done {
			return
		}
		*slot = entry{}
		q.taken++
		q.popped++
	}
}

// drainInto takes all entries out, and gives each to f. Under mu.
func (q *queue) drainInto(f func(e *entry)) {
	for q.popped < q.tail.Load() {
		var e entry
		for at := q.popped; at < q.tail.Load(); at++ {
			if q.take(uint32(at), &e) {
				f(&e)
				break
			}
		}
	}
}

// settle says that what was popped has its outcome on the books.
func (q *queue) settle() {
	q.touched = false
	if q.popped != q.head.Load() {
		q.stuck.Store(false)
	}
	q.head.Store(q.popped)
	if w := q.waiters.Load(); w != nil {
		w.wake(q.popped)
	}
	if q.popped == q.tail.Load() && q.mu.TryLock() {
		if q.popped == q.tail.Load() && q.last != nil {
			q.topic.client.chunks.Put(q.last)
			q.last, q.first, q.used, q.taken = nil, nil, 0, 0
		}
		q.mu.Unlock()
	}
}

// wait calls done once everything pushed before the call is settled, at once if it
// is.
//
// No wake is lost: wait registers before it looks at head, and settle moves head
// before it looks for waiters.
func (q *queue) wait(done func()) {
	q.mu.Lock()
	mark := q.tail.Load()
	q.mu.Unlock()
	if q.head.Load() >= mark {
		done()
		return
	}
	w := q.waiters.Load()
	if w == nil {
		q.waiters.CompareAndSwap(nil, new(waiters))
		w = q.waiters.Load()
	}
	w.mu.Lock()
	w.list = append(w.list, queueWaiter{mark, done})
	w.mu.Unlock()
	w.wake(q.head.Load())
}

func (w *waiters) wake(head int64) {
	w.mu.Lock()
	var due []func()
	rest := w.list[:0]
	for _, one := range w.list {
		if head >= one.mark {
			due = append(due, one.done)
		} else {
			rest = append(rest, one)
		}
	}
	clear(w.list[len(rest):])
	w.list = rest
	w.mu.Unlock()
	for _, done := range due {
		done()
	}
}

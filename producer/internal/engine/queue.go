package engine

import (
	"math"
	"sync"
	"sync/atomic"
)

// entry is the state of a message in flight. An entry is small, because many
// thousands of entries do not fit into the processor's cache.
type entry struct {
	callback Callback
	future   *Future
	token    any   // the token of the hooks
	since    int64 // monotonic time of acceptance; 0 without hooks
	stamp    int64 // the message's timestamp, Unix milliseconds, or noStamp
	bytes    int64
	keyID    int32
	valueID  int32
	group    uint32 // size of the group in which a suspect was sent again; 0: none yet
	resends  uint8  // number of times sent again
	suspect  bool   // its batch was refused, and the broker named no record
	refused  bool   // suspect, and refused again in its group
	lent     bool   // others have its slot, so it releases none
}

// noStamp is the timestamp of a message without a timestamp.
const noStamp = math.MinInt64

const chunkSize = 16

type chunk struct {
	entries [chunkSize]entry
	// done says that an entry has its outcome before an earlier entry. It is
	// atomic, because unpush and push may reuse a slot while take still sees
	// the old tail.
	done [chunkSize]atomic.Bool
	next *chunk
}

// queue holds the entries of a partition that are in flight, in the order in
// which the transport received them. A message's token is the number of its
// queue and the sequence number of its entry. So an outcome finds its entry
// whatever the order of outcomes is.
//
// The entries are in a chain of chunks. An empty queue has no chunk, and the
// fields are small, so an idle partition costs little memory. tail, popped and
// head count from 0 again after 2^32 messages, so only their differences say
// what is in flight.
type queue struct {
	topic     *clientTopic
	partition int32
	number    uint32 // in the client's table

	waiters atomic.Pointer[waiters]

	// stuck says that the partition does not move and that other partitions
	// wait for its share of the buffer. See [Engine.lend].
	stuck atomic.Bool

	// The publishers' fields, under mu. A publisher holds mu while the
	// transport receives the message, so the order of entries is the order of
	// the log.
	used int8 // entries of last in use
	mu   sync.Mutex
	last *chunk // where the next entry goes
	tail atomic.Uint32

	// The fields of the goroutine that reports outcomes, under the client's
	// events.mu.
	taken   int8 // entries of first that are popped
	touched bool // in this turn
	first   *chunk
	popped  uint32
	early   int32         // entries with the mark done
	head    atomic.Uint32 // popped entries with a counted outcome
}

// waiters are called when head reaches their mark.
type waiters struct {
	mu   sync.Mutex
	list []queueWaiter
}

type queueWaiter struct {
	mark uint32
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
	q.used++
	return q.tail.Add(1) - 1
}

// unpush removes the newest entry, which gets no outcome. Under mu.
func (q *queue) unpush() {
	q.tail.Add(^uint32(0)) // -1
	q.used--
	q.last.entries[q.used] = entry{}
}

// take removes an entry and copies it to e. take returns false if there is no
// such entry.
func (q *queue) take(seq uint32, e *entry) bool {
	tail := q.tail.Load()
	at := seq - q.popped
	if at >= tail-q.popped {
		return false
	}
	c, i := q.first, int64(q.taken)+int64(at)
	for ; i >= chunkSize; i -= chunkSize {
		c = c.next
	}
	slot := &c.entries[i]
	if c.done[i].Load() {
		return false
	}
	*e = *slot
	*slot = entry{}
	if at > 0 {
		c.done[i].Store(true)
		q.early++
		return true
	}
	q.pop()
	for q.popped != tail && q.headDone() {
		q.pop()
	}
	return true
}

// pop removes the entry at the head.
func (q *queue) pop() {
	if q.taken == chunkSize {
		q.dropChunk()
	}
	q.taken++
	q.popped++
}

// headDone reports whether the entry at the head has its outcome, and clears
// the mark. There must be an entry.
func (q *queue) headDone() bool {
	if q.taken == chunkSize {
		q.dropChunk()
	}
	done := &q.first.done[q.taken]
	if !done.Load() {
		return false
	}
	done.Store(false)
	q.early--
	return true
}

// front returns the entry with a sequence number and the next entries, at most
// n. front returns nothing if the entry is not at the head. The result may be
// shorter than n, because a chunk ends.
func (q *queue) front(seq uint32, n int) []entry {
	n = min(n, int(q.tail.Load()-q.popped))
	if n <= 0 || seq != q.popped || q.early > 0 {
		return nil
	}
	if q.taken == chunkSize {
		q.dropChunk()
	}
	return q.first.entries[q.taken:min(int(q.taken)+n, chunkSize)]
}

// drop removes the result of front.
func (q *queue) drop(front []entry) {
	clear(front)
	q.taken += int8(len(front))
	q.popped += uint32(len(front))
}

// dropChunk removes the first chunk, which has no entry any more.
func (q *queue) dropChunk() {
	old := q.first
	q.first, q.taken = old.next, 0
	old.next = nil
	q.topic.client.chunks.Put(old)
}

// drainInto removes all entries and gives each to f. Under mu.
func (q *queue) drainInto(f func(e *entry)) {
	for q.popped != q.tail.Load() {
		var e entry
		for at := q.popped; at != q.tail.Load(); at++ {
			if q.take(at, &e) {
				f(&e)
				break
			}
		}
	}
}

// settle marks the popped entries as counted.
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

// wait calls done when the outcomes of all earlier entries are counted. If they
// are counted already, wait calls done at once.
//
// No wake is lost, because wait registers before it looks at head, and settle
// moves head before it looks for waiters.
func (q *queue) wait(done func()) {
	q.mu.Lock()
	mark := q.tail.Load()
	q.mu.Unlock()
	if reached(q.head.Load(), mark) {
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

// reached reports whether head has reached a mark.
func reached(head, mark uint32) bool { return int32(head-mark) >= 0 }

func (w *waiters) wake(head uint32) {
	w.mu.Lock()
	var due []func()
	rest := w.list[:0]
	for _, one := range w.list {
		if reached(head, one.mark) {
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

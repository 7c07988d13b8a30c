package franz

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	chunkRecords = 64
	// maxData is the size of a chunk's largest buffer.
	maxData = 64 << 10
	// maxShared is the size of the largest message in a chunk's buffer. A
	// larger message has its own memory.
	maxShared = maxData / 8
)

// record is one message inside kgo.
type record struct {
	kgo.Record
	self  recordContext // the record's Context, with a pointer back to the record
	part  *partition
	chunk *chunk
	token transport.Token
	index uint64 // position of the message in its partition
	// loader says that kgo loads the topic for this message. See topicLoading.
	loader bool
	slot   *expirySlot // nil: the message never expires
	size   int         // bytes of key, value and headers
	next   *record     // in a recordList
}

// recordList is a list of messages. The zero value is empty. An idle partition
// has an empty list, so the list has no memory of its own.
type recordList struct {
	first, last *record
	count       int32
	bytes       int
}

func (l *recordList) empty() bool { return l.first == nil }

// push appends a message.
func (l *recordList) push(r *record) {
	r.next = nil
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
	l.count++
	l.bytes += r.size
}

// pop removes the first message of a list that is not empty.
func (l *recordList) pop() *record {
	r := l.first
	l.first, r.next = r.next, nil
	if l.first == nil {
		*l = recordList{}
	} else {
		l.count--
		l.bytes -= r.size
	}
	return r
}

// prepend moves the messages of other to the front of l.
func (l *recordList) prepend(other *recordList) {
	if other.empty() {
		return
	}
	if l.last == nil {
		l.last = other.last
	}
	other.last.next = l.first
	l.first = other.first
	l.count += other.count
	l.bytes += other.bytes
	*other = recordList{}
}

// message returns a copy of the produced message in new memory.
func (r *record) message() *transport.Message {
	m := &transport.Message{
		Key: clone(r.Key), Value: clone(r.Value), HasTimestamp: true, Timestamp: r.Timestamp.UnixMilli(),
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, transport.Header{Key: h.Key, Value: clone(h.Value)})
	}
	return m
}

// recordContext is a context that never ends. kgo keeps the context with the
// record. So the promise finds the record without a map and without an
// allocation.
type recordContext struct{ record *record }

var _ context.Context = (*recordContext)(nil)

func (*recordContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*recordContext) Done() <-chan struct{}       { return nil }
func (*recordContext) Err() error                  { return nil }
func (*recordContext) Value(any) any               { return nil }

// chunk holds the memory of several consecutive messages. The pool reuses a
// chunk after all its messages have ended.
type chunk struct {
	records [chunkRecords]record
	data    []byte // the keys, values and values of headers; see maxShared
	used    int
	left    atomic.Int32 // number of messages that have not ended, plus chunkOpen during filling
}

// chunkOpen keeps the count above zero while publishers fill the chunk.
const chunkOpen = 1 << 20

// chunkPool hands out chunks. A publisher takes a chunk, adds one message and
// returns the chunk. Therefore each processor fills its own chunk. A partition
// with many messages in flight fills a chunk of its own, which takes less time.
type chunkPool struct {
	filling sync.Pool // chunks with room
	empty   sync.Pool
}

func newChunk() *chunk {
	c := new(chunk)
	for i := range c.records {
		r := &c.records[i]
		r.self.record, r.chunk = r, c
		r.Context = &r.self
	}
	return c
}

// take returns a chunk without messages.
func (p *chunkPool) take() *chunk {
	c, _ := p.empty.Get().(*chunk)
	if c == nil {
		c = newChunk()
	}
	c.left.Store(chunkOpen)
	return c
}

// copy copies a message of size bytes into a chunk.
func (p *chunkPool) copy(m *transport.Message, size int) *record {
	c, _ := p.filling.Get().(*chunk)
	if c != nil && !c.hasRoom(size) {
		p.finish(c)
		c = nil
	}
	if c == nil {
		c = p.take()
	}
	r := c.add(m, size)
	p.filling.Put(c)
	return r
}

// finish says that nobody adds a message to a chunk any more.
func (p *chunkPool) finish(c *chunk) { p.drop(c, chunkOpen-int32(c.used)) }

// add copies a message of size bytes into the chunk, which has room.
func (c *chunk) add(m *transport.Message, size int) *record {
	r := &c.records[c.used]
	r.fill(m, size)
	c.used++
	return r
}

// hasRoom reports whether the chunk has room for a message of size bytes.
func (c *chunk) hasRoom(size int) bool {
	return c.used < chunkRecords && (size > maxShared || len(c.data)+size <= maxData)
}

// copy copies a message of size bytes into a chunk. The caller holds p.mu.
func (p *partition) copy(m *transport.Message, size int) *record {
	pool := &p.topic.client.chunks
	if p.chunk != nil && !p.chunk.hasRoom(size) {
		p.finishChunk()
	}
	if p.chunk == nil {
		if p.handed-p.ended+uint64(p.waiting.count) < chunkRecords {
			return pool.copy(m, size)
		}
		p.chunk = pool.take()
	}
	return p.chunk.add(m, size)
}

// finishChunk gives the partition's chunk back. The caller holds p.mu.
func (p *partition) finishChunk() {
	if p.chunk != nil {
		p.topic.client.chunks.finish(p.chunk)
		p.chunk = nil
	}
}

// fill copies a message of size bytes into the chunk's memory. The memory is
// contiguous, because scattered messages would miss the processor's cache.
func (r *record) fill(m *transport.Message, size int) {
	c := r.chunk
	data := c.data
	switch {
	case size > maxShared:
		data = make([]byte, 0, size)
	case data == nil || cap(data)-len(data) < size: // nil: an empty value is not null
		data = make([]byte, 0, min(max(2*cap(data), chunkRecords*size), maxData))
	}
	r.Key, data = keep(data, m.Key)
	r.Value, data = keep(data, m.Value)
	for _, h := range m.Headers {
		kept := kgo.RecordHeader{Key: h.Key}
		kept.Value, data = keep(data, h.Value)
		r.Headers = append(r.Headers, kept)
	}
	if size <= maxShared {
		c.data = data
	}
}

// keep copies b to data, which has room. nil stays nil.
func keep(data, b []byte) (kept, more []byte) {
	if b == nil {
		return nil, data
	}
	start := len(data)
	data = append(data, b...)
	return data[start:len(data):len(data)], data
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// drop subtracts n from a chunk's count. If no message uses the chunk any more,
// drop returns the chunk to the pool.
func (p *chunkPool) drop(c *chunk, n int32) {
	if c.left.Add(-n) == 0 {
		c.used, c.data = 0, c.data[:0]
		p.empty.Put(c)
	}
}

// release marks a message as ended.
func (p *chunkPool) release(r *record) {
	r.forget()
	p.drop(r.chunk, 1)
}

// forget forgets the parts of an ended message. Key and Value of a small
// message stay until the record is used again, because they are in the chunk's
// buffer or in an earlier, smaller one.
func (r *record) forget() {
	if r.size > maxShared {
		r.Key, r.Value = nil, nil
	}
	if len(r.Headers) > 0 {
		clear(r.Headers)
		r.Headers = r.Headers[:0]
	}
}

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
	chunkBytes   = 16 << 10
)

// record is one message on its way through kgo.
type record struct {
	kgo.Record
	self  recordContext // the record's Context, which leads back to the record
	part  *partition
	chunk *chunk
	token transport.Token
	index uint64 // counts the messages of the partition
}

// message is the message as it was handed over, in memory of its own.
func (r *record) message() *transport.Message {
	m := &transport.Message{
		Key: clone(r.Key), Value: clone(r.Value), HasTimestamp: true, Timestamp: r.Timestamp.UnixMilli(),
	}
	if r.Timestamp.IsZero() { // kgo has not seen it
		m.Timestamp = time.Now().UnixMilli()
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, transport.Header{Key: h.Key, Value: clone(h.Value)})
	}
	return m
}

// recordContext is a context that never ends. kgo passes it through, so the
// record is found again without a map and without an allocation.
type recordContext struct{ record *record }

var _ context.Context = (*recordContext)(nil)

func (*recordContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*recordContext) Done() <-chan struct{}       { return nil }
func (*recordContext) Err() error                  { return nil }
func (*recordContext) Value(any) any               { return nil }

// chunk is memory for some messages in a row: their records, keys and values. It
// is used again when all of them have ended.
type chunk struct {
	records [chunkRecords]record
	used    int
	bytes   []byte
	headers []kgo.RecordHeader
	left    atomic.Int32 // messages that have not ended; chunkOpen more while it is filled
}

// chunkOpen keeps the count of a chunk above zero while it is being filled.
const chunkOpen = 1 << 20

// chunkPool hands out chunks. A publisher takes a chunk, puts one message into
// it and gives it back, so that each processor fills a chunk of its own.
type chunkPool struct {
	filling sync.Pool // chunks with room
	empty   sync.Pool
}

func newChunk() *chunk {
	c := &chunk{bytes: make([]byte, 0, chunkBytes)}
	for i := range c.records {
		r := &c.records[i]
		r.self.record, r.chunk = r, c
		r.Context = &r.self
	}
	return c
}

// copy copies a message into a chunk.
func (p *chunkPool) copy(m *transport.Message, size int) *record {
	c, _ := p.filling.Get().(*chunk)
	if c != nil && (c.used == chunkRecords || len(c.bytes)+size > cap(c.bytes)) {
		p.seal(c)
		c = nil
	}
	if c == nil {
		c, _ = p.empty.Get().(*chunk)
		if c == nil {
			c = newChunk()
		}
		c.left.Store(chunkOpen)
	}
	r := &c.records[c.used]
	c.used++
	if size > cap(c.bytes)-len(c.bytes) { // a message larger than a chunk
		r.Key, r.Value = clone(m.Key), clone(m.Value)
		r.Headers = r.Headers[:0]
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: clone(h.Value)})
		}
	} else {
		r.Key, r.Value = c.keep(m.Key), c.keep(m.Value)
		r.Headers = c.keepHeaders(m.Headers)
	}
	p.filling.Put(c)
	return r
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// keep copies b into the chunk. nil stays nil.
func (c *chunk) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	start := len(c.bytes)
	c.bytes = append(c.bytes, b...)
	return c.bytes[start:len(c.bytes):len(c.bytes)]
}

func (c *chunk) keepHeaders(headers []transport.Header) []kgo.RecordHeader {
	if len(headers) == 0 {
		return nil
	}
	start := len(c.headers)
	for _, h := range headers {
		c.headers = append(c.headers, kgo.RecordHeader{Key: h.Key, Value: c.keep(h.Value)})
	}
	return c.headers[start:len(c.headers):len(c.headers)]
}

// seal ends the filling of a chunk.
func (p *chunkPool) seal(c *chunk) { p.drop(c, chunkOpen-int32(c.used)) }

// drop takes n off a chunk's count, and keeps the chunk for later when nothing
// uses it any more.
func (p *chunkPool) drop(c *chunk, n int32) {
	if c.left.Add(-n) > 0 {
		return
	}
	for i := range c.used {
		c.records[i].Key, c.records[i].Value, c.records[i].Headers = nil, nil, nil
	}
	clear(c.headers)
	c.used, c.bytes, c.headers = 0, c.bytes[:0], c.headers[:0]
	p.empty.Put(c)
}

// release says that a message has ended.
func (p *chunkPool) release(r *record) { p.drop(r.chunk, 1) }

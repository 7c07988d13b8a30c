package franz

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// request is a produce request. It implements [kmsg.Request], so that the
// client knows when kgo writes it.
type request struct {
	kmsg.ProduceRequest
	sender  *sender
	written sync.Once // tells the sender
	batches []*batch  // nil after the answer
	topics  []int     // the places of their topics in Topics
	most    int16     // the highest version of the request
	at      time.Time // when the connection began to write the request
	again   int64     // how many of the batches were in an earlier request
	left    []leftOut

	ctx    context.Context //nolint:containedctx // of the call of kgo
	cancel context.CancelFunc

	mu        sync.Mutex
	begun     bool // the connection has begun to write the request
	abandoned bool // the request must not be written
}

// MaxVersion implements [kmsg.Request].
func (r *request) MaxVersion() int16 { return r.most }

// AppendTo implements [kmsg.Request]. kgo calls AppendTo directly before the
// write. AppendTo leaves out the large batches. The connection writes them from
// their own memory, because a copy would take as long as everything else.
func (r *request) AppendTo(b []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = r.left[:0]
	if !r.abandoned { // otherwise the connection will not write the request
		b = r.appendTo(b)
	}
	r.sender.client.wire.writing.Store(&b[0], r) // kgo has already written the head of the request
	return b
}

func (r *request) appendTo(b []byte) []byte {
	flexible := r.IsFlexible()
	tags := func() {
		if flexible {
			b = kbin.AppendUvarint(b, 0)
		}
	}
	array := kbin.AppendArrayLen
	if flexible {
		array = kbin.AppendCompactArrayLen
		b = kbin.AppendCompactNullableString(b, r.TransactionID)
	} else {
		b = kbin.AppendNullableString(b, r.TransactionID)
	}
	b = kbin.AppendInt16(b, r.Acks)
	b = kbin.AppendInt32(b, r.TimeoutMillis)
	b = array(b, len(r.Topics))
	for i := range r.Topics {
		t := &r.Topics[i]
		switch {
		case r.Version > lastWithNames:
			b = kbin.AppendUuid(b, t.TopicID)
		case flexible:
			b = kbin.AppendCompactString(b, t.Topic)
		default:
			b = kbin.AppendString(b, t.Topic)
		}
		b = array(b, len(t.Partitions))
		for j := range t.Partitions {
			p := &t.Partitions[j]
			b = kbin.AppendInt32(b, p.Partition)
			if flexible {
				b = kbin.AppendUvarint(b, uint32(len(p.Records))+1)
			} else {
				b = kbin.AppendInt32(b, int32(len(p.Records)))
			}
			if len(p.Records) < leastLeft {
				b = append(b, p.Records...)
			} else {
				r.left = append(r.left, leftOut{len(b), p.Records})
			}
			tags()
		}
		tags()
	}
	tags()
	return b
}

// leastLeft is the size of the smallest batch that AppendTo leaves out.
const leastLeft = 16 << 10

// leftOut is a batch that AppendTo has left out, and its place in the bytes.
type leftOut struct {
	at    int
	batch []byte
}

// writeTo writes the request to a connection. b has the bytes of the request
// without the batches that AppendTo has left out. The result is the number of
// bytes of the whole request that are written.
func (r *request) writeTo(c net.Conn, b []byte) (int, error) {
	if len(r.left) == 0 {
		return c.Write(b)
	}
	size, from := len(b), 0
	var parts net.Buffers
	for _, l := range r.left {
		parts = append(parts, b[from:l.at], l.batch)
		from = l.at
		size += len(l.batch)
	}
	parts = append(parts, b[from:])
	binary.BigEndian.PutUint32(b, uint32(size-4)) // kgo has counted what it knows
	n, err := parts.WriteTo(c)
	return int(n), err
}

// begin reports whether the connection may write the request.
func (r *request) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = !r.abandoned
	r.at = time.Now()
	return r.begun
}

// unwritten says that the connection has written no byte of the request.
func (r *request) unwritten() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = false
}

// abandon makes sure that the request is not written. abandon returns false if
// the write has begun.
func (r *request) abandon() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return false
	}
	r.abandoned = true
	r.cancel()
	return true
}

// tellWritten tells the sender that the request is written, or has failed.
func (r *request) tellWritten() { r.written.Do(r.sender.written) }

// over ends the request. over reports whether the broker may have got the
// request. kgo may go on with a request that it has given up, so the connection
// does not write it any more.
func (r *request) over() (begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.abandoned = true
	return r.begun
}

// find returns the place of a partition in a request, or -1. The search begins
// at next.
func (r *request) find(next int, topic *kmsg.ProduceResponseTopic, number int32) int {
	for i := range r.batches {
		at := (next + i) % len(r.batches)
		if b := r.batches[at]; b == nil || b.part.number != number {
			continue
		}
		asked := &r.Topics[r.topics[at]]
		if r.Version > lastWithNames && asked.TopicID == topic.TopicID || r.Version <= lastWithNames && asked.Topic == topic.Topic {
			return at
		}
	}
	return -1
}

// Versions of the produce request.
const (
	lastVersion   = 13
	lastWithNames = 12 // later versions name a topic by its id
	lastFirst     = 11 // later versions belong to part 2 of KIP-890
)

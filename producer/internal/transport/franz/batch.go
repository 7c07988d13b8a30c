package franz

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/transport"
)

// batch is a record batch of one partition, in the format that Kafka stores:
// https://kafka.apache.org/documentation/#recordbatch
//
// Publishers append messages to the last batch of a partition. A batch that was
// in a request takes no more messages, so each attempt writes the same records.
type batch struct {
	next *batch // of the same partition
	part *partition
	// raw has room for the header, and then the records.
	raw *buffer
	// packed is the whole batch with compressed records. nil: the records are
	// not compressed.
	packed *buffer
	// sum is the checksum of the first summed bytes of the records.
	sum    uint32
	summed int
	count  int32
	codec  kgo.CompressionCodecType
	full   bool // takes no more messages
	// first and last are the timestamps of the header, in Unix milliseconds:
	// the first message's, and the latest.
	first, last int64
	runs        []run
	came        time.Time // when the first message came, if messages expire

	// The identity of the batch for the broker (KIP-98). The broker appends
	// each identity once. id is nil if no attempt was made.
	id       *producerID
	sequence int32
	// maybe says that an attempt may be in the log: it was written, and no
	// answer says that the broker did not append it.
	maybe    bool
	attempts int
	renewals int32 // topic.renewals when the first attempt was written
}

// run is a number of messages in a row with consecutive tokens and the same
// timestamp.
type run struct {
	token transport.Token
	count int32
	stamp int64
}

// The header of a batch.
const (
	headerSize       = 61
	attributesAt     = 21
	atBatchLength    = 8
	atCRC            = 17
	atLastDelta      = 23
	atFirstTimestamp = 27
	atMaxTimestamp   = 35
	atProducerID     = 43
	atEpoch          = 51
	atSequence       = 53
	atCount          = 57
	magic            = 2
	isTransactional  = 1 << 4
)

var batches = sync.Pool{New: func() any { return new(batch) }} //nolint:gochecknoglobals // a pool

// newBatch returns an empty batch. size is the size of its buffer.
func (p *partition) newBatch(size uint8) *batch {
	b := batches.Get().(*batch)
	b.part = p
	b.raw = p.topic.client.buffers.get(size)
	b.raw.data = b.raw.data[:headerSize]
	return b
}

// free returns the memory of an ended batch. No request may use the batch.
func (b *batch) free() {
	c := b.part.topic.client
	c.buffers.put(b.raw)
	c.buffers.put(b.packed)
	runs := b.runs[:0]
	if cap(runs) > maxKeptRuns {
		runs = nil
	}
	*b = batch{runs: runs}
	batches.Put(b)
}

// maxKeptRuns is the length of the longest list that a free batch keeps.
const maxKeptRuns = 1024

// add appends a message. The caller has made sure that the batch has room.
func (b *batch) add(m *transport.Message, stamp int64, token transport.Token) {
	if b.count == 0 {
		b.first, b.last = stamp, stamp
	}
	b.last = max(b.last, stamp)
	b.raw = b.part.topic.client.buffers.grow(b.raw, mostRecord(m))
	b.raw.data = appendRecord(b.raw.data, m, stamp-b.first, int64(b.count))
	b.count++
	if len(b.raw.data)-headerSize-b.summed >= sumPart && b.part.topic.client.compressor == nil {
		b.sumRecords()
	}
	if n := len(b.runs); n > 0 {
		if r := &b.runs[n-1]; r.token+transport.Token(r.count) == token && r.stamp == stamp {
			r.count++
			return
		}
	}
	b.runs = append(b.runs, run{token, 1, stamp})
}

// mostRecord returns an upper bound of the size of a message's record.
func mostRecord(m *transport.Message) int { return m.WireSize() - transport.BatchOverhead }

// appendRecord appends a message in the format of a record.
func appendRecord(to []byte, m *transport.Message, stampDelta, offsetDelta int64) []byte {
	size := 1 + varintSize(stampDelta) + varintSize(offsetDelta) + bytesSize(m.Key) + bytesSize(m.Value) + varintSize(int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	to = binary.AppendVarint(to, int64(size))
	to = append(to, 0) // attributes
	to = binary.AppendVarint(to, stampDelta)
	to = binary.AppendVarint(to, offsetDelta)
	to = appendBytes(to, m.Key)
	to = appendBytes(to, m.Value)
	to = binary.AppendVarint(to, int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		to = binary.AppendVarint(to, int64(len(h.Key)))
		to = append(to, h.Key...)
		to = appendBytes(to, h.Value)
	}
	return to
}

// appendBytes appends nullable bytes.
func appendBytes(to, b []byte) []byte {
	if b == nil {
		return append(to, 1) // -1
	}
	to = binary.AppendVarint(to, int64(len(b)))
	return append(to, b...)
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

// varintSize returns the size of a number in the format of
// [binary.AppendVarint].
func varintSize(n int64) int { return (bits.Len64(uint64(n<<1^n>>63)|1) + 6) / 7 }

// bytes returns the batch as encode has completed it.
func (b *batch) bytes() []byte {
	if b.packed != nil {
		return b.packed.data
	}
	return b.raw.data
}

// encode completes the batch for the next attempt.
func (b *batch) encode() {
	c := b.part.topic.client
	if c.compressor != nil && b.attempts == 0 {
		b.packed, b.codec = b.compress(c)
	}
	out := b.bytes()
	h := out[:headerSize]
	clear(h)
	binary.BigEndian.PutUint32(h[atBatchLength:], uint32(len(out)-atBatchLength-4))
	h[16] = magic
	attributes := uint16(b.codec)
	if c.config.TransactionalID != "" {
		attributes |= isTransactional
	}
	id, epoch, sequence := int64(-1), int16(-1), int32(-1)
	if b.id != nil {
		id, epoch, sequence = b.id.id, b.id.epoch, b.sequence
	}
	binary.BigEndian.PutUint32(h[12:], math.MaxUint32) // the leader's epoch: -1
	binary.BigEndian.PutUint16(h[attributesAt:], attributes)
	binary.BigEndian.PutUint32(h[atLastDelta:], uint32(b.count-1))
	binary.BigEndian.PutUint64(h[atFirstTimestamp:], uint64(b.first))
	binary.BigEndian.PutUint64(h[atMaxTimestamp:], uint64(b.last))
	binary.BigEndian.PutUint64(h[atProducerID:], uint64(id))
	binary.BigEndian.PutUint16(h[atEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(h[atSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(h[atCount:], uint32(b.count))
	if b.packed != nil || b.summed == 0 {
		binary.BigEndian.PutUint32(h[atCRC:], crc32.Checksum(out[attributesAt:], castagnoli))
		return
	}
	b.sumRecords()
	binary.BigEndian.PutUint32(h[atCRC:], join(crc32.Checksum(h[attributesAt:], castagnoli), b.sum, b.summed))
}

// sumPart is the number of bytes of the records that are summed at once. They
// fit into the first cache of the processor.
const sumPart = 16 << 10

// sumRecords sums the records that came since the last call.
func (b *batch) sumRecords() {
	b.sum = crc32.Update(b.sum, castagnoli, b.raw.data[headerSize+b.summed:])
	b.summed = len(b.raw.data) - headerSize
}

// compress returns the batch with compressed records. compress returns nil if
// this would not be smaller.
func (b *batch) compress(c *client) (*buffer, kgo.CompressionCodecType) {
	to := c.compressing.Get().(*bytes.Buffer)
	defer c.compressing.Put(to)
	to.Reset()
	records := b.raw.data[headerSize:]
	packed, codec := c.compressor.Compress(to, records)
	if codec <= kgo.CodecNone || len(packed) >= len(records) {
		return nil, kgo.CodecNone
	}
	out := c.buffers.get(sizeOf(headerSize + len(packed)))
	out.data = append(out.data[:headerSize], packed...)
	return out, codec
}

// messages calls f for each message, in order. The message is a copy. Its
// memory belongs to f.
func (b *batch) messages(f func(index int, token transport.Token, m *transport.Message)) {
	in := recordReader{b: append([]byte(nil), b.raw.data[headerSize:]...)}
	index := 0
	for _, r := range b.runs {
		for i := range r.count {
			f(index, r.token+transport.Token(i), in.message(b.first))
			index++
		}
	}
}

// recordReader reads the records that appendRecord has written.
type recordReader struct{ b []byte }

func (in *recordReader) varint() int64 {
	n, size := binary.Varint(in.b)
	in.b = in.b[size:]
	return n
}

func (in *recordReader) bytes() []byte {
	n := in.varint()
	if n < 0 {
		return nil
	}
	taken := in.b[:n:n]
	in.b = in.b[n:]
	return taken
}

func (in *recordReader) message(first int64) *transport.Message {
	m := &transport.Message{HasTimestamp: true}
	in.varint() // the size
	in.b = in.b[1:]
	m.Timestamp = first + in.varint()
	in.varint() // the offset
	m.Key, m.Value = in.bytes(), in.bytes()
	for range in.varint() {
		key := string(in.bytes())
		m.Headers = append(m.Headers, transport.Header{Key: key, Value: in.bytes()})
	}
	return m
}

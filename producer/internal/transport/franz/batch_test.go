package franz

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// testClient returns a client without connections.
func testClient(config *settings.Config, h transport.Handler) *client {
	c := &client{config: config, handler: h, stale: make(chan struct{}, 1)}
	c.linger.wake = make(chan struct{}, 1)
	c.linger.after = config.Linger
	c.expiry.after = config.DeliveryTimeout
	c.senders.client = c
	c.alive, c.outbox = context.Background(), newOutbox(h)
	for id := range int32(4) {
		c.senders.at(id).workers = inFlight // no worker starts
	}
	c.backoff = backoff(time.Hour, time.Hour)
	c.compressing.New = func() any { return new(bytes.Buffer) }
	c.busy.none.L = &c.busy.mu
	c.tx.client, c.tx.calls = c, make(chan struct{}, 1)
	return c
}

// testMessages have every form of a message.
func testMessages() []*transport.Message {
	return []*transport.Message{
		{HasTimestamp: true, Timestamp: 1000, Key: []byte("k"), Value: []byte("v")},
		{HasTimestamp: true, Timestamp: 999},
		{HasTimestamp: true, Timestamp: 0, Key: []byte{}, Value: []byte{}},
		{HasTimestamp: true, Timestamp: math.MaxInt64, Value: bytes.Repeat([]byte("large "), 3000)},
		{HasTimestamp: true, Timestamp: -1, Headers: []transport.Header{{Key: "a", Value: []byte("1")}, {Key: ""}, {Key: "a", Value: []byte{}}}},
		{HasTimestamp: true, Timestamp: 1000, Key: []byte(strings.Repeat("key ", 100))},
	}
}

func newTestBatch(c *client, messages []*transport.Message) *batch {
	p := &partition{topic: &topic{client: c, name: "events"}, active: new(active), number: 7}
	b := p.newBatch(leastBuffer)
	for i, m := range messages {
		b.add(m, m.Timestamp, transport.Token(i))
	}
	return b
}

// TestBatchFormat reads batches with franz-go's reader of the format.
func TestBatchFormat(t *testing.T) {
	t.Parallel()
	for _, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		for _, id := range []string{"", "tx"} {
			t.Run(fmt.Sprintf("%+v, transactional id %q", codec, id), func(t *testing.T) {
				t.Parallel()
				c := testClient(&settings.Config{TransactionalID: id}, nil)
				c.compressor, _ = kgo.DefaultCompressor(codec)
				want := testMessages()
				b := newTestBatch(c, want)
				b.id, b.sequence = &producerID{1 << 40, 3, 1}, 77
				b.encode()
				var got kmsg.RecordBatch
				if err := got.ReadFrom(b.bytes()); err != nil {
					t.Fatal(err)
				}
				head := got
				head.Records, head.CRC, head.Attributes, head.Length = nil, 0, 0, 0
				if diff := cmp.Diff(kmsg.RecordBatch{
					PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(want) - 1), FirstTimestamp: 1000, MaxTimestamp: math.MaxInt64,
					ProducerID: 1 << 40, ProducerEpoch: 3, FirstSequence: 77, NumRecords: int32(len(want)),
				}, head); diff != "" {
					t.Errorf("header (-want +got):\n%s", diff)
				}
				if got.Length != int32(len(b.bytes())-12) {
					t.Errorf("length %d of %d bytes", got.Length, len(b.bytes()))
				}
				if sum := int32(crc32.Checksum(b.bytes()[21:], crc32.MakeTable(crc32.Castagnoli))); sum != got.CRC {
					t.Errorf("checksum %x, want %x", got.CRC, sum)
				}
				if transactional := got.Attributes&0x10 != 0; transactional != (id != "") {
					t.Errorf("transactional: %t", transactional)
				}
				packed := kgo.CompressionCodecType(got.Attributes & 7)
				if (packed == kgo.CodecNone) != (c.compressor == nil) {
					t.Errorf("codec %d", packed)
				}
				records, err := kgo.DefaultDecompressor().Decompress(got.Records, packed)
				if err != nil {
					t.Fatal(err)
				}
				compareRecords(t, records, want)
				var copies []*transport.Message
				b.messages(func(index int, token transport.Token, m *transport.Message) {
					if token != transport.Token(index) {
						t.Errorf("message %d has the token %d", index, token)
					}
					copies = append(copies, m)
				})
				if diff := cmp.Diff(want, copies); diff != "" {
					t.Errorf("copies (-want +got):\n%s", diff)
				}
				again := bytes.Clone(b.bytes())
				b.attempts++
				if b.encode(); !bytes.Equal(again, b.bytes()) {
					t.Error("the second attempt has other bytes")
				}
			})
		}
	}
}

// compareRecords compares the records of a batch with messages. The first
// message has the first timestamp.
func compareRecords(t *testing.T, records []byte, want []*transport.Message) {
	t.Helper()
	var got []*transport.Message
	for len(records) > 0 {
		size, n := binary.Varint(records)
		end := n + int(size)
		var r kmsg.Record
		if err := r.ReadFrom(records[:end]); err != nil {
			t.Fatal(err)
		}
		if r.OffsetDelta != int32(len(got)) {
			t.Errorf("record %d has the offset %d", len(got), r.OffsetDelta)
		}
		m := &transport.Message{HasTimestamp: true, Timestamp: want[0].Timestamp + r.TimestampDelta64, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, transport.Header{Key: h.Key, Value: h.Value})
		}
		got, records = append(got, m), records[end:]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestBatchNotSmaller compresses a batch that does not become smaller.
func TestBatchNotSmaller(t *testing.T) {
	t.Parallel()
	c := testClient(&settings.Config{}, nil)
	c.compressor, _ = kgo.DefaultCompressor(kgo.GzipCompression())
	b := newTestBatch(c, []*transport.Message{{Value: []byte("v")}})
	b.encode()
	if b.packed != nil || binary.BigEndian.Uint16(b.bytes()[attributesAt:]) != 0 {
		t.Error("the batch is compressed")
	}
}

// TestVarintSize compares the size of a number with its bytes.
func TestVarintSize(t *testing.T) {
	t.Parallel()
	for shift := range 64 {
		for _, n := range []int64{1<<shift - 1, 1 << shift, -1 << shift, -1<<shift - 1} {
			if got, want := varintSize(n), len(binary.AppendVarint(nil, n)); got != want {
				t.Errorf("%d: %d bytes, want %d", n, got, want)
			}
		}
	}
}

// TestMostRecord compares the upper bound with the size of records.
func TestMostRecord(t *testing.T) {
	t.Parallel()
	for _, m := range testMessages() {
		for _, delta := range []int64{0, math.MaxInt64, math.MinInt64} {
			if n := len(appendRecord(nil, m, delta, math.MaxInt32)); n > mostRecord(m) {
				t.Errorf("%d bytes, at most %d were expected", n, mostRecord(m))
			}
		}
	}
}

// TestSequenceWraps goes beyond the largest sequence number.
func TestSequenceWraps(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]int32{{0, 5, 5}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 10, 7}} {
		if got := addSequence(c[0], c[1]); got != c[2] {
			t.Errorf("%d after %d messages: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// TestBuffers checks that a buffer has room for what was asked, and that the
// pool gives a buffer to the next batch of its size.
func TestBuffers(t *testing.T) {
	t.Parallel()
	var pool bufferPool
	for _, n := range []int{0, 1, 511, 512, 513, 1 << 20, 1<<20 + 1, 5 << 20} {
		b := pool.get(sizeOf(n))
		if cap(b.data) < n || len(b.data) != 0 {
			t.Errorf("%d bytes: room for %d, length %d", n, cap(b.data), len(b.data))
		}
		b.data = append(b.data, 1, 2, 3)
		larger := pool.grow(b, 2*cap(b.data))
		if !slices.Equal(larger.data, []byte{1, 2, 3}) {
			t.Errorf("%d bytes: %v after growing", n, larger.data)
		}
		pool.put(larger)
	}
	pool.put(nil)
}

package franz

import (
	"bytes"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestChunks copies messages of many sizes into chunks, and checks that no
// message overwrites another. Chunks come back and are filled again.
func TestChunks(t *testing.T) {
	t.Parallel()
	var k client
	p := &partition{active: &active{handed: chunkRecords}, topic: &topic{client: &k}} // a busy partition fills its own chunk
	ways := map[string]func(m *transport.Message, size int) *record{"pool": k.chunks.copy, "partition": p.copy}
	sizes := []int{0, 1, 100, 1036, maxShared - 1, maxShared, maxShared + 1, maxData, 3 * maxData}
	for name, copyTo := range ways {
		for _, size := range sizes {
			var records []*record
			for i := range 3 * chunkRecords {
				m := &transport.Message{Value: bytes.Repeat([]byte{byte(i)}, size)}
				if i%3 == 0 {
					m.Key = []byte{byte(i), 'k'}
					m.Headers = []transport.Header{{Key: "h", Value: []byte{byte(i), 'h'}}}
				}
				r := copyTo(m, size+2*len(m.Key)+len(m.Headers))
				records = append(records, r)
			}
			for i, r := range records {
				keyed := i%3 == 0
				if len(r.Value) != size || r.Value == nil || bytes.Count(r.Value, []byte{byte(i)}) != size {
					t.Fatalf("%s: message %d of %d bytes is damaged", name, i, size)
				}
				if keyed != (r.Key != nil) || keyed && (!bytes.Equal(r.Key, []byte{byte(i), 'k'}) || !bytes.Equal(r.Headers[0].Value, []byte{byte(i), 'h'})) {
					t.Fatalf("%s: key %q and headers %v of message %d of %d bytes", name, r.Key, r.Headers, i, size)
				}
				k.chunks.release(r)
			}
		}
	}
}

// TestChunkMemory checks that messages of a size that does not divide a chunk's
// memory need no new memory.
func TestChunkMemory(t *testing.T) {
	t.Parallel()
	var k client
	p := &partition{active: &active{handed: chunkRecords}, topic: &topic{client: &k}}
	m := &transport.Message{Key: make([]byte, 12), Value: make([]byte, maxData/chunkRecords)}
	size := len(m.Key) + len(m.Value)
	p.chunk = newChunk()
	chunk := p.chunk
	p.copy(m, size)
	first := &chunk.data[0]
	for p.chunk == chunk {
		p.copy(m, size)
	}
	if &chunk.data[0] != first || chunk.used < chunkRecords-1 {
		t.Errorf("the chunk has other memory after %d messages", chunk.used)
	}
}

// TestRunReturnsChunks checks that a run gives back the chunks of all its
// messages, also if the messages of two chunks take turns.
func TestRunReturnsChunks(t *testing.T) {
	t.Parallel()
	var k client
	var n run
	chunks := map[*chunk]bool{}
	fill := func() (records []*record) {
		p := &partition{active: &active{handed: chunkRecords}, topic: &topic{client: &k}}
		for range 3*chunkRecords + 1 {
			r := p.copy(new(transport.Message), 0)
			records = append(records, r)
			chunks[r.chunk] = true
		}
		p.finishChunk()
		return records
	}
	a, b := fill(), fill()
	for i := range a {
		n.release(a[i], &k.chunks)
		if i%3 != 0 {
			n.release(b[i], &k.chunks)
		}
	}
	for i := range b {
		if i%3 == 0 {
			n.release(b[i], &k.chunks)
		}
	}
	n.drop(&k.chunks)
	for c := range chunks {
		if left := c.left.Load(); left != 0 || c.used != 0 {
			t.Errorf("a chunk has %d messages, of %d", left, c.used)
		}
	}
	if len(chunks) != 8 {
		t.Errorf("%d chunks, want 8", len(chunks))
	}
}

// TestLastTimestamp checks that the last allowed timestamp survives kgo's
// conversion to nanoseconds, and that the next one is refused.
func TestLastTimestamp(t *testing.T) {
	t.Parallel()
	if back := time.UnixMilli(maxTimestamp).UnixNano() / int64(time.Millisecond); back != maxTimestamp {
		t.Errorf("%d becomes %d", int64(maxTimestamp), back)
	}
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config := testConfig(t, b.Addrs(), "")
	_, events := openTopic(t, config, config.BatchBytes, new(collector), "events")
	err := events.Produce(0, &transport.Message{HasTimestamp: true, Timestamp: maxTimestamp + 1}, 1)
	if convert(err).Code != transport.Invalid {
		t.Errorf("got %v", err)
	}
}

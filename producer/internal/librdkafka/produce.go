package librdkafka

// #include "below.h"
import "C"

import (
	"encoding/binary"
	"runtime"
	"time"
	"unsafe"
)

// Headers are a message's headers as they go down to C: for each its name and its value, a length of four bytes before
// both. The zero one is empty.
type Headers struct {
	packed []byte
	count  int
}

// Add appends a header. A nil value is null.
func (h *Headers) Add(name string, value []byte) {
	h.packed = binary.NativeEndian.AppendUint32(h.packed, uint32(len(name)))
	h.packed = append(h.packed, name...)
	length := uint32(len(value))
	if value == nil {
		length = 1<<32 - 1 // -1 there
	}
	h.packed = binary.NativeEndian.AppendUint32(h.packed, length)
	h.packed = append(h.packed, value...)
	h.count++
}

// Len is the number of headers.
func (h *Headers) Len() int { return h.count }

// Size is the bytes of all names and values.
func (h *Headers) Size() int { return len(h.packed) - 8*h.count }

// Reset empties h, and keeps its memory up to so many bytes.
func (h *Headers) Reset(most int) {
	h.packed, h.count = h.packed[:0], 0
	if cap(h.packed) > most {
		h.packed = nil
	}
}

// Message is what Produce takes. A nil key or value is null; the zero timestamp is now.
type Message struct {
	Key, Value []byte
	Headers    Headers
	Timestamp  time.Time
}

// Produce gives a message to the library, which copies it. It does not block; an error is a kafka.Error, and then the
// message was not taken. The report comes as an event of the producer.
//
// The pointers go down as numbers, for cgo looks at what each pointer points to, and that takes longer than a small message.
// It may log on the way, and so call back into Go.
func (t *Topic) Produce(partition int32, m *Message) error {
	var timestamp int64
	if !m.Timestamp.IsZero() {
		timestamp = m.Timestamp.UnixMilli()
	}
	code := C.avl_produce(t.client.rk, t.c, C.int32_t(partition), address(m.Key), C.size_t(len(m.Key)), address(m.Value),
		C.size_t(len(m.Value)), C.int64_t(timestamp), address(m.Headers.packed), C.size_t(m.Headers.count))
	runtime.KeepAlive(m)
	if code != 0 {
		return failure(code)
	}
	return nil
}

func address(b []byte) C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

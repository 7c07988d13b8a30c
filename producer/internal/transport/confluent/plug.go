//go:build cgo

package confluent

/*
#include "plug.h"
#include <stdlib.h>
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// guardDebug is the debug context of the log lines that the guard needs. The
// guard of a transaction needs the lines about retries only.
const guardDebug = "eos"

// conf_init is the entry point of a librdkafka plugin. librdkafka finds the
// function in this program. See the package comment.
//
//export conf_init
func conf_init(conf *C.rd_kafka_conf_t, opaque *unsafe.Pointer, text *C.char, size C.size_t) C.int {
	return C.avl_plug(conf)
}

// making is held during the making of a client, because conf_init has no other
// way to find the client.
var making sync.Mutex //nolint:gochecknoglobals // conf_init is global

// hub is the C side of a client.
type hub struct{ c *C.avl_hub }

// plugged makes a producer with the plugin. If the plugin itself fails, plugged
// returns errNoPlugin.
func plugged(m kafka.ConfigMap, copyFailed, guard, single bool, maxLevel int) (*kafka.Producer, hub, error) {
	with := kafka.ConfigMap{}
	for k, v := range m {
		with[k] = v
	}
	with["plugin.library.paths"] = ";"
	with["go.delivery.reports"] = false
	delete(with, "go.logs.channel.enable")
	delete(with, "go.logs.channel")
	h := hub{C.avl_hub_new(truth(copyFailed), truth(guard), truth(single), C.int(maxLevel))}
	making.Lock()
	defer making.Unlock()
	C.avl_hub_expect(h.c)
	p, err := kafka.NewProducer(&with)
	C.avl_hub_expect(nil)
	switch {
	case err != nil && strings.Contains(err.Error(), "plugin"):
		err = errNoPlugin
	case err == nil && C.avl_hub_rk(h.c) == nil:
		p.Close()
		err = errNoPlugin
	}
	if err != nil {
		C.avl_hub_free(h.c)
		return nil, hub{}, err
	}
	return p, h, nil
}

var errNoPlugin = errors.New("the program cannot open itself as a plugin")

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// wait returns the waiting outcomes and log lines, and blocks if there are
// none. The slices are valid until the next call. more is false after the hub
// is closed.
func (h hub) wait() (outcomes []C.avl_outcome, lines []C.avl_line, more bool) {
	var (
		o      *C.avl_outcome
		l      *C.avl_line
		on, ln C.size_t
	)
	more = C.avl_hub_wait(h.c, &o, &on, &l, &ln) != 0
	return unsafe.Slice(o, on), unsafe.Slice(l, ln), more
}

func (h hub) close() { C.avl_hub_close(h.c) }
func (h hub) free()  { C.avl_hub_free(h.c) }

// added returns the total number of outcomes that the library has reported.
func (h hub) added() uint64 { return uint64(C.avl_hub_added(h.c)) }

// outcome converts an outcome of the hub.
func (c *client) outcome(o *C.avl_outcome) transport.Outcome {
	out := transport.Outcome{
		Token: transport.Token(o.token), Partition: int32(o.partition), Offset: int64(o.offset), Timestamp: int64(o.timestamp),
		OnWire: time.Duration(o.on_wire) * time.Microsecond,
	}
	f := o.failure
	if f == nil {
		return c.delivered(out)
	}
	code := kafka.ErrorCode(f.err)
	err := failure(code)
	if f.text != nil {
		err.Text = C.GoString(f.text)
	}
	out.Offset, out.Err, out.Guilty = -1, err, f.blame == C.AVL_BLAME_THIS
	if f.status == 0 && certain(code) {
		out.Persistence = transport.NotPersisted
		if f.copy != nil {
			out.Message = unpack(unsafe.Pointer(f.copy), int(f.key_len), int(f.value_len), int(f.header_count))
			out.Message.Timestamp, out.Message.HasTimestamp = int64(o.timestamp), true
		}
	}
	return out
}

// delivered returns the outcome of a message that the library calls delivered.
func (c *client) delivered(out transport.Outcome) transport.Outcome {
	switch {
	case !c.acknowledged:
		out.Offset, out.Persistence = -1, transport.Persisted
	case out.Offset >= 0:
		out.Persistence = transport.Persisted
	default:
		out.Offset = -1
		out.Err = &transport.Error{
			Code: transport.Desynchronized,
			Text: "librdkafka counts the message as delivered, but no broker has named its offset (librdkafka issue 921)",
		}
	}
	return out
}

// unpack copies a message from C memory.
func unpack(p unsafe.Pointer, keyLen, valueLen, headers int) *transport.Message {
	at := uintptr(0)
	take := func(n int) []byte {
		if n < 0 {
			return nil
		}
		b := append([]byte{}, unsafe.Slice((*byte)(unsafe.Add(p, at)), n)...)
		at += uintptr(n)
		return b
	}
	length := func() int { return int(int32(binary.NativeEndian.Uint32(take(4)))) }
	m := &transport.Message{Key: take(keyLen), Value: take(valueLen)}
	for range headers {
		name := string(take(length()))
		m.Headers = append(m.Headers, transport.Header{Key: name, Value: take(length())})
	}
	return m
}

// packed is C memory for a message on its way to the library. C must never hold
// a pointer into Go memory. C may call back into Go, and then a goroutine's
// stack may move.
type packed struct {
	p   unsafe.Pointer
	cap int
}

var packs = sync.Pool{New: func() any { return new(packed) }} //nolint:gochecknoglobals // a pool

// maxPacked is the largest buffer that the pool keeps.
const maxPacked = 64 << 10

// pack copies key, value and headers one after another.
func pack(m *transport.Message) *packed {
	size := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		size += 8 + len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	b := packs.Get().(*packed)
	if size > b.cap || b.p == nil {
		b.grow(max(size, 1024))
	}
	to := unsafe.Slice((*byte)(b.p), b.cap)
	n := copy(to, m.Key)
	n += copy(to[n:], m.Value)
	for i := range m.Headers {
		h := &m.Headers[i]
		binary.NativeEndian.PutUint32(to[n:], uint32(len(h.Key)))
		n += 4 + copy(to[n+4:], h.Key)
		length := uint32(len(h.Value))
		if h.Value == nil {
			length = 1<<32 - 1 // -1 in C
		}
		binary.NativeEndian.PutUint32(to[n:], length)
		n += 4 + copy(to[n+4:], h.Value)
	}
	return b
}

func (b *packed) grow(size int) {
	if b.p != nil {
		C.free(b.p)
	} else {
		runtime.SetFinalizer(b, func(b *packed) { C.free(b.p) })
	}
	b.p, b.cap = C.malloc(C.size_t(size)), size
}

func (b *packed) release() {
	if b.cap > maxPacked {
		b.grow(1024)
	}
	packs.Put(b)
}

// handle is the library's handle of a topic.
type handle struct {
	rk *C.rd_kafka_t
	c  *C.rd_kafka_topic_t
}

func (h hub) topic(name string) (handle, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	rk := C.avl_hub_rk(h.c)
	t := C.rd_kafka_topic_new(rk, text, nil)
	if t == nil {
		return handle{}, failure(kafka.ErrorCode(C.rd_kafka_last_error()))
	}
	return handle{rk, t}, nil
}

func (h handle) free() { C.rd_kafka_topic_destroy(h.c) }

// produce gives a message to the library. The library copies the message.
func (h handle) produce(partition int32, m *transport.Message, token transport.Token) kafka.ErrorCode {
	b := pack(m)
	has := C.int(0)
	if m.HasTimestamp {
		has = 1
	}
	code := C.avl_produce(C.uintptr_t(uintptr(unsafe.Pointer(h.rk))), C.uintptr_t(uintptr(unsafe.Pointer(h.c))), C.int32_t(partition), C.uintptr_t(uintptr(b.p)), length(m.Key), length(m.Value),
		C.int64_t(m.Timestamp), has, C.uint32_t(len(m.Headers)), C.uint64_t(token))
	b.release()
	return kafka.ErrorCode(code)
}

func length(b []byte) C.int64_t {
	if b == nil {
		return -1
	}
	return C.int64_t(len(b))
}

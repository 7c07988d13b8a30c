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
	"fmt"
	"os"
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

// batchDebug is the debug context of the log line about each batch. The line
// says which messages can be in a request. Only the plugin reads the line.
const batchDebug = "msg"

// conf_init is the entry point of a librdkafka plugin. librdkafka finds the
// function in this program. See the package comment.
//
//export conf_init
func conf_init(conf *C.rd_kafka_conf_t, opaque *unsafe.Pointer, text *C.char, size C.size_t) C.int {
	return C.avl_plug(conf)
}

// makingClient is held while a client is made, because conf_init has no other
// way to find the client.
var makingClient sync.Mutex //nolint:gochecknoglobals // conf_init is global

// hub is the C side of a client. C writes a byte into the pipe if the reader
// waits. A goroutine that waits for a pipe holds no thread. If the goroutine
// waited inside C instead, each wait would keep a thread, and the scheduler
// would look for the goroutine every 20 µs.
type hub struct {
	c            *C.avl_hub
	woken, waker *os.File // the ends of the pipe
}

// newPluginClient makes a producer with the plugin. If the plugin itself fails,
// newPluginClient returns errNoPlugin.
func newPluginClient(m kafka.ConfigMap, copyFailed, guard bool, maxLevel int) (*kafka.Producer, hub, error) {
	with := kafka.ConfigMap{}
	for k, v := range m {
		with[k] = v
	}
	with["plugin.library.paths"] = ";"
	with["go.delivery.reports"] = false
	if guard {
		with["debug"] = fmt.Sprintf("%v,%s", with["debug"], batchDebug)
	}
	delete(with, "go.logs.channel.enable")
	delete(with, "go.logs.channel")
	h, err := newHub(copyFailed, guard, maxLevel)
	if err != nil {
		return nil, hub{}, err
	}
	makingClient.Lock()
	defer makingClient.Unlock()
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
		h.free()
		return nil, hub{}, err
	}
	return p, h, nil
}

func newHub(copyFailed, guard bool, maxLevel int) (h hub, err error) {
	if h.woken, h.waker, err = os.Pipe(); err != nil {
		return hub{}, err
	}
	raw, err := h.waker.SyscallConn() // File.Fd would make the pipe block
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			h.c = C.avl_hub_new(C.int(fd), truth(copyFailed), truth(guard), C.int(maxLevel))
		})
	}
	if err != nil {
		h.free()
		return hub{}, err
	}
	return h, nil
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
		micros C.int64_t
	)
	for {
		more = C.avl_hub_take(h.c, &o, &on, &l, &ln, &micros) != 0
		if on > 0 || ln > 0 || !more {
			return unsafe.Slice(o, on), unsafe.Slice(l, ln), more
		}
		h.sleep(time.Duration(micros) * time.Microsecond)
	}
}

// sleep waits for a byte in the pipe, at most for a time. A negative time means
// no limit.
func (h hub) sleep(most time.Duration) {
	var limit time.Time
	if most >= 0 {
		limit = time.Now().Add(most)
	}
	var wakes [16]byte
	err := h.woken.SetReadDeadline(limit)
	if err == nil {
		_, err = h.woken.Read(wakes[:])
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		time.Sleep(time.Millisecond) // a system that cannot wait for a pipe
	}
}

func (h hub) close() { C.avl_hub_close(h.c) }

func (h hub) free() {
	if h.c != nil {
		C.avl_hub_free(h.c)
	}
	_ = h.woken.Close()
	_ = h.waker.Close()
}

// flush makes the library send without waiting for linger.ms, for some time or
// until it has no message. empty says that it has no message.
func (h hub) flush(most time.Duration) (empty bool) {
	return C.rd_kafka_flush(C.avl_hub_rk(h.c), C.int(most.Milliseconds())) == 0
}

// begin notes the begin of a transaction.
func (h hub) begin() { C.avl_hub_begin(h.c) }

func (h hub) registration() registration {
	r := C.avl_hub_registration(h.c)
	return registration{begun: int64(r.begun), answered: int64(r.answered), asked: r.asked != 0}
}

// unreported returns the number of messages without an outcome.
func (h hub) unreported() int { return int(C.rd_kafka_outq_len(C.avl_hub_rk(h.c))) }

func now() int64 { return int64(C.avl_now()) }

// sleep sleeps a short time, more exactly than time.Sleep.
func sleep(micros int64) { C.avl_sleep(C.int64_t(micros)) }

// added returns the total number of outcomes that the library has reported.
func (h hub) added() uint64 { return uint64(C.avl_hub_added(h.c)) }

// outcome converts an outcome of the hub. failed says that out has an error.
func (c *client) outcome(o *C.avl_outcome, out *transport.Outcome) (failed bool) {
	*out = transport.Outcome{
		Token: transport.Token(o.token), Partition: int32(o.partition), Offset: int64(o.offset), Timestamp: int64(o.timestamp),
		OnWire: time.Duration(o.on_wire) * time.Microsecond,
	}
	f := o.failure
	if f == nil {
		c.delivered(out)
		return out.Err != nil
	}
	code := kafka.ErrorCode(f.err)
	err := failure(code)
	if f.text != nil {
		err.Text = C.GoString(f.text)
	}
	out.Offset, out.Err, out.Guilty = -1, err, f.blame == C.AVL_BLAME_THIS
	if f.status == 0 && certainlyNotPersisted(code) {
		out.Persistence = transport.NotPersisted
		if f.copy != nil {
			out.Message = unpack(unsafe.Pointer(f.copy), int(f.key_len), int(f.value_len), int(f.header_count))
			out.Message.Timestamp, out.Message.HasTimestamp = int64(o.timestamp), true
		}
	}
	return true
}

// delivered completes the outcome of a message that the library calls
// delivered.
func (c *client) delivered(out *transport.Outcome) {
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

// packs holds the buffers of pack.
var packs = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // a pool

// maxPacked is the largest buffer that the pool keeps.
const maxPacked = 64 << 10

// pack appends headers to a buffer, one after another. avl_produce reads the
// buffer.
func pack(b []byte, headers []transport.Header) []byte {
	for i := range headers {
		h := &headers[i]
		b = binary.NativeEndian.AppendUint32(b, uint32(len(h.Key)))
		b = append(b, h.Key...)
		length := uint32(len(h.Value))
		if h.Value == nil {
			length = 1<<32 - 1 // -1 in C
		}
		b = binary.NativeEndian.AppendUint32(b, length)
		b = append(b, h.Value...)
	}
	return b
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
	if len(m.Headers) == 0 {
		return h.produceWith(nil, partition, m, token)
	}
	b := packs.Get().(*[]byte)
	*b = pack((*b)[:0], m.Headers)
	code := h.produceWith(*b, partition, m, token)
	if cap(*b) <= maxPacked {
		packs.Put(b)
	}
	return code
}

// produceWith is produce with packed headers.
//
// The bytes go to C as arguments of a pointer type. So the compiler keeps them
// off the stack, which may move if C calls back into Go, and the runtime pins
// them during the call (documentation of cgo, "Passing pointers"). Bytes passed
// as a number would lose both. The directives "#cgo noescape" and "#cgo
// nocallback" together would put bytes on the stack.
// TestBytesForLibraryAreOnHeap fails in both cases.
//
// cgo checks no pointer here, because the bytes hold no pointers. The library's
// handles are no Go memory.
func (h handle) produceWith(headers []byte, partition int32, m *transport.Message, token transport.Token) kafka.ErrorCode {
	has := C.int(0)
	if m.HasTimestamp {
		has = 1
	}
	return kafka.ErrorCode(C.avl_produce(C.uintptr_t(uintptr(unsafe.Pointer(h.rk))), C.uintptr_t(uintptr(unsafe.Pointer(h.c))), C.int32_t(partition),
		chars(m.Key), length(m.Key), chars(m.Value), length(m.Value), C.int64_t(m.Timestamp), has,
		chars(headers), C.uint32_t(len(m.Headers)), C.uint64_t(token)))
}

// groupEntry is a message of a group without its bytes.
type groupEntry = C.avl_entry

const groupMost = C.AVL_GROUP

func newGroupEntry(m *transport.Message, token transport.Token) groupEntry {
	return groupEntry{token: C.uint64_t(token), key: length(m.Key), value: length(m.Value)}
}

// each calls f for the messages of a group. code is the library's error. f must
// not keep the message.
func (b *group) each(f func(m *transport.Message, token transport.Token, code kafka.ErrorCode)) {
	at := 0
	take := func(n C.int64_t) []byte {
		if n < 0 {
			return nil
		}
		at += int(n)
		return b.data[at-int(n) : at : at]
	}
	for _, e := range b.entries {
		f(&transport.Message{Key: take(e.key), Value: take(e.value)}, transport.Token(e.token), kafka.ErrorCode(e.err))
	}
}

// produceGroup gives a group to the library and returns the number of refused
// messages. The comment of produceWith says how the bytes go to C.
func (h handle) produceGroup(partition int32, b *group) int {
	return int(C.avl_produce_group(C.uintptr_t(uintptr(unsafe.Pointer(h.c))), C.int32_t(partition),
		chars(b.data), unsafe.SliceData(b.entries), C.int(len(b.entries))))
}

// chars is the address of bytes for a call of C.
func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

func length(b []byte) C.int64_t {
	if b == nil {
		return -1
	}
	return C.int64_t(len(b))
}

package producer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// Message is a record with additional properties. A zero field means the
// topic's own rule.
type Message[R avrobin.Record] struct {
	Value     R
	Key       Key
	Headers   []serde.Header
	Timestamp time.Time // zero: WithTimestampBy, or now
	Partition Partition
	// Tombstone publishes a nil value, which deletes the key in a compacted
	// topic. Key must be set, and Value is ignored. No function of the topic
	// gets a nil record, see [WithPartitionBy]. Tombstone is a separate field
	// so that a nil Value by mistake deletes nothing.
	Tombstone bool
}

// Partition names a partition of a topic. The zero Partition leaves the choice
// to the partitioner.
type Partition struct{ plus1 int32 }

// ToPartition names partition n. If the topic has no partition n, the message
// is [ErrNotSent]. Kafka keeps order only within a partition. So messages of
// one key have no common order if some use ToPartition and others use the
// partitioner.
func ToPartition(n int32) Partition { return Partition{n + 1} }

// Number returns the named partition. For the zero Partition it returns false.
func (p Partition) Number() (int32, bool) { return p.plus1 - 1, p.plus1 != 0 }

// outgoing is a message on its way to the engine. A pool keeps the memory.
type outgoing struct {
	bound     *boundTopic
	step      string // the user's code that runs now, for a PanicError; or noStep
	buf       []byte // key, then value; never nil, because a nil key is no key
	keyed     bool   // there is a key, possibly empty
	keyEnd    int
	headers   []serde.Header
	hooked    *hookedMessage // nil if there are no hooks
	ids       idHeaders
	timestamp time.Time
	message   engine.Message // the engine copies it

	explicit    Partition
	partitioner Partitioner
}

// maxPooled is the size of the largest buffer that goes back to the pool.
// Without the limit one huge message would hold memory for ever.
const maxPooled = 1 << 16

var outgoingPool = sync.Pool{New: func() any { return new(outgoing) }} //nolint:gochecknoglobals // a pool of buffers

func takeOutgoing(b *boundTopic) *outgoing {
	s := outgoingPool.Get().(*outgoing)
	if s.buf == nil { // a new message, or the last message was large or failed
		s.buf = []byte{}
	}
	s.bound = b
	return s
}

func (s *outgoing) free() {
	if cap(s.buf) > maxPooled {
		s.buf = nil
	}
	// Reset each field, because writing the whole struct takes as long as
	// encoding a small record.
	s.bound, s.message.Callback, s.message.Future, s.message.HookToken, s.hooked = nil, nil, nil, nil, nil
	s.message.KeySchemaID, s.message.ValueSchemaID, s.explicit, s.partitioner = 0, 0, Partition{}, nil
	s.buf, s.keyed, s.message.Key, s.message.Value = s.buf[:0], false, nil, nil
	s.message.HasTimestamp, s.message.Timestamp = false, 0
	s.timestamp = time.Time{}
	s.step = noStep
	s.ids = idHeaders{}
	if len(s.headers) > 0 {
		clear(s.headers)
		s.headers = s.headers[:0]
		s.resetHeaders()
	}
	outgoingPool.Put(s)
}

var (
	errNilRecord = errors.New("the record is nil: a tombstone is a Message with Tombstone set")
	errNilKey    = errors.New("the key record is nil")
	// errTombstonePartition refuses a tombstone. A guessed partition could
	// leave the record that the tombstone deletes in another partition.
	errTombstonePartition = errors.New("the topic chooses the partition by the record (WithPartitionBy), and a tombstone has no record: " +
		"set Message.Partition, or give the topic a WithPartitioner for tombstones")
)

func (s *outgoing) appendKeyRecord(ctx context.Context, r avrobin.Record) (err error) {
	s.step = "the encoding of the key"
	b := s.bound.key
	if s.buf, err = b.Append(ctx, s.buf, r); err != nil {
		if errors.Is(err, serde.ErrTombstone) {
			err = errNilKey
		}
		return fmt.Errorf("key: %w", err)
	}
	s.keyed, s.ids.key = true, true
	s.message.KeySchemaID, s.ids.keyID, err = s.schema(ctx, b, r)
	return err
}

func (s *outgoing) appendValue(ctx context.Context, r avrobin.Record) (err error) {
	s.step = "the encoding of the value"
	b := s.bound.value
	if s.buf, err = b.Append(ctx, s.buf, r); err != nil {
		if errors.Is(err, serde.ErrTombstone) {
			return errNilRecord
		}
		return fmt.Errorf("value: %w", err)
	}
	s.ids.value = true
	s.message.ValueSchemaID, s.ids.valueID, err = s.schema(ctx, b, r)
	return err
}

// wantsDelivery reports whether a callback, a future or a hook reads the
// delivery.
func (s *outgoing) wantsDelivery() bool { return s.message.WantsDelivery() || s.hooked != nil }

// schema adds the id header of r's schema, unless the id is in the prefix. The
// result header is the value of the header. The result id is 0 if nobody reads
// the message's delivery.
func (s *outgoing) schema(ctx context.Context, b *serde.Binding, r avrobin.Record) (id int, header []byte, err error) {
	if b.HasHeader() {
		h, ok, err := b.Header(ctx, r)
		if err != nil {
			return 0, nil, err
		}
		if ok {
			s.headers = append(s.headers, h)
			header = h.Value
		}
	}
	if !s.wantsDelivery() {
		return 0, header, nil
	}
	known, err := b.Registered(ctx, r)
	if err != nil {
		return 0, header, err
	}
	return known.ID, header, nil
}

// copyForeign takes the result of a user function that appends to mine. If the
// result has other memory, the user may keep and reuse that memory. Then
// copyForeign copies the result, because our slice goes back to the pool.
func copyForeign[T any](mine, made []T) []T {
	if unsafe.SliceData(mine) == unsafe.SliceData(made) {
		return made
	}
	return append(mine[:0], made...)
}

const (
	noStep          = "" // a panic is a fault of this library, and goes on
	partitionerStep = "the partitioner"
)

// panicked returns the error of a panic of the user's code with the value v.
func (s *outgoing) panicked(v any) error {
	err := &PanicError{In: s.step, Value: v, Stack: debug.Stack()}
	if s.step == partitionerStep {
		return err
	}
	return encodeError{err}
}

// resetHeaders empties the message's headers, and keeps their memory if it is
// small.
func (s *outgoing) resetHeaders() {
	clear(s.message.Headers)
	s.message.Headers = s.message.Headers[:0]
	if cap(s.message.Headers) > maxPooledHeaders {
		s.message.Headers = nil
	}
}

// maxPooledHeaders is the largest number of headers whose memory is kept.
const maxPooledHeaders = 1024

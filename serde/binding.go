package serde

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/google/uuid"

	"github.com/avroline/avroline/serde/avrobin"
)

// Binding writes the records of one topic and part, of any number of types. It
// is safe for concurrent use. Made by [Serializer.For].
//
// Warm, that is after the first record of a schema, its methods neither call the
// registry nor lock nor allocate. Cold, one call per schema is under way
// whatever the number of goroutines; each waits no longer than its own ctx; an
// error is told to those who waited and not remembered.
type Binding struct {
	reg    Registry
	topic  string
	part   Part
	config config
	// asked is whether Header has anything to say: a header, or the error of an option.
	asked bool

	// hot is the list of the first maxHot schemas, compared one by one; rest
	// has all of them, by the address of their text: to hash a text would cost
	// more than to encode.
	hot  atomic.Pointer[binding]
	rest sync.Map // *byte → *binding

	mu    sync.Mutex // guards known, and the writing of hot and rest
	known map[string]*binding
	cold  flights[string, *binding]
}

const (
	// maxHot is small since a comparison that fails is paid by all behind it.
	maxHot = 4
	// maxKnown bounds the schemas of a Binding. Generated types are few; only
	// schemas made at run time without end get there, and then the oldest
	// knowledge is dropped whole and found again.
	maxKnown = 1 << 14
)

// binding is what a Binding knows of one schema. It is immutable once it is
// known. With many topics most of the time goes into fetching it from memory:
// what Append reads stands together, at the beginning.
type binding struct {
	text   string   // the record's own AvroSchema()
	prefix []byte   // goes before the record: the id, a union's branch; in room
	bare   bool     // the schema's type is bytes: they are written without length
	next   *binding // in the list of hot ones
	room   [idPrefixLen + binary.MaxVarintLen64]byte

	name   string // of its type, for errors
	header []byte // the value of the id header; nil with the id in the prefix
	Registered
}

// Registered is where a record's schema stands in the registry.
type Registered struct {
	Subject string
	ID      int
	GUID    uuid.UUID // zero where the registry does not know GUIDs
}

// Prepare finds the schema of r now, so that the first record does not wait. A
// nil pointer of a generated type will do for r.
func (b *Binding) Prepare(ctx context.Context, r avrobin.Record) error {
	_, err := b.Registered(ctx, r)
	return err
}

// Registered tells under which id Append writes r. Warm it costs what Append
// costs above the encoding. The result is shared and must not be changed. A nil
// pointer of a generated type will do for r; a nil interface is ErrTombstone.
func (b *Binding) Registered(ctx context.Context, r avrobin.Record) (*Registered, error) {
	if r == nil {
		return nil, ErrTombstone
	}
	e, err := b.find(ctx, r)
	if err != nil {
		return nil, err
	}
	return &e.Registered, nil
}

// Append appends the id's prefix and the record to dst. With [IDInHeader] it
// appends the record alone: add [Binding.Header] to the message.
//
// A nil r, a nil pointer in r too, is [ErrTombstone]: the payload to send is nil,
// not an empty slice. After any error the result is dst as it was given.
func (b *Binding) Append(ctx context.Context, dst []byte, r avrobin.Record) ([]byte, error) {
	if isNil(r) {
		return dst, ErrTombstone
	}
	e, err := b.find(ctx, r)
	if err != nil {
		return dst, err
	}
	out := append(dst, e.prefix...)
	start := len(out)
	out, err = r.AppendAvro(out)
	if err != nil {
		return dst, fmt.Errorf("serde: %s: %w", e.name, err)
	}
	if e.bare {
		out = dropLength(out, start)
	}
	return out, nil
}

// Header is the header that carries the id of r's schema; ok is false while the
// id is in the prefix. Its value is shared and must not be changed. A nil
// pointer of a generated type will do for r; a nil interface is ErrTombstone.
func (b *Binding) Header(ctx context.Context, r avrobin.Record) (h Header, ok bool, err error) {
	if !b.asked {
		return
	}
	return b.header(ctx, r)
}

func (b *Binding) header(ctx context.Context, r avrobin.Record) (h Header, ok bool, err error) {
	if r == nil {
		return Header{}, false, ErrTombstone
	}
	e, err := b.find(ctx, r)
	if err != nil {
		return Header{}, false, err
	}
	return Header{Key: idHeaderKey(b.part), Value: e.header}, true, nil
}

func (b *Binding) find(ctx context.Context, r avrobin.Record) (*binding, error) {
	text := r.AvroSchema()
	for e := b.hot.Load(); e != nil; e = e.next {
		// Two texts of one constant compare by address.
		if e.text == text {
			return e, nil
		}
	}
	return b.search(ctx, r, text)
}

// search is find beyond the hot schemas.
func (b *Binding) search(ctx context.Context, r avrobin.Record, text string) (*binding, error) {
	if v, ok := b.rest.Load(unsafe.StringData(text)); ok {
		// A text may begin where another does.
		if e := v.(*binding); len(e.text) == len(text) {
			return e, nil
		}
	}
	if b.config.err != nil {
		return nil, b.config.err
	}
	if e := b.recall(text); e != nil {
		return e, nil
	}
	e, err := b.cold.do(ctx, text, func(ctx context.Context) (*binding, error) {
		if e := b.recall(text); e != nil { // found since
			return e, nil
		}
		e, err := b.ask(ctx, text)
		if err == nil {
			b.remember(e)
		}
		return e, err
	})
	return e, interrupted(ctx, "schema of "+r.AvroName(), err)
}

func (b *Binding) recall(text string) *binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known[text]
}

func (b *Binding) remember(e *binding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) == maxKnown {
		b.known = nil
		b.hot.Store(nil)
		b.rest.Clear()
	}
	if b.known == nil {
		b.known = make(map[string]*binding)
	}
	b.known[e.text] = e
	if len(b.known) <= maxHot {
		e.next = b.hot.Load()
		b.hot.Store(e)
	}
	// e keeps its text alive, so that the address stays the text's.
	b.rest.Store(unsafe.StringData(e.text), e)
}

// isNil says that r holds no record: the nil interface or a nil pointer.
func isNil(r avrobin.Record) bool {
	// An interface is a type and a pointer. Looking at the latter spares reflection's ten nanoseconds for every record.
	if (*[2]unsafe.Pointer)(unsafe.Pointer(&r))[1] != nil {
		return false
	}
	return r == nil || reflect.TypeOf(r).Kind() == reflect.Pointer
}

// dropLength takes the length off the Avro bytes that stand from start on: a
// schema of type bytes is framed bare, as Confluent's serializers do.
func dropLength(buf []byte, start int) []byte {
	_, width := binary.Varint(buf[start:])
	return slices.Delete(buf, start, start+max(width, 0))
}

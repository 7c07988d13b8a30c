package serde

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/google/uuid"

	"github.com/avroline/avroline/serde/avrobin"
)

// Binding writes the records of one topic and part, of any number of types. A
// Binding is safe for concurrent use. [Serializer.For] makes a Binding.
//
// The first record of a schema sends a request to the registry. The caller
// waits at most until its context ends. Every later record of the same schema
// is a warm call, without a request, a lock or an allocation.
type Binding struct {
	reg    Registry
	topic  string
	part   Part
	config config
	// hasHeader means that Header returns a header or the error of an option.
	hasHeader bool

	// first is a linked list of the first maxFirst schemas, which Append
	// compares one by one. byAddress has all schemas by the address of their
	// text, because hashing a text costs more than encoding a record.
	first     atomic.Pointer[boundSchema]
	byAddress sync.Map // *byte → *boundSchema

	mu       sync.Mutex // guards the fields below, and writes to first and byAddress
	byText   map[string]*boundSchema
	failures failures
}

const (
	// maxFirst is small, because each schema in the list adds a comparison to
	// the later schemas.
	maxFirst = 4
	// maxBound is the number of schemas that a Binding keeps. Only a program
	// that keeps making new schemas reaches this limit. The Binding then
	// forgets all schemas and asks the registry again.
	maxBound = 1 << 14
)

// boundSchema is a record's schema with its place in the registry. A
// boundSchema is immutable after a Binding has stored it. With many topics,
// Append spends most of its time fetching a boundSchema from memory. Therefore
// the fields that Append reads come first and lie together.
type boundSchema struct {
	text        string       // the record's own AvroSchema()
	prefix      []byte       // written before the record: the id and a union's branch; lies in room
	needsFinish bool         // the result of AppendAvro is not the payload yet; see finish
	next        *boundSchema // in Binding.first
	room        [idPrefixLen + binary.MaxVarintLen64]byte

	name        string     // the name of the schema's type, for errors
	header      []byte     // value of the id header; nil if the id is in the prefix
	idLen       int        // length of the id in prefix; a union's branch may follow
	bytesSchema bool       // the schema is of type bytes: the record is written without its length
	rules       *ruleChain // nil if no rule applies
	Registered
}

// Registered is the place of a record's schema in the registry.
type Registered struct {
	Subject string
	ID      int
	GUID    uuid.UUID // zero if the registry knows no GUIDs
}

// Prepare asks the registry for the schema of r now, so that the first record
// does not wait. r may be a nil pointer of a generated type.
func (b *Binding) Prepare(ctx context.Context, r avrobin.Record) error {
	_, err := b.Registered(ctx, r)
	return err
}

// Registered returns the subject and the ids under which Append writes r. A
// warm call costs as much as Append without the encoding. The caller must not
// change the result. r may be a nil pointer of a generated type. For a nil
// interface, the error is [ErrTombstone].
func (b *Binding) Registered(ctx context.Context, r avrobin.Record) (*Registered, error) {
	if r == nil {
		return nil, ErrTombstone
	}
	s, err := b.find(ctx, r)
	if err != nil {
		return nil, err
	}
	return &s.Registered, nil
}

// Append appends the prefix with the schema id and the encoded record to dst.
// With [IDInHeader], Append appends only the encoded record, and the caller
// adds [Binding.Header] to the message.
//
// For a nil r, and for a nil pointer in r, the error is [ErrTombstone]. The
// caller then sends a nil payload, not an empty slice. After any error the
// result is dst without changes. The errors are [ErrTombstone], [ErrRegistry],
// [ErrUnknownSchema], [ErrRefused], [ErrSchemaChanged], [*RuleError], the error
// of a wrong option or of the subject strategy, the cause of ctx, and an error
// of the record's own AppendAvro.
func (b *Binding) Append(ctx context.Context, dst []byte, r avrobin.Record) ([]byte, error) {
	if isNil(r) {
		return dst, ErrTombstone
	}
	s, err := b.find(ctx, r)
	if err != nil {
		return dst, err
	}
	out, err := r.AppendAvro(append(dst, s.prefix...))
	if err != nil {
		return dst, fmt.Errorf("serde: encode %s: %w", s.name, err)
	}
	if s.needsFinish {
		return s.finish(ctx, b, dst, out)
	}
	return out, nil
}

// finish makes the payload of a record that has rules or is of type bytes. out
// consists of dst, the prefix and the record.
func (s *boundSchema) finish(ctx context.Context, b *Binding, dst, out []byte) ([]byte, error) {
	head, body := out[:len(dst)+s.idLen], out[len(dst)+s.idLen:]
	r := record{data: out[len(dst):]}
	if s.header != nil {
		r.header = Header{Key: idHeaderKey(b.part), Value: s.header}
	}
	var err error
	if s.rules != nil {
		if body, err = runRules(ctx, s.rules.domain, body, r); err != nil {
			return dst, err
		}
	}
	if s.bytesSchema {
		_, width := binary.Varint(body)
		body = body[max(width, 0):]
	}
	if s.rules != nil {
		if body, err = runRules(ctx, s.rules.encoding, body, r); err != nil {
			return dst, err
		}
	}
	return append(head, body...), nil
}

// Header returns the header that carries the id of r's schema. ok is false if
// the id is in the prefix. The caller must not change the header's value. r may
// be a nil pointer of a generated type. With [IDInHeader], a nil interface is
// [ErrTombstone].
func (b *Binding) Header(ctx context.Context, r avrobin.Record) (h Header, ok bool, err error) {
	if !b.hasHeader {
		return
	}
	return b.header(ctx, r)
}

// HasHeader reports whether Header may return a header or an error.
func (b *Binding) HasHeader() bool { return b.hasHeader }

func (b *Binding) header(ctx context.Context, r avrobin.Record) (h Header, ok bool, err error) {
	if r == nil {
		return Header{}, false, ErrTombstone
	}
	s, err := b.find(ctx, r)
	if err != nil {
		return Header{}, false, err
	}
	return Header{Key: idHeaderKey(b.part), Value: s.header}, true, nil
}

func (b *Binding) find(ctx context.Context, r avrobin.Record) (*boundSchema, error) {
	text := r.AvroSchema()
	for s := b.first.Load(); s != nil; s = s.next {
		// Two strings from the same constant have the same address, and Go
		// compares addresses first.
		if s.text == text {
			return s, nil
		}
	}
	return b.findBeyondFirst(ctx, text)
}

func (b *Binding) findBeyondFirst(ctx context.Context, text string) (*boundSchema, error) {
	if v, ok := b.byAddress.Load(unsafe.StringData(text)); ok {
		// The address is not enough, because two texts may begin at the same
		// address.
		if s := v.(*boundSchema); len(s.text) == len(text) {
			return s, nil
		}
	}
	if b.config.err != nil {
		return nil, b.config.err
	}
	if s, err := b.recall(text); s != nil || err != nil {
		return s, err
	}
	s, err := b.findInRegistryHooked(ctx, text)
	if err != nil {
		b.rememberFailure(text, err)
		return nil, err
	}
	return b.keep(s), nil
}

// recall returns the schema of text or its recent failure. It returns nil and
// nil if there is neither.
func (b *Binding) recall(text string) (*boundSchema, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byText[text]; s != nil {
		return s, nil
	}
	return nil, b.failures.recall(text)
}

func (b *Binding) rememberFailure(text string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures.remember(text, err)
}

// keep stores s for its text, unless a concurrent caller was faster. It returns
// the stored schema.
func (b *Binding) keep(s *boundSchema) *boundSchema {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.byText[s.text]; other != nil {
		return other
	}
	if len(b.byText) == maxBound {
		b.byText = nil
		b.first.Store(nil)
		b.byAddress.Clear()
	}
	if b.byText == nil {
		b.byText = make(map[string]*boundSchema)
	}
	b.byText[s.text] = s
	b.failures.forget(s.text)
	if len(b.byText) <= maxFirst {
		s.next = b.first.Load()
		b.first.Store(s)
	}
	// s keeps its text alive, so no other text gets this address.
	b.byAddress.Store(unsafe.StringData(s.text), s)
	return s
}

// isNil reports whether r is the nil interface or holds a nil pointer.
func isNil(r avrobin.Record) bool {
	// An interface is two words, a type and a pointer. Reading the pointer is
	// cheaper than reflection, which takes ten nanoseconds per record.
	if (*[2]unsafe.Pointer)(unsafe.Pointer(&r))[1] != nil {
		return false
	}
	return r == nil || reflect.TypeOf(r).Kind() == reflect.Pointer
}

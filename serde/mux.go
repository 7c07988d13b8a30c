package serde

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// ErrUnknownType says that a message has a type that the [Mux] does not have.
// The error is an [*UnknownTypeError].
var ErrUnknownType = errors.New("serde: unknown type")

// UnknownTypeError is [ErrUnknownType] with the names.
type UnknownTypeError struct {
	Topic string   // from the Input; may be empty
	Type  string   // full name of the message's type; the kind for a type without a name
	Known []string // full names of the types that the Mux has
}

// Error names the message's type and the types of the Mux.
func (e *UnknownTypeError) Error() string {
	where := ""
	if e.Topic != "" {
		where = " on topic " + e.Topic
	}
	known := "the Mux has no types"
	if len(e.Known) > 0 {
		known = "the Mux has " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("serde: message of type %s%s: %s: add the type by Handle or Accept", e.Type, where, known)
}

// Is reports whether target is [ErrUnknownType].
func (e *UnknownTypeError) Is(target error) bool { return target == ErrUnknownType }

// Mux reads a topic that holds a closed set of types. The full name of the
// writer schema selects the type. A renamed type is found by its aliases. If
// the writer schema is a union, the branch of the message selects the type. No
// Mux has the null branch of a union as a type, because a null branch is not a
// tombstone.
//
// Add the types by [Handle] or [Accept]. Then read by [Mux.Dispatch] or
// [Mux.Decode]. Reading is safe for concurrent use, but adding is not. A Mux
// remembers 1,024 writer schemas, like a [Deserializer].
type Mux struct {
	source  *source
	types   []*muxType
	err     error // of the first type that could not be added
	readers readers[muxReader]
}

// muxType is one type of a Mux.
type muxType struct {
	target
	fresh  func() avrobin.Decoder
	handle func(context.Context, avrobin.Decoder) error // nil after Accept
}

// muxReader reads messages of one writer schema. If the schema is a union, the
// muxReader has a route for each branch. Otherwise there is one route.
type muxReader struct {
	*unpacker
	union  bool
	routes []route
}

type route struct {
	to     *muxType // nil if the Mux does not have the type
	null   bool     // the writer's type is null
	writer string   // name of the writer's type
	reader
}

// NewMux returns a Mux without types. The Mux looks up schemas in reg. The
// conditions are the same as for [NewDeserializer]. NewMux does no I/O.
func NewMux(reg Registry, opts ...DeserializerOption) (*Mux, error) {
	src, err := newSource(reg, opts)
	if err != nil {
		return nil, err
	}
	return &Mux{source: src}, nil
}

// Handle makes [Mux.Dispatch] call f for each message of type T. Handle is a
// function, because methods have no type parameters. Every later read fails if
// f is nil, if T was added before, or if T's schema is not a named type.
func Handle[T any, PT avrobin.Ptr[T]](m *Mux, f func(ctx context.Context, v *T) error) {
	if f == nil {
		m.fail(fmt.Errorf("serde: Handle: the function for %T is nil", *new(T)))
		return
	}
	m.add(func() avrobin.Decoder { return PT(new(T)) }, func(ctx context.Context, d avrobin.Decoder) error {
		return f(ctx, (*T)(d.(PT)))
	})
}

// Accept makes [Mux.Decode] return messages of type T. [Mux.Dispatch] reads
// such messages but calls no function. Accept fails in the same cases as
// [Handle].
func Accept[T any, PT avrobin.Ptr[T]](m *Mux) {
	m.add(func() avrobin.Decoder { return PT(new(T)) }, nil)
}

func (m *Mux) add(fresh func() avrobin.Decoder, handle func(context.Context, avrobin.Decoder) error) {
	t, err := newTarget(fresh(), m.source)
	switch {
	case err != nil:
		m.fail(err)
	case t.schema.Name == "":
		m.fail(fmt.Errorf("serde: Mux: the schema of %T is not a named type: a Mux selects types by name", fresh()))
	case m.named(t.schema.Name) != nil:
		m.fail(fmt.Errorf("serde: Mux: %s was added twice", t.schema.Name))
	default:
		m.types = append(m.types, &muxType{target: t, fresh: fresh, handle: handle})
	}
}

func (m *Mux) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *Mux) named(name string) *muxType {
	for _, t := range m.types {
		if t.schema.Name == name {
			return t
		}
	}
	return nil
}

// Dispatch reads one message and calls the function of the message's type. It
// returns the error of the function unchanged. Its own errors are
// [ErrUnknownType] and the errors of [Deserializer.Decode].
func (m *Mux) Dispatch(ctx context.Context, in Input) error {
	t, v, err := m.decode(ctx, &in)
	if err != nil || t.handle == nil {
		return err
	}
	return t.handle(ctx, v)
}

// Decode reads one message and returns a pointer to a value of the message's
// type, for a type switch. It does not call the functions of [Handle]. The
// errors are the same as in [Mux.Dispatch].
//
//	switch v := v.(type) {
//	case *events.OrderCreated:
//	case *events.OrderCancelled:
//	}
func (m *Mux) Decode(ctx context.Context, in Input) (avrobin.Record, error) {
	_, v, err := m.decode(ctx, &in)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (m *Mux) decode(ctx context.Context, in *Input) (*muxType, avrobin.Decoder, error) {
	if m.err != nil {
		return nil, nil, m.err
	}
	id, data, err := m.source.frame(in)
	if err != nil {
		return nil, nil, err
	}
	r := m.readers.find(m.source, in, id)
	if r == nil {
		r, err = m.readers.fill(ctx, m.source, in, id, m.reader)
		if err != nil {
			return nil, nil, m.source.schemaError(in, id, err)
		}
	}
	if data, err = r.unpack(ctx, in, data); err != nil {
		return nil, nil, m.source.describe(in, err)
	}
	to := &r.routes[0]
	if r.union {
		branch, rest, err := avrobin.ReadBranch(data, len(r.routes))
		if err != nil {
			return nil, nil, m.source.decodeError(ctx, err, in, id, "union")
		}
		to, data = &r.routes[branch], rest
	}
	if to.null && len(data) > 0 {
		return nil, nil, m.source.decodeError(ctx, avrobin.ErrTrailing, in, id, "null")
	}
	if to.to == nil {
		return nil, nil, &UnknownTypeError{Topic: in.Topic, Type: to.writer, Known: m.known()}
	}
	v := to.to.fresh()
	if err := to.read(ctx, v, data, m.source.alias); err != nil {
		return nil, nil, m.source.decodeError(ctx, err, in, id, to.to.name)
	}
	return to.to, v, nil
}

func (m *Mux) reader(u *unpacker) (*muxReader, error) {
	r := &muxReader{unpacker: u, union: u.reader.Kind == avsc.Union}
	if !r.union {
		r.routes = []route{m.route(u.reader.Schema)}
		return r, nil
	}
	for _, b := range u.reader.Branches {
		r.routes = append(r.routes, m.route(b))
	}
	return r, nil
}

// route selects the type for a value of writer. It prefers the type of the same
// name, and then a type with this name as an alias.
func (m *Mux) route(writer *avsc.Schema) route {
	r := route{writer: writer.TypeName(), null: writer.Kind == avsc.Null, to: m.named(writer.Name)}
	if r.to == nil && writer.Name != "" {
		for _, t := range m.types {
			if slices.ContainsFunc(t.schema.Aliases, func(a avsc.Alias) bool { return a.Name == writer.Name }) {
				r.to = t
				break
			}
		}
	}
	if r.to != nil {
		r.reader = *r.to.readerOf(writer)
	}
	return r
}

func (m *Mux) known() []string {
	names := make([]string, len(m.types))
	for i, t := range m.types {
		names[i] = t.schema.Name
	}
	return names
}

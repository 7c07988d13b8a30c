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

// ErrUnknownType says that a message is of a type that the [Mux] was not told of.
// The error is an [*UnknownTypeError].
var ErrUnknownType = errors.New("serde: type not handled")

// UnknownTypeError is [ErrUnknownType] with the names.
type UnknownTypeError struct {
	Topic string   // of the Input; may be empty
	Type  string   // full name of the writer's schema, or its kind where it has no name
	Known []string // full names that the Mux was told of
}

// Error names the type that came and those that were expected.
func (e *UnknownTypeError) Error() string {
	where := ""
	if e.Topic != "" {
		where = " on topic " + e.Topic
	}
	return fmt.Sprintf("serde: a message of type %s%s: known are %s", e.Type, where, strings.Join(e.Known, ", "))
}

// Is makes it ErrUnknownType.
func (e *UnknownTypeError) Is(target error) bool { return target == ErrUnknownType }

// Mux reads a topic that holds a closed set of types. The writer's schema says by
// its full name which type came; a type that was renamed is found by its
// aliases. Where the topic's schema is a union, the branch of the message says.
//
// Tell it the types by [Handle] or [Accept], then read by [Mux.Dispatch] or
// [Mux.Decode]. The telling must be over before the reading begins; reading is
// safe for concurrent use. As a [Deserializer] it keeps what it made of the last
// 1,024 schema ids.
type Mux struct {
	source  *source
	cases   []*muxCase
	err     error // the first mistake of telling
	readers cache[muxReader]
}

// muxCase is one type of a Mux.
type muxCase struct {
	target
	fresh  func() avrobin.Decoder
	handle func(context.Context, avrobin.Decoder) error // nil when only accepted
}

// muxReader reads what one writer's schema wrote: one route, or one a branch of
// a union.
type muxReader struct {
	union  bool
	routes []route
}

type route struct {
	to     *muxCase // nil where no type takes it
	null   bool     // the union's null
	writer string   // name of the writer's type
	reader
}

// NewMux makes a Mux that asks reg, as [NewDeserializer] does. It does no I/O.
func NewMux(reg Registry, opts ...DeserializerOption) (*Mux, error) {
	src, err := newSource(reg, opts)
	if err != nil {
		return nil, err
	}
	return &Mux{source: src}, nil
}

// Handle has f called with each message of type T. It is a function since
// methods have no type parameters. A type told twice, and one whose schema is
// not a named type, are the error of every reading.
func Handle[T any, PT avrobin.Ptr[T]](m *Mux, f func(ctx context.Context, v *T) error) {
	m.tell(func() avrobin.Decoder { return PT(new(T)) }, func(ctx context.Context, d avrobin.Decoder) error {
		return f(ctx, (*T)(d.(PT)))
	})
}

// Accept has [Mux.Decode] return messages of type T. [Mux.Dispatch] reads them
// and calls nothing.
func Accept[T any, PT avrobin.Ptr[T]](m *Mux) {
	m.tell(func() avrobin.Decoder { return PT(new(T)) }, nil)
}

func (m *Mux) tell(fresh func() avrobin.Decoder, handle func(context.Context, avrobin.Decoder) error) {
	t, err := newTarget(fresh(), m.source)
	switch {
	case m.err != nil:
	case err != nil:
		m.err = err
	case t.schema.Name == "":
		m.err = fmt.Errorf("serde: Mux: the schema of %T is not a named type: messages are told apart by name", fresh())
	case m.named(t.schema.Name) != nil:
		m.err = fmt.Errorf("serde: Mux: %s is told twice", t.schema.Name)
	default:
		m.cases = append(m.cases, &muxCase{target: t, fresh: fresh, handle: handle})
	}
}

func (m *Mux) named(name string) *muxCase {
	for _, c := range m.cases {
		if c.schema.Name == name {
			return c
		}
	}
	return nil
}

// Dispatch reads one message and calls the function of its type, whose error it
// returns as it is. Its own errors are those of [Deserializer.Decode], and
// [ErrUnknownType].
func (m *Mux) Dispatch(ctx context.Context, in Input) error {
	c, v, err := m.decode(ctx, &in)
	if err != nil || c.handle == nil {
		return err
	}
	return c.handle(ctx, v)
}

// Decode reads one message and returns a pointer to the type that came, for a
// type switch; it calls no function of [Handle]. Errors as for [Mux.Dispatch].
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

func (m *Mux) decode(ctx context.Context, in *Input) (*muxCase, avrobin.Decoder, error) {
	if m.err != nil {
		return nil, nil, m.err
	}
	id, data, err := m.source.frame(in)
	if err != nil {
		return nil, nil, err
	}
	r := m.readers.find(id)
	if r == nil {
		r, err = m.readers.fill(ctx, id, m.reader)
		if err != nil {
			return nil, nil, m.source.describe(in, err)
		}
	}
	to := &r.routes[0]
	if r.union {
		branch, rest, err := avrobin.ReadBranch(data, len(r.routes))
		if err != nil {
			return nil, nil, decodeError(err, in, id, "union")
		}
		to, data = &r.routes[branch], rest
	}
	switch {
	case to.null && len(data) == 0:
		return nil, nil, ErrTombstone
	case to.null:
		return nil, nil, decodeError(avrobin.ErrTrailing, in, id, "null")
	case to.to == nil:
		return nil, nil, &UnknownTypeError{Topic: in.Topic, Type: to.writer, Known: m.known()}
	}
	v := to.to.fresh()
	if err := to.read(v, data, m.source.alias); err != nil {
		return nil, nil, decodeError(err, in, id, to.to.name)
	}
	return to.to, v, nil
}

func (m *Mux) reader(ctx context.Context, id wireID) (*muxReader, error) {
	writer, err := m.source.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	if writer.Kind != avsc.Union {
		return &muxReader{routes: []route{m.route(writer)}}, nil
	}
	r := &muxReader{union: true}
	for _, b := range writer.Branches {
		r.routes = append(r.routes, m.route(b))
	}
	return r, nil
}

// route finds who takes what writer wrote: the type of its name, else the one
// that has had that name.
func (m *Mux) route(writer *avsc.Schema) route {
	r := route{writer: typeName(writer), null: writer.Kind == avsc.Null, to: m.named(writer.Name)}
	if r.to == nil && writer.Name != "" {
		for _, c := range m.cases {
			if slices.ContainsFunc(c.schema.Aliases, func(a avsc.Alias) bool { return a.Name == writer.Name }) {
				r.to = c
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
	names := make([]string, len(m.cases))
	for i, c := range m.cases {
		names[i] = c.schema.Name
	}
	return names
}

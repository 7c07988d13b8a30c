package serde

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Hooks see the cold calls of serializers and deserializers: the first record
// of each schema, which asks the registry, and the plan for reading a writer
// schema. No function is called for a warm call, so a record costs the same
// with and without hooks. Each function may be nil. The functions must not
// block and must be safe for concurrent use. A panic goes to the caller of the
// serializer or deserializer.
type Hooks struct {
	// StartLookup is called before the registry is asked for a schema. The
	// registry and EndLookup get the returned context, which must be ctx or a
	// child of ctx.
	StartLookup func(ctx context.Context, l Lookup) context.Context
	EndLookup   func(ctx context.Context, l Lookup, e LookupEnd)
	// Planned is called after a deserializer has made the plan for reading a
	// writer schema.
	Planned func(ctx context.Context, p Plan)
}

// Lookup is a question to the registry, for [Hooks].
type Lookup struct {
	// Write is true for a serializer, which looks for the id of a schema. It is
	// false for a deserializer, which looks for the schema of an id.
	Write bool
	Topic string // of the deserializer's Input; may be empty
	Part  Part
	ID    int       // in the message; 0 for a serializer, and without an id
	GUID  uuid.UUID // in the message, or zero
}

// LookupEnd is the answer to a [Lookup]. Before an error, the names are empty.
type LookupEnd struct {
	Record  string // full name of the schema's type
	Subject string // empty for a deserializer
	ID      int
	Took    time.Duration
	Err     error
}

// Plan says that messages of a writer schema can be read, for [Hooks].
type Plan struct {
	Topic  string // of the Input; may be empty
	Part   Part
	ID     int    // of the writer schema, or 0
	Record string // full name of the writer's type
	Took   time.Duration
	Err    error // no message of the writer schema can be read
}

// WithHooks adds hooks for metrics and traces. If WithHooks is given several
// times, all hooks are called in their order, and each StartLookup gets the
// context of the one before.
func WithHooks(h Hooks) CommonOption {
	return commonOption(func(c *common) error {
		c.hooks = append(c.hooks[:len(c.hooks):len(c.hooks)], h)
		return nil
	})
}

type hooks []Hooks

func (h hooks) startLookup(ctx context.Context, l Lookup) context.Context {
	for i := range h {
		if f := h[i].StartLookup; f != nil {
			if child := f(ctx, l); child != nil {
				ctx = child
			}
		}
	}
	return ctx
}

func (h hooks) endLookup(ctx context.Context, l Lookup, e LookupEnd) {
	for i := range h {
		if f := h[i].EndLookup; f != nil {
			f(ctx, l, e)
		}
	}
}

func (h hooks) planned(ctx context.Context, p Plan) {
	for i := range h {
		if f := h[i].Planned; f != nil {
			f(ctx, p)
		}
	}
}

// findInRegistryHooked is findInRegistry with the hooks.
func (b *Binding) findInRegistryHooked(ctx context.Context, text string) (*boundSchema, error) {
	h := b.config.hooks
	l := Lookup{Write: true, Topic: b.topic, Part: b.part}
	ctx = h.startLookup(ctx, l)
	begun := time.Now()
	s, err := b.findInRegistry(ctx, text)
	e := LookupEnd{Took: time.Since(begun), Err: err}
	if s != nil {
		e.Record, e.Subject, e.ID = s.name, s.Subject, s.ID
	}
	h.endLookup(ctx, l, e)
	return s, err
}

// schemaHooked is schema with the hooks.
func (s *source) schemaHooked(ctx context.Context, in *Input, id schemaID) (writerSchema, error) {
	l := Lookup{Topic: in.Topic, Part: in.Part, ID: id.number()}
	if id.kind == schemaGUID {
		l.GUID = id.guid()
	}
	ctx = s.hooks.startLookup(ctx, l)
	begun := time.Now()
	w, err := s.schema(ctx, id)
	e := LookupEnd{ID: l.ID, Took: time.Since(begun), Err: err}
	if w.Schema != nil {
		e.Record = w.Schema.TypeName()
	}
	s.hooks.endLookup(ctx, l, e)
	return w, err
}

// number returns the id of a registry, or 0.
func (id schemaID) number() int {
	if id.kind == confluentID || id.kind == apicurioID {
		return int(id.lo)
	}
	return 0
}

// planHooked runs plan, which makes a reader for a writer schema.
func planHooked[V any](ctx context.Context, s *source, in *Input, id schemaID, w writerSchema, plan func() (*V, error)) (*V, error) {
	begun := time.Now()
	v, err := plan()
	p := Plan{Topic: in.Topic, Part: in.Part, ID: id.number(), Record: w.Schema.TypeName(), Took: time.Since(begun), Err: err}
	if r, ok := any(v).(*typedReader); ok && err == nil {
		p.Err = r.reader.err
	}
	s.hooks.planned(ctx, p)
	return v, err
}

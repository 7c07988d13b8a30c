package serde

import (
	"context"
	"errors"
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// Input is one half of a consumed message.
type Input struct {
	Topic string // for error texts; may be empty
	Part  Part
	Data  []byte // the payload; nil is a tombstone
	// Header gives the message's header of that name. A nil function means
	// that there are none.
	Header func(key string) ([]byte, bool)
}

// Deserializer reads messages into T, a generated type, whatever version of its
// schema they were written with. It is safe for concurrent use and holds nothing
// that needs closing.
//
// Warm, that is after the first message of a writer's schema, it neither calls
// the registry nor locks. The schemas of the last 1,024 ids that came are kept.
type Deserializer[T any] struct {
	asDecoder func(*T) avrobin.Decoder
	source    *source
	own       target
	readers   cache[reader]
}

// NewDeserializer makes a Deserializer of T that asks reg; the second type
// argument is inferred: NewDeserializer[events.OrderCreated](reg). It does no
// I/O. The registry may be nil when [WithSchemas] names all there is to read.
func NewDeserializer[T any, PT avrobin.Ptr[T]](reg Registry, opts ...DeserializerOption) (*Deserializer[T], error) {
	src, err := newSource(reg, opts)
	if err != nil {
		return nil, err
	}
	own, err := newTarget(PT(new(T)), src)
	if err != nil {
		return nil, err
	}
	return &Deserializer[T]{
		asDecoder: func(t *T) avrobin.Decoder { return PT(t) },
		source:    src,
		own:       own,
	}, nil
}

// Decode reads one message. The errors:
//
//   - [ErrTombstone]: Data is nil, there is no record;
//   - [ErrNotFramed]: Data carries no schema id in a form that is read;
//   - [ErrRegistry]: the registry could not be asked; nothing is known of Data;
//   - [ErrUnknownSchema]: the registry does not know the schema's id;
//   - [*DecodeError]: the data is not what its schema says, or T cannot hold it.
func (d *Deserializer[T]) Decode(ctx context.Context, in Input) (T, error) {
	var v T
	err := d.DecodeInto(ctx, in, &v)
	return v, err
}

// DecodeInto is [Deserializer.Decode] into a value of the caller's, of which
// nothing is kept. After an error dst is in no defined state.
func (d *Deserializer[T]) DecodeInto(ctx context.Context, in Input, dst *T) error {
	id, data, err := d.source.frame(&in)
	if err != nil {
		return err
	}
	r := d.readers.find(id)
	if r == nil {
		r, err = d.readers.fill(ctx, id, d.reader)
		if err != nil {
			return d.source.describe(&in, err)
		}
	}
	if err := r.read(d.asDecoder(dst), data, d.source.alias); err != nil {
		return decodeError(err, &in, id, d.own.name)
	}
	return nil
}

func (d *Deserializer[T]) reader(ctx context.Context, id wireID) (*reader, error) {
	writer, err := d.source.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.own.readerOf(writer), nil
}

// target is a generated type to read into.
type target struct {
	name      string // for errors
	schema    *avsc.Schema
	canonical string
}

func newTarget(d avrobin.Decoder, src *source) (target, error) {
	s, err := avsc.Parse(d.AvroName(), []byte(d.AvroSchema()))
	if err != nil {
		return target{}, fmt.Errorf("serde: the schema of %T: %w", d, err)
	}
	if _, ok := d.(avrobin.ValueReader); src.alias && !ok {
		return target{}, fmt.Errorf("serde: AliasInput: %T has no ReadAvro: generate it anew", d)
	}
	return target{name: typeName(s), schema: s, canonical: s.Canonical()}, nil
}

// reader reads what one writer's schema wrote into one target. It is immutable.
type reader struct {
	plan *avrobin.Plan // nil when the schema is the target's own
	bare bool          // the writer's type is bytes: they come without length
	err  error         // no value of the writer's can be read
}

// readerOf keeps the refusal of a writer's schema, so that a stream of messages
// with it is refused without thinking again.
func (t *target) readerOf(writer *avsc.Schema) *reader {
	r := &reader{bare: writer.Kind == avsc.Bytes}
	if writer.Canonical() == t.canonical {
		return r
	}
	r.plan, r.err = resolve.Resolve(writer, t.schema)
	var never *resolve.Error
	if errors.As(r.err, &never) {
		r.err = &avrobin.Error{Path: never.Path, Offset: -1, Err: fmt.Errorf("%w: %s", avrobin.ErrUnreadable, never.Reason)}
	}
	return r
}

func (r *reader) read(d avrobin.Decoder, data []byte, alias bool) error {
	if r.err != nil {
		return r.err
	}
	if r.bare {
		data = avrobin.AppendBytes(nil, data)
	}
	switch {
	case r.plan != nil:
		return d.UnmarshalAvroPlan(r.plan, data)
	case alias:
		return avrobin.UnmarshalAlias(d.(avrobin.ValueReader), data)
	}
	return d.UnmarshalAvro(data)
}

// decodeError adds to the error of a datum where it came from.
func decodeError(err error, in *Input, id wireID, record string) error {
	e := &DecodeError{Topic: in.Topic, Part: in.Part, Record: record, Offset: -1, Err: err, wire: id}
	if id.kind == confluentID || id.kind == apicurioID {
		e.ID = int(id.lo)
	}
	if id.kind == schemaGUID {
		e.GUID = id.guid()
	}
	var at *avrobin.Error
	if errors.As(err, &at) {
		e.Path, e.Offset, e.Err = at.Path, at.Offset, at.Err
	}
	return e
}

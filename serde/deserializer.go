package serde

import (
	"context"
	"errors"
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// Input is the value or the key of a consumed message.
type Input struct {
	Topic string // for error texts; may be empty
	Part  Part
	Data  []byte // the payload; nil is a tombstone
	// Header returns the message's header with the given name. A nil function
	// means that the message has no headers.
	Header func(key string) ([]byte, bool)
}

// Deserializer reads messages into the generated type T. The messages may be
// written with any version of T's schema. A Deserializer is safe for concurrent
// use and needs no closing.
//
// The first message of a writer schema sends a request to the registry. Later
// messages of the same schema make no request and take no lock. The
// Deserializer remembers 1,024 writer schemas.
type Deserializer[T any] struct {
	asDecoder func(*T) avrobin.Decoder
	source    *source
	own       target
	readers   readers[typedReader]
}

// typedReader reads the messages of one writer schema.
type typedReader struct {
	*unpacker
	*reader
}

// NewDeserializer returns a Deserializer of T that asks reg. Go infers the
// second type argument: NewDeserializer[events.OrderCreated](reg).
// NewDeserializer does no I/O. reg may be nil if [WithSchemas] names every
// schema to read.
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

// Decode reads one message. The errors are:
//
//   - [ErrTombstone]: Data is nil, so there is no record.
//   - [ErrNotFramed]: Data has no schema id in a form that is read.
//   - [ErrRegistry]: the registry could not be asked. The message may be good.
//   - [ErrUnknownSchema]: the registry does not know the schema id.
//   - [*DecodeError]: the data does not fit its schema, T cannot hold the data,
//     or the schema is not an Avro schema.
//   - [*RuleError]: a rule of the registry stopped the message.
//   - The cause of ctx: ctx ended during a look-up, a rule, or the conversion
//     of a long message from another version. The message may be good.
func (d *Deserializer[T]) Decode(ctx context.Context, in Input) (T, error) {
	var v T
	err := d.DecodeInto(ctx, in, &v)
	return v, err
}

// DecodeInto is like [Deserializer.Decode], but stores the record in *dst and
// overwrites the old value. After an error *dst has no defined value.
func (d *Deserializer[T]) DecodeInto(ctx context.Context, in Input, dst *T) error {
	id, data, err := d.source.frame(&in)
	if err != nil {
		return err
	}
	r := d.readers.find(d.source, &in, id)
	if r == nil {
		r, err = d.readers.fill(ctx, d.source, &in, id, d.reader)
		if err != nil {
			return d.source.schemaError(&in, id, err)
		}
	}
	if data, err = r.unpack(ctx, &in, data); err != nil {
		return d.source.describe(&in, err)
	}
	if err := r.read(ctx, d.asDecoder(dst), data, d.source.alias); err != nil {
		return d.source.decodeError(ctx, err, &in, id, d.own.name)
	}
	return nil
}

func (d *Deserializer[T]) reader(u *unpacker) (*typedReader, error) {
	return &typedReader{u, d.own.readerOf(u.reader.Schema)}, nil
}

// target is a generated type to read into.
type target struct {
	name   string // for errors
	schema *avsc.Schema
	source *source // for its memory limit
}

func newTarget(d avrobin.Decoder, src *source) (target, error) {
	s, err := avsc.Parse(d.AvroName(), []byte(d.AvroSchema()))
	if err != nil {
		return target{}, fmt.Errorf("serde: the schema of %T: %w", d, err)
	}
	if _, ok := d.(avrobin.ValueReader); src.alias && !ok {
		return target{}, fmt.Errorf("serde: AliasInput: %T has no ReadAvro: run avrogen generate again", d)
	}
	return target{name: s.TypeName(), schema: s, source: src}, nil
}

// reader reads the data of one writer schema into one target. It is immutable.
type reader struct {
	plan *avrobin.Plan // nil if the writer schema and the target's schema have the same meaning
	err  error         // the target can read no value of the writer schema
}

// readerOf returns a reader even if the target can read no value of the writer
// schema. The reader stores the error. So a stream of such messages is refused
// without a second resolution.
func (t *target) readerOf(writer *avsc.Schema) *reader {
	r := &reader{}
	if avsc.SameMeaning(writer, t.schema) {
		return r
	}
	p, err := resolve.Resolve(writer, t.schema)
	r.plan, r.err = t.source.limited(p), err
	var never *resolve.Error
	if errors.As(r.err, &never) {
		r.err = &avrobin.Error{Path: never.Path, Offset: -1, Err: fmt.Errorf("%w: %s", avrobin.ErrUnreadable, never.Reason)}
	}
	return r
}

func (r *reader) read(ctx context.Context, d avrobin.Decoder, data []byte, alias bool) error {
	if r.err != nil {
		return r.err
	}
	switch {
	case r.plan != nil:
		p := (*plan.Plan)(r.plan).WithContext(ctx, len(data))
		return d.UnmarshalAvroPlan((*avrobin.Plan)(p), data)
	case alias:
		return avrobin.UnmarshalAlias(d.(avrobin.ValueReader), data)
	}
	return d.UnmarshalAvro(data)
}

// decodeError adds the origin of the message to an error. The end of ctx says
// nothing about the message and is no [*DecodeError].
func (s *source) decodeError(ctx context.Context, err error, in *Input, id schemaID, record string) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("serde: read a message of %s: %w", record, context.Cause(ctx))
	}
	return s.newDecodeError(in, id, record, err)
}

// newDecodeError returns the error of a message that cannot be read. record is
// the full name of the type to read. It is empty if the schema is not Avro.
func (s *source) newDecodeError(in *Input, id schemaID, record string, err error) error {
	e := &DecodeError{Topic: in.Topic, Part: in.Part, Record: record, Offset: -1, Err: err, id: id}
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
	if why := s.otherFraming(in, id); why != "" {
		e.Err = fmt.Errorf("%w: %s", e.Err, why)
	}
	return e
}

package serde

import (
	"context"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// GenericDeserializer reads messages of any schema, each as its writer's schema
// says. It is safe for concurrent use and, like a [Deserializer], keeps what it
// made of the last 1,024 schema ids.
type GenericDeserializer struct {
	source  *source
	readers cache[Generic]
}

// NewGenericDeserializer makes a GenericDeserializer that asks reg, as
// [NewDeserializer] does. It does no I/O. [AliasInput] has no effect on it.
func NewGenericDeserializer(reg Registry, opts ...DeserializerOption) (*GenericDeserializer, error) {
	src, err := newSource(reg, opts)
	if err != nil {
		return nil, err
	}
	return &GenericDeserializer{source: src}, nil
}

// Open finds the schema of a message and its bare Avro data. The errors are those
// of [Deserializer.Decode] but for [*DecodeError]: the data is not looked at.
func (d *GenericDeserializer) Open(ctx context.Context, in Input) (g *Generic, data []byte, err error) {
	g, data, _, err = d.open(ctx, &in)
	return g, data, err
}

// Decode reads one message into a value as [Generic] has them. The errors are
// those of [Deserializer.Decode].
func (d *GenericDeserializer) Decode(ctx context.Context, in Input) (any, error) {
	g, data, id, err := d.open(ctx, &in)
	if err != nil {
		return nil, err
	}
	v, err := g.Decode(data)
	if err != nil {
		return nil, decodeError(err, &in, id, typeName(g.schema))
	}
	return v, nil
}

// AppendJSON reads one message and appends it as Avro's JSON encoding to dst. The
// errors are those of [Deserializer.Decode]; dst then comes back as it was given.
func (d *GenericDeserializer) AppendJSON(ctx context.Context, dst []byte, in Input) ([]byte, error) {
	g, data, id, err := d.open(ctx, &in)
	if err != nil {
		return dst, err
	}
	out, err := g.AppendJSON(dst, data)
	if err != nil {
		return dst, decodeError(err, &in, id, typeName(g.schema))
	}
	return out, nil
}

func (d *GenericDeserializer) open(ctx context.Context, in *Input) (*Generic, []byte, wireID, error) {
	id, data, err := d.source.frame(in)
	if err != nil {
		return nil, nil, id, err
	}
	g := d.readers.find(id)
	if g == nil {
		g, err = d.readers.fill(ctx, id, d.generic)
		if err != nil {
			return nil, nil, id, d.source.describe(in, err)
		}
	}
	if g.schema.Kind == avsc.Bytes {
		data = avrobin.AppendBytes(nil, data)
	}
	return g, data, id, nil
}

func (d *GenericDeserializer) generic(ctx context.Context, id wireID) (*Generic, error) {
	writer, err := d.source.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	return newGeneric(writer)
}

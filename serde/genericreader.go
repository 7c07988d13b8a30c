package serde

import "context"

// GenericDeserializer reads messages of any schema. The writer schema of each
// message determines the value. A GenericDeserializer is safe for concurrent
// use. It remembers 1,024 writer schemas, like a [Deserializer].
type GenericDeserializer struct {
	source  *source
	readers readers[genericReader]
}

// genericReader reads the messages of one writer schema.
type genericReader struct {
	*unpacker
	generic *Generic
}

// NewGenericDeserializer returns a GenericDeserializer that asks reg. The
// conditions are the same as for [NewDeserializer]. It does no I/O.
// [AliasInput] has no effect.
func NewGenericDeserializer(reg Registry, opts ...DeserializerOption) (*GenericDeserializer, error) {
	src, err := newSource(reg, opts)
	if err != nil {
		return nil, err
	}
	return &GenericDeserializer{source: src}, nil
}

// Open returns the schema of a message and the bare Avro data. The errors are
// the same as in [Deserializer.Decode]. Open does not look at the data, so a
// [*DecodeError] says that the schema is not an Avro schema.
func (d *GenericDeserializer) Open(ctx context.Context, in Input) (g *Generic, data []byte, err error) {
	g, data, _, err = d.open(ctx, &in)
	return g, data, err
}

// Decode reads one message into a value of the Go types that [Generic] lists.
// The errors are the same as in [Deserializer.Decode].
func (d *GenericDeserializer) Decode(ctx context.Context, in Input) (any, error) {
	g, data, id, err := d.open(ctx, &in)
	if err != nil {
		return nil, err
	}
	v, err := g.decodePlan(ctx, g.check, data)
	if err != nil {
		return nil, d.source.decodeError(ctx, err, &in, id, g.schema.TypeName())
	}
	return v, nil
}

// AppendJSON reads one message and appends the message in Avro's JSON encoding
// to dst. The errors are the same as in [Deserializer.Decode]. After an error
// the result is dst without changes.
func (d *GenericDeserializer) AppendJSON(ctx context.Context, dst []byte, in Input) ([]byte, error) {
	return d.appendJSON(ctx, dst, &in, (*Generic).appendJSONOf)
}

// AppendPlainJSON is AppendJSON with the form of [Generic.AppendPlainJSON].
func (d *GenericDeserializer) AppendPlainJSON(ctx context.Context, dst []byte, in Input) ([]byte, error) {
	return d.appendJSON(ctx, dst, &in, (*Generic).appendPlainJSONOf)
}

func (d *GenericDeserializer) appendJSON(ctx context.Context, dst []byte, in *Input, form func(g *Generic, ctx context.Context, dst, data []byte) ([]byte, error)) ([]byte, error) {
	g, data, id, err := d.open(ctx, in)
	if err != nil {
		return dst, err
	}
	out, err := form(g, ctx, dst, data)
	if err != nil {
		return dst, d.source.decodeError(ctx, err, in, id, g.schema.TypeName())
	}
	return out, nil
}

func (d *GenericDeserializer) open(ctx context.Context, in *Input) (*Generic, []byte, schemaID, error) {
	id, data, err := d.source.frame(in)
	if err != nil {
		return nil, nil, id, err
	}
	r := d.readers.find(d.source, in, id)
	if r == nil {
		r, err = d.readers.fill(ctx, d.source, in, id, d.reader)
		if err != nil {
			return nil, nil, id, d.source.schemaError(in, id, err)
		}
	}
	if data, err = r.unpack(ctx, in, data); err != nil {
		return nil, nil, id, d.source.describe(in, err)
	}
	return r.generic, data, id, nil
}

func (d *GenericDeserializer) reader(u *unpacker) (*genericReader, error) {
	g, err := newGeneric(u.reader.Schema)
	if err != nil {
		return nil, err
	}
	return &genericReader{u, g}, nil
}

package ocf

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// values walks over the values of a file.
type values struct {
	*blocks
	left  int64  // values of the present block that were not read yet
	data  []byte // the data of the values in left
	read  int64  // number of values that were read
	empty int64  // number of values without bytes that may still be read
	err   error  // the first error; every later call returns the same error
}

func openValues(src io.Reader, limit int64) (*values, error) {
	b, err := openBlocks(src, limit)
	if err != nil {
		return nil, err
	}
	return &values{blocks: b, empty: avrobin.MaxEmpty}, nil
}

// advance makes sure that data begins with the next value. After the last value
// the error is io.EOF.
func (v *values) advance() error {
	for v.err == nil && v.left == 0 {
		if len(v.data) > 0 {
			v.err = &Error{Block: v.number, Err: fmt.Errorf("%w: %d bytes follow the last value", ErrCorrupt, len(v.data))}
			break
		}
		v.left, v.data, v.err = v.next()
	}
	return v.err
}

// advanceTo records that a value was read. rest is the data after the value.
func (v *values) advanceTo(rest []byte) error {
	if len(rest) == len(v.data) { // only the count limits values without bytes
		if v.empty--; v.empty < 0 {
			return v.fail(fmt.Errorf("%w: more than %d values without bytes", ErrCorrupt, avrobin.MaxEmpty))
		}
	}
	v.data = rest
	v.left--
	v.read++
	return nil
}

// fail records an error of the next value, and returns the error.
func (v *values) fail(err error) error {
	v.err = &Error{Block: v.number, Value: v.read + 1, Err: err}
	return v.err
}

// Reader reads a file into the generated type T. A Reader is not safe for
// concurrent use.
type Reader[T any] struct {
	values  *values
	plan    *plan.Plan // nil if the file's schema has the same meaning as T's schema
	reading func(*T) avrobin.ValueReader
	buffer  []byte
}

// NewReader reads the header of a file. NewReader fails if T can read no value
// of the file's schema. Go infers the second type argument:
// NewReader[clicks.ClickEvent](file). The reader reads ahead of the values.
func NewReader[T any, PT avrobin.Ptr[T]](src io.Reader, opts ...ReaderOption) (*Reader[T], error) {
	c, err := readerConfigOf(opts)
	if err != nil {
		return nil, err
	}
	if c.schema != "" {
		return nil, errors.New("ocf: WithReaderSchema is for a GenericReader: a Reader reads into its type's own schema")
	}
	zero := PT(new(T))
	if _, ok := any(zero).(avrobin.ValueReader); !ok {
		return nil, fmt.Errorf("ocf: %T has no ReadAvro: run avrogen generate", zero)
	}
	own, err := avsc.Parse(zero.AvroName(), []byte(zero.AvroSchema()))
	if err != nil {
		return nil, fmt.Errorf("ocf: the schema of %T: %w", zero, err)
	}
	v, err := openValues(src, c.limit)
	if err != nil {
		return nil, err
	}
	r := &Reader[T]{values: v, reading: func(t *T) avrobin.ValueReader { return any(PT(t)).(avrobin.ValueReader) }}
	if !avsc.SameMeaning(v.schema, own) {
		p, err := resolve.Resolve(v.schema, own)
		if err != nil {
			return nil, fmt.Errorf("ocf: %s cannot read the file's schema: %w", zero.AvroName(), err)
		}
		r.plan = (*plan.Plan)(p)
	}
	return r, nil
}

// Schema returns the schema text of the file.
func (r *Reader[T]) Schema() string { return r.values.text }

// Codec returns the compression of the file.
func (r *Reader[T]) Codec() Codec { return r.values.codec }

// Metadata returns an entry of the file's metadata, or nil if there is none.
func (r *Reader[T]) Metadata(key string) []byte { return r.values.metadata[key] }

// Next reads the next value into *v. After the last value Next returns io.EOF.
// Another error is an [*Error], and every later call returns the same error.
// Strings and bytes of *v share the memory of their block.
func (r *Reader[T]) Next(v *T) error {
	if err := r.values.advance(); err != nil {
		return err
	}
	data := r.values.data
	if r.plan == nil {
		rest, err := r.reading(v).ReadAvro(data)
		if err != nil {
			return r.values.fail(err)
		}
		return r.values.advanceTo(rest)
	}
	var rest []byte
	var err error
	if r.buffer, rest, err = r.plan.AppendFirst(r.buffer[:0], data); err != nil {
		return r.values.fail(err)
	}
	if _, err := r.reading(v).ReadAvro(avrobin.Copy(r.buffer)); err != nil {
		return r.values.fail(err)
	}
	return r.values.advanceTo(rest)
}

// All yields all values that were not read yet. An error is the last pair.
func (r *Reader[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var v T
			err := r.Next(&v)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// GenericReader reads the values of a file as Avro bytes. serde.Generic
// converts the bytes to maps or JSON. A GenericReader is not safe for
// concurrent use.
type GenericReader struct {
	values *values
	plan   *plan.Plan
	schema string
}

// NewGenericReader reads the header of a file.
func NewGenericReader(src io.Reader, opts ...ReaderOption) (*GenericReader, error) {
	c, err := readerConfigOf(opts)
	if err != nil {
		return nil, err
	}
	v, err := openValues(src, c.limit)
	if err != nil {
		return nil, err
	}
	r := &GenericReader{values: v, schema: v.text}
	reader := v.schema
	if c.schema != "" {
		if reader, err = avsc.Parse("reader schema", []byte(c.schema)); err != nil {
			return nil, fmt.Errorf("ocf: %w", err)
		}
		r.schema = reader.Text()
	}
	p, err := resolve.Resolve(v.schema, reader)
	if err != nil {
		return nil, fmt.Errorf("ocf: the reader schema cannot read the file's schema: %w", err)
	}
	r.plan = (*plan.Plan)(p)
	return r, nil
}

// Schema returns the schema of the values. The schema is the reader schema if
// there is one, and otherwise the file's schema.
func (r *GenericReader) Schema() string { return r.schema }

// FileSchema returns the schema text of the file.
func (r *GenericReader) FileSchema() string { return r.values.text }

// Codec returns the compression of the file.
func (r *GenericReader) Codec() Codec { return r.values.codec }

// Metadata returns an entry of the file's metadata, or nil if there is none.
func (r *GenericReader) Metadata(key string) []byte { return r.values.metadata[key] }

// Append appends the Avro bytes of the next value to dst. Each array and each
// map is written as a single block. After the last value the error is io.EOF.
// Another error is an [*Error], and every later call returns the same error.
func (r *GenericReader) Append(dst []byte) ([]byte, error) {
	if err := r.values.advance(); err != nil {
		return dst, err
	}
	out, rest, err := r.plan.AppendFirst(dst, r.values.data)
	if err != nil {
		return dst, r.values.fail(err)
	}
	if err := r.values.advanceTo(rest); err != nil {
		return dst, err
	}
	return out, nil
}

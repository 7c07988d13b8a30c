package ocf

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// ErrClosed says that a writer was used after Close.
var ErrClosed = errors.New("ocf: writer is closed")

// file writes the blocks of a file. The header is written with the first block,
// or at Close.
type file struct {
	header
	dst        io.Writer
	compressor *compressor
	block      int
	begun      bool
	count      int64
	data       []byte
	err        error // the first error of dst; every later call returns the same error
}

func createFile(dst io.Writer, schema string, opts []WriterOption) (*file, error) {
	c, err := writerConfigOf(opts)
	if err != nil {
		return nil, err
	}
	s, err := avsc.Parse("schema", []byte(schema))
	if err != nil {
		return nil, fmt.Errorf("ocf: %w", err)
	}
	f := &file{dst: dst, block: c.block, header: header{schema: s, text: s.Text(), codec: c.codec, metadata: c.metadata}}
	if f.compressor, err = newCompressor(c.codec); err != nil {
		return nil, fmt.Errorf("ocf: WithCodec: %w", err)
	}
	if c.sync != nil {
		f.sync = *c.sync
	} else if _, err := rand.Read(f.sync[:]); err != nil {
		return nil, fmt.Errorf("ocf: sync marker: %w", err)
	}
	return f, nil
}

// countValue counts a value that was appended to data, and writes a full block.
// A value that does not fit the block begins the next block.
func (f *file) countValue(data []byte) error {
	if old := len(f.data); f.count > 0 && len(data) > f.block {
		f.data = data[:old]
		if err := f.flush(); err != nil {
			return err
		}
		data = append(f.data, data[old:]...) // f.data is empty and has the memory of data
	}
	f.data = data
	f.count++
	// The count limits values without bytes, because readers limit them too.
	if len(f.data) >= f.block || f.count >= avrobin.MaxEmpty/2 {
		return f.flush()
	}
	return nil
}

// flush writes the collected values as one block.
func (f *file) flush() error {
	if f.err != nil {
		return f.err
	}
	var out []byte
	if !f.begun {
		out = f.appendHeader(nil)
		f.begun = true
	}
	if f.count > 0 {
		block, err := f.compressor.compress(f.data)
		if err != nil {
			f.err = fmt.Errorf("ocf: codec %s: %w", f.codec, err)
			return f.err
		}
		out = binary.AppendVarint(out, f.count)
		out = binary.AppendVarint(out, int64(len(block)))
		out = append(out, block...)
		out = append(out, f.sync[:]...)
		f.count, f.data = 0, f.data[:0]
	}
	if len(out) > 0 {
		if _, err := f.dst.Write(out); err != nil {
			f.err = fmt.Errorf("ocf: write: %w", err)
		}
	}
	return f.err
}

func (f *file) close() error {
	if errors.Is(f.err, ErrClosed) {
		return nil
	}
	err := f.flush()
	f.err = ErrClosed
	return err
}

// Writer writes values of the generated type T into a file. A Writer is not
// safe for concurrent use.
type Writer[T any] struct {
	file   *file
	record func(*T) avrobin.Record
}

// NewWriter returns a Writer, and writes nothing yet. Go infers the second type
// argument: NewWriter[clicks.ClickEvent](file). Call Close at the end.
func NewWriter[T any, PT avrobin.Ptr[T]](dst io.Writer, opts ...WriterOption) (*Writer[T], error) {
	f, err := createFile(dst, PT(new(T)).AvroSchema(), opts)
	if err != nil {
		return nil, err
	}
	return &Writer[T]{f, func(t *T) avrobin.Record { return PT(t) }}, nil
}

// Append adds a value. If the value cannot be encoded, Append returns an error,
// and the file continues without the value. After an error of the destination,
// every later call returns the same error.
func (w *Writer[T]) Append(v *T) error {
	if w.file.err != nil {
		return w.file.err
	}
	data, err := w.record(v).AppendAvro(w.file.data)
	if err != nil {
		return fmt.Errorf("ocf: encode: %w", err)
	}
	return w.file.countValue(data)
}

// Flush writes the collected values as a separate block.
func (w *Writer[T]) Flush() error { return w.file.flush() }

// Close writes the last block, but does not close the destination. A file
// without values has only a header. Later calls return nil.
func (w *Writer[T]) Close() error { return w.file.close() }

// GenericWriter writes Avro bytes of a schema that is known at run time.
// serde.Generic makes such bytes. A GenericWriter is not safe for concurrent
// use.
type GenericWriter struct {
	file  *file
	check *plan.Plan
}

// NewGenericWriter returns a writer for values of a self-contained schema, and
// writes nothing yet. Call Close at the end.
func NewGenericWriter(dst io.Writer, schema string, opts ...WriterOption) (*GenericWriter, error) {
	f, err := createFile(dst, schema, opts)
	if err != nil {
		return nil, err
	}
	p, err := resolve.Resolve(f.schema, f.schema)
	if err != nil {
		return nil, fmt.Errorf("ocf: %w", err)
	}
	return &GenericWriter{f, (*plan.Plan)(p)}, nil
}

// Append adds a value in Avro bytes. If the bytes are not exactly one value of
// the schema, Append returns an error, and the file continues without them.
func (w *GenericWriter) Append(data []byte) error {
	if w.file.err != nil {
		return w.file.err
	}
	out, err := w.check.Append(w.file.data, data)
	if err != nil {
		return fmt.Errorf("ocf: the bytes do not fit the schema: %w", err)
	}
	return w.file.countValue(out)
}

// Flush writes the collected values as a separate block.
func (w *GenericWriter) Flush() error { return w.file.flush() }

// Close writes the last block, but does not close the destination.
func (w *GenericWriter) Close() error { return w.file.close() }

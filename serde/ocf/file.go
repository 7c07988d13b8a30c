package ocf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

// Magic is the beginning of every container file. The last byte is the version
// of the format.
const Magic = "Obj\x01"

const (
	syncSize = 16
	// maxHeader limits the metadata of a file, including the schema, in bytes.
	maxHeader = 16 << 20
)

// Errors of files. An [*Error] with the position wraps these errors.
var (
	// ErrNotContainer says that the data does not begin like a container file.
	ErrNotContainer = errors.New("ocf: not an object container file")
	// ErrCorrupt says that the file contradicts itself. For example, a block
	// has no sync marker, a count does not fit the block, or the data of a
	// block does not fit the schema.
	ErrCorrupt = errors.New("ocf: corrupt file")
)

// Error is a failure to read a file, with the position of the failure.
type Error struct {
	// Block is the number of the block, from 1. Block is 0 for the header.
	Block int
	// Value is the number of the value in the file, from 1. Value is 0 if the
	// error does not concern a single value.
	Value int64
	Err   error
}

func (e *Error) Error() string {
	switch {
	case e.Block == 0:
		return fmt.Sprintf("ocf: header: %v", e.Err)
	case e.Value > 0:
		return fmt.Sprintf("ocf: block %d, value %d: %v", e.Block, e.Value, e.Err)
	}
	return fmt.Sprintf("ocf: block %d: %v", e.Block, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// header is the content of the first part of a file.
type header struct {
	schema   *avsc.Schema
	text     string
	codec    Codec
	metadata map[string][]byte
	sync     [syncSize]byte
}

// blocks reads the header and the blocks of a file.
type blocks struct {
	header
	src    *bufio.Reader
	limit  int64
	number int // of the last block that was read, from 1
}

func openBlocks(src io.Reader, limit int64) (*blocks, error) {
	b := &blocks{src: bufio.NewReaderSize(src, 64<<10), limit: limit}
	if err := b.readHeader(); err != nil {
		return nil, &Error{Err: err}
	}
	return b, nil
}

func (b *blocks) readHeader() error {
	start := make([]byte, len(Magic))
	if n, err := io.ReadFull(b.src, start); err != nil || string(start) != Magic {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return fmt.Errorf("%w: it begins with %q, a container file with %q", ErrNotContainer, start[:n], Magic)
	}
	if err := b.readMetadata(); err != nil {
		return noEOF(err)
	}
	if _, err := io.ReadFull(b.src, b.sync[:]); err != nil {
		return noEOF(err)
	}
	text, ok := b.metadata["avro.schema"]
	if !ok {
		return fmt.Errorf("%w: the metadata has no avro.schema", ErrCorrupt)
	}
	var err error
	if b.schema, err = avsc.ParseStored("avro.schema", text); err != nil {
		return err
	}
	b.text = string(text)
	b.codec = Null
	if c, ok := b.metadata["avro.codec"]; ok {
		b.codec = Codec(c)
	}
	switch b.codec {
	case Null, Deflate, Snappy, Bzip2, XZ, Zstandard:
		return nil
	}
	return b.codec.unknownError()
}

// readMetadata reads the metadata, a map with bytes as values.
func (b *blocks) readMetadata() error {
	b.metadata = map[string][]byte{}
	left := int64(maxHeader)
	field := func() ([]byte, error) {
		n, err := b.long()
		if err != nil {
			return nil, err
		}
		if n < 0 || n > left {
			return nil, fmt.Errorf("%w: a field of %d bytes in the metadata", ErrCorrupt, n)
		}
		left -= n + 1 // an empty field also counts
		return b.bytes(n)
	}
	for {
		count, err := b.long()
		if err != nil || count == 0 {
			return err
		}
		if count < 0 { // the size of the block in bytes follows a negative count
			if _, err := b.long(); err != nil {
				return err
			}
			count = -count
		}
		for ; count > 0; count-- {
			key, err := field()
			if err != nil {
				return err
			}
			value, err := field()
			if err != nil {
				return err
			}
			if !utf8.Valid(key) {
				return fmt.Errorf("%w: a key of the metadata is not UTF-8", ErrCorrupt)
			}
			b.metadata[string(key)] = value
		}
	}
}

// next returns the number of values in the next block, and the data of the
// block. At the end of the file the error is io.EOF.
func (b *blocks) next() (count int64, data []byte, err error) {
	if _, err := b.src.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, nil, io.EOF
		}
		return 0, nil, &Error{Block: b.number + 1, Err: err}
	}
	b.number++
	if count, data, err = b.block(); err != nil {
		return 0, nil, &Error{Block: b.number, Err: noEOF(err)}
	}
	return count, data, nil
}

func (b *blocks) block() (count int64, data []byte, err error) {
	if start, err := b.src.Peek(len(Magic)); err == nil && string(start) == Magic {
		return 0, nil, fmt.Errorf("%w: another container file begins here: read the files one by one", ErrCorrupt)
	}
	if count, err = b.long(); err != nil {
		return 0, nil, err
	}
	size, err := b.long()
	if err != nil {
		return 0, nil, err
	}
	if count < 0 || size < 0 {
		return 0, nil, fmt.Errorf("%w: %d values in %d bytes", ErrCorrupt, count, size)
	}
	if size > b.limit {
		return 0, nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", errTooLarge, size, b.limit)
	}
	if data, err = b.bytes(size); err != nil {
		return 0, nil, err
	}
	var sync [syncSize]byte
	if _, err := io.ReadFull(b.src, sync[:]); err != nil {
		return 0, nil, err
	}
	if sync != b.sync {
		return 0, nil, fmt.Errorf("%w: the block does not end with the sync marker", ErrCorrupt)
	}
	if data, err = b.codec.decompress(data, b.limit); err != nil {
		return 0, nil, fmt.Errorf("codec %s: %w", b.codec, err)
	}
	return count, data, nil
}

// bytes reads n bytes. Memory grows only with the bytes that arrive.
func (b *blocks) bytes(n int64) ([]byte, error) {
	if n <= 64<<10 {
		out := make([]byte, n)
		_, err := io.ReadFull(b.src, out)
		return out, err
	}
	var out bytes.Buffer
	got, err := out.ReadFrom(io.LimitReader(b.src, n))
	if err == nil && got < n {
		err = io.ErrUnexpectedEOF
	}
	return out.Bytes(), err
}

// long reads an Avro long.
func (b *blocks) long() (int64, error) {
	n, err := binary.ReadVarint(b.src)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return n, err
}

// noEOF replaces io.EOF in the middle of a file by io.ErrUnexpectedEOF, because
// io.EOF means a complete file.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendHeader appends the header of a new file.
func (h *header) appendHeader(dst []byte) []byte {
	dst = append(dst, Magic...)
	entries := maps.Clone(h.metadata)
	entries["avro.schema"] = []byte(h.text)
	entries["avro.codec"] = []byte(h.codec)
	dst = binary.AppendVarint(dst, int64(len(entries)))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		dst = binary.AppendVarint(dst, int64(len(key)))
		dst = append(dst, key...)
		dst = binary.AppendVarint(dst, int64(len(entries[key])))
		dst = append(dst, entries[key]...)
	}
	dst = binary.AppendVarint(dst, 0)
	return append(dst, h.sync[:]...)
}

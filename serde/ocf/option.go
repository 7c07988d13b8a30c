package ocf

import (
	"fmt"
	"strings"
)

// DefaultMaxBlock is the default limit on the size of a block, in bytes.
const DefaultMaxBlock = 64 << 20

// ReaderOption changes a [Reader] or a [GenericReader]. The zero ReaderOption
// does nothing.
type ReaderOption struct{ apply func(*readerConfig) error }

type readerConfig struct {
	limit  int64
	schema string
}

// WithMaxBlock limits the size of a block in bytes, before and after
// decompression. Default [DefaultMaxBlock]. A reader needs memory for about
// twice this size, plus the values. The window of [XZ] and [Zstandard] takes
// more memory, up to the larger of the limit and [DefaultMaxBlock].
func WithMaxBlock(bytes int64) ReaderOption {
	return ReaderOption{func(c *readerConfig) error {
		if bytes < 1 {
			return fmt.Errorf("ocf: WithMaxBlock: %d: must be at least 1", bytes)
		}
		c.limit = bytes
		return nil
	}}
}

// WithReaderSchema makes a [GenericReader] return values of this schema instead
// of the file's schema, by the rules of schema resolution. A [Reader] refuses
// the option, because the generated type is the reader schema.
func WithReaderSchema(schema string) ReaderOption {
	return ReaderOption{func(c *readerConfig) error {
		if schema == "" {
			return fmt.Errorf("ocf: WithReaderSchema: the schema is empty")
		}
		c.schema = schema
		return nil
	}}
}

func readerConfigOf(opts []ReaderOption) (*readerConfig, error) {
	c := &readerConfig{limit: DefaultMaxBlock}
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// WriterOption changes a [Writer] or a [GenericWriter]. The zero WriterOption
// does nothing.
type WriterOption struct{ apply func(*writerConfig) error }

type writerConfig struct {
	codec    Codec
	block    int
	metadata map[string][]byte
	sync     *[syncSize]byte
}

// WithCodec sets the compression of the blocks. Default [Null]. [Bzip2]
// and [XZ] are refused, because this package can only read them.
func WithCodec(c Codec) WriterOption {
	return WriterOption{func(w *writerConfig) error { w.codec = c; return nil }}
}

// WithBlockSize sets the largest size of a block, in bytes before compression.
// Only a single larger value makes a larger block. Default 64 KiB. A larger
// block compresses better, but every reader needs more memory.
func WithBlockSize(bytes int) WriterOption {
	return WriterOption{func(w *writerConfig) error {
		if bytes < 1 || bytes > DefaultMaxBlock {
			return fmt.Errorf("ocf: WithBlockSize: %d: must be from 1 to %d", bytes, DefaultMaxBlock)
		}
		w.block = bytes
		return nil
	}}
}

// WithMetadata adds an entry to the metadata of the file. Keys that begin with
// "avro." are refused, because the specification reserves them.
func WithMetadata(key string, value []byte) WriterOption {
	return WriterOption{func(w *writerConfig) error {
		if strings.HasPrefix(key, "avro.") {
			return fmt.Errorf("ocf: WithMetadata: %q: keys that begin with avro. are reserved", key)
		}
		w.metadata[key] = value
		return nil
	}}
}

// WithSync sets the sync marker. The default is random. With a fixed marker,
// equal values give equal files, for example in tests.
func WithSync(marker [16]byte) WriterOption {
	return WriterOption{func(w *writerConfig) error { w.sync = &marker; return nil }}
}

func writerConfigOf(opts []WriterOption) (*writerConfig, error) {
	c := &writerConfig{codec: Null, block: 64 << 10, metadata: map[string][]byte{}}
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

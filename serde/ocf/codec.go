package ocf

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// Codec is the compression of the blocks of a file. The value is the name in
// the specification.
type Codec string

// The codecs of the specification (Avro 1.12, "Required Codecs" and "Optional
// Codecs"). This package reads all of them, and writes all except Bzip2 and XZ.
const (
	Null      Codec = "null"
	Deflate   Codec = "deflate"
	Snappy    Codec = "snappy"
	Bzip2     Codec = "bzip2"
	XZ        Codec = "xz"
	Zstandard Codec = "zstandard"
)

var errTooLarge = errors.New("the block is larger than the limit (WithMaxBlock)")

// decompress returns the data of a block, at most limit bytes.
func (c Codec) decompress(block []byte, limit int64) ([]byte, error) {
	// The writer chooses the window of XZ and Zstandard, and the window may be
	// much larger than the block. A small limit must not refuse such a block.
	window := max(limit, DefaultMaxBlock)
	switch c {
	case Null:
		return block, nil
	case Snappy:
		return decompressSnappy(block, limit)
	case Deflate:
		return readLimited(flate.NewReader(bytes.NewReader(block)), limit)
	case Bzip2:
		return readLimited(bzip2.NewReader(bytes.NewReader(block)), limit)
	case XZ:
		r, err := xz.NewReader(bytes.NewReader(block), uint32(min(window, math.MaxUint32)))
		if err != nil {
			return nil, err
		}
		return readLimited(r, limit)
	case Zstandard:
		r, err := zstd.NewReader(bytes.NewReader(block), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(uint64(window)), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return readLimited(r, limit)
	}
	return nil, c.unknownError()
}

func (c Codec) unknownError() error {
	return fmt.Errorf("unknown codec %.40q: the specification has null, deflate, snappy, bzip2, xz and zstandard", string(c))
}

// readLimited reads r to its end. Memory grows only with the data that arrives,
// so a small block cannot claim much memory.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLarge
	}
	return out.Bytes(), nil
}

// decompressSnappy reads a snappy block, which ends with the CRC-32 of its
// data.
func decompressSnappy(block []byte, limit int64) ([]byte, error) {
	if len(block) < crc32.Size {
		return nil, io.ErrUnexpectedEOF
	}
	body, sum := block[:len(block)-crc32.Size], block[len(block)-crc32.Size:]
	size, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, err
	}
	// Snappy cannot compress data to less than a twenty-first of its size. A
	// block that claims more is corrupt, and must not get the memory.
	if int64(size) > limit {
		return nil, errTooLarge
	}
	if int64(size) > 32*int64(len(body))+64 {
		return nil, snappy.ErrCorrupt
	}
	data, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(sum) {
		return nil, errors.New("the checksum of the snappy block is wrong")
	}
	return data, nil
}

// compressor compresses the blocks of one file.
type compressor struct {
	codec Codec
	out   bytes.Buffer
	flate *flate.Writer
	zstd  *zstd.Encoder
}

func newCompressor(c Codec) (*compressor, error) {
	k := &compressor{codec: c}
	var err error
	switch c {
	case Null, Snappy:
	case Deflate:
		k.flate, err = flate.NewWriter(&k.out, flate.DefaultCompression)
	case Zstandard:
		k.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	case Bzip2, XZ:
		err = fmt.Errorf("%s can be read but not written: use zstandard or deflate", c)
	default:
		err = c.unknownError()
	}
	return k, err
}

// compress returns the compressed block. The result is valid until the next
// call.
func (k *compressor) compress(data []byte) ([]byte, error) {
	k.out.Reset()
	switch k.codec {
	case Snappy:
		body := snappy.Encode(nil, data)
		return binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(data)), nil
	case Deflate:
		k.flate.Reset(&k.out)
		if _, err := k.flate.Write(data); err != nil {
			return nil, err
		}
		if err := k.flate.Close(); err != nil {
			return nil, err
		}
		return k.out.Bytes(), nil
	case Zstandard:
		return k.zstd.EncodeAll(data, nil), nil
	default:
		return data, nil
	}
}

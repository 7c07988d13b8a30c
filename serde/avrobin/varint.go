package avrobin

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Integers are zig-zag varints (Avro 1.12, "Binary Encoding", primitive types).
// Most integers have a single byte, and are written and read in line. Longer
// integers are handled eight bytes at a time (SWAR), without a branch for each
// byte.

const continuation = 0x8080808080808080

// spread moves each group of 7 bits of a 56-bit value into a separate byte.
func spread(u uint64) uint64 {
	u = u&0x000000000fffffff | u&0x00fffffff0000000<<4
	u = u&0x00003fff00003fff | u&0x0fffc0000fffc000<<2
	return u&0x007f007f007f007f | u&0x3f803f803f803f80<<1
}

// gather is the inverse of spread.
func gather(x uint64) uint64 {
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	return x&0x000000000fffffff | x&0x0fffffff00000000>>4
}

// AppendLong appends a long.
func AppendLong(dst []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	if u < 1<<7 {
		return append(dst, byte(u))
	}
	if u < 1<<14 {
		return append(dst, byte(u)|0x80, byte(u>>7))
	}
	n := len(dst)
	if u >= 1<<56 || cap(dst)-n < 8 {
		return appendSlow(dst, u)
	}
	// Find the size with branches and not by counting bits. The processor
	// predicts the branches, so the next append does not wait for the size.
	word := spread(u)
	out := dst[n : n+8]
	switch {
	case u < 1<<21:
		binary.LittleEndian.PutUint64(out, word|0x8080)
		return dst[:n+3]
	case u < 1<<28:
		binary.LittleEndian.PutUint64(out, word|0x808080)
		return dst[:n+4]
	case u < 1<<35:
		binary.LittleEndian.PutUint64(out, word|0x80808080)
		return dst[:n+5]
	case u < 1<<42:
		binary.LittleEndian.PutUint64(out, word|0x8080808080)
		return dst[:n+6]
	case u < 1<<49:
		binary.LittleEndian.PutUint64(out, word|0x808080808080)
		return dst[:n+7]
	default:
		binary.LittleEndian.PutUint64(out, word|0x80808080808080)
		return dst[:n+8]
	}
}

func appendSlow(dst []byte, u uint64) []byte {
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// ReadLong reads a long. A number of more than 64 bits is an error.
func ReadLong(src []byte) (v int64, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		return int64(src[0]>>1) ^ -int64(src[0]&1), src[1:], nil
	}
	if len(src) >= 8 {
		word := binary.LittleEndian.Uint64(src)
		if end := ^word & continuation; end != 0 {
			size := bits.TrailingZeros64(end)>>3 + 1
			u := gather(word & 0x7f7f7f7f7f7f7f7f & (1<<(uint(size)*8) - 1))
			return int64(u>>1) ^ -int64(u&1), src[size:], nil
		}
	}
	var u uint64
	for i, c := range src {
		if i == 9 && c > 1 {
			return 0, src, fmt.Errorf("%w: a number of more than 64 bits", ErrInvalid)
		}
		u |= uint64(c&0x7f) << (7 * uint(i))
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), src[i+1:], nil
		}
	}
	return 0, src, ErrTruncated
}

// AppendInt appends an int.
func AppendInt(dst []byte, v int32) []byte { return AppendLong(dst, int64(v)) }

// ReadInt reads an int. A number of more than 32 bits is an error. An encoding
// of more than five bytes is an error too.
func ReadInt(src []byte) (v int32, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		return int32(src[0]>>1) ^ -int32(src[0]&1), src[1:], nil
	}
	long, rest, err := ReadLong(src)
	if err != nil {
		return 0, src, err
	}
	v = int32(long)
	if int64(v) != long || len(src)-len(rest) > 5 {
		return 0, src, fmt.Errorf("%w: an int of more than 32 bits", ErrInvalid)
	}
	return v, rest, nil
}

package plan

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// The interpreter reads varints by position. The result next is the position
// after the varint. The result is -1 if src[i:] does not begin with a varint of
// at most 64 bits.

func longAt(src []byte, i int) (v int64, next int) {
	if uint(i) < uint(len(src)) {
		if c := src[i]; c < 0x80 {
			return int64(c>>1) ^ -int64(c&1), i + 1
		}
	}
	return longAtSlow(src, i)
}

//go:noinline
func longAtSlow(src []byte, i int) (int64, int) {
	var u uint64
	for shift := uint(0); uint(i) < uint(len(src)); shift += 7 {
		c := src[i]
		i++
		if shift == 63 && c > 1 {
			break
		}
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i
		}
	}
	return 0, -1
}

// skipLong is longAt for callers that do not need the number.
func skipLong(src []byte, i int) int {
	if uint(i)+8 <= uint(len(src)) {
		const more = 0x8080808080808080
		if last := ^binary.LittleEndian.Uint64(src[i:]) & more; last != 0 {
			return i + bits.TrailingZeros64(last)>>3 + 1
		}
	}
	_, next := longAtSlow(src, i)
	return next
}

// longError says why there is no varint at src[i:]. The result is nil if there
// is a varint.
func longError(src []byte, i int) error {
	if _, next := longAtSlow(src, i); next >= 0 {
		return nil
	}
	if len(src)-i < binary.MaxVarintLen64 {
		return ErrTruncated
	}
	return fmt.Errorf("%w: a number of more than 64 bits", ErrInvalid)
}

// readLong reads a long from the front of src.
func readLong(src []byte) (v int64, rest []byte, err error) {
	v, next := longAt(src, 0)
	if next < 0 {
		return 0, src, longError(src, 0)
	}
	return v, src[next:], nil
}

// appendLong appends a long.
func appendLong(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

func appendFloat(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

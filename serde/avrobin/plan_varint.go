package avrobin

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The interpreter reads varints by position: next is the position behind, -1
// where src[i:] does not begin with one of at most 64 bits.

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

// behindLong is longAt for who does not need the number.
func behindLong(src []byte, i int) int {
	if uint(i)+8 <= uint(len(src)) {
		const more = 0x8080808080808080
		if last := ^binary.LittleEndian.Uint64(src[i:]) & more; last != 0 {
			return i + bits.TrailingZeros64(last)>>3 + 1
		}
	}
	_, next := longAtSlow(src, i)
	return next
}

// longError says why there is no varint at src[i:], nil where there is one.
func longError(src []byte, i int) error {
	if _, next := longAtSlow(src, i); next >= 0 {
		return nil
	}
	if len(src)-i < binary.MaxVarintLen64 {
		return ErrTruncated
	}
	return fmt.Errorf("%w: a number of more than 64 bits", ErrInvalid)
}

package avrobin

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// These functions handle all longs of an array block together. A separate loop
// keeps its position in a register, and has no branch for the size of a number.
// A processor could not predict such a branch for numbers of mixed sizes.

// AppendLongs appends longs in order.
func AppendLongs(dst []byte, v []int64) []byte {
	for _, x := range v {
		n := len(dst)
		u := uint64(x<<1) ^ uint64(x>>63)
		if u >= 1<<63 || cap(dst)-n < 9 {
			dst = appendSlow(dst, u)
			continue
		}
		out := dst[n : n+9]
		if u >= 1<<56 {
			binary.LittleEndian.PutUint64(out, spread(u)|continuation)
			out[8] = byte(u >> 56)
			dst = dst[:n+9]
			continue
		}
		size := (9*bits.Len64(u|1) + 64) / 64 // a byte for each 7 bits
		binary.LittleEndian.PutUint64(out, spread(u)|continuation&(1<<(8*uint(size-1))-1))
		dst = dst[:n+size]
	}
	return dst
}

// ReadLongs fills dst with consecutive longs. On an error, n is the index of
// the long that could not be read.
func ReadLongs(dst []int64, src []byte) (n int, rest []byte, err error) {
	at := 0
	for i := range dst {
		if at <= len(src)-10 {
			p := (*[10]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(src)), at))
			word := binary.LittleEndian.Uint64(p[:])
			if end := ^word & continuation; end != 0 {
				at += (bits.TrailingZeros64(end) + 1) >> 3
				u := gather(word & 0x7f7f7f7f7f7f7f7f & (end ^ (end - 1)))
				dst[i] = int64(u>>1) ^ -int64(u&1)
				continue
			}
			if p[8] < 0x80 {
				at += 9
				u := gather(word&0x7f7f7f7f7f7f7f7f) | uint64(p[8])<<56
				dst[i] = int64(u>>1) ^ -int64(u&1)
				continue
			}
		}
		v, rest, err := ReadLong(src[at:])
		if err != nil {
			return i, rest, err
		}
		at = len(src) - len(rest)
		dst[i] = v
	}
	return len(dst), src[at:], nil
}

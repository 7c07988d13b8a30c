package avrobin

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
	"unsafe"
)

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	var b byte
	if v {
		b = 1
	}
	return append(dst, b)
}

// AppendFloat appends a float, bit for bit.
func AppendFloat(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

// AppendDouble appends a double, bit for bit.
func AppendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// AppendBytes appends bytes; nil is the empty value.
func AppendBytes(dst, v []byte) []byte {
	return append(AppendLong(dst, int64(len(v))), v...)
}

// AppendString appends a string. A string that is not valid UTF-8 is an
// [ErrText], because readers in other languages refuse such a message or
// silently change it.
func AppendString(dst []byte, v string) ([]byte, error) {
	n, size := len(dst), len(v)
	if size == 0 || size >= 64 || cap(dst)-n <= size { // without text, out may point past the end
		return appendString(dst, v)
	}
	// Check and copy together, in words of eight bytes. The last word overlaps
	// the word before. For the strings of events this takes less time than a
	// copy alone.
	in, out := unsafe.Pointer(unsafe.StringData(v)), unsafe.Add(unsafe.Pointer(unsafe.SliceData(dst)), n)
	*(*byte)(out) = byte(size << 1)
	out = unsafe.Add(out, 1)
	var high uint64
	switch {
	case size >= 16:
		for i := 0; i < size-16; i += 16 {
			high |= copy8(out, in, i) | copy8(out, in, i+8)
		}
		high |= copy8(out, in, size-16) | copy8(out, in, size-8)
	case size >= 8:
		high = copy8(out, in, 0) | copy8(out, in, size-8)
	case size >= 4:
		a, z := *(*uint32)(in), *(*uint32)(unsafe.Add(in, size-4))
		*(*uint32)(out), *(*uint32)(unsafe.Add(out, size-4)) = a, z
		high = uint64(a | z)
	default:
		for i := range size {
			c := v[i]
			high |= uint64(c)
			*(*byte)(unsafe.Add(out, i)) = c
		}
	}
	if high&continuation != 0 && !utf8.ValidString(v) {
		return dst, textError(v)
	}
	return dst[:n+1+size], nil
}

// copy8 copies the eight bytes at i and returns them.
func copy8(dst, src unsafe.Pointer, i int) uint64 {
	word := *(*uint64)(unsafe.Add(src, i))
	*(*uint64)(unsafe.Add(dst, i)) = word
	return word
}

// appendString is AppendString for a long string or a small dst.
func appendString(dst []byte, v string) ([]byte, error) {
	if !isASCII(v) && !utf8.ValidString(v) {
		return dst, textError(v)
	}
	return AppendRawString(dst, v), nil
}

// isASCII reports whether a string of 32 bytes or more is ASCII. isASCII is
// several times as fast as utf8.ValidString.
func isASCII(v string) bool {
	p, n := unsafe.Pointer(unsafe.StringData(v)), len(v)
	if n < 32 {
		return false // too short for a gain
	}
	var high uint64
	for i := 0; i < n-32; i += 32 {
		high |= word(p, i) | word(p, i+8) | word(p, i+16) | word(p, i+24)
	}
	high |= word(p, n-32) | word(p, n-24) | word(p, n-16) | word(p, n-8)
	return high&continuation == 0
}

func word(p unsafe.Pointer, i int) uint64 { return *(*uint64)(unsafe.Add(p, i)) }

// AppendRawString appends a string and does not check its text.
func AppendRawString(dst []byte, v string) []byte {
	return append(AppendLong(dst, int64(len(v))), v...)
}

func textError(v string) error { return fmt.Errorf("%w: %s", ErrText, quote(v)) }

// AppendEnum appends the index of an enum's symbol. symbols is the number of
// symbols.
func AppendEnum[E ~int32](dst []byte, v E, symbols int) ([]byte, error) {
	if uint(v) >= uint(symbols) {
		return dst, fmt.Errorf("%w: enum value %d has no symbol, there are %d", ErrRange, int32(v), symbols)
	}
	return AppendLong(dst, int64(v)), nil
}

// NoBranch returns the error for a union with the value u, if no branch has the
// type of u.
func NoBranch(u any) error {
	if u == nil {
		return fmt.Errorf("%w: it is nil, and null is none", ErrBranch)
	}
	return fmt.Errorf("%w: a %T is none", ErrBranch, u)
}

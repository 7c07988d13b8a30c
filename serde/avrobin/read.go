package avrobin

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Every function here reads a value from the front of src and returns the value
// and the bytes after it. On an error the function returns src itself as the
// rest, so the length of the rest gives the place of the error.

// ReadBool reads a boolean. A byte other than 0 and 1 is an error.
func ReadBool(src []byte) (bool, []byte, error) {
	if len(src) == 0 || src[0] > 1 {
		return false, src, noBool(src)
	}
	return src[0] == 1, src[1:], nil
}

func noBool(src []byte) error {
	if len(src) == 0 {
		return ErrTruncated
	}
	return fmt.Errorf("%w: %#x is no boolean", ErrInvalid, src[0])
}

// ReadFloat reads a float.
func ReadFloat(src []byte) (float32, []byte, error) {
	if len(src) < 4 {
		return 0, src, ErrTruncated
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(src)), src[4:], nil
}

// ReadDouble reads a double.
func ReadDouble(src []byte) (float64, []byte, error) {
	if len(src) < 8 {
		return 0, src, ErrTruncated
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(src)), src[8:], nil
}

// ReadBytes reads bytes. The result is a part of src and never nil. Appending
// to the result copies.
func ReadBytes(src []byte) (v, rest []byte, err error) {
	size, rest, err := readSize(src)
	if err != nil {
		return nil, src, err
	}
	return rest[:size:size], rest[size:], nil
}

// ReadString reads a string. The result is a part of src. ReadString does not
// check the text, because a writer's mistake in a string is no reason to lose a
// whole event.
func ReadString(src []byte) (v string, rest []byte, err error) {
	if len(src) > 0 && src[0]&0x81 == 0 { // a size of a single byte, not negative
		if size := int(src[0] >> 1); size < len(src) {
			return unsafe.String(unsafe.SliceData(src[1:]), size), src[1+size:], nil
		}
	}
	size, rest, err := readSize(src)
	if err != nil {
		return "", src, err
	}
	return unsafe.String(unsafe.SliceData(rest), size), rest[size:], nil
}

// readSize reads the size of bytes or of a string, and checks that src has so
// many bytes.
func readSize(src []byte) (int, []byte, error) {
	size, rest, err := ReadLong(src)
	switch {
	case err != nil:
		return 0, src, err
	case size < 0:
		return 0, src, fmt.Errorf("%w: a size of %d", ErrInvalid, size)
	case size > int64(len(rest)):
		return 0, src, ErrTruncated
	}
	return int(size), rest, nil
}

// ReadFixed fills dst.
func ReadFixed(dst, src []byte) (rest []byte, err error) {
	if len(src) < len(dst) {
		return src, ErrTruncated
	}
	copy(dst, src)
	return src[len(dst):], nil
}

// ReadEnum reads the index of an enum's symbol. symbols is the number of
// symbols.
func ReadEnum[E ~int32](src []byte, symbols int) (E, []byte, error) {
	v, rest, err := ReadInt(src)
	if err == nil && uint(v) >= uint(symbols) {
		return 0, src, fmt.Errorf("%w: enum index %d, there are %d symbols", ErrInvalid, v, symbols)
	}
	return E(v), rest, err
}

// ReadPresent reads the index of a union of null and another branch. null is
// the index of the null branch. ReadPresent reports whether the value has the
// other branch.
func ReadPresent(src []byte, null int) (bool, []byte, error) {
	if len(src) > 0 && (src[0] == 0 || src[0] == 2) {
		return int(src[0]>>1) != null, src[1:], nil
	}
	branch, rest, err := ReadBranch(src, 2)
	return err == nil && branch != null, rest, err
}

// ReadBranch reads the index of a union's branch. branches is the number of
// branches.
func ReadBranch(src []byte, branches int) (int, []byte, error) {
	v, rest, err := ReadLong(src)
	if err == nil && uint64(v) >= uint64(branches) {
		return 0, src, fmt.Errorf("%w: union index %d, there are %d branches", ErrInvalid, v, branches)
	}
	return int(v), rest, err
}

// ReadBlock reads the head of a block of an array or a map. It returns the
// number of elements before the next head, or 0 at the end. least is the
// minimum size of an element in bytes, at least 1. A block that claims more
// elements than the data can hold is an error. So the caller may allocate room
// for all elements at once.
func ReadBlock(src []byte, least int) (n int, rest []byte, err error) {
	count, rest, err := ReadLong(src)
	if err != nil {
		return 0, src, err
	}
	if count < 0 {
		var size int64 // some heads have a size for skipping
		if size, rest, err = ReadLong(rest); err != nil {
			return 0, src, err
		}
		count = -count
		if size < 0 || count < 0 {
			return 0, src, fmt.Errorf("%w: a block of %d elements in %d bytes", ErrInvalid, count, size)
		}
		if size > int64(len(rest)) {
			return 0, src, ErrTruncated
		}
	}
	if count > int64(len(rest)/least) {
		return 0, src, fmt.Errorf("%w: a block of %d elements, %d bytes are left", ErrTruncated, count, len(rest))
	}
	return int(count), rest, nil
}

// ReadEmpty reads a whole array whose elements have no bytes, and returns their
// number. More than [MaxEmpty] elements are an error.
func ReadEmpty(src []byte) (n int, rest []byte, err error) {
	for rest = src; ; {
		var count int64
		if count, rest, err = ReadLong(rest); err != nil {
			return 0, src, err
		}
		if count == 0 {
			return n, rest, nil
		}
		if count < 0 {
			count = -count
			if _, rest, err = ReadLong(rest); err != nil {
				return 0, src, err
			}
		}
		if count < 0 || count > int64(MaxEmpty-n) {
			return 0, src, fmt.Errorf("%w: more than %d elements without bytes", ErrInvalid, MaxEmpty)
		}
		n += int(count)
	}
}

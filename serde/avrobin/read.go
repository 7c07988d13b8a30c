package avrobin

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Every function here reads one value from the front of src and returns it with
// the bytes that follow. On an error the rest is src itself, so that its length
// tells where.

// ReadBool reads a boolean; any byte but 0 and 1 is an error.
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

// ReadBytes reads bytes. The result is a part of src, never nil; appending to
// it copies.
func ReadBytes(src []byte) (v, rest []byte, err error) {
	size, rest, err := readSize(src)
	if err != nil {
		return nil, src, err
	}
	return rest[:size:size], rest[size:], nil
}

// ReadString reads a string. The result is a part of src. Its text is taken as
// it is: a writer's mistake in one string is no reason to lose a whole event.
func ReadString(src []byte) (v string, rest []byte, err error) {
	if len(src) > 0 && src[0]&0x81 == 0 { // a size of one byte, not negative
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

// readSize reads the size of bytes or of a string, and sees that they are there.
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

// ReadEnum reads the index of an enum's symbol, of which there are symbols.
func ReadEnum[E ~int32](src []byte, symbols int) (E, []byte, error) {
	v, rest, err := ReadInt(src)
	if err == nil && uint(v) >= uint(symbols) {
		return 0, src, fmt.Errorf("%w: enum index %d, there are %d symbols", ErrInvalid, v, symbols)
	}
	return E(v), rest, err
}

// ReadPresent reads the index of a union of null and another branch, null being
// at index null, and reports whether it is the other.
func ReadPresent(src []byte, null int) (bool, []byte, error) {
	if len(src) > 0 && (src[0] == 0 || src[0] == 2) {
		return int(src[0]>>1) != null, src[1:], nil
	}
	branch, rest, err := ReadBranch(src, 2)
	return err == nil && branch != null, rest, err
}

// ReadBranch reads the index of a union's branch, of which there are branches.
func ReadBranch(src []byte, branches int) (int, []byte, error) {
	v, rest, err := ReadLong(src)
	if err == nil && uint64(v) >= uint64(branches) {
		return 0, src, fmt.Errorf("%w: union index %d, there are %d branches", ErrInvalid, v, branches)
	}
	return int(v), rest, err
}

// ReadBlock reads the head of a block of an array or a map: how many elements
// follow before the next head, 0 at the end. No element takes fewer than least
// bytes, least > 0; a block that claims more than the data holds is an error,
// so that room for n elements may be made at once.
func ReadBlock(src []byte, least int) (n int, rest []byte, err error) {
	count, rest, err := ReadLong(src)
	if err != nil {
		return 0, src, err
	}
	if count < 0 {
		var size int64 // the form that tells its size, so that a reader can skip it
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

// ReadEmpty reads a whole array whose elements take no bytes, and returns how
// many there are. More than [MaxEmpty] are an error.
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

package avrobin

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A UUID is a [16]byte here, so this package needs no UUID library. Go assigns
// a uuid.UUID of google/uuid to a [16]byte and back.

const uuidSize = 36 // 8-4-4-4-12 digits

// AppendUUID appends a UUID as a string in lower case (Avro 1.12, "UUID").
func AppendUUID(dst []byte, v [16]byte) []byte { return appendUUID(dst, &v) }

func appendUUID(dst []byte, v *[16]byte) []byte {
	n := len(dst)
	if cap(dst)-n < 1+uuidSize {
		dst = slices.Grow(dst, 1+uuidSize)
	}
	dst = dst[:n+1+uuidSize]
	out := (*[1 + uuidSize]byte)(dst[n:])
	out[0] = uuidSize << 1
	binary.LittleEndian.PutUint16(out[1:], hexPair(v[0]))
	binary.LittleEndian.PutUint16(out[3:], hexPair(v[1]))
	binary.LittleEndian.PutUint16(out[5:], hexPair(v[2]))
	binary.LittleEndian.PutUint16(out[7:], hexPair(v[3]))
	out[9] = '-'
	binary.LittleEndian.PutUint16(out[10:], hexPair(v[4]))
	binary.LittleEndian.PutUint16(out[12:], hexPair(v[5]))
	out[14] = '-'
	binary.LittleEndian.PutUint16(out[15:], hexPair(v[6]))
	binary.LittleEndian.PutUint16(out[17:], hexPair(v[7]))
	out[19] = '-'
	binary.LittleEndian.PutUint16(out[20:], hexPair(v[8]))
	binary.LittleEndian.PutUint16(out[22:], hexPair(v[9]))
	out[24] = '-'
	binary.LittleEndian.PutUint16(out[25:], hexPair(v[10]))
	binary.LittleEndian.PutUint16(out[27:], hexPair(v[11]))
	binary.LittleEndian.PutUint16(out[29:], hexPair(v[12]))
	binary.LittleEndian.PutUint16(out[31:], hexPair(v[13]))
	binary.LittleEndian.PutUint16(out[33:], hexPair(v[14]))
	binary.LittleEndian.PutUint16(out[35:], hexPair(v[15]))
	return dst
}

// hexPair returns the two digits of b.
func hexPair(b byte) uint16 {
	return uint16(hexPairs[2*int(b)]) | uint16(hexPairs[2*int(b)+1])<<8
}

const hexPairs = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

// ReadUUID reads a UUID from a string in lower or upper case. Any other text is
// an error.
func ReadUUID(src []byte) (v [16]byte, rest []byte, err error) {
	var text []byte
	if len(src) > uuidSize && src[0] == uuidSize<<1 {
		text, rest = src[1:1+uuidSize], src[1+uuidSize:]
	} else if text, rest, err = ReadBytes(src); err != nil {
		return v, src, err
	}
	if len(text) != uuidSize || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return v, src, uuidError(text)
	}
	hex0, bad0 := hexValue(binary.BigEndian.Uint64(text))
	hex1, bad1 := hexValue(uint64(binary.BigEndian.Uint32(text[9:]))<<32 | uint64(binary.BigEndian.Uint32(text[14:])))
	hex2, bad2 := hexValue(uint64(binary.BigEndian.Uint32(text[19:]))<<32 | uint64(binary.BigEndian.Uint32(text[24:])))
	hex3, bad3 := hexValue(binary.BigEndian.Uint64(text[28:]))
	if bad0|bad1|bad2|bad3 != 0 {
		return v, src, uuidError(text)
	}
	binary.BigEndian.PutUint32(v[0:], hex0)
	binary.BigEndian.PutUint32(v[4:], hex1)
	binary.BigEndian.PutUint32(v[8:], hex2)
	binary.BigEndian.PutUint32(v[12:], hex3)
	return v, rest, nil
}

func uuidError(text []byte) error {
	return fmt.Errorf("%w: %s is no UUID", ErrInvalid, quote(string(text)))
}

// hexValue reads eight digits, with the first digit in the highest byte. bad is
// not 0 if a byte is not a digit.
func hexValue(digits uint64) (value uint32, bad uint64) {
	const each = 0x0101010101010101 // times n: n in each byte
	letters := digits >> 6 & each   // 1 for each byte that may be a letter
	digits |= letters << 5          // in lower case
	x := digits&(0x0f*each) + 9*letters
	// Check that x gives back the digits, and that a byte is a letter exactly
	// if its x is from 10 to 15.
	bad = digits ^ (x + '0'*each + ('a'-'0'-10)*letters)
	bad |= (x+6*each)>>4&each ^ letters
	bad |= x & (0xf0 * each)
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16), bad
}

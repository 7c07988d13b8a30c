package franz

import "hash/crc32"

// The checksum of a batch (CRC-32C) covers a part of the header and the
// records. The header is known last, but the records are summed as they come,
// because a record that has left the processor's cache takes several times as
// long. join then puts the two sums together.

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // never written

// join returns the checksum of a followed by b. a and b are the checksums of
// the two parts, and size is the size of b in bytes.
//
// A checksum is the remainder of a polynomial over GF(2), and its bits are the
// coefficients. Bytes that follow multiply the polynomial by a power of x, so
// the checksum of a must be multiplied by x^(8·size). The inversions of the
// bits before and after a checksum cancel out.
func join(a, b uint32, size int) uint32 {
	for i := 3; size > 0; i++ { // a byte multiplies by x^(1<<3)
		if size&1 != 0 {
			a = multiply(a, powers[i])
		}
		size >>= 1
	}
	return a ^ b
}

// multiply returns the product of two polynomials modulo the polynomial of
// CRC-32C. The highest bit is the coefficient of x^0.
func multiply(a, b uint32) (product uint32) {
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.Castagnoli&-(b&1) // times x
	}
	return product
}

// powers has x^(1<<i) at i.
var powers = func() (p [64]uint32) { //nolint:gochecknoglobals // never written
	p[0] = 1 << 30
	for i := range p[1:] {
		p[i+1] = multiply(p[i], p[i])
	}
	return p
}()

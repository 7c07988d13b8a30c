// Package unscaled reads and writes the unscaled value of a decimal. Avro
// stores the value in two's complement. The most significant byte comes first.
package unscaled

import "math/big"

// Read reads a value. Empty text is 0.
func Read(text []byte) *big.Int {
	v := new(big.Int).SetBytes(text)
	if len(text) > 0 && text[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(text))*8))
	}
	return v
}

// Size returns the smallest number of bytes that can hold v.
func Size(v *big.Int) int {
	if v.Sign() < 0 {
		return new(big.Int).Not(v).BitLen()/8 + 1
	}
	return v.BitLen()/8 + 1
}

// Append appends v with size bytes. The caller makes sure that size is at least
// [Size].
func Append(dst []byte, v *big.Int, size int) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, size)...)
	if v.Sign() >= 0 {
		v.FillBytes(dst[n:])
		return dst
	}
	new(big.Int).Not(v).FillBytes(dst[n:])
	for i := range dst[n:] {
		dst[n+i] ^= 0xff
	}
	return dst
}

// Power10 returns 10 to the power of n.
func Power10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

package avrobin

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/avroline/avroline/internal/unscaled"
)

// Decimal is the interface of a decimal number, so this package needs no
// decimal library. The value is Coefficient x 10^Exponent. decimal.Decimal of
// shopspring/decimal implements Decimal.
type Decimal interface {
	Coefficient() *big.Int // a copy
	CoefficientInt64() int64
	Exponent() int32
	NumDigits() int // of the coefficient, 1 for zero
	String() string
}

// int64Digits is the number of decimal digits that always fit an int64.
const int64Digits = 18

// AppendDecimal appends a decimal of Avro type bytes (Avro 1.12, "Decimal").
// The bytes are the unscaled value in the shortest two's complement.
// AppendDecimal does not round. A value with more than scale digits after the
// point, or with more than precision digits, is an [ErrRange].
func AppendDecimal[D Decimal](dst []byte, d D, precision, scale int) ([]byte, error) {
	if digits := d.NumDigits(); int(d.Exponent()) == -scale && digits <= precision && digits <= int64Digits {
		v := d.CoefficientInt64()
		size := bits.Len64(uint64(v^v>>63))/8 + 1 // plus a sign bit
		var text [8]byte
		binary.BigEndian.PutUint64(text[:], uint64(v))
		return append(append(dst, byte(size<<1)), text[8-size:]...), nil
	}
	v, err := unscaledOf(d, precision, scale)
	if err != nil {
		return dst, err
	}
	size := unscaled.Size(v)
	return unscaled.Append(AppendLong(dst, int64(size)), v, size), nil
}

// AppendDecimalFixed is [AppendDecimal] for a fixed of size bytes. A value that
// does not fit size bytes is an error too.
func AppendDecimalFixed[D Decimal](dst []byte, d D, precision, scale, size int) ([]byte, error) {
	v, err := unscaledOf(d, precision, scale)
	if err != nil {
		return dst, err
	}
	if unscaled.Size(v) > size {
		return dst, fmt.Errorf("%w: decimal %s does not fit %d bytes", ErrRange, bounded(d.String()), size)
	}
	return unscaled.Append(dst, v, size), nil
}

// ReadDecimal reads a decimal of Avro type bytes. small and large make the
// value from coefficient and exponent, for example decimal.New and
// decimal.NewFromBigInt. Empty bytes mean zero. A value with more than
// precision digits is an [ErrRange].
func ReadDecimal[D any](src []byte, precision, scale int, small func(int64, int32) D, large func(*big.Int, int32) D) (d D, rest []byte, err error) {
	text, rest, err := ReadBytes(src)
	if err != nil {
		return d, src, err
	}
	if d, err = decimalOf(text, precision, scale, small, large); err != nil {
		return d, src, err
	}
	return d, rest, nil
}

// ReadDecimalFixed is [ReadDecimal] for a fixed of size bytes.
func ReadDecimalFixed[D any](src []byte, precision, scale, size int, small func(int64, int32) D, large func(*big.Int, int32) D) (d D, rest []byte, err error) {
	if len(src) < size {
		return d, src, ErrTruncated
	}
	if d, err = decimalOf(src[:size], precision, scale, small, large); err != nil {
		return d, src, err
	}
	return d, src[size:], nil
}

func decimalOf[D any](text []byte, precision, scale int, small func(int64, int32) D, large func(*big.Int, int32) D) (d D, err error) {
	if len(text) > 8 {
		if text = withoutSignBytes(text); len(text) > 8 {
			v := unscaled.Read(text)
			if !fitsDigits(v, precision) {
				return d, tooManyDigits(precision, scale)
			}
			return large(v, int32(-scale)), nil
		}
	}
	var v int64
	if len(text) > 0 {
		v = int64(int8(text[0]))
		for _, b := range text[1:] {
			v = v<<8 | int64(b)
		}
	}
	if precision <= int64Digits {
		if limit := powers10[precision]; v >= limit || v <= -limit {
			return d, tooManyDigits(precision, scale)
		}
	}
	return small(v, int32(-scale)), nil
}

func tooManyDigits(precision, scale int) error {
	return fmt.Errorf("%w: a decimal of more digits than precision %d, scale %d", ErrRange, precision, scale)
}

// powers10 holds the powers of 10 by exponent.
var powers10 = [int64Digits + 1]int64{ //nolint:gochecknoglobals // never changed
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// withoutSignBytes removes leading bytes that only repeat the sign.
func withoutSignBytes(text []byte) []byte {
	for len(text) > 1 && (text[0] == 0 && text[1] < 0x80 || text[0] == 0xff && text[1] >= 0x80) {
		text = text[1:]
	}
	return text
}

// fitsDigits reports whether v has at most precision decimal digits. It
// computes the power of 10 only if the number of bits does not decide.
func fitsDigits(v *big.Int, precision int) bool {
	const bitsPerDigit = 3.3219280948873626 // log2(10)
	limit := float64(precision) * bitsPerDigit
	switch size := float64(v.BitLen()); {
	case size < limit-1:
		return true
	case size > limit+1:
		return false
	}
	return v.CmpAbs(unscaled.Power10(precision)) < 0
}

// unscaledOf returns d x 10^scale.
func unscaledOf[D Decimal](d D, precision, scale int) (*big.Int, error) {
	v := d.Coefficient()
	if v.Sign() == 0 {
		return v, nil
	}
	shift := int64(d.Exponent()) + int64(scale) // an int may have 32 bits
	digits := int64(d.NumDigits()) + shift
	if digits > int64(precision) {
		return nil, fmt.Errorf("%w: decimal %s does not fit precision %d, scale %d",
			ErrRange, describe(d), precision, scale)
	}
	switch {
	case shift > 0:
		v.Mul(v, unscaled.Power10(int(shift)))
	case digits <= 0: // all digits are beyond the scale
		return nil, inexact(d, scale)
	case shift < 0:
		var rest big.Int
		if v.QuoRem(v, unscaled.Power10(int(-shift)), &rest); rest.Sign() != 0 {
			return nil, inexact(d, scale)
		}
	}
	return v, nil
}

func inexact[D Decimal](d D, scale int) error {
	return fmt.Errorf("%w: decimal %s has more digits after the point than scale %d", ErrRange, describe(d), scale)
}

// describe returns d for an error's text. A huge exponent is not expanded.
func describe[D Decimal](d D) string {
	if e := d.Exponent(); e > 64 || e < -256 || d.NumDigits() > 256 {
		return fmt.Sprintf("(digits: %d, exponent: %d)", d.NumDigits(), e)
	}
	return bounded(d.String())
}

func bounded(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

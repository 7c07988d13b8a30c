package plan

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"

	"github.com/avroline/avroline/internal/unscaled"
)

// Conversion turns a value of one logical type into the equal value of another
// logical type. From and To are the names of the logical types, for errors.
//
// A Conversion of decimals has a Precision greater than 0. The unscaled value
// is multiplied by 10 to the power of Shift. Size is the size of a fixed, or 0
// for bytes.
//
// Any other Conversion multiplies a whole number by Multiply and divides the
// number by Divide. One of the two factors is 1. Int says that the writer's
// number is an int.
type Conversion struct {
	From, To string

	Precision, Shift, Size int

	Multiply, Divide int64
	Int              bool
}

// convert converts the value at src[i:], appends the result to t.dst and
// returns the position after the value. A value that the reader's type cannot
// hold exactly is an error.
func (t *transcoder) convert(c *Conversion, i int) int {
	if c.Precision == 0 {
		return t.convertNumber(c, i)
	}
	at, size := i, c.Size
	if size == 0 {
		v, next := longAt(t.src, i)
		if next < 0 {
			return t.fail(at, "", longError(t.src, at))
		}
		if v < 0 {
			return t.fail(at, "", fmt.Errorf("%w: a length of %d", ErrInvalid, v))
		}
		if v > int64(len(t.src)-next) {
			return t.fail(at, "", ErrTruncated)
		}
		i, size = next, int(v)
	} else if size > len(t.src)-i {
		return t.fail(at, "", ErrTruncated)
	}
	v, err := c.rescale(t.src[i : i+size])
	if err != nil {
		return t.fail(at, "", err)
	}
	least := unscaled.Size(v)
	switch {
	case c.Size == 0:
		t.dst = binary.AppendVarint(t.dst, int64(least))
		t.dst = unscaled.Append(t.dst, v, least)
	case least > c.Size:
		return t.fail(at, "", c.tooLarge())
	default:
		t.dst = unscaled.Append(t.dst, v, c.Size)
	}
	return i + size
}

// rescale converts a decimal. Rescale makes no number much larger than the
// input or than the reader's precision allows.
func (c *Conversion) rescale(text []byte) (*big.Int, error) {
	v := unscaled.Read(text)
	if v.Sign() == 0 {
		return v, nil
	}
	digits := minDigits(v)
	switch {
	case int64(digits)+int64(c.Shift) > int64(c.Precision): // an int may have 32 bits
		return nil, c.tooLarge()
	case c.Shift > 0:
		v.Mul(v, unscaled.Power10(c.Shift))
	case c.Shift < 0:
		var rest big.Int
		if digits+1 < -c.Shift {
			return nil, c.inexact()
		}
		if v.QuoRem(v, unscaled.Power10(-c.Shift), &rest); rest.Sign() != 0 {
			return nil, c.inexact()
		}
	}
	if minDigits(v)+1 >= c.Precision && v.CmpAbs(unscaled.Power10(c.Precision)) >= 0 {
		return nil, c.tooLarge()
	}
	return v, nil
}

func (c *Conversion) tooLarge() error {
	return fmt.Errorf("%w: a value of %s is too large for %s", ErrUnreadable, c.From, c.To)
}

func (c *Conversion) inexact() error {
	return fmt.Errorf("%w: a value of %s has more digits than %s can hold", ErrUnreadable, c.From, c.To)
}

func (t *transcoder) convertNumber(c *Conversion, i int) int {
	v, next := longAt(t.src, i)
	if next < 0 {
		return t.fail(i, "", longError(t.src, i))
	}
	if c.Int && int64(int32(v)) != v {
		return t.fail(i, "", fmt.Errorf("%w: an int of %d", ErrInvalid, v))
	}
	if v%c.Divide != 0 {
		return t.fail(i, "", c.inexact())
	}
	v /= c.Divide
	hi, lo := bits.Mul64(magnitude(v), uint64(c.Multiply))
	if hi != 0 || lo > math.MaxInt64 {
		return t.fail(i, "", c.tooLarge())
	}
	t.dst = binary.AppendVarint(t.dst, v*c.Multiply)
	return next
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// minDigits returns the number of decimal digits of v, or one digit fewer. The
// argument v is not 0.
func minDigits(v *big.Int) int {
	return int(float64(v.BitLen()-1)*math.Log10(2)) + 1
}

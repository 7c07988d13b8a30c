package avrobin_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/serde/avrobin"
)

// twosComplement returns v in two's complement after pad bytes that repeat the
// sign.
func twosComplement(v *big.Int, pad int) []byte {
	size := v.BitLen()/8 + 1 + pad
	u := new(big.Int).Set(v)
	if v.Sign() < 0 {
		u.Add(u, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return u.FillBytes(make([]byte, size))
}

// TestReadDecimalPrecision checks that reading refuses a decimal with more
// digits than its precision, also if the value is only 1 too large. Bytes that
// repeat the sign do not count.
func TestReadDecimalPrecision(t *testing.T) {
	t.Parallel()
	for precision := 1; precision <= 60; precision++ {
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
		largest := new(big.Int).Sub(limit, big.NewInt(1))
		for _, c := range []struct {
			v    *big.Int
			fits bool
		}{{largest, true}, {new(big.Int).Neg(largest), true}, {limit, false}, {new(big.Int).Neg(limit), false}, {new(big.Int).Mul(limit, limit), false}} {
			for _, pad := range []int{0, 1, 9} {
				text := twosComplement(c.v, pad)
				d, rest, err := avrobin.ReadDecimal(avrobin.AppendBytes(nil, text), precision, 0, decimal.New, decimal.NewFromBigInt)
				if c.fits && (err != nil || len(rest) != 0 || d.BigInt().Cmp(c.v) != 0) || !c.fits && !errors.Is(err, avrobin.ErrRange) {
					t.Errorf("precision %d, %s, %d bytes more: %s, %v", precision, c.v, pad, d, err)
				}
				d, _, err = avrobin.ReadDecimalFixed(text, precision, 0, len(text), decimal.New, decimal.NewFromBigInt)
				if c.fits != (err == nil) || c.fits && d.BigInt().Cmp(c.v) != 0 {
					t.Errorf("fixed, precision %d, %s, %d bytes more: %s, %v", precision, c.v, pad, d, err)
				}
			}
		}
	}
	megabyte := avrobin.AppendBytes(nil, bytes.Repeat([]byte{0x7f}, 1<<20))
	if _, _, err := avrobin.ReadDecimal(megabyte, 10, 2, decimal.New, decimal.NewFromBigInt); !errors.Is(err, avrobin.ErrRange) || len(err.Error()) > 200 {
		t.Errorf("a megabyte of digits: %v", err)
	}
}

package unscaled_test

import (
	"math/big"
	"testing"

	"github.com/avroline/avroline/internal/unscaled"
)

func TestTwosComplement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, text string }{
		{"0", "\x00"},
		{"127", "\x7f"},
		{"128", "\x00\x80"},
		{"-128", "\x80"},
		{"-129", "\xff\x7f"},
		{"-1", "\xff"},
		{"18446744073709551616", "\x01\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"-18446744073709551616", "\xff\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		v, _ := new(big.Int).SetString(c.value, 10)
		if size := unscaled.Size(v); size != len(c.text) {
			t.Errorf("%s: %d bytes", c.value, size)
			continue
		}
		if got := unscaled.Append(nil, v, len(c.text)); string(got) != c.text {
			t.Errorf("%s: written as %x", c.value, got)
		}
		if got := unscaled.Append(nil, v, 12); unscaled.Read(got).Cmp(v) != 0 {
			t.Errorf("%s in 12 bytes: %x", c.value, got)
		}
		if got := unscaled.Read([]byte(c.text)); got.Cmp(v) != 0 {
			t.Errorf("%s: read as %s", c.value, got)
		}
	}
	if v := unscaled.Read(nil); v.Sign() != 0 {
		t.Errorf("empty text: %s", v)
	}
}

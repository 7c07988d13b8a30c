package avrobin_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/serde/avrobin"
)

func TestLong(t *testing.T) {
	t.Parallel()
	values := []int64{0, -1, 1, 63, -64, 64, -65, 8191, -8192, 8192, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64}
	for shift := range 63 {
		values = append(values, 1<<shift, 1<<shift-1, -1<<shift, -1<<shift-1)
	}
	for _, v := range values {
		for _, room := range []int{0, 3, 64} { // in place, and grown
			dst := append(make([]byte, 0, 1+room), 'x')
			data := avrobin.AppendLong(dst, v)[1:]
			got, rest, err := avrobin.ReadLong(data)
			if err != nil || got != v || len(rest) != 0 {
				t.Fatalf("%d: %x, %d, %x, %v", v, data, got, rest, err)
			}
			long := append(bytes.Clone(data), make([]byte, 16)...) // eight bytes at a time
			if got, rest, err := avrobin.ReadLong(long); err != nil || got != v || len(rest) != 16 {
				t.Fatalf("%d: %x, %d, %x, %v", v, long, got, rest, err)
			}
			for n := range data {
				if _, _, err := avrobin.ReadLong(data[:n]); !errors.Is(err, avrobin.ErrTruncated) {
					t.Fatalf("%x: %v", data[:n], err)
				}
			}
			i, _, err := avrobin.ReadInt(data)
			if fits := int64(int32(v)) == v; fits != (err == nil) || fits && int64(i) != v {
				t.Fatalf("%d as int: %d, %v", v, i, err)
			}
		}
	}
}

func TestBadNumbers(t *testing.T) {
	t.Parallel()
	read := map[string]func([]byte) error{
		"long":  func(b []byte) error { _, _, err := avrobin.ReadLong(b); return err },
		"int":   func(b []byte) error { _, _, err := avrobin.ReadInt(b); return err },
		"bool":  func(b []byte) error { _, _, err := avrobin.ReadBool(b); return err },
		"text":  func(b []byte) error { _, _, err := avrobin.ReadString(b); return err },
		"enum":  func(b []byte) error { _, _, err := avrobin.ReadEnum[int32](b, 3); return err },
		"union": func(b []byte) error { _, _, err := avrobin.ReadBranch(b, 3); return err },
		"maybe": func(b []byte) error { _, _, err := avrobin.ReadPresent(b, 0); return err },
		"block": func(b []byte) error { _, _, err := avrobin.ReadBlock(b, 2); return err },
		"empty": func(b []byte) error { _, _, err := avrobin.ReadEmpty(b); return err },
		"uuid":  func(b []byte) error { _, _, err := avrobin.ReadUUID(b); return err },
		"time":  func(b []byte) error { _, _, err := avrobin.ReadTimeMillis(b); return err },
	}
	for _, c := range []struct {
		of, hex string
		want    error
	}{
		{"long", "ffffffffffffffffff01", nil},
		{"long", "ffffffffffffffffff02", avrobin.ErrInvalid},
		{"long", "ffffffffffffffffffff01", avrobin.ErrInvalid},
		{"long", "8000", nil}, // longer than needed, from a writer that fills in sizes later
		{"int", "80808080808002", avrobin.ErrInvalid},
		{"int", "808080808000", avrobin.ErrInvalid},
		{"int", "8080808020", avrobin.ErrInvalid},
		{"bool", "", avrobin.ErrTruncated},
		{"bool", "02", avrobin.ErrInvalid},
		{"text", "01", avrobin.ErrInvalid},
		{"text", "0461", avrobin.ErrTruncated},
		{"text", "feffffffffffffffff01", avrobin.ErrTruncated},
		{"enum", "06", avrobin.ErrInvalid},
		{"enum", "01", avrobin.ErrInvalid},
		{"union", "06", avrobin.ErrInvalid},
		{"union", "01", avrobin.ErrInvalid},
		{"maybe", "8200", nil},
		{"maybe", "04", avrobin.ErrInvalid},
		{"maybe", "", avrobin.ErrTruncated},
		{"block", "0400000000", nil},
		{"block", "04000000", avrobin.ErrTruncated},
		{"block", "030800000000", nil},
		{"block", "030a00000000", avrobin.ErrTruncated},
		{"block", "030100000000", avrobin.ErrInvalid},
		{"block", "ffffffffffffffffff0100", avrobin.ErrInvalid},
		{"block", "feffffffffffffffff0100", avrobin.ErrTruncated},
		{"empty", "8080800100", nil}, // 2^20
		{"empty", "828080010000", avrobin.ErrInvalid},
		{"empty", "80808001020000", avrobin.ErrInvalid},
		{"empty", "ffffffffffffffffff010000", avrobin.ErrInvalid},
		{"uuid", "48" + hex.EncodeToString([]byte("0192F0C1-7a5e-7c3d-9b1a-5e2f4a6b8c0D")), nil},
		{"uuid", "48" + hex.EncodeToString([]byte("0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0g")), avrobin.ErrInvalid},
		{"uuid", "48" + hex.EncodeToString([]byte("0192f0c1_7a5e-7c3d-9b1a-5e2f4a6b8c0d")), avrobin.ErrInvalid},
		{"uuid", "46" + hex.EncodeToString([]byte("0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0")), avrobin.ErrInvalid},
		{"time", "01", avrobin.ErrRange},
		{"time", "80f0b252", avrobin.ErrRange},
		{"time", "feefb252", nil},
	} {
		data, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if err := read[c.of](data); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %v, want %v", c.of, c.hex, err, c.want)
		}
	}
}

// TestUUIDDigits puts every byte in every place of a UUID's text.
func TestUUIDDigits(t *testing.T) {
	t.Parallel()
	for place := range 36 {
		for c := range 256 {
			text := []byte("00000000-0000-0000-0000-000000000000")
			text[place] = byte(c)
			v, _, err := avrobin.ReadUUID(avrobin.AppendBytes(nil, text))
			if place == 8 || place == 13 || place == 18 || place == 23 {
				if (err == nil) != (c == '-') {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if isHex := strings.ContainsRune("0123456789abcdefABCDEF", rune(c)); isHex != (err == nil) {
				t.Fatalf("%q: %v", text, err)
			}
			if err == nil {
				if got := avrobin.AppendUUID(nil, v); string(got[1:]) != strings.ToLower(string(text)) {
					t.Fatalf("%q: %q", text, got[1:])
				}
			}
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for size := range 200 {
		for bad := -1; bad < size; bad++ {
			text := []byte(strings.Repeat("abcdefgh", size/8+1)[:size])
			if bad >= 0 {
				text[bad] = 0xff
			}
			for _, room := range []int{0, size, size + 1, size + 100} {
				dst := append(make([]byte, 0, 1+room), 'x')
				got, err := avrobin.AppendString(dst, string(text))
				if bad >= 0 {
					if !errors.Is(err, avrobin.ErrText) || string(got) != "x" {
						t.Fatalf("%q: %q, %v", text, got, err)
					}
					continue
				}
				v, rest, err := avrobin.ReadString(got[1:])
				if err != nil || v != string(text) || len(rest) != 0 {
					t.Fatalf("%q: %q, %v", text, got, err)
				}
			}
		}
	}
	for _, text := range []string{"é", "世界 😀", strings.Repeat("é", 31), strings.Repeat("é", 100)} {
		got, err := avrobin.AppendString(make([]byte, 0, 512), text)
		if v, _, readErr := avrobin.ReadString(got); err != nil || readErr != nil || v != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value            string // after "x" the exponent, possibly too large for a text
		precision, scale int
		hex              string // "" for an ErrRange
	}{
		{"0", 9, 2, "0200"},
		{"0.01", 9, 2, "0201"},
		{"-1.28", 9, 2, "0280"}, // minimal: one byte
		{"1.28", 9, 2, "040080"},
		{"-1.29", 9, 2, "04ff7f"},
		{"1", 9, 2, "0264"},
		{"1.000", 9, 2, "0264"},
		{"1e2", 9, 2, "042710"},
		{"1.005", 9, 2, ""},
		{"0.001", 9, 2, ""},
		{"1234567.89", 9, 2, "08075bcd15"},
		{"12345678.90", 9, 2, ""},
		{"1x1000000000", 9, 2, ""},
		{"1x-1000000000", 9, 2, ""},
		{"0x1000000000", 9, 2, "0200"},
		{"9223372036854775808", 40, 0, "12008000000000000000"},
		{"-9223372036854775808", 40, 0, "108000000000000000"},
		{"-9223372036854775809", 40, 0, "12ff7fffffffffffffff"},
	} {
		digits, exponent, _ := strings.Cut(c.value, "x")
		d := decimal.RequireFromString(digits)
		if exponent != "" {
			e, err := strconv.ParseInt(exponent, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			d = d.Shift(int32(e))
		}
		got, err := avrobin.AppendDecimal([]byte("x"), d, c.precision, c.scale)
		if c.hex == "" {
			if !errors.Is(err, avrobin.ErrRange) || len(err.Error()) > 200 || string(got) != "x" {
				t.Errorf("%s: %x, %v", c.value, got, err)
			}
			continue
		}
		if err != nil || hex.EncodeToString(got[1:]) != c.hex {
			t.Errorf("%s: %x, %v, want %s", c.value, got[1:], err, c.hex)
			continue
		}
		back, rest, err := avrobin.ReadDecimal(got[1:], c.precision, c.scale, decimal.New, decimal.NewFromBigInt)
		if err != nil || len(rest) != 0 || !back.Equal(d) {
			t.Errorf("%s: read as %s, %v", c.value, back, err)
		}
		fixed, err := avrobin.AppendDecimalFixed(nil, d, c.precision, c.scale, 12)
		if err != nil || len(fixed) != 12 {
			t.Errorf("%s: %x, %v", c.value, fixed, err)
			continue
		}
		back, _, err = avrobin.ReadDecimalFixed(fixed, c.precision, c.scale, 12, decimal.New, decimal.NewFromBigInt)
		if err != nil || !back.Equal(d) {
			t.Errorf("%s: read as %s, %v", c.value, back, err)
		}
	}
	if _, err := avrobin.AppendDecimalFixed(nil, decimal.New(128, 0), 9, 0, 1); !errors.Is(err, avrobin.ErrRange) {
		t.Errorf("128 in one byte: %v", err)
	}
	if got, err := avrobin.AppendDecimal(nil, decimal.Decimal{}, 9, 2); err != nil || hex.EncodeToString(got) != "0200" {
		t.Errorf("the zero Decimal: %x, %v", got, err)
	}
	if d, _, err := avrobin.ReadDecimal([]byte{0}, 4, 2, decimal.New, decimal.NewFromBigInt); err != nil || !d.IsZero() {
		t.Errorf("no bytes: %s, %v", d, err)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	type appender = func([]byte, time.Time) ([]byte, error)
	for name, c := range map[string]struct {
		append appender
		read   func([]byte) (time.Time, []byte, error)
		finer  time.Duration
	}{
		"millis": {avrobin.AppendTimestampMillis, avrobin.ReadTimestampMillis, time.Millisecond},
		"micros": {avrobin.AppendTimestampMicros, avrobin.ReadTimestampMicros, time.Microsecond},
		"nanos":  {avrobin.AppendTimestampNanos, avrobin.ReadTimestampNanos, time.Nanosecond},
	} {
		for _, v := range []int64{0, -1, 1, 999, -999, 1e18, -1e18, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1} {
			data := avrobin.AppendLong(nil, v)
			at, rest, err := c.read(data)
			if err != nil || len(rest) != 0 || at.Location() != time.UTC {
				t.Fatalf("%s %d: %v, %v", name, v, at, err)
			}
			if again, err := c.append(nil, at); err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s %d: %v as %x, %v, want %x", name, v, at, again, err, data)
			}
		}
		for _, v := range []int64{math.MaxInt64, math.MinInt64} {
			at, _, err := c.read(avrobin.AppendLong(nil, v))
			if err != nil {
				t.Fatal(err)
			}
			beyond := at.Add(c.finer)
			if v < 0 {
				beyond = at.Add(-c.finer)
			}
			if got, err := c.append(nil, beyond); !errors.Is(err, avrobin.ErrRange) {
				t.Errorf("%s: %v as %x, %v", name, beyond, got, err)
			}
		}
	}
	before := time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	if got, _ := avrobin.AppendTimestampMillis(nil, before); !bytes.Equal(got, avrobin.AppendLong(nil, -1)) {
		t.Errorf("just before 1970: %x", got)
	}
	east := time.FixedZone("", 2*60*60)
	local, _ := avrobin.AppendLocalTimestampMillis(nil, time.Date(1970, 1, 1, 2, 0, 0, 0, east))
	if !bytes.Equal(local, avrobin.AppendLong(nil, 2*60*60*1000)) {
		t.Errorf("a wall clock at two: %x", local)
	}
	for _, d := range []time.Duration{-1, 24 * time.Hour} {
		if _, err := avrobin.AppendTimeMillis(nil, d); !errors.Is(err, avrobin.ErrRange) {
			t.Errorf("%v: %v", d, err)
		}
		if _, err := avrobin.AppendTimeMicros(nil, d); !errors.Is(err, avrobin.ErrRange) {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	west := time.FixedZone("", -8*60*60)
	for _, c := range []struct {
		at   time.Time
		days avrobin.Date
		text string
	}{
		{time.Unix(0, 0).UTC(), 0, "1970-01-01"},
		{time.Unix(-1, 0).UTC(), -1, "1969-12-31"},
		{time.Date(2026, 1, 31, 23, 0, 0, 0, west), 20484, "2026-01-31"},
		{time.Date(-44, 3, 15, 12, 0, 0, 0, time.UTC), -735525, "-0044-03-15"},
		{time.Date(12345, 6, 7, 0, 0, 0, 0, time.UTC), 3789548, "+12345-06-07"},
	} {
		d := avrobin.DateOf(c.at)
		if d != c.days || d.String() != c.text {
			t.Errorf("%v: %d, %s, want %d, %s", c.at, d, d, c.days, c.text)
		}
		var back avrobin.Date
		if err := back.UnmarshalText([]byte(c.text)); err != nil || back != d {
			t.Errorf("%s: %v, %v", c.text, back, err)
		}
	}
	for _, d := range []avrobin.Date{math.MinInt32, math.MaxInt32} {
		var back avrobin.Date
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
			t.Errorf("%s: %v, %v", d, back, err)
		}
	}
	for _, text := range []string{"", "2026", "2026-02-30", "2026-1-1", "26-01-01", "12345-01-01", "2026-01-01T00:00:00Z", "99999999-01-01", "--1-01-01"} {
		var d avrobin.Date
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, d)
		}
	}
}

func TestErrorPath(t *testing.T) {
	t.Parallel()
	err := avrobin.ErrorAt(avrobin.ErrorAt(avrobin.ErrorAt(avrobin.ErrRange, "price"), "lines", 3), "order")
	if got, want := err.Error(), "avro: order.lines[3].price: value out of range"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	err = avrobin.ErrorAt(avrobin.ErrorAt(avrobin.ErrText, "", 1, "a\"b"), "matrix")
	if got, want := err.Error(), `avro: matrix[1]["a\"b"]: string is not valid UTF-8`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for range 100_000 {
		err = avrobin.ErrorAt(err, "children", 0)
	}
	if n := len(err.Error()); n > 2000 {
		t.Errorf("a path of %d bytes", n)
	}
}

// TestAppendEmptyStringAtTheEnd appends an empty string that fills a buffer to
// its last byte. The pointer checks of the race detector look at the memory
// after the buffer.
func TestAppendEmptyStringAtTheEnd(t *testing.T) {
	out, err := avrobin.AppendString(make([]byte, 15, 16), "")
	if err != nil || len(out) != 16 || out[15] != 0 {
		t.Errorf("got %x, %v", out, err)
	}
}

package resolve_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// wholeNumberType is a logical type of a whole number. The field nanos is the
// number of nanoseconds in a value of 1, and the field of names the measured
// quantity.
type wholeNumberType struct {
	base, logical, of string
	nanos             int64
}

func wholeNumberTypes() []wholeNumberType {
	const milli, micro = 1_000_000, 1000
	return []wholeNumberType{
		{"long", "timestamp-millis", "instant", milli},
		{"long", "timestamp-micros", "instant", micro},
		{"long", "timestamp-nanos", "instant", 1},
		{"long", "local-timestamp-millis", "wall clock", milli},
		{"long", "local-timestamp-micros", "wall clock", micro},
		{"long", "local-timestamp-nanos", "wall clock", 1},
		{"int", "date", "wall clock", 86_400_000 * milli},
		{"int", "time-millis", "time", milli},
		{"long", "time-micros", "time", micro},
	}
}

func (n wholeNumberType) schema() string {
	return fmt.Sprintf(`{"type":%q,"logicalType":%q}`, n.base, n.logical)
}

// TestConversionsOfNumbers checks that for all pairs of whole numbers, the
// value read equals the value written, or there is an error. The test compares
// the values as exact fractions.
func TestConversionsOfNumbers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 16))
	for _, w := range wholeNumberTypes() {
		for _, to := range wholeNumberTypes() {
			t.Run(w.logical+" as "+to.logical, func(t *testing.T) {
				p, err := resolveText(t, w.schema(), to.schema())
				switch {
				case w.base == "long" && to.base == "int", w.of != to.of:
					if err == nil {
						t.Fatal("there is a plan")
					}
					return
				case err != nil:
					t.Fatal(err)
				}
				read := 0
				for range 300 {
					v := r.Int64() >> r.IntN(64)
					if r.IntN(2) == 0 { // a value that a coarser unit can hold
						v = v / 1_000_000 * 1_000_000
					}
					if w.base == "int" {
						v = int64(int32(v))
					}
					data, err := p.Append(nil, binary.AppendVarint(nil, v))
					written := new(big.Int).Mul(big.NewInt(v), big.NewInt(w.nanos))
					fits := new(big.Int).Mod(written, big.NewInt(to.nanos)).Sign() == 0 &&
						new(big.Int).Quo(written, big.NewInt(to.nanos)).IsInt64()
					if !fits {
						if !errors.Is(err, avrobin.ErrUnreadable) {
							t.Fatalf("%d: %x, %v", v, data, err)
						}
						continue
					}
					got, n := binary.Varint(data)
					if err != nil || n != len(data) {
						if got == math.MinInt64 { // the only value that may be refused
							continue
						}
						t.Fatalf("%d: %x, %v", v, data, err)
					}
					if new(big.Int).Mul(big.NewInt(got), big.NewInt(to.nanos)).Cmp(written) != 0 {
						t.Fatalf("%d is read as %d", v, got)
					}
					read++
				}
				if read < 20 {
					t.Errorf("only %d values were read", read)
				}
			})
		}
	}
}

// TestConversionsOfDecimals is the same test for decimals of random precision
// and scale, as bytes and as fixed.
func TestConversionsOfDecimals(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 16))
	read, refused := 0, 0
	for i := range 4000 {
		fixed := r.IntN(2) == 0
		decimal := func() (schema string, precision, scale int) {
			precision = 1 + r.IntN(30)
			scale = r.IntN(precision + 1)
			if fixed {
				return fmt.Sprintf(`{"type":"fixed","name":"D","size":16,"logicalType":"decimal","precision":%d,"scale":%d}`, precision, scale), precision, scale
			}
			return fmt.Sprintf(`{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, precision, scale), precision, scale
		}
		writer, wp, ws := decimal()
		reader, rp, rs := decimal()
		p, err := resolveText(t, writer, reader)
		if err != nil {
			t.Fatalf("%s as %s: %v", writer, reader, err)
		}
		digits := 1 + r.IntN(wp)
		v := new(big.Int)
		for range digits {
			v.Mul(v, big.NewInt(10)).Add(v, big.NewInt(int64(r.IntN(10))))
		}
		if zeros := r.IntN(digits + 1); r.IntN(2) == 0 { // digits that a smaller scale may drop
			power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(zeros)), nil)
			v.Mul(v.Quo(v, power), power)
		}
		if r.IntN(2) == 0 {
			v.Neg(v)
		}
		data, err := p.Append(nil, encodeDecimal(v, fixed))
		scaled := new(big.Int).Mul(v, tenTo(max(0, rs-ws)))
		exact, rest := new(big.Int).QuoRem(scaled, tenTo(max(0, ws-rs)), new(big.Int))
		if rest.Sign() != 0 || exact.CmpAbs(tenTo(rp)) >= 0 {
			if !errors.Is(err, avrobin.ErrUnreadable) {
				t.Fatalf("%d: %s of %s as %s: %x, %v", i, v, writer, reader, data, err)
			}
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("%d: %s of %s as %s: %v", i, v, writer, reader, err)
		}
		if got := decodeDecimal(data, fixed); got.Cmp(exact) != 0 {
			t.Fatalf("%d: %s of %s as %s: read as %s, want %s", i, v, writer, reader, got, exact)
		}
		read++
	}
	if read < 500 || refused < 500 {
		t.Errorf("%d read, %d refused: too few of one kind", read, refused)
	}
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func encodeDecimal(v *big.Int, fixed bool) []byte {
	u := new(big.Int).And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	text := u.FillBytes(make([]byte, 16)) // with bytes that repeat the sign
	if fixed {
		return text
	}
	return append(binary.AppendVarint(nil, 16), text...)
}

func decodeDecimal(data []byte, fixed bool) *big.Int {
	if !fixed {
		_, n := binary.Varint(data)
		data = data[n:]
	}
	v := new(big.Int).SetBytes(data)
	if data[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(data))))
	}
	return v
}

// TestConversionsWithoutAnswerAreRefused checks that a conversion without a
// correct result is refused when the plan is made, also inside unions and
// records. If one side has no logical type, the value is the plain value.
func TestConversionsWithoutAnswerAreRefused(t *testing.T) {
	t.Parallel()
	millis := `{"type":"long","logicalType":"timestamp-millis"}`
	micros := `{"type":"long","logicalType":"timestamp-micros"}`
	field := func(typ string) string {
		return `{"type":"record","name":"R","fields":[{"name":"f","type":` + typ + `}]}`
	}
	for _, c := range []struct {
		name, writer, reader, refused string
		data, want                    string
	}{
		{"instant as time of day", field(millis), field(`{"type":"long","logicalType":"time-micros"}`), "f: timestamp-millis cannot be read as time-micros", "", ""},
		{"date as instant", field(`{"type":"int","logicalType":"date"}`), field(`["null",` + millis + `]`), "f: date cannot be read as timestamp-millis", "", ""},
		{"instant as wall clock", millis, `{"type":"long","logicalType":"local-timestamp-millis"}`, "timestamp-millis cannot be read as local-timestamp-millis", "", ""},
		{"uuid as decimal", `{"type":"string","logicalType":"uuid"}`, `{"type":"bytes","logicalType":"decimal","precision":4}`, "uuid cannot be read as decimal(4,0)", "", ""},
		{"decimal as bytes", `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"bytes"`, "", "\x04\x04\xd2", "\x04\x04\xd2"},
		{"long as instant", `"long"`, millis, "", "\x02", "\x02"},
		{"date as double", `{"type":"int","logicalType":"date"}`, `"double"`, "", "\x02", "\x00\x00\x00\x00\x00\x00\xf0\x3f"},
		{"through a union", `["null",` + millis + `]`, `["string",` + micros + `,"null"]`, "", "\x02\x02", "\x02\xd0\x0f"},
		{"a plain value into a union", millis, `["null",` + micros + `]`, "", "\x02", "\x02\xd0\x0f"},
		{"in an array", `{"type":"array","items":` + millis + `}`, `{"type":"array","items":` + micros + `}`, "", "\x04\x02\x04\x00", "\x04\xd0\x0f\xa0\x1f\x00"},
		{"another branch that fits", `{"type":"int","logicalType":"time-millis"}`, `[{"type":"int","logicalType":"date"},{"type":"long","logicalType":"time-micros"}]`, "", "\x02", "\x02\xd0\x0f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := resolveText(t, c.writer, c.reader)
			if c.refused != "" {
				if err == nil || err.Error() != c.refused {
					t.Fatalf("error %v, want %s", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Append(nil, []byte(c.data)); err != nil || string(got) != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestConversionPath checks that a value that loses digits is an error with its
// path.
func TestConversionPath(t *testing.T) {
	t.Parallel()
	schema := func(scale int) string {
		return fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"items","type":{"type":"array","items":
			{"type":"record","name":"I","fields":[{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":%d}}]}}}]}`, scale)
	}
	p, err := resolveText(t, schema(2), schema(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Append(nil, []byte("\x04\x02\x0a\x02\x0b\x00")) // 0.10 and 0.11
	var e *avrobin.Error
	if !errors.As(err, &e) || e.Path != "items[1].price" || !errors.Is(err, avrobin.ErrUnreadable) || !strings.Contains(err.Error(), "decimal(9,1)") {
		t.Error(err)
	}
}

func resolveText(t *testing.T, writer, reader string) (*avrobin.Plan, error) {
	t.Helper()
	w, err := avsc.Parse("writer", []byte(writer))
	if err != nil {
		t.Fatal(err)
	}
	r, err := avsc.Parse("reader", []byte(reader))
	if err != nil {
		t.Fatal(err)
	}
	return resolve.Resolve(w, r)
}

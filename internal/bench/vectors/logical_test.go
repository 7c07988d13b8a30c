package vectors

import (
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
)

// misfit reads one value of s from data and says why it is none of its logical
// type, or not in the form that we write, "" when it is both. The others filled
// the vectors with random base values, which know nothing of logical types.
func misfit(s *avsc.Schema, data []byte) (why string, rest []byte) {
	note := func(x string) {
		if why == "" {
			why = x
		}
	}
	inner := func(s *avsc.Schema) {
		var x string
		x, data = misfit(s, data)
		note(x)
	}
	long := func() int64 {
		n, size := binary.Varint(data)
		data = data[size:]
		return n
	}
	take := func(n int64) []byte {
		b := data[:n]
		data = data[n:]
		return b
	}
	switch s.Kind {
	case avsc.Null:
	case avsc.Boolean:
		take(1)
	case avsc.Int, avsc.Long:
		n := long()
		day := map[string]int64{"time-millis": 86_400_000, "time-micros": 86_400_000_000}[s.Logical.Name]
		if day != 0 && (n < 0 || n > day) {
			note("no time of day")
		}
	case avsc.Float:
		take(4)
	case avsc.Double:
		take(8)
	case avsc.String:
		if text := string(take(long())); s.Logical.Name == "uuid" {
			if id, err := uuid.Parse(text); err != nil || id.String() != text {
				note("no UUID as RFC 9562 writes it")
			}
		}
	case avsc.Bytes:
		if b := take(long()); s.Logical.Name == "decimal" {
			note(decimalMisfit(s, b, true))
		}
	case avsc.Fixed:
		if b := take(int64(s.Size)); s.Logical.Name == "decimal" {
			note(decimalMisfit(s, b, false))
		}
	case avsc.Enum:
		long()
	case avsc.Array, avsc.Map:
		for n := long(); n != 0; n = long() {
			if n < 0 {
				n = -n
				long()
			}
			for range n {
				if s.Kind == avsc.Map {
					take(long())
				}
				inner(s.Elem)
			}
		}
	case avsc.Union:
		inner(s.Branches[long()])
	case avsc.Record:
		for _, f := range s.Fields {
			inner(f.Type)
		}
	}
	return why, data
}

func decimalMisfit(s *avsc.Schema, b []byte, minimal bool) string {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	switch {
	case len(strings.TrimPrefix(n.String(), "-")) > s.Logical.Precision:
		return "a decimal of more digits than its precision"
	case minimal && len(b) == 0,
		minimal && len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80):
		return "a decimal in other than the fewest bytes"
	}
	return ""
}

func TestMisfit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, data, want string }{
		{`{"type":"string","logicalType":"uuid"}`, "\x06abc", "no UUID as RFC 9562 writes it"},
		{`{"type":"string","logicalType":"uuid"}`, "\x480191e4a0-7b3c-7def-8123-456789abcdef", ""},
		{`{"type":"bytes","logicalType":"decimal","precision":2}`, "\x02\x63", ""},
		{`{"type":"bytes","logicalType":"decimal","precision":2}`, "\x02\x64", "a decimal of more digits than its precision"},
		{`{"type":"bytes","logicalType":"decimal","precision":2}`, "\x04\x00\x63", "a decimal in other than the fewest bytes"},
		{`["null",{"type":"array","items":{"type":"int","logicalType":"time-millis"}}]`, "\x02\x04\x00\x01\x00", "no time of day"},
	} {
		s, err := avsc.Parse("x", []byte(c.schema))
		if err != nil {
			t.Fatal(err)
		}
		if why, rest := misfit(s, []byte(c.data)); why != c.want || len(rest) != 0 {
			t.Errorf("%s %x: %q and %d bytes left, want %q", c.schema, c.data, why, len(rest), c.want)
		}
	}
}

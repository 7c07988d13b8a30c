// Package avrosample makes values of a schema that look like real values. The
// values respect logical types. A field's name and doc determine the kind of
// text or number.
package avrosample

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// Append appends the Avro binary of one value of s to dst. The same state of r
// gives the same value. Append fails if every value of s is infinite, for
// example if a record always contains itself.
func Append(dst []byte, r *rand.Rand, s *avsc.Schema) ([]byte, error) {
	m := &maker{Rand: r, inside: map[*avsc.Schema]int{}}
	dst = m.value(dst, s, hint{}, 0)
	return dst, m.err
}

// Every returns encoded values of s. Together, the values contain every branch
// of every union, every symbol of every enum, and lists with and without
// elements. Every returns at least n values, and at most 1000. Values deep
// inside a recursive type may be missing. The same r gives the same values.
func Every(r *rand.Rand, s *avsc.Schema, n int) ([][]byte, error) {
	m := &maker{Rand: r, inside: map[*avsc.Schema]int{}, used: map[*avsc.Schema][]int{}}
	var values [][]byte
	for idle := 0; len(values) < n || m.missing() && idle < 64 && len(values) < 1000; idle++ {
		m.parts = 0
		values = append(values, m.value(nil, s, hint{}, 0))
		if m.err != nil {
			return nil, m.err
		}
		if m.fresh {
			m.fresh, idle = false, 0
		}
	}
	return values, nil
}

// At the depth maxListDepth, and after many parts of a value, lists are empty
// and optional fields are null. So every value ends, except of a record that
// contains itself without end. More than maxInside values of a record inside
// each other are an error.
const (
	maxListDepth = 5
	maxParts     = 2_000
	maxInside    = 100
)

// value appends a value of s. The hint is the hint of the field that contains
// the value.
func (m *maker) value(dst []byte, s *avsc.Schema, h hint, depth int) []byte {
	m.parts++
	if m.err != nil {
		return dst
	}
	switch s.Kind {
	case avsc.Boolean:
		return append(dst, byte(m.IntN(2)))
	case avsc.Int, avsc.Long:
		return binary.AppendVarint(dst, m.whole(s, h))
	case avsc.Float:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(m.fraction(h))))
	case avsc.Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(m.fraction(h)))
	case avsc.Bytes:
		if s.Logical.Name == "decimal" {
			return appendText(dst, string(m.decimal(s.Logical.Precision)))
		}
		return appendText(dst, string(m.bytes(4+m.IntN(12))))
	case avsc.String:
		if s.Logical.Name == "uuid" {
			return appendText(dst, m.uuid())
		}
		return appendText(dst, m.text(h))
	case avsc.Fixed:
		return append(dst, m.fixed(s)...)
	case avsc.Enum:
		if len(s.Symbols) == 0 {
			m.err = fmt.Errorf("enum %s has no symbols, so no value", s.Name)
			return dst
		}
		return binary.AppendVarint(dst, int64(m.choose(s, len(s.Symbols))))
	case avsc.Record:
		if m.inside[s] > maxInside {
			m.err = fmt.Errorf("every value of %s contains another value of %[1]s, without end", s.Name)
			return dst
		}
		m.inside[s]++
		defer func() { m.inside[s]-- }()
		for _, f := range s.Fields {
			dst = m.value(dst, f.Type, fieldHint(f), depth+1)
		}
		return dst
	case avsc.Array, avsc.Map:
		return m.list(dst, s, h, depth)
	case avsc.Union:
		return m.union(dst, s, h, depth)
	default: // null
		return dst
	}
}

func (m *maker) list(dst []byte, s *avsc.Schema, h hint, depth int) []byte {
	n := 0
	if depth <= maxListDepth && m.parts < maxParts {
		if n = 1 + m.IntN(3); m.used != nil && m.choose(s, 2) == 1 {
			n = 0
		}
	}
	if n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
	}
	for i := range n {
		if s.Kind == avsc.Map {
			dst = appendText(dst, fmt.Sprintf("key%d", i+1))
		}
		dst = m.value(dst, s.Elem, h.element(), depth+1)
	}
	return append(dst, 0)
}

// union chooses a branch at random. If the union has a null, one value in five
// is null. Below the depth deep, every value is then null.
func (m *maker) union(dst []byte, s *avsc.Schema, h hint, depth int) []byte {
	if len(s.Branches) == 0 {
		m.err = fmt.Errorf("a union without branches has no value")
		return dst
	}
	null := -1
	for i, b := range s.Branches {
		if b.Kind == avsc.Null {
			null = i
		}
	}
	ending := depth > maxListDepth || m.parts > maxParts
	if m.used != nil && !ending {
		i := m.choose(s, len(s.Branches))
		return m.value(binary.AppendVarint(dst, int64(i)), s.Branches[i], h, depth+1)
	}
	i := m.IntN(len(s.Branches))
	if null >= 0 {
		wantNull := ending || m.IntN(5) == 0
		for !wantNull && i == null && len(s.Branches) > 1 {
			i = m.IntN(len(s.Branches))
		}
		if wantNull {
			i = null
		}
	} else if depth > maxListDepth { // prefer a branch without parts, so that the value ends
		for j, b := range s.Branches {
			if b.Kind.Primitive() || b.Kind == avsc.Enum {
				i = j
				break
			}
		}
	}
	dst = binary.AppendVarint(dst, int64(i))
	return m.value(dst, s.Branches[i], h, depth+1)
}

func (m *maker) whole(s *avsc.Schema, h hint) int64 {
	words := h.words
	t := m.moment()
	switch strings.TrimPrefix(s.Logical.Name, "local-") {
	case "date":
		return t.Unix() / (24 * 60 * 60)
	case "time-millis":
		return m.Int64N(24 * 60 * 60 * 1_000)
	case "time-micros":
		return m.Int64N(24 * 60 * 60 * 1_000_000)
	case "timestamp-millis":
		return t.UnixMilli()
	case "timestamp-micros":
		return t.UnixMicro()
	case "timestamp-nanos":
		return t.UnixNano()
	}
	if n, ok := m.between(h, s); ok {
		return n
	}
	isLong := s.Kind == avsc.Long
	switch {
	case endsWithOneOf(words, "at", "time", "timestamp", "ts", "date", "datetime") && isLong:
		return t.UnixMilli()
	case endsWithOneOf(words, "year"):
		return int64(t.Year() - m.IntN(30))
	case endsWithOneOf(words, "month"):
		return 1 + m.Int64N(12)
	case endsWithOneOf(words, "day"):
		return 1 + m.Int64N(28)
	case endsWithOneOf(words, "hour"):
		return m.Int64N(24)
	case endsWithOneOf(words, "minute", "second", "seconds", "minutes"):
		return m.Int64N(60)
	case endsWithOneOf(words, "age"):
		return 18 + m.Int64N(60)
	case endsWithOneOf(words, "count", "quantity", "qty", "number", "size", "total", "lines", "items"):
		return 1 + m.Int64N(20)
	case endsWithOneOf(words, "percent", "percentage", "score"):
		return m.Int64N(101)
	case endsWithOneOf(words, "port"):
		return 1024 + m.Int64N(60_000)
	case endsWithOneOf(words, "status", "code"):
		return []int64{200, 201, 204, 301, 400, 404, 500}[m.IntN(7)]
	case endsWithOneOf(words, "price", "amount", "cents", "cost", "fee", "balance"):
		return 100 + m.Int64N(100_000)
	case endsWithOneOf(words, "id"):
		return 1_000 + m.Int64N(1_000_000)
	case isLong && slices.Contains(h.docWords(), "epoch"):
		return t.UnixMilli()
	}
	return m.Int64N(1_000)
}

func (m *maker) fraction(h hint) float64 {
	if low, high, ok := h.bounds(); ok {
		return min(round(low+m.Float64()*(high-low), 2), high)
	}
	words := h.words
	switch {
	case endsWithOneOf(words, "lat", "latitude"):
		return round(m.Float64()*180-90, 5)
	case endsWithOneOf(words, "lon", "lng", "long", "longitude"):
		return round(m.Float64()*360-180, 5)
	case endsWithOneOf(words, "percent", "percentage"):
		return round(m.Float64()*100, 1)
	case endsWithOneOf(words, "ratio", "rate", "probability", "score", "share"):
		return round(m.Float64(), 3)
	}
	return round(m.Float64()*1000, 2)
}

func round(f float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(f*p) / p
}

// decimal returns a number with at most six digits in two's complement.
func (m *maker) decimal(precision int) []byte {
	limit := int64(math.Pow10(min(precision, 6)))
	b := big.NewInt(m.Int64N(limit)).Bytes()
	if len(b) == 0 || b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}

func (m *maker) fixed(s *avsc.Schema) []byte {
	switch s.Logical.Name {
	case "decimal":
		b := m.decimal(s.Logical.Precision)
		for len(b) > s.Size { // remove the sign byte if it does not fit into the size
			b = b[1:]
		}
		return append(make([]byte, s.Size-len(b)), b...)
	case "duration":
		b := binary.LittleEndian.AppendUint32(nil, uint32(m.IntN(12)))
		b = binary.LittleEndian.AppendUint32(b, uint32(m.IntN(28)))
		return binary.LittleEndian.AppendUint32(b, uint32(m.IntN(24*60*60*1000)))
	}
	b := m.bytes(s.Size)
	if s.Logical.Name == "uuid" {
		version4(b)
	}
	return b
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

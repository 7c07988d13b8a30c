package schemagen

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// AppendValue appends the Avro binary of a random value of s. AppendValue uses
// the same form as generated code: a single block for an array or map, map keys
// sorted and distinct, decimals in as few bytes as possible, UUIDs in small
// letters. Values of logical types fit into their Go types. Values of a
// recursive schema end. Their size is at most some thousand parts more than the
// smallest value. s must have finite values, as the schemas of this package do.
func AppendValue(dst []byte, r *rand.Rand, s *avsc.Schema) []byte {
	v := &values{Rand: r}
	return v.append(dst, s, 0)
}

// values ends recursion with nulls and empty lists. values does so from a
// certain depth on, and also if a value has many parts already. Otherwise a
// list of records of lists would grow exponentially.
type values struct {
	*rand.Rand
	parts int
}

const (
	maxListDepth = 6
	maxParts     = 5_000
)

// mustEnd reports whether a value must end as soon as possible.
func (v *values) mustEnd(depth int) bool { return depth > maxListDepth || v.parts > maxParts }

func (v *values) append(dst []byte, s *avsc.Schema, depth int) []byte {
	v.parts++
	switch s.Kind {
	case avsc.Null:
		return dst
	case avsc.Boolean:
		return append(dst, byte(v.IntN(2)))
	case avsc.Int, avsc.Long:
		return binary.AppendVarint(dst, v.whole(s))
	case avsc.Float:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.float())))
	case avsc.Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.float()))
	case avsc.Bytes:
		return appendBytes(dst, v.bytes(s))
	case avsc.String:
		if s.Logical.Name == "uuid" {
			return appendBytes(dst, []byte(v.uuid()))
		}
		return appendBytes(dst, []byte(v.text()))
	case avsc.Fixed:
		return append(dst, v.fixed(s)...)
	case avsc.Enum:
		return binary.AppendVarint(dst, int64(v.IntN(len(s.Symbols))))
	case avsc.Array:
		n := v.count(depth)
		dst = appendCount(dst, n)
		for range n {
			dst = v.append(dst, s.Elem, depth+1)
		}
		return append(dst, 0)
	case avsc.Map:
		keys := v.keys(v.count(depth))
		dst = appendCount(dst, len(keys))
		for _, key := range keys {
			dst = appendBytes(dst, []byte(key))
			dst = v.append(dst, s.Elem, depth+1)
		}
		return append(dst, 0)
	case avsc.Union:
		i := v.IntN(len(s.Branches))
		if v.mustEnd(depth) {
			i = shallowestBranch(s)
		}
		dst = binary.AppendVarint(dst, int64(i))
		return v.append(dst, s.Branches[i], depth+1)
	case avsc.Record:
		for _, f := range s.Fields {
			dst = v.append(dst, f.Type, depth+1)
		}
	}
	return dst
}

// shallowestBranch returns the branch with the smallest depth.
func shallowestBranch(u *avsc.Schema) int {
	best, rank := 0, math.MaxInt
	for i, b := range u.Branches {
		r := 1
		switch b.Kind {
		case avsc.Null:
			r = 0
		case avsc.Array, avsc.Map:
			r = 2
		case avsc.Record:
			r = 3
		default:
		}
		if r < rank {
			best, rank = i, r
		}
	}
	return best
}

func (v *values) count(depth int) int {
	if v.mustEnd(depth) {
		return 0
	}
	return v.IntN(4)
}

func (v *values) keys(n int) []string {
	var keys []string
	for range n {
		keys = append(keys, v.text())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func appendCount(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return binary.AppendVarint(dst, int64(n))
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func (v *values) whole(s *avsc.Schema) int64 {
	const day = 24 * 60 * 60
	switch s.Logical.Name {
	case "date":
		return int64(v.IntN(400_000) - 200_000)
	case "time-millis":
		return v.Int64N(day * 1000)
	case "time-micros":
		return v.Int64N(day * 1_000_000)
	case "timestamp-millis", "local-timestamp-millis":
		return v.Int64N(400*365*day*1000) - 200*365*day*1000
	case "timestamp-micros", "local-timestamp-micros":
		return v.Int64N(400*365*day*1_000_000) - 200*365*day*1_000_000
	case "timestamp-nanos", "local-timestamp-nanos":
		return v.Int64N(math.MaxInt64) - v.Int64N(math.MaxInt64)
	}
	if s.Kind == avsc.Int {
		return int64(int32(v.Uint32()) >> v.IntN(32))
	}
	return int64(v.Uint64()) >> v.IntN(64)
}

func (v *values) float() float64 {
	return pick(v.Rand, 0, math.Copysign(0, -1), 1, -1.5, math.Inf(1), math.Inf(-1), 1e30, v.NormFloat64())
}

func (v *values) bytes(s *avsc.Schema) []byte {
	if s.Logical.Name == "decimal" {
		return twosComplement(v.unscaled(s.Logical.Precision))
	}
	b := make([]byte, v.IntN(12))
	for i := range b {
		b[i] = byte(v.Uint32())
	}
	return b
}

func (v *values) fixed(s *avsc.Schema) []byte {
	if s.Logical.Name == "decimal" {
		n := v.unscaled(s.Logical.Precision)
		b := make([]byte, s.Size)
		if n.Sign() < 0 {
			n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*s.Size)))
		}
		return n.FillBytes(b)
	}
	b := make([]byte, s.Size)
	for i := range b {
		b[i] = byte(v.Uint32())
	}
	return b
}

// unscaled returns a random number of at most precision digits.
func (v *values) unscaled(precision int) *big.Int {
	n := new(big.Int)
	for range v.IntN(precision + 1) {
		n.Mul(n, big.NewInt(10)).Add(n, big.NewInt(int64(v.IntN(10))))
	}
	if v.IntN(2) == 0 {
		n.Neg(n)
	}
	return n
}

// twosComplement returns n in as few bytes as possible, big-endian. Zero is a
// single byte.
func twosComplement(n *big.Int) []byte {
	size := 1
	for ; ; size++ {
		half := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
		if n.Cmp(half) < 0 && n.Cmp(new(big.Int).Neg(half)) >= 0 {
			break
		}
	}
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return n.FillBytes(make([]byte, size))
}

func (v *values) uuid() string {
	hi, lo := v.Uint64(), v.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

func (v *values) text() string {
	n := v.IntN(10)
	runes := make([]rune, n)
	for i := range runes {
		runes[i] = pick(v.Rand, 'a', 'b', 'z', '0', ' ', '"', '\\', 'é', '日', '😀', '\n', 0)
	}
	return string(runes)
}

// Infinite reports whether a type inside s has no finite value. Versions of a
// schema can have such a type.
func Infinite(s *avsc.Schema) bool {
	var named []*avsc.Schema
	s.Walk(func(n *avsc.Schema) {
		if n.Kind == avsc.Record {
			named = append(named, n)
		}
	})
	ends := map[*avsc.Schema]bool{}
	var of func(n *avsc.Schema) bool
	of = func(n *avsc.Schema) bool {
		if n.Kind == avsc.Union {
			return slices.ContainsFunc(n.Branches, of)
		}
		return n.Kind != avsc.Record || ends[n]
	}
	for range named {
		for _, n := range named {
			ends[n] = !slices.ContainsFunc(n.Fields, func(f *avsc.Field) bool { return !of(f.Type) })
		}
	}
	return slices.ContainsFunc(named, func(n *avsc.Schema) bool { return !ends[n] })
}

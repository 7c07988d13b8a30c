package avsc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendDefault appends the Avro binary encoding of the default value v under
// s. The encoding is exact and never rounds a whole number. Under a union,
// AppendDefault takes the first branch that fits. Since Avro 1.12 the branch
// may be any branch (section "Unions"). Members that a record default does not
// have take the defaults of their fields. A string that is no UUID becomes the
// zero UUID under the logical type uuid. A value that does not fit is an error
// of type [Errors] with the place in v.
func (s *Schema) AppendDefault(dst []byte, v *Value) ([]byte, error) {
	e := encoder{dst: dst, budget: newBudget(0)}
	e.value(s, v)
	if err := e.errs.err(); err != nil {
		return nil, err
	}
	return e.dst, nil
}

// checkDefault returns the mistakes in the default v of a field of type s.
func checkDefault(s *Schema, v *Value, left *budget) Errors {
	e := encoder{budget: left}
	e.value(s, v)
	return e.errs
}

// budget limits the work on the defaults of one parse. The limit is necessary
// because defaults that use the defaults of other fields can double with every
// step.
type budget struct{ steps int }

func newBudget(values int) *budget { return &budget{1<<20 + 64*values} }

const maxDefault = 16 << 20 // maximum bytes of one encoded default

type encoder struct {
	dst        []byte
	errs       Errors
	misfits    []Misfit
	fitting    bool // see FitDefault
	budget     *budget
	depth      int
	overBudget bool
}

func (e *encoder) mistake(pos Pos, what, fix string) {
	e.errs = append(e.errs, &Error{Pos: pos, What: what, Fix: fix})
}

func (e *encoder) mismatch(s *Schema, v *Value) {
	what := "the default of type " + describe(s)
	if v.Kind == JSONNull && s.Kind != Union {
		e.mistake(v.Pos, "null is no default of type "+describe(s), "make the type a union with null, or write "+defaultShape(s))
		return
	}
	e.mistake(v.Pos, what+" is "+v.Kind.String(), "write "+defaultShape(s))
}

func describe(s *Schema) string {
	if s.Kind.Named() {
		return s.Kind.String() + " " + s.Name
	}
	return s.Kind.String()
}

func defaultShape(s *Schema) string {
	switch s.Kind {
	case Null:
		return "null"
	case Boolean:
		return "true or false"
	case Int, Long:
		return "a whole number"
	case Float, Double:
		return "a number"
	case String:
		return "a string"
	case Bytes, Fixed:
		return `a string of the bytes as code points \u0000 to \u00ff`
	case Enum:
		return "one of its symbols as a string"
	case Array:
		return "a JSON array"
	case Map, Record:
		return "a JSON object"
	default:
		return "a value of one of its branches"
	}
}

// value appends v as a value of s. A nil schema has a mistake that is already
// reported.
func (e *encoder) value(s *Schema, v *Value) {
	if s == nil || v.bad || e.overBudget {
		return
	}
	e.budget.steps--
	if e.budget.steps < 0 || e.depth > maxDepth || len(e.dst) > maxDefault {
		e.overBudget = true
		e.mistake(v.Pos, "this default is too large or refers to itself without end", "make the defaults of the types inside shorter, or nullable")
		return
	}
	e.depth++
	defer func() { e.depth-- }()
	switch s.Kind {
	case Null:
		if v.Kind != JSONNull {
			e.mismatch(s, v)
		}
	case Boolean:
		if v.Kind != JSONBool {
			e.mismatch(s, v)
			return
		}
		b := byte(0)
		if v.Bool {
			b = 1
		}
		e.dst = append(e.dst, b)
	case Int:
		e.whole(s, v, 32)
	case Long:
		e.whole(s, v, 64)
	case Float, Double:
		e.float(s, v)
	case String:
		if v.Kind != JSONString {
			e.mismatch(s, v)
			return
		}
		text := v.Str
		if s.Logical.Name == "uuid" {
			text = e.uuid(s, v)
		}
		e.long(int64(len(text)))
		e.dst = append(e.dst, text...)
	case Bytes, Fixed:
		e.bytes(s, v)
	case Enum:
		e.symbol(s, v)
	case Array:
		e.array(s, v)
	case Map:
		e.mapping(s, v)
	case Record:
		e.record(s, v)
	default:
		e.union(s, v)
	}
}

func (e *encoder) long(n int64) {
	e.dst = binary.AppendVarint(e.dst, n) // zig-zag, least significant group first, as in Avro
}

func (e *encoder) whole(s *Schema, v *Value, bits int) {
	if v.Kind != JSONNumber {
		e.mismatch(s, v)
		return
	}
	n, err := strconv.ParseInt(v.Text, 10, bits)
	switch {
	case errors.Is(err, strconv.ErrRange):
		lo, hi := int64(math.MinInt32), int64(math.MaxInt32)
		fix := "use a long, or a number from %d to %d"
		if bits == 64 {
			lo, hi, fix = math.MinInt64, math.MaxInt64, "use a number from %d to %d"
		}
		e.mistake(v.Pos, fmt.Sprintf("the default %s is out of the range of %s", shorten(v.Text), s.Kind), fmt.Sprintf(fix, lo, hi))
	case err != nil:
		e.mistake(v.Pos, fmt.Sprintf("the default %s of type %s is not written as a whole number", shorten(v.Text), s.Kind), "write it without fraction and exponent")
	default:
		if !e.checkTime(s, v, n) && e.fitting {
			n = 0
		}
		e.long(n)
	}
}

func (e *encoder) float(s *Schema, v *Value) {
	if v.Kind == JSONString && (v.Str == "NaN" || v.Str == "Infinity" || v.Str == "-Infinity") {
		e.mistake(v.Pos, fmt.Sprintf("%s is no default of type %s", v.Text, s.Kind), "JSON has finite numbers only; use a number, or a union with null")
		return
	}
	if v.Kind != JSONNumber {
		e.mismatch(s, v)
		return
	}
	bits := 64
	if s.Kind == Float {
		bits = 32
	}
	f, err := strconv.ParseFloat(v.Text, bits)
	if err != nil {
		e.mistake(v.Pos, fmt.Sprintf("the default %s is out of the range of %s", shorten(v.Text), s.Kind), "use a smaller number")
		return
	}
	if bits == 32 {
		e.dst = binary.LittleEndian.AppendUint32(e.dst, math.Float32bits(float32(f)))
	} else {
		e.dst = binary.LittleEndian.AppendUint64(e.dst, math.Float64bits(f))
	}
}

func (e *encoder) bytes(s *Schema, v *Value) {
	if v.Kind != JSONString {
		e.mismatch(s, v)
		return
	}
	n := utf8.RuneCountInString(v.Str)
	for _, c := range v.Str {
		if c > 0xff {
			e.mistake(v.Pos, fmt.Sprintf("the default of type %s has the character %q, which is no byte", describe(s), c), "write "+defaultShape(s))
			return
		}
	}
	if s.Kind == Bytes {
		e.long(int64(n))
	} else if n != s.Size {
		e.mistake(v.Pos, fmt.Sprintf("the default of type %s has %d bytes, not %d", describe(s), n, s.Size), "write exactly as many code points \\u0000 to \\u00ff")
		return
	}
	start := len(e.dst)
	for _, c := range v.Str {
		e.dst = append(e.dst, byte(c))
	}
	if number := e.dst[start:]; !e.checkDecimal(s, v, number) && e.fitting {
		clear(number)
	}
}

func (e *encoder) symbol(s *Schema, v *Value) {
	if v.Kind != JSONString {
		e.mismatch(s, v)
		return
	}
	for i, sym := range s.Symbols {
		if sym.Name == v.Str {
			e.long(int64(i))
			return
		}
	}
	e.mistake(v.Pos, fmt.Sprintf("the default %s is not one of the symbols of %s", shorten(v.Text), s.Name), "write one of them"+symbolHint(s, v.Str))
}

func (e *encoder) array(s *Schema, v *Value) {
	if v.Kind != JSONArray {
		e.mismatch(s, v)
		return
	}
	if len(v.Elems) > 0 {
		e.long(int64(len(v.Elems)))
		for _, elem := range v.Elems {
			e.value(s.Elem, elem)
		}
	}
	e.dst = append(e.dst, 0)
}

func (e *encoder) mapping(s *Schema, v *Value) {
	if v.Kind != JSONObject {
		e.mismatch(s, v)
		return
	}
	if len(v.Members) > 0 {
		e.long(int64(len(v.Members)))
		for _, m := range v.Members {
			e.long(int64(len(m.Key)))
			e.dst = append(e.dst, m.Key...)
			e.value(s.Elem, m.Value)
		}
	}
	e.dst = append(e.dst, 0)
}

func (e *encoder) record(s *Schema, v *Value) {
	if v.Kind != JSONObject {
		e.mismatch(s, v)
		return
	}
	var index map[string]int
	for _, f := range s.Fields {
		m := f.Default
		if given := find(v.Members, f.Name, &index); given != nil {
			m = given.Value
		}
		if m == nil {
			e.mistake(v.Pos, fmt.Sprintf("the default of record %s lacks %q, which has no default of its own", s.Name, f.Name), "add it")
			continue
		}
		e.value(f.Type, m)
	}
}

func (e *encoder) union(s *Schema, v *Value) {
	var best Errors // mistakes in the branch that v resembles
	looks := 0
	for i, b := range s.Branches {
		if b == nil {
			return // the mistake is already reported
		}
		try := encoder{dst: e.dst, fitting: e.fitting, budget: e.budget, depth: e.depth}
		try.long(int64(i))
		try.value(b, v)
		if try.errs == nil {
			e.dst, e.misfits = try.dst, append(e.misfits, try.misfits...)
			return
		}
		if try.overBudget {
			e.errs, e.overBudget = append(e.errs, try.errs...), true
			return
		}
		if fitsKind(b.Kind, v.Kind) {
			best = try.errs
			looks++
		}
	}
	if looks == 1 {
		e.errs = append(e.errs, best...)
		return
	}
	e.mistake(v.Pos, "the default "+shorten(v.Text)+" fits no branch of the union", "write a value of one of its branches, or add a branch")
}

// fitsKind reports whether values of kind k are written as JSON of kind j.
func fitsKind(k Kind, j JSONKind) bool {
	switch k {
	case Null:
		return j == JSONNull
	case Boolean:
		return j == JSONBool
	case Int, Long, Float, Double:
		return j == JSONNumber
	case Bytes, String, Enum, Fixed:
		return j == JSONString
	case Array:
		return j == JSONArray
	case Map, Record:
		return j == JSONObject
	default: // a branch is never a union
		return false
	}
}

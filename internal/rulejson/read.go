package rulejson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// Read returns goavro's value of a JSON text for the schema s. A member that is
// not a field is left out. A missing field stays missing if it has a default,
// and is null if its type has null. An error names the place, but not the
// value.
//
// JSON does not name the branch of a union. o is the value before the rule, and
// o decides at the same path. A value keeps its branch if the value fits
// exactly there. Otherwise exactly one branch must fit. If no branch fits
// exactly, a value may also fit with a rounded number or with members that are
// not fields.
func Read(s *avsc.Schema, text []byte, o Original) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the result is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the result is more than one JSON value")
	}
	return newReader(false).read(s, v, o, false)
}

// ReadTyped is [Read] for a result with the types nil, bool, int64, float64,
// string, []byte, []any and map[string]any, such as a result of CEL. The types
// of Go tell integers from floats, and strings from bytes.
func ReadTyped(s *avsc.Schema, v any, o Original) (any, error) {
	return newReader(true).read(s, v, o, false)
}

// placeError is an error with the path of the value.
type placeError struct {
	path, reason string
	// final is true if no other branch of a union may be tried.
	final bool
}

func (e *placeError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

func misfit(format string, args ...any) error {
	return &placeError{reason: fmt.Sprintf(format, args...)}
}

func inside(err error, step string) error {
	var e *placeError
	if errors.As(err, &e) {
		if e.path != "" && e.path[0] != '[' {
			step += "."
		}
		return &placeError{step + e.path, e.reason, e.final}
	}
	return err
}

func isFinal(err error) bool {
	var e *placeError
	return errors.As(err, &e) && e.final
}

const (
	// maxWork bounds the number of values that one result makes the reader
	// read. Nested unions whose branches look alike are read many times.
	maxWork = 10_000_000
	// keyBytes is the number of bytes of a key that count as one value.
	keyBytes = 16
)

// reader reads one result.
type reader struct {
	typed  bool
	work   int
	unions map[*avsc.Schema]bool // see hasUnion
}

func newReader(typed bool) *reader {
	return &reader{typed: typed, unions: map[*avsc.Schema]bool{}}
}

// read converts a value. If exact is true, the members of a record must be its
// fields.
func (r *reader) read(s *avsc.Schema, v any, o Original, exact bool) (any, error) {
	if r.work++; r.work > maxWork {
		return nil, &placeError{reason: "the result is too large to find the branches of its unions", final: true}
	}
	switch s.Kind {
	case avsc.Null:
		if v == nil {
			return nil, nil
		}
	case avsc.Boolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case avsc.Int, avsc.Long:
		if isNumber(v) {
			return readWhole(s, v)
		}
	case avsc.Float, avsc.Double:
		if f, ok, err := r.float(v); ok || err != nil {
			return fitFloat(s, f, o, err)
		}
	case avsc.String:
		if text, ok := v.(string); ok {
			return text, nil
		}
	case avsc.Enum:
		if text, ok := v.(string); ok {
			if !slices.ContainsFunc(s.Symbols, func(sym avsc.Symbol) bool { return sym.Name == text }) {
				return nil, misfit("the string is no symbol of %s", s.Name)
			}
			return text, nil
		}
	case avsc.Bytes, avsc.Fixed:
		if b, ok, err := r.bytes(v); ok || err != nil {
			if err == nil && s.Kind == avsc.Fixed && len(b) != s.Size {
				err = misfit("%d bytes where %s has %d", len(b), s.Name, s.Size)
			}
			return b, err
		}
	case avsc.Array:
		if list, ok := v.([]any); ok {
			return r.array(s, list, o, exact)
		}
	case avsc.Map:
		if m, ok := v.(map[string]any); ok {
			return r.mapping(s, m, o, exact)
		}
	case avsc.Record:
		if m, ok := v.(map[string]any); ok {
			return r.record(s, m, o, exact)
		}
	case avsc.Union:
		return r.union(s, v, o, exact)
	}
	return nil, misfit("%s where the schema has %s", kindOf(v), s.TypeName())
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number, int64, float64:
		return "a number"
	case string:
		return "a string"
	case []byte:
		return "bytes"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a value of type %T", v)
}

func isNumber(v any) bool {
	switch v.(type) {
	case json.Number, int64, float64:
		return true
	}
	return false
}

func readWhole(s *avsc.Schema, v any) (any, error) {
	i, ok := whole(v)
	if !ok || s.Kind == avsc.Int && i != int64(int32(i)) {
		return nil, misfit("the number is no %s", s.Kind)
	}
	if s.Kind == avsc.Int {
		return int32(i), nil
	}
	return i, nil
}

// whole returns a whole number. 3.0 and 1e3 are whole numbers, too.
func whole(v any) (int64, bool) {
	var f float64
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		f = v
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i, true
		}
		var err error
		if f, err = v.Float64(); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
}

// float returns a number. It returns false if v is of another type.
func (r *reader) float(v any) (float64, bool, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), true, nil
	case float64:
		return v, true, nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return 0, true, misfit("the number is out of range")
		}
		return f, true, nil
	case string:
		switch {
		case r.typed:
		case v == "NaN":
			return math.NaN(), true, nil
		case v == "Infinity":
			return math.Inf(1), true, nil
		case v == "-Infinity":
			return math.Inf(-1), true, nil
		}
	}
	return 0, false, nil
}

// fitFloat returns f for the type. An unchanged number stays the original, with
// the sign of zero and the bits of NaN.
func fitFloat(s *avsc.Schema, f float64, o Original, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	same := func(old float64) bool { return f == old || math.IsNaN(f) && math.IsNaN(old) }
	old := o.branch().Value
	if s.Kind == avsc.Double {
		if old, ok := old.(float64); ok && same(old) {
			return old, nil
		}
		return f, nil
	}
	if old, ok := old.(float32); ok && same(float64(old)) {
		return old, nil
	}
	if !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
		return nil, misfit("the number is out of range")
	}
	return float32(f), nil
}

// bytes returns bytes. It returns false if v is of another type.
func (r *reader) bytes(v any) ([]byte, bool, error) {
	switch v := v.(type) {
	case []byte:
		return v, true, nil
	case string:
		if r.typed {
			break
		}
		out := make([]byte, 0, len(v))
		for _, c := range v {
			if c > 0xFF {
				return nil, true, misfit("a character stands for no byte")
			}
			out = append(out, byte(c))
		}
		return out, true, nil
	}
	return nil, false, nil
}

func (r *reader) array(s *avsc.Schema, list []any, o Original, exact bool) (any, error) {
	out := make([]any, len(list))
	original := r.elements(list, o)
	for i, v := range list {
		var err error
		if out[i], err = r.read(s.Elem, v, original(i), exact); err != nil {
			return nil, inside(err, fmt.Sprintf("[%d]", i))
		}
	}
	return out, nil
}

func (r *reader) mapping(s *avsc.Schema, m map[string]any, o Original, exact bool) (any, error) {
	out := make(map[string]any, len(m))
	for key, v := range m {
		var err error
		if out[key], err = r.read(s.Elem, v, o.member(key), exact); err != nil {
			return nil, inside(err, "(a map's value)")
		}
	}
	return out, nil
}

func (r *reader) record(s *avsc.Schema, m map[string]any, o Original, exact bool) (any, error) {
	// The names are checked first, because they are cheap and often decide.
	known := 0
	for _, f := range s.Fields {
		if _, ok := m[f.Name]; ok {
			known++
		} else if f.Default == nil && (exact || !nullable(f.Type)) {
			return nil, inside(misfit("the field is missing, and has no default"), f.Name)
		}
	}
	if exact && known < len(m) {
		return nil, misfit("a member is no field of %s", s.Name)
	}
	out := make(map[string]any, len(s.Fields))
	for _, f := range s.Fields {
		v, ok := m[f.Name]
		if !ok && f.Default != nil {
			continue // goavro's value without the field gets the default
		}
		value, err := r.read(f.Type, v, o.member(f.Name), exact)
		if err != nil {
			return nil, inside(err, f.Name)
		}
		out[f.Name] = value
	}
	return out, nil
}

func nullable(s *avsc.Schema) bool {
	return s.Kind == avsc.Null || slices.ContainsFunc(s.Branches, func(b *avsc.Schema) bool { return b.Kind == avsc.Null })
}

// union returns the value in the branch that [Read] describes.
func (r *reader) union(s *avsc.Schema, v any, o Original, exact bool) (any, error) {
	had := -1 // the branch of the original
	if old := o.branch(); old.Schema != nil {
		had = slices.IndexFunc(s.Branches, func(b *avsc.Schema) bool { return b.TypeName() == old.Schema.TypeName() })
	}
	var first error // the reason for the first branch that is not null
	for _, strict := range []bool{true, false} {
		if !exact {
			first = nil
		}
		if had >= 0 {
			value, err := r.tryBranch(s.Branches[had], v, o, exact, strict)
			if err == nil || isFinal(err) {
				return value, err
			}
			first = cmp.Or(first, err)
		}
		var fits []string
		var fit any
		for i, b := range s.Branches {
			if i == had {
				continue
			}
			value, err := r.tryBranch(b, v, o, exact, strict)
			switch {
			case isFinal(err):
				return nil, err
			case err == nil:
				fits, fit = append(fits, b.TypeName()), value
			case b.Kind != avsc.Null:
				first = cmp.Or(first, err)
			}
		}
		switch {
		case len(fits) == 1:
			return fit, nil
		case len(fits) > 1:
			return nil, &placeError{
				reason: "the value is new and fits the branches " + strings.Join(fits, " and ") + " of the union, so the branch is not clear: let the rule keep the value, or use a union without this choice",
				final:  true,
			}
		}
	}
	if first == nil {
		first = misfit("%s fits no branch of the union", kindOf(v))
	}
	return nil, first
}

// tryBranch reads a value as a branch of a union. If strict is true, the
// members of a record must be its fields, and a number must lose no digit. In a
// typed result, an integer then fits only integers, and a float only floats.
func (r *reader) tryBranch(b *avsc.Schema, v any, o Original, exact, strict bool) (any, error) {
	if strict {
		if err := r.checkNumber(b, v); err != nil {
			return nil, err
		}
	} else if exact && !isNumber(v) {
		return nil, misfit("%s fits no branch of the union", kindOf(v)) // the strict attempt has failed
	}
	value, err := r.read(b, v, o, exact || strict)
	if err != nil || b.Kind == avsc.Null {
		return nil, err
	}
	return map[string]any{b.TypeName(): value}, nil
}

// checkNumber reports whether a number fits a branch without a change.
func (r *reader) checkNumber(b *avsc.Schema, v any) error {
	_, float := v.(float64)
	if r.typed && isNumber(v) && float != (b.Kind == avsc.Float || b.Kind == avsc.Double) {
		return misfit("a number of another type where the schema has %s", b.Kind)
	}
	if b.Kind != avsc.Float && b.Kind != avsc.Double {
		return nil
	}
	f, ok, err := r.float(v)
	if !ok || err != nil || math.IsNaN(f) {
		return err
	}
	i, isWhole := whole(v)
	if b.Kind == avsc.Float && float64(float32(f)) != f || isWhole && int64(f) != i {
		return misfit("the number does not fit into a %s without a change", b.Kind)
	}
	return nil
}

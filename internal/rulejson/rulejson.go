// Package rulejson converts goavro's values to JSON without the names of union
// branches, and back. The rules of a registry see records in this form. Numbers
// keep their digits. Bytes are characters up to U+00FF. Logical types are not
// interpreted.
package rulejson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/avroline/avroline/internal/avsc"
)

// Append appends the JSON of goavro's value v of the schema s. NaN and the
// infinities become strings, as in Avro's JSON encoding.
func Append(dst []byte, s *avsc.Schema, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float32:
		return appendFloat(dst, float64(v)), nil
	case float64:
		return appendFloat(dst, v), nil
	case string:
		return appendString(dst, v)
	case []byte:
		runes := make([]rune, len(v))
		for i, b := range v {
			runes[i] = rune(b)
		}
		return appendString(dst, string(runes))
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			var err error
			if dst, err = Append(appendComma(dst, i), s.Elem, e); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		return appendObject(dst, s, v)
	}
	return dst, fmt.Errorf("a value of type %T has no JSON form", v)
}

func appendObject(dst []byte, s *avsc.Schema, m map[string]any) (_ []byte, err error) {
	if s.Kind == avsc.Union {
		for _, b := range s.Branches {
			if v, ok := m[branchName(b)]; ok {
				return Append(dst, b, v)
			}
		}
		return dst, errors.New("a value has no branch of its union")
	}
	dst = append(dst, '{')
	member := func(i int, name string, s *avsc.Schema) error {
		if dst, err = appendString(appendComma(dst, i), name); err != nil {
			return err
		}
		dst, err = Append(append(dst, ':'), s, m[name])
		return err
	}
	if s.Kind == avsc.Record {
		for i, f := range s.Fields {
			if err := member(i, f.Name, f.Type); err != nil {
				return dst, err
			}
		}
	} else {
		for i, key := range slices.Sorted(maps.Keys(m)) {
			if err := member(i, key, s.Elem); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, '}'), nil
}

func branchName(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Kind.String()
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

func appendString(dst []byte, s string) ([]byte, error) {
	text, err := json.Marshal(s)
	return append(dst, text...), err
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// Read returns goavro's value of a JSON text for the schema s. A member that is
// not a field is left out. A missing field stays missing if it has a default,
// and is null if its type has null. A value of a union gets the first branch
// that fits exactly, or else the first one that fits. An error names the place,
// but not the value.
func Read(s *avsc.Schema, text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the result is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the result is more than one JSON value")
	}
	return read(s, v, false)
}

// placeError is an error with the path of the value.
type placeError struct {
	path, reason string
}

func (e *placeError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

func inside(err error, step string) error {
	var e *placeError
	if errors.As(err, &e) {
		if e.path != "" && e.path[0] != '[' {
			step += "."
		}
		return &placeError{step + e.path, e.reason}
	}
	return err
}

// read converts a value. If exact is true, a member that is not a field is an
// error.
func read(s *avsc.Schema, v any, exact bool) (any, error) {
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
		if n, ok := v.(json.Number); ok {
			return readWhole(s, n)
		}
	case avsc.Float, avsc.Double:
		return readFloat(s, v)
	case avsc.String:
		if text, ok := v.(string); ok {
			return text, nil
		}
	case avsc.Enum:
		if text, ok := v.(string); ok {
			if !slices.ContainsFunc(s.Symbols, func(sym avsc.Symbol) bool { return sym.Name == text }) {
				return nil, &placeError{"", "the string is no symbol of " + s.Name}
			}
			return text, nil
		}
	case avsc.Bytes, avsc.Fixed:
		if text, ok := v.(string); ok {
			return readBytes(s, text)
		}
	case avsc.Array:
		if list, ok := v.([]any); ok {
			return readArray(s, list, exact)
		}
	case avsc.Map:
		if m, ok := v.(map[string]any); ok {
			return readMap(s, m, exact)
		}
	case avsc.Record:
		if m, ok := v.(map[string]any); ok {
			return readRecord(s, m, exact)
		}
	case avsc.Union:
		return readUnion(s, v, exact)
	}
	return nil, &placeError{"", kindOf(v) + " where the schema has " + branchName(s)}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

func readWhole(s *avsc.Schema, n json.Number) (any, error) {
	bits := 64
	if s.Kind == avsc.Int {
		bits = 32
	}
	i, err := strconv.ParseInt(n.String(), 10, bits)
	if err != nil { // 3.0 and 1e3 are whole numbers, too
		f, ferr := n.Float64()
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || bits == 32 && math.Abs(f) > math.MaxInt32 {
			return nil, &placeError{"", fmt.Sprintf("the number is no %s", s.Kind)}
		}
		i = int64(f)
	}
	if bits == 32 {
		return int32(i), nil
	}
	return i, nil
}

func readFloat(s *avsc.Schema, v any) (any, error) {
	var f float64
	switch v := v.(type) {
	case json.Number:
		var err error
		if f, err = v.Float64(); err != nil {
			return nil, &placeError{"", "the number is out of range"}
		}
	case string:
		switch v {
		case "NaN":
			f = math.NaN()
		case "Infinity":
			f = math.Inf(1)
		case "-Infinity":
			f = math.Inf(-1)
		default:
			return nil, &placeError{"", "a string where the schema has " + s.Kind.String()}
		}
	default:
		return nil, &placeError{"", kindOf(v) + " where the schema has " + s.Kind.String()}
	}
	if s.Kind == avsc.Float {
		if !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
			return nil, &placeError{"", "the number is out of range"}
		}
		return float32(f), nil
	}
	return f, nil
}

func readBytes(s *avsc.Schema, text string) (any, error) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return nil, &placeError{"", "a character stands for no byte"}
		}
		out = append(out, byte(r))
	}
	if s.Kind == avsc.Fixed && len(out) != s.Size {
		return nil, &placeError{"", fmt.Sprintf("%d bytes where %s has %d", len(out), s.Name, s.Size)}
	}
	return out, nil
}

func readArray(s *avsc.Schema, list []any, exact bool) (any, error) {
	out := make([]any, len(list))
	for i, v := range list {
		var err error
		if out[i], err = read(s.Elem, v, exact); err != nil {
			return nil, inside(err, fmt.Sprintf("[%d]", i))
		}
	}
	return out, nil
}

func readMap(s *avsc.Schema, m map[string]any, exact bool) (any, error) {
	out := make(map[string]any, len(m))
	for key, v := range m {
		var err error
		if out[key], err = read(s.Elem, v, exact); err != nil {
			return nil, inside(err, "(a map's value)")
		}
	}
	return out, nil
}

func readRecord(s *avsc.Schema, m map[string]any, exact bool) (any, error) {
	out := make(map[string]any, len(s.Fields))
	known := 0
	for _, f := range s.Fields {
		v, ok := m[f.Name]
		if ok {
			known++
		} else if f.Default != nil {
			continue // goavro's value without the field gets the default
		} else if f.Type.Kind != avsc.Null && !slices.ContainsFunc(f.Type.Branches, func(b *avsc.Schema) bool { return b.Kind == avsc.Null }) {
			return nil, &placeError{f.Name, "the field is missing, and has no default"}
		}
		value, err := read(f.Type, v, exact)
		if err != nil {
			return nil, inside(err, f.Name)
		}
		out[f.Name] = value
	}
	if exact && known < len(m) {
		return nil, &placeError{"", "a member is no field of " + s.Name}
	}
	return out, nil
}

func readUnion(s *avsc.Schema, v any, exact bool) (any, error) {
	var first error
	for _, strict := range []bool{true, false} {
		if exact && !strict {
			break
		}
		for _, b := range s.Branches {
			value, err := read(b, v, strict)
			switch {
			case err != nil:
				if first == nil && b.Kind != avsc.Null {
					first = err
				}
			case b.Kind == avsc.Null:
				return nil, nil
			default:
				return map[string]any{branchName(b): value}, nil
			}
		}
	}
	if first == nil {
		first = &placeError{"", kindOf(v) + " fits no branch of the union"}
	}
	return nil, first
}

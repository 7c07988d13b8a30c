package serde

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

// unions is the way in which JSON gives the branch of a union.
type unions bool

const (
	tagged   unions = false // Avro's JSON encoding: {"string": "x"}
	untagged unions = true  // a default: the first branch that fits
)

// fromJSON returns goavro's value of a JSON value. The error unwraps to an
// *[avsc.Error].
func (g *Generic) fromJSON(s *avsc.Schema, v *avsc.Value, how unions) (any, error) {
	switch s.Kind {
	case avsc.Null:
		if v.Kind == avsc.JSONNull {
			return nil, nil
		}
	case avsc.Boolean:
		if v.Kind == avsc.JSONBool {
			return v.Bool, nil
		}
	case avsc.Int, avsc.Long:
		if v.Kind == avsc.JSONNumber {
			return wholeFromJSON(s, v)
		}
	case avsc.Float, avsc.Double:
		if v.Kind == avsc.JSONNumber || v.Kind == avsc.JSONString {
			return floatFromJSON(s, v)
		}
	case avsc.Bytes, avsc.Fixed:
		if v.Kind == avsc.JSONString {
			return bytesFromJSON(s, v)
		}
	case avsc.String:
		if v.Kind == avsc.JSONString {
			return v.Str, nil
		}
	case avsc.Enum:
		if v.Kind == avsc.JSONString {
			if !slices.Contains(symbols(s), v.Str) {
				return nil, mistake(v, fmt.Sprintf("%q is no symbol of %s", v.Str, s.Name), "it is one of "+strings.Join(symbols(s), ", "))
			}
			return g.goavroName(v.Str), nil
		}
	case avsc.Array:
		if v.Kind == avsc.JSONArray {
			out := make([]any, len(v.Elems))
			for i, e := range v.Elems {
				var err error
				if out[i], err = g.fromJSON(s.Elem, e, how); err != nil {
					return nil, inside(err, fmt.Sprintf("[%d]", i))
				}
			}
			return out, nil
		}
	case avsc.Map:
		if v.Kind == avsc.JSONObject {
			out := make(map[string]any, len(v.Members))
			for _, m := range v.Members {
				var err error
				if out[m.Key], err = g.fromJSON(s.Elem, m.Value, how); err != nil {
					return nil, inside(err, fmt.Sprintf("[%q]", m.Key))
				}
			}
			return out, nil
		}
	case avsc.Record:
		if v.Kind == avsc.JSONObject {
			return g.recordFromJSON(s, v, how)
		}
	case avsc.Union:
		if how == untagged {
			return g.defaultOfUnion(s, v)
		}
		return g.unionFromJSON(s, v)
	}
	return nil, mistake(v, fmt.Sprintf("%s where the schema has %s", v.Kind, s.TypeName()), "")
}

// pathError is an error with the path of the value inside the record.
type pathError struct {
	path    string
	mistake *avsc.Error
}

func (e *pathError) Error() string { return e.flat().Error() }
func (e *pathError) Unwrap() error { return e.flat() }

// flat returns the error with the path in the text.
func (e *pathError) flat() *avsc.Error {
	flat := *e.mistake
	flat.What = strings.TrimPrefix(e.path, ".") + ": " + flat.What
	return &flat
}

// inside adds a step to the path of an error.
func inside(err error, step string) error {
	switch e := err.(type) { //nolint:errorlint // made in this file, never wrapped
	case *pathError:
		return &pathError{step + e.path, e.mistake}
	case *avsc.Error:
		return &pathError{step, e}
	}
	return err
}

func mistake(v *avsc.Value, what, fix string) error {
	return &avsc.Error{Pos: v.Pos, What: what, Fix: fix}
}

func wholeFromJSON(s *avsc.Schema, v *avsc.Value) (any, error) {
	bits := 64
	if s.Kind == avsc.Int {
		bits = 32
	}
	n, err := strconv.ParseInt(v.Text, 10, bits)
	if err != nil {
		return nil, mistake(v, fmt.Sprintf("%s is no %s", v.Text, s.Kind), fmt.Sprintf("give a whole number of %d bits", bits))
	}
	if s.Kind == avsc.Int {
		return int32(n), nil
	}
	return n, nil
}

func floatFromJSON(s *avsc.Schema, v *avsc.Value) (any, error) {
	var f float64
	var err error
	bits := 64
	if s.Kind == avsc.Float {
		bits = 32
	}
	switch {
	case v.Kind == avsc.JSONNumber:
		f, err = strconv.ParseFloat(v.Text, bits)
	case v.Str == "NaN":
		f = math.NaN()
	case v.Str == "Infinity", v.Str == "-Infinity":
		f, err = strconv.ParseFloat(v.Str, 64)
	default:
		return nil, mistake(v, fmt.Sprintf("%q where the schema has %s", v.Str, s.Kind), `the strings that it knows are "NaN", "Infinity" and "-Infinity"`)
	}
	if err != nil {
		return nil, mistake(v, fmt.Sprintf("%s does not fit %s", v.Text, s.Kind), "")
	}
	if s.Kind == avsc.Float {
		return float32(f), nil
	}
	return f, nil
}

func bytesFromJSON(s *avsc.Schema, v *avsc.Value) (any, error) {
	out := make([]byte, 0, len(v.Str))
	for _, r := range v.Str {
		if r > 0xFF {
			return nil, mistake(v, fmt.Sprintf("%q stands for no byte", r), `write bytes as characters from "\u0000" to "\u00ff"`)
		}
		out = append(out, byte(r))
	}
	if s.Kind == avsc.Fixed && len(out) != s.Size {
		return nil, mistake(v, fmt.Sprintf("%d bytes for %s", len(out), s.Name), fmt.Sprintf("it has %d", s.Size))
	}
	if isEmptyFixed(s) {
		return map[string]any{}, nil
	}
	return out, nil
}

func (g *Generic) recordFromJSON(s *avsc.Schema, v *avsc.Value, how unions) (any, error) {
	out := make(map[string]any, len(s.Fields))
	given := 0
	for _, f := range s.Fields {
		value, fieldHow := v.Member(f.Name), how
		if value != nil {
			given++
		} else if value, fieldHow = f.Default, untagged; value == nil {
			return nil, mistake(v, fmt.Sprintf("field %s of %s is not there", f.Name, s.Name), "it has no default: give it a value")
		}
		var err error
		if out[g.goavroName(f.Name)], err = g.fromJSON(f.Type, value, fieldHow); err != nil {
			return nil, inside(err, "."+f.Name)
		}
	}
	if given < len(v.Members) {
		for _, m := range v.Members {
			if !g.isField(out, m.Key) {
				return nil, &avsc.Error{Pos: m.KeyPos, What: fmt.Sprintf("%s has no field %q", s.Name, m.Key)}
			}
		}
	}
	return out, nil
}

func (g *Generic) unionFromJSON(s *avsc.Schema, v *avsc.Value) (any, error) {
	if v.Kind == avsc.JSONObject && len(v.Members) == 1 {
		for _, b := range s.Branches {
			if m := v.Members[0]; b.TypeName() == m.Key && b.Kind != avsc.Null {
				value, err := g.fromJSON(b, m.Value, tagged)
				if err != nil {
					return nil, err
				}
				return map[string]any{g.branch(b): value}, nil
			}
		}
	}
	for _, b := range s.Branches {
		if b.Kind == avsc.Null && v.Kind == avsc.JSONNull {
			return nil, nil
		}
	}
	return nil, mistake(v, "no branch of the union of "+strings.Join(branchNames(s), ", "), g.howToWrite(s, v))
}

// howToWrite explains how JSON names a branch of the union s. If v fits a
// branch, that branch is the example.
func (g *Generic) howToWrite(s *avsc.Schema, v *avsc.Value) string {
	var example, null string
	for _, b := range s.Branches {
		if b.Kind == avsc.Null {
			null = "null, or "
			continue
		}
		if _, err := g.fromJSON(b, v, tagged); err == nil {
			if text := string(v.AppendCompact(nil)); len(text) <= 40 {
				return fmt.Sprintf("write {%q: %s}", b.TypeName(), text)
			}
		}
		if example == "" {
			example = fmt.Sprintf("{%q: …}", b.TypeName())
		}
	}
	if example == "" {
		return "write null"
	}
	return "write " + null + "the branch's name with the value: " + example
}

func (g *Generic) defaultOfUnion(s *avsc.Schema, v *avsc.Value) (any, error) {
	for _, b := range s.Branches {
		value, err := g.fromJSON(b, v, untagged)
		switch {
		case err != nil:
		case b.Kind == avsc.Null:
			return nil, nil
		default:
			return map[string]any{g.branch(b): value}, nil
		}
	}
	return nil, mistake(v, "the default is of no branch of the union", "")
}

// appendJSON appends goavro's value v of the schema s.
func (g *Generic) appendJSON(dst []byte, s *avsc.Schema, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float32:
		return appendFloat(dst, float64(v))
	case float64:
		return appendFloat(dst, v)
	case string:
		if s.Kind == avsc.Enum {
			v = g.symbol(v)
		}
		return appendString(dst, v)
	case []byte:
		return appendBytes(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			dst = g.appendJSON(appendComma(dst, i), s.Elem, e)
		}
		return append(dst, ']')
	}
	if s.Kind == avsc.Fixed {
		return append(dst, `""`...)
	}
	m := v.(map[string]any)
	dst = append(dst, '{')
	switch s.Kind {
	case avsc.Record:
		for i, f := range s.Fields {
			dst = append(appendString(appendComma(dst, i), f.Name), ':')
			dst = g.appendJSON(dst, f.Type, m[g.goavroName(f.Name)])
		}
	case avsc.Map:
		for i, key := range slices.Sorted(maps.Keys(m)) {
			dst = append(appendString(appendComma(dst, i), key), ':')
			dst = g.appendJSON(dst, s.Elem, m[key])
		}
	default: // a union
		b, value := g.branchOf(s, v)
		dst = append(appendString(dst, b.TypeName()), ':')
		dst = g.appendJSON(dst, b, value)
	}
	return append(dst, '}')
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 0):
		if f < 0 {
			return append(dst, `"-Infinity"`...)
		}
		return append(dst, `"Infinity"`...)
	}
	return appendFinite(dst, f, 64)
}

// appendFinite appends a number. Java takes -0 for the integer 0, so a negative
// zero is -0.0.
func appendFinite(dst []byte, f float64, bits int) []byte {
	if f == 0 && math.Signbit(f) {
		return append(dst, "-0.0"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendString replaces invalid UTF-8 by U+FFFD, because JSON cannot contain
// invalid UTF-8.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// appendBytes writes each byte as the character with the same number.
func appendBytes(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		if c >= utf8.RuneSelf {
			dst = fmt.Appendf(dst, `\u%04x`, c)
			continue
		}
		dst = appendRune(dst, rune(c))
	}
	return append(dst, '"')
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	return utf8.AppendRune(dst, r)
}

package rulejson

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/avroline/avroline/internal/avsc"
)

// Original is the value that a record had before the rules, with its schema.
// The zero Original means that there was no value.
type Original struct {
	Schema *avsc.Schema
	Value  any // in goavro's form
}

// branch returns the value of a union's branch. Any other value stays itself.
func (o Original) branch() Original {
	if o.Schema == nil || o.Schema.Kind != avsc.Union {
		return o
	}
	m, _ := o.Value.(map[string]any)
	for _, b := range o.Schema.Branches {
		if v, ok := m[b.TypeName()]; ok {
			return Original{b, v}
		}
	}
	return Original{}
}

// member returns the value of a field or of a map's key.
func (o Original) member(name string) Original {
	o = o.branch()
	m, ok := o.Value.(map[string]any)
	if !ok {
		return Original{}
	}
	v, ok := m[name]
	if !ok {
		return Original{}
	}
	if o.Schema.Kind == avsc.Map {
		return Original{o.Schema.Elem, v}
	}
	for _, f := range o.Schema.Fields {
		if f.Name == name {
			return Original{f.Type, v}
		}
	}
	return Original{}
}

// elements pairs the elements of a result with the elements of the original
// array. A rule may remove or move elements. So an element that the rule did
// not change gets the element that it was. A changed element gets the element
// with the same index, if the number of elements is the same.
func (r *reader) elements(list []any, o Original) func(i int) Original {
	o = o.branch()
	old, ok := o.Value.([]any)
	if !ok {
		return func(int) Original { return Original{} }
	}
	at := func(i int) Original {
		if i < 0 || i >= len(old) {
			return Original{}
		}
		return Original{o.Schema.Elem, old[i]}
	}
	if !r.hasUnion(o.Schema.Elem) {
		return at
	}
	keys := make([]string, len(old))
	byKey := make(map[string]int, len(old))
	for i := range old {
		keys[i] = string(r.appendOriginalKey(nil, at(i)))
		r.work += len(keys[i]) / keyBytes
		if j, ok := byKey[keys[i]]; !ok {
			byKey[keys[i]] = i
		} else if j >= 0 && !reflect.DeepEqual(old[i], old[j]) {
			byKey[keys[i]] = -1 // two branches look alike
		}
	}
	sameLength := len(list) == len(old)
	return func(i int) Original {
		key := string(appendKey(nil, list[i]))
		r.work += len(key) / keyBytes
		j, known := byKey[key]
		if sameLength && (keys[i] == key || !known) {
			return at(i)
		}
		if !known {
			return Original{}
		}
		return at(j)
	}
}

// hasUnion reports whether the type or a part of the type is a union.
func (r *reader) hasUnion(s *avsc.Schema) bool {
	found, ok := r.unions[s]
	if !ok {
		s.Walk(func(s *avsc.Schema) { found = found || s.Kind == avsc.Union })
		r.unions[s] = found
	}
	return found
}

// appendKey appends a text that is the same for equal values of a result.
func appendKey(dst []byte, v any) []byte {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return strconv.AppendInt(dst, i, 10)
		}
		f, _ := v.Float64()
		return appendNumberKey(dst, f)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendNumberKey(dst, v)
	case string:
		return strconv.AppendQuote(dst, v)
	case []byte:
		return strconv.AppendQuote(append(dst, 'b'), string(v))
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = append(appendKey(dst, e), ',')
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			dst = append(appendKey(append(strconv.AppendQuote(dst, name), ':'), v[name]), ',')
		}
		return append(dst, '}')
	case bool:
		return strconv.AppendBool(dst, v)
	}
	return append(dst, "null"...)
}

// appendNumberKey appends whole numbers as integers, because JSON does not tell
// 3.0 and 3 apart.
func appendNumberKey(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendOriginalKey appends the key of the original. An unchanged value has the
// same key in the result.
func (r *reader) appendOriginalKey(dst []byte, o Original) []byte {
	o = o.branch()
	switch v := o.Value.(type) {
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case float32:
		return r.appendOriginalKey(dst, Original{o.Schema, float64(v)})
	case float64:
		if !r.typed && (math.IsNaN(v) || math.IsInf(v, 0)) {
			var text string
			_ = json.Unmarshal(appendFloat(nil, v), &text)
			return strconv.AppendQuote(dst, text)
		}
	case []byte:
		if !r.typed {
			return strconv.AppendQuote(dst, latin1(v))
		}
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = append(r.appendOriginalKey(dst, Original{o.Schema.Elem, e}), ',')
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			dst = append(r.appendOriginalKey(append(strconv.AppendQuote(dst, name), ':'), o.member(name)), ',')
		}
		return append(dst, '}')
	}
	return appendKey(dst, o.Value)
}

// latin1 returns the bytes as characters up to U+00FF.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

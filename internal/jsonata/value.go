package jsonata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A value is one of these Go types:
//
//	undefined        no value, such as a member that does not exist
//	nil              null
//	bool, string
//	int64, float64   a number
//	*array
//	*object
//	*function

// undefined means that there is no value.
type undefined struct{}

func isUndefined(v any) bool { _, ok := v.(undefined); return ok }

// array is an array or a sequence. A sequence with one value is equal to this
// value.
type array struct {
	items    []any
	sequence bool
	keep     bool // a sequence of one value stays an array
	cons     bool // made by an array constructor in a path
	wrapper  bool // holds the input, which is an array
}

func newSequence(items ...any) *array { return &array{items: items, sequence: true} }

// object keeps the order of its members.
type object struct {
	keys   []string
	values map[string]any
}

func newObject() *object { return &object{values: make(map[string]any)} }

func (o *object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

func (o *object) get(key string) any {
	if v, ok := o.values[key]; ok {
		return v
	}
	return undefined{}
}

func (o *object) remove(key string) {
	if _, ok := o.values[key]; ok {
		delete(o.values, key)
		o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	}
}

// function is a function of the language.
type function struct {
	name   string
	params int // the number of parameters; -1 for any number
	call   func(ev *evaluation, args []any, context any) (any, error)
	match  matcher // of a regular expression, or nil

	matchSize int // the instructions of the regular expression
}

// parseNumber returns an int64 if the text is an integer that fits into an
// int64.
func parseNumber(text string) (any, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// maxJSONDepth bounds the nesting of the input.
const maxJSONDepth = 1000

// fromJSON reads a JSON text.
func fromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("JSONata: the input is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("JSONata: the input is more than one JSON value")
	}
	return v, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxJSONDepth {
		return nil, errors.New("the value is nested too deeply")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			a := &array{}
			for d.More() {
				v, err := readValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				a.items = append(a.items, v)
			}
			_, err := d.Token()
			return a, err
		}
		o := newObject()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.set(key.(string), v)
		}
		_, err := d.Token()
		return o, err
	case json.Number:
		if v, ok := parseNumber(t.String()); ok {
			return v, nil
		}
		return nil, fmt.Errorf("%w: a number is out of range", errUnusable)
	}
	return t, nil
}

var errUnusable = errors.New("unusable value")

// appendJSON appends the JSON text of v. A function becomes an empty string, as
// in the other implementations.
func appendJSON(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v)
	case string:
		text, err := json.Marshal(v)
		if err == nil && bytes.Contains(text, []byte(`\u00`)) { // Marshal escapes some characters for HTML
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			err = e.Encode(v)
			text = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		}
		return append(dst, text...), err
	case *array:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			if isUndefined(item) {
				item = nil
			}
			var err error
			if dst, err = appendJSON(dst, item); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case *object:
		dst = append(dst, '{')
		first := true
		for _, key := range v.keys {
			if isUndefined(v.values[key]) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			var err error
			if dst, err = appendJSON(dst, key); err != nil {
				return dst, err
			}
			if dst, err = appendJSON(append(dst, ':'), v.values[key]); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return append(dst, `""`...), nil
}

// appendFloat writes a whole number without a fraction.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, errors.New("a number is not finite")
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendFloat(dst, f, 'f', 0, 64), nil
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64), nil
}

// number returns v as a number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// whole returns the number f as an int64 if f is a whole number and a float64
// can hold it exactly.
func whole(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return f
}

func negate(v any) any {
	switch v := v.(type) {
	case int64:
		if v != math.MinInt64 {
			return -v
		}
		return -float64(v)
	case float64:
		return -v
	}
	return v
}

// equal compares by value.
func equal(a, b any) bool {
	switch x := a.(type) {
	case *array:
		y, ok := b.(*array)
		return ok && slices.EqualFunc(x.items, y.items, equal)
	case *object:
		y, ok := b.(*object)
		if !ok || len(x.keys) != len(y.keys) {
			return false
		}
		for _, key := range x.keys {
			if other, ok := y.values[key]; !ok || !equal(x.values[key], other) {
				return false
			}
		}
		return true
	case int64:
		if y, ok := b.(int64); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	return a == b
}

// boolean returns the truth of a value. undefined is false.
func boolean(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case *array:
		if len(v.items) == 1 {
			return boolean(v.items[0])
		}
		return slices.ContainsFunc(v.items, boolean)
	case *object:
		return len(v.keys) > 0
	}
	return false // undefined, null or a function
}

// text returns the string form of a value, like $string.
func text(v any) (string, error) {
	switch v := v.(type) {
	case undefined:
		return "", nil
	case string:
		return v, nil
	case *function:
		return "", nil
	case float64:
		return numberText(v)
	}
	out, err := appendJSON(nil, rounded(v))
	return string(out), err
}

// numberText writes a number with 15 digits at most.
func numberText(f float64) (string, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "", errors.New("a number that is not finite has no text")
	}
	f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if abs := math.Abs(f); f != 0 && (abs < 1e-6 || abs >= 1e21) {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		sign := exponent[:1]
		return mantissa + "e" + sign + strings.TrimLeft(exponent[1:], "0"), nil
	}
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}

// rounded returns v with the numbers of [numberText].
func rounded(v any) any {
	switch v := v.(type) {
	case float64:
		f, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64)
		return f
	case *array:
		out := &array{}
		for _, item := range v.items {
			out.items = append(out.items, rounded(item))
		}
		return out
	case *object:
		out := newObject()
		for _, key := range v.keys {
			out.set(key, rounded(v.values[key]))
		}
		return out
	}
	return v
}

// Package rulejson converts goavro's values to JSON without the names of union
// branches, and back. The rules of a registry see records in this form. Numbers
// keep their digits. Bytes are characters up to U+00FF. Logical types are not
// interpreted. Package rulejson also reads the results of CEL.
package rulejson

import (
	"encoding/json"
	"errors"
	"fmt"
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
		return appendString(dst, latin1(v))
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
			if v, ok := m[b.TypeName()]; ok {
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

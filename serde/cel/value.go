package cel

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types/ref"

	"github.com/avroline/avroline/internal/avsc"
)

// toCEL converts goavro's value v of the schema s for CEL. A union becomes the
// value of its branch, and numbers have 64 bits.
func toCEL(s *avsc.Schema, v any) any {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case float32:
		return float64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = toCEL(s.Elem, v[i])
		}
		return out
	case map[string]any:
		switch s.Kind {
		case avsc.Union:
			branch, _, value := branchOf(s, v)
			if branch == nil {
				return nil
			}
			return toCEL(branch, value)
		case avsc.Map:
			out := make(map[string]any, len(v))
			for key := range v {
				out[key] = toCEL(s.Elem, v[key])
			}
			return out
		}
		out := make(map[string]any, len(v))
		for _, f := range s.Fields {
			out[f.Name] = toCEL(f.Type, v[f.Name])
		}
		return out
	}
	return v
}

// branchOf returns the branch of a union that goavro's value has, with its
// name. It returns nil for null.
func branchOf(s *avsc.Schema, v any) (branch *avsc.Schema, name string, value any) {
	m, _ := v.(map[string]any)
	for _, b := range s.Branches {
		name := branchName(b)
		if value, ok := m[name]; ok {
			return b, name, value
		}
	}
	return nil, "", nil
}

func branchName(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Kind.String()
}

// toGoavro converts a result of CEL to goavro's value of the schema s. An error
// names the type, but not the value.
func toGoavro(s *avsc.Schema, v any) (any, error) {
	if r, ok := v.(ref.Val); ok {
		v = r.Value()
	}
	unfit := fmt.Errorf("the result of type %T is no value of %s", v, branchName(s))
	switch s.Kind {
	case avsc.Null:
		if isNull(v) {
			return nil, nil
		}
	case avsc.Boolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case avsc.String, avsc.Enum:
		if text, ok := v.(string); ok {
			return text, nil
		}
	case avsc.Bytes, avsc.Fixed:
		if b, ok := v.([]byte); ok {
			return b, nil
		}
	case avsc.Int:
		if n, ok := whole(v); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n), nil
		}
	case avsc.Long:
		if n, ok := whole(v); ok {
			return n, nil
		}
	case avsc.Float, avsc.Double:
		var f float64
		switch n := v.(type) {
		case float64:
			f = n
		case int64:
			f = float64(n)
		default:
			return nil, unfit
		}
		if s.Kind == avsc.Float {
			if !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
				return nil, errors.New("the result is out of range for float")
			}
			return float32(f), nil
		}
		return f, nil
	case avsc.Union:
		if isNull(v) {
			return nil, nil
		}
		for _, b := range s.Branches {
			if b.Kind == avsc.Null {
				continue
			}
			if value, err := toGoavro(b, v); err == nil {
				return map[string]any{branchName(b): value}, nil
			}
		}
	case avsc.Array:
		return arrayToGoavro(s, v, unfit)
	case avsc.Map, avsc.Record:
		return mapToGoavro(s, v, unfit)
	}
	return nil, unfit
}

// whole returns a whole number. A double such as 3.0 is a whole number, too.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

// isNull reports whether v is nil or CEL's null.
func isNull(v any) bool { return v == nil || fmt.Sprintf("%T", v) == "structpb.NullValue" }

func arrayToGoavro(s *avsc.Schema, v any, unfit error) (any, error) {
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return nil, unfit
	}
	out := make([]any, list.Len())
	for i := range out {
		elem, err := toGoavro(s.Elem, list.Index(i).Interface())
		if err != nil {
			return nil, err
		}
		out[i] = elem
	}
	return out, nil
}

func mapToGoavro(s *avsc.Schema, v any, unfit error) (any, error) {
	m := reflect.ValueOf(v)
	if m.Kind() != reflect.Map {
		return nil, unfit
	}
	out := make(map[string]any, m.Len())
	for it := m.MapRange(); it.Next(); {
		k := it.Key().Interface()
		if r, ok := k.(ref.Val); ok {
			k = r.Value()
		}
		key, ok := k.(string)
		if !ok {
			return nil, unfit
		}
		elem := s.Elem
		if s.Kind == avsc.Record {
			elem = nil
			for _, f := range s.Fields {
				if f.Name == key {
					elem = f.Type
				}
			}
			if elem == nil {
				continue // Confluent's clients leave such a member out, too
			}
		}
		value, err := toGoavro(elem, it.Value().Interface())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out[key] = value
	}
	if s.Kind == avsc.Record {
		for _, f := range s.Fields {
			// A missing field that may be null is null.
			if _, ok := out[f.Name]; !ok && f.Default == nil && slices.ContainsFunc(f.Type.Branches, func(b *avsc.Schema) bool { return b.Kind == avsc.Null }) {
				out[f.Name] = nil
			}
		}
	}
	return out, nil
}

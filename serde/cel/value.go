package cel

import (
	"fmt"
	"reflect"

	"github.com/google/cel-go/common/types/ref"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/rulejson"
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
		name := b.TypeName()
		if value, ok := m[name]; ok {
			return b, name, value
		}
	}
	return nil, "", nil
}

// fromCEL converts a result of CEL to goavro's value of the schema s. old is
// the value before the rule and decides the branches of unions. An error names
// the place and the type, but not the value.
func fromCEL(w *work, s *avsc.Schema, out ref.Val, old any) (any, error) {
	if w.tooLarge(out) {
		return nil, errTooMuch
	}
	v, err := plain(out)
	if err != nil {
		return nil, err
	}
	return rulejson.ReadTyped(s, v, rulejson.Original{Schema: s, Value: old})
}

// plain converts lists and maps of CEL to []any and map[string]any.
func plain(v any) (any, error) {
	if r, ok := v.(ref.Val); ok {
		v = r.Value()
	}
	switch v.(type) {
	case structpb.NullValue:
		return nil, nil
	case []byte:
		return v, nil
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice:
		list := make([]any, r.Len())
		for i := range list {
			var err error
			if list[i], err = plain(r.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.Map:
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			key, err := plain(it.Key().Interface())
			if err != nil {
				return nil, err
			}
			name, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("the result has a map whose keys are of type %T", key)
			}
			if m[name], err = plain(it.Value().Interface()); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return v, nil
}

package serde

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// toGoavro returns v in goavro's form. Each field exists, there is no other
// key, and each value of a union lies under its branch. goavro checks whether a
// simple value fits its type.
func (g *Generic) toGoavro(s *avsc.Schema, v any, depth int) (any, error) {
	if depth > avrobin.MaxDepth {
		return nil, avrobin.ErrorAt(avrobin.ErrDepth, "")
	}
	switch s.Kind {
	case avsc.Record:
		return g.recordToGoavro(s, v, depth)
	case avsc.Union:
		return g.unionToGoavro(s, v, depth)
	case avsc.Array:
		list := reflect.ValueOf(v)
		if list.Kind() != reflect.Slice {
			return nil, mismatchError(s, v)
		}
		out := make([]any, list.Len())
		for i := range out {
			elem, err := g.toGoavro(s.Elem, list.Index(i).Interface(), depth+1)
			if err != nil {
				return nil, avrobin.ErrorAt(err, "", i)
			}
			out[i] = elem
		}
		return out, nil
	case avsc.Map:
		m := reflect.ValueOf(v)
		if m.Kind() != reflect.Map || m.Type().Key().Kind() != reflect.String {
			return nil, mismatchError(s, v)
		}
		out := make(map[string]any, m.Len())
		for it := m.MapRange(); it.Next(); {
			key := it.Key().String()
			if !utf8.ValidString(key) {
				return nil, avrobin.ErrorAt(avrobin.ErrText, "", key)
			}
			elem, err := g.toGoavro(s.Elem, it.Value().Interface(), depth+1)
			if err != nil {
				return nil, avrobin.ErrorAt(err, "", key)
			}
			out[key] = elem
		}
		return out, nil
	case avsc.Fixed:
		if b, ok := v.([]byte); ok && len(b) == 0 && isEmptyFixed(s) {
			return map[string]any{}, nil
		}
	case avsc.Enum:
		if symbol, ok := v.(string); ok {
			return g.goavroName(symbol), nil
		}
	case avsc.Float:
		if f, ok := v.(float64); ok && !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0) {
			return nil, avrobin.ErrorAt(errors.New("the number is out of range for float"), "")
		}
	case avsc.String:
		if text, ok := v.(string); ok && !utf8.ValidString(text) {
			return nil, avrobin.ErrorAt(avrobin.ErrText, "")
		}
	default:
	}
	return v, nil
}

func (g *Generic) recordToGoavro(s *avsc.Schema, v any, depth int) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, mismatchError(s, v)
	}
	out := make(map[string]any, len(s.Fields))
	given := 0
	for _, f := range s.Fields {
		value, ok := m[f.Name]
		var err error
		switch {
		case ok:
			given++
			value, err = g.toGoavro(f.Type, value, depth+1)
		case f.Default != nil:
			value, err = g.fromJSON(f.Type, f.Default, untagged)
		default:
			err = errors.New("there is no value, and the schema has no default")
		}
		if err != nil {
			return nil, avrobin.ErrorAt(err, f.Name)
		}
		out[g.goavroName(f.Name)] = value
	}
	if given == len(m) {
		return out, nil
	}
	for key := range m {
		if !g.isField(out, key) {
			return nil, avrobin.ErrorAt(fmt.Errorf("%s has no such field", s.TypeName()), key)
		}
	}
	return out, nil
}

// isField reports whether a field has the name. record has a value for every
// field, under its name for goavro.
func (g *Generic) isField(record map[string]any, name string) bool {
	_, found := record[g.goavroName(name)]
	_, made := g.original[name] // a name that only goavro knows
	return found && !made
}

func (g *Generic) unionToGoavro(s *avsc.Schema, v any, depth int) (any, error) {
	var only *avsc.Schema // the only branch except null, if there is only one
	others := 0
	for _, b := range s.Branches {
		if b.Kind == avsc.Null {
			if v == nil {
				return nil, nil
			}
			continue
		}
		only = b
		others++
	}
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for _, b := range s.Branches {
			if value, ok := m[b.TypeName()]; ok {
				return g.branchToGoavro(b, value, depth)
			}
		}
	}
	if others == 1 && v != nil {
		return g.branchToGoavro(only, v, depth)
	}
	return nil, avrobin.ErrorAt(fmt.Errorf("%w: give a map[string]any of one of %s, not %T", avrobin.ErrBranch, strings.Join(branchNames(s), ", "), v), "")
}

func (g *Generic) branchToGoavro(b *avsc.Schema, v any, depth int) (any, error) {
	value, err := g.toGoavro(b, v, depth+1)
	if err != nil {
		return nil, err
	}
	if b.Kind == avsc.Null {
		return nil, nil
	}
	return map[string]any{g.branch(b): value}, nil
}

func mismatchError(s *avsc.Schema, v any) error {
	return avrobin.ErrorAt(fmt.Errorf("%T is no value of %s", v, s.TypeName()), "")
}

// fromGoavro restores the original branch names of unions.
func (g *Generic) fromGoavro(s *avsc.Schema, v any) any {
	switch s.Kind {
	case avsc.Record:
		m := v.(map[string]any)
		for _, f := range s.Fields {
			name := g.goavroName(f.Name)
			value := g.fromGoavro(f.Type, m[name])
			if name != f.Name {
				delete(m, name)
			}
			m[f.Name] = value
		}
	case avsc.Array:
		list := v.([]any)
		for i := range list {
			list[i] = g.fromGoavro(s.Elem, list[i])
		}
	case avsc.Map:
		m := v.(map[string]any)
		for key := range m {
			m[key] = g.fromGoavro(s.Elem, m[key])
		}
	case avsc.Enum:
		return g.symbol(v.(string))
	case avsc.Fixed:
		if isEmptyFixed(s) {
			return []byte{}
		}
	case avsc.Union:
		if b, value := g.branchOf(s, v); b != nil {
			return map[string]any{b.TypeName(): g.fromGoavro(b, value)}
		}
	default:
	}
	return v
}

// branchOf returns the branch of a union that goavro's value has. It returns
// nil for null.
func (g *Generic) branchOf(s *avsc.Schema, v any) (*avsc.Schema, any) {
	m, _ := v.(map[string]any)
	for _, b := range s.Branches {
		if value, ok := m[g.branch(b)]; ok {
			return b, value
		}
	}
	return nil, nil
}

package codegen

import (
	"go/types"
	"reflect"
)

// jsonSupport lists the methods for encoding/json that a type has.
type jsonSupport uint8

const (
	jsonNone    jsonSupport = iota
	jsonPartial             // methods that cannot read the JSON that they write
	jsonBoth                // MarshalJSON with UnmarshalJSON, or the text methods
)

// jsonMethods looks up the methods that encoding/json uses for a value of type
// t. addressable says whether the value is addressable when it is written.
func jsonMethods(t types.Type, addressable bool) jsonSupport {
	write := func(name string) bool { return methodOf(t, addressable, name, "func() ([]byte, error)") }
	read := func(name string) bool { return methodOf(t, true, name, "func([]byte) error") }
	switch {
	case write("MarshalJSON") || read("UnmarshalJSON"):
		if !write("MarshalJSON") || !read("UnmarshalJSON") || declares(t, "MarshalJSON") != nil || declares(t, "UnmarshalJSON") != nil {
			return jsonPartial
		}
	case write("MarshalText") || read("UnmarshalText"):
		if !write("MarshalText") || !read("UnmarshalText") || declares(t, "MarshalText") != nil || declares(t, "UnmarshalText") != nil {
			return jsonPartial
		}
	default:
		return jsonNone
	}
	return jsonBoth
}

// ownJSON reports whether encoding/json can read the JSON that it writes for a
// value of type t. target is true if this works only for a pointer to the
// value.
func ownJSON(t types.Type) (direct, target bool) {
	direct = plainJSON(t, map[types.Type]bool{})
	return direct, !direct && jsonMethods(t, true) == jsonBoth
}

// plainJSON reports whether encoding/json can read the JSON that it writes for
// a value of type t. The value is not addressable. Types in seen are ignored.
func plainJSON(t types.Type, seen map[types.Type]bool) bool {
	t = types.Unalias(t)
	if seen[t] {
		return true
	}
	seen[t] = true
	if p, ok := t.(*types.Pointer); ok {
		switch jsonMethods(p.Elem(), true) {
		case jsonBoth:
			return true
		case jsonPartial:
			return false
		case jsonNone:
			return plainJSON(p.Elem(), seen)
		}
	}
	if jsonMethods(t, true) != jsonNone {
		return jsonMethods(t, false) == jsonBoth
	}
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Info()&(types.IsBoolean|types.IsString|types.IsInteger|types.IsFloat) != 0
	case *types.Slice:
		return plainJSON(t.Elem(), seen)
	case *types.Array:
		return plainJSON(t.Elem(), seen)
	case *types.Map:
		return types.Identical(t.Key(), types.Typ[types.String]) && plainJSON(t.Elem(), seen)
	case *types.Struct:
		for i := range t.NumFields() {
			f := t.Field(i)
			if !f.Exported() || reflect.StructTag(t.Tag(i)).Get("json") == "-" || !plainJSON(f.Type(), seen) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

package avsc

import (
	"fmt"
	"slices"
	"strings"
)

const nameRule = "a name is a letter or '_', then letters, digits and '_' (ASCII)"

// builder makes schemas from JSON in two passes. The first pass builds every
// node and every definition. The second pass resolves references and checks the
// parts that need the references. Two passes are necessary because a name may
// stand before its definition or in another source.
type builder struct {
	errs   Errors
	names  map[string]*Schema
	source int
	stored bool           // data with this source's schema exists
	rank   map[string]int // the position of each source's name among the sources

	refs     []reference
	repeats  []repeat
	unions   []*Schema
	defaults []fieldDefault
	seenJSON int // number of values read, for the budget of defaults

	suggested int // number of unknown names for which similar names were looked up
}

// reference is a name in the place of a schema.
type reference struct {
	slot  **Schema
	name  string
	ns    string // the enclosing namespace
	value *Value
}

// fieldDefault is a field with a default that must be checked.
type fieldDefault struct {
	field  *Field
	stored bool
}

// repeat is a second definition of a full name in another source.
type repeat struct {
	slot          **Schema
	first, second *Schema
}

func (b *builder) mistake(pos Pos, what, fix string) {
	b.errs = append(b.errs, &Error{Pos: pos, What: what, Fix: fix})
}

// schema builds the schema of v into slot. The slot stays nil after a mistake.
// If v is a name, the slot stays nil until finish.
func (b *builder) schema(v *Value, ns string, slot **Schema) {
	b.seenJSON++
	if v.bad {
		return
	}
	switch v.Kind {
	case JSONString:
		b.reference(v, v, ns, slot)
	case JSONArray:
		b.union(v, ns, slot)
	case JSONObject:
		b.object(v, ns, slot)
	default:
		b.mistake(v.Pos, v.Kind.String()+" is not a schema", "write a type's name in quotes, an object with \"type\", or an array for a union")
	}
}

// reference records the name in v. The name is a schema, or the "type" of the
// schema at.
func (b *builder) reference(v, at *Value, ns string, slot **Schema) {
	if k, ok := primitive(v.Str); ok {
		*slot = &Schema{Kind: k, Pos: at.Pos, JSON: at}
		return
	}
	b.refs = append(b.refs, reference{slot: slot, name: v.Str, ns: ns, value: v})
}

func (b *builder) union(v *Value, ns string, slot **Schema) {
	s := &Schema{Kind: Union, Pos: v.Pos, JSON: v}
	s.Branches = make([]*Schema, len(v.Elems))
	s.BranchPos = make([]Pos, len(v.Elems))
	for i, e := range v.Elems {
		s.BranchPos[i] = e.Pos
		if e.Kind == JSONArray && !e.bad {
			b.mistake(e.Pos, "a union directly inside a union", "put its branches into the outer one")
			b.union(e, ns, new(*Schema)) // reports the mistakes inside
			continue
		}
		b.schema(e, ns, &s.Branches[i])
	}
	b.unions = append(b.unions, s)
	*slot = s
}

func (b *builder) object(v *Value, ns string, slot **Schema) {
	t := v.Member("type")
	if t == nil {
		fix := "add one, for instance \"type\": \"record\""
		if key := nearKey(v, "type"); key != "" {
			fix = fmt.Sprintf("is %s meant to be \"type\"?", quote(key))
		}
		b.mistake(v.Pos, "the schema has no \"type\"", fix)
		return
	}
	switch {
	case t.bad:
	case t.Kind == JSONArray || t.Kind == JSONObject:
		b.mistake(t.Pos, "\"type\" of a schema is "+t.Kind.String()+": a schema wrapped in a schema", "put the inner one in place of the outer")
		b.schema(t, ns, new(*Schema))
	case t.Kind != JSONString:
		b.mistake(t.Pos, "\"type\" is "+t.Kind.String(), "write the name of a type in quotes")
	default:
		b.typeObject(v, t, ns, slot)
	}
}

func (b *builder) typeObject(v, t *Value, ns string, slot **Schema) {
	s := &Schema{Pos: v.Pos, JSON: v}
	reserved := []string{"type"}
	switch t.Str {
	case "record", "error":
		s.Kind, s.IsError = Record, t.Str == "error"
		reserved = []string{"type", "name", "namespace", "doc", "aliases", "fields"}
	case "enum":
		s.Kind = Enum
		reserved = []string{"type", "name", "namespace", "doc", "aliases", "symbols", "default"}
	case "fixed":
		s.Kind = Fixed
		reserved = []string{"type", "name", "namespace", "doc", "aliases", "size"}
	case "array":
		s.Kind = Array
		reserved = []string{"type", "items"}
	case "map":
		s.Kind = Map
		reserved = []string{"type", "values"}
	default:
		k, ok := primitive(t.Str)
		if !ok {
			b.reference(t, v, ns, slot)
			return
		}
		s.Kind = k
	}
	if s.Kind.Named() {
		ns = b.named(s, v, ns, slot)
	} else {
		*slot = s
	}
	switch s.Kind {
	default: // a primitive
	case Record:
		if fields := b.required(v, s, "fields", JSONArray, "an array of fields; [] for none"); fields != nil {
			b.fields(s, fields, ns, "field")
		}
	case Enum:
		b.enum(s, v)
	case Fixed:
		b.size(s, v)
	case Array, Map:
		key := "items"
		if s.Kind == Map {
			key = "values"
		}
		if elem := b.required(v, s, key, 0, "the schema of its "+key); elem != nil {
			s.ElemPos = elem.Pos
			b.schema(elem, ns, &s.Elem)
		}
	}
	s.Logical = logical(s, v)
	if s.Logical.Name != "" {
		reserved = append(reserved, "logicalType")
		if s.Logical.Name == "decimal" {
			reserved = append(reserved, "precision", "scale")
		}
	}
	s.Props = props(v, reserved)
}

// required returns the member key of v. A missing member or a member of the
// wrong kind is reported. The kind 0 allows any kind.
func (b *builder) required(v *Value, s *Schema, key string, want JSONKind, meaning string) *Value {
	m := v.Member(key)
	switch {
	case m == nil:
		fix := fmt.Sprintf("add %q: %s", key, meaning)
		if near := nearKey(v, key); near != "" {
			fix = fmt.Sprintf("is %s meant to be %q?", quote(near), key)
		}
		b.mistake(v.Pos, fmt.Sprintf("the %s%s has no %q", s.Kind, named(s), key), fix)
	case m.bad:
		return nil
	case want != 0 && m.Kind != want:
		b.mistake(m.Pos, fmt.Sprintf("%q is %s", key, m.Kind), "make it "+meaning)
		return nil
	}
	return m
}

func named(s *Schema) string {
	if s.Name == "" {
		return ""
	}
	return " " + s.Name
}

// nearKey finds a member of v with a key that looks like key with a typing
// error.
func nearKey(v *Value, key string) string {
	for _, m := range v.Members {
		if m.Key != key && distance(strings.ToLower(strings.TrimSpace(m.Key)), key, 2) <= min(2, len(key)/3) {
			return m.Key
		}
	}
	return ""
}

func props(v *Value, reserved []string) []Member {
	var out []Member
	for _, m := range v.Members {
		if !slices.Contains(reserved, m.Key) {
			out = append(out, m)
		}
	}
	return out
}

func shorten(s string) string {
	if len(s) > 60 {
		return quote(s)
	}
	return s
}

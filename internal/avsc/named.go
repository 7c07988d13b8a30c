package avsc

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// named reads name, namespace, aliases and doc, and declares the type. It
// returns the type's namespace, which applies to the names inside (section
// "Names").
func (b *builder) named(s *Schema, v *Value, ns string, slot **Schema) string {
	*slot = s
	b.doc(&s.Doc, v)
	if n := v.Member("namespace"); n != nil && !n.bad {
		switch {
		case n.Kind == JSONNull: // treated as missing
		case n.Kind != JSONString:
			b.mistake(n.Pos, "\"namespace\" is "+n.Kind.String(), "write it in quotes")
		default:
			ns = n.Str
			if ns != "" && !b.validFullName(ns) && !dotted(v.Member("name")) {
				b.mistake(n.Pos, quote(ns)+" is not a namespace", "join names by dots; "+nameRule)
			}
		}
	}
	name := v.Member("name")
	switch {
	case name == nil:
		fix := "add \"name\""
		if near := nearKey(v, "name"); near != "" {
			fix = fmt.Sprintf("is %s meant to be \"name\"?", quote(near))
		}
		b.mistake(v.Pos, fmt.Sprintf("the %s has no \"name\"", s.Kind), fix)
		return ns
	case name.bad:
		return ns
	case name.Kind != JSONString:
		b.mistake(name.Pos, "\"name\" is "+name.Kind.String(), "write it in quotes")
		return ns
	case !b.validFullName(name.Str):
		b.mistake(name.Pos, quote(name.Str)+" is not the name of a type", nameRule)
		return ns
	}
	s.Name, s.NamePos, s.source = JoinName(ns, name.Str), name.Pos, b.source
	ns, _ = SplitName(s.Name)
	if _, ok := primitive(s.Name); ok {
		b.mistake(name.Pos, fmt.Sprintf("%s is the name of a primitive type", s.Name), "choose another name or give it a namespace")
		return ns
	}
	b.aliases(&s.Aliases, v)
	for i, a := range s.Aliases {
		if !b.validFullName(a.Name) {
			b.mistake(a.Pos, quote(a.Name)+" is not the name of a type", nameRule)
		}
		s.Aliases[i].Name = JoinName(ns, a.Name)
	}

	first, ok := b.names[s.Name]
	switch {
	case !ok:
		b.names[s.Name] = s
	case first.source == s.source && !b.stored:
		*slot = nil
		b.mistake(name.Pos, fmt.Sprintf("%s is defined twice, first at %d:%d", s.Name, first.NamePos.Line, first.NamePos.Col), "refer to the first by its name, or choose another name")
	default:
		b.repeats = append(b.repeats, repeat{slot, first, s})
	}
	return ns
}

func dotted(name *Value) bool {
	return name != nil && strings.Contains(name.Str, ".")
}

func (b *builder) doc(dst *string, v *Value) {
	d := v.Member("doc")
	if d != nil && d.Kind == JSONString {
		*dst = d.Str
	}
}

// aliases copies the aliases as written. Aliases of fields are not checked
// further. They stand for names of other writers, which can be any text. Other
// implementations also accept any text.
func (b *builder) aliases(dst *[]Alias, v *Value) {
	list := v.Member("aliases")
	if list == nil || list.bad {
		return
	}
	if list.Kind != JSONArray {
		b.mistake(list.Pos, "\"aliases\" is "+list.Kind.String(), "make it an array of names, for instance [\"OldName\"]")
		return
	}
	for _, a := range list.Elems {
		switch {
		case a.bad:
		case a.Kind != JSONString:
			b.mistake(a.Pos, "an alias is "+a.Kind.String(), "write a name in quotes")
		default:
			*dst = append(*dst, Alias{Name: a.Str, Pos: a.Pos})
		}
	}
}

func (b *builder) fields(s *Schema, list *Value, ns, what string) {
	if list.Kind != JSONArray {
		b.mistake(list.Pos, fmt.Sprintf("the list of %ss is %s", what, list.Kind), "make it an array")
		return
	}
	s.Fields = make([]*Field, 0, len(list.Elems))
	seen := make(map[string]*Field, len(list.Elems))
	for _, v := range list.Elems {
		if v.bad {
			continue
		}
		if v.Kind != JSONObject {
			b.mistake(v.Pos, Article(what)+" is "+v.Kind.String(), "make it an object with \"name\" and \"type\"")
			continue
		}
		f := b.field(v, ns, what)
		s.Fields = append(s.Fields, f)
		if f.Name == "" {
			continue
		}
		if first := seen[f.Name]; first != nil {
			b.mistake(f.NamePos, fmt.Sprintf("%s %s stands twice, first at %d:%d", what, f.Name, first.NamePos.Line, first.NamePos.Col), "rename or remove one")
			continue
		}
		seen[f.Name] = f
	}
}

func (b *builder) field(v *Value, ns, what string) *Field {
	f := &Field{Pos: v.Pos, Order: "ascending"}
	switch name := v.Member("name"); {
	case name == nil:
		fix := "add \"name\""
		if near := nearKey(v, "name"); near != "" {
			fix = fmt.Sprintf("is %s meant to be \"name\"?", quote(near))
		}
		b.mistake(v.Pos, "the "+what+" has no \"name\"", fix)
	case name.bad:
	case name.Kind != JSONString:
		b.mistake(name.Pos, "\"name\" is "+name.Kind.String(), "write it in quotes")
	case !b.validName(name.Str):
		b.mistake(name.Pos, fmt.Sprintf("%s is not the name of %s", quote(name.Str), Article(what)), nameRule)
	default:
		f.Name, f.NamePos = name.Str, name.Pos
	}
	b.doc(&f.Doc, v)
	b.aliases(&f.Aliases, v)
	if o := v.Member("order"); o != nil && !o.bad {
		switch {
		case o.Kind == JSONString && slices.Contains([]string{"ascending", "descending", "ignore"}, o.Str):
			f.Order = o.Str
		case b.stored: // no reader uses the order
		default:
			b.mistake(o.Pos, fmt.Sprintf("\"order\" is %s", o.Text), "write \"ascending\", \"descending\" or \"ignore\"")
		}
	}
	if t := v.Member("type"); t != nil {
		f.TypePos = t.Pos
		b.schema(t, ns, &f.Type)
	} else {
		fix := "add \"type\""
		if near := nearKey(v, "type"); near != "" {
			fix = fmt.Sprintf("is %s meant to be \"type\"?", quote(near))
		}
		b.mistake(v.Pos, strings.TrimSpace("the "+what+" "+f.Name)+" has no \"type\"", fix)
	}
	if d := v.Member("default"); d != nil && !d.bad {
		f.Default = d
		b.defaults = append(b.defaults, fieldDefault{f, b.stored})
	}
	f.Props = props(v, []string{"name", "type", "doc", "default", "order", "aliases"})
	return f
}

func (b *builder) enum(s *Schema, v *Value) {
	list := b.required(v, s, "symbols", JSONArray, "an array of names")
	if list == nil {
		return
	}
	seen := make(map[string]Pos, len(list.Elems))
	for _, e := range list.Elems {
		switch first, twice := seen[e.Str]; {
		case e.bad:
		case e.Kind != JSONString:
			b.mistake(e.Pos, "a symbol is "+e.Kind.String(), "write a name in quotes")
		case !b.validName(e.Str):
			b.mistake(e.Pos, quote(e.Str)+" is not a symbol", nameRule)
		case twice:
			b.mistake(e.Pos, fmt.Sprintf("symbol %s stands twice, first at %d:%d", e.Str, first.Line, first.Col), "remove one")
		default:
			seen[e.Str] = e.Pos
			s.Symbols = append(s.Symbols, Symbol{Name: e.Str, Pos: e.Pos})
		}
	}
	d := v.Member("default")
	if d == nil || d.bad || b.stored && d.Kind != JSONString {
		return
	}
	s.EnumDefaultPos = d.Pos
	if _, ok := seen[d.Str]; d.Kind != JSONString || !ok {
		b.mistake(d.Pos, fmt.Sprintf("the default %s is not one of the symbols of %s", shorten(d.Text), s.Name), "write one of them"+symbolHint(s, d.Str))
		return
	}
	s.EnumDefault = d.Str
}

func symbolHint(s *Schema, want string) string {
	names := make([]string, len(s.Symbols))
	for i, sym := range s.Symbols {
		names[i] = sym.Name
	}
	if near := Nearest(want, names); near != nil && want != "" {
		return "; did you mean " + quote(near[0]) + "?"
	}
	return ""
}

func (b *builder) size(s *Schema, v *Value) {
	size := b.required(v, s, "size", JSONNumber, "a number of bytes")
	if size == nil {
		return
	}
	n, err := strconv.ParseInt(size.Text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		b.mistake(size.Pos, fmt.Sprintf("size %s is not a whole number from 0 to %d", shorten(size.Text), math.MaxInt32), "write the number of bytes")
		return
	}
	s.Size = int(n)
}

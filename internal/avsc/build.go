package avsc

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const nameRule = "a name is a letter or '_', then letters, digits and '_' (ASCII)"

// builder makes schemas of JSON in two passes: first every node and every
// definition, then, since a name may stand before its definition or in another
// source, the references and what can only be checked with them.
type builder struct {
	errs   Errors
	names  map[string]*Schema
	source int
	rank   map[string]int // of a source's name, its place among the sources

	refs     []reference
	repeats  []repeat
	unions   []*Schema
	defaults []*Field
	seenJSON int // values read, for the budget of defaults

	suggested int // unknown names for which near ones were looked up
}

// reference is a name that stands where a schema is due.
type reference struct {
	slot  **Schema
	name  string
	ns    string // the enclosing namespace
	value *Value
}

// repeat is a second definition of a full name, in another source.
type repeat struct {
	slot          **Schema
	first, second *Schema
}

func (b *builder) mistake(pos Pos, what, fix string) {
	b.errs = append(b.errs, &Error{Pos: pos, What: what, Fix: fix})
}

// schema builds what v declares into slot, which stays nil after a mistake,
// and until finish when v is a name.
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

// reference takes the name in v, the schema or the "type" of the schema at.
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
			b.union(e, ns, new(*Schema)) // for the mistakes inside
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
		b.typed(v, t, ns, slot)
	}
}

func (b *builder) typed(v, t *Value, ns string, slot **Schema) {
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

// required returns the member key of v, and reports where it is missing or not
// of the wanted kind (0 for any).
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

// nearKey finds a member of v whose key looks like a mistyped key.
func nearKey(v *Value, key string) string {
	for _, m := range v.Members {
		if m.Key != key && distance(strings.ToLower(strings.TrimSpace(m.Key)), key, 2) <= min(2, len(key)/3) {
			return m.Key
		}
	}
	return ""
}

// named takes name, namespace, aliases and doc, declares the type, and returns
// its namespace, which is that of the names inside (section "Names").
func (b *builder) named(s *Schema, v *Value, ns string, slot **Schema) string {
	*slot = s
	b.doc(&s.Doc, v)
	if n := v.Member("namespace"); n != nil && !n.bad {
		switch {
		case n.Kind == JSONNull: // as if it were not there
		case n.Kind != JSONString:
			b.mistake(n.Pos, "\"namespace\" is "+n.Kind.String(), "write it in quotes")
		default:
			ns = n.Str
			if ns != "" && !ValidFullName(ns) && !dotted(v.Member("name")) {
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
	case !ValidFullName(name.Str):
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
		if !ValidFullName(a.Name) {
			b.mistake(a.Pos, quote(a.Name)+" is not the name of a type", nameRule)
		}
		s.Aliases[i].Name = JoinName(ns, a.Name)
	}

	first, ok := b.names[s.Name]
	switch {
	case !ok:
		b.names[s.Name] = s
	case first.source == s.source:
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

// aliases takes the aliases as written. Those of fields are not checked
// further: the writers' names that they stand for are whatever they are, and
// the other implementations take any.
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
			b.mistake(v.Pos, "a "+what+" is "+v.Kind.String(), "make it an object with \"name\" and \"type\"")
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
	case !ValidName(name.Str):
		b.mistake(name.Pos, fmt.Sprintf("%s is not the name of a %s", quote(name.Str), what), nameRule)
	default:
		f.Name, f.NamePos = name.Str, name.Pos
	}
	b.doc(&f.Doc, v)
	b.aliases(&f.Aliases, v)
	if o := v.Member("order"); o != nil && !o.bad {
		switch {
		case o.Kind == JSONString && slices.Contains([]string{"ascending", "descending", "ignore"}, o.Str):
			f.Order = o.Str
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
		b.defaults = append(b.defaults, f)
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
		case !ValidName(e.Str):
			b.mistake(e.Pos, quote(e.Str)+" is not a symbol", nameRule)
		case twice:
			b.mistake(e.Pos, fmt.Sprintf("symbol %s stands twice, first at %d:%d", e.Str, first.Line, first.Col), "remove one")
		default:
			seen[e.Str] = e.Pos
			s.Symbols = append(s.Symbols, Symbol{Name: e.Str, Pos: e.Pos})
		}
	}
	d := v.Member("default")
	if d == nil || d.bad {
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

func props(v *Value, reserved []string) []Member {
	var out []Member
	for _, m := range v.Members {
		if !slices.Contains(reserved, m.Key) {
			out = append(out, m)
		}
	}
	return out
}

// finish resolves the references, then checks what needs them.
func (b *builder) finish() {
	for _, r := range b.refs {
		b.resolve(r)
	}
	for _, r := range b.repeats {
		*r.slot = r.first
	}
	broken := map[int]bool{} // sources whose definitions may lack something
	for _, e := range b.errs {
		broken[b.rank[e.Pos.File]] = true
	}
	for _, r := range b.repeats {
		if broken[r.first.source] || broken[r.second.source] {
			continue
		}
		if why := differ(r.first, r.second); why != "" {
			b.mistake(r.second.NamePos, fmt.Sprintf("%s is defined differently at %s: %s", r.first.Name, r.first.NamePos, why), "make both the same, or remove one")
		}
	}
	for _, u := range b.unions {
		b.checkUnion(u)
	}
	budget := newBudget(b.seenJSON)
	for _, f := range b.defaults {
		b.errs = append(b.errs, checkDefault(f.Type, f.Default, budget)...)
	}
}

func (b *builder) resolve(r reference) {
	if s := b.names[JoinName(r.ns, r.name)]; s != nil {
		*r.slot = s
		return
	}
	// As Java does: a simple name that its namespace lacks may be one without
	// namespace. Inside a namespace there is no other way to refer to it.
	if s := b.names[r.name]; s != nil {
		*r.slot = s
		return
	}
	b.mistake(r.value.Pos, "unknown type "+quote(r.name), b.unknownFix(r))
}

func (b *builder) unknownFix(r reference) string {
	switch r.name {
	case "record", "enum", "fixed", "error", "array", "map":
		shape := map[string]string{
			"record": `"name": …, "fields": […]`, "error": `"name": …, "fields": […]`,
			"enum": `"name": …, "symbols": […]`, "fixed": `"name": …, "size": …`,
			"array": `"items": …`, "map": `"values": …`,
		}[r.name]
		return fmt.Sprintf("%s has to be an object of its own: \"type\": {\"type\": %q, %s}", article(r.name), r.name, shape)
	case "union":
		return "a union is a JSON array of its branches"
	case "":
		return "write the name of a type"
	}
	if fix := misnomer(r.name); fix != "" {
		return "did you mean " + fix + "?"
	}
	if b.suggested++; b.suggested > 100 {
		return "define it, or give the file that does" // looking for names costs, and nobody reads them all
	}
	names := slices.Collect(maps.Keys(b.names))
	for k := Null; k <= String; k++ {
		names = append(names, k.String())
	}
	if near := Nearest(r.name, names); near != nil {
		for i := range near {
			near[i] = quote(near[i])
		}
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return "define it, or give the file that does"
}

func (b *builder) checkUnion(u *Schema) {
	seen := make(map[string]Pos, len(u.Branches))
	for i, s := range u.Branches {
		if s == nil {
			continue
		}
		id := cmp.Or(s.Name, s.Kind.String())
		if s.Kind.Named() {
			id = "named " + id
		}
		if first, ok := seen[id]; ok {
			what := "type " + s.Kind.String()
			if s.Kind.Named() {
				what = "type " + s.Name
			}
			b.mistake(u.BranchPos[i], fmt.Sprintf("%s stands twice in the union, first at %d:%d", what, first.Line, first.Col), "remove one")
			continue
		}
		seen[id] = u.BranchPos[i]
	}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func shorten(s string) string {
	if len(s) > 60 {
		return quote(s)
	}
	return s
}

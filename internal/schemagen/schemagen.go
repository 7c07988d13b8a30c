// Package schemagen makes random Avro schemas, versions of schemas, and values,
// for property tests. The caller seeds the *rand.Rand. For a given version of
// this package, the same seed gives the same schemas.
package schemagen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Type is a random schema as a tree. A named type has a single definition.
// Every further use is a Type of kind "ref" that points to the definition.
type Type struct {
	Kind      string // an Avro type's name, "union" or "ref"
	Name      string // full name of a record, error, enum or fixed
	Aliases   []string
	Doc       string
	Fields    []*Field
	Symbols   []string
	Default   string // of an enum; "" means no default
	Size      int    // of a fixed
	Elem      *Type  // of an array or map
	Branches  []*Type
	Logical   string
	Precision int
	Scale     int
	Def       *Type // of a ref
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Doc     string
	Type    *Type
	Default string // JSON; "" means no default
}

// maker holds the state while a schema is made.
type maker struct {
	*rand.Rand
	budget int             // remaining number of nodes
	names  map[string]bool // full names in use
	done   []*Type         // complete named types; any place may refer to them
	open   []*Type         // enclosing records; only a union with null, an array or a map may refer to them
}

// Record makes a random record schema of about size nodes. Every schema has
// finite values, because a record always has a way to end its recursion.
func Record(r *rand.Rand, size int) *Type {
	m := &maker{Rand: r, budget: size, names: map[string]bool{}}
	return m.record()
}

// Any makes a random schema of any type.
func Any(r *rand.Rand, size int) *Type {
	m := &maker{Rand: r, budget: size, names: map[string]bool{}}
	return m.typ(true)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (m *maker) typ(union bool) *Type {
	m.budget--
	if m.budget <= 0 {
		return m.primitive()
	}
	switch n := m.IntN(100); {
	case n < 34:
		return m.primitive()
	case n < 46:
		return m.logical()
	case n < 56:
		return m.collection("array")
	case n < 63:
		return m.collection("map")
	case n < 70:
		return m.enum()
	case n < 75:
		return m.fixed()
	case n < 81 && len(m.done) > 0:
		return &Type{Kind: "ref", Def: pick(m.Rand, m.done...)}
	case n < 88 && union:
		return m.optional()
	case n < 94 && union:
		return m.union()
	default:
		return m.record()
	}
}

func (m *maker) primitive() *Type {
	return &Type{Kind: pick(m.Rand, "boolean", "int", "long", "float", "double", "bytes", "string", "string", "null")}
}

func (m *maker) logical() *Type {
	switch pick(m.Rand, "int", "long", "long", "string", "decimal", "decimal", "odd") {
	case "int":
		return &Type{Kind: "int", Logical: pick(m.Rand, "date", "time-millis")}
	case "long":
		return &Type{Kind: "long", Logical: pick(m.Rand, "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
			"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos")}
	case "string":
		return &Type{Kind: "string", Logical: "uuid"}
	case "decimal":
		t := &Type{Kind: "bytes", Logical: "decimal", Precision: 1 + m.IntN(40)}
		t.Scale = m.IntN(t.Precision + 1)
		return t
	default: // an unknown or invalid logical type, so that the base type counts
		return pick(m.Rand,
			&Type{Kind: "string", Logical: "no-such-type"},
			&Type{Kind: "long", Logical: "date"},
			&Type{Kind: "bytes", Logical: "decimal", Precision: 2, Scale: 3})
	}
}

// collection makes an array or map. Its elements may be an enclosing record.
func (m *maker) collection(kind string) *Type {
	if len(m.open) > 0 && m.IntN(4) == 0 {
		return &Type{Kind: kind, Elem: &Type{Kind: "ref", Def: pick(m.Rand, m.open...)}}
	}
	return &Type{Kind: kind, Elem: m.typ(true)}
}

func (m *maker) optional() *Type {
	null := &Type{Kind: "null"}
	other := &Type{Kind: "ref"}
	if len(m.open) > 0 && m.IntN(4) == 0 {
		other.Def = pick(m.Rand, m.open...)
	} else {
		for other = m.typ(false); other.Kind == "null"; {
			other = m.typ(false)
		}
	}
	if m.IntN(3) == 0 {
		return &Type{Kind: "union", Branches: []*Type{other, null}}
	}
	return &Type{Kind: "union", Branches: []*Type{null, other}}
}

func (m *maker) union() *Type {
	u := &Type{Kind: "union"}
	seen := map[string]bool{}
	for range 1 + m.IntN(5) {
		if t := m.typ(false); !seen[t.branch()] {
			seen[t.branch()] = true
			u.Branches = append(u.Branches, t)
		}
	}
	return u
}

// branch returns the key that must be unique among the branches of a union.
func (t *Type) branch() string {
	d := t.target()
	if d.Name != "" {
		return d.Name
	}
	return d.Kind
}

// target returns the type that a ref points to. If t is not a ref, target
// returns t.
func (t *Type) target() *Type {
	if t.Kind == "ref" {
		return t.Def
	}
	return t
}

func (m *maker) enum() *Type {
	t := &Type{Kind: "enum", Name: m.name(), Doc: m.doc(), Symbols: m.distinct(symbolWords, 1+m.IntN(6))}
	if m.IntN(3) == 0 {
		t.Default = pick(m.Rand, t.Symbols...)
	}
	m.done = append(m.done, t)
	return t
}

func (m *maker) fixed() *Type {
	t := &Type{Kind: "fixed", Name: m.name(), Size: m.IntN(20)}
	switch m.IntN(4) {
	case 0:
		t.Size, t.Logical = 16, "uuid"
	case 1:
		t.Size, t.Logical = 12, "duration"
	case 2:
		t.Size, t.Logical = 1+m.IntN(20), "decimal"
		t.Precision = 1 + m.IntN(maxPrecision(t.Size))
		t.Scale = m.IntN(t.Precision + 1)
	}
	m.done = append(m.done, t)
	return t
}

// maxPrecision returns how many decimal digits fit into a number of size bytes.
func maxPrecision(size int) int { return max(1, (8*size-1)*30102/100000) }

func (m *maker) record() *Type {
	t := &Type{Kind: "record", Name: m.name(), Doc: m.doc()}
	if m.IntN(20) == 0 {
		t.Kind = "error"
	}
	if m.IntN(5) == 0 {
		t.Aliases = []string{m.name()}
	}
	m.open = append(m.open, t)
	for _, name := range m.distinct(fieldWords, m.IntN(9)) {
		f := &Field{Name: name, Doc: m.doc(), Type: m.typ(true)}
		if m.IntN(3) == 0 {
			f.Default = m.defaultOf(f.Type, 0)
		}
		t.Fields = append(t.Fields, f)
	}
	m.open = m.open[:len(m.open)-1]
	m.done = append(m.done, t)
	return t
}

func (m *maker) name() string {
	for {
		name := pick(m.Rand, typeWords...)
		if ns := pick(m.Rand, namespaces...); ns != "" {
			name = ns + "." + name
		} else {
			// A reference without a dot first means the namespace of the
			// enclosing type. Therefore the same name must not exist in both
			// namespaces.
			name += "Bare"
		}
		if m.names[name] {
			name += strconv.Itoa(len(m.names))
		}
		if !m.names[name] {
			m.names[name] = true
			return name
		}
	}
}

func (m *maker) doc() string {
	if m.IntN(3) > 0 {
		return ""
	}
	return pick(m.Rand, "What it says.", "Two lines,\nthe second of them.", "quotes \" and back\\slashes, `ticks`", "// slashes /* and */ stars",
		"  indented\n\n\tand again", "日本語 ünï", "100% of $it \u2028 done", strings.Repeat("a long sentence ", 12))
}

// distinct draws n different words. If the words run out, distinct adds
// numbers.
func (m *maker) distinct(words []string, n int) []string {
	var out []string
	for len(out) < n {
		word := pick(m.Rand, words...)
		if m.IntN(3) == 0 {
			word += strconv.Itoa(m.IntN(30))
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// JSON returns the schema's compact text. Each named type is defined at its
// first use.
func (t *Type) JSON() string {
	w := writer{seen: map[*Type]bool{}}
	w.typ(t)
	return w.String()
}

type writer struct {
	strings.Builder
	seen map[*Type]bool
}

func (w *writer) typ(t *Type) {
	t = t.target()
	switch {
	case t.Name != "" && w.seen[t]:
		w.WriteString(strconv.Quote(t.Name))
	case t.Kind == "union":
		w.WriteByte('[')
		for i, b := range t.Branches {
			w.comma(i)
			w.typ(b)
		}
		w.WriteByte(']')
	case t.Name == "" && t.Elem == nil && t.Logical == "":
		w.WriteString(strconv.Quote(t.Kind))
	default:
		w.seen[t] = true
		w.object(t)
	}
}

func (w *writer) comma(i int) {
	if i > 0 {
		w.WriteByte(',')
	}
}

func (w *writer) object(t *Type) {
	fmt.Fprintf(w, `{"type":%q`, t.Kind)
	if t.Name != "" {
		// Always write the namespace, because a name without a dot would
		// otherwise take the namespace of the enclosing type.
		ns, short := "", t.Name
		if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
			ns, short = t.Name[:i], t.Name[i+1:]
		}
		fmt.Fprintf(w, `,"name":%q,"namespace":%q`, short, ns)
	}
	w.aliases(t.Aliases)
	w.doc(t.Doc)
	if t.Logical != "" {
		fmt.Fprintf(w, `,"logicalType":%q`, t.Logical)
	}
	if t.Logical == "decimal" {
		fmt.Fprintf(w, `,"precision":%d,"scale":%d`, t.Precision, t.Scale)
	}
	switch t.Kind {
	case "fixed":
		fmt.Fprintf(w, `,"size":%d`, t.Size)
	case "enum":
		fmt.Fprintf(w, `,"symbols":["%s"]`, strings.Join(t.Symbols, `","`))
		if t.Default != "" {
			fmt.Fprintf(w, `,"default":%q`, t.Default)
		}
	case "array":
		w.WriteString(`,"items":`)
		w.typ(t.Elem)
	case "map":
		w.WriteString(`,"values":`)
		w.typ(t.Elem)
	case "record", "error":
		w.WriteString(`,"fields":[`)
		for i, f := range t.Fields {
			w.comma(i)
			w.field(f)
		}
		w.WriteByte(']')
	}
	w.WriteByte('}')
}

func (w *writer) field(f *Field) {
	fmt.Fprintf(w, `{"name":%q,"type":`, f.Name)
	w.typ(f.Type)
	w.aliases(f.Aliases)
	w.doc(f.Doc)
	if f.Default != "" {
		w.WriteString(`,"default":` + f.Default)
	}
	w.WriteByte('}')
}

func (w *writer) aliases(aliases []string) {
	if len(aliases) > 0 {
		fmt.Fprintf(w, `,"aliases":["%s"]`, strings.Join(aliases, `","`))
	}
}

func (w *writer) doc(doc string) {
	if doc != "" {
		w.WriteString(`,"doc":` + jsonString(doc))
	}
}

// Within adds a namespace before every name of the schema, so that several
// random schemas can be in the same set.
func (t *Type) Within(namespace string) *Type {
	out := t.clone(map[*Type]*Type{})
	out.each(func(x *Type) {
		if x.Name != "" {
			x.Name = namespace + "." + x.Name
		}
		for i := range x.Aliases {
			x.Aliases[i] = namespace + "." + x.Aliases[i]
		}
	})
	return out
}

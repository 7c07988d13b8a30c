package schemagen

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/avroline/avroline/internal/avsc"
)

// Evolve makes another version of a schema by a few random changes. Some
// changes are compatible and some are not. Evolve adds fields with and without
// a default, removes and moves fields, and renames fields with and without an
// alias. Evolve also promotes and changes types, and adds, removes and moves
// symbols and union branches. The original schema does not change.
func Evolve(r *rand.Rand, t *Type) *Type {
	for range 20 {
		out := evolve(r, t)
		if _, err := avsc.Parse("evolved", []byte(out.JSON())); err == nil {
			return out
		}
	}
	return t.clone(map[*Type]*Type{})
}

// evolve makes changes that may contradict each other, such as two union
// branches of the same type.
func evolve(r *rand.Rand, t *Type) *Type {
	out := t.clone(map[*Type]*Type{})
	m := &maker{Rand: r, budget: 20, names: map[string]bool{}}
	var nodes []*Type
	out.each(func(x *Type) {
		nodes = append(nodes, x)
		for _, name := range append(x.Aliases, x.Name) {
			m.names[name] = true
		}
	})
	for range 1 + r.IntN(4) {
		m.change(pick(r, nodes...))
	}
	return out
}

// each visits every node of the tree, but does not follow refs.
func (t *Type) each(visit func(*Type)) {
	visit(t)
	for _, f := range t.Fields {
		f.Type.each(visit)
	}
	for _, b := range t.Branches {
		b.each(visit)
	}
	if t.Elem != nil {
		t.Elem.each(visit)
	}
}

func (t *Type) clone(copies map[*Type]*Type) *Type {
	if c := copies[t]; c != nil {
		return c
	}
	c := &Type{}
	*c = *t
	copies[t] = c
	c.Aliases, c.Symbols = slices.Clone(t.Aliases), slices.Clone(t.Symbols)
	c.Fields = nil
	for _, f := range t.Fields {
		g := *f
		g.Type, g.Aliases = f.Type.clone(copies), slices.Clone(f.Aliases)
		c.Fields = append(c.Fields, &g)
	}
	c.Branches = nil
	for _, b := range t.Branches {
		c.Branches = append(c.Branches, b.clone(copies))
	}
	if t.Elem != nil {
		c.Elem = t.Elem.clone(copies)
	}
	if t.Def != nil {
		c.Def = t.Def.clone(copies)
	}
	return c
}

func (m *maker) change(t *Type) {
	switch t.Kind {
	case "record", "error":
		m.changeRecord(t)
	case "enum":
		m.changeEnum(t)
	case "union":
		m.changeUnion(t)
	case "int", "long", "float", "string", "bytes":
		if t.Logical == "" {
			t.Kind = pick(m.Rand, promotions[t.Kind]...)
		}
	case "boolean", "double", "null":
		if m.IntN(4) == 0 {
			t.Kind = "string"
		}
	case "fixed":
		if m.IntN(6) == 0 && t.Logical == "" {
			t.Size++
		}
	}
}

//nolint:gochecknoglobals // a constant table
var promotions = map[string][]string{
	"int": {"long", "float", "double"}, "long": {"float", "double", "int"}, "float": {"double"},
	"string": {"bytes"}, "bytes": {"string"},
}

func (m *maker) changeRecord(t *Type) {
	n := len(t.Fields)
	fresh := func() string {
		for i := 0; ; i++ {
			name := "added" + strconv.Itoa(i)
			if !slices.ContainsFunc(t.Fields, func(f *Field) bool { return f.Name == name || slices.Contains(f.Aliases, name) }) {
				return name
			}
		}
	}
	switch m.IntN(7) {
	case 0, 1: // a new field, mostly with a default
		f := &Field{Name: fresh(), Type: m.primitive()}
		if m.IntN(3) > 0 {
			f.Default = m.defaultOf(f.Type, 0)
		}
		t.Fields = slices.Insert(t.Fields, m.IntN(n+1), f)
	case 2: // fields moved
		m.Shuffle(n, func(i, j int) { t.Fields[i], t.Fields[j] = t.Fields[j], t.Fields[i] })
	case 3: // a field removed
		if n > 0 {
			i := m.IntN(n)
			t.Fields = slices.Delete(t.Fields, i, i+1)
		}
	case 4: // a field renamed
		if n > 0 {
			f := pick(m.Rand, t.Fields...)
			if old := f.Name; m.IntN(3) > 0 {
				f.Name, f.Aliases = fresh(), append(f.Aliases, old)
			} else {
				f.Name = fresh()
			}
		}
	case 5: // the type renamed
		old := t.Name
		t.Name = m.name()
		if m.IntN(3) > 0 {
			t.Aliases = append(t.Aliases, old)
		}
	case 6: // a field made nullable
		if n > 0 {
			f := pick(m.Rand, t.Fields...)
			if k := f.Type.target().Kind; k != "union" && k != "null" {
				f.Type, f.Default = &Type{Kind: "union", Branches: []*Type{{Kind: "null"}, f.Type}}, "null"
			}
		}
	}
}

func (m *maker) changeEnum(t *Type) {
	switch n := len(t.Symbols); m.IntN(4) {
	case 0:
		if symbol := "ADDED" + strconv.Itoa(n); !slices.Contains(t.Symbols, symbol) {
			t.Symbols = slices.Insert(t.Symbols, m.IntN(n+1), symbol)
		}
	case 1:
		if n > 1 {
			i := m.IntN(n)
			if t.Symbols[i] == t.Default {
				t.Default = ""
			}
			t.Symbols = slices.Delete(t.Symbols, i, i+1)
		}
	case 2:
		m.Shuffle(n, func(i, j int) { t.Symbols[i], t.Symbols[j] = t.Symbols[j], t.Symbols[i] })
	case 3:
		t.Default = pick(m.Rand, t.Symbols...)
	}
}

func (m *maker) changeUnion(t *Type) {
	n := len(t.Branches)
	if n == 0 {
		return
	}
	switch m.IntN(3) {
	case 0:
		p := m.primitive()
		if !slices.ContainsFunc(t.Branches, func(b *Type) bool { return b.branch() == p.branch() }) {
			t.Branches = append(t.Branches, p)
		}
	case 1:
		if i := m.IntN(n); n > 1 {
			t.Branches = slices.Delete(t.Branches, i, i+1)
		}
	case 2:
		m.Shuffle(n, func(i, j int) { t.Branches[i], t.Branches[j] = t.Branches[j], t.Branches[i] })
	}
}

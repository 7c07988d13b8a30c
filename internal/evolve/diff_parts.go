package evolve

import (
	"fmt"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

func (d *Differ) records(path string, b, n *avsc.Schema) {
	kept := map[*avsc.Field]bool{} // fields of b
	var order []int
	for _, f := range n.Fields {
		at := path + "." + f.Name
		from := d.matcher.Fields(b, f)
		if len(from) == 0 {
			oldData := effectBreaks("fails: there is no default for it")
			what := "new, without default"
			if f.Default != nil {
				what = "new, with default " + shortenJSON(f.Default.Text)
				oldData = effectNone("is read as the default")
			}
			d.add(FieldAdded, at, f.NamePos, what, effectNone("skip it"), oldData)
			continue
		}
		i := from[0]
		for _, k := range from { // of several fields, the field with its own name wins
			if b.Fields[k].Name == f.Name {
				i = k
			}
		}
		old := b.Fields[i]
		kept[old] = true
		order = append(order, i)
		d.field(at, old, f)
	}
	for _, f := range b.Fields {
		if !kept[f] {
			d.add(FieldRemoved, path+"."+f.Name, f.NamePos, "gone", withoutField(f), effectNone("is read without it"))
		}
	}
	if !slices.IsSorted(order) {
		d.add(FieldsReordered, path, n.Pos, "fields in another order", nothing(), effectNone("is read; sorts in another order"))
	}
}

// withoutField returns the effect on a reader with a field that is not written.
func withoutField(f *avsc.Field) Effect {
	if f.Default == nil {
		return effectBreaks("fail: they have no default for it")
	}
	return effectNone("read their default %s", shortenJSON(f.Default.Text))
}

func (d *Differ) field(path string, before, now *avsc.Field) {
	if before.Name != now.Name {
		d.add(FieldRenamed, path, now.NamePos, "was "+before.Name, withoutField(before), effectNone("is read by the alias"))
	}
	d.aliases(path, now.NamePos, before.Aliases, withoutAlias(now.Aliases, before.Name, now.Name))
	d.doc(path, now.NamePos, before.Doc, now.Doc)
	d.defaults(path, before, now)
	if before.Order != now.Order {
		d.add(OrderChanged, path, now.NamePos, fmt.Sprintf("order %s became %s", before.Order, now.Order), nothing(), effectNone("sorts in another order"))
	}
	d.props(path, now.NamePos, before.Props, now.Props)
	d.schemas(path, schemaPos{before.Type, before.TypePos}, schemaPos{now.Type, now.TypePos})
}

// withoutAlias removes the alias that comes from a change of name.
func withoutAlias(list []avsc.Alias, before, now string) []avsc.Alias {
	if before == now {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(a avsc.Alias) bool { return a.Name == before })
}

func (d *Differ) defaults(path string, before, now *avsc.Field) {
	b, n := before.Default, now.Default
	switch {
	case b == nil && n == nil, b != nil && n != nil && sameDefault(before, now):
	case b == nil:
		d.add(DefaultChanged, path, n.Pos, "new default "+shortenJSON(n.Text), nothing(), effectNone("is read where it lacks the field"))
	case n == nil:
		d.add(DefaultChanged, path, now.NamePos, "no more default "+shortenJSON(b.Text), nothing(),
			effectNone("is read; still older data that lacks the field is not"))
	default:
		d.add(DefaultChanged, path, n.Pos, fmt.Sprintf("default %s became %s", shortenJSON(b.Text), shortenJSON(n.Text)),
			nothing(), effectNone("is read as %s where it lacks the field", shortenJSON(n.Text)))
	}
}

// sameDefault compares the values of defaults, not the texts. Defaults of
// different types differ already by type, and the type has a change of its own.
func sameDefault(before, now *avsc.Field) bool {
	if before.Default.Text == now.Default.Text {
		return true
	}
	b, err := before.Type.AppendDefault(nil, before.Default)
	if err != nil {
		return false
	}
	n, err := now.Type.AppendDefault(nil, now.Default)
	return err == nil && string(b) == string(n)
}

// shortenJSON shortens a JSON text, so that the text fits into a sentence.
func shortenJSON(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func (d *Differ) enums(path string, b, n *avsc.Schema) {
	added, removed := resolve.MissingSymbols(n, b), resolve.MissingSymbols(b, n)
	before, now := symbolIndex(b), symbolIndex(n)
	for _, name := range added {
		d.add(SymbolAdded, path, n.Symbols[now[name]].Pos, "new symbol "+name, symbolEffect(b, "fail on it", "read, in its place,"), nothing())
	}
	for _, name := range removed {
		d.add(SymbolRemoved, path, b.Symbols[before[name]].Pos, "no more symbol "+name, nothing(), symbolEffect(n, "fails where it holds it", "is read, in its place"))
	}
	var order []int
	for _, s := range n.Symbols {
		if i, ok := before[s.Name]; ok {
			order = append(order, i)
		}
	}
	if !slices.IsSorted(order) {
		d.add(SymbolsReordered, path, n.Pos, "symbols in another order", nothing(), effectNone("is read; sorts in another order"))
	}
	if b.EnumDefault != n.EnumDefault {
		d.add(EnumDefaultChanged, path, n.Pos, fmt.Sprintf("default %s became %s", orNone(b.EnumDefault), orNone(n.EnumDefault)),
			nothing(), enumDefaultEffect(b, n))
	}
}

// symbolIndex maps the symbols of an enum to their indices.
func symbolIndex(s *avsc.Schema) map[string]int {
	index := make(map[string]int, len(s.Symbols))
	for i, symbol := range s.Symbols {
		index[symbol.Name] = i
	}
	return index
}

func enumDefaultEffect(b, n *avsc.Schema) Effect {
	switch {
	case n.EnumDefault == "":
		return effectNone("fails where it holds a symbol that the enum has lost")
	case b.EnumDefault == "":
		return effectNone("is read where it holds a symbol that the enum lacks")
	default:
		return effectNone("is read as %s where it holds a symbol that the enum lacks", n.EnumDefault)
	}
}

func symbolEffect(reader *avsc.Schema, badly, well string) Effect {
	if reader.EnumDefault == "" {
		return effectBreaks("%s", badly)
	}
	return effectNone("%s the default %s", well, reader.EnumDefault)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// unions pairs branches by type and name.
func (d *Differ) unions(path string, before, now schemaPos) {
	b, n := before.s, now.s
	olds := newBranches(b, n)
	kept := make([]bool, len(b.Branches))
	var order []int
	for i, branch := range n.Branches {
		old := olds.find(branch)
		if old < 0 || kept[old] {
			d.add(BranchAdded, path, n.BranchPos[i], "new branch "+named(branch), d.reading(branch, b, "read it", "fail on it"), nothing())
			continue
		}
		kept[old] = true
		order = append(order, old)
		d.schemas(path, schemaPos{b.Branches[old], b.BranchPos[old]}, schemaPos{branch, n.BranchPos[i]})
	}
	for i, branch := range b.Branches {
		if !kept[i] {
			d.add(BranchRemoved, path, b.BranchPos[i], "no more branch "+named(branch), nothing(), d.reading(branch, n, "is read", "fails where it holds it"))
		}
	}
	if !slices.IsSorted(order) {
		d.add(BranchesReordered, path, now.at, "branches in another order", nothing(), nothing())
	}
}

// branches finds the branches of an old union that a new union continues.
type branches struct {
	old     *avsc.Schema
	full    map[string]int   // by the full name; an unnamed branch by its kind
	short   map[string][]int // by the name without namespace
	gone    []int            // named branches that the new union lacks
	renamed *Renames         // of gone
}

func newBranches(old, now *avsc.Schema) *branches {
	has := make(map[string]bool, len(now.Branches))
	for _, s := range now.Branches {
		has[s.Name] = true
	}
	x := &branches{old: old, full: make(map[string]int, len(old.Branches)), short: map[string][]int{}}
	var gone []*avsc.Schema
	for i, s := range old.Branches {
		if !s.Kind.Named() {
			x.full[s.Kind.String()] = i
			continue
		}
		x.full[s.Name] = i
		x.short[s.ShortName()] = append(x.short[s.ShortName()], i)
		if !has[s.Name] {
			x.gone, gone = append(x.gone, i), append(gone, s)
		}
	}
	x.renamed = NewRenames(gone)
	return x
}

// find returns the old branch that s continues, or -1. The branch has the same
// name, or an alias of s names the branch, or only the name differs.
func (x *branches) find(s *avsc.Schema) int {
	same := func(i int) bool { return x.old.Branches[i].Kind == s.Kind }
	if !s.Kind.Named() {
		if i, ok := x.full[s.Kind.String()]; ok && same(i) {
			return i
		}
		return -1
	}
	if i, ok := x.full[s.Name]; ok && same(i) {
		return i
	}
	candidates := slices.Clone(x.short[s.ShortName()])
	for _, a := range s.Aliases {
		if i, ok := x.full[a.Name]; ok {
			candidates = append(candidates, i)
		}
	}
	slices.Sort(candidates)
	if k := slices.IndexFunc(candidates, same); k >= 0 {
		return candidates[k]
	}
	if k := x.renamed.Take(s); k >= 0 {
		return x.gone[k]
	}
	return -1
}

package avsc

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// finish resolves the references and then makes the checks that need
// references.
func (b *builder) finish() {
	for _, r := range b.refs {
		b.resolve(r)
	}
	for _, r := range b.repeats {
		*r.slot = r.first
	}
	broken := map[int]bool{} // sources with definitions that may be incomplete
	for _, e := range b.errs {
		broken[b.rank[e.Pos.File]] = true
	}
	for _, r := range b.repeats {
		if broken[r.first.source] || broken[r.second.source] {
			continue
		}
		if why := describeDifference(r.first, r.second); why != "" {
			b.mistake(r.second.NamePos, fmt.Sprintf("%s is defined differently at %s: %s", r.first.Name, r.first.NamePos, why), "make both the same, or remove one")
		}
	}
	for _, u := range b.unions {
		b.checkUnion(u)
	}
	budget := newBudget(b.seenJSON)
	for _, d := range b.defaults {
		errs := checkDefault(d.field.Type, d.field.Default, budget)
		if d.stored && len(errs) > 0 {
			d.field.Default = nil
			continue
		}
		b.errs = append(b.errs, errs...)
	}
}

func (b *builder) resolve(r reference) {
	if s := b.names[JoinName(r.ns, r.name)]; s != nil {
		*r.slot = s
		return
	}
	// As in Java, a simple name that its namespace does not define may be a
	// name without namespace. Inside a namespace there is no other way to refer
	// to such a type.
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
		return fmt.Sprintf("%s has to be an object of its own: \"type\": {\"type\": %q, %s}", Article(r.name), r.name, shape)
	case "union":
		return "a union is a JSON array of its branches"
	case "":
		return "write the name of a type"
	}
	if fix := misnomer(r.name); fix != "" {
		return "did you mean " + fix + "?"
	}
	if b.suggested++; b.suggested > 100 {
		return "define it, or give the file that does" // the search takes time, and nobody reads so many messages
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

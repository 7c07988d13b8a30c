package evolve

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

// maxAmbiguitySteps bounds the search for an ambiguous field. A search that is
// longer finds nothing.
const maxAmbiguitySteps = 1 << 20

// noWitnessAmbiguous is the reason why an ambiguity of [ambiguities] has no
// witness.
const noWitnessAmbiguous = "the check of a registry fails here, whatever the values are"

// ambiguities finds the fields where SchemaCompatibility of Apache Avro's Java
// throws an exception, so that a registry refuses the schema. Java compares a
// type with the branches of a union in order, until a branch fits, and compares
// the fields also of a record with another name. Java throws if a field matches
// two fields of the other record, and also if an alias is the field's own name.
type ambiguities struct {
	memo  map[pair]bool
	index resolve.FieldIndex
	steps int
	path  []string
	found *incompatible
}

func newAmbiguities() *ambiguities {
	return &ambiguities{memo: map[pair]bool{}, index: resolve.FieldIndex{}}
}

// findAmbiguous returns the first ambiguous field that Java finds, or nil.
func (c *checker) findAmbiguous(w, r schemaPos) *incompatible {
	aliases := false
	r.s.Walk(func(s *avsc.Schema) {
		aliases = aliases || slices.ContainsFunc(s.Fields, func(f *avsc.Field) bool { return len(f.Aliases) > 0 })
	})
	if !aliases {
		return nil
	}
	a := newAmbiguities()
	if c.group != nil { // the checks of a group share the work
		a = c.group.ambiguities
		a.found, a.path = nil, nil
	}
	a.reads(w, r)
	if a.found != nil && !c.newIsReader {
		a.found.at = a.found.from.at
	}
	return a.found
}

// reads reports whether the reader takes every value, as Java decides.
func (a *ambiguities) reads(w, r schemaPos) bool {
	if a.steps++; a.found != nil || a.steps > maxAmbiguitySteps {
		return true
	}
	if w.s.Kind != r.s.Kind && w.s.Kind != avsc.Union && r.s.Kind != avsc.Union {
		return resolve.Promotes(w.s.Kind, r.s.Kind)
	}
	if w.s.Kind == r.s.Kind && w.s.Kind.Primitive() {
		return true
	}
	key := pair{w.s, r.s}
	if known, ok := a.memo[key]; ok {
		return known
	}
	a.memo[key] = true // a recursive type is compatible until a finding shows otherwise
	ok := a.calculate(w, r)
	a.memo[key] = ok
	if a.found != nil {
		delete(a.memo, key) // another check finds the field again
	}
	return ok
}

func (a *ambiguities) calculate(w, r schemaPos) bool {
	ok := true
	switch {
	case w.s.Kind == avsc.Union:
		for i, b := range w.s.Branches {
			ok = a.reads(schemaPos{b, w.s.BranchPos[i]}, r) && ok
		}
		return ok
	case r.s.Kind == avsc.Union:
		for i, b := range r.s.Branches {
			if a.below(w, schemaPos{b, r.s.BranchPos[i]}, strconv.Itoa(i)) {
				return true
			}
		}
		return false
	case w.s.Kind == avsc.Array:
		return a.below(schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "items")
	case w.s.Kind == avsc.Map:
		return a.below(schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "values")
	case w.s.Kind == avsc.Fixed:
		return resolve.SameName(w.s, r.s) && w.s.Size == r.s.Size
	case w.s.Kind == avsc.Enum:
		return resolve.SameName(w.s, r.s) && (r.s.EnumDefault != "" || len(resolve.MissingSymbols(w.s, r.s)) == 0)
	}
	ok = resolve.SameName(w.s, r.s)
	for k, f := range r.s.Fields {
		from := a.index.Of(w.s, f)
		if len(from) == 0 {
			ok = ok && f.Default != nil
			continue
		}
		last := w.s.Fields[from[len(from)-1]]
		if len(from) > 1 || last.Name == f.Name && slices.ContainsFunc(f.Aliases, func(a avsc.Alias) bool { return a.Name == f.Name }) {
			if a.found == nil {
				a.found = &incompatible{
					kind: AmbiguousFieldAlias, path: slices.Concat(a.path, []string{"fields", strconv.Itoa(k)}),
					message: fmt.Sprintf("%s matches the writer's fields %s and %s", f.Name, w.s.Fields[from[0]].Name, last.Name),
					at:      f.NamePos, w: w.s, r: r.s, from: w, field: f, own: len(from) == 1, registryOnly: true,
				}
			}
			return false
		}
		ok = a.below(schemaPos{last.Type, last.TypePos}, schemaPos{f.Type, f.TypePos}, "fields", strconv.Itoa(k), "type") && ok
	}
	return ok
}

func (a *ambiguities) below(w, r schemaPos, path ...string) bool {
	before := len(a.path)
	a.path = append(a.path, path...)
	ok := a.reads(w, r)
	a.path = a.path[:before]
	return ok
}

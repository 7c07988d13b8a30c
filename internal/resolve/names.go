package resolve

import (
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// SameName says whether the reader's record, enum or fixed may read the
// writer's: their names without namespace are equal, or the writer's full name
// is an alias of the reader's type. Readers differ on the namespace; Java's and
// the registry's leave it out.
func SameName(w, r *avsc.Schema) bool {
	if simple(w.Name) == simple(r.Name) {
		return true
	}
	for _, a := range r.Aliases {
		if a.Name == w.Name {
			return true
		}
	}
	return false
}

func simple(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// FieldIndex finds the fields of writers' records by name. It is made for each
// record when it is first asked for, so that a record of n fields takes time in
// proportion to n. It is not safe for concurrent use.
type FieldIndex map[*avsc.Schema]map[string]int

// Of returns the indices of the fields of w, a record of the writer, that a
// field of the reader names, by its name or by an alias, in ascending order.
// More than one is ambiguous: no reader can tell which is meant.
func (x FieldIndex) Of(w *avsc.Schema, f *avsc.Field) []int {
	names := x[w]
	if names == nil {
		names = make(map[string]int, len(w.Fields))
		for i, wf := range w.Fields {
			names[wf.Name] = i
		}
		x[w] = names
	}
	var found []int
	if i, ok := names[f.Name]; ok {
		found = append(found, i)
	}
	for _, a := range f.Aliases {
		if i, ok := names[a.Name]; ok && !slices.Contains(found, i) {
			found = append(found, i)
		}
	}
	slices.Sort(found)
	return found
}

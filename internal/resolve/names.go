package resolve

import (
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// SameName reports whether the reader's record, enum or fixed may read the
// writer's type. The names without namespace must be equal, or the writer's
// full name must be an alias of the reader's type. Readers disagree about the
// namespace. Java's reader and the registry ignore the namespace.
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

// FieldIndex finds fields of writers' records by name. A FieldIndex builds the
// index of a record at the first lookup, so a record of n fields takes time in
// proportion to n. A FieldIndex is not safe for concurrent use.
type FieldIndex map[*avsc.Schema]map[string]int

// Of returns the indices of the fields of the writer's record w that the
// reader's field f names, by name or by alias. The indices ascend. More than
// one index is ambiguous, because a reader cannot know the meant field.
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

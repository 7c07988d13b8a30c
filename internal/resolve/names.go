package resolve

import (
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

// WriterFields returns the indices of the writer's fields that a field of the
// reader names, by its name or by an alias. More than one is ambiguous: no
// reader can tell which is meant.
func WriterFields(w *avsc.Schema, f *avsc.Field) []int {
	var found []int
	for i, wf := range w.Fields {
		if wf.Name == f.Name || hasAlias(f, wf.Name) {
			found = append(found, i)
		}
	}
	return found
}

func hasAlias(f *avsc.Field, name string) bool {
	for _, a := range f.Aliases {
		if a.Name == name {
			return true
		}
	}
	return false
}

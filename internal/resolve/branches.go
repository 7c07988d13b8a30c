package resolve

import (
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// BranchIndex finds branches of readers' unions by the name of a type. A
// BranchIndex builds the index of a union at the first lookup, so a union of n
// branches takes time in proportion to n. A BranchIndex is not safe for
// concurrent use.
type BranchIndex map[*avsc.Schema]*branchNames

// branchNames holds the branches of one union. Every slice ascends.
type branchNames struct {
	full    map[string]int   // by the full name
	simple  map[string][]int // by the name without namespace
	alias   map[string][]int // by an alias
	logical map[string]int   // the last fixed of each logical type
	unnamed []int            // the branches without a name, at most one of each kind
}

// Of returns the branches of the union that may read values of w. The schema w
// is no union. A branch that is not in the result reads no value of w. The
// indices ascend. For a fixed, the result also holds the last fixed of each
// logical type, because the errors name a fixed of another meaning.
func (x BranchIndex) Of(w, union *avsc.Schema) []int {
	b := x.names(union)
	if !w.Kind.Named() {
		return b.unnamed
	}
	found := slices.Concat(b.simple[simple(w.Name)], b.alias[w.Name])
	if w.Kind == avsc.Fixed {
		for _, i := range b.logical {
			found = append(found, i)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Namesake returns the branch of the union with the full name of w, or -1. The
// schema w is no union.
func (x BranchIndex) Namesake(w, union *avsc.Schema) int {
	if i, ok := x.names(union).full[w.Name]; ok {
		return i
	}
	return -1
}

func (x BranchIndex) names(union *avsc.Schema) *branchNames {
	b := x[union]
	if b == nil {
		b = newBranchNames(union)
		x[union] = b
	}
	return b
}

func newBranchNames(union *avsc.Schema) *branchNames {
	b := &branchNames{full: map[string]int{}, simple: map[string][]int{}, alias: map[string][]int{}, logical: map[string]int{}}
	for i, s := range union.Branches {
		if !s.Kind.Named() {
			b.unnamed = append(b.unnamed, i)
			continue
		}
		b.full[s.Name] = i
		b.simple[simple(s.Name)] = append(b.simple[simple(s.Name)], i)
		for _, a := range s.Aliases {
			b.alias[a.Name] = append(b.alias[a.Name], i)
		}
		if s.Kind == avsc.Fixed && s.Logical.Name != "" {
			b.logical[s.Logical.Name] = i
		}
	}
	return b
}

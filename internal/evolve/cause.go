package evolve

import (
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

// causes finds out why no branch of a union takes a value. A registry only says
// that a branch is missing, also where the branch is there and something deep
// inside was changed. It has a checker of its own, because the order in which
// pairs are compared decides what a checker reports.
type causes struct{ c checker }

func newCauses(of *checker) *causes {
	return &causes{checker{newIsReader: of.newIsReader, memo: map[pair][]incompatible{}, fields: of.fields}}
}

// of returns the changes that make the finding x, a missing union branch. It
// returns none where the union really has no branch for the value.
func (a *causes) of(x incompatible) []incompatible {
	found, _ := a.inside(x, map[pair]bool{})
	return found
}

// inside reports again where all causes were told already.
func (a *causes) inside(x incompatible, seen map[pair]bool) (found []incompatible, again bool) {
	if x.kind != MissingUnionBranch {
		return nil, false
	}
	key := pair{x.w, x.union.s}
	if seen[key] {
		return nil, true
	}
	i := x.nearestBranch()
	if i < 0 {
		return nil, false
	}
	seen[key] = true
	branch := place{x.union.s.Branches[i], x.union.s.BranchPos[i]}
	for _, y := range a.c.root(x.from, branch) {
		if len(found) >= maxCauses {
			break
		}
		deeper, told := a.inside(y, seen)
		if told {
			again = true
			continue
		}
		if len(deeper) == 0 {
			deeper = []incompatible{y}
		}
		for _, z := range deeper {
			same := func(o incompatible) bool { return o.kind == z.kind && o.at == z.at && o.w == z.w && o.r == z.r }
			if !slices.ContainsFunc(found, same) {
				found = append(found, z)
			}
		}
	}
	return found[:min(len(found), maxCauses)], again && len(found) == 0
}

// nearestBranch returns the branch of the reader's union that the writer's value
// is meant for, -1 where it is none: the branch that resolution takes, or else
// the only one beside null for the only one beside null.
func (x incompatible) nearestBranch() int {
	if i := resolve.Branch(x.w, x.union.s); i >= 0 {
		return i
	}
	if n := len(x.route); n > 0 && x.route[n-1].parent.Kind == avsc.Union && onlyBranch(x.route[n-1].parent) < 0 {
		return -1
	}
	if x.w.Kind == avsc.Null {
		return -1
	}
	return onlyBranch(x.union.s)
}

// onlyBranch returns the branch of a union beside null, -1 where there is none
// or more than one.
func onlyBranch(union *avsc.Schema) int {
	only := -1
	for i, b := range union.Branches {
		switch {
		case b.Kind == avsc.Null:
		case only >= 0:
			return -1
		default:
			only = i
		}
	}
	return only
}

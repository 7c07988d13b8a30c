package evolve

import (
	"math"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// causes finds the reasons why no branch of a union takes a value. A registry
// only reports a missing branch, even if the branch exists and a change deep
// inside breaks the branch. The type causes has its own checker, because the
// reports of a checker depend on the order of the compared pairs.
type causes struct {
	c    checker
	work *int // the work that is left for a group of checks; nil without a group
}

func newCauses(of *checker) *causes {
	a := &causes{c: checker{newIsReader: of.newIsReader, matched: true, memo: map[pair][]incompatible{}, matcher: of.matcher}}
	if of.group != nil {
		a.work = &of.group.work
	}
	return a
}

// find returns the changes that cause x, a missing union branch. The result is
// empty if the union really has no branch for the value.
func (a *causes) find(x incompatible) []incompatible {
	depth := math.MaxInt
	if a.work != nil && *a.work <= 0 {
		depth = maxCauseDepth
	}
	found, _ := a.findInside(x, map[pair]bool{}, depth)
	return found
}

// findInside also returns true for again if all causes were already reported.
// The argument depth is the number of unions inside each other that inside
// enters.
func (a *causes) findInside(x incompatible, seen map[pair]bool, depth int) (found []incompatible, again bool) {
	if x.kind != MissingUnionBranch || depth == 0 {
		return nil, false
	}
	key := pair{x.w, x.union.s}
	if seen[key] {
		return nil, true
	}
	i := a.nearestBranch(x)
	if i < 0 {
		return nil, false
	}
	seen[key] = true
	if a.work != nil {
		*a.work--
	}
	branch := schemaPos{x.union.s.Branches[i], x.union.s.BranchPos[i]}
	for _, y := range a.c.root(x.from, branch) {
		if len(found) >= maxCauses {
			break
		}
		deeper, told := a.findInside(y, seen, depth-1)
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

// nearestBranch returns the branch of the reader's union that is meant for the
// writer's value, or -1 if there is no such branch. Normally this is the branch
// that resolution takes. Otherwise the result is the union's only branch beside
// null. The writer's type must not be null. If the writer's type stands in a
// union, that union must also have a single branch beside null.
func (a *causes) nearestBranch(x incompatible) int {
	if i := a.c.matcher.Branch(x.w, x.union.s); i >= 0 {
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

// onlyBranch returns the only branch of a union beside null. The result is -1
// if there is no such branch or more than one.
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

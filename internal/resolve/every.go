package resolve

import (
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// ReadsEvery reports whether the reader can take every value of the writer.
func ReadsEvery(writer, reader *avsc.Schema) bool {
	return NewMatcher().ReadsEvery(writer, reader)
}

// Matcher answers [Every] and remembers the results for pairs of records. A
// Matcher is not safe for concurrent use.
type Matcher struct{ x resolver }

// NewMatcher returns a Matcher without results.
func NewMatcher() *Matcher {
	return &Matcher{newResolver()}
}

// ReadsEvery reports whether the reader can take every value of the writer.
func (j *Matcher) ReadsEvery(writer, reader *avsc.Schema) bool { return j.x.readsEvery(writer, reader) }

func (x *resolver) readsEvery(w, r *avsc.Schema) bool {
	if w.Kind == avsc.Union {
		for _, b := range w.Branches {
			if !x.readsEvery(b, r) {
				return false
			}
		}
		return true
	}
	if r.Kind == avsc.Union {
		for _, i := range x.branches.Of(w, r) {
			if x.readsEvery(w, r.Branches[i]) {
				return true
			}
		}
		return false
	}
	if w.Kind != r.Kind {
		return Promotes(w.Kind, r.Kind)
	}
	switch w.Kind {
	case avsc.Record:
		return SameName(w, r) && x.readsEveryRecord(w, r)
	case avsc.Enum:
		return SameName(w, r) && (r.EnumDefault != "" || len(MissingSymbols(w, r)) == 0)
	case avsc.Fixed:
		return SameName(w, r) && w.Size == r.Size
	case avsc.Array, avsc.Map:
		return x.readsEvery(w.Elem, r.Elem)
	default:
		return true
	}
}

func (x *resolver) readsEveryRecord(w, r *avsc.Schema) bool {
	key := pair{w, r}
	known, ok := x.whole[key]
	if ok {
		return known
	}
	x.whole[key] = true // assumed during the check, because a cycle alone fails nothing
	mark := len(x.trusted)
	x.trusted = append(x.trusted, key)
	for _, f := range r.Fields {
		found := x.index.Of(w, f)
		if len(found) > 1 || len(found) == 0 && f.Default == nil ||
			len(found) == 1 && !x.readsEvery(w.Fields[found[0]].Type, f.Type) {
			for _, k := range x.trusted[mark:] { // the results that relied on this pair
				delete(x.whole, k)
			}
			x.trusted = x.trusted[:mark]
			x.whole[key] = false
			return false
		}
	}
	return true
}

// MissingSymbols returns the writer's symbols that the reader's enum does not
// have. The symbols are sorted.
func MissingSymbols(w, r *avsc.Schema) []string {
	has := make(map[string]bool, len(r.Symbols))
	for _, s := range r.Symbols {
		has[s.Name] = true
	}
	var missing []string
	for _, s := range w.Symbols {
		if !has[s.Name] {
			missing = append(missing, s.Name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Branch returns the branch of the reader's union that reads a value of w, or
// -1 if no branch does. The schema w is no union.
func (j *Matcher) Branch(w, union *avsc.Schema) int { return j.x.branch(w, union) }

// Branches returns the branches of the reader's union that may read values of
// w. See [BranchIndex.Of].
func (j *Matcher) Branches(w, union *avsc.Schema) []int { return j.x.branches.Of(w, union) }

// Fields returns the fields of the writer's record w that the reader's field f
// names. See [FieldIndex.Of].
func (j *Matcher) Fields(w *avsc.Schema, f *avsc.Field) []int { return j.x.index.Of(w, f) }

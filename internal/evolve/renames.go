package evolve

import (
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// Renames finds types of an old version that a new version continues under
// another name. The types differ only in the name or in the namespace.
type Renames struct {
	gone    []*avsc.Schema
	taken   []bool
	byShort map[string][]int // by kind and name without namespace
	byText  map[string][]int // by the text without the name; nil before its first use
}

// NewRenames returns the renames of the named types that are gone.
func NewRenames(gone []*avsc.Schema) *Renames {
	r := &Renames{gone: gone, taken: make([]bool, len(gone)), byShort: make(map[string][]int, len(gone))}
	for i, s := range gone {
		if s.Kind.Named() {
			r.byShort[shortKey(s)] = append(r.byShort[shortKey(s)], i)
		}
	}
	return r
}

// Take returns the index of the first type that is gone and that s continues,
// or -1. Take returns each index once.
func (r *Renames) Take(s *avsc.Schema) int {
	if !s.Kind.Named() || len(r.gone) == 0 {
		return -1
	}
	if r.byText == nil {
		r.byText = make(map[string][]int, len(r.gone))
		for i, old := range r.gone {
			if old.Kind.Named() {
				r.byText[textKey(old)] = append(r.byText[textKey(old)], i)
			}
		}
	}
	i, text := r.first(r.byShort, shortKey(s)), r.first(r.byText, textKey(s))
	if i < 0 || text >= 0 && text < i {
		i = text
	}
	if i >= 0 {
		r.taken[i] = true
	}
	return i
}

// first returns the first index of a key that is not taken, or -1.
func (r *Renames) first(index map[string][]int, key string) int {
	list := slices.DeleteFunc(index[key], func(i int) bool { return r.taken[i] })
	index[key] = list
	if len(list) == 0 {
		return -1
	}
	return list[0]
}

func shortKey(s *avsc.Schema) string { return s.Kind.String() + " " + s.ShortName() }

func textKey(s *avsc.Schema) string {
	return s.Kind.String() + " " + strings.ReplaceAll(s.Canonical(), strconv.Quote(s.Name), `"?"`)
}

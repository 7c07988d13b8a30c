package codegen

import "slices"

// shape answers questions about whole types that decide how they are encoded
// and decoded. Its answers are kept, since records are asked about often.
type shape struct {
	loops   map[*recordDecl]int // record to the number of its loop, 0 for none
	aliases map[*recordDecl]bool
}

func newShape() *shape {
	return &shape{loops: map[*recordDecl]int{}, aliases: map[*recordDecl]bool{}}
}

// eachRecord calls visit for every record that t names, but not for those that
// these name.
func (t *typeExpr) eachRecord(visit func(*recordDecl)) {
	t.eachType(func(x *typeExpr) {
		if x.Kind == kindRecord {
			visit(x.Record)
		}
	})
}

// reach are the records that values of d may hold, d only if it may hold
// itself.
func reach(d *recordDecl) map[*recordDecl]bool {
	seen := map[*recordDecl]bool{}
	var visit func(*recordDecl)
	visit = func(r *recordDecl) {
		for _, f := range r.Fields {
			f.Type.eachRecord(func(x *recordDecl) {
				if !seen[x] {
					seen[x] = true
					visit(x)
				}
			})
		}
	}
	visit(d)
	return seen
}

// recursive: a value of d may hold another one.
func (s *shape) recursive(d *recordDecl) bool { return s.loop(d) > 0 }

// loop numbers the loops of records: two records have the same number, not 0,
// if a value of each may hold one of the other.
func (s *shape) loop(d *recordDecl) int {
	if n, ok := s.loops[d]; ok {
		return n
	}
	from := reach(d)
	if !from[d] {
		s.loops[d] = 0
		return 0
	}
	n := len(s.loops) + 1
	s.loops[d] = n
	for r := range from {
		if r != d && reach(r)[d] {
			s.loops[r] = n
		}
	}
	return n
}

// loops: values of t, found in record d, may hold a d again.
func (s *shape) loopsTo(t *typeExpr, d *recordDecl) bool {
	if !s.recursive(d) {
		return false
	}
	var yes bool
	t.eachRecord(func(r *recordDecl) { yes = yes || s.loop(r) == s.loop(d) })
	return yes
}

// hasText: a decoded value of d has strings or bytes, which share memory with
// what they were read from.
func (s *shape) hasText(d *recordDecl) bool {
	if yes, ok := s.aliases[d]; ok {
		return yes
	}
	yes := recordHasText(d)
	for r := range reach(d) {
		yes = yes || recordHasText(r)
	}
	s.aliases[d] = yes
	return yes
}

func recordHasText(d *recordDecl) bool { return holds(d, kindString, kindBytes, kindMap) }

// holds: a field of d is of one of the kinds, or an element or branch of one
// is.
func holds(d *recordDecl, kinds ...kind) (yes bool) {
	for _, f := range d.Fields {
		f.Type.eachType(func(t *typeExpr) { yes = yes || slices.Contains(kinds, t.Kind) })
	}
	return yes
}

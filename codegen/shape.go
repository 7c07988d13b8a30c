package codegen

import "slices"

// shape answers questions about whole types. The answers determine how the
// types are encoded and decoded. shape caches the answers, because the emitter
// asks about the same record often.
type shape struct {
	loops   map[*recordDecl]int // record to the number of its loop, 0 without a loop
	aliases map[*recordDecl]bool
}

func newShape() *shape {
	return &shape{loops: map[*recordDecl]int{}, aliases: map[*recordDecl]bool{}}
}

// eachRecord calls visit for every record that t names, but not for the records
// inside these records.
func (t *typeExpr) eachRecord(visit func(*recordDecl)) {
	t.eachType(func(x *typeExpr) {
		if x.Kind == kindRecord {
			visit(x.Record)
		}
	})
}

// reach are the records that values of d may hold. The result contains d only
// if d may hold itself.
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

// recursive reports whether a value of d may hold another value of d.
func (s *shape) recursive(d *recordDecl) bool { return s.loop(d) > 0 }

// loop numbers the loops of records. Two records have the same number, which is
// not 0, if a value of each record may hold a value of the other.
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

// loopsTo reports whether values of t in record d may hold another d.
func (s *shape) loopsTo(t *typeExpr, d *recordDecl) bool {
	if !s.recursive(d) {
		return false
	}
	var yes bool
	t.eachRecord(func(r *recordDecl) { yes = yes || s.loop(r) == s.loop(d) })
	return yes
}

// hasText reports whether a decoded value of d has strings or bytes. Strings
// and bytes share memory with the input.
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

func recordHasText(d *recordDecl) bool {
	return holds(d, kindString, kindBytes, kindMap) || slices.ContainsFunc(d.Fields, func(f *fieldDecl) (yes bool) {
		f.Type.eachType(func(t *typeExpr) { yes = yes || t.Kind == kindOwn && t.Own.aliases() })
		return yes
	})
}

// holds reports whether a field of d, or an element or branch of a field, is of
// one of the kinds.
func holds(d *recordDecl, kinds ...kind) (yes bool) {
	for _, f := range d.Fields {
		f.Type.eachType(func(t *typeExpr) { yes = yes || slices.Contains(kinds, t.Kind) })
	}
	return yes
}

package codegen

import (
	"slices"

	"github.com/avroline/avroline/internal/scc"
)

// shape contains facts about whole types, which determine how types are encoded
// and decoded. Computing all facts takes time in proportion to the size of the
// schemas. A shape is immutable, so the emitters of several files can share a
// shape.
type shape struct {
	loops map[*recordDecl]int // record to the number of its loop, 0 without a loop
	text  map[*recordDecl]bool
}

// newShape computes the facts about the records of all files, and about the
// records inside them.
func newShape(files []*goFile) *shape {
	s := &shape{map[*recordDecl]int{}, map[*recordDecl]bool{}}
	loops := 0
	records := scc.New((*recordDecl).eachRecord, func(component []*recordDecl) {
		loop, text := len(component) > 1, false
		for _, d := range component {
			text = text || recordHasText(d)
			d.eachRecord(func(x *recordDecl) {
				loop = loop || x == d
				text = text || s.text[x]
			})
		}
		number := 0
		if loop {
			loops++
			number = loops
		}
		for _, d := range component {
			s.loops[d], s.text[d] = number, text
		}
	})
	for _, f := range files {
		for _, d := range f.Decls {
			if r, ok := d.(*recordDecl); ok {
				records.Visit(r)
			}
		}
	}
	return s
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

// eachRecord calls visit for every record that a field of d names.
func (d *recordDecl) eachRecord(visit func(*recordDecl)) {
	for _, f := range d.Fields {
		f.Type.eachRecord(visit)
	}
}

// recursive reports whether a value of d may hold another value of d.
func (s *shape) recursive(d *recordDecl) bool { return s.loop(d) > 0 }

// loop numbers the loops of records. Two records have the same number, which is
// not 0, if a value of each record may hold a value of the other.
func (s *shape) loop(d *recordDecl) int { return s.loops[d] }

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
func (s *shape) hasText(d *recordDecl) bool { return s.text[d] }

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

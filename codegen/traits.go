package codegen

import "slices"

// traits decides which records need Equal and Clone. If a record contains
// another record by value, then the outer record needs all methods that the
// inner record needs. Containment by value has no cycles.
func (b *builder) traits() {
	external := map[*recordDecl]*ExternalType{}
	for _, t := range b.order {
		if t.record != nil {
			external[t.record] = t.external
		}
	}
	done := map[*recordDecl]bool{}
	var visit func(d *recordDecl)
	visit = func(d *recordDecl) {
		if done[d] {
			return
		}
		done[d] = true
		for _, f := range d.Fields {
			if f.Type.Kind == kindRecord && !f.Type.Pointer {
				visit(f.Type.Record)
			}
			d.NeedsEqual = d.NeedsEqual || f.Type.needsEqual()
			d.NeedsClone = d.NeedsClone || f.Type.needsClone()
		}
		if ext := external[d]; ext != nil {
			d.NeedsEqual, d.NeedsClone = ext.Equal, ext.Clone
		}
	}
	for _, t := range b.order {
		if t.record != nil {
			visit(t.record)
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			visit(bare.record)
		}
	}
}

// needsEqual reports whether == does not compile for the type, or does not mean
// equality.
func (t *typeExpr) needsEqual() bool {
	switch t.Kind {
	case kindTimestampMillis, kindTimestampMicros, kindTimestampNanos, kindDecimalBytes, kindDecimalFixed:
		return true
	case kindOptional:
		return true
	case kindOwn:
		return !t.Own.Pure || t.Own.shares()
	default:
		return t.needsClone()
	}
}

// needsClone reports whether a copy by assignment shares mutable memory with
// its original.
func (t *typeExpr) needsClone() bool {
	switch t.Kind {
	case kindOptional:
		return t.Opt == nil || t.Elem.needsClone()
	case kindBytes, kindArray, kindMap, kindUnion:
		return true
	case kindOwn:
		return t.Own.shares()
	case kindRecord:
		return t.Pointer || t.Record.NeedsClone
	default:
		return false
	}
}

// eachType calls visit for t and every type inside t, also inside unions. It
// does not visit the fields of records.
func (t *typeExpr) eachType(visit func(*typeExpr)) {
	visit(t)
	if t.Elem != nil {
		t.Elem.eachType(visit)
	}
	if t.Union != nil {
		for _, x := range t.Union.Branches {
			x.Type.eachType(visit)
		}
	}
}

// eachTypeAndBase is eachType that also visits the base types of own types.
func (t *typeExpr) eachTypeAndBase(visit func(*typeExpr)) {
	t.eachType(func(x *typeExpr) {
		visit(x)
		if x.Kind == kindOwn {
			x.Own.Base.eachTypeAndBase(visit)
		}
	})
}

// home returns the package of a declared type that t names. For other types
// home is nil.
func (t *typeExpr) home() *goPackage {
	switch t.Kind {
	case kindRecord:
		return t.Record.Pkg
	case kindEnum:
		return t.Enum.Pkg
	case kindFixed:
		return t.Fixed.Pkg
	case kindUnion:
		return t.Union.Pkg
	default:
		return nil
	}
}

// eachType calls visit for the types of all record fields in a file.
func (f *goFile) eachType(visit func(*typeExpr)) {
	for _, d := range f.Decls {
		if r, ok := d.(*recordDecl); ok {
			for _, field := range r.Fields {
				field.Type.eachType(visit)
			}
		}
	}
}

// imports returns the other generated packages that a file needs, sorted by
// path.
func (f *goFile) imports() []*goPackage {
	var needed []*goPackage
	need := func(p *goPackage) {
		if p != nil && p != f.Pkg && !slices.Contains(needed, p) {
			needed = append(needed, p)
		}
	}
	visit := func(t *typeExpr) {
		need(t.home())
		switch {
		case t.Kind == kindOwn:
			for _, p := range t.Own.Pkgs {
				need(p)
			}
		case t.Opt != nil:
			for _, p := range t.Opt.Pkgs {
				need(p)
			}
		}
	}
	f.eachTypeAndBase(visit)
	return needed
}

// eachTypeAndBase is eachType that also visits the base types of own types.
func (f *goFile) eachTypeAndBase(visit func(*typeExpr)) {
	f.eachType(func(t *typeExpr) {
		visit(t)
		if t.Kind == kindOwn {
			t.Own.Base.eachTypeAndBase(visit)
		}
	})
}

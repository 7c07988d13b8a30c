package codegen

import "cmp"

// Generated code may use types of another module. Such code holds the schema of
// these types, and calls the code of the other module for their values. If the
// other module changes its schema, a message would have the old schema and the
// encoding of the new schema. Therefore each declared type has a constant with
// the fingerprint of its schema, and code of other modules compares the
// constant when it compiles.

// nameMeanings names the constants. It is the last step that takes names, so
// that no other name changes.
func (b *builder) nameMeanings() {
	for _, t := range b.order {
		if !t.hasDecl() {
			continue
		}
		name := ""
		if t.external != nil {
			name = t.external.Meaning
		}
		name = cmp.Or(name, b.scope(t.pkg).take(t.goName()+"Meaning"))
		switch {
		case t.record != nil:
			t.record.Meaning = name
		case t.enum != nil:
			t.enum.Meaning = name
		default:
			t.fixed.Meaning = name
		}
	}
}

// meaningOf returns the constant of a declared type and its value. The name is
// "" for a declaration without a constant.
func meaningOf(d decl) (name string, fingerprint uint64) {
	switch d := d.(type) {
	case *recordDecl:
		return d.Meaning, d.Fingerprint
	case *enumDecl:
		return d.Meaning, d.Fingerprint
	case *fixedDecl:
		return d.Meaning, d.Fingerprint
	}
	return "", 0
}

// decl returns the declaration of a record, an enum or a fixed, or nil.
func (t *typeExpr) decl() decl {
	switch t.Kind {
	case kindRecord:
		return t.Record
	case kindEnum:
		return t.Enum
	case kindFixed:
		return t.Fixed
	default:
		return nil
	}
}

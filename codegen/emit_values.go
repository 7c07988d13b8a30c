package codegen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// recordMethods prints the constructor and the methods of a record.
func (e *emitter) recordMethods(d *recordDecl) {
	m := messageOf(d)
	if d.HasDefaults {
		e.note("%s returns %s with the schema's defaults.", d.NewFunc, avsc.Article(d.GoName))
		e.p("func %s() %s {\nvar v %s", d.NewFunc, d.GoName, d.GoName)
		for _, f := range d.Fields {
			if f.Default != nil {
				e.p("v.%s = %s", f.GoName, e.literal(f.Default))
			}
		}
		e.p("return v\n}\n")
	} else {
		e.note("%s returns the zero value: the schema has no other defaults.", d.NewFunc)
		e.function(fmt.Sprintf("func %s() %s", d.NewFunc, d.GoName), fmt.Sprintf("return %s{}", d.GoName))
	}
	e.nameMethods(m)
	e.appendMethods(d)
	e.unmarshalMethods(m, d.Fingerprint, e.shape.hasText(d), !d.Bare)
	e.readMethod(d)
	if !d.Bare {
		e.fieldNames(d)
		e.readAsMethod(d)
	}
	if e.shape.recursive(d) {
		e.withinMethod(d)
	}
	if d.NeedsEqual {
		e.equalMethod(d)
	}
	if d.NeedsClone {
		e.cloneMethod(d)
	}
	e.jsonMethods(d)
}

// fieldNames prints the table of Avro names for error texts.
func (e *emitter) fieldNames(d *recordDecl) {
	if !slices.ContainsFunc(d.Fields, func(f *fieldDecl) bool { return f.Type.simple() }) {
		return
	}
	e.p("var %s = [...]string{", d.FieldNames)
	for _, f := range d.Fields {
		e.p("%q,", f.AvroName)
	}
	e.p("}\n")
}

func (e *emitter) equalMethod(d *recordDecl) {
	doc := "Equal reports whether v and o are the same value, or both nil."
	if holds(d, kindBytes, kindArray, kindMap) {
		doc += " Nil and empty slices and maps are equal where neither is null."
	}
	if e.shape.recursive(d) {
		doc += fmt.Sprintf(" A value that nests deeper than [%s], as one that contains itself does, equals none.", e.avrobin("MaxDepth"))
	}
	e.doc(wrap(doc))
	if e.shape.recursive(d) {
		e.function(fmt.Sprintf("func (v *%s) Equal(o *%s) bool", d.GoName, d.GoName), fmt.Sprintf("return v.within(%s) && v.equal(o)", e.avrobin("MaxDepth")))
		e.p("func (v *%s) equal(o *%s) bool {", d.GoName, d.GoName)
	} else {
		e.p("func (v *%s) Equal(o *%s) bool {", d.GoName, d.GoName)
	}
	e.p("if v == nil || o == nil {\nreturn v == o\n}")
	for fields := range slices.Chunk(d.Fields, longestCondition) {
		var terms []string
		for _, f := range fields {
			terms = append(terms, e.equalTerms("v."+f.GoName, "o."+f.GoName, f.Type, d)...)
		}
		if len(d.Fields) <= longestCondition {
			e.terms("return ", terms, "")
			e.p("}\n")
			return
		}
		e.terms("if !(", terms, ") {")
		e.p("return false\n}")
	}
	e.p("return true\n}\n")
}

// longestCondition is the largest number of fields in one condition, because
// the compiler is slow with longer conditions.
const longestCondition = 100

// terms prints a condition with one term on each line. All terms must hold.
func (e *emitter) terms(before string, terms []string, after string) {
	for i, term := range terms {
		if i == 0 {
			term = before + term
		}
		if i < len(terms)-1 {
			term += " &&"
		} else {
			term += after
		}
		e.p("%s", term)
		if i == 0 {
			e.indent++ // the following lines continue the condition
		}
	}
	e.indent--
}

// comparable reports whether == of two values of t means equality.
func (t *typeExpr) comparable() bool {
	switch t.Kind {
	case kindRecord:
		return !t.Pointer && !t.Record.NeedsEqual
	case kindOwn:
		return t.Own.Pure
	case kindBytes, kindArray, kindMap, kindOptional, kindUnion,
		kindTimestampMillis, kindTimestampMicros, kindTimestampNanos, kindDecimalBytes, kindDecimalFixed:
		return false
	default:
		return true
	}
}

// equalTerms returns the conditions for equality of two addressable values in
// record in. All conditions must hold.
func (e *emitter) equalTerms(a, b string, t *typeExpr, in *recordDecl) []string {
	if t.Kind == kindOptional && t.Opt != nil {
		value := e.equal(a+"."+t.Opt.Value, b+"."+t.Opt.Value, t.Elem, in)
		return []string{fmt.Sprintf("%s.Valid == %s.Valid", a, b), fmt.Sprintf("(!%s.Valid || %s)", a, value)}
	}
	if t.Kind == kindOptional && t.Nilable {
		return []string{fmt.Sprintf("(%s == nil) == (%s == nil)", a, b), e.equal(a, b, t.Elem, in)}
	}
	return []string{e.equal(a, b, t, in)}
}

// equal returns an expression that compares two addressable values in record
// in. Their type needs only one condition.
func (e *emitter) equal(a, b string, t *typeExpr, in *recordDecl) string {
	if t.comparable() {
		return a + " == " + b
	}
	switch t.Kind {
	case kindRecord:
		if t.Pointer {
			if !t.Record.NeedsEqual {
				return fmt.Sprintf("%s(%s, %s)", e.avrobin("EqualPointers"), a, b)
			}
			return fmt.Sprintf("%s.%s(%s)", a, e.bounded("Equal", t, in), b)
		}
		return fmt.Sprintf("%s.%s(&%s)", a, e.bounded("Equal", t, in), b)
	case kindBytes:
		return fmt.Sprintf("%s(%s, %s)", e.std("bytes.Equal"), a, b)
	case kindArray:
		if t.Elem.comparable() {
			return fmt.Sprintf("%s(%s, %s)", e.std("slices.Equal"), a, b)
		}
		return fmt.Sprintf("%s(%s, %s, %s)", e.std("slices.EqualFunc"), a, b, e.equalFunc(t.Elem, in))
	case kindMap:
		if t.Elem.comparable() {
			return fmt.Sprintf("%s(%s, %s)", e.std("maps.Equal"), a, b)
		}
		return fmt.Sprintf("%s(%s, %s, %s)", e.std("maps.EqualFunc"), a, b, e.equalFunc(t.Elem, in))
	case kindOptional:
		switch {
		case t.Elem.comparable():
			return fmt.Sprintf("%s(%s, %s)", e.avrobin("EqualPointers"), a, b)
		case t.Elem.Kind == kindRecord:
			return fmt.Sprintf("%s.%s(%s)", a, e.bounded("Equal", t.Elem, in), b)
		}
		return fmt.Sprintf("%s(%s, %s, %s)", e.avrobin("EqualPointersFunc"), a, b, e.equalFunc(t.Elem, in))
	case kindUnion:
		return fmt.Sprintf("%s(%s, %s)", t.Union.EqualFunc, a, b)
	case kindOwn:
		return e.equalOwn(a, b, t.Own)
	default:
		return fmt.Sprintf("%s.Equal(%s)", a, b) // time.Time, decimal.Decimal
	}
}

// equalFunc returns a function that compares two values of t.
func (e *emitter) equalFunc(t *typeExpr, in *recordDecl) string {
	switch t.Kind {
	case kindTimestampMillis, kindTimestampMicros, kindTimestampNanos, kindDecimalBytes, kindDecimalFixed:
		return e.typ(t) + ".Equal"
	default:
		terms := e.equalTerms("a", "b", t, in)
		header := fmt.Sprintf("func(a, b %s) bool", e.typ(t))
		if len(terms) > 1 && strings.Contains(terms[1], "\n") {
			return oneLine(header, "if !("+terms[0]+") {\nreturn false\n}\nreturn "+terms[1])
		}
		body := strings.Join(terms, " && ")
		if name, ok := strings.CutSuffix(body, "(a, b)"); ok && !strings.Contains(name, " ") {
			return name
		}
		return oneLine(header, "return "+body)
	}
}

func (e *emitter) equalUnion(d *unionDecl) {
	e.p("func %s(a, b %s) bool {", d.EqualFunc, d.GoName)
	if d.onlyNull() {
		e.p("return a == nil && b == nil\n}\n")
		return
	}
	e.p("switch a := a.(type) {")
	for _, x := range d.Branches {
		switch {
		case x.Wrapper != "":
			e.p("case %s:\nb, ok := b.(%s)", x.goType(), x.goType())
			terms := append([]string{"ok"}, e.equalTerms("a.Value", "b.Value", x.Type, d.Owner)...)
			if line := strings.Join(terms, " && "); !strings.Contains(line, "\n") {
				terms = []string{line}
			}
			e.terms("return ", terms, "")
		case x.Type.Kind != kindRecord:
		case x.Type.Record.NeedsEqual:
			e.p("case %s:\nb, ok := b.(%s)\nreturn ok && a.%s(b)", x.goType(), x.goType(), e.bounded("Equal", x.Type, d.Owner))
		default:
			e.p("case %s:\nb, ok := b.(%s)\nreturn ok && %s(a, b)", x.goType(), x.goType(), e.avrobin("EqualPointers"))
		}
	}
	e.p("}\nreturn a == nil && b == nil\n}\n")
}

func (e *emitter) cloneMethod(d *recordDecl) {
	if !e.shape.recursive(d) {
		e.note("Clone returns a copy of v that shares nothing with v, and nil for nil.")
		e.p("func (v *%s) Clone() *%s {", d.GoName, d.GoName)
	} else {
		e.note("Clone returns a copy of v that shares nothing with v, and nil for nil. If v nests deeper than [%s], so that it cannot be written, Clone copies the outermost record alone.", e.avrobin("MaxDepth"))
		e.p("func (v *%s) Clone() *%s {", d.GoName, d.GoName)
		e.p("if !v.within(%s) {\nreturn %s(v)\n}", e.avrobin("MaxDepth"), e.avrobin("ClonePointer"))
		e.p("return v.clone()\n}\n")
		e.p("func (v *%s) clone() *%s {", d.GoName, d.GoName)
	}
	e.p("if v == nil {\nreturn nil\n}")
	e.p("c := *v")
	for _, f := range d.Fields {
		e.own("c."+f.GoName, f.Type, d, 0)
	}
	e.p("return &c\n}\n")
}

// own prints statements for x. x is a copy by assignment, in record in. The
// statements replace the memory that x shares with the original.
func (e *emitter) own(x string, t *typeExpr, in *recordDecl, level int) {
	switch t.Kind {
	case kindBytes:
		e.p("%s = %s(%s)", x, e.std("bytes.Clone"), x)
	case kindArray:
		e.p("%s = %s(%s)", x, e.std("slices.Clone"), x)
		if t.Elem.needsClone() {
			i := numbered("i", level)
			e.p("for %s := range %s {", i, x)
			e.own(x+"["+i+"]", t.Elem, in, level+1)
			e.p("}")
		}
	case kindMap:
		e.p("%s = %s(%s)", x, e.std("maps.Clone"), x)
		if t.Elem.needsClone() {
			key, value := numbered("key", level), numbered("x", level)
			e.p("for %s, %s := range %s {", key, value, x)
			e.own(value, t.Elem, in, level+1)
			e.p("%s[%s] = %s", x, key, value)
			e.p("}")
		}
	case kindOptional:
		switch {
		case t.Opt != nil:
			if t.Elem.needsClone() {
				e.own(x+"."+t.Opt.Value, t.Elem, in, level)
			}
		case t.Nilable && t.Elem.Kind == kindOwn: // the copy of nil may be empty
			e.p("if %s != nil {", x)
			e.own(x, t.Elem, in, level)
			e.p("}")
		case t.Nilable:
			e.own(x, t.Elem, in, level)
		case !t.Elem.needsClone():
			e.p("%s = %s(%s)", x, e.avrobin("ClonePointer"), x)
		case t.Elem.Kind == kindOwn:
			e.p("if %s != nil {\n%s = %s(%s)", x, x, e.avrobin("ClonePointer"), x)
			e.own("*"+x, t.Elem, in, level)
			e.p("}")
		default: // only a record is behind a pointer and shares memory
			e.p("%s = %s.%s()", x, x, e.bounded("Clone", t.Elem, in))
		}
	case kindRecord:
		switch {
		case t.Pointer && t.Record.NeedsClone:
			e.p("%s = %s.%s()", x, x, e.bounded("Clone", t, in))
		case t.Pointer:
			e.p("%s = %s(%s)", x, e.avrobin("ClonePointer"), x)
		case t.Record.NeedsClone:
			e.p("%s = *%s.%s()", x, x, e.bounded("Clone", t, in))
		}
	case kindOwn:
		if t.needsClone() {
			e.cloneOwn(x, t.Own)
		}
	case kindUnion:
		e.p("%s = %s(%s)", x, t.Union.CloneFunc, x)
	default:
	}
}

func (e *emitter) cloneUnion(d *unionDecl) {
	shares := slices.DeleteFunc(slices.Clone(d.Branches), func(x *unionBranch) bool {
		return (x.Wrapper != "" || x.Type.Kind != kindRecord) && !x.Type.needsClone()
	})
	e.p("func %s(u %s) %s {", d.CloneFunc, d.GoName, d.GoName)
	switch len(shares) {
	case 0:
		e.p("return u // no branch shares memory\n}\n")
		return
	case 1:
		e.p("if u, ok := u.(%s); ok {", shares[0].goType())
		e.cloneBranch(shares[0], d)
	default:
		e.p("switch u := u.(type) {")
		for _, x := range shares {
			e.p("case %s:", x.goType())
			e.cloneBranch(x, d)
		}
	}
	e.p("}\nreturn u\n}\n")
}

func (e *emitter) cloneBranch(x *unionBranch, d *unionDecl) {
	switch {
	case x.Wrapper != "":
		e.own("u.Value", x.Type, d.Owner, 0)
		e.p("return u")
	case x.Type.Record.NeedsClone:
		e.p("return u.%s()", e.bounded("Clone", x.Type, d.Owner))
	default:
		e.p("return %s(u)", e.avrobin("ClonePointer"))
	}
}

package codegen

import "strings"

// A Go value may contain itself, and then a walk through the value never ends.
// So encoding counts the depth, and the other methods of recursive records
// first check the depth.

// withinMethod prints the method within, which checks the depth of a value.
func (e *emitter) withinMethod(d *recordDecl) {
	e.p("// within reports whether v nests no deeper than depth.")
	e.p("func (v *%s) within(depth int) bool {", d.GoName)
	e.p("if v == nil {\nreturn true\n}")
	e.p("if depth == 0 {\nreturn false\n}")
	for _, f := range d.Fields {
		e.within("v."+f.GoName, f.Type, d, 0)
	}
	e.p("return true\n}\n")
}

// within prints statements for x in record in. The statements return false if x
// nests too deep.
func (e *emitter) within(x string, t *typeExpr, in *recordDecl, level int) {
	if !e.shape.loopsTo(t, in) {
		return
	}
	switch t.Kind {
	case kindRecord:
		e.p("if !%s.within(depth - 1) {\nreturn false\n}", x)
	case kindOptional:
		e.within(x, t.Elem, in, level)
	case kindArray:
		i := numbered("i", level)
		e.p("for %s := range %s {", i, x)
		e.within(x+"["+i+"]", t.Elem, in, level+1)
		e.p("}")
	case kindMap:
		elem := numbered("x", level)
		e.p("for _, %s := range %s {", elem, x)
		e.within(elem, t.Elem, in, level+1)
		e.p("}")
	case kindUnion:
		u := numbered("u", level)
		e.p("switch %s := %s.(type) {", u, x)
		for _, b := range t.Union.Branches {
			switch {
			case !e.shape.loopsTo(b.Type, in):
			case b.Wrapper == "":
				e.p("case *%s:", b.Type.Record.GoName)
				e.within(u, b.Type, in, level+1)
			default:
				e.p("case %s:", b.Wrapper)
				e.within(u+".Value", b.Type, in, level+1)
			}
		}
		e.p("}")
	default:
	}
}

// bounded returns the method Equal or Clone of a record t in record in. Inside
// a loop of records, bounded returns the variant that does not repeat the depth
// check.
func (e *emitter) bounded(method string, t *typeExpr, in *recordDecl) string {
	if e.shape.loopsTo(t, in) {
		return strings.ToLower(method)
	}
	return method
}

package codegen

import (
	"fmt"
	"strconv"
)

// readAsMethod prints ReadAvroAs of a record. ReadAvroAs reads each field as
// ReadAvro does, but in the order of the fields in a plan.
func (e *emitter) readAsMethod(d *recordDecl) {
	at := site{record: d, fail: "src", wrap: true}
	layout := e.avrobin("Layout")
	own := "v.ReadAvro(src)"
	e.note("ReadAvroAs is ReadAvro for a value that another schema's writer laid out as l says.")
	e.p("func (v *%s) ReadAvroAs(l %s, src []byte) (rest []byte, err error) {", d.GoName, layout)
	if e.shape.recursive(d) {
		e.p("return v.readAvroAs(l, src, %s)", e.avrobin("MaxDepth"))
		e.p("}\n")
		e.p("// readAvroAs is ReadAvroAs with the number of values that may yet nest.")
		e.p("func (v *%s) readAvroAs(l %s, src []byte, depth int) (rest []byte, err error) {", d.GoName, layout)
		own = "v.readAvro(src, depth)"
		at.depth = "depth-1"
	}
	e.p("if l.IsOwn() {\nreturn %s\n}", own)
	if at.depth != "" {
		e.p("if depth == 0 {\nreturn src, %s(%s, \"\")\n}", e.avrobin("ErrorAt"), e.avrobin("ErrDepth"))
	}
	e.fieldVariables(d)
	e.p("for s := l.FirstStep(); s != nil; s = s.Next() {")
	const runStep = "if src, err = l.RunStep(s, src, &rest); err != nil {\nreturn src, err\n}\n}"
	if len(d.Fields) == 0 {
		e.p("%s", runStep)
	} else {
		e.p("switch s.Field {")
		simple := false
		for i, f := range d.Fields {
			e.p("case %d:", i)
			at.name = f.AvroName
			simple = e.readFieldAs("v."+f.GoName, f.Type, at) || simple
		}
		e.p("default: // between two fields of v\n%s", runStep)
		// All simple fields share one check, because the compiler takes long
		// over many checks.
		if simple {
			e.p("if err != nil {\nreturn src, %s(err, %s[s.Field])\n}", e.avrobin("ErrorAt"), d.FieldNames)
		}
		e.p("}")
	}
	e.p("return l.Rest(src, rest), nil\n}\n")
}

// readFieldAs prints code that reads the field of the step s. If readFieldAs
// returns true, the code does not check err yet.
func (e *emitter) readFieldAs(x string, t *typeExpr, at site) (simple bool) {
	var call string
	switch t.Kind {
	case kindFloat:
		call = "s.ReadFloat(src)"
	case kindDouble:
		call = "s.ReadDouble(src)"
	case kindEnum:
		call = fmt.Sprintf("%s[%s](s, src, %d)", e.avrobin("ReadEnumAs"), e.named(t.Enum.typeName), len(t.Enum.Symbols))
	default:
		if record, listed := t.record(); record {
			at.layout = "l.Inner(s)"
			if listed {
				at.layout = "in"
				e.p("in := l.Inner(s)")
			}
		}
		if t.Kind == kindOwn && t.Own.ReadStepFunc != "" {
			call = t.Own.ReadStepFunc + "(s, src)"
			break
		}
		if !t.simple() {
			e.readValue(x, t, at)
			return false
		}
		e.readSimple(x, t, at)
		return true
	}
	e.p("%s, src, err = %s", x, call)
	return true
}

// readSimple prints code that reads a simple value. The code does not check
// err.
func (e *emitter) readSimple(x string, t *typeExpr, at site) {
	switch {
	case t.Kind == kindOptional:
		e.p("if present, src, err = %s(src, %d); present {", e.avrobin("ReadPresent"), t.NullIndex)
		if t.Opt != nil {
			e.p("%s = %s{Valid: true}", x, e.typ(t))
			e.readSimple(x+"."+t.Opt.Value, t.Elem, at)
			e.p("} else {\n%s = %s{}\n}", x, e.typ(t))
			return
		}
		if t.Nilable {
			e.readSimple(x, t.Elem, at)
		} else {
			e.newOptional(x, t, at)
			e.readSimple("*"+x, t.Elem, at)
		}
		e.p("} else {\n%s = nil\n}", x)
	case t.Kind == kindRecord && t.Pointer:
		e.p("%s = new(%s)", x, e.named(t.Record.typeName))
		fallthrough
	default:
		e.p("%s", e.readStatement(x, t, at))
	}
}

// simple reports whether one statement reads a present value of t.
func (t *typeExpr) simple() bool {
	switch t.Kind {
	case kindArray, kindMap:
		return false
	case kindOptional:
		return t.Elem.simple()
	default:
		return t.minSize() > 0
	}
}

// record reports whether t is a record, or an optional, array or map with
// records at the innermost level. listed reports whether the records are in an
// array or map. Elements without bytes are not read, so they do not count.
func (t *typeExpr) record() (is, listed bool) {
	for ; t.Elem != nil; t = t.Elem {
		listed = listed || t.Kind != kindOptional
		if t.Kind == kindArray && t.Elem.minSize() == 0 {
			return false, false
		}
	}
	return t.Kind == kindRecord || t.Kind == kindOwn && t.Own.ReadAsFunc != "", listed
}

// least returns an expression for the smallest number of bytes of an element of
// t. size is the number in t's own schema.
func (p site) least(t *typeExpr, size int) string {
	if p.layout != "" && (t.Kind == kindRecord || t.Kind == kindOwn && t.Own.ReadAsFunc != "") {
		return fmt.Sprintf("%s.MinSize(%d)", p.layout, size)
	}
	return strconv.Itoa(size)
}

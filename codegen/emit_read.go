package codegen

import (
	"fmt"
	"strconv"
	"strings"
)

// readMethod prints ReadAvro of a record.
func (e *emitter) readMethod(d *recordDecl) {
	for _, block := range d.Blocks {
		e.note("%s holds optional fields of one %s that was read.", block.GoName, d.GoName)
		e.p("type %s struct {", block.GoName)
		var rows [][]string
		for _, f := range block.Fields {
			rows = append(rows, []string{f.GoName, e.typ(f.Type.Elem)})
		}
		e.columns(rows)
		e.p("}\n")
	}
	at := site{record: d, fail: "src", wrap: true}
	e.readDoc(e.shape.hasText(d))
	e.p("func (v *%s) ReadAvro(src []byte) (rest []byte, err error) {", d.GoName)
	if e.shape.recursive(d) {
		e.p("return v.readAvro(src, %s)", e.avrobin("MaxDepth"))
		e.p("}\n")
		e.p("// readAvro is ReadAvro with the number of values that may yet nest.")
		e.p("func (v *%s) readAvro(src []byte, depth int) (rest []byte, err error) {", d.GoName)
		e.p("if depth == 0 {\nreturn src, %s(%s, \"\")\n}", e.avrobin("ErrorAt"), e.avrobin("ErrDepth"))
		at.depth = "depth-1"
	}
	e.fieldVariables(d)
	for _, f := range d.Fields {
		if !d.Bare {
			at.name = f.AvroName
		}
		e.readValue("v."+f.GoName, f.Type, at)
	}
	e.p("return src, nil\n}\n")
}

// fieldVariables declares the variables that reading the fields of d needs.
func (e *emitter) fieldVariables(d *recordDecl) {
	var block, present bool
	for _, f := range d.Fields {
		b, p := f.Type.readVariables()
		block, present = block || b, present || p
	}
	e.readVariables(block, present)
	for _, block := range d.Blocks {
		e.p("var %s *%s", block.Local, block.GoName)
	}
}

// readVariables declares the variables for reading. The variable n is the
// number of elements in a block. The variable present reports whether an
// optional value is present.
func (e *emitter) readVariables(block, present bool) {
	if block {
		e.p("var n int")
	}
	if present {
		e.p("var present bool")
	}
}

func (t *typeExpr) readVariables() (block, present bool) {
	for x := t; x != nil; x = x.Elem {
		block = block || x.Kind == kindArray || x.Kind == kindMap
		present = present || x.Kind == kindOptional
	}
	return block, present
}

// readValue prints statements that read a value from src into x. The expression
// x is addressable.
func (e *emitter) readValue(x string, t *typeExpr, at site) {
	if t.minSize() == 0 {
		return
	}
	switch t.Kind {
	case kindOptional:
		e.readOptional(x, t, at)
	case kindArray:
		e.readArray(x, t, at)
	case kindMap:
		e.readMap(x, t, at)
	default:
		if t.Kind == kindRecord && t.Pointer {
			e.p("%s = new(%s)", x, e.named(t.Record.typeName))
		}
		e.p("if %s; err != nil {\n%s\n}", e.readStatement(x, t, at), e.ret(at))
	}
}

// readStatement returns an assignment to x, src and err.
func (e *emitter) readStatement(x string, t *typeExpr, at site) string {
	switch bare := strings.TrimPrefix(x, "*"); t.Kind {
	case kindUUIDFixed, kindFixed:
		return fmt.Sprintf("src, err = %s(%s[:], src)", e.avrobin("ReadFixed"), bare)
	case kindRecord:
		method, args := "ReadAvro", "src"
		if at.layout != "" {
			method, args = "ReadAvroAs", at.layout+", src"
		}
		if at.depth != "" && e.shape.loopsTo(t, at.record) {
			method, args = "r"+method[1:], args+", "+at.depth
		}
		return fmt.Sprintf("src, err = %s.%s(%s)", bare, method, args)
	case kindUnion:
		if at.depth != "" && e.shape.loopsTo(t, at.record) {
			return fmt.Sprintf("%s, src, err = %s(src, %s)", x, t.Union.ReadFunc, at.depth)
		}
		return fmt.Sprintf("%s, src, err = %s(src)", x, t.Union.ReadFunc)
	case kindOwn:
		if at.layout != "" && t.Own.ReadAsFunc != "" {
			return fmt.Sprintf("%s, src, err = %s(%s, src)", x, t.Own.ReadAsFunc, at.layout)
		}
		return fmt.Sprintf("%s, src, err = %s(src)", x, t.Own.ReadFunc)
	default:
		return fmt.Sprintf("%s, src, err = %s", x, e.readCall(t))
	}
}

// readCall returns a call that returns a value of t, the rest and an error.
func (e *emitter) readCall(t *typeExpr) string {
	call := func(name string, more ...any) string {
		args := "src"
		for _, m := range more {
			args += fmt.Sprintf(", %v", m)
		}
		return e.avrobin(name) + "(" + args + ")"
	}
	switch t.Kind {
	case kindBool:
		return call("ReadBool")
	case kindInt:
		return call("ReadInt")
	case kindLong:
		return call("ReadLong")
	case kindFloat:
		return call("ReadFloat")
	case kindDouble:
		return call("ReadDouble")
	case kindBytes:
		return call("ReadBytes")
	case kindString:
		return call("ReadString")
	case kindDate:
		return call("ReadDate")
	case kindTimeMillis:
		return call("ReadTimeMillis")
	case kindTimeMicros:
		return call("ReadTimeMicros")
	case kindTimestampMillis:
		return call("ReadTimestampMillis")
	case kindTimestampMicros:
		return call("ReadTimestampMicros")
	case kindTimestampNanos:
		return call("ReadTimestampNanos")
	case kindUUIDString:
		return call("ReadUUID")
	case kindDecimalBytes:
		return call("ReadDecimal", t.Precision, t.Scale, e.decimal("New"), e.decimal("NewFromBigInt"))
	case kindDecimalFixed:
		return call("ReadDecimalFixed", t.Precision, t.Scale, t.Size, e.decimal("New"), e.decimal("NewFromBigInt"))
	case kindDuration:
		return call("ReadDuration")
	case kindEnum:
		return call("ReadEnum["+e.named(t.Enum.typeName)+"]", len(t.Enum.Symbols))
	default:
		panic("codegen: no call reads this kind of type")
	}
}

func (e *emitter) readOptional(x string, t *typeExpr, at site) {
	e.p("if present, src, err = %s(src, %d); err != nil {\n%s\n}", e.avrobin("ReadPresent"), t.NullIndex, e.ret(at))
	if t.Opt != nil {
		e.p("if %s = (%s{Valid: present}); present {", x, e.typ(t))
		e.readValue(x+"."+t.Opt.Value, t.Elem, at)
		e.p("}")
		return
	}
	e.p("if %s = nil; present {", x)
	if t.Nilable {
		e.readValue(x, t.Elem, at)
	} else {
		e.newOptional(x, t, at)
		e.readValue("*"+x, t.Elem, at)
	}
	e.p("}")
}

// newOptional prints code that gives the pointer x a target. The target is a
// field's place in its block, or newly allocated memory.
func (e *emitter) newOptional(x string, t *typeExpr, at site) {
	if block := at.record.blockOf[t]; block != nil {
		_, name, _ := strings.Cut(x, ".") // x is the field, v.Name
		e.p("%s = &%s(&%s).%s", x, e.avrobin("Block"), block.Local, name)
		return
	}
	e.p("%s = new(%s)", x, e.typ(t.Elem))
}

func (e *emitter) readArray(x string, t *typeExpr, at site) {
	size := t.Elem.minSize()
	if size == 0 {
		e.p("if n, src, err = %s(src); err != nil {\n%s\n}", e.avrobin("ReadEmpty"), e.ret(at))
		e.p("%s = make(%s, n)", x, e.typ(t))
		return
	}
	i := at.index()
	block := fmt.Sprintf("n, src, err = %s(src, %s)", e.avrobin("ReadBlock"), at.least(t.Elem, size))
	e.p("%s = %s{}", x, e.typ(t))
	e.p("for %s; n > 0; %s {", block, block)
	switch elem := at.element(i); {
	case t.Elem.Kind == kindLong:
		e.roomForBlock(x, i, t)
		e.p("if n, src, err = %s(%s[%s:], src); err != nil {\n%s\n}", e.avrobin("ReadLongs"), x, i, e.ret(at.element(i+"+n")))
	case e.shape.loopsTo(t, at.record):
		// A block of a recursive type may claim as many elements as there are
		// bytes, and each element inside may do so too. So the code grows the
		// slice element by element.
		e.p("for range n {")
		e.p("%s := len(%s)", i, x)
		zero := "nil"
		if t.Elem.Kind == kindRecord && !t.Elem.Pointer {
			zero = e.typ(t.Elem) + "{}"
		}
		e.p("%s = append(%s, %s)", x, x, zero)
		e.readValue(x+"["+i+"]", t.Elem, elem)
		e.p("}")
	case at.layout != "" && (t.Elem.Kind == kindRecord || t.Elem.Kind == kindOwn && t.Elem.Own.ReadAsFunc != ""):
		e.p("for n > 0 {")
		e.p("%s := len(%s)", i, x)
		e.p("%s = %s(%s, %s, n)", x, e.avrobin("GrowSlice"), at.layout, x)
		e.p("n -= len(%s) - %s", x, i)
		e.p("for ; %s < len(%s); %s++ {", i, x, i)
		e.readValue(x+"["+i+"]", t.Elem, elem)
		e.p("}\n}")
	default:
		e.roomForBlock(x, i, t)
		e.p("for ; %s < len(%s); %s++ {", i, x, i)
		e.readValue(x+"["+i+"]", t.Elem, elem)
		e.p("}")
	}
	e.p("}")
	e.p("if err != nil {\n%s\n}", e.ret(at))
}

// roomForBlock lengthens the slice x by the n elements of a block. The first
// element of the block is at index i.
func (e *emitter) roomForBlock(x, i string, t *typeExpr) {
	e.p("%s := len(%s)", i, x)
	e.p("%s = append(%s, make(%s, n)...)", x, x, e.typ(t))
}

func (e *emitter) readMap(x string, t *typeExpr, at site) {
	key, value := at.key(), at.elem()
	size := "1+" + at.least(t.Elem, t.Elem.minSize())
	if at.layout == "" {
		size = strconv.Itoa(1 + t.Elem.minSize())
	}
	block := fmt.Sprintf("n, src, err = %s(src, %s)", e.avrobin("ReadBlock"), size)
	e.p("%s = %s{}", x, e.typ(t))
	e.p("for %s; n > 0; %s {", block, block)
	e.p("%s = %s(%s, n)", x, e.avrobin("GrowMap"), x)
	e.p("for range n {")
	if t.Elem.Kind == kindString {
		e.p("var %s, %s string", key, value)
	} else {
		e.p("var %s string\nvar %s %s", key, value, e.typ(t.Elem))
	}
	e.p("if %s, src, err = %s(src); err != nil {\n%s\n}", key, e.avrobin("ReadString"), e.ret(at))
	e.readValue(value, t.Elem, at.element(key))
	e.p("%s[%s] = %s", x, key, value)
	e.p("}\n}")
	e.p("if err != nil {\n%s\n}", e.ret(at))
}

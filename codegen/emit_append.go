package codegen

import (
	"fmt"
	"strings"
)

// site is the place of a value in a record. A site has the data for the path of
// an error, and facts about the enclosing function.
type site struct {
	record *recordDecl // the record whose method or union is printed
	name   string      // of the field; "" adds no name
	in     []string    // the variables of the loops around, outermost first
	fail   string      // the results before the error in a failing return: "dst", "src", "nil, src"
	wrap   bool        // an error gets a path even if the path is empty
	depth  string      // the remaining depth for values of recursive types, or ""
	layout string      // the layout of the records inside, for reading, or "" for their own layout
}

// element returns the place of an element of the value at p.
func (p site) element(variable string) site {
	p.in = append(p.in[:len(p.in):len(p.in)], variable)
	return p
}

// ret returns the return statement for err.
func (e *emitter) ret(at site) string {
	results := "return "
	if at.fail != "" {
		results += at.fail + ", "
	}
	if at.name == "" && len(at.in) == 0 && !at.wrap {
		return results + "err"
	}
	args := append([]string{"err", fmt.Sprintf("%q", at.name)}, at.in...)
	return fmt.Sprintf("%s%s(%s)", results, e.avrobin("ErrorAt"), strings.Join(args, ", "))
}

// index returns the name of a loop's index. key returns the name of a map key.
// elem returns the name of a copy of an element. The names contain the number
// of loops around the place, so they are distinct.
func (p site) index() string { return numbered("i", len(p.in)) }
func (p site) key() string   { return numbered("key", len(p.in)) }
func (p site) elem() string  { return numbered("x", len(p.in)) }

func numbered(name string, level int) string {
	if level == 0 {
		return name
	}
	return fmt.Sprintf("%s%d", name, level+1)
}

// appendMethods prints AppendAvro of a record.
func (e *emitter) appendMethods(d *recordDecl) {
	at := site{record: d, fail: "dst", wrap: true}
	e.note("AppendAvro appends the Avro encoding of v to dst. On an error it returns dst as it was.")
	if e.shape.recursive(d) {
		e.p("func (v *%s) AppendAvro(dst []byte) ([]byte, error) {", d.GoName)
		e.p("return v.appendAvro(dst, %s)", e.avrobin("MaxDepth"))
		e.p("}\n")
		e.p("// appendAvro is AppendAvro with the number of values that may yet nest.")
		e.p("func (v *%s) appendAvro(dst []byte, depth int) ([]byte, error) {", d.GoName)
		e.nilCheck()
		e.p("if depth == 0 {\nreturn dst, %s(%s, \"\")\n}", e.avrobin("ErrorAt"), e.avrobin("ErrDepth"))
		at.depth = "depth-1"
	} else {
		e.p("func (v *%s) AppendAvro(dst []byte) ([]byte, error) {", d.GoName)
		e.nilCheck()
	}
	if len(d.Fields) == 0 {
		e.p("return dst, nil\n}\n")
		return
	}
	e.p("b := dst")
	if fallible(d) {
		e.p("var err error")
	}
	for _, f := range d.Fields {
		if !d.Bare {
			at.name = f.AvroName
		}
		e.appendValue("v."+f.GoName, f.Type, at)
	}
	e.p("return b, nil\n}\n")
}

func fallible(d *recordDecl) bool {
	for _, f := range d.Fields {
		if f.Type.fallible() {
			return true
		}
	}
	return false
}

// fallible reports whether appending a value of t can fail.
func (t *typeExpr) fallible() bool {
	switch t.Kind {
	case kindString:
		return !t.AnyText
	case kindTimeMillis, kindTimeMicros, kindTimestampMillis, kindTimestampMicros, kindTimestampNanos,
		kindDecimalBytes, kindDecimalFixed, kindEnum, kindUnion, kindMap, kindOwn:
		return true
	case kindRecord:
		return t.minSize() > 0
	case kindArray:
		return t.Elem.minSize() > 0 && t.Elem.fallible() // generated code does not visit elements without bytes
	case kindOptional:
		return t.Elem.fallible()
	default:
		return false
	}
}

// appendValue prints statements that append the value of the expression x to b.
func (e *emitter) appendValue(x string, t *typeExpr, at site) {
	if t.minSize() == 0 {
		return
	}
	switch t.Kind {
	case kindOptional:
		e.appendOptional(x, t, at)
	case kindArray:
		e.appendArray(x, t, at)
	case kindMap:
		e.appendMap(x, t, at)
	default:
		call := e.appendCall("b", x, t, at)
		if t.fallible() {
			e.p("if b, err = %s; err != nil {\n%s\n}", call, e.ret(at))
		} else {
			e.p("b = %s", call)
		}
	}
}

// appendCall returns an expression that appends x to the expression b. The type
// of x needs no statements.
func (e *emitter) appendCall(b, x string, t *typeExpr, at site) string {
	call := func(name string, more ...any) string {
		args := fmt.Sprintf("%s, %s", b, x)
		for _, m := range more {
			args += fmt.Sprintf(", %v", m)
		}
		return e.avrobin(name) + "(" + args + ")"
	}
	local := ""
	if t.Local {
		local = "Local"
	}
	switch t.Kind {
	case kindBool:
		return call("AppendBool")
	case kindInt:
		return call("AppendInt")
	case kindLong:
		return call("AppendLong")
	case kindFloat:
		return call("AppendFloat")
	case kindDouble:
		return call("AppendDouble")
	case kindBytes:
		return call("AppendBytes")
	case kindString:
		if t.AnyText {
			return call("AppendRawString")
		}
		return call("AppendString")
	case kindDate:
		return call("AppendDate")
	case kindTimeMillis:
		return call("AppendTimeMillis")
	case kindTimeMicros:
		return call("AppendTimeMicros")
	case kindTimestampMillis:
		return call("Append" + local + "TimestampMillis")
	case kindTimestampMicros:
		return call("Append" + local + "TimestampMicros")
	case kindTimestampNanos:
		return call("Append" + local + "TimestampNanos")
	case kindUUIDString:
		return call("AppendUUID")
	case kindUUIDFixed, kindFixed:
		return fmt.Sprintf("append(%s, %s[:]...)", b, strings.TrimPrefix(x, "*"))
	case kindDecimalBytes:
		return call("AppendDecimal", t.Precision, t.Scale)
	case kindDecimalFixed:
		return call("AppendDecimalFixed", t.Precision, t.Scale, t.Size)
	case kindDuration:
		return call("AppendDuration")
	case kindEnum:
		return call("AppendEnum", len(t.Enum.Symbols))
	case kindRecord:
		if t.minSize() == 0 {
			return b
		}
		x = strings.TrimPrefix(x, "*")
		if at.depth != "" && e.shape.loopsTo(t, at.record) {
			return fmt.Sprintf("%s.appendAvro(%s, %s)", x, b, at.depth)
		}
		return fmt.Sprintf("%s.AppendAvro(%s)", x, b)
	case kindUnion:
		if at.depth != "" && e.shape.loopsTo(t, at.record) {
			return fmt.Sprintf("%s(%s, %s, %s)", t.Union.AppendFunc, b, x, at.depth)
		}
		return fmt.Sprintf("%s(%s, %s)", t.Union.AppendFunc, b, x)
	case kindOwn:
		return fmt.Sprintf("%s(%s, %s)", t.Own.AppendFunc, b, x)
	default:
		panic("codegen: no call appends this kind of type")
	}
}

func (e *emitter) appendOptional(x string, t *typeExpr, at site) {
	elem := t.Elem
	value := x
	null := x + " == nil"
	switch {
	case t.Opt != nil:
		value, null = x+"."+t.Opt.Value, "!"+x+".Valid"
	case !t.Nilable:
		value = "*" + x
	}
	tagged := appendIndex("b", 1-t.NullIndex)
	e.p("if %s {\nb = %s", null, appendIndex("b", t.NullIndex))
	switch {
	case elem.Kind == kindArray || elem.Kind == kindMap:
		e.p("} else {\nb = %s", tagged)
		e.appendValue(value, elem, at)
		e.p("}")
	case elem.fallible():
		e.p("} else if b, err = %s; err != nil {\n%s\n}", e.appendCall(tagged, value, elem, at), e.ret(at))
	default:
		e.p("} else {\nb = %s\n}", e.appendCall(tagged, value, elem, at))
	}
}

// appendIndex appends the index of a union's branch.
func appendIndex(b string, index int) string {
	out := "append(" + b
	u := uint(index) << 1
	for ; u >= 0x80; u >>= 7 {
		out += fmt.Sprintf(", %#x", byte(u)|0x80)
	}
	return out + fmt.Sprintf(", %d)", u)
}

func (e *emitter) appendArray(x string, t *typeExpr, at site) {
	e.p("b = %s(b, len(%s))", e.avrobin("AppendBlock"), x)
	switch i := at.index(); {
	case t.Elem.Kind == kindLong:
		e.p("b = %s(b, %s)", e.avrobin("AppendLongs"), x)
	case t.Elem.minSize() > 0:
		e.p("for %s := range %s {", i, x)
		e.appendValue(x+"["+i+"]", t.Elem, at.element(i))
		e.p("}")
	}
	e.p("b = append(b, 0)")
}

func (e *emitter) appendMap(x string, t *typeExpr, at site) {
	key := at.key()
	e.p("b = %s(b, len(%s))", e.avrobin("AppendBlock"), x)
	e.p("for _, %s := range %s(%s, new(%s)) {", key, e.avrobin("SortedKeys"), x, e.avrobin("KeyBuffer"))
	in := at.element(key)
	e.p("if b, err = %s(b, %s); err != nil {\n%s\n}", e.avrobin("AppendString"), key, e.ret(in))
	value := x + "[" + key + "]"
	if t.Elem.needsVariable() {
		e.p("%s := %s", at.elem(), value)
		value = at.elem()
	}
	e.appendValue(value, t.Elem, in)
	e.p("}")
	e.p("b = append(b, 0)")
}

// needsVariable reports whether the code that appends a value of t needs the
// address of the value, or names the value more than once.
func (t *typeExpr) needsVariable() bool {
	switch t.Kind {
	case kindFixed, kindUUIDFixed, kindRecord, kindArray, kindMap, kindOptional:
		return t.minSize() > 0
	default:
		return false
	}
}

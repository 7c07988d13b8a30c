package codegen

import (
	"fmt"
	"go/types"
	"strings"
)

// typeText returns the text of a loaded type in file f.
func (f *goFile) typeText(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p.Path() == f.Pkg.Path {
			return ""
		}
		return f.importNames[p.Path()]
	})
}

// ownFunc returns the name of a function of the user.
func (e *emitter) ownFunc(f ownFunc) string {
	e.importOf(f.Pkg)
	return e.file.qualify(f.Pkg, f.Name)
}

// ownFuncs prints the functions of an own type.
func (e *emitter) ownFuncs(d *ownDecl) {
	typ := e.typ(&typeExpr{Kind: kindOwn, Own: d})
	e.p("func %s(dst []byte, v %s) ([]byte, error) {", d.AppendFunc, typ)
	e.appendOwn(d)
	e.p("}\n")
	e.p("func %s(src []byte) (v %s, rest []byte, err error) {", d.ReadFunc, typ)
	e.readOwn(d, site{record: &recordDecl{typeName: typeName{Pkg: d.Pkg}}, fail: "v, src"}, "")
	e.p("}\n")
	layout := e.avrobin("Layout")
	switch {
	case d.ReadAsFunc != "":
		e.p("func %s(l %s, src []byte) (v %s, rest []byte, err error) {", d.ReadAsFunc, layout, typ)
		e.p("if l.IsOwn() {\nreturn %s(src)\n}", d.ReadFunc)
		if d.ReadsLayout {
			e.newOwn(d)
			e.p("rest, err = v.ReadAvroAs(l, src)\nreturn v, rest, err\n}\n")
			return
		}
		e.p("var own %s", e.typ(d.Base))
		e.p("if rest, err = own.ReadAvroAs(l, src); err != nil {\nreturn v, rest, err\n}")
		e.rewriteOwn(d)
	case d.ReadStepFunc != "":
		e.p("func %s(s *%s, src []byte) (v %s, rest []byte, err error) {", d.ReadStepFunc, e.avrobin("LayoutStep"), typ)
		if d.Form == ownWireFuncs || d.Form == ownWireMethods {
			e.p("own, rest, err := %s", e.stepCall(d.Base))
			e.p("if err != nil {\nreturn v, src, err\n}")
			e.rewriteOwn(d)
			return
		}
		e.readOwn(d, site{record: &recordDecl{typeName: typeName{Pkg: d.Pkg}}, fail: "v, src"}, e.stepCall(d.Base))
		e.p("}\n")
	}
}

// jsonOwn prints the carrier of an own type. A carrier that cannot use the
// type's own methods writes the value of the Avro type.
func (e *emitter) jsonOwn(d *ownDecl) {
	if d.Carrier == "" {
		return
	}
	typ := e.typ(&typeExpr{Kind: kindOwn, Own: d})
	e.note("%s carries %s through encoding/json.", d.Carrier, typ)
	e.p("type %s %s\n", d.Carrier, valueStruct("value", typ))
	e.p("func (c %s) MarshalJSON() ([]byte, error) {", d.Carrier)
	if d.CarriesTarget {
		e.p("return %s(&c.value)\n}\n", e.std("json.Marshal"))
		e.p("func (c *%s) UnmarshalJSON(data []byte) error {", d.Carrier)
		e.p("return %s(data, &c.value)\n}\n", e.std("json.Unmarshal"))
		return
	}
	if d.Nilable {
		e.p("if c.value == nil {\nreturn []byte(\"null\"), nil\n}")
	}
	record := &recordDecl{typeName: typeName{Pkg: d.Pkg}}
	e.p("src, err := %s(nil, c.value)", d.AppendFunc)
	e.p("if err != nil {\nreturn nil, err\n}")
	e.readVariables(d.Base.readVariables())
	e.p("var own %s", e.typ(d.Base))
	e.readValue("own", d.Base, site{record: record, fail: "nil"})
	e.p("return %s(%s)\n}\n", e.std("json.Marshal"), e.toCarrier("own", d.Base))

	e.p("func (c *%s) UnmarshalJSON(data []byte) error {", d.Carrier)
	if d.Nilable {
		e.p("if string(data) == \"null\" {\nc.value = nil\nreturn nil\n}")
	} else {
		e.p("if string(data) == \"null\" {\nreturn nil\n}")
	}
	x := "own"
	if d.Base.needsCarrier() {
		x = "x"
	}
	e.p("var %s %s", x, e.carrier(d.Base))
	e.p("if err := %s(data, &%s); err != nil {\nreturn err\n}", e.std("json.Unmarshal"), x)
	if x != "own" {
		e.p("own := %s", e.fromCarrier(x, d.Base))
	}
	e.p("var b []byte\nvar err error")
	e.appendValue("own", d.Base, site{record: record})
	e.p("c.value, _, err = %s(b)\nreturn err\n}\n", d.ReadFunc)
}

// rewriteOwn prints code that reads v from the encoding of the base value own.
func (e *emitter) rewriteOwn(d *ownDecl) {
	at := site{record: &recordDecl{}, fail: "v, src"}
	if d.Base.fallible() {
		e.p("b, err := %s", e.appendCall("nil", "own", d.Base, at))
		e.p("if err != nil {\nreturn v, src, err\n}")
	} else {
		e.p("b := %s", e.appendCall("nil", "own", d.Base, at))
	}
	e.p("if v, _, err = %s(b); err != nil {\nreturn v, src, err\n}", d.ReadFunc)
	e.p("return v, rest, nil\n}\n")
}

// stepCall returns a call that reads a value. The writer may have written the
// value as another type.
func (e *emitter) stepCall(t *typeExpr) string {
	switch t.Kind {
	case kindFloat:
		return "s.ReadFloat(src)"
	case kindDouble:
		return "s.ReadDouble(src)"
	default:
		return fmt.Sprintf("%s[%s](s, src, %d)", e.avrobin("ReadEnumAs"), e.named(t.Enum.typeName), len(t.Enum.Symbols))
	}
}

// newOwn prints code that allocates a target for the pointer v.
func (e *emitter) newOwn(d *ownDecl) {
	if d.Pointer {
		e.p("v = new(%s)", e.ownType(types.Unalias(d.Type).Underlying().(*types.Pointer).Elem(), d.Pkgs))
	}
}

// ownType returns the text of a loaded type. Its packages are imported.
func (e *emitter) ownType(t types.Type, pkgs []*goPackage) string {
	types.TypeString(t, func(p *types.Package) string {
		for _, q := range pkgs {
			if q.Path == p.Path() {
				e.importOf(q)
			}
		}
		return ""
	})
	return e.file.typeText(t)
}

func (e *emitter) appendOwn(d *ownDecl) {
	at := site{record: &recordDecl{typeName: typeName{Pkg: d.Pkg}}, fail: "dst"}
	if d.Pointer {
		e.p("if v == nil {\nreturn dst, %s\n}", e.avrobin("ErrNil"))
	}
	base := d.Base
	switch d.Form {
	case ownWireMethods:
		e.p("b, err := v.AppendAvro(dst)")
		e.p("return %s(dst, b, err, %s)", e.avrobin("AppendedOwn"), e.valueCheck(base))
		return
	case ownWireFuncs:
		e.p("b, err := %s(dst, v)", e.ownFunc(d.Encode))
		e.p("return %s(dst, b, err, %s)", e.avrobin("AppendedOwn"), e.valueCheck(base))
		return
	case ownConvert:
		value := fmt.Sprintf("%s(v)", e.typ(base))
		if base.Kind == kindEnum {
			e.p("var own %s", e.typ(base))
			e.p("if err := own.UnmarshalText([]byte(v)); err != nil {\nreturn dst, err\n}")
			value = "own"
		}
		e.appendOwnBase(value, base, at)
		return
	case ownFuncs:
		own := "own"
		if base.Kind == kindEnum {
			own = "text"
		}
		if d.Encode.Fails {
			e.p("%s, err := %s(v)", own, e.ownFunc(d.Encode))
			e.p("if err != nil {\nreturn dst, err\n}")
		} else {
			e.p("%s := %s(v)", own, e.ownFunc(d.Encode))
		}
		if base.Kind == kindEnum {
			e.p("var own %s", e.typ(base))
			e.p("if err := own.UnmarshalText([]byte(text)); err != nil {\nreturn dst, err\n}")
		}
	case ownText:
		e.p("text, err := v.MarshalText()")
		e.p("if err != nil {\nreturn dst, err\n}")
		if base.Kind == kindString {
			e.p("own := string(text)")
			break
		}
		e.p("var own %s", e.typ(base))
		e.p("if err := own.UnmarshalText(text); err != nil {\nreturn dst, err\n}")
	case ownBinary:
		e.p("own, err := v.MarshalBinary()")
		e.p("if err != nil {\nreturn dst, err\n}")
		if base.Kind == kindFixed {
			e.p("if len(own) != %d {\nreturn dst, %s(%d, len(own))\n}", base.Fixed.Size, e.avrobin("SizeError"), base.Fixed.Size)
			e.p("return append(dst, own...), nil")
			return
		}
	}
	e.appendOwnBase("own", base, at)
}

// appendOwnBase prints the rest of a function that appends the base value x.
func (e *emitter) appendOwnBase(x string, base *typeExpr, at site) {
	switch {
	case base.Kind == kindArray, base.Kind == kindMap, base.Kind == kindOptional:
		if x != "own" {
			e.p("own := %s", x)
		}
		e.p("b := dst")
		if base.fallible() {
			e.p("var err error")
		}
		e.appendValue("own", base, at)
		e.p("return b, nil")
	case base.Kind == kindFixed || base.Kind == kindUUIDFixed:
		if x != "own" {
			e.p("own := %s", x)
		}
		e.p("return append(dst, own[:]...), nil")
	case base.fallible():
		e.p("return %s", e.appendCall("dst", x, base, at))
	default:
		e.p("return %s, nil", e.appendCall("dst", x, base, at))
	}
}

// readOwn prints the body of a function that reads v. If call is not "", the
// call reads the base value. Otherwise the type of the base value determines
// the code.
func (e *emitter) readOwn(d *ownDecl, at site, call string) {
	base := d.Base
	switch d.Form {
	case ownWireMethods:
		e.newOwn(d)
		e.p("rest, err = v.ReadAvro(src)")
		e.p("rest, err = %s(src, rest, err)\nreturn v, rest, err", e.avrobin("ReadOwn"))
		return
	case ownWireFuncs:
		e.p("v, rest, err = %s(src)", e.ownFunc(d.Decode))
		e.p("rest, err = %s(src, rest, err)\nreturn v, rest, err", e.avrobin("ReadOwn"))
		return
	}
	if call == "" {
		switch base.Kind {
		case kindArray, kindMap, kindOptional, kindFixed, kindUUIDFixed:
		default:
			call = e.readCall(base)
		}
	}
	if call != "" {
		e.p("own, rest, err := %s", call)
		e.p("if err != nil {\nreturn v, src, err\n}")
	} else {
		// readValue moves src, so the bytes before are kept for errors.
		e.p("start := src")
		e.p("var own %s", e.typ(base))
		e.readVariables(base.readVariables())
		e.readValue("own", base, at)
		e.p("src, rest = start, src")
	}
	fail := "if err != nil {\nreturn v, src, err\n}"
	switch d.Form {
	case ownConvert:
		value := "own"
		if base.Kind == kindEnum {
			value = "own.String()"
		}
		e.p("return %s(%s), rest, nil", e.ownType(d.Type, d.Pkgs), value)
		return
	case ownFuncs:
		value := "own"
		if base.Kind == kindEnum {
			value = "own.String()"
		}
		if !d.Decode.Fails {
			e.p("return %s(%s), rest, nil", e.ownFunc(d.Decode), value)
			return
		}
		e.p("v, err = %s(%s)\n%s", e.ownFunc(d.Decode), value, fail)
	case ownText:
		e.newOwn(d)
		if base.Kind == kindString {
			e.p("err = v.UnmarshalText([]byte(own))\n%s", fail)
			break
		}
		value := "own"
		if base.Kind == kindUUIDString {
			value = e.typ(base) + "(own)" // the call returns an array
		}
		e.p("text, err := %s.MarshalText()\n%s", value, fail)
		e.p("err = v.UnmarshalText(text)\n%s", fail)
	case ownBinary:
		e.newOwn(d)
		value := "own"
		if base.Kind == kindFixed {
			value = "own[:]"
		}
		e.p("err = v.UnmarshalBinary(%s)\n%s", value, fail)
	}
	e.p("return v, rest, nil")
}

// valueCheck returns the function that checks the output of an own type. The
// output must be exactly one value of t.
func (e *emitter) valueCheck(t *typeExpr) string {
	switch t.Kind {
	case kindBytes, kindString, kindDecimalBytes, kindUUIDString:
		return e.avrobin("OneBytes")
	case kindInt, kindLong, kindDate, kindTimeMillis, kindTimeMicros, kindTimestampMillis, kindTimestampMicros, kindTimestampNanos, kindEnum:
		return e.avrobin("OneLong")
	case kindFloat, kindDouble, kindFixed, kindUUIDFixed, kindDecimalFixed, kindDuration:
		return fmt.Sprintf("%s(%d)", e.avrobin("OneFixed"), t.minSize())
	default:
		return "nil"
	}
}

// equalOwn returns an expression that compares two addressable values.
func (e *emitter) equalOwn(a, b string, d *ownDecl) string {
	if d.Equal != "" {
		return a + "." + fmt.Sprintf(d.Equal, b)
	}
	out := fmt.Sprintf("%s(%s, %s, %s)", e.avrobin("EqualOwn"), a, b, d.AppendFunc)
	if d.Pointer {
		return fmt.Sprintf("(%s == %s || %s)", a, b, out)
	}
	return out
}

// cloneOwn prints a statement that gives the copy x its own memory.
func (e *emitter) cloneOwn(x string, d *ownDecl) {
	if d.Clone != "" {
		e.p("%s = %s", x, fmt.Sprintf(d.Clone, strings.TrimPrefix(x, "*")))
		return
	}
	e.p("%s = %s(%s, %s, %s)", x, e.avrobin("CloneOwn"), x, d.AppendFunc, d.ReadFunc)
}

// ownLiteral returns an expression for a default of an own type.
func (e *emitter) ownLiteral(l *literal) string {
	d := l.Type.Own
	typ := e.typ(l.Type)
	switch {
	case d.Form == ownConvert && d.Base.Kind == kindEnum:
		return fmt.Sprintf("%s(%q)", typ, d.Base.Enum.Symbols[l.Elems[0].Int].Avro)
	case d.Form == ownConvert:
		return fmt.Sprintf("%s(%s)", typ, e.literal(l.Elems[0]))
	}
	return fmt.Sprintf("%s(%q, %s)", e.avrobin("DefaultOwn"), l.Bytes, d.ReadFunc)
}

// aliases reports whether a value that was read may share memory with the
// input.
func (d *ownDecl) aliases() bool {
	if d.Form == ownText {
		return false
	}
	switch d.Base.Kind {
	case kindString, kindBytes, kindArray, kindMap, kindOptional, kindRecord:
		return true
	default:
		return d.Form == ownWireFuncs || d.Form == ownWireMethods
	}
}

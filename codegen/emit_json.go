package codegen

import "fmt"

// encoding/json cannot read into an interface, and cannot write the branch of a
// value. So each union has a carrier that writes {"branch": value}. A record
// with union fields shadows these fields with carriers.

// jsonMethods prints MarshalJSON and UnmarshalJSON of a record with unions.
func (e *emitter) jsonMethods(d *recordDecl) {
	var unions []*fieldDecl
	for _, f := range d.Fields {
		if f.Type.hasUnion() {
			unions = append(unions, f)
		}
	}
	if len(unions) == 0 {
		return
	}
	shadow := func(plain string) {
		e.p("var x struct {\n%s", plain)
		var rows [][]string
		for _, f := range unions {
			rows = append(rows, []string{f.GoName, e.carrier(f.Type), rawString(fmt.Sprintf("json:%q", f.tag("json")))})
		}
		e.columns(rows)
		e.p("}")
	}
	fill := func(plain string) {
		e.p("x.plain = %s", plain)
		for _, f := range unions {
			e.p("x.%s = %s", f.GoName, e.toCarrier("v."+f.GoName, f.Type))
		}
	}
	e.note("MarshalJSON writes a union as an object of one member, named after the branch.")
	e.p("func (v %s) MarshalJSON() ([]byte, error) {", d.GoName)
	if e.shape.recursive(d) {
		e.p("if !v.within(%s) {\nreturn nil, %s(%s, \"\")\n}", e.avrobin("MaxDepth"), e.avrobin("ErrorAt"), e.avrobin("ErrDepth"))
	}
	e.p("type plain %s // without methods", d.GoName)
	shadow("plain")
	fill("plain(v)")
	e.p("return %s(x)\n}\n", e.std("json.Marshal"))

	e.note("UnmarshalJSON reads what MarshalJSON writes.")
	e.p("func (v *%s) UnmarshalJSON(data []byte) error {", d.GoName)
	e.p("type plain %s", d.GoName)
	shadow("*plain")
	fill("(*plain)(v)")
	e.p("if err := json.Unmarshal(data, &x); err != nil {\nreturn err\n}")
	for _, f := range unions {
		e.p("v.%s = %s", f.GoName, e.fromCarrier("x."+f.GoName, f.Type))
	}
	e.p("return nil\n}\n")
}

func (t *typeExpr) hasUnion() bool {
	return t.Kind == kindUnion || t.Elem != nil && t.Elem.hasUnion()
}

// carrier is the type that carries t. The type t has a union inside.
func (e *emitter) carrier(t *typeExpr) string {
	switch t.Kind {
	case kindArray:
		return "[]" + e.carrier(t.Elem)
	case kindMap:
		return "map[string]" + e.carrier(t.Elem)
	case kindOptional: // nil is null
		return e.carrier(t.Elem)
	default:
		return t.Union.Carrier
	}
}

func (e *emitter) toCarrier(x string, t *typeExpr) string {
	switch t.Kind {
	case kindArray, kindMap:
		header := fmt.Sprintf("func(x %s) %s", e.typ(t.Elem), e.carrier(t.Elem))
		return fmt.Sprintf("%s(%s, %s)", e.convert(t), x, oneLine(header, "return "+e.toCarrier("x", t.Elem)))
	case kindOptional:
		return e.toCarrier(x, t.Elem)
	default:
		return fmt.Sprintf("%s{%s}", t.Union.Carrier, x)
	}
}

func (e *emitter) fromCarrier(x string, t *typeExpr) string {
	switch t.Kind {
	case kindArray, kindMap:
		header := fmt.Sprintf("func(x %s) %s", e.carrier(t.Elem), e.typ(t.Elem))
		return fmt.Sprintf("%s(%s, %s)", e.convert(t), x, oneLine(header, "return "+e.fromCarrier("x", t.Elem)))
	case kindOptional:
		return e.fromCarrier(x, t.Elem)
	default:
		return x + ".value"
	}
}

func (e *emitter) convert(t *typeExpr) string {
	if t.Kind == kindMap {
		return e.avrobin("ConvertMap")
	}
	return e.avrobin("ConvertSlice")
}

// jsonUnion prints the carrier of a union.
func (e *emitter) jsonUnion(d *unionDecl) {
	name := d.Carrier
	e.note("%s carries %s through encoding/json.", name, d.GoName)
	e.p("type %s %s\n", name, valueStruct("value", d.GoName))
	e.p("func (c %s) MarshalJSON() ([]byte, error) {", name)
	if d.onlyNull() {
		e.p("switch c.value {")
	} else {
		e.p("switch u := c.value.(type) {")
	}
	for _, x := range d.Branches {
		switch {
		case x.Wrapper == "" && x.Type.Kind == kindNull:
			e.p("case nil:\nreturn []byte(\"null\"), nil")
		case x.Wrapper == "":
			e.p("case *%s:\nreturn %s(%q, u)", x.Type.Record.GoName, e.avrobin("MarshalBranch"), x.AvroName)
		case x.Type.hasUnion():
			e.p("case %s:\nreturn %s(%q, %s)", x.Wrapper, e.avrobin("MarshalBranch"), x.AvroName, e.toCarrier("u.Value", x.Type))
		default:
			e.p("case %s:\nreturn %s(%q, u.Value)", x.Wrapper, e.avrobin("MarshalBranch"), x.AvroName)
		}
	}
	if d.NullIndex < 0 {
		e.p("case nil: // no branch, yet what a zero value holds\nreturn []byte(\"null\"), nil")
	}
	e.p("}\nreturn nil, %s(c.value)\n}\n", e.avrobin("NoBranch"))

	e.p("func (c *%s) UnmarshalJSON(data []byte) error {", name)
	value := "value"
	if d.onlyNull() {
		value = "_"
	}
	e.p("branch, %s, err := %s(data)", value, e.avrobin("UnmarshalBranch"))
	e.p("if err != nil {\nreturn err\n}")
	e.p("switch branch {")
	e.p("case \"\": // null\nc.value = nil\nreturn nil")
	for _, x := range d.Branches {
		if x.Wrapper == "" && x.Type.Kind == kindNull {
			continue
		}
		e.p("case %q:", x.AvroName)
		switch {
		case x.Wrapper == "":
			e.p("u := new(%s)\nerr = %s(value, u)\nc.value = u", x.Type.Record.GoName, e.std("json.Unmarshal"))
		case x.Type.hasUnion():
			e.p("var u %s\nerr = %s(value, &u)\nc.value = %s{%s}",
				e.carrier(x.Type), e.std("json.Unmarshal"), x.Wrapper, e.fromCarrier("u", x.Type))
		default:
			e.p("var u %s\nerr = %s(value, &u.Value)\nc.value = u", x.Wrapper, e.std("json.Unmarshal"))
		}
		e.p("return err")
	}
	e.p("}\nreturn %s(branch)\n}\n", e.avrobin("UnknownBranch"))
}

package codegen

import "fmt"

// encoding/json cannot read into an interface, and cannot write the branch of a
// value. So each union has a carrier that writes {"branch": value}. An own type
// also has a carrier if encoding/json would not read the JSON that the type
// writes. In the JSON of a record, carriers replace the fields of such types.

// jsonMethods prints MarshalJSON and UnmarshalJSON of a record that needs
// carriers.
func (e *emitter) jsonMethods(d *recordDecl) {
	var carried []*fieldDecl
	unions := false
	for _, f := range d.Fields {
		if f.Type.needsCarrier() {
			carried = append(carried, f)
			unions = unions || f.Type.hasUnion()
		}
	}
	if len(carried) == 0 {
		return
	}
	shadow := func(plain string) {
		e.p("var x struct {\n%s", plain)
		var rows [][]string
		for _, f := range carried {
			rows = append(rows, []string{f.GoName, e.carrier(f.Type), rawString(fmt.Sprintf("json:%q", f.tag("json")))})
		}
		e.columns(rows)
		e.p("}")
	}
	fill := func(plain string) {
		e.p("x.plain = %s", plain)
		for _, f := range carried {
			e.p("x.%s = %s", f.GoName, e.toCarrier("v."+f.GoName, f.Type))
		}
	}
	if unions {
		e.note("MarshalJSON writes a union as an object of one member, named after the branch.")
	} else {
		e.note("MarshalJSON writes v in a form that UnmarshalJSON reads back.")
	}
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
	for _, f := range carried {
		e.p("v.%s = %s", f.GoName, e.fromCarrier("x."+f.GoName, f.Type))
	}
	e.p("return nil\n}\n")
}

func (t *typeExpr) hasUnion() bool {
	return t.Kind == kindUnion || t.Elem != nil && t.Elem.hasUnion()
}

// needsCarrier reports whether encoding/json needs a carrier for t.
func (t *typeExpr) needsCarrier() bool {
	switch {
	case t.Kind == kindUnion,
		t.Kind == kindOwn && t.Own.Carrier != "",
		t.Opt != nil && t.Opt.Carried:
		return true
	default:
		return t.Elem != nil && t.Elem.needsCarrier()
	}
}

// carrier returns the type that carries t in JSON. If t needs no carrier, the
// result is t itself.
func (e *emitter) carrier(t *typeExpr) string {
	switch {
	case !t.needsCarrier():
		return e.typ(t)
	case t.Kind == kindArray:
		return "[]" + e.carrier(t.Elem)
	case t.Kind == kindMap:
		return "map[string]" + e.carrier(t.Elem)
	case t.Opt != nil:
		return e.avrobin("Opt") + "[" + e.carrier(t.Elem) + "]"
	case t.Kind == kindOptional && t.Nilable:
		return e.carrier(t.Elem)
	case t.Kind == kindOptional:
		return "*" + e.carrier(t.Elem)
	case t.Kind == kindOwn:
		return t.Own.Carrier
	default:
		return t.Union.Carrier
	}
}

func (e *emitter) toCarrier(x string, t *typeExpr) string {
	switch {
	case !t.needsCarrier():
		return x
	case t.Opt != nil:
		return fmt.Sprintf("%s{Value: %s, Valid: %s.Valid}", e.carrier(t), e.toCarrier(x+"."+t.Opt.Value, t.Elem), x)
	case t.Kind == kindOptional && t.Nilable:
		return e.toCarrier(x, t.Elem)
	case t.Elem != nil:
		header := fmt.Sprintf("func(x %s) %s", e.typ(t.Elem), e.carrier(t.Elem))
		return fmt.Sprintf("%s(%s, %s)", e.convert(t), x, oneLine(header, "return "+e.toCarrier("x", t.Elem)))
	default:
		return fmt.Sprintf("%s{%s}", e.carrier(t), x)
	}
}

func (e *emitter) fromCarrier(x string, t *typeExpr) string {
	switch {
	case !t.needsCarrier():
		return x
	case t.Opt != nil:
		return fmt.Sprintf("%s{%s: %s, Valid: %s.Valid}", e.typ(t), t.Opt.Value, e.fromCarrier(x+".Value", t.Elem), x)
	case t.Kind == kindOptional && t.Nilable:
		return e.fromCarrier(x, t.Elem)
	case t.Elem != nil:
		header := fmt.Sprintf("func(x %s) %s", e.carrier(t.Elem), e.typ(t.Elem))
		return fmt.Sprintf("%s(%s, %s)", e.convert(t), x, oneLine(header, "return "+e.fromCarrier("x", t.Elem)))
	default:
		return x + ".value"
	}
}

func (e *emitter) convert(t *typeExpr) string {
	switch t.Kind {
	case kindMap:
		return e.avrobin("ConvertMap")
	case kindOptional:
		return e.avrobin("ConvertPointer")
	default:
		return e.avrobin("ConvertSlice")
	}
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
		case x.Type.needsCarrier():
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
		case x.Type.needsCarrier():
			e.p("var u %s\nerr = %s(value, &u)\nc.value = %s{%s}",
				e.carrier(x.Type), e.std("json.Unmarshal"), x.Wrapper, e.fromCarrier("u", x.Type))
		default:
			e.p("var u %s\nerr = %s(value, &u.Value)\nc.value = u", x.Wrapper, e.std("json.Unmarshal"))
		}
		e.p("return err")
	}
	e.p("}\nreturn %s(branch)\n}\n", e.avrobin("UnknownBranch"))
}

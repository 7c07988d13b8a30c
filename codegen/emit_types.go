package codegen

import "strconv"

// declare prints the types of a declaration.
func (e *emitter) declare(d decl) {
	switch d := d.(type) {
	case *recordDecl:
		e.doc(d.Doc)
		if len(d.Fields) == 0 {
			e.p("type %s struct{}\n", d.GoName)
			break
		}
		e.p("type %s struct {", d.GoName)
		for _, f := range d.Fields {
			e.doc(f.Doc)
			e.p("%s %s %s", f.GoName, e.typ(f.Type), fieldTag(f.AvroName))
		}
		e.p("}\n")
	case *enumDecl:
		e.doc(d.Doc)
		e.p("type %s int32\n", d.GoName)
		if len(d.Symbols) == 0 {
			break
		}
		e.p("// The symbols of %s.", d.GoName)
		e.p("const (")
		for i, s := range d.Symbols {
			if i == 0 {
				e.p("%s %s = iota", s.GoName, d.GoName)
			} else {
				e.p("%s", s.GoName)
			}
		}
		e.p(")\n")
	case *fixedDecl:
		e.doc(d.Doc)
		e.p("type %s [%d]byte\n", d.GoName, d.Size)
	case *unionDecl:
		e.doc(d.Doc)
		e.p("type %s interface{ %s() }\n", d.GoName, d.SealMethod)
		e.wrappers(d)
	}
}

func fieldTag(name string) string {
	return "`avro:" + strconv.Quote(name) + " json:" + strconv.Quote(name) + "`"
}

// wrappers prints the types that carry branches, and what makes each a branch.
func (e *emitter) wrappers(d *unionDecl) {
	for _, x := range d.Branches {
		if x.Wrapper != "" {
			e.p("// %s is the branch %s of %s.", x.Wrapper, x.AvroName, d.GoName)
			e.p("type %s struct{ Value %s }\n", x.Wrapper, e.typ(x.Type))
		}
	}
	for _, x := range d.Branches {
		switch {
		case x.Wrapper != "":
			e.p("func (%s) %s() {}", x.Wrapper, d.SealMethod)
		case x.Type.Kind == kindRecord:
			e.p("func (*%s) %s() {}", x.Type.Record.GoName, d.SealMethod)
		}
	}
	e.p("")
}

// messageMethods prints the constructor, the name and the schema.
func (e *emitter) nameMethods(m *message) {
	e.p("// AvroName is the full name of the Avro type.")
	e.p("func (*%s) AvroName() string { return %q }\n", m.GoName, m.avroName)
	e.p("// AvroSchema is [%s].", m.schemaConst)
	e.p("func (*%s) AvroSchema() string { return %s }\n", m.GoName, m.schemaConst)
}

// unmarshalMethods prints how a whole message is read; ReadAvro does the work.
// With text, what is read shares memory with the bytes that it is read from. A
// record is read through a plan as its writer laid it out.
func (e *emitter) unmarshalMethods(m *message, fingerprint uint64, text, record bool) {
	e.p("// UnmarshalAvro reads data that was written with exactly this schema.")
	e.p("func (v *%s) UnmarshalAvro(data []byte) error {", m.GoName)
	if text {
		e.p("data = %s(data) // the strings and bytes of v are parts of this one copy", e.avrobin("Copy"))
	}
	e.p("rest, err := v.ReadAvro(data)")
	e.p("return %s(data, rest, err)", e.avrobin("FinishMessage"))
	e.p("}\n")
	e.p("// UnmarshalAvroPlan reads data that was written with the writer schema of p.")
	e.p("func (v *%s) UnmarshalAvroPlan(p *%s, data []byte) error {", m.GoName, e.avrobin("Plan"))
	if record {
		e.p("return p.Unmarshal(v, %#x, data)\n}\n", fingerprint)
		return
	}
	e.p("return p.UnmarshalRewritten(v, %#x, data)\n}\n", fingerprint)
}

// enumMethods prints the methods of an enum.
func (e *emitter) enumMethods(d *enumDecl) {
	table := d.Table
	e.p("var %s = [...]string{", table)
	for _, s := range d.Symbols {
		e.p("%q,", s.Avro)
	}
	e.p("}\n")
	if d.Message {
		m := messageOf(d)
		def := "0"
		if len(d.Symbols) > 0 {
			def = d.Symbols[d.Default].GoName
		}
		e.p("// %s returns the schema's default, or else the first symbol.", d.NewFunc)
		e.p("func %s() %s { return %s }\n", d.NewFunc, d.GoName, def)
		e.nameMethods(m)
		e.p("// AppendAvro appends the Avro encoding of v to dst.")
		e.p("func (v *%s) AppendAvro(dst []byte) ([]byte, error) {", d.GoName)
		e.nilCheck()
		e.p("b, err := %s(dst, *v, %d)", e.avrobin("AppendEnum"), len(d.Symbols))
		e.p("if err != nil {\nreturn dst, %s(err, \"\")\n}", e.avrobin("ErrorAt"))
		e.p("return b, nil\n}\n")
		e.unmarshalMethods(m, d.Fingerprint, false, false)
		e.readDoc(false)
		e.p("func (v *%s) ReadAvro(src []byte) (rest []byte, err error) {", d.GoName)
		e.p("if *v, rest, err = %s[%s](src, %d); err != nil {", e.avrobin("ReadEnum"), d.GoName, len(d.Symbols))
		e.p("return src, %s(err, \"\")\n}", e.avrobin("ErrorAt"))
		e.p("return rest, nil\n}\n")
	}
	e.p("// String is the symbol.")
	e.p("func (v %s) String() string { return %s(%q, v, %s[:]) }\n", d.GoName, e.avrobin("EnumString"), d.GoName, table)
	e.p("// MarshalText writes the symbol; a value without one is an error.")
	e.p("func (v %s) MarshalText() ([]byte, error) { return %s(%q, v, %s[:]) }\n", d.GoName, e.avrobin("MarshalEnum"), d.GoName, table)
	e.p("// UnmarshalText reads a symbol.")
	e.p("func (v *%s) UnmarshalText(text []byte) error { return %s(%q, v, text, %s[:]) }\n", d.GoName, e.avrobin("UnmarshalEnum"), d.GoName, table)
}

// fixedMethods prints the methods of a fixed.
func (e *emitter) fixedMethods(d *fixedDecl) {
	if d.Message {
		m := messageOf(d)
		e.p("// %s returns zeros.", d.NewFunc)
		e.p("func %s() %s { return %s{} }\n", d.NewFunc, d.GoName, d.GoName)
		e.nameMethods(m)
		e.p("// AppendAvro appends the Avro encoding of v to dst.")
		e.p("func (v *%s) AppendAvro(dst []byte) ([]byte, error) {", d.GoName)
		e.nilCheck()
		e.p("return append(dst, v[:]...), nil\n}\n")
		e.unmarshalMethods(m, d.Fingerprint, false, false)
		e.readDoc(false)
		e.p("func (v *%s) ReadAvro(src []byte) (rest []byte, err error) {", d.GoName)
		e.p("if rest, err = %s(v[:], src); err != nil {", e.avrobin("ReadFixed"))
		e.p("return src, %s(err, \"\")\n}", e.avrobin("ErrorAt"))
		e.p("return rest, nil\n}\n")
	}
	e.p("// MarshalText writes base64.")
	e.p("func (v %s) MarshalText() ([]byte, error) { return %s(v[:]) }\n", d.GoName, e.avrobin("MarshalFixed"))
	e.p("// UnmarshalText reads base64 of %s.", count(d.Size, "byte"))
	e.p("func (v *%s) UnmarshalText(text []byte) error { return %s(v[:], text) }\n", d.GoName, e.avrobin("UnmarshalFixed"))
}

func (e *emitter) nilCheck() {
	e.p("if v == nil {\nreturn dst, %s(%s, \"\")\n}", e.avrobin("ErrorAt"), e.avrobin("ErrNil"))
}

func (e *emitter) readDoc(text bool) {
	e.p("// ReadAvro reads one value from the front of src and returns what follows it.")
	if text {
		e.p("// The strings and bytes of v are parts of src.")
	}
}

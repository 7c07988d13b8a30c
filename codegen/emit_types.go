package codegen

import "fmt"

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
		e.fields(d.Fields)
		e.p("}\n")
	case *enumDecl:
		e.doc(d.Doc)
		e.p("type %s int32\n", d.GoName)
		if len(d.Symbols) == 0 {
			break
		}
		e.note("The symbols of %s.", d.GoName)
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

// fields prints the fields of a struct. Each comment begins a new section.
// Within a section, names, types and tags are aligned in columns.
func (e *emitter) fields(fields []*fieldDecl) {
	var rows [][]string
	for _, f := range fields {
		if len(f.Doc) > 0 {
			e.columns(rows)
			rows = nil
			e.comment(f.Doc...)
		}
		rows = append(rows, []string{f.GoName, e.typ(f.Type), tagLiteral(f.Tags)})
	}
	e.columns(rows)
}

// wrappers prints the types that carry branches. It also prints the methods
// that make each type a branch.
func (e *emitter) wrappers(d *unionDecl) {
	var methods []string
	for _, x := range d.Branches {
		switch {
		case x.Wrapper != "":
			e.note("%s is the branch %s of %s.", x.Wrapper, x.AvroName, d.GoName)
			e.p("type %s %s\n", x.Wrapper, valueStruct("Value", e.typ(x.Type)))
			methods = append(methods, fmt.Sprintf("func (%s) %s()", x.Wrapper, d.SealMethod))
		case x.Type.Kind == kindRecord:
			methods = append(methods, fmt.Sprintf("func (*%s) %s()", x.Type.Record.GoName, d.SealMethod))
		}
	}
	e.emptyMethods(methods)
	e.p("")
}

// nameMethods prints the constructor, the name and the schema.
func (e *emitter) nameMethods(m *message) {
	e.note("AvroName is the full name of the Avro type.")
	e.function(fmt.Sprintf("func (*%s) AvroName() string", m.GoName), fmt.Sprintf("return %q", m.avroName))
	header := fmt.Sprintf("func (*%s) AvroSchema() string", m.GoName)
	switch text := m.schema; {
	case text.Const != "":
		e.note("AvroSchema is [%s].", text.Const)
		e.function(header, "return "+text.Const)
	case text.List != "":
		e.note("AvroSchema is the schema, with all types that it refers to.")
		e.function(header, fmt.Sprintf("return %s.Of(%q, %s[:]...)", text.Var, m.avroName, text.List))
	default:
		e.note("AvroSchema is the schema as [%s] holds it.", text.From.Const)
		e.function(header, fmt.Sprintf("return %s.Of(%q, %s)", text.Var, m.avroName, text.From.Const))
	}
}

// unmarshalMethods prints the code that reads a whole message. ReadAvro does
// the work. If text is true, the result shares memory with the input bytes. A
// record is read through a plan, in the layout of its writer.
func (e *emitter) unmarshalMethods(m *message, fingerprint uint64, text, record bool) {
	e.note("UnmarshalAvro reads data that was written with exactly this schema.")
	e.p("func (v *%s) UnmarshalAvro(data []byte) error {", m.GoName)
	if text {
		e.p("data = %s(data) // the strings and bytes of v are parts of this one copy", e.avrobin("Copy"))
	}
	e.p("rest, err := v.ReadAvro(data)")
	e.p("return %s(data, rest, err)", e.avrobin("FinishMessage"))
	e.p("}\n")
	e.note("UnmarshalAvroPlan reads data that was written with the writer schema of p.")
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
	if len(d.Symbols) == 0 {
		e.p("var %s = [...]string{}\n", table)
	} else {
		e.p("var %s = [...]string{", table)
		for _, s := range d.Symbols {
			e.p("%q,", s.Avro)
		}
		e.p("}\n")
	}
	if d.Message {
		m := messageOf(d)
		def := "0"
		if len(d.Symbols) > 0 {
			def = d.Symbols[d.Default].GoName
		}
		e.note("%s returns the schema's default, or else the first symbol.", d.NewFunc)
		e.function(fmt.Sprintf("func %s() %s", d.NewFunc, d.GoName), "return "+def)
		e.nameMethods(m)
		e.note("AppendAvro appends the Avro encoding of v to dst.")
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
	e.note("String is the symbol.")
	e.function(fmt.Sprintf("func (v %s) String() string", d.GoName), fmt.Sprintf("return %s(%q, v, %s[:])", e.avrobin("EnumString"), d.GoName, table))
	e.note("MarshalText writes the symbol; a value without one is an error.")
	e.function(fmt.Sprintf("func (v %s) MarshalText() ([]byte, error)", d.GoName), fmt.Sprintf("return %s(%q, v, %s[:])", e.avrobin("MarshalEnum"), d.GoName, table))
	e.note("UnmarshalText reads a symbol.")
	e.function(fmt.Sprintf("func (v *%s) UnmarshalText(text []byte) error", d.GoName), fmt.Sprintf("return %s(%q, v, text, %s[:])", e.avrobin("UnmarshalEnum"), d.GoName, table))
}

// fixedMethods prints the methods of a fixed.
func (e *emitter) fixedMethods(d *fixedDecl) {
	if d.Message {
		m := messageOf(d)
		e.note("%s returns zeros.", d.NewFunc)
		e.function(fmt.Sprintf("func %s() %s", d.NewFunc, d.GoName), fmt.Sprintf("return %s{}", d.GoName))
		e.nameMethods(m)
		e.note("AppendAvro appends the Avro encoding of v to dst.")
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
	e.note("MarshalText writes base64.")
	e.function(fmt.Sprintf("func (v %s) MarshalText() ([]byte, error)", d.GoName), fmt.Sprintf("return %s(v[:])", e.avrobin("MarshalFixed")))
	e.note("UnmarshalText reads base64 of %s.", count(d.Size, "byte"))
	e.function(fmt.Sprintf("func (v *%s) UnmarshalText(text []byte) error", d.GoName), fmt.Sprintf("return %s(v[:], text)", e.avrobin("UnmarshalFixed")))
}

func (e *emitter) nilCheck() {
	e.p("if v == nil {\nreturn dst, %s(%s, \"\")\n}", e.avrobin("ErrorAt"), e.avrobin("ErrNil"))
}

func (e *emitter) readDoc(text bool) {
	e.note("ReadAvro reads one value from the front of src and returns what follows it.")
	if text {
		e.note("The strings and bytes of v are parts of src.")
	}
}

package codegen

// unionFuncs prints the functions of a union. They append, read, compare, copy,
// write JSON and read JSON.
func (e *emitter) unionFuncs(d *unionDecl) {
	e.appendUnion(d)
	e.readUnion(d)
	e.equalUnion(d)
	e.cloneUnion(d)
	e.jsonUnion(d)
}

// branchPlace returns the place of a union's values. The record of the place
// has the union in its fields.
func (e *emitter) branchPlace(d *unionDecl, fail string) (at site, depthParam string) {
	at = site{record: d.Owner, fail: fail}
	for _, x := range d.Branches {
		if e.shape.loopsTo(x.Type, d.Owner) {
			at.depth, depthParam = "depth", ", depth int"
		}
	}
	return at, depthParam
}

func (e *emitter) appendUnion(d *unionDecl) {
	at, depth := e.branchPlace(d, "dst")
	e.p("func %s(dst []byte, u %s%s) ([]byte, error) {", d.AppendFunc, d.GoName, depth)
	e.p("switch u := u.(type) {")
	for i, x := range d.Branches {
		tagged := appendIndex("dst", i)
		switch {
		case x.Type.Kind == kindNull && x.Wrapper == "":
			e.p("case nil:\nreturn %s, nil", tagged)
		case x.Wrapper == "" && !x.Type.fallible():
			e.p("case *%s:\nreturn %s, nil", x.Type.Record.GoName, e.appendCall(tagged, "u", x.Type, at))
		case x.Wrapper == "":
			e.p("case *%s:\nreturn %s", x.Type.Record.GoName, e.appendCall(tagged, "u", x.Type, at))
		default:
			e.p("case %s:", x.Wrapper)
			switch {
			case x.Type.Kind == kindArray || x.Type.Kind == kindMap:
				e.p("b := %s", tagged)
				if x.Type.fallible() {
					e.p("var err error")
				}
				e.appendValue("u.Value", x.Type, at)
				e.p("return b, nil")
			case x.Type.fallible():
				e.p("return %s", e.appendCall(tagged, "u.Value", x.Type, at))
			default:
				e.p("return %s, nil", e.appendCall(tagged, "u.Value", x.Type, at))
			}
		}
	}
	e.p("default:\nreturn dst, %s(u)", e.avrobin("NoBranch"))
	e.p("}\n}\n")
}

func (e *emitter) readUnion(d *unionDecl) {
	at, depth := e.branchPlace(d, "nil, src")
	e.p("func %s(src []byte%s) (%s, []byte, error) {", d.ReadFunc, depth, d.GoName)
	e.p("branch, src, err := %s(src, %d)", e.avrobin("ReadBranch"), len(d.Branches))
	e.p("if err != nil {\nreturn nil, src, err\n}")
	e.p("switch branch {")
	for i, x := range d.Branches {
		if x.Type.Kind == kindNull && x.Wrapper == "" {
			continue // nil, see below
		}
		e.p("case %d:", i)
		switch {
		case x.Wrapper == "":
			e.p("x := new(%s)", x.Type.Record.GoName)
			e.p("%s", e.readStatement("x", x.Type, at))
			e.p("return x, src, err")
		case x.Type.Kind == kindArray || x.Type.Kind == kindMap:
			e.p("var u %s", x.Wrapper)
			e.readVariables(x.Type.readVariables())
			e.readValue("u.Value", x.Type, at)
			e.p("return u, src, nil")
		default:
			e.p("var u %s", x.Wrapper)
			e.p("%s", e.readStatement("u.Value", x.Type, at))
			e.p("return u, src, err")
		}
	}
	e.p("}\nreturn nil, src, nil\n}\n")
}

// Package avdl reads schemas and protocols in Avro IDL (Avro 1.12, "IDL
// Language"). It produces the shape of a protocol in JSON, with the places in
// the IDL. Package avsc then decides the meaning, as for every other schema.
package avdl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// File is one IDL file.
type File struct {
	Source  avsc.Source
	Imports []Import
}

// Import is one import statement.
type Import struct {
	Kind string // "idl", "protocol" or "schema"
	Path string // as in the source, relative to the importing file
	Pos  avsc.Pos
}

// Parse reads one IDL file. The mistakes are in Source.Mistakes, so that they
// are reported together with the mistakes of the other sources. Source also has
// all parts that could be read.
func Parse(file string, text []byte) File {
	l := &lexer{file: file, src: strings.TrimPrefix(string(text), "\xef\xbb\xbf"), line: 1}
	p := &parser{tokens: l.tokens()}
	p.errs = l.errs
	root := p.file()
	return File{
		Source:  avsc.Source{Name: file, Protocol: root, Mistakes: p.errs, Dropped: p.dropped},
		Imports: p.imports,
	}
}

type parser struct {
	tokens  []token
	at      int
	ns      string // the enclosing namespace
	depth   int
	errs    avsc.Errors
	imports []Import
	dropped []avsc.Dropped

	types    []*avsc.Value
	messages []avsc.Member
}

// bailout is the panic value that leaves a declaration after a mistake. It
// never leaves the package.
type bailout struct{}

func (p *parser) mistake(pos avsc.Pos, what, fix string) {
	p.errs = append(p.errs, &avsc.Error{Pos: pos, What: what, Fix: fix})
}

// fail reports a mistake at t and leaves the declaration. If the lexer has
// reported the mistake already, fail only leaves the declaration.
func (p *parser) fail(t token, what, fix string) {
	if !t.bad {
		p.mistake(t.pos, what, fix)
	}
	panic(bailout{})
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAt(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if p.at < len(p.tokens)-1 {
		p.at++
	}
	return t
}

// accept consumes the mark or keyword s if it is the next token.
func (p *parser) accept(s string) bool {
	if p.peek().is(s) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(s, where string) token {
	t := p.next()
	if !t.is(s) {
		p.fail(t, fmt.Sprintf("%q was expected %s, found %s", s, where, t.describe()), "add it, or look at what stands before it")
	}
	return t
}

func (p *parser) identifier(what string) token {
	t := p.next()
	if t.kind != word || t.bad {
		p.fail(t, fmt.Sprintf("%s was expected, found %s", what, t.describe()), "write a name")
	}
	return t
}

// nested runs f one level deeper. The limit of levels is the limit of JSON.
func (p *parser) nested(f func()) {
	if p.depth == 900 {
		p.fail(p.peek(), "types or values nest too deep", "name inner types and refer to them by name")
	}
	p.depth++
	f()
	p.depth--
}

// declaration runs f, which reads one declaration. After a mistake, declaration
// skips to the end of the declaration.
func (p *parser) declaration(f func()) {
	start, depth := p.at, p.depth
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, ok := r.(bailout); !ok {
			panic(r)
		}
		p.depth = depth
		p.synchronize(start)
	}()
	f()
}

// synchronize skips the declaration that began at start. The declaration ends
// at the first semicolon outside of braces, or at the brace that closes the
// first open brace. In every case synchronize skips the token with the mistake.
func (p *parser) synchronize(start int) {
	failed := p.at
	p.at = start
	open := 0
	for p.peek().kind != end {
		t := p.peek()
		switch {
		case t.is("{"):
			open++
		case t.is("}"):
			if open == 0 {
				return // the brace of the enclosing declaration
			}
			open--
		}
		p.next()
		if open == 0 && (t.is(";") || t.is("}")) {
			if p.accept("=") { // the default of an enum
				continue
			}
			if p.at >= failed {
				return
			}
		}
	}
}

func str(t token) *avsc.Value { return avsc.StringValue(t.pos, t.s) }

func member(key string, pos avsc.Pos, v *avsc.Value) avsc.Member {
	return avsc.Member{Key: key, KeyPos: pos, Value: v}
}

// file reads the whole file. The file is a protocol, or a namespace, a main
// schema and named schemas.
func (p *parser) file() *avsc.Value {
	first := p.peek()
	var root []avsc.Member
	p.declaration(func() {
		save := p.at
		props := p.properties()
		if p.peek().is("protocol") {
			root = p.protocol(first.doc, props)
			return
		}
		p.at = save
		if p.accept("namespace") {
			t := p.identifier("a namespace")
			p.expect(";", "after the namespace")
			p.ns = t.s
			root = append(root, member("namespace", t.pos, str(t)))
		}
	})
	if !slices.ContainsFunc(root, func(m avsc.Member) bool { return m.Key == "protocol" }) {
		p.declaration(func() {
			if t := p.peek(); t.is("schema") {
				p.next()
				typ := p.fullType()
				p.expect(";", "after the schema")
				root = append(root, member("schema", t.pos, typ.value(nil)))
			}
		})
		for p.peek().kind != end {
			before := p.at
			p.declaration(func() { p.topLevel(false) })
			if p.at == before { // a surplus brace
				p.mistake(p.peek().pos, "unexpected "+p.peek().describe(), "remove it, or look for a missing '{' before it")
				p.next()
			}
		}
	}
	if t := p.peek(); t.kind != end {
		p.mistake(t.pos, "there is more text after the end of the protocol", "remove it, or move it into the braces")
	}
	root = append(root, member("types", first.pos, avsc.ArrayValue(first.pos, p.types...)))
	if len(p.messages) > 0 {
		root = append(root, member("messages", first.pos, avsc.ObjectValue(first.pos, p.messages...)))
	}
	return avsc.ObjectValue(first.pos, root...)
}

func (p *parser) protocol(doc string, props []property) []avsc.Member {
	p.expect("protocol", "here")
	name := p.identifier("the name of the protocol")
	root := []avsc.Member{member("protocol", name.pos, str(name))}
	root = appendProperties(root, props, "namespace")
	p.enter(name, props)
	if doc != "" {
		root = append(root, member("doc", name.pos, avsc.StringValue(name.pos, doc)))
	}
	p.expect("{", "after the name of the protocol")
	for !p.peek().is("}") && p.peek().kind != end {
		p.declaration(func() { p.topLevel(true) })
	}
	p.declaration(func() { p.expect("}", "at the end of the protocol") })
	return root
}

// enter makes the namespace of the type or protocol name the enclosing
// namespace.
func (p *parser) enter(name token, props []property) {
	for _, x := range props {
		if x.key.s == "namespace" {
			p.ns = x.value.Str
		}
	}
	if i := strings.LastIndexByte(name.s, '.'); i >= 0 {
		p.ns = name.s[:i]
	}
}

// topLevel reads an import or a named schema. In a protocol, it also reads a
// message.
func (p *parser) topLevel(messages bool) {
	if p.peek().is("import") && !p.peekAt(1).is("(") {
		p.importStatement()
		return
	}
	doc := p.peek().doc
	props := p.properties()
	t := p.peek()
	switch {
	case t.is("fixed"):
		p.fixed(doc, props)
	case t.is("enum"):
		p.enum(doc, props)
	case t.is("record"), t.is("error"):
		p.record(doc, props)
	case messages:
		p.message(doc, props)
	default:
		what := "a declaration was expected, found " + t.describe()
		if t.is("protocol") || t.is("namespace") || t.is("schema") {
			p.fail(t, t.describe()+" stands too late", "move it to the beginning of the file")
		}
		p.fail(t, what, "write record, enum, fixed, error or import")
	}
}

func (p *parser) importStatement() {
	p.next()
	kind := p.identifier("idl, protocol or schema")
	if !kind.is("idl") && !kind.is("protocol") && !kind.is("schema") {
		p.fail(kind, "cannot import "+kind.describe(), "write import idl, import protocol or import schema")
	}
	file := p.next()
	if file.kind != text {
		p.fail(file, "the name of a file was expected, found "+file.describe(), "write it in double quotes")
	}
	p.expect(";", "after the import")
	if !file.bad {
		p.imports = append(p.imports, Import{Kind: kind.s, Path: file.s, Pos: file.pos})
	}
}

// property is an annotation: @key(value).
type property struct {
	key   token
	value *avsc.Value
}

func (p *parser) properties() []property {
	var out []property
	for p.accept("@") {
		key := p.identifier("the name of an annotation")
		p.expect("(", "after @"+key.s)
		v := p.json()
		p.expect(")", "after the value of @"+key.s)
		out = append(out, property{key, v})
	}
	return out
}

// named starts the object of a named type.
func named(kind string, t, name token, doc string, props []property) []avsc.Member {
	m := []avsc.Member{
		member("type", t.pos, avsc.StringValue(t.pos, kind)),
		member("name", name.pos, str(name)),
	}
	m = appendProperties(m, props, "namespace")
	if doc != "" {
		m = append(m, member("doc", t.pos, avsc.StringValue(t.pos, doc)))
	}
	return appendProperties(m, props, "aliases")
}

// appendProperties appends the annotations with the given key. If key is empty,
// it appends all annotations except namespace and aliases.
func appendProperties(m []avsc.Member, props []property, key string) []avsc.Member {
	for _, x := range props {
		if x.key.s == key || key == "" && x.key.s != "namespace" && x.key.s != "aliases" {
			m = append(m, member(x.key.s, x.key.pos, x.value))
		}
	}
	return m
}

// add keeps a declared type. It reports an annotation that has the name of a
// member of the type.
func (p *parser) add(t token, m []avsc.Member) {
	p.types = append(p.types, p.object(t.pos, m))
}

// object makes an object and reports duplicate members.
func (p *parser) object(pos avsc.Pos, m []avsc.Member) *avsc.Value {
	seen := make(map[string]bool, len(m))
	m = slices.DeleteFunc(m, func(x avsc.Member) bool {
		if seen[x.Key] {
			p.mistake(x.KeyPos, fmt.Sprintf("%q is given twice, or is no annotation but part of the declaration", x.Key), "remove one")
			return true
		}
		seen[x.Key] = true
		return false
	})
	return avsc.ObjectValue(pos, m...)
}

func (p *parser) fixed(doc string, props []property) {
	t := p.next()
	name := p.identifier("the name of the fixed")
	p.expect("(", "before the size")
	size := p.next()
	n, err := integer(size)
	if err != nil {
		p.fail(size, "the size of a fixed was expected, found "+size.describe(), "write a number of bytes")
	}
	p.expect(")", "after the size")
	p.expect(";", "after the fixed")
	m := append(named("fixed", t, name, doc, props), member("size", size.pos, numberValue(size.pos, n)))
	p.add(t, appendProperties(m, props, ""))
}

func (p *parser) enum(doc string, props []property) {
	t := p.next()
	name := p.identifier("the name of the enum")
	p.expect("{", "before the symbols")
	var symbols []*avsc.Value
	for !p.peek().is("}") {
		p.properties() // in JSON, symbols have no annotations
		symbols = append(symbols, str(p.identifier("a symbol")))
		if !p.accept(",") {
			break
		}
	}
	p.expect("}", "after the symbols")
	m := append(named("enum", t, name, doc, props), member("symbols", name.pos, avsc.ArrayValue(name.pos, symbols...)))
	if p.accept("=") {
		d := p.identifier("the default symbol")
		p.expect(";", "after the default symbol")
		m = append(m, member("default", d.pos, str(d)))
	}
	p.add(t, appendProperties(m, props, ""))
}

func (p *parser) record(doc string, props []property) {
	t := p.next()
	name := p.identifier("the name of the " + t.s)
	outer := p.ns
	defer func() { p.ns = outer }()
	p.enter(name, props)
	open := p.expect("{", "before the fields")
	var fields []*avsc.Value
	for !p.peek().is("}") && p.peek().kind != end {
		p.declaration(func() { fields = append(fields, p.field()...) })
	}
	p.expect("}", "after the fields")
	m := append(named(t.s, t, name, doc, props), member("fields", open.pos, avsc.ArrayValue(open.pos, fields...)))
	p.add(t, appendProperties(m, props, ""))
}

// field reads a declaration of one field, or of several fields with commas
// between.
func (p *parser) field() []*avsc.Value {
	doc := p.peek().doc
	typ := p.fullType()
	fields := []*avsc.Value{p.variable(typ, doc)}
	for p.accept(",") {
		fields = append(fields, p.variable(typ, doc))
	}
	p.expect(";", "after the field")
	return fields
}

// variable reads the name of a field or parameter, with its annotations and
// default.
func (p *parser) variable(typ idlType, doc string) *avsc.Value {
	if own := p.peek().doc; own != "" {
		doc = own
	}
	props := p.properties()
	name := p.identifier("the name of a field")
	m := []avsc.Member{member("name", name.pos, str(name))}
	var def *avsc.Value
	equals := p.peek()
	if p.accept("=") {
		def = p.json()
	}
	m = append(m, member("type", typ.pos, typ.value(def)))
	if doc != "" {
		m = append(m, member("doc", name.pos, avsc.StringValue(name.pos, doc)))
	}
	if def != nil {
		m = append(m, member("default", equals.pos, def))
	}
	for _, x := range props {
		if x.key.s == "order" { // people often write the names of Java's constants here
			x.value = avsc.StringValue(x.value.Pos, strings.ToLower(x.value.Str))
		}
		m = append(m, member(x.key.s, x.key.pos, x.value))
	}
	return p.object(name.pos, m)
}

func (p *parser) message(doc string, props []property) {
	response := p.peek()
	result := avsc.StringValue(response.pos, "null")
	if !p.accept("void") {
		result = p.plainType(nil).value(nil)
	}
	name := p.identifier("the name of the message")
	p.expect("(", "before the parameters")
	var params []*avsc.Value
	for !p.peek().is(")") {
		doc := p.peek().doc
		params = append(params, p.variable(p.fullType(), doc))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")", "after the parameters")
	m := []avsc.Member{
		member("request", name.pos, avsc.ArrayValue(name.pos, params...)),
		member("response", response.pos, result),
	}
	switch t := p.peek(); {
	case p.accept("oneway"):
		if !response.is("void") && !response.is("null") {
			p.mistake(t.pos, "a message that is oneway has a result", "write void before its name")
		}
	case p.accept("throws"):
		var thrown []*avsc.Value
		for {
			thrown = append(thrown, str(p.identifier("the name of an error")))
			if !p.accept(",") {
				break
			}
		}
		m = append(m, member("errors", t.pos, avsc.ArrayValue(t.pos, thrown...)))
	}
	p.expect(";", "after the message")
	if doc != "" {
		m = append(m, member("doc", name.pos, avsc.StringValue(name.pos, doc)))
	}
	m = appendProperties(m, props, "")
	p.messages = append(p.messages, member(name.s, name.pos, p.object(name.pos, m)))
}

// integer returns the value of a whole number in the syntax of Java. The number
// is decimal, or begins with 0x or 0. An L at the end is optional.
func integer(t token) (int64, error) {
	if t.kind != number {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(strings.TrimRight(t.s, "lL"), 0, 64)
}

func numberValue(pos avsc.Pos, n int64) *avsc.Value {
	return &avsc.Value{Kind: avsc.JSONNumber, Pos: pos, Text: strconv.FormatInt(n, 10)}
}

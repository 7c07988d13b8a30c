package codegen

import (
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// OwnType is a Go type of the user that takes the place of the Go type of an
// Avro type.
type OwnType struct {
	// Type is the import path and the name: "example.com/money.Money",
	// "*github.com/cockroachdb/apd/v3.Decimal", "database/sql.Null[string]". A
	// name without an import path is a type of the generated package itself.
	Type string

	// Encode and Decode are functions in the form of Type. Encode turns a value
	// of Type into the Go type that the field has without Type. Decode does the
	// reverse. Both may also return an error. Instead, Encode may be
	// func(dst []byte, v T) ([]byte, error) and Decode
	// func(src []byte) (v T, rest []byte, err error) for the Avro encoding
	// itself. Without functions, Type converts by its methods or its underlying
	// type.
	Encode, Decode string

	// File, Line and Column are the place of the setting for error texts.
	File         string
	Line, Column int
}

// Imported is a package that [Options.Import] has loaded, or the reason why it
// cannot be loaded.
type Imported struct {
	Package *types.Package
	Err     error
}

// ownProperty is the property of a field or a type that gives its own Go type.
// The value is a string, or an object with "type", "encode" and "decode".
const ownProperty = "go.type"

// ownRef is a request for an own type, with its place.
type ownRef struct {
	OwnType
	pos avsc.Pos
}

// ownDecl is an own type in one generated package for one Avro type. Generated
// code writes and reads such a value through AppendFunc and ReadFunc.
type ownDecl struct {
	Ref  *ownRef
	Base *typeExpr // the Go type without the own type
	Pkg  *goPackage
	Type types.Type
	Pkgs []*goPackage // of the type and of its functions

	Form           ownForm
	Encode, Decode ownFunc
	ReadsLayout    bool // the type has ReadAvroAs
	Pointer        bool // the type is a pointer
	Nilable        bool // nil can stand for null

	// Pure is set if assignment copies the value and == compares it.
	Pure       bool
	Comparable bool
	Equal      string // the method Equal with its argument: "Equal(%s)", "Equal(&%s)"; "" for none
	Clone      string // an expression with the value: "%s.Clone()"; "" for none

	// Carrier is the type that carries a value through encoding/json. It is ""
	// if the type itself writes JSON that it reads back.
	Carrier       string
	CarriesTarget bool // the carrier writes the target of a pointer to the value

	AppendFunc, ReadFunc string
	// ReadAsFunc reads a value of another layout, if Base is a record.
	// ReadStepFunc reads a value through a step, if Base is a float, a double
	// or an enum.
	ReadAsFunc, ReadStepFunc string
}

// ownFunc is a conversion function.
type ownFunc struct {
	Pkg   *goPackage
	Name  string
	Fails bool // the function returns an error
}

// ownForm is the way in which an own type converts.
type ownForm uint8

const (
	ownConvert     ownForm = iota // a Go conversion
	ownFuncs                      // functions from and to the base type
	ownWireFuncs                  // functions from and to the Avro encoding
	ownWireMethods                // AppendAvro and ReadAvro
	ownText                       // MarshalText and UnmarshalText
	ownBinary                     // MarshalBinary and UnmarshalBinary
)

// optForm is a struct for an optional value, for example avrobin.Opt[string] or
// sql.NullString. The field Valid reports whether there is a value.
type optForm struct {
	Value   string     // the name of the field with the value
	Type    types.Type // nil for avrobin.Opt of the element's type
	Pkgs    []*goPackage
	Carried bool // encoding/json reads and writes an avrobin.Opt instead
}

// ownOf returns the own type that the schema or the options ask for at a schema
// node. The result is nil without a request.
func (b *builder) ownOf(s *avsc.Schema) *ownRef {
	if ref := b.ownProperty(s.Props); ref != nil {
		return ref
	}
	if len(b.opts.Types) == 0 {
		return nil
	}
	if s.Name != "" {
		if ref := b.ownOption(s.Name); ref != nil {
			return ref
		}
	}
	logical := s.Logical.Name
	if logical == "" { // a logical type that the specification does not know
		for _, p := range s.Props {
			if p.Key == "logicalType" && p.Value.Kind == avsc.JSONString {
				logical = p.Value.Str
			}
		}
	}
	if logical == "" {
		return nil
	}
	return b.ownOption(logical)
}

// ownOfField returns the own type of a field. The field's setting has priority
// over the type's setting.
func (b *builder) ownOfField(record *avsc.Schema, f *avsc.Field) *ownRef {
	if ref := b.ownProperty(f.Props); ref != nil {
		return ref
	}
	return b.ownOption(record.Name + "." + f.Name)
}

func (b *builder) ownOption(key string) *ownRef {
	t, ok := b.opts.Types[key]
	if !ok {
		return nil
	}
	b.usedTypes[key] = true
	return &ownRef{t, avsc.Pos{File: t.File, Line: t.Line, Col: t.Column}}
}

// ownProperty reads the property go.type. A wrong value is a mistake.
func (b *builder) ownProperty(props []avsc.Member) *ownRef {
	for _, p := range props {
		if p.Key != ownProperty {
			continue
		}
		ref := &ownRef{pos: p.Value.Pos}
		const fix = `write "IMPORTPATH.Type", or {"type": "IMPORTPATH.Type", "encode": "IMPORTPATH.Func", "decode": "IMPORTPATH.Func"}`
		switch p.Value.Kind {
		case avsc.JSONString:
			ref.Type = p.Value.Str
		case avsc.JSONObject:
			for _, m := range p.Value.Members {
				var to *string
				switch m.Key {
				case "type":
					to = &ref.Type
				case "encode":
					to = &ref.Encode
				case "decode":
					to = &ref.Decode
				}
				if to == nil || m.Value.Kind != avsc.JSONString {
					b.mistakeOnce(m.KeyPos, fix, "%s: %q is not understood here", ownProperty, m.Key)
					return nil
				}
				*to = m.Value.Str
			}
		}
		if ref.Type == "" {
			what := p.Value.Kind.String()
			switch p.Value.Kind {
			case avsc.JSONString:
				what = "empty"
			case avsc.JSONObject:
				what = `without "type"`
			}
			b.mistakeOnce(p.Value.Pos, fix, "%s is %s", ownProperty, what)
			return nil
		}
		return ref
	}
	return nil
}

// mistakeOnce is mistake for a place that is visited several times.
func (b *builder) mistakeOnce(pos avsc.Pos, fix, format string, args ...any) {
	e := &avsc.Error{Pos: pos, What: fmt.Sprintf(format, args...), Fix: fix}
	if !slices.ContainsFunc(b.errs, func(old *avsc.Error) bool { return *old == *e }) {
		b.errs = append(b.errs, e)
	}
}

// loadOwn loads the packages of all own types at once.
func (b *builder) loadOwn() {
	b.imported = map[string]Imported{}
	b.owns = map[string]*ownDecl{}
	b.usedTypes = map[string]bool{}
	var paths []string
	add := func(ref *ownRef, pkg *goPackage) {
		if ref == nil {
			return
		}
		for _, text := range []string{ref.Type, ref.Encode, ref.Decode} {
			for part := range partsOf(text) {
				path, name := splitName(part)
				if path != "" {
					paths = append(paths, path)
				}
				b.reserveOwn(path, name, pkg)
			}
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			eachUnnamed(bare.schema, func(n *avsc.Schema) { add(b.ownOf(n), bare.pkg) })
		}
	}
	for _, t := range b.order {
		if t.pkg.External {
			continue
		}
		for _, f := range t.schema.Fields {
			add(b.ownOfField(t.schema, f), t.pkg)
			eachUnnamed(f.Type, func(n *avsc.Schema) { add(b.ownOf(n), t.pkg) })
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	b.load(paths)
	b.importsOf(paths...)
}

func (b *builder) load(paths []string) {
	if len(paths) == 0 {
		return
	}
	if b.opts.Import == nil {
		for _, path := range paths {
			b.imported[path] = Imported{Err: fmt.Errorf("no way to load packages: Options.Import is nil")}
		}
		return
	}
	for i, got := range b.opts.Import(paths) {
		b.imported[paths[i]] = got
	}
}

// importsOf returns the imports of packages from Options.Imports.
// Options.Imports is called only once for each package.
func (b *builder) importsOf(paths ...string) map[string][]string {
	paths = slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		_, known := b.imports[path]
		return known
	})
	if b.imports == nil {
		b.imports = map[string][]string{}
	}
	if len(paths) > 0 && b.opts.Imports != nil {
		found := b.opts.Imports(paths)
		for _, path := range paths {
			b.imports[path] = found[path]
		}
	}
	return b.imports
}

// unusedOwn reports the keys of Options.Types that are almost the name of a
// type or of a field. Other unused keys are for other schemas.
func (b *builder) unusedOwn() {
	var names []string
	for _, t := range b.order {
		names = append(names, t.schema.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(b.opts.Types)) {
		if b.usedTypes[key] || !strings.Contains(key, ".") {
			continue
		}
		pos := avsc.Pos{File: b.opts.Types[key].File, Line: b.opts.Types[key].Line, Col: b.opts.Types[key].Column}
		record, field := splitName(key)
		if i := slices.Index(names, record); i >= 0 {
			var fields []string
			for _, f := range b.order[i].schema.Fields {
				fields = append(fields, f.Name)
			}
			if slices.Contains(fields, field) { // go.type in the schema comes first
				continue
			}
			fix := ""
			if near := avsc.Nearest(field, fields); len(near) > 0 {
				fix = fmt.Sprintf("did you mean %q?", near[0])
			}
			b.mistake(pos, fix, "no field %q in %s", field, record)
			continue
		}
		if near := avsc.Nearest(key, names); len(near) > 0 && !slices.Contains(names, key) {
			b.mistake(pos, fmt.Sprintf("did you mean %q?", near[0]), "no type %s", key)
		}
	}
}

// partsOf returns the names in the text of a type.
func partsOf(text string) iter.Seq[string] {
	return strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune("*[], ", r) })
}

// eachUnnamed calls visit for s and the types inside, but not for the types
// inside a named type.
func eachUnnamed(s *avsc.Schema, visit func(*avsc.Schema)) {
	visit(s)
	if !s.Kind.Named() {
		s.EachPart(func(part *avsc.Schema) { eachUnnamed(part, visit) })
	}
}

// reserveOwn reserves the name of an own type or function in its package, if
// the package is generated.
func (b *builder) reserveOwn(path, name string, pkg *goPackage) {
	if path == "" {
		if types.Universe.Lookup(name) == nil {
			b.scope(pkg)[name] = true
		}
		return
	}
	for _, p := range b.place.packages {
		if p.Path == path {
			b.scope(p)[name] = true
		}
	}
}

// splitName splits "IMPORTPATH.Name". The path is "" for a name alone.
func splitName(text string) (path, name string) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return "", text
	}
	return text[:i], text[i+1:]
}

// object looks up "IMPORTPATH.Name". Without a path, the name is in the package
// in.
func (b *builder) object(text string, in *goPackage) (types.Object, error) {
	path, name := splitName(text)
	if path == "" {
		if obj := types.Universe.Lookup(name); obj != nil && token.IsIdentifier(name) {
			return obj, nil
		}
		if !token.IsIdentifier(name) {
			return nil, fmt.Errorf("%q is no name of a type: declare a named type with these values", text)
		}
		if path = in.Path; path == "" {
			return nil, fmt.Errorf("%s has no import path, and the import path of the output folder is not known", name)
		}
	}
	if !token.IsIdentifier(name) || path != in.Path && !token.IsExported(name) {
		return nil, fmt.Errorf("%q is not IMPORTPATH.Name with an exported name", text)
	}
	if _, ok := b.imported[path]; !ok {
		b.load([]string{path})
	}
	got := b.imported[path]
	if got.Err != nil {
		return nil, fmt.Errorf("cannot load package %s: %w", path, got.Err)
	}
	if in.Path != "" && path != in.Path && slices.Contains(b.importsOf(path)[path], in.Path) {
		return nil, fmt.Errorf("package %s imports %s, and the generated code there would import it back", path, in.Path)
	}
	obj := got.Package.Scope().Lookup(name)
	if obj == nil {
		return nil, fmt.Errorf("package %s has no %s", path, name)
	}
	return obj, nil
}

// parseType parses the text of an own type.
func (b *builder) parseType(text string, in *goPackage) (types.Type, error) {
	text = strings.TrimSpace(text)
	if elem, ok := strings.CutPrefix(text, "*"); ok {
		t, err := b.parseType(elem, in)
		if err != nil {
			return nil, err
		}
		return types.NewPointer(t), nil
	}
	name, args, generic := strings.Cut(text, "[")
	obj, err := b.object(name, in)
	if err != nil {
		return nil, err
	}
	typeName, ok := obj.(*types.TypeName)
	if !ok {
		return nil, fmt.Errorf("%s is no type", name)
	}
	t := typeName.Type()
	named, _ := types.Unalias(t).(*types.Named)
	parameters := 0
	if named != nil {
		parameters = named.TypeParams().Len()
	}
	if !generic {
		if parameters > 0 {
			return nil, fmt.Errorf("%s needs %s in brackets", name, count(parameters, "type"))
		}
		return t, nil
	}
	args, closed := strings.CutSuffix(args, "]")
	var list []types.Type
	for _, arg := range splitArgs(args) {
		t, err := b.parseType(arg, in)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if !closed || parameters != len(list) {
		return nil, fmt.Errorf("%s has %s, and %q has %d", name, count(parameters, "type parameter"), text, len(list))
	}
	t, err = types.Instantiate(nil, named, list, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return t, nil
}

// splitArgs splits at the commas outside brackets.
func splitArgs(text string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range text {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ',' && depth == 0:
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return append(out, text[start:])
}

// ownPackage returns the package of an own type, so that generated code can
// import the package.
func (b *builder) ownPackage(p *types.Package) *goPackage {
	for _, q := range b.place.packages {
		if q.Path == p.Path() {
			return q
		}
	}
	return b.place.add(&goPackage{Name: p.Name(), Path: p.Path(), External: true, Loaded: true})
}

// packagesOf returns the packages that the text of t names.
func (b *builder) packagesOf(t types.Type) []*goPackage {
	var out []*goPackage
	types.TypeString(t, func(p *types.Package) string {
		if q := b.ownPackage(p); !slices.Contains(out, q) {
			out = append(out, q)
		}
		return ""
	})
	return out
}

// ownType gives base the own type of ref. If ref has a mistake, base stays
// unchanged.
func (b *builder) ownType(base *typeExpr, ref *ownRef, at unionPlace) *typeExpr {
	if ref == nil || at.record.Pkg.External {
		return base
	}
	if base.Kind == kindUnion {
		b.mistakeOnce(ref.pos, "put it on a branch", "%s: a union of several types keeps its interface", ref.Type)
		return base
	}
	if base.Kind == kindNull || base.Kind == kindRecord && len(base.Avro.Fields) == 0 {
		b.mistakeOnce(ref.pos, "remove it", "%s: a value of no bytes has no own type", ref.Type)
		return base
	}
	pkg := at.record.Pkg
	t, err := b.parseType(ref.Type, pkg)
	if err == nil {
		var d *ownDecl
		if d, err = b.ownDecl(base, ref, pkg, t); err == nil {
			return &typeExpr{Kind: kindOwn, Avro: base.Avro, Own: d}
		}
	}
	b.mistakeOnce(ref.pos, "", "go.type %s for %s: %v", ref.Type, base.Avro.Kind.String(), err)
	return base
}

// ownDecl finds out how the type t converts. Equal settings share a result.
func (b *builder) ownDecl(base *typeExpr, ref *ownRef, pkg *goPackage, t types.Type) (*ownDecl, error) {
	key := fmt.Sprintf("%p|%s|%s|%s|%s", pkg, typeString(t), ref.Encode, ref.Decode, base.key())
	if d := b.owns[key]; d != nil {
		return d, nil
	}
	d, err := b.declareOwn(base, ref, pkg, t)
	if err != nil {
		return nil, err
	}
	b.owns[key] = d
	return d, nil
}

// key returns a text that differs between types with different conversions.
func (t *typeExpr) key() string {
	name := ""
	if t.Avro.Kind.Named() {
		name = t.Avro.Name
	}
	out := fmt.Sprintf("%d %s %v %v %d %d %d %d %v", t.Kind, name, t.Local, t.AnyText, t.Precision, t.Scale, t.Size, t.NullIndex, t.Opt != nil)
	if t.Own != nil {
		out += fmt.Sprintf(" %p", t.Own)
	}
	if t.Elem != nil {
		out += "(" + t.Elem.key() + ")"
	}
	return out
}

func (b *builder) declareOwn(base *typeExpr, ref *ownRef, pkg *goPackage, t types.Type) (*ownDecl, error) {
	d := &ownDecl{Ref: ref, Base: base, Pkg: pkg, Type: t, Pkgs: b.packagesOf(t)}
	if err := b.ownConversion(d); err != nil {
		return nil, err
	}
	d.describe()
	name := b.ownName(t, base)
	scope := b.scope(pkg)
	d.AppendFunc, d.ReadFunc = scope.take("append"+name), scope.take("read"+name)
	var json bool
	if json, d.CarriesTarget = ownJSON(t); !json {
		d.Carrier = scope.take(lowerFirst(name) + "JSON")
	}
	switch base.Kind {
	case kindRecord:
		d.ReadAsFunc = scope.take("read" + name + "As")
	case kindFloat, kindDouble, kindEnum:
		d.ReadStepFunc = scope.take("read" + name + "Step")
	default:
	}
	return d, nil
}

// ownName returns the part of the function names that names the own type.
func (b *builder) ownName(t types.Type, base *typeExpr) string {
	var name strings.Builder
	for part := range strings.FieldsFuncSeq(types.TypeString(t, func(*types.Package) string { return "" }), func(r rune) bool { return strings.ContainsRune("*[], .", r) }) {
		name.WriteString(goName(part))
	}
	return name.String() + "Of" + goName(cmp.Or(base.Avro.ShortName(), base.Avro.Logical.Name, base.Avro.Kind.String()))
}

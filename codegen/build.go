package codegen

import (
	"cmp"
	"fmt"
	"go/token"
	"path"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// builder makes the model of a set. buildModel lists the steps.
type builder struct {
	opts   Options
	place  *placement
	scopes map[*goPackage]scope
	errs   avsc.Errors

	sources []*source
	named   map[*avsc.Schema]*namedType // every record, enum and fixed of the set
	order   []*namedType                // the same, sorted by full name

	fingerprints *avsc.Fingerprinter

	pointers map[*avsc.Field]bool     // fields of a record type that must be pointers
	lists    map[*goPackage]*textList // for packages whose separate constants would be too long

	imported  map[string]Imported // loaded packages by import path
	imports   map[string][]string // the direct and indirect imports of packages outside of the output
	owns      map[string]*ownDecl
	usedTypes map[string]bool // the used keys of Options.Types
}

// source is one schema file, with the types that are generated from the file.
type source struct {
	file  *avsc.File
	tops  []*avsc.Schema
	types []*namedType
	bare  []*bareType
}

// namedType is a record, enum or fixed that the builder turns into a part of
// the model. The declaration of its kind is set. A fixed with a logical type
// has no declaration, because its values have the Go type of the logical type.
type namedType struct {
	schema   *avsc.Schema
	pkg      *goPackage
	topLevel bool // the type is at the top level of a file
	imported bool // no source of the set has the type
	external *ExternalType

	record *recordDecl
	enum   *enumDecl
	fixed  *fixedDecl
}

// bareType is the struct for a top level without a declared type.
type bareType struct {
	schema *avsc.Schema
	goName string
	pkg    *goPackage
	record *recordDecl
}

// buildModel decides everything that the emitter prints. The packages are
// sorted by folder.
func buildModel(set *avsc.Set, opts Options) ([]*goPackage, error) {
	b := &builder{opts: opts, named: map[*avsc.Schema]*namedType{}, scopes: map[*goPackage]scope{}, fingerprints: avsc.NewFingerprinter()}
	b.collect(set)
	b.placeTypes()
	b.loadOwn()
	b.nameTypes()
	b.pointers = selfContaining(b.order)
	largeStructs(b.order, b.pointers)
	b.declare()
	b.unusedOwn()
	b.fillDefaults()
	b.traits()
	b.minSizes()
	b.blocks()
	b.nameMeanings()
	packages := b.files()
	b.checkImports(packages)
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	return packages, nil
}

func (b *builder) mistake(pos avsc.Pos, fix, format string, args ...any) {
	b.errs = append(b.errs, &avsc.Error{Pos: pos, What: fmt.Sprintf(format, args...), Fix: fix})
}

// collect finds every named type and assigns each type to one source. The
// source is a source with the type at its top level. If there is no such
// source, it is the source with the definition.
func (b *builder) collect(set *avsc.Set) {
	bySource := map[string]*source{}
	for _, f := range set.Files {
		s := &source{file: f, tops: f.Schemas}
		if b.hasRoot(f) {
			s.tops = append(slices.Clip(s.tops), f.Root)
		}
		bySource[f.Name] = s
		b.sources = append(b.sources, s)
	}
	home := map[*avsc.Schema]*source{}
	for _, s := range b.sources {
		for _, top := range s.tops {
			if top.Kind.Named() && (home[top] == nil || top.Pos.File == s.file.Name) {
				home[top] = s
			}
		}
	}
	seen := map[*avsc.Schema]bool{}
	for _, s := range b.sources {
		for _, top := range s.tops {
			top.WalkNew(seen, func(n *avsc.Schema) {
				if !n.Kind.Named() || b.named[n] != nil {
					return
				}
				t := &namedType{schema: n, topLevel: home[n] != nil}
				b.named[n] = t
				b.order = append(b.order, t)
			})
		}
	}
	for _, t := range b.order {
		owner := cmp.Or(home[t.schema], bySource[t.schema.Pos.File])
		if owner == nil {
			t.imported = true
			continue
		}
		if t.hasDecl() {
			owner.types = append(owner.types, t)
		}
		if t.topLevel && !t.hasDecl() {
			owner.bare = append(owner.bare, &bareType{schema: t.schema, goName: b.typeGoName(t.schema)})
		}
	}
	for _, s := range b.sources {
		for _, top := range s.tops {
			if !top.Kind.Named() {
				s.bare = append(s.bare, &bareType{schema: top, goName: fileGoName(s.file.Name)})
			}
		}
	}
	slices.SortFunc(b.order, func(x, y *namedType) int { return cmp.Compare(x.schema.Name, y.schema.Name) })
}

// hasRoot reports whether the whole file f is a schema, besides the types in
// the file. In an IDL file, the whole is the main schema. In a JSON array of
// types, the whole is the union of the types. But people also write such an
// array only to put several types into a file. So if a type has the name of the
// file, the union gets no type.
func (b *builder) hasRoot(f *avsc.File) bool {
	if f.Root == nil || slices.Contains(f.Schemas, f.Root) {
		return false
	}
	return f.JSON.Kind != avsc.JSONArray || !slices.ContainsFunc(f.Schemas, func(s *avsc.Schema) bool {
		return goName(s.ShortName()) == fileGoName(f.Name)
	})
}

// fileGoName returns the Go name of a type that is named after its file.
func fileGoName(file string) string {
	base := path.Base(file)
	return goName(strings.TrimSuffix(base, path.Ext(base)))
}

// hasDecl reports whether t has a declaration. A fixed with a logical type has
// none.
func (t *namedType) hasDecl() bool {
	return t.schema.Kind != avsc.Fixed || t.schema.Logical.Name == ""
}

func (b *builder) placeTypes() {
	var types []*avsc.Schema
	for _, t := range b.order {
		if _, mapped := b.opts.Map[t.schema.Namespace()]; mapped || !t.imported {
			types = append(types, t.schema)
		}
	}
	namespaces := namespacesOf(types)
	b.place = place(namespaces, b.opts)
	for _, t := range b.order {
		if _, mapped := b.opts.Map[t.schema.Namespace()]; t.imported && !mapped {
			b.placeImported(t)
			continue
		}
		t.pkg = b.place.byNS[t.schema.Namespace()]
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			bare.pkg = b.barePackage(bare.schema)
		}
	}
}

// placeImported gives an imported type the package that was generated for its
// source.
func (b *builder) placeImported(t *namedType) {
	file := t.schema.Pos.File
	ext := b.opts.External[file]
	t.pkg = b.place.external(ext)
	if !t.hasDecl() {
		return
	}
	found, ok := ext.Types[t.schema.Name]
	switch {
	case ext.Path == "":
		b.mistake(t.schema.Pos, "map its namespace with --map NAMESPACE=IMPORTPATH", "no Go package is known for the imported type %s", t.schema.Name)
	case !ok:
		b.mistake(t.schema.Pos, "run avrogen generate in that module", "package %s has no Go type for %s", ext.Path, t.schema.Name)
	case found.Meaning == "":
		b.mistake(t.schema.Pos, "run avrogen generate in that module", "an older avrogen made the Go type %s.%s", ext.Path, found.GoName)
	default:
		t.external = &found
	}
}

// barePackage returns the package of a schema without a name. If all types in
// the schema are in one package, barePackage returns this package. Otherwise
// barePackage returns the package of the output folder.
func (b *builder) barePackage(s *avsc.Schema) *goPackage {
	var pkg *goPackage
	same := true
	var visit func(*avsc.Schema)
	visit = func(n *avsc.Schema) {
		if t := b.named[n]; t != nil {
			same = same && (pkg == nil || pkg == t.pkg)
			pkg = t.pkg
			return
		}
		n.EachPart(visit)
	}
	visit(s)
	if pkg == nil || !same || pkg.External {
		return b.place.root()
	}
	return pkg
}

// goNameProperty is the property of a type or field that gives its Go name.
const goNameProperty = "go.name"

// override returns the Go name in the property go.name, or "". If the value is
// not an exported Go name, the property is for another tool. The property then
// has no effect, and lint reports the value.
func override(props []avsc.Member) string {
	for _, p := range props {
		if p.Key == goNameProperty && p.Value.Kind == avsc.JSONString &&
			token.IsIdentifier(p.Value.Str) && token.IsExported(p.Value.Str) {
			return p.Value.Str
		}
	}
	return ""
}

func (b *builder) typeGoName(s *avsc.Schema) string {
	return cmp.Or(override(s.Props), goName(s.ShortName()))
}

// nameTypes gives every type of every package its Go name. nameTypes also makes
// the empty declarations, so that types can refer to each other.
func (b *builder) nameTypes() {
	asked := func(t *namedType) bool { return override(t.schema.Props) != "" }
	for _, explicit := range []bool{true, false} {
		for _, t := range b.order {
			if asked(t) == explicit && t.hasDecl() {
				b.nameType(t)
			}
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			bare.record = &recordDecl{
				typeName: typeName{bare.pkg, b.scope(bare.pkg).take(bare.goName)},
				AvroName: cmp.Or(bare.schema.Name, bare.schema.Kind.String()),
				Bare:     true,

				Fingerprint: b.fingerprints.Meaning(bare.schema),
			}
		}
	}
	// Derived names come after the names of all types.
	b.placeSchemas()
	for _, t := range b.order {
		switch {
		case t.record != nil:
			b.nameDerived(t.record.typeName, t.record.SchemaText, &t.record.NewFunc)
			t.record.FieldNames = b.scope(t.pkg).take(lowerFirst(t.record.GoName) + "Fields")
		case t.enum != nil && t.topLevel:
			b.nameDerived(t.enum.typeName, t.enum.SchemaText, &t.enum.NewFunc)
		case t.fixed != nil && t.topLevel:
			b.nameDerived(t.fixed.typeName, t.fixed.SchemaText, &t.fixed.NewFunc)
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			b.nameDerived(bare.record.typeName, bare.record.SchemaText, &bare.record.NewFunc)
		}
	}
}

// textProperty is a property of a string. With the value "any", the string may
// contain bytes that are not UTF-8. Any other value has no effect, and lint
// reports the value.
const textProperty = "go.text"

func anyText(props []avsc.Member) bool {
	return slices.ContainsFunc(props, func(p avsc.Member) bool {
		return p.Key == textProperty && p.Value.Kind == avsc.JSONString && p.Value.Str == "any"
	})
}

// nameType names t. If a type of another namespace has taken the name, nameType
// puts the last segment of the namespace of t in front.
func (b *builder) nameType(t *namedType) {
	scope := b.scope(t.pkg)
	name := b.typeGoName(t.schema)
	segments := strings.Split(t.schema.Namespace(), ".")
	for i := len(segments) - 1; i >= 0 && scope[name] && segments[i] != ""; i-- {
		name = goName(segments[i]) + name
	}
	at := typeName{t.pkg, name}
	if t.external != nil {
		at.GoName = t.external.GoName
	} else {
		at.GoName = scope.take(name)
	}
	s := t.schema
	switch s.Kind {
	case avsc.Record:
		t.record = &recordDecl{typeName: at, AvroName: s.Name, Fingerprint: b.fingerprints.Meaning(s)}
	case avsc.Enum:
		t.enum = &enumDecl{typeName: at, AvroName: s.Name, Message: t.topLevel, Fingerprint: b.fingerprints.Meaning(s)}
	default:
		t.fixed = &fixedDecl{typeName: at, AvroName: s.Name, Size: s.Size, Message: t.topLevel, Fingerprint: b.fingerprints.Meaning(s)}
	}
}

func (b *builder) nameDerived(of typeName, text *schemaText, newFunc *string) {
	scope := b.scope(of.Pkg)
	text.name(scope, of.GoName)
	*newFunc = scope.take("New" + of.GoName)
}

func (b *builder) scope(p *goPackage) scope {
	if b.scopes[p] == nil {
		b.scopes[p] = scope{}
	}
	return b.scopes[p]
}

// selfContaining finds the fields that would make a struct contain itself. From
// the type of such a field, record fields lead back to the field's record.
// These fields become pointers.
func selfContaining(types []*namedType) map[*avsc.Field]bool {
	component := components(types)
	pointers := map[*avsc.Field]bool{}
	for _, t := range types {
		for _, f := range t.schema.Fields {
			if f.Type.Kind == avsc.Record && component[f.Type] == component[t.schema] {
				pointers[f] = true
			}
		}
	}
	return pointers
}

// components numbers the strongly connected components of the records. An edge
// is a field of a record type. The algorithm is Tarjan's, with an explicit
// stack because schemas may be deep.
func components(types []*namedType) map[*avsc.Schema]int {
	type frame struct {
		s    *avsc.Schema
		next int
	}
	index, low, component := map[*avsc.Schema]int{}, map[*avsc.Schema]int{}, map[*avsc.Schema]int{}
	var open []*avsc.Schema
	for _, t := range types {
		if t.schema.Kind != avsc.Record || index[t.schema] != 0 {
			continue
		}
		calls := []frame{{s: t.schema}}
		for len(calls) > 0 {
			f := &calls[len(calls)-1]
			if f.next == 0 {
				index[f.s] = len(index) + 1
				low[f.s] = index[f.s]
				open = append(open, f.s)
			}
			if f.next < len(f.s.Fields) {
				to := f.s.Fields[f.next].Type
				f.next++
				switch {
				case to.Kind != avsc.Record:
				case index[to] == 0:
					calls = append(calls, frame{s: to})
				case component[to] == 0:
					low[f.s] = min(low[f.s], index[to])
				}
				continue
			}
			if low[f.s] == index[f.s] {
				for {
					last := open[len(open)-1]
					open = open[:len(open)-1]
					component[last] = index[f.s]
					if last == f.s {
						break
					}
				}
			}
			done := f.s
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].s
				low[up] = min(low[up], low[done])
			}
		}
	}
	return component
}

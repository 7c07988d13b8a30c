package codegen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// declare fills the declarations with fields, field types, symbols and unions.
func (b *builder) declare() {
	for _, t := range b.order {
		switch {
		case t.record != nil:
			b.declareRecord(t.record, t.schema)
		case t.enum != nil:
			b.declareEnum(t.enum, t.schema)
		case t.fixed != nil:
			t.fixed.Doc = typeDoc(t.fixed.typeName, "fixed type", t.schema)
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			b.declareBare(bare, s)
		}
	}
}

func (b *builder) declareRecord(d *recordDecl, s *avsc.Schema) {
	what := "record"
	if s.IsError {
		what = "error"
	}
	d.Doc = typeDoc(d.typeName, what, s)
	names := newScope(recordMethods)
	goNames := make([]string, len(s.Fields))
	for _, explicit := range []bool{true, false} {
		for i, f := range s.Fields {
			if (override(f.Props) != "") != explicit {
				continue
			}
			name := override(f.Props)
			if name == "" {
				name = goName(f.Name)
			}
			goNames[i] = names.take(name)
		}
	}
	for i, f := range s.Fields {
		field := &fieldDecl{GoName: goNames[i], AvroName: f.Name}
		field.Type = b.typeOf(f.Type, unionPlace{d, d.GoName + strings.TrimRight(field.GoName, "_"), b.ownOfField(s, f)})
		field.Type.Pointer = b.pointers[f]
		field.Doc = fieldDoc(f.Doc, field.Type)
		field.Tags = b.tagsOf(f, field.Type)
		d.Fields = append(d.Fields, field)
	}
	b.sameTags(s, d.Fields)
}

func (b *builder) declareBare(bare *bareType, s *source) {
	d := bare.record
	if bare.schema.Kind.Named() {
		d.Doc = typeDoc(d.typeName, "fixed type", bare.schema)
	} else {
		d.Doc = docLines(fmt.Sprintf("%s is the schema of %s: its value stands alone, without a record around it.",
			d.GoName, b.sourceName(s.file.Name)), docWidth)
	}
	field := &fieldDecl{GoName: "Value", AvroName: "value"}
	field.Type = b.typeOf(bare.schema, unionPlace{d, d.GoName + field.GoName, nil})
	field.Doc = fieldDoc("", field.Type)
	field.Tags = []tag{{"avro", field.AvroName}, {"json", field.AvroName}}
	d.Fields = []*fieldDecl{field}
}

func (b *builder) declareEnum(d *enumDecl, s *avsc.Schema) {
	d.Doc = typeDoc(d.typeName, "enum", s)
	d.Table = b.scope(d.Pkg).take(lowerFirst(d.GoName) + "Symbols")
	for i, symbol := range s.Symbols {
		d.Symbols = append(d.Symbols, enumSymbol{
			GoName: b.scope(d.Pkg).take(d.GoName + symbolGoName(symbol.Name)),
			Avro:   symbol.Name,
		})
		if symbol.Name == s.EnumDefault {
			d.Default = i
		}
	}
}

// symbolGoName returns the Go name of a symbol. The name of the enum type comes
// before the symbol, so the symbol need not begin with a letter.
func symbolGoName(symbol string) string {
	name := goName(symbol)
	if rest, ok := strings.CutPrefix(name, "X"); ok && !strings.HasPrefix(strings.ToUpper(strings.TrimLeft(symbol, "_")), "X") && rest != "" {
		return rest
	}
	return name
}

// unionPlace names the unions inside a field.
type unionPlace struct {
	record *recordDecl
	name   string
	own    *ownRef // the own type that a field asks for
}

func (p unionPlace) in(part string) unionPlace { return unionPlace{p.record, p.name + part, nil} }

// typeOf returns the type of a schema node at a place.
func (b *builder) typeOf(s *avsc.Schema, at unionPlace) *typeExpr {
	ref := at.own
	if at.own = nil; ref == nil {
		ref = b.ownOf(s)
	}
	if s.Kind == avsc.Union {
		t := &typeExpr{Avro: s}
		b.unionOf(t, s, at, ref)
		return t
	}
	return b.ownType(b.baseOf(s, at), ref, at)
}

// baseOf returns the type of a schema node without its own type. The node is
// not a union.
func (b *builder) baseOf(s *avsc.Schema, at unionPlace) *typeExpr {
	t := &typeExpr{Avro: s, Precision: s.Logical.Precision, Scale: s.Logical.Scale}
	switch s.Kind {
	case avsc.Null:
		t.Kind = kindNull
	case avsc.Boolean:
		t.Kind = kindBool
	case avsc.Int:
		t.Kind = intKind(s.Logical.Name)
	case avsc.Long:
		t.Kind = longKind(s.Logical.Name)
		t.Local = strings.HasPrefix(s.Logical.Name, "local-")
	case avsc.Float:
		t.Kind = kindFloat
	case avsc.Double:
		t.Kind = kindDouble
	case avsc.Bytes:
		t.Kind = kindBytes
		if s.Logical.Name == "decimal" {
			t.Kind = kindDecimalBytes
		}
	case avsc.String:
		t.Kind = kindString
		t.AnyText = anyText(s.Props)
		if s.Logical.Name == "uuid" {
			t.Kind = kindUUIDString
		}
	case avsc.Fixed:
		t.Size = s.Size
		t.Kind = fixedKind(s.Logical.Name)
		t.Fixed = b.named[s].fixed
	case avsc.Record:
		t.Kind, t.Record = kindRecord, b.named[s].record
	case avsc.Enum:
		t.Kind, t.Enum = kindEnum, b.named[s].enum
	case avsc.Array:
		t.Kind, t.Elem = kindArray, b.typeOf(s.Elem, at.in("Item"))
	case avsc.Map:
		t.Kind, t.Elem = kindMap, b.typeOf(s.Elem, at.in("Value"))
	}
	return t
}

func intKind(logical string) kind {
	switch logical {
	case "date":
		return kindDate
	case "time-millis":
		return kindTimeMillis
	}
	return kindInt
}

func longKind(logical string) kind {
	switch strings.TrimPrefix(logical, "local-") {
	case "time-micros":
		return kindTimeMicros
	case "timestamp-millis":
		return kindTimestampMillis
	case "timestamp-micros":
		return kindTimestampMicros
	case "timestamp-nanos":
		return kindTimestampNanos
	}
	return kindLong
}

func fixedKind(logical string) kind {
	switch logical {
	case "decimal":
		return kindDecimalFixed
	case "uuid":
		return kindUUIDFixed
	case "duration":
		return kindDuration
	}
	return kindFixed
}

// unionOf makes t an optional if t has two branches and one branch is null.
// Otherwise unionOf makes t a union. ref is the own type of the field. In an
// optional, ref is for the branch or for the whole optional.
func (b *builder) unionOf(t *typeExpr, s *avsc.Schema, at unionPlace, ref *ownRef) {
	null := slices.IndexFunc(s.Branches, func(x *avsc.Schema) bool { return x.Kind == avsc.Null })
	if len(s.Branches) == 2 && null >= 0 {
		t.Kind, t.NullIndex = kindOptional, null
		b.optionalOf(t, s.Branches[1-null], at, ref)
		return
	}
	if ref != nil {
		b.ownType(&typeExpr{Kind: kindUnion, Avro: s}, ref, at) // a mistake
	}
	pkg := at.record.Pkg
	scope := b.scope(pkg)
	name := scope.take(at.name)
	u := &unionDecl{
		typeName:   typeName{pkg, name},
		Owner:      at.record,
		NullIndex:  null,
		SealMethod: "is" + name,
		AppendFunc: scope.take("append" + name),
		ReadFunc:   scope.take("read" + name),
		EqualFunc:  scope.take("equal" + name),
		CloneFunc:  scope.take("clone" + name),
		Carrier:    scope.take(lowerFirst(name) + "JSON"),
	}
	t.Kind, t.Union = kindUnion, u
	at.record.unions = append(at.record.unions, u)
	for _, branch := range s.Branches {
		part := branchName(branch)
		x := &unionBranch{AvroName: branch.Kind.String()}
		if branch.Kind.Named() {
			x.AvroName = branch.Name
		}
		x.Type = b.typeOf(branch, at.in(part))
		switch {
		case branch.Kind == avsc.Null:
		case x.Type.Kind == kindRecord && x.Type.Record.Pkg == pkg:
			x.Type.Record.IsBranchOf = append(x.Type.Record.IsBranchOf, u)
		default:
			x.Wrapper = scope.take(u.GoName + part)
		}
		u.Branches = append(u.Branches, x)
	}
	u.Doc = unionDoc(u)
}

// optionalOf gives the optional t its element.
func (b *builder) optionalOf(t *typeExpr, branch *avsc.Schema, at unionPlace, ref *ownRef) {
	if ref == nil {
		ref = b.ownOf(branch)
	}
	t.Elem = b.baseOf(branch, at)
	if b.optionalForm(t, ref, at) {
		return
	}
	t.Elem = b.ownType(t.Elem, ref, at)
	switch t.Elem.Kind {
	case kindBytes, kindArray, kindMap:
		t.Nilable = true
	case kindOwn:
		t.Nilable = t.Elem.Own.Nilable
	default:
	}
	if b.opts.Optionals == OptionalStructs && !t.Nilable && t.Elem.Kind != kindRecord {
		t.Opt = &optForm{Value: "Value"}
	}
}

// branchName returns the part that the wrapper of a branch adds to the union's
// name.
func branchName(s *avsc.Schema) string {
	switch {
	case s.Kind.Named():
		return goName(s.ShortName())
	case s.Logical.Name != "":
		return goName(s.Logical.Name)
	}
	return goName(s.Kind.String())
}

// Package avsclint finds problems in valid schemas. A problem is a mistake, or
// makes later changes of the schema difficult. See [Rules].
package avsclint

import (
	"cmp"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// Options are the settings of [Lint]. The zero value applies all rules.
type Options struct {
	Except []string // rules to leave out
	// Tags are the tags of fields, by full name, that contract files give to
	// the fields. The confluent:tags of the schemas count besides.
	Tags map[string][]string
}

// Lint checks every declared type in the set's files once. The findings are
// sorted by position. Type of a finding is the name of the rule. Place is the
// full name of the type, with the field or symbol, and stays the same if lines
// move. What is the problem, and Advice is the fix.
func Lint(set *avsc.Set, o Options) []contract.Finding {
	l := &linter{Options: o, seen: map[*avsc.Schema]bool{}, finite: finiteTypes(set), tagging: len(o.Tags) > 0 || usesTags(set)}
	for _, f := range set.Files {
		for _, d := range f.Dropped {
			l.report(annotationDropped, d.Pos, d.Key, "the annotation @"+d.Key+" before a union is dropped, because a union has no properties", "put it before one of the branches, or before the name of the field")
		}
		for _, s := range f.Schemas {
			l.topLevel(s)
		}
		if f.Root != nil {
			l.topLevel(f.Root)
		}
	}
	rank := map[string]int{}
	for i, f := range set.Files {
		rank[f.Name] = i
	}
	l.findings = slices.DeleteFunc(l.findings, func(f contract.Finding) bool {
		_, ok := rank[f.Pos.File]
		return !ok // in an imported file, which others maintain
	})
	slices.SortStableFunc(l.findings, func(a, b contract.Finding) int {
		return cmp.Or(
			cmp.Compare(rank[a.Pos.File], rank[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
		)
	})
	return l.findings
}

// Text returns the problem of a finding, a colon, and the fix.
func Text(f contract.Finding) string { return f.What + ": " + f.Advice }

// topLevel checks the schema of a file, and every schema that this schema
// refers to.
func (l *linter) topLevel(s *avsc.Schema) {
	s.WalkNew(l.seen, func(n *avsc.Schema) {
		if n.Kind.Named() {
			l.named(n)
		}
	})
	if !s.Kind.Named() && !l.seen[s] {
		l.seen[s] = true
		l.unnamed(s, "")
	}
}

// named checks one record, enum or fixed.
func (l *linter) named(s *avsc.Schema) {
	l.typeName(s)
	l.doc(s.JSON, s.Doc, s.NamePos, typeWithoutDoc, s.Name, describe(s))
	l.properties(s.Props, attributesOf(s.Kind), s.Name)
	l.fieldAttributesOf(s, s.Name)
	l.logicalType(s, s.Name)
	switch s.Kind {
	default: // a fixed
	case avsc.Enum:
		if len(s.Symbols) == 0 {
			l.report(noValue, s.NamePos, s.Name, describe(s)+" has no symbols, so no value", "add a symbol")
		}
		l.enum(s)
	case avsc.Record:
		if l.isInfinite(s) {
			l.report(noValue, s.NamePos, s.Name, "every value of "+describe(s)+" contains another value of the same type, without end", "make a field in the cycle optional, or an array")
		}
		l.fieldNames(s)
		for i, f := range s.Fields {
			l.field(s, f, fieldJSON(s, i))
		}
	}
}

func (l *linter) enum(s *avsc.Schema) {
	if s.EnumDefault == "" {
		l.report(enumWithoutDefault, s.NamePos, s.Name, "enum "+s.ShortName()+" has no default", `add "default", a symbol such as UNKNOWN that stands for those of later versions`)
	}
	for _, sym := range s.Symbols {
		if !upperSnake(sym.Name) {
			l.report(symbolStyle, sym.Pos, s.Name+"."+sym.Name, "symbol "+sym.Name+" is not in UPPER_SNAKE_CASE", "rename it while nobody has written it yet")
		}
	}
}

func (l *linter) field(s *avsc.Schema, f *avsc.Field, declared *avsc.Value) {
	path := s.Name + "." + f.Name
	l.doc(declared, f.Doc, f.NamePos, fieldWithoutDoc, path, "field "+f.Name)
	l.properties(f.Props, fieldAttributes(), path)
	if v := property(f.Props, "logicalType"); v != nil {
		l.report(logicalTypeOnField, v.Pos, path, `"logicalType" stands beside the type of field `+f.Name, `move it into the type: "type": {"type": …, "logicalType": `+v.Text+`}`)
	}
	l.reference(f.Type, f.TypePos, path)
	l.unnamed(f.Type, path)
	l.checkNameAgainstType(f, path)
	l.checkPersonalData(f, path)
	l.fieldDefault(f, path)
}

// unnamed checks a type and the types inside, but does not enter named types.
func (l *linter) unnamed(s *avsc.Schema, path string) {
	if s.Kind.Named() {
		return
	}
	l.properties(s.Props, attributesOf(s.Kind), path)
	l.fieldAttributesOf(s, path)
	l.logicalType(s, path)
	switch s.Kind {
	default: // a primitive
	case avsc.Array, avsc.Map:
		if s.Kind == avsc.Map && s.Elem.Kind == avsc.Map {
			l.report(mapOfMap, s.ElemPos, path, "the values of a map are maps", "make them a record, or an array of records")
		}
		l.reference(s.Elem, s.ElemPos, path)
		l.unnamed(s.Elem, path)
	case avsc.Union:
		switch len(s.Branches) {
		case 0:
			l.report(noValue, s.Pos, path, "a union without branches has no value", "add a branch")
		case 1:
			l.report(unionOfOne, s.Pos, path, "a union with a single branch", "use the branch itself, or add \"null\"")
		}
		for i, b := range s.Branches {
			l.reference(b, s.BranchPos[i], path)
			l.unnamed(b, path)
		}
	}
}

// reference checks that a named type is not used before its definition.
func (l *linter) reference(s *avsc.Schema, at avsc.Pos, path string) {
	if s.Kind.Named() && at.File == s.Pos.File && isJSON(at.File) && isBefore(at, s.Pos) {
		l.report(usedBeforeDefined, at, path, s.Name+" is used before its definition", "define it here and refer to it by name below")
	}
}

// isJSON reports whether a file is JSON. In IDL, names may stand before their
// definition.
func isJSON(file string) bool {
	return len(file) < 5 || file[len(file)-5:] != ".avdl"
}

func isBefore(a, b avsc.Pos) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
}

// fieldJSON returns the object that declares field i of s, or nil if s is not
// written as JSON.
func fieldJSON(s *avsc.Schema, i int) *avsc.Value {
	if fields := s.JSON.Member("fields"); fields != nil {
		return fields.Elems[i]
	}
	return nil
}

package codegen

import (
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// schemaText describes how generated code stores the schema of a message.
// Either a constant contains the whole text, or the runtime cuts the text out
// of other constants on first use. So a package contains the text of a type
// only once, even if the schemas of many enclosing types contain the text.
type schemaText struct {
	schema *avsc.Schema

	Const string // constant of the whole text, or "" for a text that is cut out
	Text  string // the value of Const

	Var  string      // of type avrobin.InnerSchema
	From *schemaText // the schema whose constant contains the text
	List string      // instead of From: the package's list of constants
}

// textList is the list of constants that hold the texts of all schemas in a
// package.
type textList struct {
	Name   string
	Consts []string
	Texts  []string
}

// mostTextFactor and mostTextExtra limit the length of the constants. The limit
// is the length of the sources, times the factor, plus the extra. If schemas
// contain each other so often that the constants would be longer, each package
// gets a list of texts instead.
const (
	mostTextFactor = 8
	mostTextExtra  = 1 << 20
)

// placeSchemas decides where the schema text of each message stands. A type at
// the top level of a file has a constant. A type also has a constant if no
// other constant of its package contains the type. All other schemas are cut
// out of a constant that contains them.
func (b *builder) placeSchemas() {
	var tops []*namedType
	for _, s := range b.sources {
		for _, bare := range s.bare {
			bare.record.SchemaText = &schemaText{schema: bare.schema, Text: bare.schema.Text()}
		}
		for _, t := range s.types {
			if t.topLevel && !t.pkg.External {
				tops = append(tops, t)
			}
		}
	}
	holder := map[*avsc.Schema]*schemaText{} // the constant that holds a type
	for _, t := range tops {
		holder[t.schema] = &schemaText{schema: t.schema}
	}
	for _, t := range tops {
		b.hold(t, holder)
	}
	for _, s := range b.sources {
		for _, t := range s.types {
			if t.record != nil && !t.pkg.External && holder[t.schema] == nil {
				holder[t.schema] = &schemaText{schema: t.schema}
				tops = append(tops, t)
				b.hold(t, holder)
			}
		}
	}
	if !b.setTexts(tops, holder) {
		b.listTexts(tops)
		return
	}
	for _, t := range b.order {
		if !t.isMessage() {
			continue
		}
		switch h := holder[t.schema]; {
		case h == nil: // a type of another module
			t.setText(&schemaText{schema: t.schema})
		case h.schema == t.schema:
			t.setText(h)
		default:
			t.setText(&schemaText{schema: t.schema, From: h})
		}
	}
}

// hold records that the constant of t holds the types in t's schema. The types
// of other packages and the types with a holder are left out.
func (b *builder) hold(t *namedType, holder map[*avsc.Schema]*schemaText) {
	seen := map[*avsc.Schema]bool{}
	var visit func(s *avsc.Schema)
	visit = func(s *avsc.Schema) {
		if s.Kind.Named() {
			if seen[s] {
				return
			}
			seen[s] = true
			if s != t.schema && b.named[s].pkg == t.pkg {
				if holder[s] != nil {
					return // the types inside have a holder too
				}
				holder[s] = holder[t.schema]
			}
		}
		s.EachPart(visit)
	}
	visit(t.schema)
}

// setTexts sets the texts of the types with constants. It returns false if the
// texts would be too long.
func (b *builder) setTexts(tops []*namedType, holder map[*avsc.Schema]*schemaText) bool {
	most := mostTextExtra
	for _, s := range b.sources {
		most += mostTextFactor * len(s.file.JSON.AppendCompact(nil))
	}
	sum := 0
	for _, t := range tops {
		text := t.schema.Text()
		if sum += len(text); sum > most {
			return false
		}
		holder[t.schema].Text = text
	}
	return true
}

// listTexts gives each package one list of texts. The list defines each type
// once, and every schema is cut out of the list.
func (b *builder) listTexts(tops []*namedType) {
	b.lists = map[*goPackage]*textList{}
	byPackage := map[*goPackage][]*namedType{}
	for _, t := range tops {
		byPackage[t.pkg] = append(byPackage[t.pkg], t)
	}
	for pkg, types := range byPackage {
		list := &textList{Name: b.scope(pkg).take("avroSchemas")}
		schemas := make([]*avsc.Schema, len(types))
		for i, t := range types {
			schemas[i] = t.schema
		}
		for i, text := range avsc.Texts(schemas...) {
			if text != "" {
				list.Consts = append(list.Consts, b.scope(pkg).take(lowerFirst(types[i].goName())+"Text"))
				list.Texts = append(list.Texts, text)
			}
		}
		b.lists[pkg] = list
	}
	for _, t := range b.order {
		if t.isMessage() {
			text := &schemaText{schema: t.schema}
			if list := b.lists[t.pkg]; list != nil {
				text.List = list.Name
			}
			t.setText(text)
		}
	}
}

// isMessage reports whether the type has AvroSchema.
func (t *namedType) isMessage() bool { return t.record != nil || t.hasDecl() && t.topLevel }

func (t *namedType) goName() string {
	switch {
	case t.record != nil:
		return t.record.GoName
	case t.enum != nil:
		return t.enum.GoName
	}
	return t.fixed.GoName
}

func (t *namedType) setText(text *schemaText) {
	switch {
	case t.record != nil:
		t.record.SchemaText = text
	case t.enum != nil:
		t.enum.SchemaText = text
	default:
		t.fixed.SchemaText = text
	}
}

// name chooses the name of the constant or variable of a schema.
func (text *schemaText) name(scope scope, goName string) {
	if text.Text != "" {
		text.Const = scope.take(goName + "Schema")
	} else {
		text.Var = scope.take(lowerFirst(goName) + "Schema")
	}
}

// These lengths limit the lines of a schema constant. A field or type has its
// own line if the line is long enough. The number of lines stays small, because
// the compiler takes long over many lines.
const (
	shortSchemaLine  = 40
	longSchemaLine   = 100
	mostSchemaPieces = 2000
)

// schemaLines cuts the compact JSON of a schema into lines. A line ends before
// an object that follows another object. A long line ends after any comma.
func schemaLines(text string) []string {
	if len(text) <= longSchemaLine {
		return []string{text}
	}
	short, long := shortSchemaLine, longSchemaLine
	if least := len(text) / mostSchemaPieces; least > short {
		short, long = least, 2*least
	}
	var lines []string
	start, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString || c != ',':
		case i+1-start >= long, i+1-start >= short && i+1 < len(text) && text[i+1] == '{':
			lines = append(lines, text[start:i+1])
			start = i + 1
		}
	}
	return append(lines, text[start:])
}

// schemaLiteral returns the Go expression for a schema constant. Each line of
// the schema is one line of the expression.
func schemaLiteral(text string) string {
	lines := schemaLines(text)
	for i, line := range lines {
		lines[i] = rawString(line)
	}
	return strings.Join(lines, " +\n\t")
}

package avsclint

import (
	"fmt"
	"go/token"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

func (l *linter) doc(json *avsc.Value, doc string, pos avsc.Pos, rule, path, what string) {
	if d := json.Member("doc"); d != nil && d.Kind != avsc.JSONString && d.Kind != avsc.JSONNull {
		l.report(docNotText, d.Pos, path, "the doc of "+what+" is "+d.Kind.String(), "write it as a string")
		return
	}
	if strings.TrimSpace(doc) == "" {
		l.report(rule, pos, path, what+" has no doc", `add "doc": say what it means, its unit, and when it is absent`)
	}
}

func (l *linter) typeName(s *avsc.Schema) {
	name := s.ShortName()
	if !upperCamel(name) {
		l.report(typeNameStyle, s.NamePos, s.Name, describe(s)+" is not in UpperCamelCase", "rename it, with its old name as an alias")
	}
	ns := s.Namespace()
	switch {
	case ns == "":
		l.report(noNamespace, s.NamePos, s.Name, describe(s)+" has no namespace", "add one, with its old name as an alias if it is in use")
	case ns != strings.ToLower(ns):
		l.report(namespaceStyle, s.NamePos, s.Name, "namespace "+ns+" is not in lower case", "write "+strings.ToLower(ns))
	}
	for k := avsc.Null; k <= avsc.String; k++ {
		if name == k.String() {
			l.report(nameOfPrimitive, s.NamePos, s.Name, describe(s)+" has the name of a primitive type", "rename it, with its old name as an alias")
		}
	}
	for _, a := range s.Aliases {
		if a.Name == s.Name {
			l.report(aliasAmbiguous, a.Pos, s.Name, describe(s)+" is its own alias", "remove the alias")
		}
	}
}

func (l *linter) fieldNames(s *avsc.Schema) {
	owner := make(map[string]*avsc.Field, len(s.Fields))
	for _, f := range s.Fields {
		owner[f.Name] = f
	}
	var snake, camel *avsc.Field
	for _, f := range s.Fields {
		path := s.Name + "." + f.Name
		switch {
		case !lowerSnake(f.Name) && !lowerCamel(f.Name):
			l.report(fieldNameStyle, f.NamePos, path, "field "+f.Name+" is neither in lower_snake_case nor in lowerCamelCase", "rename it, with its old name as an alias")
		case strings.Contains(f.Name, "_") && snake == nil:
			snake = f
		case f.Name != strings.ToLower(f.Name) && camel == nil:
			camel = f
		}
		for _, a := range f.Aliases {
			if o := owner[a.Name]; o != nil {
				l.report(aliasAmbiguous, a.Pos, path, fmt.Sprintf("alias %q of field %s stands for field %s already", a.Name, f.Name, o.Name), "remove it from one of them")
				continue
			}
			owner[a.Name] = f
		}
	}
	if snake != nil && camel != nil {
		l.report(mixedFieldNames, s.NamePos, s.Name, fmt.Sprintf("record %s has %s and %s", s.ShortName(), snake.Name, camel.Name), "choose lower_snake_case or lowerCamelCase for all fields")
	}
}

// properties finds misspelled attributes, and attributes of avrogen without
// effect.
func (l *linter) properties(props []avsc.Member, attributes []string, path string) {
	for _, m := range props {
		switch {
		case m.Key == "go.name" && !goName(m.Value):
			l.report(goPropertyIgnored, m.Value.Pos, path, `"go.name" is `+m.Value.Text+", which is no exported Go name, so it has no effect", "write a Go name that begins with a capital")
		case m.Key == "go.text" && m.Value.Str != "any":
			l.report(goPropertyIgnored, m.Value.Pos, path, `"go.text" is `+m.Value.Text+", so it has no effect", `write "any", or leave the property out`)
		}
		if m.Key == "logicalType" || slices.Contains(attributes, m.Key) {
			continue
		}
		near := nearAttribute(m.Key, attributes)
		if near == "" {
			continue
		}
		l.report(misspeltAttribute, m.KeyPos, path, fmt.Sprintf("%q is no attribute, but nearly %q", m.Key, near), "correct it, or choose a name that is less alike for a property of your own")
	}
}

func goName(v *avsc.Value) bool {
	return v.Kind == avsc.JSONString && token.IsIdentifier(v.Str) && token.IsExported(v.Str)
}

// fieldAttributesOf finds attributes of fields among the properties of a type.
// These attributes have no effect on a type.
func (l *linter) fieldAttributesOf(s *avsc.Schema, path string) {
	for _, m := range s.Props {
		if m.Key != "aliases" && m.Key != "default" && m.Key != "order" || slices.Contains(attributesOf(s.Kind), m.Key) {
			continue
		}
		fix := `move it to a field of this type, beside its "name"`
		if !isJSON(m.KeyPos.File) {
			fix = "write it before the name of the field, behind the type"
			if m.Key == "default" {
				fix = "write = and the value behind the name of the field"
			}
		}
		l.report(attributeOnType, m.KeyPos, path, fmt.Sprintf("%q on the type has no effect", m.Key), fix)
	}
}

func nearAttribute(key string, attributes []string) string {
	if len(key) < 3 || strings.Contains(key, ".") { // a prefix marks a private attribute
		return ""
	}
	if near := avsc.Nearest(key, attributes); len(near) > 0 && len(key)-len(near[0]) <= 2 {
		return near[0]
	}
	for _, a := range attributes { // alias for aliases
		if len(key) > 3 && strings.HasPrefix(a, key) {
			return a
		}
	}
	return ""
}

func fieldAttributes() []string {
	return []string{"name", "type", "doc", "default", "order", "aliases"}
}

// attributesOf lists the attributes of a type with a meaning in the
// specification. If a logical type is ignored, its attributes may be
// properties.
func attributesOf(k avsc.Kind) []string {
	attributes := []string{"logicalType", "precision", "scale"}
	switch k {
	default:
	case avsc.Record:
		attributes = append(attributes, "name", "namespace", "doc", "aliases", "fields")
	case avsc.Enum:
		attributes = append(attributes, "name", "namespace", "doc", "aliases", "symbols", "default")
	case avsc.Fixed:
		attributes = append(attributes, "name", "namespace", "doc", "aliases", "size")
	case avsc.Array:
		attributes = append(attributes, "items")
	case avsc.Map:
		attributes = append(attributes, "values")
	}
	return attributes
}

func every(s string, ok func(c byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return s != ""
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func upperCamel(s string) bool {
	return isUpper(s[0]) && every(s, func(c byte) bool { return c != '_' })
}

func lowerCamel(s string) bool {
	return isLower(s[0]) && every(s, func(c byte) bool { return c != '_' })
}

func lowerSnake(s string) bool {
	return isLower(s[0]) && every(s, func(c byte) bool { return isLower(c) || isDigit(c) || c == '_' })
}

func upperSnake(s string) bool {
	return isUpper(s[0]) && every(s, func(c byte) bool { return isUpper(c) || isDigit(c) || c == '_' })
}

// words splits a name into lowercase words. The names unit_price, unitPrice and
// UnitPrice have two words.
func words(name string) []string {
	var out []string
	start := 0
	for i := 1; i <= len(name); i++ {
		if i == len(name) || name[i] == '_' || isUpper(name[i]) && !isUpper(name[i-1]) {
			if w := strings.Trim(name[start:i], "_"); w != "" {
				out = append(out, strings.ToLower(w))
			}
			start = i
		}
	}
	return out
}

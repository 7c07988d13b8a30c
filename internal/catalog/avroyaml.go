package catalog

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
)

// avroWriter writes schemas in the narrow form of Avro schemas that AsyncAPI
// checks. A name has no dots and stands beside the namespace. A reference is a
// full name. An error is a record. An alias in another namespace is left out,
// because the narrow form cannot contain such an alias.
type avroWriter struct {
	seen map[*avsc.Schema]bool
}

func (w *avroWriter) schema(s *avsc.Schema, ns string) *yaml.Node {
	switch {
	case s.Kind.Named() && w.seen[s]:
		return text(s.Name)
	case s.Kind.Named():
		w.seen[s] = true
		return w.definition(s, ns)
	case s.Kind == avsc.Union:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, b := range s.Branches {
			list.Content = append(list.Content, w.schema(b, ns))
		}
		return list
	}
	m := newMapping()
	m.text("type", s.Kind.String())
	switch s.Kind {
	case avsc.Array:
		m.set("items", w.schema(s.Elem, ns))
	case avsc.Map:
		m.set("values", w.schema(s.Elem, ns))
	default:
		if s.Logical.Name == "" && len(s.Props) == 0 {
			return text(s.Kind.String())
		}
	}
	m.logical(s.Logical)
	m.members(s.Props)
	return m.Node
}

func (w *avroWriter) definition(s *avsc.Schema, ns string) *yaml.Node {
	own, name := avsc.SplitName(s.Name)
	m := newMapping()
	m.text("type", s.Kind.String())
	m.text("name", name)
	if own != ns {
		m.text("namespace", own)
	}
	if s.Doc != "" {
		m.text("doc", clean(s.Doc))
	}
	m.aliases(s.Aliases, own)
	m.logical(s.Logical)
	m.members(s.Props)
	switch s.Kind {
	case avsc.Fixed:
		m.set("size", number(strconv.Itoa(s.Size)))
	case avsc.Enum:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, symbol := range s.Symbols {
			list.Content = append(list.Content, text(symbol.Name))
		}
		m.set("symbols", list)
		if s.EnumDefault != "" {
			m.text("default", s.EnumDefault)
		}
	default:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, f := range s.Fields {
			list.Content = append(list.Content, w.field(f, own))
		}
		m.set("fields", list)
	}
	return m.Node
}

func (w *avroWriter) field(f *avsc.Field, ns string) *yaml.Node {
	m := newMapping()
	m.text("name", f.Name)
	m.set("type", w.schema(f.Type, ns))
	if f.Default != nil {
		m.set("default", value(f.Default))
	}
	if f.Doc != "" {
		m.text("doc", clean(f.Doc))
	}
	if f.Order != "" && f.Order != "ascending" {
		m.text("order", f.Order)
	}
	m.aliases(f.Aliases, "")
	m.members(f.Props)
	return m.Node
}

func (m mapping) aliases(aliases []avsc.Alias, ns string) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, a := range aliases {
		if own, name := avsc.SplitName(a.Name); own == ns {
			list.Content = append(list.Content, text(name))
		}
	}
	if len(list.Content) > 0 {
		m.set("aliases", list)
	}
}

func (m mapping) logical(l avsc.Logical) {
	if l.Name == "" {
		return
	}
	m.text("logicalType", l.Name)
	if l.Name == "decimal" {
		m.set("precision", number(strconv.Itoa(l.Precision)))
		m.set("scale", number(strconv.Itoa(l.Scale)))
	}
}

// members writes custom properties. If a custom property has the name of a key
// of the specification, members leaves the property out.
func (m mapping) members(members []avsc.Member) {
	has := map[string]bool{}
	for i := 0; i < len(m.Content); i += 2 {
		has[m.Content[i].Value] = true
	}
	for _, p := range members {
		switch p.Key {
		case "type", "name", "namespace", "doc", "aliases", "fields", "symbols", "size", "items", "values", "default", "order", "logicalType":
			continue
		}
		if !has[p.Key] {
			has[p.Key] = true
			m.set(p.Key, value(p.Value))
		}
	}
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func number(s string) *yaml.Node {
	tag := "!!int"
	if strings.ContainsAny(s, ".eE") {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: s}
}

// value writes a JSON value.
func value(v *avsc.Value) *yaml.Node {
	switch v.Kind {
	case avsc.JSONNull:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case avsc.JSONBool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool)}
	case avsc.JSONNumber:
		return number(v.Text)
	case avsc.JSONString:
		return text(v.Str)
	case avsc.JSONArray:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v.Elems {
			list.Content = append(list.Content, value(e))
		}
		return list
	default:
		m := newMapping()
		for _, e := range v.Members {
			m.set(e.Key, value(e.Value))
		}
		return m.Node
	}
}

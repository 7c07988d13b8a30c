// Package fieldtags finds the tags of record fields. Rules select the fields
// that they encrypt or check by these tags.
package fieldtags

import (
	"regexp"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// Of returns the tags of all record fields by full name, such as
// "shop.Order.email". The tags are the confluent:tags in the schemas, and the
// tags that the metadata gives by path. A nil schema and a nil Metadata have no
// tags.
func Of(m *contract.Metadata, schemas ...*avsc.Schema) map[string][]string {
	tags := map[string][]string{}
	add := func(field string, list []string) {
		for _, tag := range list {
			if !slices.Contains(tags[field], tag) {
				tags[field] = append(tags[field], tag)
			}
		}
	}
	paths := compile(m)
	for _, schema := range schemas {
		if schema == nil {
			continue
		}
		schema.Walk(func(s *avsc.Schema) {
			if s.Kind != avsc.Record {
				return
			}
			for _, f := range s.Fields {
				name := s.Name + "." + f.Name
				add(name, Inline(f))
				for _, p := range paths {
					if p.expr.MatchString(name) {
						add(name, p.tags)
					}
				}
			}
		})
	}
	return tags
}

// Inline returns the confluent:tags of a field. A text instead of a list is one
// tag, because the field would otherwise be written in clear text.
func Inline(f *avsc.Field) []string {
	var tags []string
	for _, p := range f.Props {
		if p.Key != "confluent:tags" {
			continue
		}
		for _, e := range append([]*avsc.Value{p.Value}, p.Value.Elems...) {
			if e.Kind == avsc.JSONString {
				tags = append(tags, e.Str)
			}
		}
	}
	return tags
}

// path is a path of metadata tags.
type path struct {
	expr *regexp.Regexp
	tags []string
}

// compile reads the paths of metadata tags. In a path, "*" matches any
// characters except a dot, "**" matches any characters, and "?" matches one
// character except a dot.
func compile(m *contract.Metadata) []path {
	if m == nil {
		return nil
	}
	var paths []path
	for text, tags := range m.Tags {
		quoted := regexp.QuoteMeta(strings.ReplaceAll(text, "**.*", "**"))
		quoted = strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^.]*`, `\?`, `[^.]`).Replace(quoted)
		if expr, err := regexp.Compile("^(?:" + quoted + ")$"); err == nil {
			paths = append(paths, path{expr, tags})
		}
	}
	return paths
}

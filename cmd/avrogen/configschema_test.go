package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/registry/compat"
)

// schemaFile is the JSON Schema of avrogen.yaml, for editors.
const schemaFile = "avrogen.schema.json"

// TestConfigSchema compares the JSON Schema with the struct of avrogen.yaml.
// With -update, the test writes the schema.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	g := schemaGenerator{docs: fieldDocs(t)}
	root := g.object(reflect.TypeFor[config](), "")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = configName
	root["description"] = "Settings of avrogen for a tree of schemas. Paths are relative to the folder of the file."
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s is not the struct config: run go test ./cmd/avrogen -run ConfigSchema -update\n%s", schemaFile, diff)
	}
	for _, missing := range g.missing {
		t.Errorf("the key %s has no comment, so its description is empty", missing)
	}
}

// schemaGenerator makes a JSON Schema of Go types.
type schemaGenerator struct {
	docs    map[string]string // "Type.Field" to the comment
	missing []string
}

// special returns the part of the JSON Schema that does not follow from the Go
// type, by the path of the key.
func special(key string) map[string]any {
	texts := func(values ...string) map[string]any {
		return map[string]any{"type": "string", "enum": values}
	}
	switch key {
	case "check.level":
		var levels []string
		for l := compat.Backward; l <= compat.None; l++ {
			levels = append(levels, l.String(), strings.ToLower(l.String()))
		}
		slices.Sort(levels)
		return texts(levels...)
	case "generate.tags":
		return map[string]any{"oneOf": []any{
			map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
			map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "null"}}},
		}}
	case "generate.optionals":
		return texts("pointer", "opt")
	case "lint.except[]":
		return texts(ruleNames()...)
	case "imports[]":
		return map[string]any{"type": "string"}
	case "docs.format":
		return texts("html", "markdown")
	case "docs.versions":
		return map[string]any{"type": "string", "pattern": "^(git|registry|none|tags:.+)$"}
	case "except[].until":
		return map[string]any{"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
	case "contracts.*":
		return map[string]any{"type": "object", "properties": map[string]any{"metadata": map[string]any{"type": "object"}, "ruleSet": map[string]any{"type": "object"}}, "additionalProperties": false}
	}
	return nil
}

// required returns the keys that an object must have.
func required(key string) []string {
	if key == "except[]" {
		return []string{"path", "reason", "rule"}
	}
	return nil
}

func (g *schemaGenerator) schema(t reflect.Type, key string) map[string]any {
	if s := special(key); s != nil {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem(), key)
	case reflect.Struct:
		s := g.object(t, key)
		if reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) { // a scalar or a mapping
			return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, s}}
		}
		return s
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.schema(t.Elem(), key+".*")}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.schema(t.Elem(), key+"[]")}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	default:
		return map[string]any{"type": "string"}
	}
}

func (g *schemaGenerator) object(t reflect.Type, key string) map[string]any {
	properties := map[string]any{}
	for f := range t.Fields() {
		name := f.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		path := strings.TrimPrefix(key+"."+name, ".")
		s := g.schema(f.Type, path)
		doc := g.docs[t.Name()+"."+f.Name]
		if doc == "" {
			doc = g.docs[f.Type.Name()]
		}
		if doc == "" {
			g.missing = append(g.missing, path)
		}
		s["description"] = doc
		properties[name] = s
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if r := required(key); r != nil {
		s["required"] = r
	}
	return s
}

// fieldDocs returns the comments of struct fields and of types in the command.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				docs[s.Name.Name] = sentence(g.Doc.Text())
				structType, ok := s.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, field := range structType.Fields.List {
					text := field.Doc.Text()
					if text == "" {
						text = field.Comment.Text()
					}
					for _, n := range field.Names {
						docs[s.Name.Name+"."+n.Name] = sentence(text)
					}
				}
			}
		}
	}
	return docs
}

// sentence turns a comment into the description of a key. The Go name at the
// beginning is removed.
func sentence(comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	if m := regexp.MustCompile(`^(\w+) is (the part ".*)$`).FindStringSubmatch(text); m != nil {
		text = strings.ToUpper(m[2][:1]) + m[2][1:]
	}
	return strings.TrimSuffix(text, ".")
}

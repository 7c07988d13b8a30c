package vectors

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/bench/vectors/gencheck"
)

const ownTypesPath = "github.com/avroline/avroline/internal/bench/vectors/owntypes"

// TestGeneratedOwn is TestGenerated with own Go types in every field, branch,
// element and map value that is not a container. The generated code must read
// and write the bytes of other implementations without a change. The exceptions
// are the same as for code without own types.
func TestGeneratedOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a thousand packages")
	}
	tree := newTree(t)
	tree.options = codegen.Options{Import: importOwn(t)}
	var cases []gencheck.Case
	used := map[string]int{}
	n := 0
	eachVector(t, func(id, schema string, values []gencheck.Value) {
		// To save time, use only a quarter of the schemas without a logical
		// type. They contain every kind of type.
		if n++; n%4 != 0 && !strings.Contains(schema, "logicalType") {
			return
		}
		schema = withOwn(t, schema, used)
		cases = append(cases, gencheck.Case{ID: id, Package: tree.add(id, schema), Schema: schema, Own: true, Values: values})
	})
	for id, err := range tree.errs {
		t.Errorf("%s: %v", id, err)
	}
	for name := range ownTypes {
		if used[name] == 0 {
			t.Errorf("no schema has the type %s", name)
		}
	}
	t.Logf("own types: %v", used)
	tree.build()
	verdicts := newTally(t, "vectors.jsonl")
	for _, v := range tree.verdicts(cases) {
		var err error
		if v.Error != "" {
			err = fmt.Errorf("%s", v.Error)
		}
		verdicts.compare(v.ID+" "+v.What, verdict(err), "valid", err)
	}
	verdicts.done()
}

// importOwn loads the packages of own types.
func importOwn(t *testing.T) func(paths []string) []codegen.Imported {
	t.Helper()
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo
	loaded, err := packages.Load(&packages.Config{Mode: mode}, ownTypesPath)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 1 || len(loaded[0].Errors) > 0 {
		t.Fatalf("%s does not load: %v", ownTypesPath, loaded)
	}
	return func(paths []string) []codegen.Imported {
		out := make([]codegen.Imported, len(paths))
		for i, path := range paths {
			if path != ownTypesPath {
				out[i].Err = fmt.Errorf("not found")
				continue
			}
			out[i].Package = loaded[0].Types
		}
		return out
	}
}

// ownTypes maps a logical type or a kind to its own type.
var ownTypes = map[string]string{
	"boolean":                `"OWN.Flag"`,
	"int":                    `"OWN.Int"`,
	"long":                   `"OWN.Long"`,
	"float":                  `{"type":"OWN.Float","encode":"OWN.ToFloat","decode":"OWN.OfFloat"}`,
	"double":                 `{"type":"OWN.Double","encode":"OWN.AppendDouble","decode":"OWN.ReadDouble"}`,
	"string":                 `"OWN.Text"`,
	"bytes":                  `"OWN.Blob"`,
	"fixed":                  `"OWN.Blob"`,
	"enum":                   `"OWN.Symbol"`,
	"date":                   `"OWN.Date"`,
	"time-millis":            `"OWN.Elapsed"`,
	"time-micros":            `"OWN.Elapsed"`,
	"timestamp-millis":       `{"type":"OWN.Time","encode":"OWN.ToTime","decode":"OWN.OfTime"}`,
	"timestamp-micros":       `{"type":"OWN.Time","encode":"OWN.ToTime","decode":"OWN.OfTime"}`,
	"local-timestamp-millis": `{"type":"OWN.Time","encode":"OWN.ToTime","decode":"OWN.OfTime"}`,
	"local-timestamp-micros": `{"type":"OWN.Time","encode":"OWN.ToTime","decode":"OWN.OfTime"}`,
	"uuid":                   `"OWN.ID"`,
	"duration":               `{"type":"OWN.Span","encode":"OWN.ToDuration","decode":"OWN.OfDuration"}`,
	"decimal":                `"*OWN.Decimal"`,
}

// withOwn returns the schema with own types, and counts the own types in used.
func withOwn(t *testing.T, schema string, used map[string]int) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(schema))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(addOwn(t, tree, used))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func addOwn(t *testing.T, schema any, used map[string]int) any {
	t.Helper()
	switch s := schema.(type) {
	case string:
		switch s {
		case "boolean", "int", "long", "float", "double", "string", "bytes":
			return addOwn(t, map[string]any{"type": s}, used)
		}
		return s
	case []any:
		for i := range s {
			s[i] = addOwn(t, s[i], used)
		}
		return s
	}
	s := schema.(map[string]any)
	switch kind := s["type"].(type) {
	case string:
		switch kind {
		case "record", "error":
			for _, f := range s["fields"].([]any) {
				field := f.(map[string]any)
				field["type"] = addOwn(t, field["type"], used)
			}
		case "array":
			s["items"] = addOwn(t, s["items"], used)
		case "map":
			s["values"] = addOwn(t, s["values"], used)
		default:
			name := cmp.Or(logical(t, s), kind)
			if ownTypes[name] != "" {
				used[name]++
				s["go.type"] = json.RawMessage(strings.ReplaceAll(ownTypes[name], "OWN", ownTypesPath))
			}
		}
	default:
		s["type"] = addOwn(t, kind, used)
	}
	return s
}

// logical returns the logical type of a type without types inside. The result
// is "" if the logical type does not fit.
func logical(t *testing.T, s map[string]any) string {
	t.Helper()
	if s["logicalType"] == nil {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := avsc.Parse("leaf", text)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Logical.Name
}

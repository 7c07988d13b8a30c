package avsc_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
)

func sources(texts ...string) []avsc.Source {
	var out []avsc.Source
	for i, text := range texts {
		out = append(out, avsc.Source{Name: string(rune('a'+i)) + ".avsc", Text: []byte(text)})
	}
	return out
}

func parseSet(t *testing.T, srcs ...avsc.Source) *avsc.Set {
	t.Helper()
	set, err := avsc.ParseSet(srcs...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestSetInAnyOrder reads sources in any order. A definition that moves into
// another namespace keeps its name. The place of a definition depends on the
// order of the sources, but the meaning of the type does not.
func TestSetInAnyOrder(t *testing.T) {
	t.Parallel()
	srcs := sources(
		`{"type": "record", "name": "shop.Order", "fields": [{"name": "id", "type": "ID"}, {"name": "total", "type": "money.Amount"}, {"name": "again", "type": "ID"}]}`,
		`{"type": "fixed", "name": "ID", "size": 16, "namespace": "shop"}`,
		`{"type": "record", "name": "Amount", "namespace": "money", "fields": [{"name": "unit", "type": "Unit"}, {"name": "x", "type": "Plain"}]}`,
		`{"type": "enum", "name": "money.Unit", "symbols": ["EUR"]}`,
		`{"type": "fixed", "name": "Plain", "size": 1}`,
	)
	want := `{"type":"record","name":"shop.Order","fields":[` +
		`{"name":"id","type":{"type":"fixed","name":"ID","size":16,"namespace":"shop"}},` +
		`{"name":"total","type":{"type":"record","name":"Amount","namespace":"money","fields":[` +
		`{"name":"unit","type":{"type":"enum","name":"money.Unit","symbols":["EUR"]}},` +
		`{"name":"x","type":{"type":"fixed","name":"Plain","namespace":"","size":1}}]}},` +
		`{"name":"again","type":"ID"}]}`
	for _, reverse := range []bool{false, true} {
		in := slices.Clone(srcs)
		if reverse {
			slices.Reverse(in)
		}
		set := parseSet(t, in...)
		order := set.Type("shop.Order")
		if diff := cmp.Diff(want, order.Text()); diff != "" {
			t.Errorf("reverse %v: %s", reverse, diff)
		}
		if diff := cmp.Diff(order.Canonical(), parse(t, order.Text()).Canonical()); diff != "" {
			t.Error(diff)
		}
		for i, f := range set.Files {
			if f.Name != in[i].Name {
				t.Errorf("file %d is %s", i, f.Name)
			}
		}
	}
}

func TestMutualRecursionOverFiles(t *testing.T) {
	t.Parallel()
	set := parseSet(t, sources(
		`{"type": "record", "name": "A", "fields": [{"name": "b", "type": ["null", "B"]}]}`,
		`{"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}`,
	)...)
	a, b := set.Type("A"), set.Type("B")
	if a.Fields[0].Type.Branches[1] != b || b.Fields[0].Type.Branches[1] != a {
		t.Error("the references lead elsewhere")
	}
	if set.Type("C") != nil {
		t.Error("C is there")
	}
}

// TestRepeatedType checks that a type that several files define equally is a
// single type. The form of names, the order of keys and the form of inner types
// may differ.
func TestRepeatedType(t *testing.T) {
	t.Parallel()
	set := parseSet(t, sources(
		`{"type": "record", "name": "shop.Line", "fields": [{"name": "sku", "type": {"type": "fixed", "name": "SKU", "size": 8}}]}`,
		`{"namespace": "shop", "fields": [{"type": "shop.SKU", "order": "ascending", "name": "sku"}], "name": "Line", "type": "record"}`,
		`{"type": "record", "name": "shop.Order", "fields": [{"name": "line", "type": {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": {"type": "fixed", "name": "SKU", "size": 8}}]}}]}`,
	)...)
	line := set.Type("shop.Line")
	if got := set.Files[1].Schemas[0]; got != line {
		t.Error("the second file has a type of its own")
	}
	if got := set.Type("shop.Order").Fields[0].Type; got != line {
		t.Error("the field has a type of its own")
	}
}

func TestWhatAFileHolds(t *testing.T) {
	t.Parallel()
	const types = `[{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}, {"type": "enum", "name": "B", "symbols": []}]`
	cases := []struct {
		name, text string
		schemas    []string
		root       string // kind of the root
		protocol   string
	}{
		{"a record", `{"type": "record", "name": "A", "fields": []}`, []string{"A"}, "record", ""},
		{"a primitive", `"int"`, []string{""}, "int", ""},
		{"types as an array, which is a union too", types, []string{"A", "B"}, "union", ""},
		{"a union", `["null", {"type": "fixed", "name": "F", "size": 1}]`, []string{""}, "union", ""},
		{"the union without branches", `[]`, []string{""}, "union", ""},
		{"a protocol", `{"protocol": "P", "namespace": "n", "types": ` + types + `, "messages": {"m": {"request": [{"name": "a", "type": "A"}], "response": "null", "errors": ["B"]}}}`, []string{"n.A", "n.B"}, "", "n.P"},
		{"an empty protocol", `{"protocol": "P"}`, nil, "", "P"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := parseSet(t, sources(c.text)...).Files[0]
			var got []string
			for _, s := range f.Schemas {
				got = append(got, s.Name)
			}
			if diff := cmp.Diff(c.schemas, got); diff != "" {
				t.Error(diff)
			}
			root := ""
			if f.Root != nil {
				root = f.Root.Kind.String()
			}
			if root != c.root || f.Protocol != c.protocol {
				t.Errorf("root %q, protocol %q", root, f.Protocol)
			}
		})
	}
	if _, err := avsc.Parse("p.avpr", []byte(`{"protocol": "P"}`)); err == nil {
		t.Error("a protocol was taken for a schema")
	}
	if _, err := avsc.ParseSet(avsc.Source{Name: "p.avpr", Text: []byte(`{"protocol": "P", "messages": {"m": {"request": [{"name": "a", "type": "Absent"}]}}}`)}); err == nil {
		t.Error("a message with an unknown type was accepted")
	}
}

// TestStoredSchemaWithABadDefault reads a stored schema with a default that
// does not fit. Data with such a schema may exist, so the data must be
// readable. The schema cannot be registered again.
func TestStoredSchemaWithABadDefault(t *testing.T) {
	t.Parallel()
	text := []byte(`{"type": "record", "name": "R", "fields": [
		{"name": "bad", "type": "int", "default": "x"}, {"name": "good", "type": "int", "default": 1}]}`)
	if _, err := avsc.Parse("t", text); err == nil {
		t.Error("a new schema with a bad default was accepted")
	}
	s, err := avsc.ParseStored("t", text)
	if err != nil {
		t.Fatal(err)
	}
	if s.Fields[0].Default != nil || s.Fields[1].Default == nil {
		t.Errorf("defaults %v, %v", s.Fields[0].Default, s.Fields[1].Default)
	}
	if _, err := avsc.ParseStored("t", []byte(`{"type": "strin"}`)); err == nil {
		t.Error("an unknown type was accepted")
	}
}

// TestHowDefinitionsDiffer checks that every possible difference between two
// definitions is reported. A different form of equal definitions is not
// reported.
func TestHowDefinitionsDiffer(t *testing.T) {
	t.Parallel()
	rec := func(fields string) string {
		return `{"type": "record", "name": "T", "fields": [` + fields + `]}`
	}
	cases := []struct{ name, a, b, want string }{
		{"kind", `{"type": "fixed", "name": "T", "size": 1}`, `{"type": "enum", "name": "T", "symbols": []}`, "a fixed there, an enum here"},
		{"error", rec(""), strings.Replace(rec(""), "record", "error", 1), "a record there, an error here"},
		{"size", `{"type": "fixed", "name": "T", "size": 1}`, `{"type": "fixed", "name": "T", "size": 2}`, "size 1 there, 2 here"},
		{"symbols", `{"type": "enum", "name": "T", "symbols": ["A"]}`, `{"type": "enum", "name": "T", "symbols": ["A", "B"]}`, "1 symbols there, 2 here"},
		{"symbol", `{"type": "enum", "name": "T", "symbols": ["A"]}`, `{"type": "enum", "name": "T", "symbols": ["B"]}`, "symbol 1 is A there, B here"},
		{"enum default", `{"type": "enum", "name": "T", "symbols": ["A"]}`, `{"type": "enum", "name": "T", "symbols": ["A"], "default": "A"}`, "its default differs"},
		{"logical type", `{"type": "fixed", "name": "T", "size": 12}`, `{"type": "fixed", "name": "T", "size": 12, "logicalType": "duration"}`, "its logical type differs"},
		{"aliases", `{"type": "fixed", "name": "T", "size": 1}`, `{"type": "fixed", "name": "T", "size": 1, "aliases": ["U"]}`, "its aliases differ"},
		{"property", `{"type": "fixed", "name": "T", "size": 1, "p": [1]}`, `{"type": "fixed", "name": "T", "size": 1, "p": [2]}`, "one of its properties differs"},
		{"doc", `{"type": "fixed", "name": "T", "size": 1}`, `{"type": "fixed", "name": "T", "size": 1, "doc": "x"}`, "its doc differs"},
		{"field's name", rec(`{"name": "a", "type": "int"}`), rec(`{"name": "b", "type": "int"}`), "field 1 is a there, b here"},
		{"number of fields", rec(`{"name": "a", "type": "int"}`), rec(`{"name": "a", "type": "int"}, {"name": "b", "type": "int"}`), "1 fields there, 2 here"},
		{"type inside", rec(`{"name": "a", "type": {"type": "map", "values": ["null", "int"]}}`), rec(`{"name": "a", "type": {"type": "map", "values": ["null", "long"]}}`), "the type of field a differs"},
		{"logical type inside", rec(`{"name": "a", "type": "int"}`), rec(`{"name": "a", "type": {"type": "int", "logicalType": "date"}}`), "the type of field a differs"},
		{"default", rec(`{"name": "a", "type": "long", "default": 9007199254740992}`), rec(`{"name": "a", "type": "long", "default": 9007199254740993}`), "the default of field a differs"},
		{"default or none", rec(`{"name": "a", "type": "null"}`), rec(`{"name": "a", "type": "null", "default": null}`), "the default of field a differs"},
		{"order", rec(`{"name": "a", "type": "int"}`), rec(`{"name": "a", "type": "int", "order": "ignore"}`), "the order of field a differs"},
		{"field's aliases", rec(`{"name": "a", "type": "int", "aliases": ["b"]}`), rec(`{"name": "a", "type": "int", "aliases": ["c"]}`), "the aliases of field a differs"},
		{"field's property", rec(`{"name": "a", "type": "int"}`), rec(`{"name": "a", "type": "int", "x": 1}`), "the properties of field a differs"},
		{
			"alike", `{"type": "record", "name": "a.T", "p": {"x": 1, "y": 2}, "fields": [{"name": "a", "type": {"type": "double"}, "default": 1.0}]}`,
			`{"p": {"y": 2, "x": 1}, "namespace": "a", "fields": [{"type": "double", "name": "a", "order": "ascending", "default": 1}], "name": "T", "type": "record"}`, "",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := avsc.ParseSet(sources(c.a, c.b)...)
			switch {
			case c.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), ": "+c.want+": make both the same"):
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestStoredSchemaOfOtherTimes reads schemas with forbidden names, keys or
// definitions. The
// parser refuses them in a file. In a stored schema it accepts them, because
// data with such schemas exists.
func TestStoredSchemaOfOtherTimes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a hyphen in a namespace":      `{"type": "record", "name": "R", "namespace": "my-company.orders", "fields": [{"name": "f", "type": ["null", {"type": "enum", "name": "E", "symbols": ["A"]}]}]}`,
		"a hyphen in a name":           `{"type": "record", "name": "my-company.R-1", "fields": [{"name": "a-b", "type": {"type": "enum", "name": "E", "symbols": ["A-1", "1"]}}]}`,
		"a name of other letters":      `{"type": "fixed", "name": "Größe", "size": 2, "aliases": ["x y"]}`,
		"a type that is defined twice": `["null", {"type": "enum", "name": "E", "symbols": ["A"]}, {"type": "array", "items": {"type": "enum", "name": "E", "symbols": ["A"]}}]`,
		"an enum's default of null":    `{"type": "enum", "name": "E", "symbols": ["A"], "default": null}`,
		"an order in capitals":         `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "order": "IGNORE"}]}`,
		"a key that stands twice":      `{"type": "record", "name": "R", "name": "S", "fields": [{"name": "a", "type": "string", "type": "int"}]}`,
	} {
		if _, err := avsc.Parse("t", []byte(text)); err == nil {
			t.Errorf("%s: a file with it is accepted", name)
		}
		s, err := avsc.ParseStored("t", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := avsc.ParseStored("t", []byte(s.Text()))
		if err != nil || !avsc.SameMeaning(s, again) {
			t.Errorf("%s: written as %s: %v", name, s.Text(), err)
		}
		if name == "a key that stands twice" && (s.Name != "S" || s.Fields[0].Type.Kind != avsc.Int) {
			t.Errorf("%s: %s", name, s.Canonical())
		}
	}
	for _, text := range []string{
		`{"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}`,
		`[{"type": "fixed", "name": "F", "size": 1}, {"type": "array", "items": {"type": "fixed", "name": "F", "size": 2}}]`,
		`{"type": "fixed", "name": "", "size": 2}`, `{"type": "fixed", "name": "a..b", "size": 2}`,
	} {
		if _, err := avsc.ParseStored("t", []byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

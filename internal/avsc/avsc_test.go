package avsc_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
)

func parse(t *testing.T, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("t.avsc", []byte(text))
	if err != nil {
		t.Fatalf("%s:\n%v", text, err)
	}
	return s
}

// TestNames checks how references and definitions resolve (section "Names").
// The canonical form shows the result, because all names in it are full names.
func TestNames(t *testing.T) {
	t.Parallel()
	fixed := func(members string) string { return `{"type": "fixed", "size": 1, ` + members + `}` }
	within := func(members, inner string) string {
		return `{"type": "record", ` + members + `, "fields": [` + inner + `]}`
	}
	field := func(name, typ string) string { return `{"name": "` + name + `", "type": ` + typ + `}` }
	cases := []struct {
		name, text string
		want       []string // names of definitions and references, in order
	}{
		{"no namespace", fixed(`"name": "A"`), []string{"A"}},
		{"namespace", fixed(`"name": "A", "namespace": "a.b"`), []string{"a.b.A"}},
		{"empty namespace", fixed(`"name": "A", "namespace": ""`), []string{"A"}},
		{"null namespace", fixed(`"name": "A", "namespace": null`), []string{"A"}},
		{"dotted name", fixed(`"name": "a.b.A"`), []string{"a.b.A"}},
		{"a dotted name wins over the namespace", fixed(`"name": "a.b.A", "namespace": "x"`), []string{"a.b.A"}},
		{"a dotted name wins over a bad namespace", fixed(`"name": "a.b.A", "namespace": "x."`), []string{"a.b.A"}},
		{"inherited", within(`"name": "R", "namespace": "a"`, field("f", fixed(`"name": "F"`))), []string{"a.R", "a.F"}},
		{"inherited from a dotted name", within(`"name": "a.b.R"`, field("f", fixed(`"name": "F"`))+","+field("g", `"F"`)+","+field("h", `"a.b.F"`)), []string{"a.b.R", "a.b.F", "a.b.F", "a.b.F"}},
		{"inherited from a dotted name, not from its namespace", within(`"name": "a.b.R", "namespace": "x"`, field("r", `["null", "R"]`)), []string{"a.b.R", "a.b.R"}},
		{"through array, map and union", within(`"name": "a.R"`, field("f", `{"type": "array", "items": {"type": "map", "values": ["null", `+fixed(`"name": "F"`)+`]}}`)), []string{"a.R", "a.F"}},
		{"nested empty namespace", within(`"name": "a.R"`, field("f", fixed(`"name": "F", "namespace": ""`))+","+field("g", `"F"`)), []string{"a.R", "F", "F"}},
		{"the own namespace before none", within(`"name": "a.R"`, field("f", fixed(`"name": "F", "namespace": ""`))+","+field("g", fixed(`"name": "F"`))+","+field("h", `"F"`)), []string{"a.R", "F", "a.F", "a.F"}},
		{"a primitive's name in a namespace", within(`"name": "a.int"`, field("f", `["null", "a.int", "int"]`)), []string{"a.int", "a.int"}},
		{"named like a complex type", within(`"name": "record"`, field("f", `["null", "record"]`)), []string{"record", "record"}},
		{"reference as an object", within(`"name": "R"`, field("f", `["null", {"type": "R"}]`)), []string{"R", "R"}},
		{"before its definition", within(`"name": "R"`, field("f", `"F"`)+","+field("g", fixed(`"name": "F"`))), []string{"R", "F", "F"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, c.text)
			if diff := cmp.Diff(c.want, names(s)); diff != "" {
				t.Error(diff)
			}
			again := parse(t, s.Text())
			if diff := cmp.Diff(s.Canonical(), again.Canonical()); diff != "" {
				t.Errorf("Text means something else: %s\n%s", s.Text(), diff)
			}
		})
	}
}

// names lists the full names in the order of the text and enters each type
// once.
func names(s *avsc.Schema) []string {
	var out []string
	seen := map[*avsc.Schema]bool{}
	var walk func(*avsc.Schema)
	walk = func(s *avsc.Schema) {
		if s == nil {
			return
		}
		if s.Kind.Named() {
			out = append(out, s.Name)
			if seen[s] {
				return
			}
			seen[s] = true
		}
		for _, f := range s.Fields {
			walk(f.Type)
		}
		walk(s.Elem)
		for _, b := range s.Branches {
			walk(b)
		}
	}
	walk(s)
	return out
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"primitive in an object", `{"type": "string", "logicalType": "uuid"}`, `"string"`},
		{"array", `{"items": {"type": "int"}, "doc": "x", "type": "array"}`, `{"type":"array","items":"int"}`},
		{"empty union", `[ ]`, `[]`},
		{"fixed", `{"size": 16, "namespace": "a.b", "name": "F", "type": "fixed", "aliases": ["G"]}`, `{"name":"a.b.F","type":"fixed","size":16}`},
		{"enum", `{"symbols": ["A", "B"], "default": "B", "name": "E", "type": "enum"}`, `{"name":"E","type":"enum","symbols":["A","B"]}`},
		{"error", `{"type": "error", "name": "X", "fields": []}`, `{"name":"X","type":"record","fields":[]}`},
		{
			"recursion", `{"name": "a.N", "type": "record", "fields": [{"default": null, "name": "next", "type": ["null", "N"], "order": "ignore"}]}`,
			`{"name":"a.N","type":"record","fields":[{"name":"next","type":["null","a.N"]}]}`,
		},
		{"escapes", `{"type": "fix\u0065d", "name": "\u0046", "size": 1}`, `{"name":"F","type":"fixed","size":1}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parse(t, c.text).Canonical()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	// By section "Single-object encoding", a message begins with c3 01 and then
	// the fingerprint in little-endian.
	const want = 0x8f014872634503c7
	if got := parse(t, `{"type": "string"}`).Fingerprint(); got != want {
		t.Errorf("got %#x, want %#x", got, uint64(want))
	}
}

func TestLogicalTypes(t *testing.T) {
	t.Parallel()
	fixed := func(size int) string { return fmt.Sprintf(`"fixed", "name": "F", "size": %d`, size) }
	cases := []struct {
		typ, attributes string
		want            avsc.Logical
	}{
		{`"bytes"`, `"logicalType": "decimal", "precision": 9, "scale": 2`, avsc.Logical{Name: "decimal", Precision: 9, Scale: 2}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 9`, avsc.Logical{Name: "decimal", Precision: 9}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 2, "scale": 2`, avsc.Logical{Name: "decimal", Precision: 2, Scale: 2}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 2, "scale": 3`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 2, "scale": -1`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 2, "scale": "1"`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 2.5`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "decimal", "precision": 0`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "decimal"`, avsc.Logical{}},
		{`"string"`, `"logicalType": "decimal", "precision": 2`, avsc.Logical{}},
		{fixed(1), `"logicalType": "decimal", "precision": 2`, avsc.Logical{Name: "decimal", Precision: 2}},
		{fixed(1), `"logicalType": "decimal", "precision": 3`, avsc.Logical{}},
		{fixed(8), `"logicalType": "decimal", "precision": 18`, avsc.Logical{Name: "decimal", Precision: 18}},
		{fixed(8), `"logicalType": "decimal", "precision": 19`, avsc.Logical{}},
		{fixed(129), `"logicalType": "decimal", "precision": 310`, avsc.Logical{Name: "decimal", Precision: 310}},
		{fixed(129), `"logicalType": "decimal", "precision": 311`, avsc.Logical{}},
		{fixed(0), `"logicalType": "decimal", "precision": 1`, avsc.Logical{}},
		{`"string"`, `"logicalType": "uuid"`, avsc.Logical{Name: "uuid"}},
		{fixed(16), `"logicalType": "uuid"`, avsc.Logical{Name: "uuid"}},
		{fixed(15), `"logicalType": "uuid"`, avsc.Logical{}},
		{`"bytes"`, `"logicalType": "uuid"`, avsc.Logical{}},
		{`"int"`, `"logicalType": "date"`, avsc.Logical{Name: "date"}},
		{`"long"`, `"logicalType": "date"`, avsc.Logical{}},
		{`"int"`, `"logicalType": "time-millis"`, avsc.Logical{Name: "time-millis"}},
		{`"long"`, `"logicalType": "time-micros"`, avsc.Logical{Name: "time-micros"}},
		{`"int"`, `"logicalType": "time-micros"`, avsc.Logical{}},
		{`"long"`, `"logicalType": "timestamp-nanos"`, avsc.Logical{Name: "timestamp-nanos"}},
		{`"long"`, `"logicalType": "local-timestamp-micros"`, avsc.Logical{Name: "local-timestamp-micros"}},
		{`"string"`, `"logicalType": "local-timestamp-micros"`, avsc.Logical{}},
		{fixed(12), `"logicalType": "duration"`, avsc.Logical{Name: "duration"}},
		{fixed(13), `"logicalType": "duration"`, avsc.Logical{}},
		{`"long"`, `"logicalType": "fortnight"`, avsc.Logical{}},
		{`"long"`, `"logicalType": 3`, avsc.Logical{}},
	}
	for _, c := range cases {
		t.Run(c.typ+c.attributes, func(t *testing.T) {
			t.Parallel()
			s := parse(t, `{"type": `+c.typ+`, `+c.attributes+`, "mine": [1, {"a": null}]}`)
			if diff := cmp.Diff(c.want, s.Logical); diff != "" {
				t.Error(diff)
			}
			// A logicalType that the model understands is not a property. An
			// ignored logicalType is a property.
			_, kept := prop(s.Props, "logicalType")
			if kept != (c.want == avsc.Logical{}) {
				t.Errorf("logicalType among the properties: %v", kept)
			}
			if mine, ok := prop(s.Props, "mine"); !ok || mine.Text != `[1, {"a": null}]` {
				t.Errorf("the property is %+v", mine)
			}
		})
	}
}

func prop(props []avsc.Member, key string) (*avsc.Value, bool) {
	for _, m := range props {
		if m.Key == key {
			return m.Value, true
		}
	}
	return nil, false
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	const inner = `{"type": "record", "name": "S", "fields": [
		{"name": "a", "type": "int", "default": 7},
		{"name": "b", "type": ["null", "S"], "default": null},
		{"name": "c", "type": "string"}]}`
	cases := []struct{ name, typ, value, want string }{
		{"null", `"null"`, `null`, ""},
		{"true", `"boolean"`, `true`, "01"},
		{"false", `"boolean"`, `false`, "00"},
		{"least int", `"int"`, `-2147483648`, "ffffffff0f"},
		{"2^53+1", `"long"`, `9007199254740993`, "8280808080808020"},
		{"greatest long", `"long"`, `9223372036854775807`, "feffffffffffffffff01"},
		{"least long", `"long"`, `-9223372036854775808`, "ffffffffffffffffff01"},
		{"minus nothing", `"double"`, `-0`, "0000000000000080"},
		{"whole number for double", `"double"`, `1`, "000000000000f03f"},
		{"exponent", `"float"`, `1.5E+1`, "00007041"},
		{"too small a double", `"double"`, `1e-999`, "0000000000000000"},
		{"string", `"string"`, `"h\u00e9\ud83d\ude00"`, "0e68c3a9f09f9880"},
		{"bytes", `"bytes"`, `"\u00ff\u0000A"`, "06ff0041"},
		{"fixed", `{"type": "fixed", "name": "F", "size": 3}`, `"\u00ff\u0000A"`, "ff0041"},
		{"enum", `{"type": "enum", "name": "E", "symbols": ["A", "B"]}`, `"B"`, "02"},
		{"empty array", `{"type": "array", "items": "int"}`, `[]`, "00"},
		{"array", `{"type": "array", "items": "int"}`, `[1, -1]`, "04020100"},
		{"map", `{"type": "map", "values": "boolean"}`, `{"a": true}`, "0202610100"},
		{"empty map", `{"type": "map", "values": "int"}`, `{}`, "00"},
		{"first branch", `["null", "string"]`, `null`, "00"},
		{"second branch", `["null", "string"]`, `"x"`, "020278"},
		{"first branch that fits, int", `["int", "long"]`, `1`, "0002"},
		{"first branch that fits, long", `["int", "long"]`, `2147483648`, "028080808010"},
		{"bytes before string", `["bytes", "string"]`, `"\u00ff"`, "0002ff"},
		{"string where it is no bytes", `["bytes", "string"]`, `"\u0100"`, "0204c480"},
		{"record with its own defaults", inner, `{"c": "x"}`, "0e000278"},
		{"members in any order, unknown ones apart", inner, `{"c": "x", "zz": 1, "b": {"c": ""}, "a": 1}`, "02020e00000278"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, `{"type": "record", "name": "R", "fields": [{"name": "f", "type": `+c.typ+`, "default": `+c.value+`}]}`)
			f := s.Fields[0]
			if f.Default.Text != c.value {
				t.Errorf("the text of the default is %s", f.Default.Text)
			}
			got, err := f.Type.AppendDefault([]byte{0xaa}, f.Default)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("aa"+c.want, hex.EncodeToString(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := parse(t, `"int"`).AppendDefault(nil, avsc.StringValue(avsc.Pos{}, "x")); err == nil {
		t.Error("a string was encoded as int")
	}
}

// TestDefaultBomb checks that defaults that double at every step stay within
// bounds, also in time.
func TestDefaultBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`[{"type": "record", "name": "R0", "fields": []}`)
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&b, `, {"type": "record", "name": "R%d", "fields": [{"name": "a", "type": "R%d", "default": {}}, {"name": "b", "type": "R%d", "default": {}}]}`, i, i-1, i-1)
	}
	b.WriteString("]")
	if _, err := avsc.Parse("t.avsc", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %.200v", err)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"spaces and comments", " { \"type\" :\n\"int\" /* x */ , \"logicalType\" : \"date\" } // y", `{"type":"int","logicalType":"date"}`},
		{
			"own words", `{"doc": "h\u00e9 \"x\"", "type": "record", "name": "R", "mine": {"b": 1.50, "a": 1E3}, "fields": [{"name": "f", "type": "long", "default": 9007199254740993}]}`,
			`{"doc":"h\u00e9 \"x\"","type":"record","name":"R","mine":{"b":1.50,"a":1E3},"fields":[{"name":"f","type":"long","default":9007199254740993}]}`,
		},
		{
			"names as written", `{"type": "record", "name": "a.R", "fields": [{"name": "f", "type": ["null", "a.R"]}]}`,
			`{"type":"record","name":"a.R","fields":[{"name":"f","type":["null","a.R"]}]}`,
		},
		{
			"definition at the first use", `{"type": "record", "name": "R", "fields": [{"name": "f", "type": "F"}, {"name": "g", "type": {"type": "fixed", "name": "F", "size": 1}}]}`,
			`{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"fixed","name":"F","size":1}},{"name":"g","type":"F"}]}`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parse(t, c.text).Text()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWalkVisitsEachNodeOnce(t *testing.T) {
	t.Parallel()
	s := parse(t, `{"type": "record", "name": "R", "fields": [
		{"name": "a", "type": {"type": "array", "items": ["null", "R", {"type": "map", "values": "F"}]}},
		{"name": "b", "type": {"type": "fixed", "name": "F", "size": 1}}]}`)
	var kinds []string
	s.Walk(func(n *avsc.Schema) { kinds = append(kinds, n.Kind.String()) })
	if diff := cmp.Diff([]string{"record", "array", "union", "null", "map", "fixed"}, kinds); diff != "" {
		t.Error(diff)
	}
}

// TestPositionsOverLines checks the places of mistakes. The reader finds a
// place forwards, or backwards if it notices the mistake later.
func TestPositionsOverLines(t *testing.T) {
	t.Parallel()
	_, err := avsc.Parse("t", []byte("[ \"int\" // c\n\n, // d\n]\n"))
	if want := "t:3:1: a comma with nothing after it: remove it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = avsc.Parse("t", []byte("\xef\xbb\xbf[ \"int\"\n// c\n/* \n */ \"long\" ; ]"))
	want := "t:1:8: a comma is missing here: add it\nt:4:12: ',' or ']' was expected, found ';': look at what stands before it too"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	v, comments, err := avsc.ReadJSON("t", []byte("// a\n{\"b\": [1.50, \"\\u00e9\"] /* c */}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.AppendCompact(nil)), `{"b":[1.50,"\u00e9"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e := v.Member("b").Elems[1]; e.Str != "é" || e.Pos != (avsc.Pos{File: "t", Line: 2, Col: 14}) || e.Off != 18 {
		t.Errorf("got %+v", e)
	}
	want := []avsc.Comment{
		{Pos: avsc.Pos{File: "t", Line: 1, Col: 1}, Off: 0, Text: "// a"},
		{Pos: avsc.Pos{File: "t", Line: 2, Col: 24}, Off: 28, Text: "/* c */"},
	}
	if diff := cmp.Diff(want, comments); diff != "" {
		t.Error(diff)
	}
	var mistake *avsc.Error
	if _, _, err := avsc.ReadJSON("t", []byte("[")); !errors.As(err, &mistake) || mistake.Pos.Line != 1 {
		t.Errorf("got %v", err)
	}
}

// TestValuesMadeInMemory checks that a value made in memory reads back as the
// same value.
func TestValuesMadeInMemory(t *testing.T) {
	t.Parallel()
	s := "a\"b\\c\n\r\t\x01é😀"
	made := avsc.ObjectValue(avsc.Pos{}, avsc.Member{Key: s, Value: avsc.ArrayValue(avsc.Pos{}, avsc.StringValue(avsc.Pos{}, s))})
	read, _, err := avsc.ReadJSON("t", []byte(made.Text))
	if err != nil {
		t.Fatal(err)
	}
	if !avsc.SameJSON(made, read) {
		t.Errorf("%s became %s", made.Text, read.AppendCompact(nil))
	}
}

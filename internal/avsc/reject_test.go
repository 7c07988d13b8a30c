package avsc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
)

// rec returns a record with one field f that has the given type and more
// members.
func rec(field string) string {
	return `{"type": "record", "name": "R", "fields": [{"name": "f", ` + field + `}]}`
}

var manyKeys = func() string {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `, "k%d": 0`, i)
	}
	return b.String()
}()

// TestRejected checks the mistakes of invalid schemas. Each want must be part
// of a message, and may begin with the place.
func TestRejected(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		// JSON
		{"empty", "", "1:1: the file is empty"},
		{"only a comment", "// nothing\n", "2:1: the file is empty"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "the file is UTF-16: save it as UTF-8"},
		{"ends early", `{"type": "array", "items": `, "1:28: the file ends too early: a value is missing"},
		{"not closed", "{\"type\":\n \"string\"", "2:10: the file ends too early: '}' is missing for the '{' at 1:1"},
		{"wrong mark", `["string"}`, "1:10: ']' is missing for the '[' at 1:1"},
		{"more text", `"int" "long"`, "1:7: there is more text after the end of the schema"},
		{"two schemas", "{\"type\": \"int\"}\n{\"type\": \"int\"}", "2:1: there is more text after the end of the schema: put several types of one file into a JSON array"},
		{"missing comma", `["int" "long"]`, "1:7: a comma is missing here: add it"},
		{"comma at the end", `["int", "long",]`, "1:15: a comma with nothing after it: remove it"},
		{"commas", `["int",,,"long"]`, "1:8: two commas in a row"},
		{"comma first", `[,"int"]`, "1:2: a comma with nothing before it"},
		{"name without quotes", `{type: "int"}`, "1:2: the name type has no quotes"},
		{"equals", `{"type" = "int"}`, "1:9: '=' between a name and its value"},
		{"no colon", `{"type" "int"}`, "1:9: ':' is missing after \"type\""},
		{"word", `{"type": int}`, "1:10: int is not JSON: put it in double quotes"},
		{"python", rec(`"type": "boolean", "default": True`), "True is not JSON: write true"},
		{"bare NaN", rec(`"type": "double", "default": NaN`), "NaN is not JSON: JSON has finite numbers only"},
		{"bare infinity", rec(`"type": "double", "default": -Infinity`), "-Infinity is not JSON"},
		{"number", rec(`"type": "int", "default": 007`), `"007" is not a JSON number`},
		{"plus", rec(`"type": "int", "default": +1`), `"+1" is not a JSON number`},
		{"single quotes", `{'type': "int"}`, "1:2: the name of a member was expected, found '\\''"},
		{"single quoted value", `{"type": 'int'}`, "1:10: JSON strings stand in double quotes"},
		{"string over lines", "{\"type\": \"int\n\"}", "1:10: the string does not end on its line"},
		{"control character", "{\"type\": \"int\", \"doc\": \"a\tb\"}", "1:26: control character 0x09 in a string: write it as \\u0009"},
		{"escape", `{"type": "int", "doc": "\x"}`, `1:25: unknown escape "\\x"`},
		{"half a character", `{"type": "int", "doc": "\ud83d!"}`, `1:25: \ud83d is half of a character`},
		{"two halves in the wrong order", `{"type": "int", "doc": "\ude00\ud83d"}`, `\ude00 is half of a character`},
		{"not UTF-8", "{\"type\": \"int\", \"doc\": \"\xe9\"}", "1:25: byte 0xe9 is not UTF-8"},
		{"not UTF-8 in a comment", "/* \xe9 */ \"int\"", "1:1: the comment is not UTF-8"},
		{"comment not closed", "\"int\" /* and", "1:7: a comment is not closed"},
		{"key twice", `{"type": "int", "type": "long"}`, "1:17: \"type\" stands twice in this object, first at 1:2: remove one"},
		{"key twice among many", `{"type": "int"` + manyKeys + `, "k20": 1}`, `"k20" stands twice in this object, first at 1:`},
		{"no hexadecimal digits", `{"type": "int", "doc": "\u12x4"}`, `\u without four hexadecimal digits`},
		{"end in an escape", `{"type": "int", "doc": "\`, "the string is not closed"},
		{"zero byte", "[\x00]", "1:2: a value is missing, found '\\x00'"},
		{"not UTF-8 between", "[\"int\" \xe9]", "a comma is missing here"},
		{"None", rec(`"type": "null", "default": None`), "None is not JSON: write null"},
		{"deep", strings.Repeat(`{"type":"array","items":`, 1001) + `"int"` + strings.Repeat("}", 1001), "JSON nests deeper than 1000 levels"},
		{"column in bytes after a BOM", "\xef\xbb\xbf{\"doc\": \"é\", \"type\": 3}", `1:23: "type" is a number`},

		// names
		{"unknown type", rec(`"type": "Sting"`), `unknown type "Sting": did you mean "string"?`},
		{"unknown type, other namespace", `[{"type": "fixed", "name": "a.b.Money", "size": 8}, {"type": "record", "name": "c.R", "fields": [{"name": "m", "type": "Money"}]}]`, `unknown type "Money": did you mean "a.b.Money"?`},
		{"unknown type, nothing near", rec(`"type": "Zebra"`), `unknown type "Zebra": define it, or give the file that does`},
		{"integer", rec(`"type": "integer"`), `unknown type "integer": did you mean "int"?`},
		{"logical type as type", rec(`"type": "timestamp"`), `did you mean {"type": "long", "logicalType": "timestamp-millis"}?`},
		{"bool", rec(`"type": "bool"`), `did you mean "boolean"?`},
		{"text", rec(`"type": "text"`), `did you mean "string"?`},
		{"number", rec(`"type": "number"`), `did you mean "double"?`},
		{"bigint", rec(`"type": "bigint"`), `did you mean "long"?`},
		{"blob", rec(`"type": "blob"`), `did you mean "bytes"?`},
		{"uuid", rec(`"type": "uuid"`), `did you mean {"type": "string", "logicalType": "uuid"}?`},
		{"date", rec(`"type": "date"`), `did you mean {"type": "int", "logicalType": "date"}?`},
		{"decimal", rec(`"type": "decimal"`), `did you mean {"type": "bytes", "logicalType": "decimal"`},
		{"list", rec(`"type": "list"`), `did you mean {"type": "array", "items": …}?`},
		{"object", rec(`"type": "object"`), `did you mean {"type": "record"`},
		{"union as a name", rec(`"type": "union"`), "a union is a JSON array of its branches"},
		{"array not nested", rec(`"type": "array", "items": "int"`), `unknown type "array": an array has to be an object of its own`},
		{"hyphen", `{"type": "fixed", "name": "my-id", "size": 1}`, `1:27: "my-id" is not the name of a type: a name is`},
		{"not ASCII", `{"type": "fixed", "name": "Größe", "size": 1}`, `"Größe" is not the name of a type`},
		{"digit first in a part", `{"type": "fixed", "name": "a.2.ID", "size": 1}`, `"a.2.ID" is not the name of a type`},
		{"dot at the end of a namespace", `{"type": "fixed", "name": "ID", "namespace": "a.", "size": 1}`, `1:46: "a." is not a namespace`},
		{"empty name", `{"type": "record", "name": "", "fields": []}`, `"" is not the name of a type`},
		{"no name", `{"type": "enum", "symbols": ["A"]}`, `1:1: the enum has no "name": add "name"`},
		{"name mistyped", `{"type": "enum", "Name": "E", "symbols": ["A"]}`, `the enum has no "name": is "Name" meant to be "name"?`},
		{"primitive's name", `{"type": "fixed", "name": "int", "size": 1}`, "int is the name of a primitive type: choose another name or give it a namespace"},
		{"defined twice", `[{"type": "fixed", "name": "A", "size": 1}, {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "fixed", "name": "A", "size": 1}}]}]`, "A is defined twice, first at 1:28"},
		{"dot in front", rec(`"type": ".R"`), `unknown type ".R"`},
		{"symbol", `{"type": "enum", "name": "E", "symbols": ["A", "b-c"]}`, `1:48: "b-c" is not a symbol`},
		{"symbol twice", `{"type": "enum", "name": "E", "symbols": ["A", "A"]}`, "symbol A stands twice, first at 1:43"},
		{"field twice", `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}`, "field a stands twice, first at 1:53"},
		{"alias", `{"type": "fixed", "name": "A", "aliases": ["b c"], "size": 1}`, `"b c" is not the name of a type`},
		{"aliases", rec(`"type": "int", "aliases": "g"`), `"aliases" is a string: make it an array of names`},

		// shapes
		{"a number", "3", "1:1: a number is not a schema"},
		{"no type", `{"items": "int"}`, `the schema has no "type"`},
		{"schema in a schema", `{"type": {"type": "array", "items": "int"}}`, `1:10: "type" of a schema is an object: a schema wrapped in a schema: put the inner one in place of the outer`},
		{"mistake inside a schema in a schema", `{"type": {"type": "array", "items": "itn"}}`, `unknown type "itn"`},
		{"items mistyped", `{"type": "array", "item": "int"}`, `the array has no "items": is "item" meant to be "items"?`},
		{"no fields", `{"type": "record", "name": "R"}`, `the record R has no "fields"`},
		{"fields", `{"type": "record", "name": "R", "fields": {}}`, `"fields" is an object: make it an array of fields`},
		{"field", `{"type": "record", "name": "R", "fields": ["f"]}`, "a field is a string: make it an object"},
		{"field without type", `{"type": "record", "name": "R", "fields": [{"name": "f"}]}`, `the field f has no "type"`},
		{"field without name", `{"type": "record", "name": "R", "fields": [{"type": "int"}]}`, `the field has no "name"`},
		{"order", rec(`"type": "int", "order": "up"`), `"order" is "up": write "ascending"`},
		{"size", `{"type": "fixed", "name": "F", "size": -1}`, "size -1 is not a whole number"},
		{"size 2^31", `{"type": "fixed", "name": "F", "size": 2147483648}`, "size 2147483648 is not a whole number from 0 to 2147483647"},
		{"size with a fraction", `{"type": "fixed", "name": "F", "size": 1.0}`, "size 1.0 is not a whole number"},
		{"symbols", `{"type": "enum", "name": "E", "symbols": "A B"}`, `"symbols" is a string: make it an array of names`},
		{"enum default", `{"type": "enum", "name": "E", "symbols": ["RED", "BLUE"], "default": "REED"}`, `the default "REED" is not one of the symbols of E: write one of them; did you mean "RED"?`},
		{"union in a union", `["int", ["long", "string"]]`, "1:9: a union directly inside a union: put its branches into the outer one"},
		{"branch twice", `["int", "string", {"type": "int", "logicalType": "date"}]`, "1:19: type int stands twice in the union, first at 1:2"},
		{"two arrays", `[{"type": "array", "items": "int"}, {"type": "array", "items": "long"}]`, "type array stands twice in the union"},
		{"named branch twice", `[{"type": "fixed", "name": "A", "size": 1}, "A"]`, "type A stands twice in the union, first at 1:2"},

		// defaults
		{"fraction for int", rec(`"type": "int", "default": 1.5`), "the default 1.5 of type int is not written as a whole number"},
		{"exponent for long", rec(`"type": "long", "default": 1e3`), "the default 1e3 of type long is not written as a whole number"},
		{"int range", rec(`"type": "int", "default": 3000000000`), "the default 3000000000 is out of the range of int: use a long"},
		{"long range", rec(`"type": "long", "default": 9223372036854775808`), "out of the range of long"},
		{"float range", rec(`"type": "float", "default": 1e39`), "the default 1e39 is out of the range of float"},
		{"double range", rec(`"type": "double", "default": 1e999`), "out of the range of double"},
		{"NaN as text", rec(`"type": "float", "default": "NaN"`), `"NaN" is no default of type float: JSON has finite numbers only`},
		{"number as text", rec(`"type": "double", "default": "1"`), "the default of type double is a string: write a number"},
		{"null", rec(`"type": "string", "default": null`), "null is no default of type string: make the type a union with null"},
		{"no byte", rec(`"type": "bytes", "default": "\u0100"`), "has the character 'Ā', which is no byte"},
		{"fixed length", rec(`"type": {"type": "fixed", "name": "F", "size": 2}, "default": "\u00ff"`), "the default of type fixed F has 1 bytes, not 2"},
		{"symbol of a default", rec(`"type": {"type": "enum", "name": "E", "symbols": ["A"]}, "default": "B"`), `the default "B" is not one of the symbols of E`},
		{"element", rec(`"type": {"type": "array", "items": "int"}, "default": [1, "2"]`), "the default of type int is a string"},
		{"map value", rec(`"type": {"type": "map", "values": "int"}, "default": {"a": null}`), "null is no default of type int"},
		{"member missing", rec(`"type": {"type": "record", "name": "S", "fields": [{"name": "a", "type": "int"}]}, "default": {}`), `the default of record S lacks "a", which has no default of its own`},
		{"no branch", rec(`"type": ["null", "string"], "default": 1`), "the default 1 fits no branch of the union"},
		{"the one branch that it looks like", rec(`"type": ["null", "int"], "default": 3000000000`), "out of the range of int"},
		{"text null", rec(`"type": ["null", {"type": "array", "items": "int"}], "default": "null"`), `the default "null" fits no branch`},
		{"of null", rec(`"type": "null", "default": 0`), "the default of type null is a number: write null"},
		{"of boolean", rec(`"type": "boolean", "default": "true"`), "the default of type boolean is a string: write true or false"},
		{"of bytes", rec(`"type": "bytes", "default": [1]`), `the default of type bytes is an array: write a string of the bytes as code points \u0000 to \u00ff`},
		{"of enum", rec(`"type": {"type": "enum", "name": "E", "symbols": ["A"]}, "default": 0`), "the default of type enum E is a number: write one of its symbols as a string"},
		{"of array", rec(`"type": {"type": "array", "items": "int"}, "default": {}`), "the default of type array is an object: write a JSON array"},
		{"of map", rec(`"type": {"type": "map", "values": "int"}, "default": []`), "the default of type map is an array: write a JSON object"},
		{"of record", rec(`"type": {"type": "record", "name": "S", "fields": []}, "default": true`), "the default of type record S is a boolean: write a JSON object"},
		{"of the empty union", rec(`"type": [], "default": null`), "the default null fits no branch of the union"},
		{"long text", rec(`"type": ["null"], "default": "` + strings.Repeat("é", 100) + `"`), `the default "\"ééé`},
		{"without end", `{"type": "record", "name": "R", "fields": [{"name": "r", "type": "R", "default": {}}]}`, "this default is too large or refers to itself without end"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := avsc.Parse("t.avsc", []byte(c.text))
			var mistakes avsc.Errors
			if !errors.As(err, &mistakes) {
				t.Fatalf("accepted: %s", c.text)
			}
			for _, m := range mistakes {
				if m.Pos.File != "t.avsc" || m.Pos.Line < 1 || m.Pos.Col < 1 || m.What == "" || m.Fix == "" {
					t.Errorf("incomplete: %+v", m)
				}
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
			}
		})
	}
}

// TestAllMistakesAtOnce checks that all mistakes of a file are reported in one
// run, and each mistake once.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	text := `{
  "type": "record", "name": "Order", "namespace": "shop",
  "fields": [
    {"name": "id", "type": "strin"},
    {"name": "no-good", "type": "int"},
    {"name": "n", "type": "int", "default": 1.5},
    {"name": "m", "type": {"type": "map", "value": "int"}},
    {"name": "t", "type": "int", "default": True},
    {"name": "n", "type": ["null", "null"]},
  ]
}`
	_, err := avsc.Parse("order.avsc", []byte(text))
	want := `order.avsc:4:28: unknown type "strin": did you mean "string"?
order.avsc:5:14: "no-good" is not the name of a field: a name is a letter or '_', then letters, digits and '_' (ASCII)
order.avsc:6:45: the default 1.5 of type int is not written as a whole number: write it without fraction and exponent
order.avsc:7:27: the map has no "values": is "value" meant to be "values"?
order.avsc:8:45: True is not JSON: write true
order.avsc:9:14: field n stands twice, first at 6:14: rename or remove one
order.avsc:9:36: type null stands twice in the union, first at 9:28: remove one
order.avsc:9:44: a comma with nothing after it: remove it`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestRejectedSets(t *testing.T) {
	t.Parallel()
	const order = `{"type": "record", "name": "shop.Order", "fields": [{"name": "id", "type": "string"}]}`
	cases := []struct {
		name, a, b, want string
	}{
		{"protocol's namespace", `{"protocol": "P", "namespace": "a b"}`, order, `a.avsc:1:32: "a b" is not a namespace`},
		{"protocol's name", `{"protocol": 1}`, order, `a.avsc:1:14: the name of the protocol is not a name`},
		{"protocol's types", `{"protocol": "P", "types": {}}`, order, `a.avsc:1:28: "types" of a protocol is an object`},
		{"protocol's type", `{"protocol": "P", "types": ["int"]}`, order, `a.avsc:1:29: a protocol's type is not the definition`},
		{"protocol's messages", `{"protocol": "P", "messages": []}`, order, `a.avsc:1:31: "messages" of a protocol is an array`},
		{"message's name", `{"protocol": "P", "messages": {"a b": {}}}`, order, `a.avsc:1:32: "a b" is no name of a message`},
		{"message's request", `{"protocol": "P", "messages": {"m": {"request": 1}}}`, order, `a.avsc:1:49: the list of parameters is a number`},
		{"message's response", `{"protocol": "P", "messages": {"m": {"response": "Q"}}}`, order, `a.avsc:1:50: unknown type "Q"`},
		{
			"differently in two files", order, strings.Replace(order, `"string"`, `"long"`, 1),
			"b.avsc:1:28: shop.Order is defined differently at a.avsc:1:28: the type of field id differs: make both the same, or remove one",
		},
		{
			"other doc", order, strings.Replace(order, `"name": "id"`, `"doc": "x", "name": "id"`, 1),
			"b.avsc:1:28: shop.Order is defined differently at a.avsc:1:28: the doc of field id differs",
		},
		{
			"mistakes of both", strings.Replace(order, `"string"`, `"strnig"`, 1), `{"type": "arry"}`,
			"a.avsc:1:76: unknown type \"strnig\": did you mean \"string\"?\nb.avsc:1:10: unknown type \"arry\"",
		},
		{"same type twice in one file", "[" + order + "," + order + "]", `"int"`, "a.avsc:1:116: shop.Order is defined twice, first at 1:29"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := avsc.ParseSet(avsc.Source{Name: "a.avsc", Text: []byte(c.a)}, avsc.Source{Name: "b.avsc", Text: []byte(c.b)})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestManyMistakes(t *testing.T) {
	t.Parallel()
	text := "[" + strings.Repeat(`"x",`, 3000) + `"y"]`
	_, err := avsc.Parse("t", []byte(text))
	var mistakes avsc.Errors
	if !errors.As(err, &mistakes) || len(mistakes) != 1001 || mistakes[1000].What != "2001 more mistakes" {
		t.Errorf("got %d: %.200v", len(mistakes), err)
	}
}

package avsc_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

// FuzzParse parses any text. The result is a schema or a list of complete
// mistakes. A schema has the same meaning after Text.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`"string"`, `[]`, `{"type": "array", "items": ["null", {"type": "map", "values": "long"}]}`,
		`{"type": "record", "name": "a.R", "namespace": "x", "aliases": ["S"], "doc": "é\ud83d\ude00", "fields": [
			{"name": "f", "type": ["null", "R"], "default": null, "order": "ignore"},
			{"name": "g", "type": {"type": "fixed", "name": "F", "size": 2, "namespace": ""}, "default": "\u00ff\u0000"},
			{"name": "h", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "B"}, "default": "A"},
			{"name": "i", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "default": "\u0001"},
			{"name": "j", "type": ["F", "int", "double"], "default": -1.5e3} ]} // end`,
		`[{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B", "default": {}}]}, {"type": "error", "name": "B", "fields": [{"name": "a", "type": "int", "default": 1}]}]`,
		`{"protocol": "P", "namespace": "n", "types": [{"type": "fixed", "name": "F", "size": 1}], "messages": {"m": {"request": [{"name": "a", "type": "F"}]}}}`,
		`{"type": "record", "name": "R", "fields": [{"name": "r", "type": "R", "default": {}}]}`,
		"\xef\xbb\xbf/* c */ {type: 'int', \"a\" = True,,}", `{"type": "x`, `["int", ["int"`, "{\"a\":\"\\u12",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := avsc.ParseSet(avsc.Source{Name: "f", Text: []byte(text)})
		if err != nil {
			for _, e := range err.(avsc.Errors) { //nolint:errorlint // ParseSet promises the type itself
				if e.Pos.Line < 1 || e.Pos.Line > 1+strings.Count(text, "\n") || e.Pos.Col < 1 || e.Pos.Col > len(text)+1 || e.What == "" || e.Fix == "" {
					t.Fatalf("incomplete mistake %#v", e)
				}
			}
			return
		}
		for _, s := range set.Files[0].Schemas {
			own := s.Text()
			again, err := avsc.Parse("again", []byte(own))
			if err != nil {
				t.Fatalf("%s\nbecame %s\n%v", text, own, err)
			}
			if again.Canonical() != s.Canonical() {
				t.Fatalf("%s\nbecame %s\n%s\nwas %s", text, own, again.Canonical(), s.Canonical())
			}
			if third := again.Text(); third != own {
				t.Fatalf("Text of %s is %s", own, third)
			}
		}
	})
}

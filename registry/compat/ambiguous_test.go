package compat_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/registry/compat"
)

// TestAmbiguousFields checks the schemas where SchemaCompatibility of Apache
// Avro 1.12.2 for Java throws "matches multiple fields", so that a registry
// refuses the schema. The other pairs are compatible in Java.
func TestAmbiguousFields(t *testing.T) {
	t.Parallel()
	record := func(name, fields string) string {
		return `{"type":"record","name":"` + name + `","fields":[` + fields + `]}`
	}
	const (
		own     = `{"name":"b","type":"int","aliases":["b"]}`
		two     = `{"name":"b","type":"int","aliases":["a"]}`
		a, b, c = `{"name":"a","type":"int"}`, `{"name":"b","type":"int"}`, `{"name":"c","type":"int","default":1}`
	)
	for name, test := range map[string]struct {
		level            compat.Level
		newest, previous string
		path             string // "" if the schemas are compatible
		words            string
	}{
		"its own name":                      {compat.Backward, record("R", own), record("R", b), "/fields/0", "field b has its own name as an alias"},
		"its own name, in the old schema":   {compat.Forward, record("R", b), record("R", own), "/fields/0", "field b has its own name as an alias"},
		"its own name, in an array":         {compat.Backward, `{"type":"array","items":` + record("R", own) + `}`, `{"type":"array","items":` + record("R", b) + `}`, "/items/fields/0", "own name"},
		"its own name, and no such field":   {compat.Backward, record("R", strings.Replace(own, `"int"`, `"int","default":1`, 1)), record("R", a), "", ""},
		"its own name, in a union":          {compat.Backward, `["null",` + record("R", own) + `]`, record("R", b), "/1/fields/0", "own name"},
		"two fields":                        {compat.Backward, record("R", two), record("R", a+","+b), "/fields/0", "match two fields"},
		"two fields, in an earlier branch":  {compat.Backward, `[` + record("S", two) + `,` + record("R", a+","+b) + `]`, record("R", a+","+b), "/0/fields/0", "match two fields"},
		"two fields, in a later branch":     {compat.Backward, `[` + record("R", a+","+b) + `,` + record("S", two) + `]`, record("R", a+","+b), "", ""},
		"an alias of another field":         {compat.Backward, record("R", two+","+c), record("R", a), "", ""},
		"two fields, old reader of a union": {compat.Forward, record("R", a+","+b), `[` + record("S", two) + `,` + record("R", a+","+b) + `]`, "/0/fields/0", "match two fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := compat.Check(test.level, test.newest, test.previous)
			if err != nil {
				t.Fatal(err)
			}
			if test.path == "" {
				if len(found) > 0 {
					t.Errorf("%+v", found)
				}
				return
			}
			if len(found) == 0 {
				t.Fatal("compatible")
			}
			f := found[len(found)-1]
			if f.Type != compat.AmbiguousFieldAlias || f.Path != test.path || !strings.Contains(f.What, test.words) || f.Advice == "" || f.Pos.Line == 0 {
				t.Errorf("%+v", f)
			}
			if (f.Witness == nil) == (f.NoWitness == "") {
				t.Errorf("witness %v, %q", f.Witness, f.NoWitness)
			}
		})
	}
}

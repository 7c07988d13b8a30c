package avrobin_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde/avrobin"
)

// withoutNamespaces returns a schema as Go values without namespaces, because
// two texts of a schema may have the namespace at different places.
func withoutNamespaces(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var strip func(any) any
	strip = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = strip(v[i])
			}
		case map[string]any:
			if _, ok := v["type"]; ok {
				delete(v, "namespace")
			}
			for k := range v {
				if k != "default" {
					v[k] = strip(v[k])
				}
			}
		}
		return v
	}
	return strip(v)
}

// wantInner cuts every named type out of the text of s. The result must be the
// text that the type has alone.
func wantInner(t *testing.T, s *avsc.Schema) {
	t.Helper()
	text := s.Text()
	s.Walk(func(n *avsc.Schema) {
		if !n.Kind.Named() {
			return
		}
		var inner avrobin.InnerSchema
		got, err := avsc.ParseStored("inner", []byte(inner.Of(n.Name, text)))
		if err != nil {
			t.Errorf("%s of %s: %v", n.Name, text, err)
			return
		}
		want, err := avsc.ParseStored("own", []byte(n.Text()))
		if err != nil {
			t.Fatal(err)
		}
		if got.Canonical() != want.Canonical() || got.Name != n.Name {
			t.Errorf("%s of %s:\n got %s\nwant %s", n.Name, text, got.Canonical(), want.Canonical())
		}
		if d := cmp.Diff(withoutNamespaces(t, want.Text()), withoutNamespaces(t, got.Text())); d != "" {
			t.Errorf("%s of %s:\n%s", n.Name, text, d)
		}
	})
}

func TestInnerSchema(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"type":"record","name":"a.R","fields":[{"name":"x","type":{"type":"record","name":"S","fields":[{"name":"r","type":["null","R"]}]}}]}`,
		// The namespace is inherited, given, different, or empty.
		`{"fields":[{"type":{"fields":[{"type":{"type":"enum","symbols":["A"],"name":"E"},"name":"e"}],"type":"record","name":"S"},"name":"x"},{"type":"E","name":"e2"},{"name":"t","type":{"type":"record","name":"T","namespace":"b","fields":[{"name":"e","type":"a.E"},{"name":"s","type":"a.S"},{"name":"u","type":{"type":"fixed","name":"U","size":1}}]}},{"name":"v","type":{"type":"fixed","name":"V","namespace":"","size":2}},{"name":"w","type":["V","b.U",{"type":"array","items":"b.T"},{"type":"map","values":"S"}]}],"name":"R","type":"record","namespace":"a"}`,
		// Some names are words of the schema language, and some texts have
		// brackets.
		`{"type":"record","name":"n.array","doc":"]}\"{[","fields":[{"name":"a","type":{"type":"array","items":{"type":"record","name":"map","fields":[{"name":"i","type":"int","default":3},{"name":"m","type":["null","n.map","array"],"default":null}]}},"default":[]},{"name":"s","type":{"type":"fixed","name":"n.string","size":3}},{"name":"t","type":["string","n.string"]}]}`,
		// A type without namespace is defined and named inside a namespace.
		`{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"total","type":{"type":"record","name":"Money","namespace":"","fields":[{"name":"cents","type":"long"}]}},{"name":"line","type":{"type":"record","name":"Line","fields":[{"name":"price","type":"Money"},{"name":"more","type":["null",{"type":"array","items":"Money"}]}]}}]}`,
		`[{"type":"record","name":"Money","fields":[{"name":"next","type":["null","Money"]}]},{"type":"record","name":"shop.Line","fields":[{"name":"price","type":"Money"},{"name":"more","type":{"type":"map","values":"Money"}}]}]`,
		// Names and keywords have JSON escapes.
		`{"type":"record","n\u0061me":"shop.Order","fields":[{"name":"line","type":{"type":"rec\u006frd","n\u0061me":"L\u0069ne","fields":[{"name":"a","type":{"type":"arr\u0061y","items":"L\u0069ne"}},{"name":"f","type":{"type":"f\u0069xed","name":"F","n\u0061mespace":"sh\u006fp","size":1}},{"name":"g","type":"sho\u0070.F"}]}}]}`,
		`["int",{"type":"enum","name":"E","symbols":["A"],"x":{"type":"E","fields":[{"type":"E"}]}},{"type":"record","name":"R","fields":[{"name":"e","type":"E","default":"A"}]}]`,
	} {
		s, err := avsc.Parse("t.avsc", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		wantInner(t, s)
	}
	for seed := range uint64(500) {
		s, err := avsc.Parse("t.avsc", []byte(schemagen.Any(rand.New(rand.NewPCG(seed, 0)), 30).Within("s").JSON()))
		if err != nil {
			t.Fatal(err)
		}
		wantInner(t, s)
	}
	t.Run("vectors", func(t *testing.T) {
		for _, name := range vectortest.Schemas(t) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := avsc.Parse(filepath.Base(name), text); err == nil { // others are invalid or need more files
				wantInner(t, s)
			}
		}
	})
}

package vectors

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/vectortest"
)

// TestSplitSchemas cuts a schema into one file for each named type, with the
// files in reverse order. The files together must be the same schema. Names,
// references and defaults must stay the same, with any namespaces of the
// definitions.
func TestSplitSchemas(t *testing.T) {
	t.Parallel()
	type row struct{ ID, Schema string }
	split := 0
	vectortest.Each(t, "vectors.jsonl", func(r row) {
		s, err := avsc.Parse(r.ID, []byte(r.Schema))
		if err != nil {
			t.Error(err)
			return
		}
		if shadowed(s) {
			return
		}
		sources := []avsc.Source{{Name: "root", Text: marshal(t, reference(s, true))}}
		s.Walk(func(n *avsc.Schema) {
			if n.Kind.Named() && n != s {
				sources = append(sources, avsc.Source{Name: n.Name, Text: marshal(t, reference(n, true))})
			}
		})
		if len(sources) == 1 {
			return
		}
		split++
		slices.Reverse(sources)
		set, err := avsc.ParseSet(sources...)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			return
		}
		root := set.Files[len(set.Files)-1].Root
		if root.Canonical() != s.Canonical() {
			t.Errorf("%s: split it is\n%s\nwas\n%s", r.ID, root.Canonical(), s.Canonical())
		}
		checkText(t, r.ID, root)
		if again, err := avsc.Parse(r.ID, []byte(root.Text())); err != nil || again.Canonical() != s.Canonical() {
			t.Errorf("%s: the text of the split schema: %v", r.ID, err)
		}
	})
	t.Logf("%d schemas of several types", split)
}

// shadowed reports whether a type without namespace and a type with a namespace
// have the same short name. Inside the namespace there is no way to refer to
// the type without namespace.
func shadowed(s *avsc.Schema) bool {
	types := map[string]int{}
	bare := map[string]bool{}
	s.Walk(func(n *avsc.Schema) {
		if n.Kind.Named() {
			types[n.ShortName()]++
			bare[n.Name] = true
		}
	})
	for name, n := range types {
		if n > 1 && bare[name] {
			return true
		}
	}
	return false
}

// reference writes s with full names, as a definition or as the name of a
// definition.
func reference(s *avsc.Schema, define bool) any {
	switch {
	case s.Kind.Primitive():
		return s.Kind.String()
	case s.Kind == avsc.Array:
		return map[string]any{"type": "array", "items": reference(s.Elem, false)}
	case s.Kind == avsc.Map:
		return map[string]any{"type": "map", "values": reference(s.Elem, false)}
	case s.Kind == avsc.Union:
		branches := []any{}
		for _, b := range s.Branches {
			branches = append(branches, reference(b, false))
		}
		return branches
	case !define:
		return s.Name
	}
	out := map[string]any{"name": s.ShortName(), "namespace": s.Namespace(), "type": s.Kind.String()}
	switch s.Kind {
	case avsc.Fixed:
		out["size"] = s.Size
	case avsc.Enum:
		symbols := []string{}
		for _, sym := range s.Symbols {
			symbols = append(symbols, sym.Name)
		}
		out["symbols"] = symbols
	default:
		fields := []any{}
		for _, f := range s.Fields {
			field := map[string]any{"name": f.Name, "type": reference(f.Type, false)}
			if f.Default != nil {
				field["default"] = json.RawMessage(f.Default.AppendCompact(nil))
			}
			fields = append(fields, field)
		}
		out["fields"] = fields
	}
	return out
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("%v: %w", v, err))
	}
	return text
}

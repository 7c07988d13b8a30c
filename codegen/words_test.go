package codegen_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/gentest"
)

// identifiersOf returns the sorted identifiers that a Go file declares or uses,
// except the names after a dot.
func identifiersOf(t testing.TB, name string, content []byte) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, content, 0)
	if err != nil {
		t.Fatal(err)
	}
	selectors := map[*ast.Ident]bool{}
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			selectors[n.Sel] = true
		case *ast.Ident:
			if !selectors[n] {
				seen[n.Name] = true
			}
		}
		return true
	})
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// words returns all words that may end a namespace and have another meaning in
// generated code. These are the predeclared names and keywords of Go, and every
// lowercase identifier in the golden files, for example the local variables.
func words(t testing.TB) []string {
	t.Helper()
	names := types.Universe.Names()
	for tok := token.BREAK; tok <= token.VAR; tok++ {
		names = append(names, tok.String())
	}
	names = append(names, "init", "main", "internal", "vendor", "testdata", "i2", "x2", "key3", "u2")
	for _, c := range goldenCases(t) {
		files, err := codegen.Generate(c.sources, c.opts)
		if err != nil {
			continue
		}
		for _, f := range files {
			for _, name := range identifiersOf(t, f.Path, f.Content) {
				if name != "_" && name == strings.ToLower(name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestWordsOfGeneratedCode uses each word with a meaning in generated code as
// the last segment of a namespace, as a type, a field, a symbol and a union
// branch. Then the test checks the types of the result, because compiling the
// seven megabytes of code would take minutes.
func TestWordsOfGeneratedCode(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	var sources []codegen.Source
	var fields []string
	for _, w := range words(t) {
		// The types also have the word as a name and contain themselves, so
		// that the emitter prints the code for recursive types.
		sources = append(sources, codegen.Source{Name: "acme_" + w + ".avsc", Text: fmt.Appendf(nil, `[
			{"type": "enum", "name": "E_%[1]s", "namespace": "acme.%[1]s", "symbols": ["%[1]s", "other"]},
			{"type": "fixed", "name": "F_%[1]s", "namespace": "acme.%[1]s", "size": 2},
			{"type": "record", "name": "%[1]s", "namespace": "acme.%[1]s", "fields": [
				{"name": "%[1]s", "type": ["null", "acme.%[1]s.%[1]s"]},
				{"name": "at", "type": {"type": "array", "items": {"type": "map", "values": {"type": "long", "logicalType": "timestamp-micros"}}}}
			]}]`, w)})
		fields = append(fields, fmt.Sprintf(`
			{"name": "%[1]s", "type": {"type": "array", "items": {"type": "map", "values": ["null", "acme.%[1]s.%[1]s"]}}},
			{"name": "one_%[1]s", "type": "acme.%[1]s.%[1]s"},
			{"name": "default_%[1]s", "type": "acme.%[1]s.E_%[1]s", "default": "other"},
			{"name": "union_%[1]s", "type": ["acme.%[1]s.E_%[1]s", "acme.%[1]s.F_%[1]s", "acme.%[1]s.%[1]s", "Own"]}`, w))
	}
	own := `{"type": "record", "name": "Own", "namespace": "app", "fields": []}`
	sources = append(sources,
		codegen.Source{Name: "own.avsc", Text: []byte(own)},
		codegen.Source{Name: "user.avsc", Text: []byte(`{"type": "record", "name": "User", "namespace": "app", "fields": [` + strings.Join(fields, ",") + `]}`)},
	)
	for _, pkg := range []string{"", "one"} { // first a package for each namespace, then one package for all
		files, err := codegen.Generate(sources, codegen.Options{Package: pkg, ImportPath: gentest.Path + "/all" + pkg})
		if err != nil {
			t.Fatal(err)
		}
		m.WriteAll("all"+pkg, files)
	}
	m.TypeCheck()
}

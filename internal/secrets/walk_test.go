package secrets_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/secrets"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
	"github.com/avroline/avroline/serde/ocf"
)

var update = flag.Bool("update", false, "write types_test.go")

// genericTypes returns an instance of each exported type with type parameters.
// Interfaces and functions are missing, because they have no fields.
func genericTypes() map[string]any {
	type event = clicks.ClickEvent
	return map[string]any{
		"avrobin.Opt":         new(avrobin.Opt[string]),
		"ocf.Reader":          new(ocf.Reader[event]),
		"ocf.Writer":          new(ocf.Writer[event]),
		"outbox.Inbox":        new(outbox.Inbox[event]),
		"outbox.Topic":        new(outbox.Topic[*event]),
		"processor.Consumed":  new(processor.Consumed[event]),
		"processor.Processor": new(processor.Processor[event]),
		"producer.KeyFunc":    new(producer.KeyFunc[*event]),
		"producer.Message":    new(producer.Message[*event]),
		"producer.Topic":      new(producer.Topic[*event]),
		"producertest.Record": new(producertest.Record[event]),
		"serde.Deserializer":  new(serde.Deserializer[event]),
		"source.Item":         new(source.Item[event]),
		"source.Source":       new(source.Source[event]),
	}
}

// declared is an exported type of a public package.
type declared struct {
	importPath, pkg, name string
	generic, plain        bool // plain is true for interfaces and functions
}

// publicTypes finds the exported types of the module's public packages. Nested
// modules have separate tests.
func publicTypes(t *testing.T) (all []declared) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, notModule := os.Stat(filepath.Join(file, "go.mod"))
			if slices.Contains([]string{"testdata", "examples", "schemas", "internal"}, d.Name()) || file != root && (notModule == nil || d.Name()[0] == '.') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil || parsed.Name.Name == "main" {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if _, inside := n.(*ast.FuncDecl); inside {
				return false
			}
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			x := declared{importPath: path.Join("github.com/avroline/avroline", filepath.ToSlash(rel)), pkg: parsed.Name.Name, name: spec.Name.Name, generic: spec.TypeParams != nil}
			switch spec.Type.(type) {
			case *ast.InterfaceType, *ast.FuncType:
				x.plain = true
			}
			all = append(all, x)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b declared) int {
		return strings.Compare(a.importPath+" "+a.name, b.importPath+" "+b.name)
	})
	return all
}

// listOfTypes returns the text of types_test.go.
func listOfTypes(t *testing.T, types []declared) []byte {
	t.Helper()
	var imports, entries bytes.Buffer
	last := ""
	for _, x := range types {
		if x.plain || x.generic {
			continue
		}
		if x.importPath != last {
			fmt.Fprintf(&imports, "%q\n", x.importPath)
			last = x.importPath
		}
		fmt.Fprintf(&entries, "%q: new(%s.%s),\n", x.pkg+"."+x.name, x.pkg, x.name)
	}
	text, err := format.Source(fmt.Appendf(nil, `package secrets_test

import (
%s)

// exportedTypes returns a zero value of each exported type without type
// parameters. TestEveryTypeIsListed writes this file with the flag -update.
func exportedTypes() map[string]any {
return map[string]any{
%s}
}
`, imports.String(), entries.String()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEveryTypeIsListed(t *testing.T) {
	t.Parallel()
	types := publicTypes(t)
	want := listOfTypes(t, types)
	if *update {
		if err := os.WriteFile("types_test.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("types_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run this test with -update:\n%s", diff)
	}
	generic := genericTypes()
	for _, x := range types {
		if _, ok := generic[x.pkg+"."+x.name]; x.generic && !x.plain && !ok {
			t.Errorf("add an instance of %s.%s to genericTypes", x.pkg, x.name)
		}
	}
}

// notSecret lists fields that have the name of a secret and may be visible.
var notSecret = map[string]string{
	"codegen.Options.Map":               "namespaces",
	"contract.DEK.EncryptedKeyMaterial": "the material is encrypted",
	"contract.KEK.KMSProps":             "the registry shows it to every client",
	"contract.Metadata.Properties":      "the registry shows it to every client",
	"contract.Metadata.Tags":            "the registry shows it to every client",
	"contract.Rule.Params":              "the registry shows it to every client",
	"ocf.header.metadata":               "stands in the file",
	"registrytest.Request.Header":       "a request of a test",
	"registrytest.Server.associations":  "subjects",
	"serde.BoundRule.Tags":              "the registry shows it to every client",
	"serde.Generic.alias":               "names of types",
	"serde.Generic.original":            "names of fields and symbols",
	"serde.Generic.renamed":             "names of fields and symbols",
	"serde.config.metadata":             "the registry shows it to every client",
}

// TestEveryType writes a text into every string and byte field of every
// exported type, and prints the values in every way. Fields with the name of a
// secret must stay hidden. Maps of texts must stay hidden too, because they may
// be settings or headers. An exception needs a reason in notSecret.
func TestEveryType(t *testing.T) {
	t.Parallel()
	types := exportedTypes()
	maps.Copy(types, genericTypes())
	for name, v := range types {
		for field, way := range secrets.Shown(v, yamlToo) {
			parts := strings.Split(field.Name, ".")
			last := parts[len(parts)-1]
			secret := secretName.MatchString(last) || secretFields[strings.Join(parts[1:], ".")] || strings.Contains(field.Path[strings.LastIndexByte(field.Path, '.')+1:], "{}")
			if secret && notSecret[field.Name] == "" {
				t.Errorf("%s.%s is shown by %s", field.Name, field.Path, name+" "+way)
			}
		}
	}
	type control struct {
		Password string
		hidden   []byte            //nolint:unused // read by reflection
		settings map[string]string //nolint:unused // read by reflection
	}
	if shown := secrets.Shown(new(control), yamlToo); len(shown) != 3 {
		t.Errorf("control: only %v are shown", shown)
	}
}

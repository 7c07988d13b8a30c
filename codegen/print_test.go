package codegen_test

import (
	"fmt"
	"go/format"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/internal/vectortest"
)

// wantGofmt fails the test if gofmt would change a generated file.
func wantGofmt(t *testing.T, files []codegen.File) {
	t.Helper()
	for _, f := range files {
		formatted, err := format.Source(f.Content)
		if err != nil {
			t.Fatalf("%s: %v\n%.3000s", f.Path, err, f.Content)
		}
		if d := diff.Diff(f.Path, f.Content, "gofmt", formatted); d != nil {
			t.Errorf("%.3000s", d)
		}
	}
}

// TestGofmtChangesNothing compares the generator's output with the output of
// gofmt. The generator does not call gofmt, because formatting takes longer
// than all other steps.
func TestGofmtChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("golden", func(t *testing.T) {
		t.Parallel()
		for _, c := range goldenCases(t) {
			if files, err := codegen.Generate(c.sources, c.opts); err == nil {
				wantGofmt(t, files)
			}
		}
	})
	t.Run("random", func(t *testing.T) {
		t.Parallel()
		for seed := range uint64(300) {
			text := schemagen.Any(rand.New(rand.NewPCG(seed, 0)), 30).Within("s").JSON()
			files, err := codegen.Generate([]codegen.Source{{Name: "s.avsc", Text: []byte(text)}}, codegen.Options{Package: "x"})
			if err != nil {
				t.Fatal(err)
			}
			wantGofmt(t, files)
		}
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		for _, name := range vectortest.Schemas(t) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, err := codegen.Generate([]codegen.Source{{Name: filepath.Base(name), Text: text}}, codegen.Options{Package: "x"})
			if err == nil { // otherwise the text is invalid, or needs other files
				wantGofmt(t, files)
			}
		}
	})
	t.Run("types without values", func(t *testing.T) {
		t.Parallel()
		text := `{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "enum", "name": "E", "symbols": []}},
			{"name": "b", "type": []}, {"name": "c", "type": {"type": "record", "name": "Z", "fields": []}}, {"name": "d", "type": {"type": "fixed", "name": "F", "size": 0}}]}`
		files, err := codegen.Generate([]codegen.Source{{Name: "s.avsc", Text: []byte(text)}}, codegen.Options{Package: "x"})
		if err != nil {
			t.Fatal(err)
		}
		wantGofmt(t, files)
	})
	t.Run("docs", func(t *testing.T) {
		t.Parallel()
		pieces := []string{"+build x", "//go:build y", "# Head", "- item", "  1. one", "\t\tcode()", "[l]: http://x", "word", "", " ", "Deprecated: no", "*/ x", "\\", "`", "%d", "a.\n\n\nb", "#", "-", "+build", "é\u00a0x", "go:embed z"}
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 1))
			var doc []string
			for range r.IntN(7) {
				doc = append(doc, pieces[r.IntN(len(pieces))])
			}
			text := fmt.Sprintf(`{"type": "record", "name": "R", "doc": %q, "fields": [{"name": "a", "type": "int", "doc": %[1]q}, {"name": "bb", "type": "int"}]}`, strings.Join(doc, "\n"))
			files, err := codegen.Generate([]codegen.Source{{Name: "s.avsc", Text: []byte(text)}}, codegen.Options{Package: "x"})
			if err != nil {
				continue // %q does not give JSON for every piece
			}
			wantGofmt(t, files)
		}
	})
}

package codegen_test

import (
	"bytes"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/gentest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// goldenCase is one testdata/*.txtar. The archive contains schemas and the Go
// files that avrogen generates from them. If the schemas have mistakes, the
// archive contains a file err with the mistakes. In the archive's comment,
// "package NAME" sets one package for all types, and "map NAMESPACE PATH" maps
// a namespace. Without these lines each namespace has its own package.
type goldenCase struct {
	name    string
	file    string
	archive *txtar.Archive
	sources []codegen.Source
	opts    codegen.Options
}

func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []goldenCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		c := goldenCase{name: name, file: file, archive: archive}
		c.opts = codegen.Options{ImportPath: gentest.Path + "/" + name, RootPackage: "root", Map: map[string]string{}, Types: map[string]codegen.OwnType{}}
		c.opts.Import = c.importOwn(t)
		for line := range strings.Lines(string(archive.Comment)) {
			switch words := strings.Fields(line); {
			case len(words) == 2 && words[0] == "package":
				c.opts.Package = words[1]
			case len(words) == 3 && words[0] == "map":
				c.opts.Map[words[1]] = words[2]
			case len(words) == 3 && words[0] == "type":
				c.opts.Types[words[1]] = codegen.OwnType{Type: words[2], File: "avrogen.yaml", Line: 1, Column: 1}
			case len(words) == 3 && words[0] == "tag":
				c.opts.Tags = append(c.opts.Tags, codegen.Tag{Key: words[1], Style: codegen.TagStyle(words[2])})
			case len(words) == 2 && words[0] == "optionals" && words[1] == "opt":
				c.opts.Optionals = codegen.OptionalStructs
			case len(words) == 1 && words[0] == "omitempty":
				c.opts.OmitNull = true
			}
		}
		for _, f := range archive.Files {
			if isGo := strings.HasSuffix(f.Name, ".go") || strings.HasSuffix(f.Name, ownSuffix); isGo || f.Name == "err" {
				continue
			}
			c.sources = append(c.sources, codegen.Source{Name: f.Name, Text: f.Data})
		}
		cases = append(cases, c)
	}
	return cases
}

// ownSuffix is the end of the names of Go files that belong to the user.
const ownSuffix = ".go.txt"

// importOwn type checks the packages of the archive's files of the user. They
// import nothing.
func (c goldenCase) importOwn(t testing.TB) func(paths []string) []codegen.Imported {
	return func(paths []string) []codegen.Imported {
		out := make([]codegen.Imported, len(paths))
		for i, importPath := range paths {
			fset := token.NewFileSet()
			var parsed []*ast.File
			for _, f := range c.archive.Files {
				if !strings.HasSuffix(f.Name, ownSuffix) || gentest.Path+"/"+c.name+"/"+path.Dir(f.Name) != importPath {
					continue
				}
				file, err := parser.ParseFile(fset, f.Name, f.Data, 0)
				if err != nil {
					t.Fatal(err)
				}
				parsed = append(parsed, file)
			}
			if len(parsed) == 0 {
				out[i].Err = errors.New("no such package")
				continue
			}
			out[i].Package, out[i].Err = new(types.Config).Check(importPath, fset, parsed, nil)
		}
		return out
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, err := codegen.Generate(c.sources, c.opts)
			var got []txtar.File
			for _, f := range files {
				got = append(got, txtar.File{Name: f.Path, Data: f.Content})
			}
			if err != nil {
				got = []txtar.File{{Name: "err", Data: []byte(err.Error() + "\n")}}
			}
			isOutput := func(f txtar.File) bool { return strings.HasSuffix(f.Name, ".go") || f.Name == "err" }
			if *update {
				c.archive.Files = append(slices.DeleteFunc(c.archive.Files, isOutput), got...)
				writeFile(t, c.file, txtar.Format(c.archive))
				return
			}
			want := slices.DeleteFunc(slices.Clone(c.archive.Files), func(f txtar.File) bool { return !isOutput(f) })
			if diff := diff.Diff("want", textOf(want), "got", textOf(got)); diff != nil {
				t.Errorf("not as in %s (-update rewrites it):\n%.4000s", c.file, diff)
			}
		})
	}
}

func textOf(files []txtar.File) []byte {
	return txtar.Format(&txtar.Archive{Files: files})
}

// TestGoldenCompiles compiles and vets the golden files, because a comparison
// alone does not show that the output compiles.
func TestGoldenCompiles(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	for _, c := range goldenCases(t) {
		if files, err := codegen.Generate(c.sources, c.opts); err == nil {
			m.WriteAll(c.name, files)
			for _, f := range c.archive.Files {
				if name, ok := strings.CutSuffix(f.Name, ownSuffix); ok {
					m.Write(c.name+"/"+name+".go", string(f.Data))
				}
			}
		}
	}
	m.Go("vet", "./...")
}

func TestOrderOfSourcesDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, c := range goldenCases(t) {
		want, err := codegen.Generate(c.sources, c.opts)
		if err != nil {
			continue
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 5 {
			r.Shuffle(len(c.sources), func(i, j int) { c.sources[i], c.sources[j] = c.sources[j], c.sources[i] })
			got, err := codegen.Generate(c.sources, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(want, got, func(a, b codegen.File) bool {
				return a.Path == b.Path && a.Source == b.Source && bytes.Equal(a.Content, b.Content)
			}) {
				t.Errorf("%s: another order of the sources gives another result", c.name)
			}
		}
	}
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

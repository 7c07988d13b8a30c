package docstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/avroline/avroline/"

// parseFolder parses the files of a package, without tests and generated code.
func parseFolder(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".avro.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// eachType calls f with each type declaration of a file and its comment.
func eachType(file *ast.File, f func(spec *ast.TypeSpec, doc string)) {
	for _, decl := range file.Decls {
		if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.TYPE {
			for _, spec := range group.Specs {
				spec := spec.(*ast.TypeSpec)
				f(spec, group.Doc.Text()+spec.Doc.Text())
			}
		}
	}
}

// aliased returns the folder and the name of the type behind an alias of a type
// in another package of this module.
func aliased(file *ast.File, spec *ast.TypeSpec) (dir, name string, ok bool) {
	selector, ok := spec.Type.(*ast.SelectorExpr)
	if !ok || !spec.Assign.IsValid() {
		return "", "", false
	}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		dir, ours := strings.CutPrefix(path, module)
		if ours && filepath.Base(dir) == selector.X.(*ast.Ident).Name {
			return dir, selector.Sel.Name, true
		}
	}
	return "", "", false
}

// members returns the exported fields of a struct or the methods of an
// interface, and follows aliases.
func members(t *testing.T, dir, name string) (names []string) {
	t.Helper()
	for _, file := range parseFolder(t, dir) {
		eachType(file, func(spec *ast.TypeSpec, _ string) {
			if spec.Name.Name != name {
				return
			}
			var list *ast.FieldList
			switch x := spec.Type.(type) {
			case *ast.StructType:
				list = x.Fields
			case *ast.InterfaceType:
				list = x.Methods
			default:
				if dir, name, ok := aliased(file, spec); ok {
					names = members(t, dir, name)
				}
				return
			}
			for _, field := range list.List {
				for _, n := range field.Names {
					if n.IsExported() {
						names = append(names, n.Name)
					}
				}
			}
		})
	}
	return names
}

// TestAliasesNameTheirMembers checks that the comment of a public alias of an
// internal type names every field. `go doc` and pkg.go.dev show only the
// comment of such an alias.
func TestAliasesNameTheirMembers(t *testing.T) {
	t.Parallel()
	found := 0
	for _, top := range []string{"producer", "registry", "serde", "codegen"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			if entry.Name() == "internal" || entry.Name() == "testdata" {
				return fs.SkipDir
			}
			dir, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			for _, file := range parseFolder(t, dir) {
				eachType(file, func(spec *ast.TypeSpec, doc string) {
					of, name, ok := aliased(file, spec)
					if !ok || !strings.Contains(of+"/", "internal/") || of == "internal/avsc" {
						return // codegen.Source has fields for avrogen only
					}
					words := identifier.FindAllString(doc, -1)
					for _, member := range members(t, of, name) {
						found++
						if !slices.Contains(words, member) {
							t.Errorf("%s.%s: the comment does not name %s, and `go doc` does not show it", dir, spec.Name.Name, member)
						}
					}
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 80 {
		t.Errorf("only %d fields were found: this test sees too little", found)
	}
}

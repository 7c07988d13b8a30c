package docstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ordinary lists methods of standard interfaces, which need no documentation.
var ordinary = []string{"Error", "Unwrap", "Is", "As", "String", "Format", "GoString", "LogValue", "GobEncode", "GobDecode", "MarshalJSON", "MarshalText"}

// exported returns the exported functions, types, constants, variables and
// methods of the public packages under a directory. The map contains the
// package of each name.
func exported(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && (entry.Name() == "internal" || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".avro.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		add := func(name *ast.Ident) {
			if name.IsExported() {
				found[name.Name] = pkg
			}
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil || publicReceiver(decl.Recv.List[0].Type) && !slices.Contains(ordinary, decl.Name.Name) {
					add(decl.Name)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							add(name)
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// publicReceiver reports whether a method belongs to an exported type.
func publicReceiver(x ast.Expr) bool {
	for {
		switch r := x.(type) {
		case *ast.StarExpr:
			x = r.X
		case *ast.IndexExpr:
			x = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			return false
		}
	}
}

var identifier = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// TestEverythingPublicIsDocumented checks that the docs pages name all public
// names of package producer and the packages under it, in code font.
func TestEverythingPublicIsDocumented(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codeBlock.FindAllString(string(text), -1) {
			for _, name := range identifier.FindAllString(code, -1) {
				named[name] = true
			}
		}
	}
	names := exported(t, "producer")
	if len(names) < 200 {
		t.Fatalf("only %d names were found: this test sees too little", len(names))
	}
	for name, pkg := range names {
		if !named[name] {
			t.Errorf("%s.%s is in no page of docs: add it to docs/api.md", pkg, name)
		}
	}
}

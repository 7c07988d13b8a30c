// Package typecheck checks the types of Go packages and compiles nothing. The
// check finds the mistakes that a compiler reports, in a small part of the
// compiler's time.
package typecheck

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedDeps | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo

// Result is the result of [Check].
type Result struct {
	Packages int      // how many packages were checked, with their tests
	Mistakes []string // sorted
}

// Check checks the packages in dir that match the patterns, and their tests. It
// loads the packages with the environment env. A package that cannot be
// imported is a mistake. Check does not look into the functions of
// dependencies. An error means that the go command failed.
func Check(ctx context.Context, dir string, env []string, patterns ...string) (*Result, error) {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, fmt.Errorf("typecheck: %w", err)
	}
	root += string(filepath.Separator)
	loaded, err := packages.Load(&packages.Config{
		Context: ctx, Mode: mode, Dir: root, Env: append(slices.Clone(env), "PWD="+root), Tests: true,
		ParseFile: func(fset *token.FileSet, name string, text []byte) (*ast.File, error) {
			file, err := parser.ParseFile(fset, name, text, parser.AllErrors|parser.ParseComments|parser.SkipObjectResolution)
			if err == nil && !strings.HasPrefix(name, root) {
				dropBodies(file)
			}
			return file, err
		},
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("typecheck: %w", err)
	}
	r := &Result{}
	checked := map[*packages.Package]bool{}
	for _, p := range loaded {
		if strings.HasSuffix(p.ID, ".test") {
			continue // the main package of a test is in no folder of the caller
		}
		checked[p] = true
		if len(p.Syntax) > 0 {
			r.Packages++
		}
	}
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			// The types of a dependency are wrong, because its functions are
			// empty.
			if checked[p] || e.Kind != packages.TypeError {
				r.Mistakes = append(r.Mistakes, e.Error())
			}
		}
	})
	slices.Sort(r.Mistakes) // a package and its test variant have the same mistakes
	r.Mistakes = slices.Compact(r.Mistakes)
	return r, nil
}

// dropBodies empties the functions of a dependency, to save memory.
func dropBodies(file *ast.File) {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			f.Body = &ast.BlockStmt{Lbrace: f.Body.Lbrace, Rbrace: f.Body.Rbrace}
		}
	}
	file.Comments = nil
}

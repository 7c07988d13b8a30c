package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

func TestRuns(*testing.T) { main() } // main ends the process if anything fails

// TestReadmeShowsThisProgram checks that the first program in the README is
// equal to main.go.
func TestReadmeShowsThisProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md has no block of Go")
	}
	if block != string(program) {
		t.Errorf("the first Go code of README.md is not examples/quickstart/main.go: copy the file into it")
	}
}

func TestMainIsShort(t *testing.T) {
	t.Parallel()
	const most = 15
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "main.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "main" {
			if n := files.Position(fn.Body.Rbrace).Line - files.Position(fn.Body.Lbrace).Line - 1; n > most {
				t.Errorf("%d lines between the braces of main, at most %d", n, most)
			}
			return
		}
	}
	t.Fatal("no main")
}

package docstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[+#]?[a-z]`)

// texts returns the texts in the code of packages that users import, with "…"
// in the place of each verb of a format.
func texts(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{"producer", "registry", "serde"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
					if s, err := strconv.Unquote(text.Value); err == nil {
						found = append(found, verb.ReplaceAllString(s, "…"))
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestTroubleshooting checks that the error texts in docs/troubleshooting.md
// are in the code. The errors of compilers under "Builds" are not our texts.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours, _, ok := strings.Cut(string(page), "\n## Builds\n")
	if !ok {
		t.Fatal("docs/troubleshooting.md has no section Builds")
	}
	quoted := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(ours, -1)
	if len(quoted) < 20 {
		t.Fatalf("only %d error texts were found: this test sees too little", len(quoted))
	}
	all := strings.Join(texts(t), "\x00")
	for _, q := range quoted {
		if !strings.Contains(all, q[1]) {
			t.Errorf("docs/troubleshooting.md quotes %q, which is not in the code", q[1])
		}
	}
}

package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTests checks that every test, benchmark and fuzzer that a page names
// is in the code.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)[A-Z]\w*)\(`)
	inCode := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			inCode[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]*)`").FindAllSubmatch(text, -1) {
			named++
			if !inCode[string(m[1])] {
				t.Errorf("%s names %s, which is not in the code", strings.TrimPrefix(page, root+"/"), m[1])
			}
		}
	}
	if named < 20 {
		t.Fatalf("only %d names were found: this test sees too little", named)
	}
}

// TestExamplesForUsers checks that a user can copy the examples of the public
// packages into another module. Such a module must not import our internal
// packages, and the file must import the driver of its database.
func TestExamplesForUsers(t *testing.T) {
	t.Parallel()
	inner := regexp.MustCompile(`"github\.com/avroline/avroline/(?:.*/)?internal/`)
	seen := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != root && entry.IsDir() && (entry.Name() == "internal" || entry.Name() == "examples" || strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasPrefix(entry.Name(), "example") || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		if found := inner.Find(text); found != nil {
			t.Errorf("%s imports an internal package: %s", path, found)
		}
		if strings.Contains(string(text), `sql.Open("sqlite"`) && !strings.Contains(string(text), `"modernc.org/sqlite"`) {
			t.Errorf("%s does not import its database driver", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files with examples were found: this test sees too little", seen)
	}
}

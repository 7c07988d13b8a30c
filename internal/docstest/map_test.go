package docstest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMap checks that the map in CONTRIBUTING.md has every package, and that
// every folder on the map and every file on the page exists. A path with "/…"
// stands for all folders below.
func TestMap(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	tops := []string{"cmd", "codegen", "examples", "internal", "producer", "registry", "serde"}
	onMap, below := map[string]bool{}, []string{}
	for line := range strings.Lines(string(page)) {
		cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, span := range codeBlock.FindAllString(cell, -1) {
			dir, all := strings.CutSuffix(strings.Trim(span, "`"), "/…")
			if top, _, _ := strings.Cut(dir, "/"); !slices.Contains(tops, top) {
				continue
			}
			onMap[dir] = true
			if all {
				below = append(below, dir+"/")
			}
			if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
				t.Errorf("CONTRIBUTING.md names %s: %v", dir, err)
			}
		}
	}
	for _, span := range codeBlock.FindAllString(string(page), -1) {
		name := strings.Trim(span, "`")
		if path.Ext(name) == ".go" && path.Base(name) != name {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("CONTRIBUTING.md names %s: %v", name, err)
			}
		}
	}
	if len(onMap) < 40 {
		t.Fatalf("only %d folders were found: this test sees too little", len(onMap))
	}
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if entry.Name() == "testdata" {
					return fs.SkipDir
				}
				return nil
			}
			if filepath.Ext(file) != ".go" {
				return nil
			}
			dir, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			dir = filepath.ToSlash(dir)
			if !onMap[dir] && !slices.ContainsFunc(below, func(parent string) bool { return strings.HasPrefix(dir, parent) }) {
				t.Errorf("the map in CONTRIBUTING.md does not have the package %s", dir)
				onMap[dir] = true // one error for each package
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

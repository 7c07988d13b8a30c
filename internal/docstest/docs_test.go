// Package docstest compares the documentation with the code.
package docstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

var logMethods = []string{"Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs", "LogAgain"}

// levelsOf returns the levels of a log call. The result is nil if the call does
// not contain the level. LogAgain uses the level info or warn.
func levelsOf(method string, call *ast.CallExpr) []string {
	method = strings.TrimSuffix(method, "Context")
	switch method {
	case "LogAgain":
		return []string{"info", "warn"}
	case "Log", "LogAttrs":
		if level, ok := call.Args[1].(*ast.SelectorExpr); ok && strings.HasPrefix(level.Sel.Name, "Level") {
			return []string{strings.ToLower(strings.TrimPrefix(level.Sel.Name, "Level"))}
		}
		return nil
	}
	return []string{strings.ToLower(method)}
}

// logCalls describes the calls with the same message.
type logCalls struct {
	at     string // the position of the first such call
	levels map[string]bool
}

var constantMessage = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$`)

// logMessages returns the constant messages of all log calls in packages that
// users import.
func logMessages(t *testing.T) map[string]*logCalls {
	t.Helper()
	found := map[string]*logCalls{}
	for _, dir := range []string{"producer", "registry", "serde", "internal/hook"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains(logMethods, method.Sel.Name) {
					return true
				}
				for _, arg := range call.Args {
					text, ok := arg.(*ast.BasicLit)
					if !ok || text.Kind != token.STRING {
						continue
					}
					if message, err := strconv.Unquote(text.Value); err == nil && constantMessage.MatchString(message) {
						if found[message] == nil {
							found[message] = &logCalls{files.Position(call.Pos()).String(), map[string]bool{}}
						}
						for _, level := range levelsOf(method.Sel.Name, call) {
							found[message].levels[level] = true
						}
					}
					break // the first text is the message, and the other texts are keys
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

// TestLogCatalogue compares docs/logs.md with the log calls. Each message in
// the code needs a row with its levels, and each row needs a call.
func TestLogCatalogue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/logs.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([a-z, ]+) \\|").FindAllStringSubmatch(string(page), -1) {
		if listed[row[1]] != "" {
			t.Errorf("docs/logs.md lists %s twice", row[1])
		}
		listed[row[1]] = row[2]
	}
	calls := logMessages(t)
	if len(calls) < 10 {
		t.Fatalf("only %d log calls were found: this test sees too little", len(calls))
	}
	for message, call := range calls {
		levels := strings.Join(slices.Sorted(maps.Keys(call.levels)), ", ")
		switch listed[message] {
		case "":
			t.Errorf("%s logs %s, which docs/logs.md does not list", strings.TrimPrefix(call.at, root+"/"), message)
		case levels:
		default:
			if levels != "" {
				t.Errorf("%s logs %s at %s, docs/logs.md says %s", strings.TrimPrefix(call.at, root+"/"), message, levels, listed[message])
			}
		}
	}
	for message := range listed {
		if _, ok := calls[message]; !ok {
			t.Errorf("docs/logs.md lists %s, which nothing logs", message)
		}
	}
}

var codeBlock = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

// link has the path and the heading of a link. One of them may be empty.
var link = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)

var (
	fencedBlock = regexp.MustCompile("(?s)```.*?```")
	heading     = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fencedBlock.ReplaceAllString(page, ""), -1) {
		anchor := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		unique := anchor
		for n := 1; found[unique]; n++ {
			unique = anchor + "-" + strconv.Itoa(n)
		}
		found[unique] = true
	}
	return found
}

// deadLinks returns the relative links of a page that lead to no file, or to no
// heading of a page. read reads a file beside the page.
func deadLinks(page string, read func(name string) (string, error)) (dead []string) {
	for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		name, anchor := m[1], m[2]
		if strings.Contains(name, "://") || strings.HasPrefix(name, "mailto:") {
			continue
		}
		target := page
		if name != "" {
			var err error
			if target, err = read(name); err != nil {
				dead = append(dead, name)
				continue
			}
		}
		if anchor != "" && !anchors(target)[anchor] {
			dead = append(dead, name+"#"+anchor)
		}
	}
	return dead
}

// TestLinks checks that every relative link of a page leads to a file, and to a
// heading of the file if the link names a heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			seen += strings.Count(string(text), ".md#")
			dead := deadLinks(string(text), func(name string) (string, error) {
				path := filepath.Join(filepath.Dir(page), name)
				if info, err := os.Stat(path); err != nil || info.IsDir() {
					return "", err
				}
				target, err := os.ReadFile(path)
				return string(target), err
			})
			for _, name := range dead {
				t.Errorf("%s links to %s, which does not exist", strings.TrimPrefix(page, root+"/"), name)
			}
		}
	}
	if seen == 0 {
		t.Error("no link with a heading was found: this test sees too little")
	}
}

// TestDeadLinks checks that the test of the links sees each kind of dead link.
func TestDeadLinks(t *testing.T) {
	t.Parallel()
	const page = "# Title\n[a](b.md#five-faults) [a](b.md#four-faults) [a](none.md) [a](#title) [a](#other) [a](b.md#code-of-a-b)\n" +
		"[a](b.md#again-1) [a](b.md#again-2) [a](b.md#no-heading) [a](https://example.com/#x) `[a](code.md)`\n"
	const other = "## Five faults\n## `Code` of a, b\n### Again\n### Again\n```\n# No heading\n```\n"
	got := deadLinks(page, func(name string) (string, error) {
		if name != "b.md" {
			return "", fs.ErrNotExist
		}
		return other, nil
	})
	if want := []string{"b.md#four-faults", "none.md", "#other", "b.md#again-2", "b.md#no-heading"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

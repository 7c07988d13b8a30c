package typecheck_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/avroline/avroline/internal/typecheck"
)

// TestCheck checks that each kind of mistake is found, also in tests and in
// files of another operating system.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, files, goos string
		want              string // part of the only mistake; "" if there is none
	}{
		{name: "correct", files: "-- a/a.go --\npackage a\n\nimport \"fmt\"\n\nfunc F() { fmt.Println() }\n-- a/a_test.go --\npackage a_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/a\"\n)\n\nfunc TestF(*testing.T) { a.F() }\n"},
		{name: "type", files: "-- a/a.go --\npackage a\n\nfunc F() int { return \"\" }\n", want: "a.go:3:"},
		{name: "unused variable", files: "-- a/a.go --\npackage a\n\nfunc F() { x := 1 }\n", want: "declared and not used: x"},
		{name: "unused import", files: "-- a/a.go --\npackage a\n\nimport \"fmt\"\n", want: "imported and not used"},
		{name: "unused label", files: "-- a/a.go --\npackage a\n\nfunc F() {\nL:\n\tfor {\n\t}\n}\n", want: "label L declared and not used"},
		{name: "two names", files: "-- a/a.go --\npackage a\n\nvar F = 1\n\nfunc F() {}\n", want: "redeclared"},
		{name: "same case", files: "-- a/a.go --\npackage a\n\nfunc F(n int) {\n\tswitch n {\n\tcase 1, 1:\n\t}\n}\n", want: "duplicate case"},
		{name: "no return", files: "-- a/a.go --\npackage a\n\nfunc F() int {}\n", want: "missing return"},
		{name: "syntax", files: "-- a/a.go --\npackage a\n\nfunc F( {}\n", want: "a.go:3:"},
		{name: "test", files: "-- a/a.go --\npackage a\n-- a/a_test.go --\npackage a\n\nvar n int = \"\"\n", want: "a_test.go:3:"},
		{name: "external test", files: "-- a/a.go --\npackage a\n-- a/a_test.go --\npackage a_test\n\nimport \"example.com/m/a\"\n\nvar _ = a.F\n", want: "undefined: a.F"},
		{name: "another package", files: "-- a/a.go --\npackage a\n\nimport \"example.com/m/b\"\n\nvar _ = b.F\n-- b/b.go --\npackage b\n", want: "undefined: b.F"},
		{name: "internal package", files: "-- a/a.go --\npackage a\n\nimport _ \"example.com/m/b/internal\"\n-- b/internal/b.go --\npackage internal\n", want: "use of internal package"},
		{name: "no package", files: "-- a/a.go --\npackage a\n\nimport _ \"example.com/m/b\"\n", want: "example.com/m/b"},
		{name: "import cycle", files: "-- a/a.go --\npackage a\n\nimport _ \"example.com/m/b\"\n-- b/b.go --\npackage b\n\nimport _ \"example.com/m/a\"\n", want: "import cycle"},
		{name: "another system", files: "-- a/a.go --\npackage a\n-- a/a_windows.go --\npackage a\n\nvar n int = \"\"\n", goos: "linux"},
		{name: "this system", files: "-- a/a.go --\npackage a\n-- a/a_windows.go --\npackage a\n\nvar n int = \"\"\n", goos: "windows", want: "a_windows.go:3:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			archive := txtar.Parse([]byte("-- go.mod --\nmodule example.com/m\n\ngo 1.26.0\n" + c.files))
			for _, f := range archive.Files {
				name := filepath.Join(dir, filepath.FromSlash(f.Name))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod")
			if c.goos != "" {
				env = append(env, "GOOS="+c.goos)
			}
			r, err := typecheck.Check(t.Context(), dir, env, "./...")
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(r.Mistakes, "\n")
			if (text != "") != (c.want != "") || !strings.Contains(text, c.want) {
				t.Errorf("mistakes %q, want %q", text, c.want)
			}
			if r.Packages == 0 {
				t.Error("no package was checked")
			}
		})
	}
}

// Package gentest compiles and runs generated code in a temporary module. The
// module imports this repository through a replace line. No network is
// necessary, because the module cache already has all imports of generated
// code.
package gentest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/typecheck"
)

// Path is the import path of the module.
const Path = "example.com/gen"

// Module is a temporary module.
type Module struct {
	Dir string
	t   testing.TB
}

// New makes an empty module. The module is removed at the end of the test.
func New(t testing.TB) *Module {
	t.Helper()
	m := &Module{Dir: t.TempDir(), t: t}
	root := repository(t)
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	// The requirements are the requirements of the repository, so that the Go
	// tool looks up nothing.
	_, requirements, _ := strings.Cut(string(goMod), "\nrequire ")
	m.Write("go.mod", "module "+Path+"\n\ngo 1.26.0\n\n"+
		"require github.com/avroline/avroline v0.0.0\n\n"+
		"replace github.com/avroline/avroline => "+root+"\n\nrequire "+withoutTools(requirements))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	m.Write("go.sum", string(sums))
	return m
}

// withoutTools removes the tool lines, because the module has no tools.
func withoutTools(goMod string) string {
	var kept strings.Builder
	inTools := false
	for line := range strings.Lines(goMod) {
		switch {
		case strings.HasPrefix(line, "tool ("):
			inTools = true
		case inTools && strings.HasPrefix(line, ")"):
			inTools = false
		case !inTools && !strings.HasPrefix(line, "tool "):
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// repository returns the root folder of the repository with the running test.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/avroline/avroline\n") {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("gentest: not inside the repository")
		}
		dir = up
	}
}

// Write writes a file of the module.
func (m *Module) Write(name, content string) {
	m.t.Helper()
	file := filepath.Join(m.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// WriteAll writes generated files into a folder of the module.
func (m *Module) WriteAll(folder string, files []codegen.File) {
	m.t.Helper()
	for _, f := range files {
		m.Write(folder+"/"+f.Path, string(f.Content))
	}
}

// Go runs the Go tool in the module and returns its output. If the command
// fails, the test ends and shows the output.
func (m *Module) Go(args ...string) string {
	m.t.Helper()
	text, err := m.TryGo(args...)
	if err != nil {
		if len(text) > 8000 {
			text = text[:8000] + "…"
		}
		m.t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// TypeCheck checks the types of all packages in the module, and compiles
// nothing. If a package has a mistake, the test ends and shows the mistakes.
func (m *Module) TypeCheck() {
	m.t.Helper()
	r, err := typecheck.Check(m.t.Context(), m.Dir, environment(), "./...")
	switch {
	case err != nil:
		m.t.Fatal(err)
	case r.Packages == 0:
		m.t.Fatal("the module has no packages")
	case len(r.Mistakes) > 0:
		m.t.Fatalf("%.8000s", strings.Join(r.Mistakes, "\n"))
	}
}

func environment() []string {
	return append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0")
}

// TryGo is like [Module.Go], for a command that may fail.
func (m *Module) TryGo(args ...string) (output string, err error) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "go", args...)
	cmd.Dir = m.Dir
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// BySchema returns a file for a generated package. The file has a map
// NewBySchema from the text of a schema to the type. For each type, the map
// gives the zero value and the value of the constructor.
func BySchema(pkg string, files []codegen.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport \"github.com/avroline/avroline/serde/avrobin\"\n\n", pkg)
	b.WriteString("var NewBySchema = map[string]func() (zero, filled avrobin.Decoder){}\n\n")
	b.WriteString("func add[T any, PT avrobin.Ptr[T]](filled func() T) {\n" +
		"\tNewBySchema[PT(nil).AvroSchema()] = func() (avrobin.Decoder, avrobin.Decoder) { f := filled(); return PT(new(T)), PT(&f) }\n}\n\nfunc init() {\n")
	for _, f := range files {
		for line := range strings.Lines(string(f.Content)) {
			if rest, ok := strings.CutPrefix(line, "func New"); ok && strings.Contains(line, "() ") {
				fmt.Fprintf(&b, "\tadd(New%s)\n", rest[:strings.IndexByte(rest, '(')])
			}
		}
	}
	b.WriteString("}\n")
	return b.String()
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/avroline/avroline/internal/contexttest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// blockedReader is a standard input that never ends.
type blockedReader struct{ reading chan struct{} }

func (r *blockedReader) Read([]byte) (int, error) {
	close(r.reading)
	select {}
}

// TestInterrupt checks that a command ends when its context ends, even if the
// command is waiting.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for signal, want := range map[os.Signal]int{os.Interrupt: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		ctx, cancel := context.WithCancelCause(t.Context())
		stdin := &blockedReader{make(chan struct{})}
		go func() {
			<-stdin.reading
			cancel(&interruptedError{signal})
		}()
		a := &app{stdin: stdin, stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
		if got := run(ctx, a, []string{"fmt", "-"}); got != want {
			t.Errorf("%v: status %d, want %d", signal, got, want)
		}
	}
}

// tree returns the texts of the files below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		files[filepath.Base(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNothingIsHalfWritten checks that all files or no files are written. The
// context ends at each possible point.
func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		dir := t.TempDir()
		old := output{filepath.Join(dir, "a"), []byte("old")}
		if err := os.WriteFile(old.name, old.content, 0o600); err != nil {
			t.Fatal(err)
		}
		files := []output{{old.name, []byte("new")}, {filepath.Join(dir, "sub", "b"), []byte("b")}, {filepath.Join(dir, "c"), []byte("c")}}
		finished := false
		var s staging
		err := s.write(contexttest.EndAfter(t.Context(), n), files, func() error { finished = true; return nil })
		got := tree(t, dir)
		switch {
		case err == nil && n >= 4 && len(got) == 3 && got["a"] == "new" && finished:
		case errors.Is(err, context.Canceled) && n < 4 && len(got) == 1 && got["a"] == "old" && !finished:
		default:
			t.Errorf("ended at look %d: %v, %v, finished %t", n, err, got, finished)
		}
		if info, err := os.Stat(old.name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("permissions: %v %v", info.Mode(), err)
		}
	}
	// If one file cannot be written, the other files stay unchanged.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var s staging
	if err := s.write(t.Context(), []output{{filepath.Join(dir, "a"), nil}, {filepath.Join(dir, "file", "b"), nil}}, nil); err == nil {
		t.Error("a file below a file was written")
	}
	if got := tree(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
	// The write is abandoned while files have temporary names.
	if err := s.stage(t.Context(), output{filepath.Join(dir, "d"), []byte("d")}); err != nil {
		t.Fatal(err)
	}
	s.abandon()
	if got := tree(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

// TestPullAsksOnce checks that pull asks for each version once, even if several
// references lead to the version.
func TestPullAsksOnce(t *testing.T) {
	t.Parallel()
	server, err := registrytest.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const depth = 12
	for level := depth; level >= 0; level-- {
		for _, side := range []string{"a", "b"} {
			var refs []string
			fields := `{"name":"v","type":"int"}`
			if level < depth {
				for _, s := range []string{"a", "b"} {
					name := fmt.Sprintf("n.%s%d", s, level+1)
					fields += fmt.Sprintf(`,{"name":%q,"type":%q}`, s, name)
					refs = append(refs, name)
				}
			}
			seedReferences(t, server, fmt.Sprintf("n.%s%d", side, level), fmt.Sprintf(`{"type":"record","name":"n.%s%d","fields":[%s]}`, side, level, fields), refs)
		}
	}
	before := server.Requests()
	var stderr bytes.Buffer
	dir := t.TempDir()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr, getenv: func(string) string { return "" }}
	if code := run(t.Context(), a, []string{"pull", "--registry", server.URL, "-o", dir, "n.a0"}); code != exitOK {
		t.Fatalf("status %d: %s", code, stderr.String())
	}
	const versions = 2*depth + 1
	if got := server.Requests() - before; got > versions {
		t.Errorf("%d requests for %d versions", got, versions)
	}
	if got := len(tree(t, dir)); got != versions {
		t.Errorf("%d files, want %d", got, versions)
	}
}

// seedReferences registers a schema that refers to the types called refs. Each
// of these types is version 1 of the subject with its name.
func seedReferences(t *testing.T, server *registrytest.Server, subject, text string, refs []string) {
	t.Helper()
	client, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	schema := registry.Schema{Text: text}
	for _, name := range refs {
		schema.References = append(schema.References, registry.Reference{Name: name, Subject: name, Version: 1})
	}
	if _, err := client.Register(t.Context(), subject, schema); err != nil {
		t.Fatal(err)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"orders-value":          "orders-value.avsc",
		"../../etc/passwd":      "_.._etc_passwd.avsc",
		"a\x1b[31mred":          "a_[31mred.avsc",
		"a\u202egnp.exe":        "a_gnp.exe.avsc",
		"C:\\x|y?":              "C__x_y_.avsc",
		"line\nend\u2028\u0085": "line_end__.avsc",
		"bad\xff":               "bad_.avsc",
		". . ":                  "_.avsc",
	} {
		if got := fileName("", subject); got != want {
			t.Errorf("%q: %q, want %q", subject, got, want)
		}
	}
}

func TestControlCharactersAreEscaped(t *testing.T) {
	t.Parallel()
	if got, want := visible("ok\n\t\x1b[2J\u202e\u0085é日"), "ok\n\t\\u001b[2J\\u202e\\u0085é日"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

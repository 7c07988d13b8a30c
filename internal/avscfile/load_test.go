package avscfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

func memory(files map[string]string) avscfile.Loader {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return avscfile.Loader{ReadFile: tree.ReadFile, ReadDir: tree.ReadDir, Stat: tree.Stat}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	l := memory(map[string]string{
		"s/b.avsc": "", "s/a.avsc": "", "s/notes.md": "", "s/p.avpr": "", "s/deep/x.avdl": "",
		"s/.git/y.avsc": "", "s/.#a.avsc": "", "s/deep/._x.avdl": "", "s/deep/er/z.avsc": "", "schema.json": "", "empty/readme": "",
	})
	cases := []struct {
		name  string
		paths []string
		want  []string
	}{
		{"a folder", []string{"s"}, []string{"s/a.avsc", "s/b.avsc", "s/p.avpr"}},
		{"a folder with a slash", []string{"s/"}, []string{"s/a.avsc", "s/b.avsc", "s/p.avpr"}},
		{"all below", []string{"s/..."}, []string{"s/a.avsc", "s/b.avsc", "s/deep/er/z.avsc", "s/deep/x.avdl", "s/p.avpr"}},
		{"a file of any name", []string{"schema.json"}, []string{"schema.json"}},
		{"a hidden file that is named", []string{"s/.#a.avsc"}, []string{"s/.#a.avsc"}},
		{"each once", []string{"s/b.avsc", "s", "./s/b.avsc"}, []string{"s/b.avsc", "s/a.avsc", "s/p.avpr"}},
		{"everything", []string{"..."}, []string{"s/a.avsc", "s/b.avsc", "s/deep/er/z.avsc", "s/deep/x.avdl", "s/p.avpr"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := l.Files(c.paths...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, p := range []string{"empty", "empty/..."} {
		var none *avscfile.NoSchemasError
		if _, err := l.Files(p); !errors.As(err, &none) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := l.Files("absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := l.Files("schema.json/..."); err == nil {
		t.Error("a file was searched")
	}
}

func TestLoadFromDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.avsc", `{"type": "record", "name": "shop.Order", "fields": [{"name": "id", "type": "ID"}]}`)
	write("b.avsc", `{"type": "fixed", "name": "ID", "namespace": "shop", "size": 16}`)
	set, err := avscfile.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if set.Type("shop.Order").Fields[0].Type != set.Type("shop.ID") {
		t.Error("the reference leads elsewhere")
	}
	write("c.avsc", `{"type": "arry"}`)
	var mistakes avsc.Errors
	if _, err := avscfile.Load(dir); !errors.As(err, &mistakes) {
		t.Fatalf("got %v", err)
	}
	if got, want := mistakes[0].Pos.File, filepath.ToSlash(filepath.Join(dir, "c.avsc")); got != want {
		t.Errorf("position in %s, want %s", got, want)
	}
}

func TestUTF16(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\xff\xfe\"\x00", "\xfe\xff\x00\""} {
		if _, err := memory(map[string]string{"a.avsc": text}).Load("a.avsc"); err == nil || err.Error() != "a.avsc:1:1: the file is UTF-16: save it as UTF-8" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"idl/main.avdl":      `import idl "../lib/more.avdl"; import schema "plain.json"; record Main { More more; Plain plain; P p; }`,
		"idl/plain.json":     `{"type": "fixed", "name": "Plain", "size": 1}`,
		"lib/more.avdl":      `import idl "../idl/main.avdl"; import protocol "p.avpr"; record More { Main? back; }`,
		"lib/p.avpr":         `{"protocol": "Pr", "types": [{"type": "enum", "name": "P", "symbols": ["A"]}]}`,
		"bad/missing.avdl":   "import idl \"none.avdl\";\nrecord R { T t; }",
		"bad/wrong.avsc":     `{"type": "strin"}`,
		"once/a.avdl":        `import schema "b.avsc"; record A { B b; }`,
		"once/b.avsc":        `{"type": "fixed", "name": "B", "size": 1}`,
		"broken/twice.avdl":  `record T { int a }`,
		"broken/twice2.avsc": `{"type": "record", "name": "T", "fields": [{"name": "a", "type": "int"}]}`,
	}
	l := memory(files)
	if _, err := l.Load("idl/main.avdl"); err == nil || !strings.Contains(err.Error(), "outside of the folders that are read") {
		t.Errorf("an import from outside: %v", err)
	}
	if _, err := l.Load("idl/main.avdl", "lib/more.avdl"); err != nil {
		t.Errorf("an import from the folder of another path: %v", err)
	}
	l.AllowOutside = true
	if _, err := l.Load("idl/main.avdl"); err != nil {
		t.Errorf("an import from outside, allowed: %v", err)
	}
	l.AllowOutside = false
	l.Roots = []string{"lib/..."}
	set, err := l.Load("idl/main.avdl")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range set.Files {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"idl/main.avdl", "lib/more.avdl", "lib/p.avpr", "idl/plain.json"}, names); diff != "" {
		t.Error(diff)
	}
	if set, err = l.Load("once"); err != nil || len(set.Files) != 2 {
		t.Errorf("an imported file of the same folder: %v", err)
	}

	// One report has the mistakes of IDL, of its imports and of other files.
	_, err = l.Load("bad")
	want := `bad/missing.avdl:1:12: cannot import "none.avdl": open bad/none.avdl: file does not exist: write the path of the file relative to this one
bad/missing.avdl:2:12: unknown type "T": define it, or give the file that does
bad/wrong.avsc:1:10: unknown type "strin": did you mean "string"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}

	// A part that is missing because of a mistake is not reported as a
	// difference.
	_, err = l.Load("broken")
	want = `broken/twice.avdl:1:18: ";" was expected after the field, found "}": add it, or look at what stands before it`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestHostileImports checks that an import cannot read forbidden files. The
// messages must not quote a file without a schema.
func TestHostileImports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.env", "PASSWORD=hunter2\n")
	write("s/inside.env", "PASSWORD=hunter2\n")
	write("s/key.json", `{"type": "hunter2", "private_key": "hunter2"}`)
	write("s/text.json", `"hunter2"`)
	write("s/broken.json", `{"type": hunter2}`)
	write("s/no.avpr", `{"hunter2": 1}`)
	if err := os.Symlink(filepath.Join(dir, "secret.env"), filepath.Join(dir, "s", "link.avsc")); err != nil {
		t.Skip(err)
	}
	for statement, want := range map[string]string{
		`schema "../secret.env"`: "outside of the folders",
		`idl "../secret.env"`:    "outside of the folders",
		fmt.Sprintf("schema %q", filepath.Join(dir, "secret.env")): "outside of the folders",
		`schema "link.avsc"`:    "outside of the folders",
		`schema "/dev/zero"`:    "outside of the folders",
		`schema "inside.env"`:   "the file is no schema",
		`idl "inside.env"`:      "the file is no IDL",
		`schema "key.json"`:     "the file is no schema",
		`schema "text.json"`:    "the file is no schema",
		`schema "broken.json"`:  "the file is not valid JSON at 1:10",
		`protocol "no.avpr"`:    "the file is no protocol",
		`protocol "text.json"`:  "the file is no protocol",
		`schema "missing.avsc"`: "no such file",
	} {
		write("s/main.avdl", "import "+statement+"; record R { int a; }")
		_, err := avscfile.Load(filepath.Join(dir, "s", "main.avdl"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "PASSWORD") {
			t.Errorf("import %s: %v, want %s", statement, err, want)
		}
	}
	for _, name := range []string{"secret.env", "s/link.avsc"} {
		if _, err := avscfile.Load(filepath.Join(dir, name)); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "PASSWORD") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"/dev/zero", "/dev/null"} {
		if _, err := avscfile.Load(name); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
		l := avscfile.Loader{AllowOutside: true}
		write("s/main.avdl", fmt.Sprintf("import schema %q;", name))
		if _, err := l.Load(filepath.Join(dir, "s", "main.avdl")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("import of %s: %v", name, err)
		}
	}
}

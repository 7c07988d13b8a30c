package avscfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
		"s/.git/y.avsc": "", "s/deep/er/z.avsc": "", "schema.json": "", "empty/readme": "",
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

// Package avscfile finds schema files and reads them: a file, a folder, or a
// folder with everything below it ("schemas/..."), as every command and the
// generator take them.
package avscfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
)

// isSchemaFile reports whether a folder is searched for files of this name:
// schemas, protocols and Avro IDL. A file that is given itself may have any.
func isSchemaFile(name string) bool {
	switch path.Ext(name) {
	case ".avsc", ".avpr", ".avdl":
		return true
	}
	return false
}

// Loader reads schema files. The zero Loader reads them from disk; the
// functions let it read another tree, for instance a commit's.
type Loader struct {
	ReadFile func(name string) ([]byte, error)
	ReadDir  func(name string) ([]fs.DirEntry, error)
	Stat     func(name string) (fs.FileInfo, error)
}

// Load reads the schemas at paths from disk: see [Loader.Load].
func Load(paths ...string) (*avsc.Set, error) { return Loader{}.Load(paths...) }

// Load reads the schemas at paths and parses them together. Mistakes in the
// schemas are an [avsc.Errors]; a path that cannot be read is an error of
// package fs, one that holds no schemas a [*NoSchemasError].
func (l Loader) Load(paths ...string) (*avsc.Set, error) {
	sources, err := l.Sources(paths...)
	if err != nil {
		return nil, err
	}
	return avsc.ParseSet(sources...)
}

// Sources reads the files at paths, each once, sorted by name within a folder,
// and after each IDL file what it imports and is not among them.
func (l Loader) Sources(paths ...string) ([]avsc.Source, error) {
	names, err := l.Files(paths...)
	if err != nil {
		return nil, err
	}
	r := reading{Loader: l, seen: make(map[string]bool, len(names))}
	for _, name := range names {
		r.seen[name] = true
	}
	for _, name := range names {
		text, err := l.readFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read a schema: %w", err)
		}
		kind := "schema"
		if path.Ext(name) == ".avdl" {
			kind = "idl"
		}
		r.add(name, kind, text)
	}
	return r.sources, nil
}

// reading is one run over files and what they import.
type reading struct {
	Loader
	seen    map[string]bool
	sources []avsc.Source
}

func (r *reading) add(name, kind string, text []byte) {
	if kind != "idl" {
		r.sources = append(r.sources, avsc.Source{Name: name, Text: text})
		return
	}
	f := avdl.Parse(name, text)
	at := len(r.sources)
	r.sources = append(r.sources, f.Source)
	for _, i := range f.Imports {
		target := path.Join(path.Dir(name), filepath.ToSlash(i.Path))
		if path.IsAbs(i.Path) {
			target = path.Clean(i.Path)
		}
		if r.seen[target] {
			continue
		}
		r.seen[target] = true
		text, err := r.readFile(target)
		if err != nil {
			src := &r.sources[at]
			src.Mistakes = append(src.Mistakes, &avsc.Error{
				Pos:  i.Pos,
				What: fmt.Sprintf("cannot import %q: %v", i.Path, err),
				Fix:  "write the path of the file relative to this one",
			})
			continue
		}
		r.add(target, i.Kind, text)
	}
}

// NoSchemasError says that a folder holds no schema files.
type NoSchemasError struct {
	Path string
	Deep bool // everything below it was searched
}

func (e *NoSchemasError) Error() string {
	if e.Deep {
		return fmt.Sprintf("no schemas in or below %s: it has no *.avsc, *.avpr or *.avdl", e.Path)
	}
	return fmt.Sprintf("no schemas in %s: it has no *.avsc, *.avpr or *.avdl; %s/... searches below it too", e.Path, strings.TrimSuffix(e.Path, "/"))
}

// Files lists the schema files at paths: slash-separated, each once, in the
// order of paths and sorted by name within a folder. Folders whose name begins
// with a dot are left out of "...".
func (l Loader) Files(paths ...string) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	for _, p := range paths {
		found, err := l.expand(filepath.ToSlash(p))
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func (l Loader) expand(p string) ([]string, error) {
	dir, deep := p, false
	if p == "..." {
		dir, deep = ".", true
	} else if d, ok := strings.CutSuffix(p, "/..."); ok {
		dir, deep = d, true
		if d == "" {
			dir = "/"
		}
	}
	dir = path.Clean(dir)
	info, err := l.stat(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read schemas: %w", err)
	}
	if !info.IsDir() {
		if deep {
			return nil, fmt.Errorf("cannot read schemas: %w", &fs.PathError{Op: "search", Path: dir, Err: errors.New("not a folder")})
		}
		return []string{dir}, nil
	}
	names, err := l.walk(nil, dir, deep)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, &NoSchemasError{Path: dir, Deep: deep}
	}
	return names, nil
}

func (l Loader) walk(names []string, dir string, deep bool) ([]string, error) {
	entries, err := l.readDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read schemas: %w", err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if deep && !strings.HasPrefix(e.Name(), ".") {
				if names, err = l.walk(names, name, deep); err != nil {
					return nil, err
				}
			}
		case isSchemaFile(name):
			names = append(names, name)
		}
	}
	return names, nil
}

func (l Loader) readFile(name string) ([]byte, error) {
	if l.ReadFile != nil {
		return l.ReadFile(name)
	}
	return os.ReadFile(filepath.FromSlash(name))
}

func (l Loader) readDir(name string) ([]fs.DirEntry, error) {
	if l.ReadDir != nil {
		return l.ReadDir(name)
	}
	return os.ReadDir(filepath.FromSlash(name))
}

func (l Loader) stat(name string) (fs.FileInfo, error) {
	if l.Stat != nil {
		return l.Stat(name)
	}
	return os.Stat(filepath.FromSlash(name))
}

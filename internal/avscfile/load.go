// Package avscfile finds and reads schema files. A path is a file, a folder, or
// a folder with everything below it ("schemas/..."). All commands and the
// generator accept these paths.
package avscfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
)

// isSchemaFile reports whether a file with this name is a schema file in a
// folder. Schemas, protocols and Avro IDL are schema files. A file that is a
// path itself may have any name.
func isSchemaFile(name string) bool {
	switch path.Ext(name) {
	case ".avsc", ".avpr", ".avdl":
		return true
	}
	return false
}

// Loader reads schema files. The zero Loader reads from disk. The functions let
// the Loader read another tree, for example the tree of a commit.
type Loader struct {
	ReadFile func(name string) ([]byte, error)
	ReadDir  func(name string) ([]fs.DirEntry, error)
	Stat     func(name string) (fs.FileInfo, error)

	// Open holds texts that stand in for files, by their clean names with
	// slashes. They are the unsaved documents of an editor. Such a file need
	// not exist, but a folder without it on disk does not list it.
	Open map[string][]byte

	// Roots are more folders from which IDL may import. IDL may always import
	// from the folders of the paths. A link counts as its target file.
	Roots []string

	// SearchPath has more places with types, for example of other modules. If
	// no file at the paths defines a type, the type is searched there. IDL may
	// also import files from there.
	SearchPath []SearchPath

	// Stored reads the schemas as [avsc.ParseStored] does, because data with
	// these schemas exists. IDL stays strict.
	Stored bool

	// Modules finds the files whose names begin with [ModulePrefix].
	Modules *Modules

	// AllowOutside lets IDL import files from anywhere.
	AllowOutside bool
}

// maxSize is the size of the largest schema file that is read.
const maxSize = 64 << 20

// Load reads the schemas at paths from disk. See [Loader.Load].
func Load(paths ...string) (*avsc.Set, error) { return Loader{}.Load(paths...) }

// Load reads the schemas at paths and parses them together. Mistakes in the
// schemas are an [avsc.Errors]. An unreadable path is an error of package fs. A
// path without schemas is a [*NoSchemasError].
func (l Loader) Load(paths ...string) (*avsc.Set, error) {
	sources, err := l.Sources(paths...)
	if err != nil {
		return nil, err
	}
	return avsc.ParseSet(sources...)
}

// Sources reads the files at paths, and each file once. The files of a folder
// are sorted by name. After each IDL file follow its imported files that are
// not at paths.
func (l Loader) Sources(paths ...string) ([]avsc.Source, error) {
	names, err := l.Files(paths...)
	if err != nil {
		return nil, err
	}
	r := reading{Loader: l, seen: make(map[string]bool, len(names)), roots: l.roots(paths)}
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
		if what := notASchema(kind, text); what != "" {
			r.sources = append(r.sources, avsc.Source{Name: name, Protocol: emptyProtocol(name), Mistakes: avsc.Errors{{
				Pos: avsc.Pos{File: name, Line: 1, Col: 1}, What: what, Fix: "give a schema, a protocol or IDL",
			}}})
			continue
		}
		r.add(name, kind, text, false)
	}
	if len(r.sources) > 0 {
		r.search()
	}
	return r.sources, nil
}

func emptyProtocol(name string) *avsc.Value {
	return avsc.ObjectValue(avsc.Pos{File: name, Line: 1, Col: 1})
}

// reading is one run over files and their imports.
type reading struct {
	Loader
	seen    map[string]bool
	roots   []string
	sources []avsc.Source
}

func (r *reading) add(name, kind string, text []byte, imported bool) {
	if kind != "idl" {
		r.sources = append(r.sources, avsc.Source{Name: name, Text: text, Imported: imported, Stored: r.Stored})
		return
	}
	f := avdl.Parse(name, text)
	at := len(r.sources)
	f.Source.Imported = imported
	r.sources = append(r.sources, f.Source)
	for _, i := range f.Imports {
		target := r.findImport(name, filepath.ToSlash(i.Path))
		if r.seen[target] {
			continue
		}
		r.seen[target] = true
		text, what, fix := r.imported(i, target)
		if what != "" {
			src := &r.sources[at]
			src.Mistakes = append(src.Mistakes, &avsc.Error{
				Pos:  i.Pos,
				What: fmt.Sprintf("cannot import %q: %s", i.Path, what),
				Fix:  fix,
			})
			continue
		}
		r.add(target, i.Kind, text, imported || r.searched(target))
	}
}

// imported reads a file that IDL imports. If the file cannot be imported, the
// result is the reason and the fix. If the file is no schema, the reason quotes
// nothing of the file.
func (r *reading) imported(i avdl.Import, target string) (text []byte, what, fix string) {
	if inModule(target) {
		if _, _, err := r.Modules.Find(target); err != nil {
			var lookup *LookupError
			if errors.As(err, &lookup) {
				return nil, lookup.What, lookup.Fix
			}
			return nil, err.Error(), ""
		}
	} else if !r.AllowOutside && !r.inside(target) {
		return nil, "the file lies outside of the folders that are read", "give its folder as a PATH too, or --allow-outside to read files from anywhere"
	}
	text, err := r.readFile(target)
	if err != nil {
		return nil, err.Error(), "write the path of the file relative to this one"
	}
	what = notASchema(i.Kind, text)
	if what == "" && i.Kind != "idl" {
		what = notImportable(text)
	}
	switch {
	case what == "":
		return text, "", ""
	case i.Kind == "idl":
		return nil, what, "import a file of Avro IDL"
	case i.Kind == "protocol":
		return nil, what, "import a protocol in JSON"
	default:
		return nil, what, "import a schema in JSON"
	}
}

// NoSchemasError reports a folder without schema files.
type NoSchemasError struct {
	Path string
	Deep bool // whether all folders below were searched
}

func (e *NoSchemasError) Error() string {
	if e.Deep {
		return fmt.Sprintf("no schemas in or below %s: it has no *.avsc, *.avpr or *.avdl", e.Path)
	}
	return fmt.Sprintf("no schemas in %s: it has no *.avsc, *.avpr or *.avdl; %s/... searches below it too", e.Path, strings.TrimSuffix(e.Path, "/"))
}

// Files lists the schema files at paths with slashes, and each file once. The
// order is the order of paths, and the order of names within a folder. Folders
// with a dot at the beginning of the name are not part of "...".
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
		case strings.HasPrefix(e.Name(), "."):
			// Other programs make such files beside a schema, such as the lock
			// file .#a.avsc of an editor and the file ._a.avsc of macOS.
		case e.IsDir():
			if deep {
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

// Read reads one file. Without ReadFile, the file must be a regular file of at
// most 64 MiB.
func (l Loader) Read(name string) ([]byte, error) { return l.readFile(name) }

func (l Loader) readFile(name string) ([]byte, error) {
	if text, ok := l.Open[path.Clean(name)]; ok {
		return text, nil
	}
	if inModule(name) {
		file, err := l.Modules.Disk(name)
		if err != nil {
			return nil, err
		}
		return readRegular(file)
	}
	if l.ReadFile != nil {
		return l.ReadFile(name)
	}
	return readRegular(filepath.FromSlash(name))
}

// readRegular reads a regular file of at most maxSize bytes. It refuses a pipe
// or a device, because the reading might never end.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d MiB, which no schema is", maxSize>>20)}
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

func (l Loader) readDir(name string) ([]fs.DirEntry, error) {
	if inModule(name) {
		dir, err := l.Modules.Disk(name)
		if err != nil {
			return nil, err
		}
		return os.ReadDir(dir)
	}
	if l.ReadDir != nil {
		return l.ReadDir(name)
	}
	return os.ReadDir(filepath.FromSlash(name))
}

func (l Loader) stat(name string) (fs.FileInfo, error) {
	if _, ok := l.Open[path.Clean(name)]; ok {
		return openFile(path.Base(name)), nil
	}
	if inModule(name) {
		file, err := l.Modules.Disk(name)
		if err != nil {
			return nil, err
		}
		return os.Stat(file)
	}
	if l.Stat != nil {
		return l.Stat(name)
	}
	return os.Stat(filepath.FromSlash(name))
}

// openFile describes a file of Loader.Open.
type openFile string

func (f openFile) Name() string       { return string(f) }
func (f openFile) Size() int64        { return 0 }
func (f openFile) Mode() fs.FileMode  { return 0o644 }
func (f openFile) ModTime() time.Time { return time.Time{} }
func (f openFile) IsDir() bool        { return false }
func (f openFile) Sys() any           { return nil }

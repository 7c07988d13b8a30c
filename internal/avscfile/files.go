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
)

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
	if err != nil && strings.ContainsAny(p, "*?[") {
		return nil, fmt.Errorf("cannot read schemas: %w: a PATH is no pattern: give a folder, or folder/... with the folders below", err)
	}
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

// trimDeep returns a PATH without "..." at the end.
func trimDeep(p string) string { return orHere(strings.TrimSuffix(filepath.ToSlash(p), "...")) }

func orHere(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// real returns the absolute name of a file. On disk, real follows links.
func (l Loader) real(name string) string {
	if inModule(name) {
		if file, err := l.Modules.Disk(name); err == nil {
			name = file
		}
	}
	name = filepath.FromSlash(name)
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if l.ReadFile != nil {
		return name
	}
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		return resolved
	}
	// The file may be missing, but its folder may exist.
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		return filepath.Join(dir, filepath.Base(name))
	}
	return name
}

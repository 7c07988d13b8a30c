// Package avscfile finds and reads schema files. A path is a file, a folder, or
// a folder with everything below it ("schemas/..."). All commands and the
// generator accept these paths.
package avscfile

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
)

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

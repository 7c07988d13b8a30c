package avscfile

import (
	"errors"
	"fmt"
	"path"

	"github.com/avroline/avroline/internal/avsc"
)

// SearchPath is one place of the search path, a PATH or a name with
// [ModulePrefix].
type SearchPath struct {
	Path string
	Pos  avsc.Pos // of the setting
}

// search adds the files of the search path that define types which the sources
// refer to and do not define. The added files are marked as imported.
func (r *reading) search() {
	if len(r.SearchPath) == 0 {
		return
	}
	defined := map[string]bool{}
	for _, s := range r.sources {
		names, _ := namesIn(s)
		for _, name := range names {
			defined[name] = true
		}
	}
	var definers map[string]avsc.Source // made when the first name is missing
	for i := 0; i < len(r.sources); i++ {
		_, used := namesIn(r.sources[i])
		for _, name := range used {
			if defined[name] {
				continue
			}
			if definers == nil {
				definers = r.definers()
			}
			source, ok := definers[name]
			if !ok || r.seen[source.Name] {
				continue
			}
			r.seen[source.Name] = true
			source.Imported = true
			r.sources = append(r.sources, source)
			names, _ := namesIn(source)
			for _, name := range names {
				defined[name] = true
			}
		}
	}
}

// definers maps each type of the search path to the first file that defines the
// type. A place that cannot be read is a mistake with the place of the setting.
func (r *reading) definers() map[string]avsc.Source {
	out := map[string]avsc.Source{}
	for _, place := range r.SearchPath {
		names, err := r.Files(place.Path)
		if err != nil {
			e := &avsc.Error{Pos: place.Pos, What: fmt.Sprintf("cannot import from %q: %v", place.Path, err)}
			var lookup *LookupError
			if errors.As(err, &lookup) {
				e.What, e.Fix = fmt.Sprintf("cannot import from %q: %s", place.Path, lookup.What), lookup.Fix
			}
			r.sources[0].Mistakes = append(r.sources[0].Mistakes, e)
			continue
		}
		r.addDefiners(out, names)
	}
	return out
}

// findImport returns the name of the file that an import statement of IDL
// means. It is a file of a module, or a file relative to the importing file, or
// a file in a folder of the search path.
func (r *reading) findImport(name, target string) string {
	if inModule(target) {
		return target
	}
	beside := path.Join(path.Dir(name), target)
	if path.IsAbs(target) {
		return path.Clean(target)
	}
	if _, err := r.stat(beside); err == nil {
		return beside
	}
	for _, place := range r.SearchPath {
		dir := path.Clean(trimDeep(place.Path))
		if info, err := r.stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if file := path.Join(dir, target); file != dir {
			if _, err := r.stat(file); err == nil {
				return file
			}
		}
	}
	return beside
}

package avscfile

import (
	"errors"
	"path"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// LoadWithNeeded reads the schemas at one path. If they do not define a type,
// LoadWithNeeded searches the schema files of their folder and of all folders
// below. The set also has the types from these files, but its Files contain
// only the files at the path.
func (l Loader) LoadWithNeeded(p string) (*avsc.Set, error) {
	set, err := l.Load(p)
	var mistakes avsc.Errors
	if err == nil || !errors.As(err, &mistakes) {
		return set, err
	}
	own, readErr := l.Sources(p)
	if readErr != nil {
		return nil, err
	}
	sources := l.needed(own)
	if len(sources) == len(own) {
		return nil, err
	}
	set, err = avsc.ParseSet(sources...)
	if err != nil {
		return nil, err
	}
	set.Files = slices.DeleteFunc(set.Files, func(f *avsc.File) bool {
		return !slices.ContainsFunc(own, func(s avsc.Source) bool { return s.Name == f.Name })
	})
	return set, nil
}

// needed returns own and the files with missing types. A missing type is a type
// that own or an added file refers to. The search is in the folder of the first
// source and below.
func (l Loader) needed(own []avsc.Source) []avsc.Source {
	names, err := l.Files(path.Join(path.Dir(own[0].Name), "..."))
	if err != nil {
		return own
	}
	have := map[string]bool{}
	for _, s := range own {
		have[s.Name] = true
	}
	definers := map[string]avsc.Source{} // full name to the first file that defines the type
	l.addDefiners(definers, slices.DeleteFunc(names, func(name string) bool { return have[name] }))
	sources := own
	for i := 0; i < len(sources); i++ {
		_, used := namesIn(sources[i])
		for _, fullName := range used {
			if source, ok := definers[fullName]; ok && !have[source.Name] {
				have[source.Name] = true
				sources = append(sources, source)
			}
		}
	}
	return sources
}

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// configName is the file with the settings for a tree of schemas. No command
// reads a file with the name wrongName.
const (
	configName = "avrogen.yaml"
	wrongName  = "avrogen.yml"
)

// config is avrogen.yaml. Paths in the file are relative to its folder. The
// yaml tags are the keys of the file. An unknown key is an error.
type config struct {
	file string // "" without a file
	dir  string // the folder of the file, or "" without a file

	Imports  []importConfig `yaml:"imports"`  // PATHs where missing types are searched
	Schemas  []string       `yaml:"schemas"`  // PATHs; default: everything below the file
	Registry registryConfig `yaml:"registry"` // URL, or a mapping

	// Subjects maps the full name of a type to a subject. The subject of a type
	// that is not in the map is the full name.
	Subjects map[string]string `yaml:"subjects"`

	// Contracts are metadata and rules by subject. Without an entry, the
	// contract is in the file NAME.rules.yaml in the folder of the schema.
	Contracts map[string]yaml.Node `yaml:"contracts"`

	Generate generateConfig `yaml:"generate"`
	Lint     lintConfig     `yaml:"lint"`
	Check    checkConfig    `yaml:"check"`
	Except   []exception    `yaml:"except"` // intended breaks
	Docs     docsConfig     `yaml:"docs"`
}

// subject returns the subject of a type's schema. It may be "" for a type
// without a name.
func (c *config) subject(fullName string) string {
	return cmp.Or(c.Subjects[fullName], fullName)
}

// subjectOfFile returns the subject of a file. The result is "" if subjects
// does not name the file.
func (c *config) subjectOfFile(file string) string {
	name := filepath.ToSlash(filepath.Clean(file))
	for of, subject := range c.Subjects {
		if filepath.ToSlash(filepath.Clean(c.path(of))) == name {
			return subject
		}
	}
	return ""
}

// checkSubjects returns an error for a key of "subjects" that is no type and no
// file, and for a key of "contracts" that is no subject. Such a key has no
// effect, so a schema would get another subject, or no rules. The schemas are
// those at paths and those of the configuration. If they have mistakes,
// checkSubjects returns nil.
//
// The arguments subjects are further subjects. Without them and without
// "subjects", the subjects are only in the registry, so every key of
// "contracts" may be a subject.
func (a *app) checkSubjects(c *config, paths []string, subjects ...string) error {
	if c.file == "" || len(c.Subjects)+len(c.Contracts) == 0 {
		return nil
	}
	all, err := c.paths(nil)
	if err != nil {
		return nil // the command reports the paths that it needs
	}
	set, err := a.loader(c).Load(append(slices.Clone(paths), all...)...)
	if err != nil {
		return nil // the command reports mistakes
	}
	var types []string
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			types = append(types, s.Name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Subjects)) {
		if set.Type(key) == nil && c.exists(c.path(key)) != nil {
			return usagef("%s: subjects: %q is no type and no file: %s", c.name(), key, suggest(key, types))
		}
	}
	if len(c.Subjects) == 0 && len(subjects) == 0 {
		return nil
	}
	subjects = slices.Concat(subjects, types, slices.Sorted(maps.Values(c.Subjects)))
	for _, key := range slices.Sorted(maps.Keys(c.Contracts)) {
		if !slices.Contains(subjects, key) {
			return usagef("%s: contracts: no schema has the subject %q: %s", c.name(), key, suggest(key, slices.Sorted(maps.Values(c.Subjects))))
		}
	}
	return nil
}

// path converts a PATH of the configuration into a path for the current folder.
func (c *config) path(p string) string {
	if c.dir == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// name returns the path of the configuration file for the current folder.
func (c *config) name() string { return filepath.ToSlash(c.file) }

// exists returns an error if a PATH of the configuration does not exist.
func (c *config) exists(p string) error {
	folder := filepath.Clean(strings.TrimSuffix(filepath.ToSlash(p), "..."))
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("cannot read %s: %w: paths in %s are relative to its folder", filepath.ToSlash(p), unwrapPath(err), configName)
	}
	return nil
}

// unwrapPath returns the cause of an error that names a path.
func unwrapPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// loader reads schemas. IDL may also import from the folders of avrogen.yaml.
func (a *app) loader(c *config) avscfile.Loader {
	l := avscfile.Loader{AllowOutside: a.allowOutside, SearchPath: a.searchPath(c), Modules: a.modules(c)}
	if c != nil && c.dir != "" {
		for _, p := range c.Schemas {
			l.Roots = append(l.Roots, c.path(p))
		}
		if len(c.Schemas) == 0 {
			l.Roots = append(l.Roots, c.dir)
		}
	}
	return l
}

// modules finds the files of Go modules, by the go.mod of the configuration's
// folder.
func (a *app) modules(c *config) *avscfile.Modules {
	dir := "."
	if c != nil && c.dir != "" {
		dir = c.dir
	}
	return avscfile.NewModules(a.ctx, dir)
}

// paths returns the arguments. Without arguments, paths returns the first list
// in lists that is not empty, and then the schemas of the configuration.
func (c *config) paths(args []string, lists ...[]string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if c.dir == "" {
		return nil, usagef("no PATH is given, and there is no %s here or above: give a PATH", configName)
	}
	schemas := []string{"..."}
	for _, list := range append(lists, c.Schemas) {
		if len(list) > 0 {
			schemas = list
			break
		}
	}
	paths := make([]string, len(schemas))
	for i, p := range schemas {
		if paths[i] = p; strings.HasPrefix(p, avscfile.ModulePrefix) {
			continue
		}
		paths[i] = c.path(p)
		if err := c.exists(paths[i]); err != nil {
			return nil, fmt.Errorf("%s: schemas: %w", c.name(), err)
		}
	}
	return paths, nil
}

// loadConfig reads the file of --config. Without --config, it reads the nearest
// avrogen.yaml. The search begins in the folder of the first PATH, or in the
// current folder without a PATH, and goes up. If there is no file, the
// configuration is empty.
//
// If the nearest settings are in a file called avrogen.yml, loadConfig returns
// a usage error. Otherwise the command would silently run without settings.
func (a *app) loadConfig(paths []string) (*config, error) {
	if a.config != nil {
		return a.config, nil
	}
	name := a.configFile
	if name == "" {
		start := "."
		if len(paths) > 0 {
			start = strings.TrimSuffix(filepath.ToSlash(paths[0]), "...")
		}
		found, err := findAbove(start, configName, wrongName)
		if err != nil {
			return nil, err
		}
		if filepath.Base(found) == wrongName {
			return nil, usagef("%s: no command reads this name: rename the file to %s, or give --config", filepath.ToSlash(found), configName)
		}
		name = found
	}
	a.config = &config{}
	if name == "" {
		return a.config, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("settings file: %w", err)
	}
	if err := a.config.parse(name, text); err != nil {
		return nil, &usageError{err}
	}
	a.config.file, a.config.dir = name, filepath.Dir(name)
	return a.config, nil
}

// findAbove looks for a file with one of the names in dir and in the folders
// above dir, and returns the path of the nearest file. In a folder, the first
// name counts. The path is relative to the current folder. If there is no such
// file, the result is "". The last part of dir may be a file.
func findAbove(dir string, names ...string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	for {
		for _, name := range names {
			file := filepath.Join(abs, name)
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				if rel, err := filepath.Rel(here, file); err == nil {
					return rel, nil
				}
				return file, nil
			}
		}
		up := filepath.Dir(abs)
		if up == abs {
			return "", nil
		}
		abs = up
	}
}

// parse fills c from the text of a file. It reports every unknown key, with its
// place and a suggestion for the intended key.
func (c *config) parse(name string, text []byte) error {
	var document, second yaml.Node
	name = filepath.ToSlash(name)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0 {
		return nil // an empty file
	} else if err != nil {
		return yamlError(name, err)
	}
	if err := decoder.Decode(&second); err == nil && second.Content[0].Tag != "!!null" {
		return fmt.Errorf("%s:%d:%d: a second document has no effect: remove the line --- and the text below, or join both documents", name, second.Line, second.Column)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return yamlError(name, err)
	}
	root := document.Content[0]
	if errs := checkValue(name, "", root, reflect.TypeFor[config]()); len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := root.Decode(c); err != nil {
		var at *valueError
		if errors.As(err, &at) {
			return fmt.Errorf("%s:%d:%d: %w", name, at.line, at.col, at.err)
		}
		return yamlError(name, err)
	}
	return nil
}

// yamlError adds the name of the file to the errors of the YAML package. Their
// texts begin with the line.
func yamlError(name string, err error) error {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		texts = several.Errors
	}
	errs := make([]error, len(texts))
	for i, text := range texts {
		if strings.HasSuffix(text, "cannot start any token") {
			text += ": indent by spaces and not by tabs, and put quotes around a text that begins with @ or `"
		}
		if line, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && strings.HasPrefix(text, "line ") {
			errs[i] = fmt.Errorf("%s:%s: %s", name, line, rest)
		} else {
			errs[i] = fmt.Errorf("%s: %s", name, text)
		}
	}
	return errors.Join(errs...)
}

// valueError is a wrong value and its place.
type valueError struct {
	line, col int
	err       error
}

func (e *valueError) Error() string { return e.err.Error() }

// checkValue finds values that the type t cannot hold, and keys without a tag
// in a struct. The key is the key of the value, or "" for the whole file.
func checkValue(name, key string, value *yaml.Node, t reflect.Type) []error {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	expected := func(kind string) []error {
		if key != "" {
			kind = key + ": expected " + kind
		} else {
			kind = "expected " + kind
		}
		return []error{fmt.Errorf("%s:%d:%d: %s", name, value.Line, value.Column, kind)}
	}
	isURL := t == reflect.TypeFor[registryConfig]() && value.Kind == yaml.ScalarNode
	readsItself := t != reflect.TypeFor[registryConfig]() && reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]())
	if key != "" && value.Tag == "!!null" || isURL || readsItself || t == reflect.TypeFor[yaml.Node]() {
		return nil
	}
	var errs []error
	switch t.Kind() {
	case reflect.Struct:
		if value.Kind != yaml.MappingNode {
			return expected("keys with values, such as " + strings.Join(keysOf(t), ", "))
		}
		for i := 0; i+1 < len(value.Content); i += 2 {
			key, value := value.Content[i], value.Content[i+1]
			field, ok := fieldOfKey(t, key.Value)
			if !ok {
				errs = append(errs, fmt.Errorf("%s:%d:%d: unknown key %q: %s",
					name, key.Line, key.Column, key.Value, adviceOnKey(key.Value, t)))
				continue
			}
			errs = append(errs, checkValue(name, key.Value, value, field.Type)...)
		}
	case reflect.Slice:
		if value.Kind == yaml.ScalarNode {
			return expected("a list, such as [" + value.Value + "]")
		}
		if value.Kind != yaml.SequenceNode {
			return expected("a list")
		}
		for _, element := range value.Content {
			errs = append(errs, checkValue(name, key, element, t.Elem())...)
		}
	case reflect.Map:
		if value.Kind != yaml.MappingNode {
			return expected("keys with values")
		}
		for i := 0; i+1 < len(value.Content); i += 2 {
			errs = append(errs, checkValue(name, value.Content[i].Value, value.Content[i+1], t.Elem())...)
		}
	case reflect.String:
		if value.Kind != yaml.ScalarNode {
			return expected("a text")
		}
	case reflect.Bool:
		if value.Decode(new(bool)) != nil {
			return expected("true or false")
		}
	}
	return errs
}

// adviceOnKey returns the intended key for an unknown key of the struct t. If
// the same key exists one level deeper, this key is the result.
func adviceOnKey(key string, t reflect.Type) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() != reflect.Struct || f.Tag.Get("yaml") == "" {
			continue
		}
		if _, ok := fieldOfKey(f.Type, key); ok {
			return "it belongs below " + f.Tag.Get("yaml")
		}
	}
	return suggest(key, keysOf(t))
}

func fieldOfKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// suggest returns "did you mean X?" if a known name is similar to name.
// Otherwise it returns the list of known names, if the list is short.
func suggest(name string, known []string) string {
	if len(known) == 0 {
		return "there is none to choose from"
	}
	if near := avsc.Nearest(name, known); len(near) > 0 {
		return fmt.Sprintf("did you mean %q?", near[0])
	}
	if len(known) > 20 {
		return fmt.Sprintf("none of the %d is near it", len(known))
	}
	return "known are " + strings.Join(known, ", ")
}

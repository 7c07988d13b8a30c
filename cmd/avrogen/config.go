package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// configName is the file that holds the settings of a tree of schemas.
const configName = "avrogen.yaml"

// config is avrogen.yaml. Paths in it are relative to its folder. Its keys are
// the yaml tags: an unknown one is an error.
type config struct {
	file string // "" without one
	dir  string // where the file lies; "" without one

	Schemas  []string       `yaml:"schemas"`  // PATHs; default: everything below the file
	Registry registryConfig `yaml:"registry"` // URL, or a mapping

	// Subjects are the subjects of types, by full name; a type that is not in
	// it has its full name for a subject.
	Subjects map[string]string `yaml:"subjects"`

	// Contracts are metadata and rules by subject. Without an entry those of
	// the file NAME.rules.yaml beside the schema count.
	Contracts map[string]yaml.Node `yaml:"contracts"`

	Generate generateConfig `yaml:"generate"`
	Lint     lintConfig     `yaml:"lint"`
	Check    checkConfig    `yaml:"check"`
	Except   []exception    `yaml:"except"`
}

// subject is the subject of a type's schema, "" where a type without a name has
// none.
func (c *config) subject(fullName string) string {
	return cmp.Or(c.Subjects[fullName], fullName)
}

// subjectOfFile is the subject of a file, "" where subjects does not name it.
func (c *config) subjectOfFile(file string) string {
	name := filepath.ToSlash(filepath.Clean(file))
	for of, subject := range c.Subjects {
		if filepath.ToSlash(filepath.Clean(c.path(of))) == name {
			return subject
		}
	}
	return ""
}

// path is a PATH of the configuration as the current folder sees it.
func (c *config) path(p string) string {
	if c.dir == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// name is the file of the configuration as the current folder sees it.
func (c *config) name() string { return filepath.ToSlash(c.file) }

// exists reports a PATH of the configuration that is not there.
func (c *config) exists(p string) error {
	folder := filepath.Clean(strings.TrimSuffix(filepath.ToSlash(p), "..."))
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("cannot read %s: %w: paths in %s are relative to its folder", filepath.ToSlash(p), unwrapPath(err), configName)
	}
	return nil
}

// unwrapPath is the cause of an error that names a path.
func unwrapPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// loader reads schemas. IDL may import from the folders of avrogen.yaml too.
func (a *app) loader(c *config) avscfile.Loader {
	l := avscfile.Loader{AllowOutside: a.allowOutside}
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

// paths are the arguments, or without any the first of the lists of PATHs in
// the configuration that is not empty; the last of them are its schemas.
func (c *config) paths(args []string, lists ...[]string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if c.dir == "" {
		return nil, usagef("no PATH, and no %s here or above that says where the schemas are", configName)
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
		paths[i] = c.path(p)
		if err := c.exists(paths[i]); err != nil {
			return nil, fmt.Errorf("%s: schemas: %w", c.name(), err)
		}
	}
	return paths, nil
}

// loadConfig reads the file of --config, else the nearest avrogen.yaml: in the
// folder of the first PATH or above, without a PATH in the current folder or
// above. Without a file it is empty.
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
		found, err := findAbove(start, configName)
		if err != nil {
			return nil, err
		}
		name = found
	}
	a.config = &config{}
	if name == "" {
		return a.config, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := a.config.parse(name, text); err != nil {
		return nil, &usageError{err}
	}
	a.config.file, a.config.dir = name, filepath.Dir(name)
	return a.config, nil
}

// findAbove is the file called name in dir or the nearest folder above it, as
// the current folder sees it, or "". The last part of dir may be a file.
func findAbove(dir, name string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	for {
		file := filepath.Join(abs, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			if rel, err := filepath.Rel(here, file); err == nil {
				return rel, nil
			}
			return file, nil
		}
		up := filepath.Dir(abs)
		if up == abs {
			return "", nil
		}
		abs = up
	}
}

// parse fills c from the text of a file. Every unknown key is reported, with
// its place and the key that was probably meant.
func (c *config) parse(name string, text []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %s", filepath.ToSlash(name), strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return nil // an empty file
	}
	root := document.Content[0]
	if errs := checkKeys(filepath.ToSlash(name), root, reflect.TypeFor[config]()); len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := root.Decode(c); err != nil {
		var at *valueError
		if errors.As(err, &at) {
			return fmt.Errorf("%s:%d:%d: %w", filepath.ToSlash(name), at.line, at.col, at.err)
		}
		return fmt.Errorf("%s: %s", filepath.ToSlash(name), strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return nil
}

// valueError is a value that is wrong, and where it stands.
type valueError struct {
	line, col int
	err       error
}

func (e *valueError) Error() string { return e.err.Error() }

// checkKeys finds the keys of a mapping that t, a struct, has no tag for.
func checkKeys(name string, node *yaml.Node, t reflect.Type) []error {
	if node.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s:%d:%d: here must be keys with values, such as %s",
			name, node.Line, node.Column, strings.Join(keysOf(t), ", "))}
	}
	var errs []error
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field, ok := fieldOfKey(t, key.Value)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s:%d:%d: unknown key %q: %s",
				name, key.Line, key.Column, key.Value, suggest(key.Value, keysOf(t))))
		case field.Type == reflect.TypeFor[registryConfig]() && value.Kind == yaml.ScalarNode: // a URL alone
		case field.Type.Kind() == reflect.Struct && value.Tag != "!!null":
			errs = append(errs, checkKeys(name, value, field.Type)...)
		}
	}
	return errs
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

// suggest is "did you mean X?" for a near name among known, else the list where
// it is not long.
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

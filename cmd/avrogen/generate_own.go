package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/go/packages"

	"github.com/avroline/avroline/codegen"
)

// ownTypeConfig is a value of generate.types. It is the text of a Go type, or a
// mapping.
type ownTypeConfig struct {
	Type   string `yaml:"type"`   // IMPORTPATH.Type
	Encode string `yaml:"encode"` // function that makes the value of Avro
	Decode string `yaml:"decode"` // function that reads the value of Avro

	line, column int
}

// UnmarshalYAML reads a type, or a mapping with type, encode and decode.
func (o *ownTypeConfig) UnmarshalYAML(node *yaml.Node) error {
	o.line, o.column = node.Line, node.Column
	if node.Kind == yaml.ScalarNode {
		o.Type = node.Value
	} else {
		if err := onlyKeys(node, "type", "encode", "decode"); err != nil {
			return err
		}
		type mapping ownTypeConfig // without this method
		if err := node.Decode((*mapping)(o)); err != nil {
			return err
		}
	}
	if o.Type == "" {
		return &valueError{node.Line, node.Column, errors.New("no type: write IMPORTPATH.Type")}
	}
	return nil
}

// onlyKeys checks the keys of a mapping.
func onlyKeys(node *yaml.Node, known ...string) error {
	if node.Kind != yaml.MappingNode {
		return &valueError{node.Line, node.Column, fmt.Errorf("expected keys with values, such as %s", strings.Join(known, ", "))}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if key := node.Content[i]; !slices.Contains(known, key.Value) {
			return &valueError{key.Line, key.Column, fmt.Errorf("unknown key %q: %s", key.Value, suggest(key.Value, known))}
		}
	}
	return nil
}

// tagsConfig is generate.tags: keys, or keys with a style and options.
type tagsConfig []codegen.Tag

// UnmarshalYAML reads a list of keys, or a mapping of keys to styles.
func (t *tagsConfig) UnmarshalYAML(node *yaml.Node) error {
	add := func(key, value *yaml.Node) error {
		if !codegen.IsTagKey(key.Value) {
			return &valueError{key.Line, key.Column, fmt.Errorf("%q cannot be the key of a struct tag: avro belongs to avrogen, and a key has no spaces, quotes and colons", key.Value)}
		}
		style, options, _ := strings.Cut(value.Value, ",")
		tag := codegen.Tag{Key: key.Value, Style: codegen.TagStyle(style), Options: options}
		if style != "" && !slices.Contains(codegen.TagStyles(), tag.Style) {
			var known []string
			for _, s := range codegen.TagStyles() {
				known = append(known, string(s))
			}
			return &valueError{value.Line, value.Column, fmt.Errorf("unknown style %q: %s", style, suggest(style, known))}
		}
		*t = append(*t, tag)
		return nil
	}
	switch node.Kind {
	case yaml.SequenceNode:
		for _, key := range node.Content {
			if err := add(key, &yaml.Node{}); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if err := add(node.Content[i], node.Content[i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	return &valueError{node.Line, node.Column, errors.New("tags are a list of keys, such as [yaml, db], or keys with a style, such as {db: snake}")}
}

// optionalsConfig is generate.optionals.
type optionalsConfig codegen.Optionals

// UnmarshalYAML reads "pointer" or "opt".
func (o *optionalsConfig) UnmarshalYAML(node *yaml.Node) error {
	switch node.Value {
	case "pointer":
		*o = optionalsConfig(codegen.OptionalPointers)
	case "opt":
		*o = optionalsConfig(codegen.OptionalStructs)
	default:
		return &valueError{node.Line, node.Column, fmt.Errorf("optionals is pointer or opt, not %q", node.Value)}
	}
	return nil
}

// ownTypes returns the own types of the configuration.
func (c *config) ownTypes() map[string]codegen.OwnType {
	out := map[string]codegen.OwnType{}
	for key, t := range c.Generate.Types {
		out[key] = codegen.OwnType{Type: t.Type, Encode: t.Encode, Decode: t.Decode, File: c.name(), Line: t.line, Column: t.column}
	}
	return out
}

// importer loads packages for own types with the Go command. The Go command
// runs in the output folder, or in the nearest folder above that exists.
// Generated files in the output folder count as empty, because this run
// replaces them.
func (g *generator) importer(ctx context.Context) func(paths []string) []codegen.Imported {
	return func(paths []string) []codegen.Imported {
		out := make([]codegen.Imported, len(paths))
		overlay, err := g.withoutGenerated()
		if err != nil {
			return fail(out, err)
		}
		dir := existing(g.output)
		loaded, err := packages.Load(&packages.Config{
			Context: ctx,
			Mode:    packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
			Dir:     dir,
			Overlay: overlay,
		}, paths...)
		if err != nil {
			return fail(out, fmt.Errorf("the Go command must be able to load it: %w", err))
		}
		byPath := map[string]*packages.Package{}
		for _, p := range loaded {
			byPath[p.PkgPath] = p
		}
		for i, path := range paths {
			out[i] = imported(byPath[path])
		}
		return out
	}
}

// importsOf lists the direct and indirect imports of packages. A package that
// the Go command cannot list has no entry.
func (g *generator) importsOf(ctx context.Context) func(paths []string) map[string][]string {
	return func(paths []string) map[string][]string {
		overlay, err := g.withoutGenerated()
		if err != nil {
			return nil
		}
		loaded, err := packages.Load(&packages.Config{
			Context: ctx,
			Mode:    packages.NeedName | packages.NeedImports | packages.NeedDeps,
			Dir:     existing(g.output),
			Overlay: overlay,
		}, paths...)
		if err != nil {
			return nil
		}
		out := map[string][]string{}
		for _, p := range loaded {
			packages.Visit(slices.Collect(maps.Values(p.Imports)), nil, func(q *packages.Package) { out[p.PkgPath] = append(out[p.PkgPath], q.PkgPath) })
		}
		return out
	}
}

func fail(out []codegen.Imported, err error) []codegen.Imported {
	for i := range out {
		out[i].Err = err
	}
	return out
}

// imported returns a loaded package. Type errors do not count, because code
// that uses generated code does not compile before the first generation.
func imported(p *packages.Package) codegen.Imported {
	if p == nil {
		return codegen.Imported{Err: errors.New("the Go command does not know it")}
	}
	for _, e := range p.Errors {
		if e.Kind != packages.TypeError && !strings.HasPrefix(e.Msg, "# ") { // "# path" begins the compiler's errors
			first, _, _ := strings.Cut(strings.ReplaceAll(e.Msg, "\n\t", " "), "\n")
			return codegen.Imported{Err: errors.New(first)}
		}
	}
	if p.Types == nil || len(p.GoFiles) == 0 {
		return codegen.Imported{Err: errors.New("it has no Go files")}
	}
	if p.Types.Name() == "main" {
		return codegen.Imported{Err: errors.New("it is a command, which cannot be imported")}
	}
	return codegen.Imported{Package: p.Types}
}

// withoutGenerated replaces the generated files of the output folder and of its
// packages by empty files.
func (g *generator) withoutGenerated() (map[string][]byte, error) {
	overlay := map[string][]byte{}
	for _, dir := range g.folders(nil) {
		names, err := filepath.Glob(filepath.Join(g.output, filepath.FromSlash(dir), "*.avro.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			if _, ours := sourceOf(content); !ours {
				continue
			}
			abs, err := filepath.Abs(name)
			if err != nil {
				return nil, err
			}
			overlay[abs] = packageClause(content)
		}
	}
	return overlay, nil
}

// packageClause returns a Go file that contains only the package clause of
// content.
func packageClause(content []byte) []byte {
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "package ") {
			return []byte(line)
		}
	}
	return content
}

// existing is dir, or the nearest folder above that exists.
func existing(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	for {
		if info, err := os.Stat(abs); err == nil && info.IsDir() {
			return abs
		}
		up := filepath.Dir(abs)
		if up == abs {
			return dir
		}
		abs = up
	}
}

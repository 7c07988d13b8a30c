package main

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// importConfig is one entry of imports in avrogen.yaml.
type importConfig struct {
	path         string
	line, column int
}

// UnmarshalYAML reads a PATH.
func (i *importConfig) UnmarshalYAML(node *yaml.Node) error {
	i.line, i.column = node.Line, node.Column
	return node.Decode(&i.path)
}

// searchPath returns the places to search for types and IDL files. The flags
// come first, and then the configuration.
func (a *app) searchPath(c *config) []avscfile.SearchPath {
	var out []avscfile.SearchPath
	for _, p := range a.imports {
		out = append(out, avscfile.SearchPath{Path: p, Pos: avsc.Pos{File: "--import"}})
	}
	if c == nil {
		return out
	}
	for _, i := range c.Imports {
		p := i.path
		if !strings.HasPrefix(p, avscfile.ModulePrefix) {
			p = c.path(p)
		}
		out = append(out, avscfile.SearchPath{Path: p, Pos: avsc.Pos{File: c.name(), Line: i.line, Col: i.column}})
	}
	return out
}

// external finds the Go packages of imported sources. If a source has no such
// package, this run generates the package.
func (g *generator) external(loader avscfile.Loader, sources []codegen.Source) (map[string]codegen.External, error) {
	out := map[string]codegen.External{}
	scanned := map[string]map[string]codegen.External{}
	for i := range sources {
		s := &sources[i]
		if !s.Imported {
			continue
		}
		root, modulePath, file := g.base, g.module, g.sourceName(s.Name)
		if strings.HasPrefix(s.Name, avscfile.ModulePrefix) {
			m, rel, err := loader.Modules.Find(s.Name)
			if err != nil {
				return nil, err
			}
			root, modulePath, file = m.Dir, m.Path, rel
		}
		if scanned[root] == nil {
			packages, err := generatedIn(root, modulePath)
			if err != nil {
				return nil, err
			}
			scanned[root] = packages
		}
		ext, ok := scanned[root][file]
		if !ok || g.importPath != "" && (ext.Path == g.importPath || strings.HasPrefix(ext.Path, g.importPath+"/")) {
			s.Imported = false
			continue
		}
		out[s.Name] = ext
	}
	return out, nil
}

// generatedIn finds the generated files of a module, by their source.
func generatedIn(root, modulePath string) (map[string]codegen.External, error) {
	out := map[string]codegen.External{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && otherCode(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".avro.go") {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		source, ok := sourceOf(content)
		if !ok {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		content = withLF(content)
		ext := out[source]
		ext.Path = path.Join(modulePath, filepath.ToSlash(rel))
		ext.Name = strings.TrimSpace(strings.TrimPrefix(string(packageClause(content)), "package "))
		if ext.Types == nil {
			ext.Types = map[string]codegen.ExternalType{}
		}
		for avroName, t := range typesIn(content) {
			ext.Types[avroName] = t
		}
		out[source] = ext
		return nil
	})
	return out, err
}

// otherCode reports whether the Go code in a folder is not part of the module
// around the folder.
func otherCode(dir string) bool {
	base := filepath.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// These expressions match lines of generated code.
var (
	avroNameMethod = regexp.MustCompile(`(?m)^func \(\*(\S+)\) AvroName\(\) string (?:\{ return "(\S+)" \}|\{\n\treturn "(\S+)")`)
	meaningConst   = regexp.MustCompile(`(?m)^(?:const |\t)((\S+)Meaning_*) += 0x[0-9a-f]+$`)
	typeComment    = regexp.MustCompile(`(?m)^// (\S+) is the Avro (?:enum|fixed type)\s(?:// )?(\S+)\.$`)
)

// typesIn returns the types of a generated file by their full Avro names.
func typesIn(content []byte) map[string]codegen.ExternalType {
	out := map[string]codegen.ExternalType{}
	meanings := map[string]string{}
	for _, m := range meaningConst.FindAllSubmatch(content, -1) {
		meanings[string(m[2])] = string(m[1])
	}
	add := func(goName, avroName []byte) {
		out[string(avroName)] = codegen.ExternalType{
			GoName:  string(goName),
			Equal:   bytes.Contains(content, []byte("\nfunc (v *"+string(goName)+") Equal(")),
			Clone:   bytes.Contains(content, []byte("\nfunc (v *"+string(goName)+") Clone(")),
			Meaning: meanings[string(goName)],
		}
	}
	for _, m := range typeComment.FindAllSubmatch(content, -1) {
		add(m[1], m[2])
	}
	for _, m := range avroNameMethod.FindAllSubmatch(content, -1) {
		add(m[1], append(m[2], m[3]...))
	}
	return out
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avscfile"
)

// generateConfig is the part "generate" of avrogen.yaml.
type generateConfig struct {
	Output  string            `yaml:"output"`  // folder, as -o; default: the folder of avrogen.yaml
	Package string            `yaml:"package"` // as --package
	Map     map[string]string `yaml:"map"`     // namespace: import path, as --map

	Types     map[string]ownTypeConfig `yaml:"types"`     // own Go types by logical type or full name
	Tags      tagsConfig               `yaml:"tags"`      // struct tags besides avro and json
	Optionals optionalsConfig          `yaml:"optionals"` // pointer or opt
	OmitEmpty bool                     `yaml:"omitempty"` // leaves null fields out of JSON
}

// generator is one run of generate.
type generator struct {
	*app
	output      string // folder
	packageName string
	namespaces  map[string]string // namespace to import path
	check       bool

	base       string // absolute folder, to which sources are shown relative
	module     string // path of the module, or ""
	importPath string // of the output folder, or "" outside a module
}

func newGenerateCommand(a *app) *cobra.Command {
	g := &generator{app: a}
	var mapFlags []string
	cmd := &cobra.Command{
		Use:   "generate [-o DIR] [--package NAME] [--map NS=PATH]... PATH...",
		Short: "Generate Go types from schemas",
		Long: `Generate Go types from schemas: one file NAME.avro.go for each schema file.

With --package, all types are in one package in the output folder. Without it,
each namespace has a separate package. The package's folder is in the output
folder and has the name of the last segment of the namespace. Types without a
namespace are in the output folder. Packages import each other by the module
path in the nearest go.mod.

--map sets the import path of a namespace. If the path is in the output folder,
the package is generated there. Two namespaces with the same path share one
package. Any other path belongs to an existing package, which generated code
imports.

Only changed files are written. A file of an earlier run is removed if its
schema no longer exists, or if its types are now in another file.

In Go code:  //go:generate go tool avrogen generate -o . ../schemas/...`,
		Example: `  avrogen generate -o internal/events --package events schemas/...
  avrogen generate -o gen --map acme.common=example.com/common order.avsc
  avrogen generate --check          with an avrogen.yaml, in CI`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.loadConfig(args)
			if err != nil {
				return err
			}
			if args, err = cfg.paths(args); err != nil {
				return err
			}
			if err := g.settings(cmd, cfg, mapFlags); err != nil {
				return err
			}
			return g.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&g.output, "output", "o", ".", "write to folder `DIR`")
	flags.StringVar(&g.packageName, "package", "", "put all types into one package called `NAME`")
	flags.StringArrayVar(&mapFlags, "map", nil, "import path of a namespace: `NAMESPACE=IMPORTPATH`")
	flags.BoolVar(&g.check, "check", false, "write nothing, and show the changes; status 1 if there are any")
	return cmd
}

// settings applies the flags. For flags that are not set, it applies the
// configuration.
func (g *generator) settings(cmd *cobra.Command, cfg *config, mapFlags []string) error {
	if !cmd.Flags().Changed("output") && cfg.dir != "" {
		g.output = cfg.path(cfg.Generate.Output)
	}
	source := "--package"
	if !cmd.Flags().Changed("package") {
		g.packageName, source = cfg.Generate.Package, cfg.name()+": generate: package"
	}
	if g.packageName != "" && (!token.IsIdentifier(g.packageName) || g.packageName == "_") {
		return usagef("%s %q is not a Go package name: choose another name", source, g.packageName)
	}
	if g.packageName == ignoredPackage {
		return usagef("%s %q is a name whose files the Go tool ignores: choose another name", source, g.packageName)
	}
	g.namespaces = maps.Clone(cfg.Generate.Map)
	if g.namespaces == nil {
		g.namespaces = map[string]string{}
	}
	for _, m := range mapFlags {
		namespace, importPath, ok := strings.Cut(m, "=")
		if !ok || importPath == "" {
			return usagef("--map %s: write NAMESPACE=IMPORTPATH; an empty NAMESPACE means types without a namespace", m)
		}
		g.namespaces[namespace] = importPath
	}
	return nil
}

func (g *generator) run(ctx context.Context, paths []string) error {
	loader := g.loader(g.config)
	sources, err := loader.Sources(paths...)
	if err != nil {
		return err
	}
	if info, err := os.Stat(g.output); err == nil && !info.IsDir() {
		return usagef("-o %s is a file: it must be a folder", g.output)
	}
	module, modulePath, importPath, err := goModule(g.output)
	if err != nil {
		return err
	}
	g.importPath, g.module = importPath, modulePath
	if g.base = module; module == "" {
		if g.base, err = filepath.Abs(g.output); err != nil {
			return err
		}
	}
	external, err := g.external(loader, sources)
	if err != nil {
		return err
	}
	stop := g.startProgress("generating")
	files, err := codegen.Generate(sources, codegen.Options{
		Package:     g.packageName,
		RootPackage: rootPackage(g.output),
		ImportPath:  importPath,
		Map:         g.namespaces,
		External:    external,
		Types:       g.config.ownTypes(),
		Import:      g.importer(ctx),
		Imports:     g.importsOf(ctx),
		Optionals:   codegen.Optionals(g.config.Generate.Optionals),
		Tags:        g.config.Generate.Tags,
		OmitNull:    g.config.Generate.OmitEmpty,
		SourceName:  g.sourceName,
	})
	stop()
	if err != nil {
		return err
	}
	stale, err := g.stale(sources, files)
	if err != nil {
		return err
	}
	if g.check {
		return g.reportChanges(files, stale)
	}
	return g.write(ctx, files, stale)
}

// sourceName returns the name of a source relative to the module, so that the
// generated file does not depend on the current folder.
func (g *generator) sourceName(name string) string {
	if strings.HasPrefix(name, avscfile.ModulePrefix) {
		return name
	}
	abs, err := filepath.Abs(filepath.FromSlash(name))
	if err != nil {
		return path.Base(name)
	}
	rel, err := filepath.Rel(g.base, abs)
	if err != nil {
		return path.Base(name) // on another volume
	}
	return filepath.ToSlash(rel)
}

const (
	generatedHeader = "// Code generated by avrogen. DO NOT EDIT.\n"
	sourcePrefix    = "// Source: "
)

// sourceOf returns the source that a generated file names. ok is true if
// avrogen has generated the file.
func sourceOf(content []byte) (source string, ok bool) {
	rest, ok := bytes.CutPrefix(withLF(content), []byte(generatedHeader))
	if !ok {
		return "", false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	source, ok = strings.CutPrefix(string(line), sourcePrefix)
	return source, ok
}

// stale lists old files in the output folder and in its packages. An earlier
// run wrote these files, and this run does not. There are two cases. Either the
// source of the file does not exist any more, or this run read the source and
// the source makes other files now. If this run did not read the source, the
// file belongs to another run.
func (g *generator) stale(sources []codegen.Source, files []codegen.File) ([]string, error) {
	written, read := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		written[f.Path] = true
	}
	for _, s := range sources {
		read[g.sourceName(s.Name)] = true
	}
	var stale []string
	for _, dir := range g.folders(files) {
		names, err := fs.Glob(os.DirFS(g.output), path.Join(dir, "*.avro.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if written[name] {
				continue
			}
			content, err := os.ReadFile(g.file(name))
			if err != nil {
				return nil, err
			}
			source, ok := sourceOf(content)
			if !ok {
				continue
			}
			_, err = os.Stat(filepath.Join(g.base, filepath.FromSlash(source)))
			gone := errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(source, avscfile.ModulePrefix)
			if read[source] || gone {
				stale = append(stale, name)
			}
		}
	}
	return stale, nil
}

// folders returns the output folder, the folders of files, and the folders of
// mapped namespaces. Without --package, each folder in the output folder may be
// the package of an earlier namespace, so folders returns these folders too.
func (g *generator) folders(files []codegen.File) []string {
	folders := []string{"."}
	if g.packageName == "" {
		entries, _ := os.ReadDir(g.output) // the folder may not exist yet
		for _, e := range entries {
			if e.IsDir() && !otherCode(filepath.Join(g.output, e.Name())) {
				folders = append(folders, e.Name())
			}
		}
	}
	for _, f := range files {
		folders = append(folders, path.Dir(f.Path))
	}
	for _, importPath := range g.namespaces {
		if dir, ok := strings.CutPrefix(importPath, g.importPath+"/"); ok && g.importPath != "" {
			folders = append(folders, dir)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// file returns the path of a generated file for the current folder.
func (g *generator) file(name string) string {
	return filepath.Join(g.output, filepath.FromSlash(name))
}

// write writes the changed files and removes the stale files. If a file of
// another author has one of the names, write changes nothing.
func (g *generator) write(ctx context.Context, files []codegen.File, stale []string) error {
	var foreign []error
	var out []output
	for _, f := range files {
		old, err := os.ReadFile(g.file(f.Path))
		if _, ours := sourceOf(old); err == nil && !ours {
			foreign = append(foreign, fmt.Errorf("%s already exists, and avrogen did not write it: move the file, or choose another folder with -o", g.file(f.Path)))
		}
		if err != nil || !sameLines(old, f.Content) {
			out = append(out, output{g.file(f.Path), f.Content})
		}
	}
	if err := errors.Join(foreign...); err != nil {
		return err
	}
	return g.staging.write(ctx, out, func() error { return g.remove(stale) })
}

// remove removes files, and then the folders that are empty.
func (g *generator) remove(stale []string) error {
	for _, name := range stale {
		if err := os.Remove(g.file(name)); err != nil {
			return err
		}
		if dir := path.Dir(name); dir != "." {
			_ = os.Remove(g.file(dir)) // fails if the folder is not empty
		}
	}
	return nil
}

// ruleStale is the rule of generated code that differs from the schemas.
const ruleStale = "STALE"

// reportChanges prints the changes that write would make. The output is a
// unified diff or findings.
func (g *generator) reportChanges(files []codegen.File, stale []string) error {
	var findings []finding
	var text bytes.Buffer
	note := func(name, message string, old, new []byte) {
		name = filepath.ToSlash(g.file(name))
		text.Write(diff.Diff(name, withLF(old), name, new))
		findings = append(findings, finding{File: name, Rule: ruleStale, Message: message + ": run avrogen generate"})
	}
	for _, f := range files {
		old, err := os.ReadFile(g.file(f.Path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			note(f.Path, "generated code is missing", nil, f.Content)
		case err != nil:
			return err
		case !sameLines(old, f.Content):
			note(f.Path, "generated code is not what the schema says", old, f.Content)
		}
	}
	for _, name := range stale {
		old, err := os.ReadFile(g.file(name))
		if err != nil {
			return err
		}
		note(name, "generated code without its schema", old, nil)
	}
	if g.format.isText() && len(findings) > 0 {
		if err := g.writeContent(text.Bytes()); err != nil {
			return err
		}
		return errReported
	}
	return g.report(findings)
}

// goModule finds the go.mod in dir or in a folder above. The folder dir need
// not exist yet. The results are the absolute folder of the module, its path
// and the import path of dir. They are "" without a go.mod.
func goModule(dir string) (root, module, importPath string, err error) {
	file, err := findAbove(dir, "go.mod")
	if err != nil || file == "" {
		return "", "", "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "", "", err
	}
	module = modulePath(string(text))
	if module == "" {
		return "", "", "", fmt.Errorf("%s has no module line", file)
	}
	if root, err = filepath.Abs(filepath.Dir(file)); err != nil {
		return "", "", "", err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", "", "", err
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil {
		return "", "", "", err
	}
	return root, module, path.Join(module, filepath.ToSlash(rel)), nil
}

// modulePath returns the path of the module in a go.mod. The path is in a line
// "module PATH", or in a block of parentheses.
func modulePath(goMod string) string {
	inBlock := false
	for line := range strings.Lines(goMod) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(strings.ReplaceAll(line, "(", " ( "))
		switch {
		case len(words) == 2 && words[0] == "module" && words[1] == "(":
			inBlock = true
		case len(words) == 2 && words[0] == "module":
			return strings.Trim(words[1], "\"`")
		case len(words) == 1 && inBlock:
			return strings.Trim(words[0], "\"`")
		}
	}
	return ""
}

// ignoredPackage is a package name. The Go tool ignores the files with this
// name.
const ignoredPackage = "documentation"

// rootPackage returns the name of the package in the output folder. If the
// folder has Go files that avrogen did not generate, their package name is the
// result. Otherwise the name comes from the folder's name.
func rootPackage(dir string) string {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		names = nil
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".avro.go") || !compiles(name) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly)
		if err == nil && f.Name.Name != ignoredPackage {
			return f.Name.Name
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return codegen.PackageName(filepath.Base(abs))
}

// compiles reports whether the name and the build constraints of a Go file
// allow the file on a usual platform. The result is the same on every platform.
func compiles(name string) bool {
	context := build.Default
	context.GOARCH, context.CgoEnabled, context.BuildTags = "amd64", true, nil
	return slices.ContainsFunc([]string{"linux", "darwin", "windows"}, func(system string) bool {
		context.GOOS = system
		match, err := context.MatchFile(filepath.Dir(name), filepath.Base(name))
		return err == nil && match
	})
}

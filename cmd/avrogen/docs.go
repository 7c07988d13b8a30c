package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/catalog"
	"github.com/avroline/avroline/internal/check"
)

// docsConfig is the part "docs" of avrogen.yaml.
type docsConfig struct {
	Output   string              `yaml:"output"`   // folder, as -o
	Title    string              `yaml:"title"`    // as --title
	Format   string              `yaml:"format"`   // html or markdown, as --format
	Versions string              `yaml:"versions"` // as --versions
	Topics   map[string][]string `yaml:"topics"`   // topic: full names of the types in its values
}

// docs is one run of docs.
type docs struct {
	*app
	output   string
	title    string
	form     docsForm
	versions string
	registry string
	check    bool
}

func newDocsCommand(a *app) *cobra.Command {
	d := &docs{app: a}
	d.form.findings = &a.format
	cmd := &cobra.Command{
		Use:   "docs -o DIR [--format html|markdown] [--versions FROM] PATH...",
		Short: "Make a catalog of the schemas: a site or Markdown pages",
		Long: `Make a catalog of the schemas in a folder. The catalog is a static site that
needs no server and no network, or Markdown pages. Each type has a page with its
fields, docs, defaults and logical types, a diagram of its references, and its
versions. For each version, the page shows the changes and the sides that break.
The site has a search.

The catalog also contains asyncapi.yaml, an AsyncAPI document with Kafka's
binding. The topics come from "subjects" in avrogen.yaml and from "topics" under
"docs". For example, the subjects orders-value, orders-key and orders-shop.Order
belong to the topic orders.

The versions come FROM

  git           the commits of HEAD that change a schema
  tags:PATTERN  the tags on the way to HEAD, such as tags:v*
  registry      the versions of the subjects in the schema registry
  none          no versions

The default is git, and none outside of a git repository. If the pages are
committed and compared with --check, use tags:PATTERN or none. With git, each
commit of a schema adds a version, so the pages would always change.

Only changed files are written. Files of an earlier run that are no longer
needed are removed. DIR/` + docsManifest + ` lists the files of the last run.

` + registryHelp,
		Example: `  avrogen docs -o site schemas/...
  avrogen docs -o docs/events --format markdown --versions tags:v* schemas/...
  avrogen docs --check              with an avrogen.yaml, in CI`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.loadConfig(args)
			if err != nil {
				return err
			}
			if args, err = cfg.paths(args); err != nil {
				return err
			}
			if err := d.settings(cmd, cfg); err != nil {
				return err
			}
			if err := a.checkSubjects(cfg, args); err != nil {
				return err
			}
			return d.run(cmd.Context(), cfg, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&d.output, "output", "o", "", "write to folder `DIR`")
	flags.StringVar(&d.title, "title", "", "`TITLE` of the catalog (default \"Schemas\")")
	flags.Var(&d.form, "format", "html or markdown; for findings: text, json or github")
	flags.StringVar(&d.versions, "versions", "", "source of the versions, `FROM`: git, tags:PATTERN, registry or none")
	flags.BoolVar(&d.check, "check", false, "write nothing, and list the files that would change; status 1 if there are any")
	a.addRegistryFlag(cmd, &d.registry)
	return cmd
}

// settings applies the configuration where no flag is set.
func (d *docs) settings(cmd *cobra.Command, cfg *config) error {
	if d.output == "" && cfg.Docs.Output != "" {
		d.output = cfg.path(cfg.Docs.Output)
	}
	if d.output == "" {
		return usagef("no output folder: give one with -o DIR")
	}
	d.title = cmp.Or(d.title, cfg.Docs.Title)
	if d.form.form == "" && cfg.Docs.Format != "" {
		if cfg.Docs.Format != "html" && cfg.Docs.Format != "markdown" {
			return usagef("%s: docs: format: %q is neither html nor markdown", cfg.name(), cfg.Docs.Format)
		}
		d.form.form = cfg.Docs.Format
	}
	d.versions = cmp.Or(d.versions, cfg.Docs.Versions)
	switch _, isTags := strings.CutPrefix(d.versions, "tags:"); {
	case slices.Contains([]string{"", "git", "registry", "none"}, d.versions):
	case isTags && d.versions != "tags:":
	default:
		return usagef("--versions %s: give git, tags:PATTERN, registry or none", d.versions)
	}
	return nil
}

func (d *docs) run(ctx context.Context, cfg *config, paths []string) error {
	if info, err := os.Stat(d.output); err == nil && !info.IsDir() {
		return usagef("-o %s is a file: it must be a folder", d.output)
	}
	set, err := d.loader(cfg).Load(paths...)
	if err != nil {
		return err
	}
	opts := catalog.Options{Title: d.title, Subjects: cfg.namedSubjects(set), SourceName: d.sourceName}
	if opts.Topics, err = cfg.topics(set); err != nil {
		return err
	}
	stop := d.startProgress("reading the versions")
	err = d.history(ctx, cfg, set, paths, &opts)
	stop()
	if err != nil {
		return err
	}
	files, err := d.files(catalog.New(set, opts))
	if err != nil {
		return err
	}
	old, err := d.manifest()
	if err != nil {
		return err
	}
	if d.check {
		return d.reportStale(files, old)
	}
	return d.write(ctx, files, old)
}

// files returns all files of the catalog, with the list of their names last.
func (d *docs) files(c *catalog.Catalog) ([]catalog.File, error) {
	var files []catalog.File
	if d.form.form == "markdown" {
		files = c.Markdown()
	} else {
		var err error
		if files, err = c.HTML(); err != nil {
			return nil, err
		}
	}
	api, err := c.AsyncAPI()
	if err != nil {
		return nil, err
	}
	files = append(files, api)
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	slices.Sort(names)
	return append(files, catalog.File{
		Path: docsManifest, Content: []byte(docsManifestHeader + strings.Join(names, "\n") + "\n"),
	}), nil
}

// sourceName shows a source relative to the folder of avrogen.yaml, or to the
// current folder. So the pages do not depend on the place of the checkout.
func (d *docs) sourceName(name string) string {
	abs, err := filepath.Abs(filepath.FromSlash(name))
	if err != nil {
		return path.Base(name)
	}
	base, err := filepath.Abs(d.config.dir) // the current folder without a file
	if err != nil {
		return path.Base(name)
	}
	rel, err := filepath.Rel(base, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path.Base(name)
	}
	return filepath.ToSlash(rel)
}

// namedSubjects returns the subjects that the configuration names, by schema.
func (c *config) namedSubjects(set *avsc.Set) map[*avsc.Schema][]string {
	of := map[*avsc.Schema][]string{}
	for _, f := range set.Files {
		if subject := c.subjectOfFile(f.Name); subject != "" && f.Root != nil {
			s := f.Root
			if len(f.Schemas) > 1 {
				continue // subjects of a list of definitions have no page
			}
			of[s] = append(of[s], subject)
		}
		for _, top := range f.Schemas {
			top.Walk(func(s *avsc.Schema) {
				if subject := c.Subjects[s.Name]; s.Name != "" && subject != "" && !slices.Contains(of[s], subject) {
					of[s] = append(of[s], subject)
				}
			})
		}
	}
	return of
}

// topics returns the topics of the configuration. A topic with an unknown type
// is an error.
func (c *config) topics(set *avsc.Set) (map[string][]string, error) {
	var known []string
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			known = append(known, s.Name)
		}
	}
	for topic, types := range c.Docs.Topics {
		for _, name := range types {
			if set.Type(name) == nil {
				return nil, usagef("%s: docs: topics: %s: no type %q: %s", c.name(), topic, name, suggest(name, known))
			}
		}
	}
	return c.Docs.Topics, nil
}

// history reads the versions from the place that the settings name.
func (d *docs) history(ctx context.Context, cfg *config, set *avsc.Set, paths []string, opts *catalog.Options) error {
	var h *check.History
	var err error
	tags, isTags := strings.CutPrefix(d.versions, "tags:")
	if !isTags {
		tags = ""
	}
	switch {
	case d.versions == "none":
		return nil
	case d.versions == "registry":
		if h, err = d.registryHistory(ctx, cfg, set, opts); err != nil {
			return err
		}
	default:
		h, err = check.GitHistory(ctx, check.Options{Loader: d.loader(cfg)}, tags, set, paths...)
		if err != nil && d.versions == "" && ctx.Err() == nil {
			if errors.Is(err, check.ErrShallow) {
				d.complain("avrogen: without versions: %v\n", err)
			}
			return nil // outside of a repository, or without a commit
		}
		if err != nil && isTags && errors.Is(err, check.ErrNoCommits) {
			return usagef("--versions %s: %v", d.versions, err)
		}
		if err != nil {
			return fmt.Errorf("--versions %s: %w", d.versions, err)
		}
	}
	for _, s := range h.Skipped {
		d.complain("avrogen: versions: %s\n", s)
	}
	opts.History = h.Editions
	return nil
}

func (d *docs) registryHistory(ctx context.Context, cfg *config, set *avsc.Set, opts *catalog.Options) (h *check.History, err error) {
	client, err := d.openNeededRegistry(d.registry, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	h, subjects, err := check.RegistryHistory(ctx, client, cfg.subjectsOf(), set)
	if err != nil {
		return nil, err
	}
	for s, names := range subjects {
		for _, name := range names {
			if !slices.Contains(opts.Subjects[s], name) {
				opts.Subjects[s] = append(opts.Subjects[s], name)
			}
		}
	}
	return h, nil
}

// docsManifest lists the files of the last run. The next run removes files that
// are no longer needed.
const (
	docsManifest       = ".avrogen-docs"
	docsManifestHeader = "# Files of avrogen docs. Do not edit.\n"
)

// manifest returns the files of the last run. Names outside of the folder, and
// names with an ending that the catalog does not use, are ignored.
func (d *docs) manifest() (map[string]bool, error) {
	old := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(d.output, docsManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return old, nil
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(withLF(text), []byte(docsManifestHeader)) {
		return old, nil
	}
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSpace(line)
		local := filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name
		if local && slices.Contains([]string{".html", ".md", ".svg", ".css", ".js", ".yaml"}, path.Ext(name)) {
			old[name] = true
		}
	}
	return old, nil
}

func (d *docs) file(name string) string { return filepath.Join(d.output, filepath.FromSlash(name)) }

// write writes the changed files. It removes files of the last run that are no
// longer needed. If a file of another author has one of the names, write
// changes nothing.
func (d *docs) write(ctx context.Context, files []catalog.File, old map[string]bool) error {
	var out []output
	var foreign []error
	for _, f := range files {
		content, err := os.ReadFile(d.file(f.Path))
		if err == nil && sameLines(content, f.Content) {
			continue
		}
		if err == nil && f.Path != docsManifest && !old[f.Path] {
			foreign = append(foreign, fmt.Errorf("%s already exists, and avrogen did not write it: move the file, or choose another folder with -o", d.file(f.Path)))
		}
		out = append(out, output{d.file(f.Path), f.Content})
	}
	if err := errors.Join(foreign...); err != nil {
		return err
	}
	stale := staleDocs(files, old)
	return d.staging.write(ctx, out, func() error {
		for _, name := range stale {
			if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		_ = os.Remove(d.file("types")) // fails if the folder is not empty
		return nil
	})
}

// staleDocs returns the files of the last run that are no longer made.
func staleDocs(files []catalog.File, old map[string]bool) []string {
	var stale []string
	made := map[string]bool{}
	for _, f := range files {
		made[f.Path] = true
	}
	for name := range old {
		if !made[name] {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale
}

// reportStale reports the files that write would change.
func (d *docs) reportStale(files []catalog.File, old map[string]bool) error {
	var findings []finding
	note := func(name, message string) {
		findings = append(findings, finding{
			File: filepath.ToSlash(d.file(name)), Rule: ruleStale, Message: message + ": run avrogen docs",
		})
	}
	for _, f := range files {
		content, err := os.ReadFile(d.file(f.Path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			note(f.Path, "the page is missing")
		case err != nil:
			return err
		case !sameLines(content, f.Content):
			note(f.Path, "the page is not what the schemas say")
		}
	}
	for _, name := range staleDocs(files, old) {
		if _, err := os.Stat(d.file(name)); err == nil {
			note(name, "a page without its type")
		}
	}
	return d.report(findings)
}

// docsForm is the flag --format of docs. It sets the form of the catalog, or
// the form of the findings as in other commands.
type docsForm struct {
	form     string
	findings *format
}

func (f *docsForm) String() string { return cmp.Or(f.form, "html") }
func (f *docsForm) Type() string   { return "FORM" }

func (f *docsForm) Set(s string) error {
	if s == "html" || s == "markdown" {
		f.form = s
		return nil
	}
	if f.findings.Set(s) != nil {
		return fmt.Errorf("%q is none of html, markdown, text, json, github", s)
	}
	return nil
}

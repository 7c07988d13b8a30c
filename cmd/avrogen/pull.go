package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfmt"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/registry"
)

// puller is one run of pull.
type puller struct {
	*app
	url, output string
	client      *registry.Client

	sources   []avsc.Source
	contracts []output                // files with metadata and rules
	origin    map[string]pulled       // by file name
	asked     map[subjectVersion]bool // the versions that pull has asked for
}

// subjectVersion is a version of a subject. Version 0 is the latest version.
type subjectVersion struct {
	subject string
	version int
}

// pulled is one version of a subject and its file.
type pulled struct {
	File    string `json:"file"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
}

func (p pulled) String() string { return fmt.Sprintf("%s: %s@%d", p.File, p.Subject, p.Version) }

func newPullCommand(a *app) *cobra.Command {
	p := &puller{app: a}
	cmd := &cobra.Command{
		Use:   "pull [-o DIR] SUBJECT[@VERSION]...",
		Short: "Write a registry's schemas to files",
		Long: `Write the schemas of subjects into .avsc files in the output folder, with all
schemas that they refer to. Without @VERSION, pull takes the latest version.
Each schema has a file. The file has the full name of the type, or the name of
the subject if the type has no name. avrogen generate accepts the folder. The
metadata and rules of a schema are in a second file, NAME.rules.yaml, which
avrogen register reads.

If the schemas do not fit together, pull writes nothing. It replaces the files
of earlier runs, and does not change other files. If a schema has no metadata
and no rules, but has a file NAME.rules.yaml, pull writes nothing.

` + registryHelp,
		Example: `  avrogen pull -o schemas orders-value payments-value@3
  avrogen generate -o internal/events --package events schemas`,
		Args: usageArgs(cobra.MinimumNArgs(1), "the names of subjects"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			cfg, err := a.loadConfig(nil)
			if err != nil {
				return err
			}
			if p.client, err = a.openNeededRegistry(p.url, cfg); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.client.Close()) }()
			defer a.startProgress("pulling")()
			return p.run(cmd.Context(), args)
		},
	}
	a.addRegistryFlag(cmd, &p.url)
	cmd.Flags().StringVarP(&p.output, "output", "o", ".", "write to folder `DIR`")
	return cmd
}

func (p *puller) run(ctx context.Context, args []string) error {
	p.origin, p.asked = map[string]pulled{}, map[subjectVersion]bool{}
	for _, arg := range args {
		subject, version, err := splitSubject(arg)
		if err != nil {
			return err
		}
		if err := p.pull(ctx, subject, version); err != nil {
			return err
		}
	}
	if _, err := avsc.ParseSet(p.sources...); err != nil {
		return err // the places refer to the files that pull would write
	}
	if err := p.differOnlyInCase(); err != nil {
		return err
	}
	files := make([]output, len(p.sources), 2*len(p.sources))
	for i, s := range p.sources {
		files[i] = output{s.Name, s.Text}
	}
	files = append(files, p.contracts...)
	if err := p.staging.write(ctx, files, nil); err != nil {
		return err
	}
	for _, s := range p.sources {
		o := p.origin[s.Name]
		if err := p.print(o, o); err != nil {
			return err
		}
	}
	return nil
}

// differOnlyInCase returns an error if two file names differ only in case. It
// compares the new files with each other and with existing files. On some
// systems, names that differ only in case are the same file.
func (p *puller) differOnlyInCase() error {
	names := map[string]string{}       // by the name in lower case
	entries, _ := os.ReadDir(p.output) // the folder may not exist yet
	for _, e := range entries {
		names[strings.ToLower(e.Name())] = e.Name()
	}
	for _, s := range p.sources {
		name := path.Base(s.Name)
		key := strings.ToLower(name)
		if other, ok := names[key]; ok && other != name {
			return fmt.Errorf("%s and %s differ only in capitals, and some systems treat them as one file: pull them into separate folders", other, name)
		}
		names[key] = name
	}
	return nil
}

// splitSubject reads SUBJECT[@VERSION]. Version 0 is the latest version. A
// subject may contain an @. Only a number after the last @ is a version.
func splitSubject(arg string) (subject string, version int, err error) {
	i := strings.LastIndexByte(arg, '@')
	if i < 0 || arg[i+1:] == "latest" {
		return strings.TrimSuffix(arg, "@latest"), 0, nil
	}
	version, err = strconv.Atoi(arg[i+1:])
	if err != nil || version < 1 {
		return "", 0, usagef("%s: after @ must follow a version number or latest: if the @ is in the name of the subject, write %s@latest", arg, arg)
	}
	return arg[:i], version, nil
}

// pull fetches the references of one version and then the version. Each version
// is fetched once, even if many other versions refer to it.
func (p *puller) pull(ctx context.Context, subject string, version int) error {
	if p.asked[subjectVersion{subject, version}] {
		return nil
	}
	p.asked[subjectVersion{subject, version}] = true
	var v registry.Version
	var err error
	if version == 0 {
		v, err = p.client.Latest(ctx, subject)
	} else {
		v, err = p.client.Version(ctx, subject, version)
	}
	if err != nil {
		return p.known(ctx, subject, err)
	}
	p.asked[subjectVersion{subject, v.Version}] = true
	// The recursion ends, because the client has already resolved the
	// references.
	for _, ref := range v.References {
		if err := p.pull(ctx, ref.Subject, ref.Version); err != nil {
			return err
		}
	}
	return p.add(v)
}

// known adds the list of existing subjects or versions to an error about a
// missing subject or version. An error that is not the registry's answer, such
// as a subject of another context, says enough.
func (p *puller) known(ctx context.Context, subject string, err error) error {
	var answer *registry.Error
	switch {
	case !errors.As(err, &answer):
	case errors.Is(err, registry.ErrSubjectNotFound):
		if subjects, e := p.client.Subjects(ctx); e == nil {
			return fmt.Errorf("no subject %s has a version in the registry: %s", subject, suggest(subject, subjects))
		}
	case errors.Is(err, registry.ErrVersionNotFound):
		if versions, e := p.client.Versions(ctx, subject); e == nil {
			return fmt.Errorf("%w: %s has the versions %s", err, subject, strings.Trim(fmt.Sprint(versions), "[]"))
		}
	}
	return err
}

// add adds a version to its file.
func (p *puller) add(v registry.Version) error {
	root, err := avsc.Parse(v.Subject, []byte(v.Schema))
	if err != nil {
		return err
	}
	name := filepath.ToSlash(filepath.Join(p.output, fileName(root.Name, v.Subject)))
	mine := pulled{File: name, Subject: v.Subject, Version: v.Version, ID: v.ID}
	text, err := avscfmt.Format(name, []byte(v.Registered))
	if err != nil {
		return err
	}
	if other, ok := p.origin[name]; ok {
		if other == mine || other.ID == mine.ID || sameText(p.sources, name, text) {
			return nil
		}
		return fmt.Errorf("%s@%d and %s@%d define %s differently: pull them into separate folders",
			other.Subject, other.Version, mine.Subject, mine.Version, root.Name)
	}
	p.origin[name] = mine
	p.sources = append(p.sources, avsc.Source{Name: name, Text: text})
	contract, err := contractfile.Contract{Metadata: v.Metadata, RuleSet: v.RuleSet}.Text()
	if err != nil {
		return err
	}
	file := contractfile.Name(name)
	if contract != nil {
		p.contracts = append(p.contracts, output{file, contract})
	} else if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s exists, and %s@%d has no metadata and no rules: remove the file, because register would write its rules", filepath.ToSlash(file), v.Subject, v.Version)
	}
	return nil
}

func sameText(sources []avsc.Source, name string, text []byte) bool {
	for _, s := range sources {
		if s.Name == name {
			return string(s.Text) == string(text)
		}
	}
	return false
}

// fileName returns the file name of a type. If the type has no name, the file
// name comes from the subject. Every system accepts the file name.
func fileName(fullName, subject string) string {
	if fullName == "" {
		fullName = strings.TrimRight(strings.TrimLeft(subject, "."), ". ")
	}
	fullName = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r == utf8.RuneError || steers(r) || unicode.IsSpace(r) && r != ' ' || r == '\n' || r == '\t' {
			return '_'
		}
		return r
	}, fullName)
	return cmp.Or(fullName, "_") + ".avsc"
}

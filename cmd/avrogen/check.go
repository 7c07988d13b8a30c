package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// checkConfig is the part "check" of avrogen.yaml. It sets the behaviour of
// check without arguments.
type checkConfig struct {
	Against string    `yaml:"against"` // as --against; a folder is relative to the file
	Level   levelFlag `yaml:"level"`   // as --level
	Paths   []string  `yaml:"paths"`   // PATHs; default: the schemas

	Renames map[string]string `yaml:"renames"` // old name: new name, as --map
}

// addRenamesFlag adds the flag --map to a command that compares schemas.
func addRenamesFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "map", nil, "a namespace or type that was renamed: `OLD=NEW`")
}

// renames returns the renames of avrogen.yaml and of --map. If both rename the
// same name, --map wins.
func (c *config) renames(flags []string) (check.Renames, error) {
	renames := check.Renames{}
	maps.Copy(renames, c.Check.Renames)
	for _, m := range flags {
		old, now, ok := strings.Cut(m, "=")
		if !ok || old == "" || now == "" {
			return nil, usagef("--map %s: write OLD=NEW, two namespaces or the full names of two types", m)
		}
		renames[old] = now
	}
	return renames, nil
}

// unmatched returns an error if an old name of --map is in no earlier schema.
// The renames of avrogen.yaml may be for other versions.
func unmatched(flags []string, matched map[string]bool) error {
	for _, m := range flags {
		if old, _, _ := strings.Cut(m, "="); !matched[old] {
			return usagef("--map %s: no earlier schema has the type %s, or a type in the namespace %s", m, old, old)
		}
	}
	return nil
}

// checker is one run of check.
type checker struct {
	*app
	against  string
	level    levelFlag
	registry string
	mapFlags []string

	exceptions []check.Exception
}

func newCheckCommand(a *app) *cobra.Command {
	c := &checker{app: a}
	cmd := &cobra.Command{
		Use:   "check [--against DIR|git:REF|registry] PATH...\n  avrogen check [--level LEVEL] [--map OLD=NEW]... OLD... NEW",
		Short: "Find changes that would break a reader",
		Long: `Find changes of schemas that would break a reader, before they are deployed. The
findings are the reasons for which a schema registry would refuse the schemas.
Each finding has the registry's text, the place in the file, the side that
breaks, the remedy, and a small value that shows the problem.

With --against, avrogen compares the schemas at PATH with earlier schemas. The
earlier schemas are in a folder, at a git commit, or in the registry. avrogen
finds the earlier schema of a type by its full name or by an alias. At a git
commit, avrogen also finds a file that was moved. avrogen runs the program git.

Without --against, two or more files are versions of one schema, oldest first.
Two or more folders are versions of the same schemas. If a file refers to a type
that it does not define, avrogen searches the folder of the file and the folders
below. With fewer than two PATHs, "check" in avrogen.yaml sets the comparison.
--map names a namespace or a type that was renamed.

LEVEL is BACKWARD (the new schema reads old data), FORWARD (old readers read new
data) or FULL (both). These levels compare with the latest version. Each level
with the suffix _TRANSITIVE compares with every version. NONE allows everything.
The default is the subject's level in the registry, and otherwise BACKWARD. A
removed schema is a finding if old data must stay readable. A changed logical
type, precision, scale or unit is a finding at every level except NONE, because
most readers do not convert such values.

The rules of a schema are compared too. They are in order.rules.yaml beside
order.avsc, or in "contracts" in avrogen.yaml. Findings are a rule that was
removed or weakened, a field that is no longer encrypted, and a new field that
looks personal and has no tag.

"except" in avrogen.yaml accepts intended breaks. Each entry has a rule, a path,
a reason, and optionally until (the last day). Accepted findings are listed on
stderr.

` + registryHelp,
		Example: `  avrogen check                        with an avrogen.yaml
  avrogen check --against git:origin/main schemas/...
  avrogen check --against registry --format github schemas/...
  avrogen check --level FULL order-v1.avsc order-v2.avsc
  avrogen check --map acme.v1=acme.v2 schemas/v1 schemas/v2`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.against == "" && cmd.Flags().Changed("against") {
				return usagef("--against is empty: give a folder, git:REF or registry, or leave the flag out")
			}
			found, err := c.run(cmd.Context(), args)
			if err != nil {
				return contractError(err)
			}
			return a.report(checkFindings(c.except(found)))
		},
	}
	cmd.Flags().StringVar(&c.against, "against", "", "`PLACE` of the earlier schemas: a folder, git:REF or registry")
	cmd.Flags().Var(&c.level, "level", "compatibility level to check (default: the subject's level, or BACKWARD)")
	addRenamesFlag(cmd, &c.mapFlags)
	a.addRegistryFlag(cmd, &c.registry)
	return cmd
}

func (c *checker) run(ctx context.Context, args []string) ([]contract.Finding, error) {
	matched := map[string]bool{}
	found, err := c.compare(ctx, args, matched)
	if err == nil {
		err = unmatched(c.mapFlags, matched)
	}
	return found, err
}

// compare returns the findings, and adds the old names of --map that the
// earlier schemas have to matched.
func (c *checker) compare(ctx context.Context, args []string, matched map[string]bool) ([]contract.Finding, error) {
	cfg, err := c.loadConfig(args)
	if err != nil {
		return nil, err
	}
	if c.exceptions, err = cfg.exceptions(); err != nil {
		return nil, err
	}
	if c.level == 0 {
		c.level = cfg.Check.Level
	}
	renames, err := cfg.renames(c.mapFlags)
	if err != nil {
		return nil, err
	}
	opts := check.Options{Renames: renames, Matched: matched, Loader: c.loader(cfg), Contracts: cfg.contractsIn}
	if c.against == "" && len(args) >= 2 {
		return c.versions(opts, args)
	}
	if c.against == "" {
		if c.against, err = cfg.against(); err != nil {
			return nil, err
		}
	}
	if c.against == "" {
		return nil, usagef("nothing to compare with: give --against, or set \"against\" under \"check\" in %s; or give two versions of a schema or more, oldest first", configName)
	}
	if args, err = cfg.paths(args, cfg.Check.Paths); err != nil {
		return nil, err
	}
	defer c.startProgress("comparing with " + c.against)()
	ref, isGit := strings.CutPrefix(c.against, "git:")
	switch {
	case isGit && ref == "":
		return nil, usagef("--against git: needs a ref, as in git:origin/main")
	case isGit:
		found, err := check.Git(ctx, c.level.or(compat.Backward), opts, ref, args...)
		if errors.Is(err, check.ErrNoCommits) {
			// Every schema is new. A hook must not prevent the first commit.
			c.complain("avrogen: %v\n", err)
			for old := range renames {
				matched[old] = true
			}
			return nil, nil
		}
		return found, err
	case c.against != "registry":
		return check.Dir(c.level.or(compat.Backward), opts, c.against, args...)
	}
	url, err := c.registryURL(c.registry, cfg)
	if err != nil {
		return nil, err
	}
	if url == "" {
		return nil, usagef("--against registry: no registry: give --registry URL, or set %s", envRegistry)
	}
	client, err := c.openRegistry(url, cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // the answers are complete
	if len(c.mapFlags) > 0 {
		return nil, usagef("--map %s: --against registry compares the versions under their own names", c.mapFlags[0])
	}
	if err := c.checkSubjects(cfg, args); err != nil {
		return nil, err
	}
	return check.InRegistry(ctx, compat.Level(c.level), opts, client, cfg.subjectsOf(), args...)
}

// subjectsOf returns a function that maps a subject to its schema. The result
// is nil if avrogen.yaml does not name subjects.
func (c *config) subjectsOf() check.SubjectsOf {
	if len(c.Subjects) == 0 {
		return nil
	}
	return func(set *avsc.Set) map[string]*avsc.Schema {
		of := map[string]*avsc.Schema{}
		for _, f := range set.Files {
			if subject := c.subjectOfFile(f.Name); subject != "" && f.Root != nil {
				of[subject] = f.Root
				continue
			}
			for _, s := range f.Schemas {
				if subject := c.subject(s.Name); subject != "" {
					of[subject] = s
				}
			}
		}
		return of
	}
}

// against returns the place of the earlier schemas according to the
// configuration. The result is "" if the configuration names no place.
func (c *config) against() (string, error) {
	where := c.Check.Against
	if where == "" || where == "registry" || strings.HasPrefix(where, "git:") {
		return where, nil
	}
	where = c.path(where)
	if err := c.exists(where); err != nil {
		return "", fmt.Errorf("%s: check: against: %w", c.name(), err)
	}
	return where, nil
}

// versions compares files, or folders. Each file or folder is a version of the
// same schemas.
func (c *checker) versions(opts check.Options, paths []string) ([]contract.Finding, error) {
	var folders []string
	for _, name := range paths {
		folder := strings.TrimSuffix(name, "/...")
		info, err := os.Stat(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(name, avscfile.ModulePrefix):
			return nil, fmt.Errorf("cannot read schemas: %w", err)
		case err == nil && info.IsDir():
			folders = append(folders, folder)
		}
	}
	level := c.level.or(compat.Backward)
	switch len(folders) {
	case 0:
	case len(paths):
		return check.Folders(level, opts, folders...)
	default:
		return nil, usagef("%s is a folder: to compare files with folders give --against", folders[0])
	}
	sets := make([]*avsc.Set, len(paths))
	for i, name := range paths {
		set, err := c.loader(c.config).LoadWithNeeded(name)
		if err != nil {
			return nil, err
		}
		sets[i] = set
	}
	subject, err := check.Versions(level, opts, sets...)
	if err != nil {
		return nil, &usageError{err}
	}
	return check.Compare([]check.Subject{subject}), nil
}

// exception is one entry of "except" in avrogen.yaml. It accepts an intended
// break.
type exception struct {
	Rule   string `yaml:"rule"`   // such as LOGICAL_TYPE_CHANGED
	Path   string `yaml:"path"`   // such as shop.Order.lines[].price
	Reason string `yaml:"reason"` // the reason for the break
	Until  string `yaml:"until"`  // the last day, YYYY-MM-DD; default: none
}

// exceptions returns the exceptions of avrogen.yaml.
func (c *config) exceptions() ([]check.Exception, error) {
	all := make([]check.Exception, len(c.Except))
	for i, e := range c.Except {
		x := check.Exception{Rule: e.Rule, Path: e.Path, Reason: e.Reason}
		err := x.Valid()
		if err == nil && e.Until != "" {
			if x.Until, err = time.Parse(time.DateOnly, e.Until); err != nil {
				err = fmt.Errorf("until: %q is not a date: write YYYY-MM-DD", e.Until)
			}
		}
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s: except: entry %d: %w", c.name(), i+1, err)}
		}
		all[i] = x
	}
	return all, nil
}

// except removes the findings that avrogen.yaml accepts, and lists the removed
// findings on stderr.
func (c *checker) except(found []contract.Finding) []contract.Finding {
	kept, accepted, unused := check.Except(found, c.exceptions, time.Now())
	for _, a := range accepted {
		c.complain("avrogen: %s: %s\n", a.Finding.Pos, a.Text())
	}
	for _, x := range unused {
		c.complain("avrogen: %s: except: nothing breaks %s at %s: remove the entry\n", c.config.name(), x.Rule, x.Path)
	}
	return kept
}

func checkFindings(found []contract.Finding) []finding {
	findings := make([]finding, len(found))
	for i, f := range found {
		findings[i] = finding{
			File: f.Pos.File, Line: f.Pos.Line, Col: f.Pos.Col, Rule: f.Type, Path: f.Path, Message: check.Text(f),
		}
		if f.Witness != nil {
			findings[i].Witness = f.Witness.JSON
			if f.Type == compat.LogicalTypeChanged {
				findings[i].Witness += " is " + f.Witness.Reason
			}
		}
	}
	return findings
}

// levelFlag is a --level. The zero value means that no level is set.
type levelFlag compat.Level

func (l *levelFlag) Type() string { return "LEVEL" }

func (l *levelFlag) String() string {
	if *l == 0 {
		return ""
	}
	return compat.Level(*l).String()
}

func (l *levelFlag) Set(s string) error {
	level, err := compat.ParseLevel(s)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "compat: "))
	}
	*l = levelFlag(level)
	return nil
}

// UnmarshalYAML reads the level of a configuration.
func (l *levelFlag) UnmarshalYAML(node *yaml.Node) error {
	if err := l.Set(node.Value); err != nil {
		return &valueError{node.Line, node.Column, err}
	}
	return nil
}

func (l *levelFlag) or(level compat.Level) compat.Level {
	if *l == 0 {
		return level
	}
	return compat.Level(*l)
}

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

	"github.com/avroline/avroline/internal/avsclint"
	"github.com/avroline/avroline/registry/contract"
)

// lintConfig is the part "lint" of avrogen.yaml.
type lintConfig struct {
	Except   []string `yaml:"except"`   // rules, as --except
	Baseline string   `yaml:"baseline"` // file, as --baseline
}

// lint is one run of lint.
type lint struct {
	*app
	except        []string
	baseline      string
	writeBaseline bool

	baselineInConfig bool // whether the baseline is named in avrogen.yaml
}

func newLintCommand(a *app) *cobra.Command {
	l := &lint{app: a}
	rules := false
	cmd := &cobra.Command{
		Use:   "lint [--except RULE,...] [--baseline FILE] PATH...",
		Short: "Find valid parts of a schema that will cause trouble later",
		Long: `Find parts of a schema that are valid, but are a mistake or will cause trouble
when the schema evolves. --rules lists the rules with their reasons. --except
switches rules off.

For existing schemas, --baseline FILE contains old findings, which lint does not
report. --write-baseline writes the present findings into the file. Each line is
a RULE and the full name of a type, field or symbol. So the baseline stays valid
if lines or files move.`,
		Example: `  avrogen lint schemas/...
  avrogen lint --except FIELD_WITHOUT_DOC,SYMBOL_STYLE schemas/...
  avrogen lint --baseline lint.baseline --write-baseline schemas/...`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rules {
				return l.printRules()
			}
			cfg, err := a.loadConfig(args)
			if err != nil {
				return err
			}
			if args, err = cfg.paths(args); err != nil {
				return err
			}
			if !cmd.Flags().Changed("except") {
				l.except = cfg.Lint.Except
			}
			if !cmd.Flags().Changed("baseline") && cfg.Lint.Baseline != "" {
				l.baseline, l.baselineInConfig = cfg.path(cfg.Lint.Baseline), true
			}
			if err := checkRules(l.except); err != nil {
				return err
			}
			if l.writeBaseline && l.baseline == "" {
				return usagef("--write-baseline: name the file with --baseline")
			}
			return l.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&l.except, "except", nil, "`RULE,...` to switch off")
	flags.StringVar(&l.baseline, "baseline", "", "`FILE` with old findings, which are not reported")
	flags.BoolVar(&l.writeBaseline, "write-baseline", false, "write the findings into the baseline instead of reporting them")
	flags.BoolVar(&rules, "rules", false, "list the rules and their reasons")
	return cmd
}

// checkRules returns an error if a name is not the name of a rule.
func checkRules(names []string) error {
	known := ruleNames()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return usagef("unknown rule %q: %s (--rules lists them)", name, suggestRule(name, known))
		}
	}
	return nil
}

func suggestRule(name string, known []string) string {
	if s := suggest(name, known); strings.HasPrefix(s, "did you mean") {
		return s
	}
	return "there is no rule of this name"
}

func ruleNames() []string {
	var names []string
	for _, r := range avsclint.Rules() {
		names = append(names, r.Name)
	}
	return names
}

func (l *lint) printRules() error {
	var out bytes.Buffer
	for _, r := range avsclint.Rules() {
		fmt.Fprintf(&out, "%s\n    finds  %s\n    why    %s\n", r.Name, r.Looks, r.Reason)
	}
	_, err := l.stdout.Write(out.Bytes())
	return err
}

func (l *lint) run(ctx context.Context, paths []string) error {
	set, err := l.loader(l.config).Load(paths...)
	if err != nil {
		return err
	}
	tags, err := l.config.tags(set, l.loader(l.config).Read)
	if err != nil {
		return contractError(err)
	}
	found := avsclint.Lint(set, avsclint.Options{Except: l.except, Tags: tags})
	if l.writeBaseline {
		return l.staging.write(ctx, []output{{l.baseline, baselineText(found)}}, nil)
	}
	known, err := readBaseline(l.baseline)
	if err != nil {
		return l.configured(err)
	}
	var findings []finding
	for _, f := range found {
		if known[baselineKey(f)] {
			continue
		}
		findings = append(findings, finding{
			File: f.Pos.File, Line: f.Pos.Line, Col: f.Pos.Col,
			Rule: f.Type, Path: f.Place, Message: avsclint.Text(f),
		})
	}
	return l.report(findings)
}

// configured adds the name of the configuration file to err if the file sets
// the baseline. If a flag sets the baseline, err stays unchanged.
func (l *lint) configured(err error) error {
	if !l.baselineInConfig {
		return err
	}
	return &usageError{fmt.Errorf("%s: lint: baseline: %w", l.config.name(), err)}
}

const baselineHeader = "# Findings that avrogen lint does not report. See avrogen lint --help.\n"

// baselineKey returns the key of a finding in the baseline. The key names the
// finding's subject and not its line, so that the key stays the same after an
// edit. If the finding has no subject, the key contains the file name.
func baselineKey(f contract.Finding) string {
	return f.Type + " " + cmp.Or(f.Place, path.Base(f.Pos.File))
}

func baselineText(found []contract.Finding) []byte {
	var keys []string
	for _, f := range found {
		keys = append(keys, baselineKey(f)+"\n")
	}
	slices.Sort(keys)
	return []byte(baselineHeader + strings.Join(slices.Compact(keys), ""))
}

// readBaseline reads a baseline. Without a name, the baseline is empty.
func readBaseline(name string) (map[string]bool, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("no baseline %s: make it with --write-baseline", filepath.ToSlash(name))
	}
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rule, about, ok := strings.Cut(line, " ")
		if !ok || about == "" || !slices.Contains(ruleNames(), rule) {
			return nil, usagef("%s:%d: a line must be RULE and a full name, not %q", filepath.ToSlash(name), n, line)
		}
		known[line] = true
	}
	return known, nil
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// registrar is one run of register.
type registrar struct {
	*app
	url      string
	subject  string            // --subject NAME, for a single schema
	subjects map[string]string // --subject FILE=NAME and TYPE=NAME
	level    compat.Level      // 0 if the levels of the subjects stay unchanged
	dryRun   bool
	inline   bool
	config   *config
	client   *registry.Client
}

func newRegisterCommand(a *app) *cobra.Command {
	r := &registrar{app: a}
	var level levelFlag
	var subjects []string
	cmd := &cobra.Command{
		Use:   "register [--dry-run] [--subject [FILE=]NAME] [--level LEVEL] PATH...",
		Short: "Register schemas in a schema registry",
		Long: `Register schemas in a schema registry. --subject sets the subject of a schema.
Otherwise the subject comes from "subjects" in avrogen.yaml, by the full name or
the file of the schema. Otherwise the subject is the full name.

If another file defines a type, register writes a reference to the subject of
that file. So the files are registered in the order of their references. If
PATHs do not define a type, register searches the folder of avrogen.yaml. With
--inline, each schema is registered with all its types and without references.
Serializers register schemas in this form by default.

For several types in one topic, write a file with a list of their names, such as
["shop.Ordered","shop.Cancelled"], and set a subject for this file: --subject
events.avsc=events-value.

Metadata and rules come from "contracts" in avrogen.yaml, or from a file beside
the schema. The file of order.avsc is order.rules.yaml. Without both, the
registry keeps the metadata and rules of the version before.

register checks all schemas before it writes the first schema. If a schema is
incompatible at its subject's level, register writes nothing. With --level,
register checks at this level, and then sets the level of the subjects. Schemas
that are already registered stay unchanged, so a second run changes nothing.

` + registryHelp,
		Example: `  avrogen register --dry-run schemas/...
  avrogen register --subject orders-value --level FULL schemas/order.avsc
  avrogen register --subject schemas/events.avsc=events-value schemas/...`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			r.level = compat.Level(level)
			if err := r.readSubjects(subjects); err != nil {
				return err
			}
			if r.config, err = a.loadConfig(args); err != nil {
				return err
			}
			if args, err = r.config.paths(args); err != nil {
				return err
			}
			if err = a.checkSubjects(r.config, args, append(slices.Collect(maps.Values(r.subjects)), r.subject)...); err != nil {
				return err
			}
			if r.client, err = a.openNeededRegistry(r.url, r.config); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, r.client.Close()) }()
			defer a.startProgress("registering")()
			return r.run(cmd.Context(), args)
		},
	}
	a.addRegistryFlag(cmd, &r.url)
	flags := cmd.Flags()
	flags.StringArrayVar(&subjects, "subject", nil, "`NAME` of the subject of a single schema, or FILE=NAME or TYPE=NAME; may be repeated")
	flags.Var(&level, "level", "compatibility level to check and to set: BACKWARD, FORWARD, FULL, each also with _TRANSITIVE, or NONE")
	flags.BoolVar(&r.dryRun, "dry-run", false, "check everything and show the result, but write nothing")
	flags.BoolVar(&r.inline, "inline", false, "register whole schemas, without references")
	return cmd
}

// entry is one schema and its subject.
type entry struct {
	file    string
	schema  *avsc.Schema
	name    string // full name, or "" for a type without a name
	subject string
	text    string   // with types of other files only as names
	uses    []*entry // the references of text, in order of use
	contractfile.Contract

	version int // in the registry, or 0 if the schema is not registered
	id      int
}

// same reports whether two entries are the same schema for the same subject.
func (e *entry) same(other *entry) bool {
	return e.schema == other.schema && e.subject == other.subject && reflect.DeepEqual(e.Contract, other.Contract)
}

// pos returns the place of the schema. If the schema is also in other files,
// the place is the file of the entry.
func (e *entry) pos() string {
	if e.schema.Pos.File != e.file {
		return e.file
	}
	return e.schema.Pos.String()
}

func (r *registrar) run(ctx context.Context, paths []string) error {
	entries, err := r.load(paths)
	if err != nil {
		return err
	}
	entries, findings := inOrder(entries)
	if len(findings) > 0 {
		return r.report(findings)
	}
	if findings, err = r.check(ctx, entries); err != nil {
		return err
	}
	if len(findings) > 0 {
		return r.report(findings)
	}
	for _, e := range entries {
		err := r.register(ctx, e)
		var refused *registry.IncompatibleError
		if errors.As(err, &refused) {
			return r.report(refusals(e, refused.Findings))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSubjects reads the values of --subject.
func (r *registrar) readSubjects(values []string) error {
	r.subjects = map[string]string{}
	for _, v := range values {
		of, name, mapped := cutLast(v, "=")
		switch {
		case v == "":
			return usagef("--subject is empty: give the name of a subject, or leave the flag out")
		case !mapped && r.subject != "":
			return usagef("--subject %s and --subject %s are both for a single schema: write FILE=%s", r.subject, v, v)
		case !mapped:
			r.subject = v
		case of == "" || name == "":
			return usagef("--subject %s: write FILE=NAME or TYPE=NAME", v)
		default:
			of = filepath.ToSlash(filepath.Clean(of))
			if other := r.subjects[of]; other != "" && other != name {
				return usagef("--subject %s=%s and --subject %s=%s exclude each other: a schema has one subject", of, other, of, name)
			}
			r.subjects[of] = name
		}
	}
	return nil
}

// cutLast cuts s at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// load reads the schemas at paths. If a type is missing, load also reads the
// other schemas in the folder of avrogen.yaml. Schemas that the schemas at
// paths refer to are registered too.
func (r *registrar) load(paths []string) ([]*entry, error) {
	set, err := r.loader(r.config).Load(paths...)
	var mistakes avsc.Errors
	if err == nil {
		return r.entries(set, nil)
	}
	if r.config.dir == "" || !errors.As(err, &mistakes) {
		return nil, err
	}
	named, filesErr := r.loader(r.config).Files(paths...)
	rest, pathsErr := r.config.paths(nil)
	if filesErr != nil || pathsErr != nil {
		return nil, err
	}
	set, restErr := r.loader(r.config).Load(append(slices.Clone(paths), rest...)...)
	if restErr != nil {
		return nil, err // mistakes in the named files
	}
	return r.entries(set, named)
}

// entries returns the schemas of a set with their subjects. If named is not
// nil, entries keeps only the schemas of the named files and their references.
func (r *registrar) entries(set *avsc.Set, named []string) ([]*entry, error) {
	var entries []*entry
	asked := func(f *avsc.File) bool { return named == nil || slices.Contains(named, f.Name) }
	used := map[string]bool{} // the used keys of r.subjects
	for _, f := range set.Files {
		schemas, subject := f.Schemas, r.subjectOfFile(f.Name, used)
		if subject == "" && asked(f) {
			subject = r.subject
		}
		if subject != "" && f.Root != nil {
			schemas = []*avsc.Schema{f.Root} // a list of types is a union, for a topic with several types
		}
		for _, s := range schemas {
			e := &entry{file: f.Name, schema: s, name: s.Name, subject: subject, text: s.Text()}
			if of := r.subjects[s.Name]; of != "" && s.Name != "" {
				e.subject, used[s.Name] = of, true
			}
			e.subject = cmp.Or(e.subject, r.config.subject(s.Name))
			if e.subject == "" {
				if !asked(f) {
					continue
				}
				return nil, usagef("%s: its schema has no name, so it needs a subject: --subject %s=NAME", f.Name, f.Name)
			}
			// A type of another file stays a name only if this file is one
			// schema. Then the text is the file's own text.
			if !r.inline && s == f.Root {
				e.text = string(s.JSON.AppendCompact(nil))
			}
			if err := contractfile.CheckName(f.Name); err != nil {
				return nil, contractError(err)
			}
			var err error
			if e.Contract, err = r.config.contract(e.subject, f.Name, r.loader(r.config).Read); err != nil {
				return nil, contractError(err)
			}
			if i := slices.IndexFunc(entries, e.same); i >= 0 {
				if asked(f) {
					entries[i] = e // another file has an equal definition
				}
				continue
			}
			entries = append(entries, e)
		}
	}
	for of := range r.subjects {
		if !used[of] {
			return nil, usagef("--subject %s=%s: the paths have no such file and no such type", of, r.subjects[of])
		}
	}
	if !r.inline {
		refer(entries)
	}
	kept := reachable(entries, named)
	if n := countOf(kept, r.subject); r.subject != "" && n > 1 {
		return nil, usagef("--subject %s is for a single schema, the paths have %d: write FILE=%s, or name their subjects in %s", r.subject, n, r.subject, configName)
	}
	return kept, distinct(kept)
}

// subjectOfFile returns the subject of a file in --subject or avrogen.yaml, or
// "" if neither names the file.
func (r *registrar) subjectOfFile(file string, used map[string]bool) string {
	name := filepath.ToSlash(filepath.Clean(file))
	if subject := r.subjects[name]; subject != "" {
		used[name] = true
		return subject
	}
	return r.config.subjectOfFile(file)
}

// reachable returns the entries of the named files and their references. If
// named is nil, reachable returns all entries.
func reachable(entries []*entry, named []string) []*entry {
	if named == nil {
		return entries
	}
	keep := map[*entry]bool{}
	var visit func(e *entry)
	visit = func(e *entry) {
		if keep[e] {
			return
		}
		keep[e] = true
		for _, u := range e.uses {
			visit(u)
		}
	}
	for _, e := range entries {
		if slices.Contains(named, e.file) {
			visit(e)
		}
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return !keep[e] })
}

func countOf(entries []*entry, subject string) int {
	n := 0
	for _, e := range entries {
		if e.subject == subject {
			n++
		}
	}
	return n
}

// distinct returns an error if two schemas have the same subject.
func distinct(entries []*entry) error {
	bySubject := map[string]*entry{}
	for _, e := range entries {
		if other := bySubject[e.subject]; other != nil {
			return usagef("%s and %s have the same subject %s: give one of them another subject", other.pos(), e.pos(), e.subject)
		}
		bySubject[e.subject] = e
	}
	return nil
}

// refer finds the references of each entry. A reference is an entry with a type
// that the text names but does not define.
func refer(entries []*entry) {
	own := make([]map[string]bool, len(entries))
	definer := map[*avsc.Schema]*entry{}
	for i, e := range entries {
		definer[e.schema] = e
		own[i] = map[string]bool{}
		defined(e.schema.JSON, "", own[i])
	}
	for i, e := range entries {
		e.schema.Walk(func(s *avsc.Schema) {
			if definer[s] == nil && own[i][s.Name] {
				definer[s] = e
			}
		})
	}
	for i, e := range entries {
		if e.schema.JSON == nil || e.text != string(e.schema.JSON.AppendCompact(nil)) {
			continue // every type is in the text
		}
		for _, s := range foreign(e.schema, own[i]) {
			if other := definer[s]; other != nil && other != e && !slices.Contains(e.uses, other) {
				e.uses = append(e.uses, other)
			}
		}
	}
}

// defined collects the full names of the types in a schema's text.
func defined(v *avsc.Value, namespace string, names map[string]bool) {
	if v == nil {
		return
	}
	for _, e := range v.Elems {
		defined(e, namespace, names)
	}
	if v.Kind != avsc.JSONObject {
		return
	}
	if name := v.Member("name"); name != nil && v.Member("type") != nil {
		if ns := v.Member("namespace"); ns != nil {
			namespace = ns.Str
		}
		full := avsc.JoinName(namespace, name.Str)
		namespace, _ = avsc.SplitName(full)
		names[full] = true
	}
	for _, key := range []string{"type", "items", "values"} {
		defined(v.Member(key), namespace, names)
	}
	if fields := v.Member("fields"); fields != nil {
		for _, f := range fields.Elems {
			defined(f.Member("type"), namespace, names)
		}
	}
}

// foreign returns the named types that a schema uses but does not define in its
// text, in order of use. Types that only a foreign type uses are not in the
// result.
func foreign(root *avsc.Schema, own map[string]bool) []*avsc.Schema {
	var found []*avsc.Schema
	seen := map[*avsc.Schema]bool{}
	var walk func(s *avsc.Schema)
	walk = func(s *avsc.Schema) {
		if seen[s] {
			return
		}
		seen[s] = true
		if s.Kind.Named() && !own[s.Name] {
			found = append(found, s)
			return
		}
		s.EachPart(walk)
	}
	walk(root)
	return found
}

const ruleReferenceCircle = "REFERENCE_CIRCLE"

// inOrder sorts entries so that each entry comes after its references. A cycle
// cannot be registered in parts, so a cycle is a finding.
func inOrder(entries []*entry) ([]*entry, []finding) {
	const under, done = 1, 2
	state := map[*entry]int{}
	var order []*entry
	var findings []finding
	var visit func(e *entry)
	visit = func(e *entry) {
		state[e] = under
		for _, u := range e.uses {
			switch state[u] {
			case 0:
				visit(u)
			case under:
				findings = append(findings, finding{
					File: e.file, Line: e.schema.Pos.Line, Col: e.schema.Pos.Col, Rule: ruleReferenceCircle,
					Message: fmt.Sprintf("%s refers to %s, which refers back to it: put both into one file, or use --inline", e.name, u.name),
				})
			}
		}
		state[e] = done
		order = append(order, e)
	}
	for _, e := range entries {
		if state[e] == 0 {
			visit(e)
		}
	}
	return order, findings
}

// registrable returns the schema in the form for the registry. ok is false if a
// referenced type is not registered yet.
func (e *entry) registrable() (s registry.Schema, ok bool) {
	s.Text, s.Metadata, s.RuleSet = e.text, e.Metadata, e.RuleSet
	for _, u := range e.uses {
		s.References = append(s.References, registry.Reference{Name: u.name, Subject: u.subject, Version: u.version})
		if u.version == 0 {
			return s, false
		}
	}
	return s, true
}

// check finds the schemas that are not registered, and the reasons why the
// registry would refuse them. First, check applies avroline's own rules,
// because the findings then have places in the files. Then check asks the
// registry, unless --level sets a level, which the registry does not have yet.
func (r *registrar) check(ctx context.Context, entries []*entry) ([]finding, error) {
	var missing []*entry
	var subjects []check.Subject
	for _, e := range entries {
		there, err := r.find(ctx, e)
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		missing = append(missing, e)
		subject := check.Subject{Now: e.schema, Contract: e.Contract}
		err = subject.ReadEarlier(ctx, r.level, r.client, e.subject)
		if err != nil && !errors.Is(err, registry.ErrSubjectNotFound) {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	findings := checkFindings(check.Compare(subjects))
	if len(findings) > 0 || r.level != 0 {
		return findings, nil
	}
	for _, e := range missing {
		found, err := r.ask(ctx, e)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// find looks up a schema. Some registries answer 422 if they do not have the
// schema and would also refuse the schema.
func (r *registrar) find(ctx context.Context, e *entry) (bool, error) {
	s, ok := e.registrable()
	if !ok {
		return false, nil
	}
	v, err := r.client.Lookup(ctx, e.subject, s)
	var answer *registry.Error
	if errors.Is(err, registry.ErrSubjectNotFound) || errors.Is(err, registry.ErrSchemaNotFound) ||
		errors.As(err, &answer) && (answer.NotFound() || answer.Status == http.StatusUnprocessableEntity) {
		return false, nil
	}
	e.version, e.id = v.Version, v.ID
	return err == nil, err
}

// ask asks the registry whether it would accept a schema.
func (r *registrar) ask(ctx context.Context, e *entry) ([]finding, error) {
	at := finding{File: e.file, Line: e.schema.Pos.Line, Col: e.schema.Pos.Col}
	found, err := r.client.TestCompatibility(ctx, e.subject, registry.Schema{Text: e.schema.Text(), Metadata: e.Metadata})
	var answer *registry.Error
	if errors.As(err, &answer) && answer.Status == http.StatusUnprocessableEntity {
		at.Rule, at.Message = ruleInvalid, err.Error()
		return []finding{at}, nil
	}
	return refusals(e, found), err
}

// refusals returns the registry's reasons to refuse a schema. If avroline's own
// rules found the same reason, refusals uses the text of check.
func refusals(e *entry, found []compat.Finding) []finding {
	findings := make([]finding, len(found))
	for i, f := range found {
		x := finding{
			File: e.file, Line: e.schema.Pos.Line, Col: e.schema.Pos.Col,
			Rule: cmp.Or(f.Type, ruleRefused), Path: f.Path,
		}
		if f.What == "" {
			x.Message = fmt.Sprintf("subject %s refuses it: %s", e.subject, f.Message)
		} else {
			here := contract.Finding{What: f.What, Who: f.Who, Advice: f.Advice}
			x.Message = strings.ReplaceAll(check.Text(here), fmt.Sprintf("version %d", f.Against+1), fmt.Sprintf("version %d of %s", f.Against+1, e.subject))
		}
		if f.Witness != nil {
			x.Witness = f.Witness.JSON
		}
		findings[i] = x
	}
	return findings
}

// ruleRefused is the rule of a refusal for an unknown reason.
const ruleRefused = "REFUSED_BY_REGISTRY"

// outcome is the result for one schema, as text and as JSON.
type outcome struct {
	File    string `json:"file"`
	Subject string `json:"subject"`
	Action  string `json:"action"` // unchanged, registered, would register
	Version int    `json:"version,omitempty"`
	ID      int    `json:"id,omitempty"`
	Level   string `json:"level,omitempty"` // if the level was set, or would be set
}

func (o outcome) String() string {
	line := o.Subject + ": " + o.Action
	if o.Version > 0 {
		line += fmt.Sprintf(", version %d, id %d", o.Version, o.ID)
	}
	if o.Level != "" {
		line += ", level " + o.Level
	}
	return line
}

func (r *registrar) register(ctx context.Context, e *entry) error {
	o := outcome{File: e.file, Subject: e.subject, Action: "unchanged"}
	if r.level != 0 {
		level, err := r.client.Compatibility(ctx, e.subject)
		if err != nil {
			return err
		}
		if level != r.level {
			o.Level = r.level.String()
			if !r.dryRun {
				if err := r.client.SetCompatibility(ctx, e.subject, r.level); err != nil {
					return err
				}
			}
		}
	}
	if e.version == 0 {
		o.Action = "would register"
		if !r.dryRun {
			o.Action = "registered"
			if err := r.write(ctx, e); err != nil {
				return err
			}
		}
	}
	o.Version, o.ID = e.version, e.id
	return r.print(o, o)
}

// write registers a schema. If the registry's answer has no version, write
// looks up the version.
func (r *registrar) write(ctx context.Context, e *entry) error {
	s, _ := e.registrable()
	v, err := r.client.Register(ctx, e.subject, s)
	if err == nil && v.Version == 0 {
		v, err = r.client.Lookup(ctx, e.subject, s)
	}
	e.version, e.id = v.Version, v.ID
	return err
}

// print writes a result to stdout, as text or, with --format json, as JSON.
func (a *app) print(text fmt.Stringer, object any) error {
	line := text.String()
	if a.format == "json" {
		b, err := json.Marshal(object)
		if err != nil {
			return err
		}
		line = string(b)
	}
	if _, err := fmt.Fprintln(a.stdout, visible(line)); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

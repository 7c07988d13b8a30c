package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// Registry is the part of a registry client that this package uses.
// *registry.Client implements Registry.
type Registry interface {
	Subjects(ctx context.Context, opts ...registry.ListOption) ([]string, error)
	LatestVersions(ctx context.Context, opts ...registry.ListOption) ([]registry.Version, error)
	Versions(ctx context.Context, subject string, opts ...registry.ListOption) ([]int, error)
	Version(ctx context.Context, subject string, version int) (registry.Version, error)
	Compatibility(ctx context.Context, subject string) (compat.Level, error)
}

// SubjectsOf maps subjects to the schemas of a set.
type SubjectsOf func(set *avsc.Set) map[string]*avsc.Schema

// InRegistry compares the schemas at paths with their subjects. A level of 0
// means the level of each subject. A schema without a subject is new. A subject
// without a schema is ignored, because other users also have subjects in the
// registry.
//
// InRegistry reads only the subjects of subjectsOf. If subjectsOf is nil,
// [holding] finds the subjects.
//
// A subject that the registry does not let us read is a finding.
func InRegistry(ctx context.Context, level compat.Level, opts Options, reg Registry, subjectsOf SubjectsOf, paths ...string) ([]contract.Finding, error) {
	now, err := opts.Loader.Load(paths...)
	if err != nil {
		return nil, err
	}
	var found []contract.Finding
	var schemas map[string]*avsc.Schema
	if subjectsOf != nil {
		schemas = subjectsOf(now)
	} else {
		var unknown string
		if schemas, unknown, err = subjectsOfTypes(ctx, reg, now); err != nil {
			return nil, err
		}
		if unknown != "" {
			found = append(found, notCompared(now, SubjectUnknown, unknown, "Name the subjects under \"subjects\" of avrogen.yaml, or with compattest.WithSubject."))
		}
	}
	in := inRegistry{level, opts.contracts(), reg}
	names := slices.Sorted(maps.Keys(schemas))
	subjects := make([]*Subject, len(names))
	refusals := make([]*registry.Error, len(names))
	err = forEach(len(names), func(i int) error {
		s, err := in.readSubject(ctx, names[i], schemas[names[i]])
		if errors.As(err, &refusals[i]) && refusals[i].Status == http.StatusForbidden {
			return nil
		}
		subjects[i], refusals[i] = s, nil
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []Subject
	for i, s := range subjects {
		if s != nil {
			all = append(all, *s)
		}
		if refusals[i] != nil {
			found = append(found, notCompared(now, Unreadable, fmt.Sprintf("subject %s was not compared: %v", names[i], refusals[i]),
				"Grant the right to read it, or compare with another copy of its versions."))
		}
	}
	return append(found, Compare(all)...), nil
}

// subjectsOfTypes finds the subjects whose latest version has the name of a
// schema in now. One request lists the latest versions of 1,000 subjects.
//
// Some registries do not have this request. There holding takes the subjects
// whose name contains the full name of a schema, as with the strategies
// RecordName and TopicRecordName. The text unknown then says which schemas have
// no such subject.
func subjectsOfTypes(ctx context.Context, reg Registry, now *avsc.Set) (subjects map[string]*avsc.Schema, unknown string, err error) {
	named := byName(now)
	subjects = map[string]*avsc.Schema{}
	versions, err := reg.LatestVersions(ctx)
	if err == nil {
		for _, v := range versions {
			if s := named[rootName(v.Registered)]; s != nil {
				subjects[v.Subject] = s
			}
		}
		return subjects, "", nil
	}
	var answer *registry.Error
	forbidden := errors.As(err, &answer) && answer.Status == http.StatusForbidden
	if !forbidden && !errors.Is(err, registry.ErrUnsupported) {
		return nil, "", err
	}
	list, err := reg.Subjects(ctx)
	if err != nil {
		return nil, "", err
	}
	placed := map[*avsc.Schema]bool{}
	for _, subject := range list {
		for at := 0; at >= 0; {
			// The full name is all of the subject, or the part after a "-" or
			// after the context.
			if s := named[subject[at:]]; s != nil {
				subjects[subject], placed[s] = s, true
				break
			}
			next := strings.IndexAny(subject[at:], "-:")
			if next < 0 {
				break
			}
			at += next + 1
		}
	}
	var missing []string
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if s.Name != "" && !placed[s] {
				missing = append(missing, s.Name)
			}
		}
	}
	if len(missing) == 0 {
		return subjects, "", nil
	}
	const shown = 5
	text := strings.Join(missing[:min(shown, len(missing))], ", ")
	if more := len(missing) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return subjects, fmt.Sprintf("no subject is known for %s, because this registry does not list its schemas: not compared", text), nil
}

// rootName returns the full name of a schema. The result is "" if the schema
// has no name. The text may name types that only its references define.
func rootName(text string) string {
	var root struct{ Name, Namespace string }
	if json.Unmarshal([]byte(text), &root) != nil || root.Name == "" {
		return ""
	}
	return avsc.JoinName(root.Namespace, root.Name)
}

// byName maps names and aliases to the schemas of a set.
func byName(set *avsc.Set) map[string]*avsc.Schema {
	named := map[string]*avsc.Schema{}
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			for _, a := range s.Aliases {
				named[a.Name] = s
			}
		}
	}
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			named[s.Name] = s
		}
	}
	delete(named, "")
	return named
}

// The types of findings about a subject that the registry does not let us read,
// and about schemas whose subject is unknown.
const (
	Unreadable     = "SUBJECT_UNREADABLE"
	SubjectUnknown = "SUBJECT_UNKNOWN"
)

// notCompared returns a finding about a missing comparison. The finding stands
// at the first schema, because it belongs to no schema in particular.
func notCompared(set *avsc.Set, rule, what, advice string) contract.Finding {
	f := contract.Finding{Type: rule, What: what, Advice: advice}
	for _, file := range set.Files {
		for _, s := range file.Schemas {
			f.Pos = contract.Position(s.Pos)
			return f
		}
	}
	return f
}

// inRegistry reads subjects to compare.
type inRegistry struct {
	level     compat.Level // 0 for the level of each subject
	contracts Contracts
	reg       Registry
}

// readSubject reads a subject that holds a schema. The result is nil if the
// subject has no version yet.
func (r inRegistry) readSubject(ctx context.Context, name string, now *avsc.Schema) (*Subject, error) {
	s := &Subject{Now: now}
	var err error
	if s.Contract, err = r.contracts(name, now); err != nil {
		return nil, err
	}
	err = s.ReadEarlier(ctx, r.level, r.reg, name)
	if errors.Is(err, registry.ErrSubjectNotFound) || err == nil && s.Latest == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ReadEarlier reads the level, the earlier versions and the rules of a subject
// for the check of a new version. A level of 0 means the subject's own level.
// The level and the compatibility group decide which versions ReadEarlier
// reads. If s.Contract has no metadata or no rules, s gets those of the latest
// version, as in the registry.
func (s *Subject) ReadEarlier(ctx context.Context, level compat.Level, reg Registry, name string) error {
	if level == 0 {
		var err error
		if level, err = reg.Compatibility(ctx, name); err != nil {
			return fmt.Errorf("subject %s: %w", name, err)
		}
	}
	s.Level = level
	var err error
	if s.Group, err = groupOf(ctx, reg, name); err != nil {
		return fmt.Errorf("subject %s: %w", name, err)
	}
	numbers, err := reg.Versions(ctx, name)
	if err != nil {
		return fmt.Errorf("subject %s: %w", name, err)
	}
	slices.Sort(numbers)
	for _, n := range slices.Backward(numbers) {
		v, err := readRuled(ctx, reg, name, n)
		if err != nil {
			return err
		}
		if s.Latest == nil {
			s.Latest = v
			s.Contract.Metadata = cmp.Or(s.Contract.Metadata, v.Contract.Metadata)
			s.Contract.RuleSet = cmp.Or(s.Contract.RuleSet, v.Contract.RuleSet)
		}
		if property(v.Contract, s.Group) != property(s.Contract, s.Group) {
			continue
		}
		s.Before = append(s.Before, v.Version)
		if !level.Transitive() {
			break
		}
	}
	slices.Reverse(s.Before)
	return nil
}

// groupOf returns the metadata property of a subject's compatibility groups.
func groupOf(ctx context.Context, reg Registry, name string) (string, error) {
	if r, ok := reg.(interface {
		CompatibilityGroup(ctx context.Context, subject string) (string, error)
	}); ok {
		return r.CompatibilityGroup(ctx, name)
	}
	return "", nil
}

// property returns the value of a metadata property, or "".
func property(c contractfile.Contract, name string) string {
	if c.Metadata == nil || name == "" {
		return ""
	}
	return c.Metadata.Properties[name]
}

// readRuled reads one version of a subject.
func readRuled(ctx context.Context, reg Registry, name string, number int) (*Ruled, error) {
	label := fmt.Sprintf("version %d of %s", number, name)
	v, err := reg.Version(ctx, name, number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", label, err)
	}
	old, err := avsc.ParseStored(label, []byte(v.Schema))
	if err != nil {
		return nil, fmt.Errorf("%s is not a schema: %w", label, withoutType(err))
	}
	return &Ruled{evolve.Version{Label: label, Schema: old}, contractfile.Contract{Metadata: v.Metadata, RuleSet: v.RuleSet}}, nil
}

// forEach calls f for 0 to n-1, eight calls at a time, and returns the first
// errors.
func forEach(n int, f func(i int) error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
		errs error
	)
	for range min(n, 8) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := errs != nil
				mu.Unlock()
				if i >= n || stop {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					errs = errors.Join(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errs
}

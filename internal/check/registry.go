package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
)

// Registry is the part of a registry client that this package uses.
// *registry.Client implements Registry.
type Registry interface {
	Subjects(ctx context.Context, opts ...registry.ListOption) ([]string, error)
	Versions(ctx context.Context, subject string, opts ...registry.ListOption) ([]int, error)
	Version(ctx context.Context, subject string, version int) (registry.Version, error)
	Latest(ctx context.Context, subject string) (registry.Version, error)
	Compatibility(ctx context.Context, subject string) (compat.Level, error)
}

// SubjectsOf maps subjects to the schemas of a set.
type SubjectsOf func(set *avsc.Set) map[string]*avsc.Schema

// InRegistry compares the schemas at paths with their subjects. A level of 0
// means the level of each subject. A schema without a subject is new. A subject
// without a schema is ignored, because other users also have subjects in the
// registry.
//
// InRegistry reads only the subjects of subjectsOf. If subjectsOf is nil, a
// schema belongs to every subject whose latest version has the same name. This
// takes one request for each subject of the registry.
//
// A subject that the registry does not let us read is a finding.
func InRegistry(ctx context.Context, level compat.Level, reg Registry, subjectsOf SubjectsOf, paths ...string) ([]Finding, error) {
	now, err := avscfile.Load(paths...)
	if err != nil {
		return nil, err
	}
	var names []string
	var read func(name string) (*Subject, error)
	if subjectsOf != nil {
		schemas := subjectsOf(now)
		names = slices.Sorted(maps.Keys(schemas))
		read = func(name string) (*Subject, error) { return known(ctx, level, reg, name, schemas[name]) }
	} else {
		named := byName(now)
		if names, err = reg.Subjects(ctx); err != nil {
			return nil, err
		}
		slices.Sort(names)
		read = func(name string) (*Subject, error) { return subject(ctx, level, reg, name, named) }
	}
	subjects := make([]*Subject, len(names))
	refusals := make([]*Finding, len(names))
	err = each(len(names), func(i int) error {
		s, err := read(names[i])
		var answer *registry.Error
		if errors.As(err, &answer) && answer.Status == http.StatusForbidden {
			refusals[i] = forbidden(names[i], now, answer)
			return nil
		}
		subjects[i] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []Subject
	var found []Finding
	for i, s := range subjects {
		if s != nil {
			all = append(all, *s)
		}
		if refusals[i] != nil {
			found = append(found, *refusals[i])
		}
	}
	return append(found, Compare(all)...), nil
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

// Unreadable is the rule for a subject that the registry does not let us read.
const Unreadable = "SUBJECT_UNREADABLE"

// forbidden returns the finding for a subject that could not be compared. The
// finding stands at the first schema, because the schema of the subject is
// unknown.
func forbidden(name string, set *avsc.Set, answer *registry.Error) *Finding {
	f := &Finding{Finding: evolve.Finding{
		Type: Unreadable, What: fmt.Sprintf("subject %s was not compared: %v", name, answer),
		Advice: "Grant the right to read it, or compare with another copy of its versions.",
	}}
	for _, file := range set.Files {
		for _, s := range file.Schemas {
			f.Pos = s.Pos
			return f
		}
	}
	return f
}

// known reads a subject that holds a schema. The result is nil if the subject
// has no version yet.
func known(ctx context.Context, level compat.Level, reg Registry, name string, now *avsc.Schema) (*Subject, error) {
	s := &Subject{Now: now}
	var err error
	s.Level, s.Before, err = Earlier(ctx, level, reg, name)
	if errors.Is(err, registry.ErrSubjectNotFound) || err == nil && len(s.Before) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// subject reads a subject that holds one of the named schemas. The result is
// nil for other subjects.
func subject(ctx context.Context, level compat.Level, reg Registry, name string, named map[string]*avsc.Schema) (*Subject, error) {
	v, err := reg.Latest(ctx, name)
	if errors.Is(err, registry.ErrNotAvro) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", name, err)
	}
	if !strings.Contains(v.Schema, `"name"`) {
		return nil, nil
	}
	latest, err := avsc.ParseStored(name, []byte(v.Schema))
	if err != nil || named[latest.Name] == nil {
		return nil, nil //nolint:nilerr // not one of ours
	}
	s := &Subject{Now: named[latest.Name]}
	if s.Level, s.Before, err = Earlier(ctx, level, reg, name); err != nil || len(s.Before) == 0 {
		return nil, err
	}
	return s, nil
}

// Earlier reads the level and the earlier versions for the check of a new
// version. A level of 0 means the subject's own level. The level decides which
// versions Earlier reads.
func Earlier(ctx context.Context, level compat.Level, reg Registry, name string) (compat.Level, []evolve.Version, error) {
	if level == 0 {
		var err error
		if level, err = reg.Compatibility(ctx, name); err != nil {
			return 0, nil, fmt.Errorf("subject %s: %w", name, err)
		}
	}
	numbers, err := reg.Versions(ctx, name)
	if err != nil {
		return 0, nil, fmt.Errorf("subject %s: %w", name, err)
	}
	slices.Sort(numbers)
	if !level.Transitive() && len(numbers) > 0 {
		numbers = numbers[len(numbers)-1:]
	}
	versions := make([]evolve.Version, len(numbers))
	for i, n := range numbers {
		label := fmt.Sprintf("version %d of %s", n, name)
		v, err := reg.Version(ctx, name, n)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", label, err)
		}
		old, err := avsc.ParseStored(label, []byte(v.Schema))
		if err != nil {
			return 0, nil, fmt.Errorf("%s is not a schema: %w", label, plain(err))
		}
		versions[i] = evolve.Version{Label: label, Schema: old}
	}
	return level, versions, nil
}

// each calls f for 0 to n-1, eight calls at a time, and returns the first
// errors.
func each(n int, f func(i int) error) error {
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

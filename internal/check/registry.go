package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
)

// Registry is what is asked of a registry; *registry.Client has it.
type Registry interface {
	Subjects(ctx context.Context, opts ...registry.ListOption) ([]string, error)
	Versions(ctx context.Context, subject string, opts ...registry.ListOption) ([]int, error)
	Version(ctx context.Context, subject string, version int) (registry.Version, error)
	Latest(ctx context.Context, subject string) (registry.Version, error)
	Compatibility(ctx context.Context, subject string) (compat.Level, error)
}

// InRegistry compares the schemas at paths with the subjects that hold schemas
// of their names. A level of 0 is each subject's own. Schemas of no subject are
// new, and subjects of no schema are left alone: others use the registry too.
func InRegistry(ctx context.Context, level compat.Level, reg Registry, paths ...string) ([]Finding, error) {
	now, err := avscfile.Load(paths...)
	if err != nil {
		return nil, err
	}
	named := map[string]*avsc.Schema{}
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			for _, a := range s.Aliases {
				named[a.Name] = s
			}
		}
	}
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			named[s.Name] = s
		}
	}
	delete(named, "")
	names, err := reg.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	subjects := make([]*Subject, len(names))
	err = each(len(names), func(i int) error {
		s, err := subject(ctx, level, reg, names[i], named)
		subjects[i] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []Subject
	for _, s := range subjects {
		if s != nil {
			all = append(all, *s)
		}
	}
	return Compare(all), nil
}

// subject reads a subject that holds one of the named schemas, nil for another.
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
	latest, err := avsc.Parse(name, []byte(v.Schema))
	if err != nil || named[latest.Name] == nil {
		return nil, nil //nolint:nilerr // not one of ours
	}
	s := &Subject{Now: named[latest.Name]}
	if s.Level, s.Before, err = Earlier(ctx, level, reg, name); err != nil || len(s.Before) == 0 {
		return nil, err
	}
	return s, nil
}

// Earlier reads what a new version of a subject is compared with: the level,
// which is the subject's own where 0 is given, and the versions that it asks for.
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
		old, err := avsc.Parse(label, []byte(v.Schema))
		if err != nil {
			return 0, nil, fmt.Errorf("%s is not a schema: %w", label, plain(err))
		}
		versions[i] = evolve.Version{Label: label, Schema: old}
	}
	return level, versions, nil
}

// each calls f for 0 to n-1, eight at a time, and returns the first errors.
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

// Package compattest fails a test if a change of a schema would break a reader:
//
//	func TestSchemas(t *testing.T) {
//		compattest.NoBreak(t, "schemas/...", compattest.WithAgainst("git:origin/main"))
//	}
//
// The test makes the same check as the command avrogen check.
package compattest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// Option changes the earlier schemas or the rules of the comparison. The zero
// Option does nothing.
type Option struct{ set func(*config) }

type config struct {
	against  string
	level    compat.Level
	registry Registry
	subjects map[string][]string // by full name
	accepted []check.Exception
}

// Registry holds the methods that this package needs. *registry.Client
// implements Registry.
type Registry interface {
	Subjects(ctx context.Context, opts ...registry.ListOption) ([]string, error)
	Versions(ctx context.Context, subject string, opts ...registry.ListOption) ([]int, error)
	Version(ctx context.Context, subject string, version int) (registry.Version, error)
	LatestVersions(ctx context.Context, opts ...registry.ListOption) ([]registry.Version, error)
	Compatibility(ctx context.Context, subject string) (compat.Level, error)
}

// WithAgainst names the earlier schemas. The value "git:REF" is a commit of the
// repository that holds the schemas, and needs the git program. Any other value
// is a folder. Without WithAgainst and [WithRegistry] the default is git:HEAD,
// the last commit.
func WithAgainst(where string) Option {
	return Option{func(c *config) { c.against = where }}
}

// WithRegistry compares with the subjects of a registry that hold schemas of
// the same names. Each subject has its own level, unless [WithLevel] sets
// another level.
func WithRegistry(r Registry) Option {
	return Option{func(c *config) { c.registry = r }}
}

// WithSubject says that a subject of [WithRegistry] holds the schema with this
// full name. The option may be repeated. Then NoBreak compares only the named
// schemas.
//
// Without the option NoBreak lists the latest versions of all subjects and
// compares by the names of the schemas. Redpanda and Apicurio do not have such
// a list. They need the option if the names of the subjects do not contain the
// names of the schemas.
func WithSubject(fullName, subject string) Option {
	return Option{func(c *config) {
		if c.subjects == nil {
			c.subjects = map[string][]string{}
		}
		c.subjects[fullName] = append(c.subjects[fullName], subject)
	}}
}

// WithLevel sets the required compatibility level. The default is
// [compat.Backward], as in a registry, so the new schemas must read old data.
// With [WithRegistry] the default is each subject's own level. [compat.Full]
// also requires that old readers read new data.
func WithLevel(l compat.Level) Option {
	return Option{func(c *config) { c.level = l }}
}

// WithException accepts an intended break. The rule is the type of the finding,
// such as [compat.LogicalTypeChanged]. The path is the place of the finding in
// the schemas, such as "shop.Order.lines[].price". If the path is the name of a
// type, the exception accepts the rule everywhere in the type. The reason must
// not be empty. The test logs each accepted finding. An exception that accepts
// nothing fails the test. The option may be repeated.
func WithException(rule, path, reason string) Option {
	return Option{func(c *config) {
		c.accepted = append(c.accepted, check.Exception{Rule: rule, Path: path, Reason: reason})
	}}
}

// NoBreak fails the test for each change in the schemas at path that would
// break a reader. The message has the place, the clients that break, an advice,
// and an example value. The path is a file, a folder or folder/..., relative to
// the folder of the test. Schemas are matched by full name or by an alias.
// NoBreak reports a deleted schema if the level requires that readers read old
// data.
//
// Without options NoBreak compares the schemas with git:HEAD at
// [compat.Backward]. So your uncommitted schemas must read the data of the last
// commit.
//
// If the comparison is impossible, the test ends. An example is a commit that
// was not fetched.
func NoBreak(t testing.TB, path string, opts ...Option) {
	t.Helper()
	c := config{}
	for _, o := range opts {
		if o.set != nil {
			o.set(&c)
		}
	}
	for _, x := range c.accepted {
		if err := x.Valid(); err != nil {
			t.Fatalf("compattest: %v", err)
		}
	}
	found, err := c.check(t, path)
	if err != nil {
		t.Fatalf("compattest: %v", err)
	}
	found, accepted, unused := check.Except(found, c.accepted, time.Now())
	for _, a := range accepted {
		t.Logf("%s: %s", a.Finding.Pos, a.Text())
	}
	for _, x := range unused {
		t.Errorf("compattest: nothing breaks %s at %s: remove the exception", x.Rule, x.Path)
	}
	for _, f := range found {
		text := check.Text(f)
		if f.Witness != nil {
			text += "\n\tFor instance: " + f.Witness.JSON
			if f.Type == compat.LogicalTypeChanged {
				text += " is " + f.Witness.Reason
			}
		}
		t.Errorf("%s: %s: %s", f.Pos, f.Type, text)
	}
}

func (c config) check(t testing.TB, path string) ([]contract.Finding, error) {
	if c.registry != nil && c.against != "" {
		return nil, errors.New("both WithAgainst and WithRegistry are given: use one")
	}
	if c.registry != nil {
		return c.inRegistry(t, path)
	}
	if c.subjects != nil {
		return nil, errors.New("WithSubject needs WithRegistry")
	}
	if c.level == 0 {
		c.level = compat.Backward
	}
	if c.against == "" {
		c.against = "git:HEAD"
	}
	if ref, ok := strings.CutPrefix(c.against, "git:"); ok {
		return check.Git(t.Context(), c.level, check.Options{}, ref, path)
	}
	return check.Dir(c.level, check.Options{}, c.against, path)
}

func (c config) inRegistry(t testing.TB, path string) ([]contract.Finding, error) {
	if c.subjects == nil {
		return check.InRegistry(t.Context(), c.level, check.Options{}, c.registry, nil, path)
	}
	placed := map[string]bool{}
	subjectsOf := func(set *avsc.Set) map[string]*avsc.Schema {
		of := map[string]*avsc.Schema{}
		for _, f := range set.Files {
			for _, s := range f.Schemas {
				for _, subject := range c.subjects[s.Name] {
					of[subject], placed[s.Name] = s, true
				}
			}
		}
		return of
	}
	found, err := check.InRegistry(t.Context(), c.level, check.Options{}, c.registry, subjectsOf, path)
	for name := range c.subjects {
		if err == nil && !placed[name] {
			err = fmt.Errorf("WithSubject: no schema at %s has the full name %s", path, name)
		}
	}
	return found, err
}

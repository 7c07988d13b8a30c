// Package compattest lets a test fail when a change of a schema would break a
// reader:
//
//	func TestSchemas(t *testing.T) {
//		compattest.NoBreak(t, "schemas/...", compattest.WithAgainst("git:origin/main"))
//	}
//
// It is the command avrogen check as a test.
package compattest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
)

// Option says what the schemas are compared with, and how.
type Option struct{ set func(*config) }

type config struct {
	against  string
	level    compat.Level
	registry Registry
	accepted []check.Exception
}

// Registry is what is asked of a registry; *registry.Client has it.
type Registry interface {
	Subjects(ctx context.Context, opts ...registry.ListOption) ([]string, error)
	Versions(ctx context.Context, subject string, opts ...registry.ListOption) ([]int, error)
	Version(ctx context.Context, subject string, version int) (registry.Version, error)
	Latest(ctx context.Context, subject string) (registry.Version, error)
	Compatibility(ctx context.Context, subject string) (compat.Level, error)
}

// WithAgainst names the earlier schemas: "git:REF" for a commit of the repository
// that the schemas are in, through the git program, or a folder. Without it and
// without [AgainstRegistry] it is git:HEAD, what was committed last.
func WithAgainst(where string) Option {
	return Option{func(c *config) { c.against = where }}
}

// WithRegistry compares with the subjects of a registry that hold schemas of
// the same names. The level is each subject's own unless [WithLevel] says another.
func WithRegistry(r Registry) Option {
	return Option{func(c *config) { c.registry = r }}
}

// WithLevel is the compatibility that is asked for. The default is
// [compat.Backward], as in a registry: the new schemas read old data. With
// [WithRegistry] the default is each subject's own level.
// [compat.Full] asks as well that old readers read new data.
func WithLevel(l compat.Level) Option {
	return Option{func(c *config) { c.level = l }}
}

// WithException accepts an intended break. The rule is the type of the finding,
// such as [compat.LogicalTypeChanged]. The path is its place by the schemas'
// names, such as "shop.Order.lines[].price"; the name of a type accepts the rule
// everywhere in the type. The reason must not be empty. What is accepted is
// logged. An exception that accepts nothing fails the test. The option may be
// repeated.
func WithException(rule, path, reason string) Option {
	return Option{func(c *config) {
		c.accepted = append(c.accepted, check.Exception{Rule: rule, Path: path, Reason: reason})
	}}
}

// NoBreak fails the test for each change in the schemas at path that would break
// a reader: with the place, who breaks, what to do, and a value that shows it.
// The path is a file, a folder or folder/..., relative to the folder of the
// test. Schemas are matched by full name or an alias; one that is gone is
// reported where the level asks that old data is read.
//
// Without options the schemas are compared with git:HEAD at [compat.Backward]: what
// you have not committed yet must read what the last commit wrote.
//
// What cannot be compared, such as a commit that was not fetched, ends the test.
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
	found, err := c.run(t, path)
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
		text := f.Text()
		if f.Witness != nil {
			text += "\n\tFor instance: " + f.Witness.JSON
			if f.Type == compat.LogicalTypeChanged {
				text += " is " + f.Witness.Reason
			}
		}
		t.Errorf("%s: %s: %s", f.Pos, f.Type, text)
	}
}

func (c config) run(t testing.TB, path string) ([]check.Finding, error) {
	if c.registry != nil && c.against != "" {
		return nil, errors.New("both WithAgainst and WithRegistry are given: use one")
	}
	if c.registry != nil {
		return check.InRegistry(t.Context(), c.level, c.registry, nil, path)
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

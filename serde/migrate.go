package serde

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/rulejson"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde/avrobin"
)

// MigrationExecutor is a [RuleExecutor] that also runs migration rules. A
// migration rule changes a record between two versions of a subject.
type MigrationExecutor interface {
	RuleExecutor
	// BindMigration prepares one rule. BindMigration is called once per rule,
	// writer schema and topic.
	BindMigration(ctx context.Context, r MigrationRule) (MigrationFunc, error)
}

// MigrationFunc runs a migration rule on one record. The record is JSON without
// the names of union branches. Bytes are characters up to U+00FF, and logical
// types are not interpreted. The result is the record in the same form. A
// member of the result that is not a field of the reader's version is left out.
// A missing field gets its default, or null. A MigrationFunc must be safe for
// concurrent use.
type MigrationFunc func(ctx context.Context, json []byte) ([]byte, error)

// MigrationRule is a migration rule with the versions that it connects.
type MigrationRule struct {
	contract.Rule
	Subject string
	Topic   string
	Part    Part
	// From and To are neighbouring versions of the subject. From is the older
	// one for an upgrade, and the newer one for a downgrade.
	From, To contract.Version
}

// VersionRanger is a [Registry] that lists the versions of a subject between a
// writer's and a reader's. [UseLatest] needs a VersionRanger to read messages
// of other versions. *registry.Client is a VersionRanger.
type VersionRanger interface {
	// Between returns the versions between the newest one with the schema of
	// writer and the version reader, both included, oldest first. The schema of
	// writer is known by its ID or its GUID.
	Between(ctx context.Context, subject string, writer contract.Version, reader int) ([]contract.Version, error)
}

// migration turns data of a writer schema into data of the pinned version. It
// is immutable.
type migration struct {
	from, to *Generic      // for steps
	steps    []ruleStep    // from the writer to the reader; may be empty
	plan     *avrobin.Plan // without steps: resolves the writer schema
}

// migrate pins u to the version of the deserializer.
func (u *unpacker) migrate(ctx context.Context, in *Input) error {
	s := u.source
	subject, err := s.subjects[in.Part].of(ctx, s.reg, in.Topic, in.Part, u.writer.Name)
	if err != nil {
		return err
	}
	if subject == "" || s.reg == nil {
		return fmt.Errorf("serde: %s needs the subject of a message: set Input.Topic", s.pin.mode)
	}
	pinned, err := s.pin.version(ctx, s.reg, subject)
	if err != nil {
		return err
	}
	u.reader = pinned
	u.ruled = !s.ignoreRules && (!u.writer.version.RuleSet.Empty() || !pinned.version.RuleSet.Empty())
	if pinned.version.ID == u.writer.version.ID && pinned.version.ID != 0 || pinned.version.Schema == u.writer.version.Schema {
		return nil
	}
	m := &migration{}
	if !s.ignoreRules {
		if m.steps, err = u.steps(ctx, in, subject); err != nil {
			return err
		}
	}
	if len(m.steps) == 0 {
		if avsc.SameMeaning(u.writer.Schema, pinned.Schema) {
			return nil
		}
		plan, err := resolve.Resolve(u.writer.Schema, pinned.Schema)
		if err != nil {
			return fmt.Errorf("serde: schema %d cannot be read as version %d of subject %s, and there is no migration rule: %w",
				u.writer.version.ID, pinned.version.Version, subject, err)
		}
		m.plan = s.limited(plan)
	} else if m.from, err = newGeneric(u.writer.Schema); err == nil {
		m.to, err = newGeneric(pinned.Schema)
	}
	u.migration = m
	return err
}

// steps binds the migration rules between the writer's and the reader's
// version.
func (u *unpacker) steps(ctx context.Context, in *Input, subject string) ([]ruleStep, error) {
	s := u.source
	ranger, ok := s.reg.(VersionRanger)
	if !ok {
		return nil, fmt.Errorf("serde: %s: %T cannot list the versions of a subject: it is no VersionRanger", s.pin.mode, s.reg)
	}
	versions, err := ranger.Between(ctx, subject, u.writer.version, u.reader.version.Version)
	if err != nil {
		return nil, &RegistryError{"versions of subject " + subject, err}
	}
	// Between returns the oldest version first. For a downgrade, the reader's
	// version is the oldest one.
	upgrade := len(versions) < 2 || versions[0].Version != u.reader.version.Version
	var steps []ruleStep
	for i := 1; i < len(versions); i++ {
		older, newer := versions[i-1], versions[i]
		r := MigrationRule{Subject: subject, Topic: in.Topic, Part: in.Part, From: older, To: newer}
		if !upgrade {
			r.From, r.To = newer, older
		}
		bound, err := s.bindMigration(ctx, newer.RuleSet, r, upgrade)
		if err != nil {
			return nil, err
		}
		if upgrade {
			steps = append(steps, bound...)
		} else {
			steps = append(bound, steps...)
		}
	}
	return steps, nil
}

// bindMigration binds the migration rules of one version. Downgrades run in
// reverse order.
func (c *common) bindMigration(ctx context.Context, set *contract.RuleSet, r MigrationRule, upgrade bool) ([]ruleStep, error) {
	if set == nil || !set.ForClients() {
		return nil, nil
	}
	rules := slices.Clone(set.MigrationRules)
	if !upgrade {
		slices.Reverse(rules)
	}
	var steps []ruleStep
	for _, rule := range rules {
		r.Rule = rule
		failed := func(err error) error {
			return &RuleError{Subject: r.Subject, Rule: rule.Name, Type: rule.Type, Action: actionError, Err: err}
		}
		switch mode := strings.ToUpper(rule.Mode); {
		case rule.Disabled,
			mode == contract.ModeUpgrade && !upgrade, mode == contract.ModeDowngrade && upgrade:
			continue
		case mode != contract.ModeUpgrade && mode != contract.ModeDowngrade && mode != contract.ModeUpDown:
			return nil, failed(fmt.Errorf("unknown mode %q of a migration rule", rule.Mode))
		}
		e, ok := c.executors[rule.Type].(MigrationExecutor)
		if !ok {
			return nil, failed(ErrNoExecutor)
		}
		run, err := e.BindMigration(ctx, r)
		if err != nil {
			return nil, failed(err)
		}
		steps = append(steps, ruleStep{
			run: run, rule: rule, subject: r.Subject, topic: r.Topic, part: r.Part, reading: true,
			onSuccess: action(rule.Mode, rule.OnSuccess, actionNone, !upgrade),
			onFailure: action(rule.Mode, rule.OnFailure, actionError, !upgrade),
			actions:   c.actions,
		})
	}
	return steps, nil
}

// apply returns data of the pinned version.
func (m *migration) apply(ctx context.Context, data []byte, r record) ([]byte, error) {
	if m.plan != nil {
		return m.plan.Append(nil, data)
	}
	v, err := m.from.Decode(data)
	if err != nil {
		return nil, err
	}
	text, err := rulejson.Append(nil, m.from.schema, v)
	if err != nil {
		return nil, err
	}
	if text, err = runRules(ctx, m.steps, text, r); err != nil {
		return nil, err
	}
	if v, err = rulejson.Read(m.to.schema, text, rulejson.Original{Schema: m.from.schema, Value: v}); err != nil {
		last := &m.steps[len(m.steps)-1]
		return nil, last.failed(ctx, r, fmt.Errorf("the result does not fit the reader's version: %w", err))
	}
	return m.to.Append(nil, v)
}

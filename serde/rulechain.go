package serde

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/fieldtags"
	"github.com/avroline/avroline/registry/contract"
)

// ruleChain contains the rules for the records of one schema in one direction.
// It is immutable.
type ruleChain struct {
	domain   []ruleStep // applied to the Avro encoding of a record
	encoding []ruleStep // applied to the payload without the schema id
}

// ruleStep is one rule that is ready to run. A migration rule is a ruleStep,
// too.
type ruleStep struct {
	run       func(ctx context.Context, data []byte) ([]byte, error)
	rule      contract.Rule
	subject   string
	topic     string
	part      Part
	reading   bool
	secret    bool // a writer's chain encrypts, so the record before the rules is a secret
	onSuccess string
	onFailure string
	actions   map[string]RuleAction
}

// This package performs these actions itself. Every other action of a failure
// becomes an error with the name of the action.
const (
	actionNone  = "NONE"
	actionError = "ERROR"
)

// ruleScope describes the records of a chain.
type ruleScope struct {
	version contract.Version // the version that has the rules
	schema  *avsc.Schema     // the schema of the records
	subject string
	topic   string
	part    Part
	reading bool
}

// bind returns the chain of the rules that apply, or nil if no rule applies.
// The error is a *RuleError.
func (c *common) bind(ctx context.Context, in ruleScope) (*ruleChain, error) {
	set := in.version.RuleSet
	if c.ignoreRules || set == nil || !set.ForClients() {
		return nil, nil
	}
	domain, encoding := in.applicable(set.DomainRules), in.applicable(set.EncodingRules)
	if len(domain) == 0 && len(encoding) == 0 {
		return nil, nil
	}
	// Refuse unusable rules before any rule calls a service.
	for _, rule := range slices.Concat(domain, encoding) {
		if !knownMode(rule.Mode) {
			return nil, in.failed(rule, actionError, fmt.Errorf("unknown mode %q", rule.Mode))
		}
		if c.executors[rule.Type] == nil {
			return nil, in.failed(rule, actionError, ErrNoExecutor)
		}
	}
	chain, tags := &ruleChain{}, fieldTags(in.version, in.schema)
	secret := !in.reading && slices.ContainsFunc(slices.Concat(domain, encoding), func(r contract.Rule) bool {
		return strings.HasPrefix(strings.ToUpper(r.Type), "ENCRYPT")
	})
	for _, phase := range []struct {
		rules []contract.Rule
		steps *[]ruleStep
	}{{domain, &chain.domain}, {encoding, &chain.encoding}} {
		for _, rule := range phase.rules {
			run, err := c.executors[rule.Type].Bind(ctx, BoundRule{
				Rule: rule, Version: in.version, Schema: in.schema.Text(), Tags: tags,
				Subject: in.subject, Topic: in.topic, Part: in.part, Reading: in.reading,
				Encoding: phase.steps == &chain.encoding,
			})
			if err != nil {
				return nil, in.failed(rule, actionError, err)
			}
			*phase.steps = append(*phase.steps, ruleStep{
				run: run, rule: rule, subject: in.subject, topic: in.topic, part: in.part, reading: in.reading, secret: secret,
				onSuccess: action(rule.Mode, rule.OnSuccess, actionNone, in.reading),
				onFailure: action(rule.Mode, rule.OnFailure, actionError, in.reading),
				actions:   c.actions,
			})
		}
	}
	return chain, nil
}

// applicable returns the rules that apply, in the order of execution. Readers
// reverse the rules of writers in reverse order. Of several transformations of
// the same fields only the first one applies, as in Confluent's clients.
func (in *ruleScope) applicable(rules []contract.Rule) []contract.Rule {
	var out []contract.Rule
	for _, rule := range rules {
		applies := true // also for an unknown mode, because bind refuses an unknown mode
		switch strings.ToUpper(rule.Mode) {
		case contract.ModeWrite:
			applies = !in.reading
		case contract.ModeRead:
			applies = in.reading
		case contract.ModeUpgrade, contract.ModeDowngrade, contract.ModeUpDown:
			applies = false
		}
		if applies && !rule.Disabled && !slices.ContainsFunc(out, func(first contract.Rule) bool { return sameFields(first, rule) }) {
			out = append(out, rule)
		}
	}
	if in.reading {
		slices.Reverse(out)
	}
	return out
}

// sameFields reports whether two rules are transformations of one type for the
// fields with the same tags.
func sameFields(a, b contract.Rule) bool {
	return (a.Type == "ENCRYPT" || a.Type == "CEL_FIELD") && a.Kind == contract.Transform && len(a.Tags) > 0 &&
		a.Type == b.Type && a.Kind == b.Kind && a.Mode == b.Mode && slices.Equal(a.Tags, b.Tags)
}

func knownMode(mode string) bool {
	switch strings.ToUpper(mode) {
	case contract.ModeWrite, contract.ModeRead, contract.ModeWriteRead:
		return true
	}
	return false
}

// action returns the action for one direction. A rule for both directions may
// have two actions, "write,read". For a rule of one direction the text is the
// name of one action, as in Confluent's clients.
func action(mode, actions, otherwise string, reading bool) string {
	name := actions
	if mode = strings.ToUpper(mode); mode == contract.ModeWriteRead || mode == contract.ModeUpDown {
		write, read, two := strings.Cut(actions, ",")
		if name = write; two && reading {
			name = read
		}
	}
	if name = strings.TrimSpace(name); name == "" {
		return otherwise
	}
	return name
}

func (in *ruleScope) failed(rule contract.Rule, action string, err error) error {
	return &RuleError{Subject: in.subject, Rule: rule.Name, Type: rule.Type, Action: action, Err: err}
}

// runRules runs steps on data. The result may share memory with data. r is the
// record before all rules.
func runRules(ctx context.Context, steps []ruleStep, data []byte, r record) ([]byte, error) {
	for i := range steps {
		s := &steps[i]
		out, err := s.run(ctx, data)
		if err != nil {
			if ctx.Err() == nil && strings.EqualFold(s.onFailure, actionNone) {
				continue // the record passes without the rule
			}
			return nil, s.failed(ctx, r, err)
		}
		data = out
		if err := s.succeeded(ctx, r); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// fieldTags returns the tags of all record fields by full name. The schema of
// the records and the registered schema may both have tags.
func fieldTags(v contract.Version, schema *avsc.Schema) map[string][]string {
	registered, err := avsc.ParseStored("schema", []byte(v.Schema))
	if err != nil {
		registered = nil // the schema of the records then has the only tags
	}
	return fieldtags.Of(v.Metadata, schema, registered)
}

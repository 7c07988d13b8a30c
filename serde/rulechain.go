package serde

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
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
	if c.ignoreRules || set == nil || !clientExecutes(set) {
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
				onSuccess: action(rule.OnSuccess, actionNone, in.reading),
				onFailure: action(rule.OnFailure, actionError, in.reading),
				actions:   c.actions,
			})
		}
	}
	return chain, nil
}

// clientExecutes reports whether clients must run the rules.
func clientExecutes(set *contract.RuleSet) bool {
	switch strings.ToUpper(set.EnableAt) {
	case "", "ALL", "CLIENT":
		return true
	}
	return false
}

// applicable returns the rules that apply, in the order of execution. Readers
// reverse the rules of writers in reverse order.
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
		if applies && !rule.Disabled {
			out = append(out, rule)
		}
	}
	if in.reading {
		slices.Reverse(out)
	}
	return out
}

func knownMode(mode string) bool {
	switch strings.ToUpper(mode) {
	case contract.ModeWrite, contract.ModeRead, contract.ModeWriteRead:
		return true
	}
	return false
}

// action returns the action for one direction. A rule for both directions may
// have two actions, "write,read".
func action(actions, otherwise string, reading bool) string {
	write, read, two := strings.Cut(actions, ",")
	if two && reading {
		write = read
	}
	if write = strings.TrimSpace(write); write == "" {
		return otherwise
	}
	return write
}

func (in *ruleScope) failed(rule contract.Rule, action string, err error) error {
	return &RuleError{Subject: in.subject, Rule: rule.Name, Type: rule.Type, Action: action, Err: err}
}

// run runs steps on data. The result may share memory with data. r is the
// record before all rules.
func run(ctx context.Context, steps []ruleStep, data []byte, r record) ([]byte, error) {
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

// fieldTags returns the tags of all record fields by full name. Three places
// contain tags: confluent:tags in the schema of the records, confluent:tags in
// the registered schema, and the paths in the version's metadata.
func fieldTags(v contract.Version, schema *avsc.Schema) map[string][]string {
	tags := map[string][]string{}
	add := func(field, tag string) {
		if !slices.Contains(tags[field], tag) {
			tags[field] = append(tags[field], tag)
		}
	}
	collect := func(s *avsc.Schema) {
		if s.Kind != avsc.Record {
			return
		}
		for _, f := range s.Fields {
			name := s.Name + "." + f.Name
			for _, tag := range inlineTags(f) {
				add(name, tag)
			}
			if v.Metadata == nil {
				continue
			}
			for path, list := range v.Metadata.Tags {
				if matchPath(path, name) {
					for _, tag := range list {
						add(name, tag)
					}
				}
			}
		}
	}
	schema.Walk(collect)
	if registered, err := avsc.ParseStored("schema", []byte(v.Schema)); err == nil {
		registered.Walk(collect)
	}
	return tags
}

func inlineTags(f *avsc.Field) []string {
	var tags []string
	for _, p := range f.Props {
		if p.Key != "confluent:tags" || p.Value.Kind != avsc.JSONArray {
			continue
		}
		for _, e := range p.Value.Elems {
			if e.Kind == avsc.JSONString {
				tags = append(tags, e.Str)
			}
		}
	}
	return tags
}

// matchPath reports whether a path of metadata tags matches a field name. "*"
// matches any characters except a dot, "**" matches any characters, and "?"
// matches one character except a dot.
func matchPath(path, name string) bool {
	path = strings.ReplaceAll(path, "**.*", "**")
	expr := regexp.QuoteMeta(path)
	expr = strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^.]*`, `\?`, `[^.]`).Replace(expr)
	match, err := regexp.MatchString("^(?:"+expr+")$", name)
	return err == nil && match
}

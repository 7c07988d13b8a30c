package serde

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/avroline/avroline/registry/contract"
)

var (
	// ErrNoExecutor says that a schema has a rule of a type that no executor of
	// [WithRules] runs. The error is a [*RuleError].
	ErrNoExecutor = errors.New("serde: no rule executor")
	// ErrCondition says that a record does not meet a condition of its subject.
	// A [RuleFunc] of a condition returns it. The error of the call is a
	// [*RuleError].
	ErrCondition = errors.New("serde: unmet condition")
)

// RuleError says that a rule of the registry stopped a record. Nothing was
// written, or nothing was read. [ErrNoExecutor], [ErrCondition] or the error of
// the executor is the cause.
type RuleError struct {
	Subject string // with the rule; empty if the reader's topic does not tell
	Rule    string // name of the rule
	Type    string // of the rule, such as "ENCRYPT" or "CEL"
	// Action is the rule's action for a failure: "ERROR", or a name such as
	// "DLQ" that the caller may act on.
	Action string
	Err    error // the cause
}

// Error names the rule and the cause, and says what to do about a missing
// executor.
func (e *RuleError) Error() string {
	s := fmt.Sprintf("serde: rule %q (%s)", e.Rule, e.Type)
	if e.Subject != "" {
		s += " of subject " + e.Subject
	}
	s += ": " + e.Err.Error()
	if errors.Is(e.Err, ErrNoExecutor) {
		s += ": give an executor of type " + e.Type + " to WithRules, or give IgnoreRules if the records may pass without the rule"
	}
	return s
}

// Unwrap returns the cause.
func (e *RuleError) Unwrap() error { return e.Err }

// RuleExecutor runs the rules of one type. It must be safe for concurrent use.
type RuleExecutor interface {
	// Type is the type of the rules, as the registry has it: "ENCRYPT".
	Type() string
	// Bind prepares one rule of one schema. It is called once per rule, schema
	// and direction, and may ask other services. An error stops the record;
	// Bind is called again for a later record.
	Bind(ctx context.Context, r BoundRule) (RuleFunc, error)
}

// RuleFunc runs a rule on one record. data is the record's Avro encoding under
// [BoundRule].Schema; for an encoding rule it is the whole payload without the
// schema id. A RuleFunc for a transformation returns the new bytes, which may
// share memory with data. A RuleFunc for a condition returns data, and
// [ErrCondition] if the record does not meet the condition. It must not keep
// data, and it must be safe for concurrent use.
type RuleFunc func(ctx context.Context, data []byte) ([]byte, error)

// BoundRule is a rule together with the records that it applies to.
type BoundRule struct {
	contract.Rule
	// Version is the registered version that has the rule, with its metadata.
	Version contract.Version
	// Schema is the schema of the records, self-contained. Its meaning may
	// differ from Version.Schema if the subject's latest rules count for an
	// older schema.
	Schema string
	// Tags are the tags of the record fields by full name:
	// "shop.Customer.email". They join the confluent:tags of the schemas and
	// the tags of the metadata.
	Tags    map[string][]string
	Subject string
	Topic   string // may be empty for a reader
	Part    Part
	Reading bool // a record is read, not written
	// Encoding says that the rule is an encoding rule, for the whole payload.
	Encoding bool
}

// Param returns a parameter of the rule. Where the rule has none of this name,
// the property of the version's metadata counts.
func (r *BoundRule) Param(name string) (value string, ok bool) {
	if value, ok = r.Params[name]; ok {
		return value, true
	}
	if r.Version.Metadata == nil {
		return "", false
	}
	value, ok = r.Version.Metadata.Properties[name]
	return value, ok
}

// WithRules gives the executors for the rules that subjects have in the
// registry. A rule without an executor stops every record of its schema with a
// [*RuleError]. Schemas without rules cost nothing more. A later WithRules adds
// executors and replaces those of the same type. A nil executor is an error.
func WithRules(executors ...RuleExecutor) CommonOption {
	return commonOption(func(c *common) error {
		all := maps.Clone(c.executors)
		if all == nil {
			all = make(map[string]RuleExecutor)
		}
		for i, e := range executors {
			if e == nil {
				return fmt.Errorf("serde: WithRules: executor %d is nil", i+1)
			}
			all[e.Type()] = e
		}
		c.executors, c.ignoreRules = all, false
		return nil
	})
}

// IgnoreRules lets records pass without the rules that subjects have in the
// registry. Fields that a rule encrypts are then written in clear text, and
// encrypted fields are read as ciphertext. The registry is not asked for rules.
func IgnoreRules() CommonOption {
	return commonOption(func(c *common) error {
		c.ignoreRules = true
		return nil
	})
}

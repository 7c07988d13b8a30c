package serde

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/avroline/avroline/registry/contract"
)

var (
	// ErrNoExecutor says that a schema has a rule whose type has no executor in
	// [WithRules]. The error is a [*RuleError].
	ErrNoExecutor = errors.New("serde: no rule executor")
	// ErrCondition says that a record does not meet a condition of its subject.
	// The [RuleFunc] of a condition returns ErrCondition. The call then returns
	// a [*RuleError].
	ErrCondition = errors.New("serde: unmet condition")
)

// RuleError says that a rule of the registry stopped a record. Nothing was
// written, or nothing was read. The cause is [ErrNoExecutor], [ErrCondition] or
// the error of the executor.
type RuleError struct {
	Subject string // the subject with the rule; empty if the reader's topic is not known
	Rule    string // name of the rule
	Type    string // of the rule, such as "ENCRYPT" or "CEL"
	// Action is the rule's action for a failure: "ERROR", or a name such as
	// "DLQ". The caller may react to the name.
	Action string
	// Handled says that the action has run, such as that the record is in the
	// dead-letter topic. A consumer may then go on with the next message.
	Handled bool
	Err     error // the cause
}

// Error names the rule and the cause. For a missing executor, the text also
// says what to do.
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
	// Type returns the type of the rules, as the registry spells it: "ENCRYPT".
	Type() string
	// Bind prepares one rule of one schema. Bind is called once per rule,
	// schema and direction, and may call other services. An error stops the
	// record. Bind is called again for a later record. If a service did not
	// answer, the error of Bind and of a RuleFunc may wrap [ErrRegistry]. Then
	// a processor, an inbox and an outbox relay wait, and take no record for
	// bad.
	Bind(ctx context.Context, r BoundRule) (RuleFunc, error)
}

// RuleFunc runs a rule on one record. data is the record's Avro encoding under
// [BoundRule].Schema. For an encoding rule, data is the whole payload without
// the schema id. The RuleFunc of a transformation returns the new bytes, which
// may share memory with data. The RuleFunc of a condition returns data, and
// [ErrCondition] if the record does not meet the condition. A RuleFunc must not
// keep data, and must be safe for concurrent use.
type RuleFunc func(ctx context.Context, data []byte) ([]byte, error)

// BoundRule is a rule with the records to which the rule applies.
type BoundRule struct {
	contract.Rule
	// Version is the registered version that has the rule, with its metadata.
	Version contract.Version
	// Schema is the self-contained schema of the records. Its meaning may
	// differ from Version.Schema if the [Registry] finds a version without its
	// rules, because the rules of the subject's latest version then apply.
	Schema string
	// Tags are the tags of the record fields by full name:
	// "shop.Customer.email". They include the confluent:tags of the schemas and
	// the tags of the metadata.
	Tags    map[string][]string
	Subject string
	Topic   string // may be empty for a reader
	Part    Part
	Reading bool // true for reading a record, false for writing
	// Encoding is true for an encoding rule, which applies to the whole
	// payload.
	Encoding bool
}

// Param returns a parameter of the rule. If the rule has no such parameter,
// Param returns the property of the version's metadata.
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

// WithRules gives the executors for the rules of the subjects in the registry.
// A rule without an executor stops every record of its schema with a
// [*RuleError]. Schemas without rules have no extra cost. A later WithRules
// adds executors, and replaces executors of the same type. A nil executor is an
// error.
func WithRules(executors ...RuleExecutor) CommonOption {
	return commonOption(func(c *common) error {
		all := maps.Clone(c.executors)
		if all == nil {
			all = make(map[string]RuleExecutor)
		}
		for i, e := range executors {
			if v := reflect.ValueOf(e); e == nil || v.Kind() == reflect.Pointer && v.IsNil() {
				return fmt.Errorf("serde: WithRules: executor %d is nil", i+1)
			}
			all[e.Type()] = e
		}
		c.executors, c.ignoreRules = all, false
		return nil
	})
}

// IgnoreRules lets records pass without the rules of their subjects. Fields
// that a rule encrypts are then written in clear text, and encrypted fields are
// read as ciphertext. The registry is not asked for rules.
func IgnoreRules() CommonOption {
	return commonOption(func(c *common) error {
		c.ignoreRules = true
		return nil
	})
}

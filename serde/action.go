package serde

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/avroline/avroline/registry/contract"
)

// RuleAction runs after a rule whose OnFailure or OnSuccess has its name. A
// RuleAction must be safe for concurrent use.
type RuleAction interface {
	// Name returns the name of the action, as the registry spells it: "DLQ".
	Name() string
	// Run runs the action. Run may call other services.
	Run(ctx context.Context, r RuleOutcome) error
}

// RuleOutcome is a record with the result of one of its rules.
type RuleOutcome struct {
	contract.Rule
	Subject string
	Topic   string // may be empty for a reader
	Part    Part
	Reading bool  // true for reading a record, false for writing
	Err     error // of the rule; nil if the rule succeeded
	// Data is the record before all rules. For a reader, Data is the payload as
	// it came. For a writer, Data is the payload that would have been written
	// without rules, with the schema id unless the id is in Header. Data must
	// not be changed or kept.
	Data []byte
	// Header carries the schema id of Data. It is the zero Header if the id is
	// in Data.
	Header Header
	// Secret says that Data holds values in clear text that a rule is to
	// encrypt.
	Secret bool
}

// WithActions gives the actions that the rules of the registry name. The names
// NONE and ERROR need no action. If an action for a failure has run, the call
// returns a [*RuleError] with Handled set. An action for success that returns
// an error stops the record. A rule may also name an action that is not given:
// then the [*RuleError] has its name. A later WithActions adds actions, and
// replaces actions of the same name. A nil action is an error.
func WithActions(actions ...RuleAction) CommonOption {
	return commonOption(func(c *common) error {
		all := maps.Clone(c.actions)
		if all == nil {
			all = make(map[string]RuleAction)
		}
		for i, a := range actions {
			if v := reflect.ValueOf(a); a == nil || v.Kind() == reflect.Pointer && v.IsNil() {
				return fmt.Errorf("serde: WithActions: action %d is nil", i+1)
			}
			all[strings.ToUpper(a.Name())] = a
		}
		c.actions = all
		return nil
	})
}

// record is the record of a chain before all rules.
type record struct {
	data   []byte
	header Header
}

// failed returns the error of a rule, after the action for the failure.
func (s *ruleStep) failed(ctx context.Context, r record, err error) error {
	e := s.error(s.onFailure, err)
	if strings.EqualFold(s.onFailure, actionNone) { // a record that cannot pass anyway
		e.Action = actionError
	}
	a := s.actions[strings.ToUpper(s.onFailure)]
	if a == nil || ctx.Err() != nil {
		return e
	}
	if failed := a.Run(ctx, s.outcome(r, err)); failed != nil {
		e.Err = fmt.Errorf("%w; the action %s failed: %w", err, s.onFailure, failed)
		return e
	}
	e.Handled = true
	return e
}

// succeeded runs the action for success.
func (s *ruleStep) succeeded(ctx context.Context, r record) error {
	if strings.EqualFold(s.onSuccess, actionNone) {
		return nil
	}
	a := s.actions[strings.ToUpper(s.onSuccess)]
	if a == nil {
		return s.error(s.onSuccess, errUnknownSuccess)
	}
	if err := a.Run(ctx, s.outcome(r, nil)); err != nil {
		return s.error(s.onSuccess, fmt.Errorf("the action %s failed: %w", s.onSuccess, err))
	}
	return nil
}

func (s *ruleStep) outcome(r record, err error) RuleOutcome {
	return RuleOutcome{
		Rule: s.rule, Subject: s.subject, Topic: s.topic, Part: s.part, Reading: s.reading,
		Err: err, Data: r.data, Header: r.header, Secret: s.secret,
	}
}

func (s *ruleStep) error(action string, err error) *RuleError {
	return &RuleError{Subject: s.subject, Rule: s.rule.Name, Type: s.rule.Type, Action: action, Err: err}
}

// errUnknownSuccess refuses an action for success that nobody runs.
var errUnknownSuccess = errors.New("the action for success is not known: give it to WithActions")

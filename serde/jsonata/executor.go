package jsonata

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/jsonata"
	"github.com/avroline/avroline/internal/rulejson"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// Executors returns the executor of JSONATA rules, for [serde.WithRules]. The
// executor is a [serde.MigrationExecutor].
func Executors() []serde.RuleExecutor { return []serde.RuleExecutor{executor{}} }

// executor implements [serde.MigrationExecutor].
type executor struct{}

func (executor) Type() string { return "JSONATA" }

// BindMigration compiles the expression of a migration rule.
func (executor) BindMigration(_ context.Context, r serde.MigrationRule) (serde.MigrationFunc, error) {
	if strings.EqualFold(r.Kind, contract.Condition) {
		condition, err := compile(r.Rule)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, json []byte) ([]byte, error) { return json, check(ctx, condition, json) }, nil
	}
	e, err := compile(r.Rule)
	if err != nil {
		return nil, err
	}
	return e.EvalJSON, nil
}

func compile(r contract.Rule) (*jsonata.Expr, error) {
	e, err := jsonata.Compile(r.Expr)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", r.Expr, err)
	}
	return e, nil
}

// check evaluates a condition.
func check(ctx context.Context, e *jsonata.Expr, json []byte) error {
	out, err := e.EvalJSON(ctx, json)
	switch {
	case err != nil && !errors.Is(err, jsonata.ErrNoResult):
		return err
	case string(out) == "true":
		return nil
	case string(out) == "false":
		return serde.ErrCondition
	}
	return errors.New("the expression of a condition must be true or false")
}

// Bind compiles the expression of a domain rule.
func (executor) Bind(_ context.Context, r serde.BoundRule) (serde.RuleFunc, error) {
	if r.Encoding {
		return nil, errors.New("JSONATA must be a domain rule or a migration rule")
	}
	e, err := compile(r.Rule)
	if err != nil {
		return nil, err
	}
	schema, err := avsc.ParseStored("schema", []byte(r.Schema))
	if err != nil {
		return nil, err
	}
	generic, err := serde.NewGeneric(r.Schema)
	if err != nil {
		return nil, err
	}
	condition := strings.EqualFold(r.Kind, contract.Condition)
	return func(ctx context.Context, data []byte) ([]byte, error) {
		v, err := generic.Decode(data)
		if err != nil {
			return nil, err
		}
		text, err := rulejson.Append(nil, schema, v)
		if err != nil {
			return nil, err
		}
		if condition {
			return data, check(ctx, e, text)
		}
		if text, err = e.EvalJSON(ctx, text); err != nil {
			return nil, err
		}
		if v, err = rulejson.Read(schema, text, rulejson.Original{Schema: schema, Value: v}); err != nil {
			return nil, fmt.Errorf("the result does not fit the schema: %w", err)
		}
		return generic.Append(nil, v)
	}, nil
}

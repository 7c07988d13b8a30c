package cel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// Executors returns the executors of CEL and CEL_FIELD rules, for
// [serde.WithRules].
func Executors() []serde.RuleExecutor {
	return []serde.RuleExecutor{executor{"CEL"}, executor{"CEL_FIELD"}}
}

// executor runs the rules of one type. It implements [serde.RuleExecutor].
type executor struct{ typ string }

func (e executor) Type() string { return e.typ }

// Bind compiles the expression of a rule.
func (e executor) Bind(_ context.Context, r serde.BoundRule) (serde.RuleFunc, error) {
	if r.Encoding {
		return nil, fmt.Errorf("%s must be a domain rule", e.typ)
	}
	schema, err := avsc.ParseStored("schema", []byte(r.Schema))
	if err != nil {
		return nil, err
	}
	generic, err := serde.NewGeneric(r.Schema)
	if err != nil {
		return nil, err
	}
	rule := &rule{bound: r, schema: schema, generic: generic, condition: strings.EqualFold(r.Kind, contract.Condition)}
	variables := []cel.EnvOption{cel.Variable("message", cel.MapType(cel.StringType, cel.DynType))}
	run := rule.runMessage
	if e.typ == "CEL_FIELD" {
		run = rule.runFields
		variables = append(variables,
			cel.Variable("value", cel.DynType), cel.Variable("fullName", cel.StringType), cel.Variable("name", cel.StringType),
			cel.Variable("typeName", cel.StringType), cel.Variable("tags", cel.ListType(cel.StringType)))
	} else if schema.Kind != avsc.Record {
		variables = []cel.EnvOption{cel.Variable("message", cel.DynType)}
	}
	env, err := cel.NewEnv(append(functions(), variables...)...)
	if err != nil {
		return nil, err
	}
	expr := r.Expr
	if guard, rest, ok := strings.Cut(expr, ";"); ok {
		expr = rest
		if strings.TrimSpace(guard) != "" {
			if rule.guard, err = compile(env, guard); err != nil {
				return nil, err
			}
		}
	}
	if rule.program, err = compile(env, expr); err != nil {
		return nil, err
	}
	return run, nil
}

func compile(env *cel.Env, expr string) (cel.Program, error) {
	ast, issues := env.Compile(expr)
	if issues != nil && issues.Err() != nil {
		return nil, fmt.Errorf("expression %q: %w", expr, issues.Err())
	}
	program, err := env.Program(ast, cel.InterruptCheckFrequency(1), cel.CustomDecorator(countCalls))
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", expr, err)
	}
	return program, nil
}

// rule is a compiled rule. It is immutable.
type rule struct {
	bound     serde.BoundRule
	schema    *avsc.Schema
	generic   *serde.Generic
	condition bool
	guard     cel.Program // nil if there is no guard
	program   cel.Program
}

// eval returns the result for the given variables. It returns false if the
// guard disables the rule.
func (r *rule) eval(w *work, vars map[string]any) (ref.Val, bool, error) {
	if r.guard != nil {
		out, err := w.evaluate(r.guard, vars)
		switch {
		case errors.Is(err, errFailed):
			return nil, false, nil // a guard that fails is false, as in Confluent's Go client
		case err != nil:
			return nil, true, err
		case out.Value() == false:
			return nil, false, nil
		}
	}
	out, err := w.evaluate(r.program, vars)
	if err != nil {
		return nil, true, err
	}
	if r.condition {
		if met, ok := out.Value().(bool); !ok {
			return nil, true, fmt.Errorf("the expression of a condition must be true or false, not %s", out.Type().TypeName())
		} else if !met {
			return nil, true, serde.ErrCondition
		}
	}
	return out, true, nil
}

// runMessage runs a CEL rule on a record.
func (r *rule) runMessage(ctx context.Context, data []byte) ([]byte, error) {
	v, err := r.generic.Decode(data)
	if err != nil {
		return nil, err
	}
	w := newWork(ctx, len(data))
	out, applies, err := r.eval(w, map[string]any{"message": toCEL(r.schema, v)})
	if err != nil || !applies || r.condition {
		return data, err
	}
	changed, err := fromCEL(w, r.schema, out, v)
	if err != nil {
		return nil, err
	}
	return r.generic.Append(nil, changed)
}

// runFields runs a CEL_FIELD rule on the fields of a record.
func (r *rule) runFields(ctx context.Context, data []byte) ([]byte, error) {
	v, err := r.generic.Decode(data)
	if err != nil {
		return nil, err
	}
	w := fieldWalk{work: newWork(ctx, len(data)), rule: r}
	if v, err = w.value(r.schema, v, nil); err != nil {
		return nil, err
	}
	if r.condition {
		return data, nil
	}
	return r.generic.Append(nil, v)
}

// fieldWalk visits the fields of one record.
type fieldWalk struct {
	work *work
	rule *rule
}

// enclosingRecord is a record that contains values of the walk.
type enclosingRecord struct {
	schema *avsc.Schema
	fields map[string]any // in goavro's form, with the results for earlier fields
	// message is the record for CEL. message is nil until an expression uses
	// the variable, because only a part of the expressions does so.
	message map[string]any
}

// forCEL returns the variable message.
func (r *enclosingRecord) forCEL() any {
	if r.message == nil {
		r.message, _ = toCEL(r.schema, r.fields).(map[string]any)
	}
	return r.message
}

// set stores the result for a field. The later fields see the result.
func (r *enclosingRecord) set(f *avsc.Field, v any) {
	r.fields[f.Name] = v
	if r.message != nil {
		r.message[f.Name] = toCEL(f.Type, v)
	}
}

// enclosingField is the field that contains a value.
type enclosingField struct {
	record *enclosingRecord
	name   string
}

func (p *enclosingField) fullName() string { return p.record.schema.Name + "." + p.name }

// value returns the result of the rule for v, and leaves v unchanged. in is nil
// outside of records.
func (w *fieldWalk) value(s *avsc.Schema, v any, in *enclosingField) (_ any, err error) {
	switch s.Kind {
	case avsc.Record:
		record := &enclosingRecord{schema: s, fields: maps.Clone(v.(map[string]any))}
		for _, f := range s.Fields {
			out, err := w.value(f.Type, record.fields[f.Name], &enclosingField{record, f.Name})
			if err != nil {
				return nil, err
			}
			if !w.rule.condition {
				record.set(f, out)
			}
		}
		return record.fields, nil
	case avsc.Union:
		return w.union(s, v, in)
	case avsc.Array:
		list := slices.Clone(v.([]any))
		for i := range list {
			if list[i], err = w.value(s.Elem, list[i], in); err != nil {
				return nil, err
			}
		}
		return list, nil
	case avsc.Map:
		m := maps.Clone(v.(map[string]any))
		for key := range m {
			if m[key], err = w.value(s.Elem, m[key], in); err != nil {
				return nil, err
			}
		}
		return m, nil
	case avsc.Enum, avsc.Fixed:
		return v, nil
	}
	if in == nil || !w.hasTag(in) {
		return v, nil
	}
	out, applies, err := w.eval(s, v, in)
	if err != nil || !applies || w.rule.condition {
		return v, err
	}
	if v, err = fromCEL(w.work, s, out, v); err != nil {
		return nil, fmt.Errorf("%s: %w", in.fullName(), err)
	}
	return v, nil
}

// union returns the result of the rule for the branch that v has. The result of
// a transformation may be of another branch.
func (w *fieldWalk) union(s *avsc.Schema, v any, in *enclosingField) (any, error) {
	branch, name, value := branchOf(s, v)
	if branch == nil {
		branch = &avsc.Schema{Kind: avsc.Null}
	}
	switch branch.Kind {
	case avsc.Record, avsc.Array, avsc.Map, avsc.Enum, avsc.Fixed:
		value, err := w.value(branch, value, in)
		return map[string]any{name: value}, err
	}
	if in == nil || !w.hasTag(in) {
		return v, nil
	}
	out, applies, err := w.eval(branch, value, in)
	if err != nil || !applies || w.rule.condition {
		return v, err
	}
	if v, err = fromCEL(w.work, s, out, v); err != nil {
		return nil, fmt.Errorf("%s: %w", in.fullName(), err)
	}
	return v, nil
}

// eval evaluates the rule for a value of a primitive type.
func (w *fieldWalk) eval(s *avsc.Schema, v any, in *enclosingField) (ref.Val, bool, error) {
	tags := w.rule.bound.Tags[in.fullName()]
	if tags == nil {
		tags = []string{}
	}
	out, applies, err := w.rule.eval(w.work, map[string]any{
		"value": toCEL(s, v), "fullName": in.fullName(), "name": in.name,
		"typeName": strings.ToUpper(s.Kind.String()), "tags": tags, "message": in.record.forCEL,
	})
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", in.fullName(), err)
	}
	return out, applies, nil
}

func (w *fieldWalk) hasTag(in *enclosingField) bool {
	tags := w.rule.bound.Rule.Tags
	return len(tags) == 0 || slices.ContainsFunc(w.rule.bound.Tags[in.fullName()], func(tag string) bool { return slices.Contains(tags, tag) })
}

package cel

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// The work of most functions is proportional to the size of their arguments. An
// evaluation is stopped after such a call, if the call was too large. This file
// has the functions whose work can be far larger than the arguments. These
// functions refuse the work before they begin.

const (
	// maxResult is the largest text that one call may make, in bytes.
	maxResult = maxSteps * bytesPerStep
	// maxMatch bounds the length of a text, multiplied by the size of the
	// compiled regular expression. A match of this size takes some seconds, and
	// cannot be interrupted.
	maxMatch = 1 << 28
	// maxRepeat is the number of instructions that one byte of a regular
	// expression can become.
	maxRepeat = 2000
	// valuesPerStep is the number of values in a comparison that count as a
	// step.
	valuesPerStep = 4
	// textPerValue is the number of bytes of text that count as a value.
	textPerValue = 16
)

// boundedFunctions returns the functions that replace functions of cel-go.
func boundedFunctions() []cel.EnvOption {
	str, integer, text := cel.StringType, cel.IntType, func(v ref.Val) string { return string(v.(types.String)) }
	index := func(find func(s, sub string) int, last bool) []cel.FunctionOpt {
		name := "string_index_of_string"
		if last {
			name = "string_last_index_of_string"
		}
		return []cel.FunctionOpt{
			cel.MemberOverload(name, []*cel.Type{str, str}, integer, cel.BinaryBinding(func(s, sub ref.Val) ref.Val {
				return indexOf(text(s), text(sub), nil, last, find)
			})),
			cel.MemberOverload(name+"_int", []*cel.Type{str, str, integer}, integer, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				from := int(args[2].(types.Int))
				return indexOf(text(args[0]), text(args[1]), &from, last, find)
			})),
		}
	}
	return []cel.EnvOption{
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", []*cel.Type{str, str, str}, str, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return replace(text(args[0]), text(args[1]), text(args[2]), -1)
			})),
			cel.MemberOverload("string_replace_string_string_int", []*cel.Type{str, str, str, integer}, str, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return replace(text(args[0]), text(args[1]), text(args[2]), int(args[3].(types.Int)))
			}))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{cel.ListType(str)}, str, cel.UnaryBinding(func(list ref.Val) ref.Val {
				return join(list.(traits.Lister), "")
			})),
			cel.MemberOverload("list_join_string", []*cel.Type{cel.ListType(str), str}, str, cel.BinaryBinding(func(list, sep ref.Val) ref.Val {
				return join(list.(traits.Lister), text(sep))
			}))),
		cel.Function("indexOf", index(strings.Index, false)...),
		cel.Function("lastIndexOf", index(strings.LastIndex, true)...),
	}
}

// replace replaces the first n places of old in s, or all places if n is
// negative.
func replace(s, old, fresh string, n int) ref.Val {
	if grows := len(fresh) - len(old); grows > 0 {
		places := strings.Count(s, old)
		if n >= 0 {
			places = min(places, n)
		}
		if places > maxResult/grows {
			return types.WrapErr(errTooMuch)
		}
	}
	return types.String(strings.Replace(s, old, fresh, n))
}

func join(list traits.Lister, sep string) ref.Val {
	n := int(list.Size().(types.Int))
	var out strings.Builder
	for i := range n {
		if i > 0 {
			out.WriteString(sep)
		}
		s, ok := list.Get(types.Int(i)).(types.String)
		if !ok {
			return types.NewErr("join: an element is not a string")
		}
		out.WriteString(string(s))
		if out.Len() > maxResult {
			return types.WrapErr(errTooMuch)
		}
	}
	return types.String(out.String())
}

// operands evaluates the two arguments of a call. If an argument fails, failed
// is the result of the call.
func operands(c interpreter.InterpretableCall, vars interpreter.Activation) (a, b, failed ref.Val) {
	args := c.Args()
	a, b = args[0].Eval(vars), args[1].Eval(vars)
	switch {
	case types.IsUnknownOrError(a):
		return a, b, a
	case types.IsUnknownOrError(b):
		return a, b, b
	}
	return a, b, nil
}

// boundedMatch is a call of matches. literal is the compiled pattern if the
// pattern is a literal in the rule, and otherwise nil.
type boundedMatch struct {
	interpreter.InterpretableCall
	literal *regexp.Regexp
}

func newBoundedMatch(call interpreter.InterpretableCall) boundedMatch {
	m := boundedMatch{InterpretableCall: call}
	if args := call.Args(); len(args) == 2 {
		if pattern, ok := args[1].(interpreter.InterpretableConst); ok {
			if expr, ok := pattern.Value().(types.String); ok {
				m.literal, _ = regexp.Compile(string(expr)) // Eval reports an error
			}
		}
	}
	return m
}

// Eval evaluates the call.
func (c boundedMatch) Eval(vars interpreter.Activation) ref.Val {
	a, b, failed := operands(c, vars)
	if failed != nil {
		return failed
	}
	text, isText := a.(types.String)
	expr, isExpr := b.(types.String)
	if !isText || !isExpr {
		return types.NewErr("no such overload")
	}
	return matches(string(text), string(expr), c.literal)
}

// matches reports whether text matches expr. compiled may be nil.
func matches(text, expr string, compiled *regexp.Regexp) ref.Val {
	if len(text) > maxMatch/maxRepeat/max(1, len(expr)) {
		parsed, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			return types.WrapErr(err)
		}
		program, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			return types.WrapErr(err)
		}
		if len(text) > maxMatch/len(program.Inst) {
			return types.WrapErr(errTooMuch)
		}
	}
	if compiled == nil {
		var err error
		if compiled, err = regexp.Compile(expr); err != nil {
			return types.WrapErr(err)
		}
	}
	return types.Bool(compiled.MatchString(text))
}

// indexOf returns the place of sub in s, in characters, or -1. from is the
// first place to look at, or the last place. It is nil for the whole text. The
// results are those of cel-go, whose work grows with the product of both
// lengths.
func indexOf(s, sub string, from *int, last bool, find func(s, sub string) int) ref.Val {
	runes, length := []rune(s), utf8.RuneCountInString(sub)
	start, end := 0, len(runes)
	switch {
	case from == nil && sub == "" && last:
		return types.Int(len(runes))
	case from == nil && sub == "":
		return types.Int(0)
	case from == nil:
	case sub == "":
		return types.Int(*from)
	case *from < 0:
		return types.NewErr("index out of range: %d", *from)
	case *from >= len(runes):
		return types.Int(-1)
	case last:
		end = min(len(runes), *from+length)
	default:
		start = *from
	}
	part := string(runes[start:end])
	i := find(part, string([]rune(sub))) // both have U+FFFD for bytes that are not UTF-8
	if i < 0 {
		return types.Int(-1)
	}
	return types.Int(start + utf8.RuneCountInString(part[:i]))
}

// countedCompare is a comparison that counts the compared values before it
// begins. Lists and maps of CEL share memory, so a small expression can make a
// list with more values than any computer can compare.
type countedCompare struct{ interpreter.InterpretableCall }

// Eval evaluates the comparison.
func (c countedCompare) Eval(vars interpreter.Activation) ref.Val {
	a, b, failed := operands(c, vars)
	if failed != nil {
		return failed
	}
	_, isMap := b.(traits.Mapper)
	lookup := isMap && c.Function() == operators.In
	if !lookup && (isCollection(a) || isCollection(b)) && !count(vars, a, b) {
		return types.WrapErr(errTooMuch)
	}
	switch c.Function() {
	case operators.Equals:
		return types.Equal(a, b)
	case operators.NotEquals:
		return types.Bool(types.Equal(a, b) != types.True)
	}
	if container, ok := b.(traits.Container); ok {
		return container.Contains(a)
	}
	return types.ValOrErr(b, "no such overload")
}

func isCollection(v ref.Val) bool {
	switch v.(type) {
	case traits.Lister, traits.Mapper:
		return true
	}
	return false
}

// countedFormat is a call of format that counts the values before it begins.
type countedFormat struct{ countedCall }

// Eval evaluates the arguments, and then the call, which evaluates them again.
func (c countedFormat) Eval(vars interpreter.Activation) ref.Val {
	for _, arg := range c.Args() {
		v := arg.Eval(vars)
		if types.IsUnknownOrError(v) {
			return v
		}
		if !count(vars, v) {
			return types.WrapErr(errTooMuch)
		}
	}
	return c.countedCall.Eval(vars)
}

// count counts the values inside lists and maps as work. It returns false if
// the work is too much.
func count(vars interpreter.Activation, values ...ref.Val) bool {
	v, _ := vars.ResolveName(counter)
	w, ok := v.(*work)
	if !ok {
		return true
	}
	limit := (maxSteps - w.steps) * valuesPerStep
	left := limit
	for _, v := range values {
		countValues(v, &left)
	}
	w.add((limit - left) / valuesPerStep)
	if left < 0 {
		w.stopped = errTooMuch
	}
	return w.stopped == nil
}

// tooLarge reports whether a result needs far more memory than the record.
func (w *work) tooLarge(out ref.Val) bool {
	left := w.size + maxResult/textPerValue
	countValues(out, &left)
	return left < 0
}

// countValues takes the number of values inside v from left, and one for each
// textPerValue bytes of text. It ends when left is negative.
func countValues(v ref.Val, left *int) {
	switch v := v.(type) {
	case types.String:
		*left -= len(v) / textPerValue
	case types.Bytes:
		*left -= len(v) / textPerValue
	case traits.Lister:
		n, _ := v.Size().(types.Int)
		*left -= int(n)
		for i := types.Int(0); i < n && *left >= 0; i++ {
			countValues(v.Get(i), left)
		}
	case traits.Mapper:
		n, _ := v.Size().(types.Int)
		*left -= int(n)
		for it := v.Iterator(); *left >= 0 && it.HasNext() == types.True; {
			countValues(v.Get(it.Next()), left)
		}
	}
}

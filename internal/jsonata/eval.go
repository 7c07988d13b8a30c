package jsonata

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Expr is a compiled expression. It is immutable and safe for concurrent use.
type Expr struct {
	tree      *node
	functions map[string]any // functions of the language that the expression uses
}

// Compile parses an expression. The error is a [*SyntaxError].
func Compile(src string) (*Expr, error) {
	tree, err := parse(src)
	if err != nil {
		return nil, err
	}
	e := &Expr{tree: tree, functions: make(map[string]any)}
	all := builtins()
	walk(tree, func(n *node) {
		if n.kind != kindVariable {
			return
		}
		if f, ok := all[n.text]; ok {
			e.functions[n.text] = builtin(n.text, f)
		} else if unsupported(n.text) && err == nil {
			err = &SyntaxError{n.at, "the function $" + n.text + " is not supported"}
		}
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

var (
	// ErrLimit says that an evaluation was too deep, too long or too large.
	ErrLimit = errors.New("JSONata: the evaluation exceeds its limits")
	// ErrNoResult says that an expression has no value as its result.
	ErrNoResult = errors.New("JSONata: the expression has no result for this input")
)

const (
	maxDepth = 500       // nested evaluations
	maxWork  = 2_000_000 // evaluated nodes, and elements and bytes of results
	maxRange = 1_000_000 // elements of a range

	bytesPerWork  = 8  // bytes of a text that count as a unit of work
	valuesPerWork = 16 // values of a comparison that count as a unit of work
)

// EvalJSON evaluates the expression for a JSON text, and returns the result as
// a JSON text. If the expression has no result, the error is [ErrNoResult]. An
// error contains no value of the input, except for the text that the expression
// passes to $error or $assert.
func (e *Expr) EvalJSON(ctx context.Context, input []byte) ([]byte, error) {
	in, err := fromJSON(input)
	if err != nil {
		return nil, err
	}
	ev := &evaluation{ctx: ctx}
	if a, ok := in.(*array); ok {
		in = &array{items: []any{a}, sequence: true, wrapper: true}
	}
	out, err := ev.eval(e.tree, in, &scope{parent: &scope{names: e.functions}, names: map[string]any{"$": in}})
	if err != nil {
		return nil, err
	}
	switch out.(type) {
	case undefined, *function:
		return nil, ErrNoResult
	}
	// The values of a result can share memory, so their JSON can be far longer
	// than the memory. A result may have the values of the input unchanged.
	if left := len(input) + maxWork*bytesPerWork; !within(out, &left) {
		return nil, ErrLimit
	}
	text, err := appendJSON(nil, out)
	if err != nil {
		return nil, fmt.Errorf("JSONata: %w", err)
	}
	return text, nil
}

// evaluation is the state of one evaluation.
type evaluation struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call
	depth int
	work  int
}

// scope holds the variables of a block or a function.
type scope struct {
	parent *scope
	names  map[string]any
}

func (s *scope) lookup(name string) any {
	for ; s != nil; s = s.parent {
		if v, ok := s.names[name]; ok {
			return v
		}
	}
	return undefined{}
}

func (s *scope) bind(name string, v any) {
	if s.names == nil {
		s.names = make(map[string]any)
	}
	s.names[name] = v
}

// spend counts n units of work.
func (ev *evaluation) spend(n int) error {
	before := ev.work / 256
	if ev.work += n; ev.work > maxWork || n > maxWork {
		return ErrLimit
	}
	if ev.work/256 != before && ev.ctx.Err() != nil {
		return context.Cause(ev.ctx)
	}
	return nil
}

// within takes the values inside v, and the bytes of their texts, from left. It
// ends when left is negative, and then returns false.
func within(v any, left *int) bool {
	switch v := v.(type) {
	case string:
		*left -= len(v)
	case *array:
		*left -= len(v.items)
		for _, item := range v.items {
			if *left < 0 || !within(item, left) {
				return false
			}
		}
	case *object:
		*left -= len(v.keys)
		for _, key := range v.keys {
			if *left -= len(key); *left < 0 || !within(v.values[key], left) {
				return false
			}
		}
	}
	return *left >= 0
}

// values returns the number of values inside arrays and objects, with the bytes
// of their texts. The number is too large for the work that is left if the
// values are.
func (ev *evaluation) values(list ...any) int {
	limit := (maxWork - ev.work + 1) * valuesPerWork
	left := limit
	for _, v := range list {
		switch v.(type) {
		case *array, *object:
			within(v, &left)
		}
	}
	return limit - left
}

// equal compares two values.
func (ev *evaluation) equal(a, b any) (bool, error) {
	if err := ev.spend(ev.values(a, b) / valuesPerWork); err != nil {
		return false, err
	}
	return equal(a, b), nil
}

// text returns the string form of a value.
func (ev *evaluation) text(v any) (string, error) {
	left := (maxWork - ev.work) * bytesPerWork
	if !within(v, &left) {
		return "", ErrLimit
	}
	s, err := text(v)
	if err != nil {
		return "", failf("%w", err)
	}
	return s, nil
}

func failf(format string, args ...any) error { return fmt.Errorf("JSONata: "+format, args...) }

// eval returns the value of n for an input.
func (ev *evaluation) eval(n *node, in any, s *scope) (any, error) {
	if ev.depth++; ev.depth > maxDepth {
		return nil, ErrLimit
	}
	defer func() { ev.depth-- }()
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	out, err := ev.kind(n, in, s)
	if err != nil {
		return nil, err
	}
	if n.kind != kindSort {
		for _, f := range n.filters {
			if out, err = ev.filter(f, out, s); err != nil {
				return nil, err
			}
		}
	}
	if n.group != nil && n.kind != kindPath {
		if out, err = ev.object(n.group, out, s); err != nil {
			return nil, err
		}
	}
	return single(out, n.keepArray), nil
}

// single returns the value of a sequence of one value, and undefined for an
// empty sequence.
func single(v any, keep bool) any {
	a, ok := v.(*array)
	if !ok || !a.sequence {
		return v
	}
	a.keep = a.keep || keep
	switch {
	case len(a.items) == 0:
		return undefined{}
	case len(a.items) == 1 && !a.keep:
		return a.items[0]
	}
	return a
}

func (ev *evaluation) kind(n *node, in any, s *scope) (any, error) {
	switch n.kind {
	case kindPath:
		return ev.path(n, in, s)
	case kindName:
		return member(in, n.text), nil
	case kindString:
		return n.text, nil
	case kindNumber, kindValue:
		return n.val, nil
	case kindRegex:
		return regexFunction(n.regex, n.size), nil
	case kindVariable:
		if n.text != "" {
			return s.lookup(n.text), nil
		}
		if a, ok := in.(*array); ok && a.wrapper {
			return a.items[0], nil
		}
		return in, nil
	case kindWildcard:
		return ev.wildcard(in), nil
	case kindDescendant:
		return ev.descendants(in)
	case kindBinary:
		return ev.binary(n, in, s)
	case kindNegate:
		v, err := ev.eval(n.lhs, in, s)
		if _, ok := number(v); err != nil || isUndefined(v) || ok {
			return negate(v), err
		}
		return nil, failf("only a number can be negated")
	case kindArray:
		return ev.array(n, in, s)
	case kindObject:
		return ev.object(n, in, s)
	case kindBlock:
		inner := &scope{parent: s}
		var out any = undefined{}
		for _, e := range n.list {
			var err error
			if out, err = ev.eval(e, in, inner); err != nil {
				return nil, err
			}
		}
		return out, nil
	case kindCondition:
		v, err := ev.eval(n.lhs, in, s)
		switch {
		case err != nil:
			return nil, err
		case boolean(v):
			return ev.eval(n.rhs, in, s)
		case n.third != nil:
			return ev.eval(n.third, in, s)
		}
		return undefined{}, nil
	case kindDefault: // rhs counts if lhs is false (?:) or missing (??)
		v, err := ev.eval(n.lhs, in, s)
		if err != nil || n.text == "?:" && boolean(v) || n.text == "??" && !isUndefined(v) {
			return v, err
		}
		return ev.eval(n.rhs, in, s)
	case kindBind:
		v, err := ev.eval(n.rhs, in, s)
		if err == nil {
			s.bind(n.text, v)
		}
		return v, err
	case kindLambda:
		return lambda(n, in, s), nil
	case kindCall, kindPartial:
		return ev.callNode(n, in, s, nil)
	case kindApply:
		return ev.apply(n, in, s)
	case kindTransform:
		return transformer(n, s), nil
	}
	return nil, failf("this expression cannot be evaluated here")
}

// member returns the member of an object, or the members of the objects in an
// array.
func member(in any, name string) any {
	switch in := in.(type) {
	case *object:
		return in.get(name)
	case *array:
		out := newSequence()
		for _, item := range in.items {
			switch v := member(item, name).(type) {
			case undefined:
			case *array:
				out.items = append(out.items, v.items...)
			default:
				out.items = append(out.items, v)
			}
		}
		return out
	}
	return undefined{}
}

// path evaluates the steps of a path. Each step gets the results of the step
// before.
func (ev *evaluation) path(n *node, in any, s *scope) (any, error) {
	input, ok := in.(*array)
	if !ok || n.list[0].kind == kindVariable {
		input = newSequence(in)
	}
	var result any = undefined{}
	for i, step := range n.list {
		var err error
		if i == 0 && step.consArray {
			result, err = ev.eval(step, any(input), s)
		} else {
			result, err = ev.step(step, input, s, i == len(n.list)-1)
		}
		if err != nil {
			return nil, err
		}
		a, ok := result.(*array)
		if !ok && !isUndefined(result) {
			a = newSequence(result)
		}
		if a == nil || len(a.items) == 0 {
			break
		}
		input = a
	}
	if a, ok := result.(*array); ok && n.keepArray {
		if a.cons && !a.sequence {
			a = newSequence(a)
			result = a
		}
		a.keep = true
	}
	if n.group != nil {
		return ev.object(n.group, result, s)
	}
	return result, nil
}

// step evaluates one step of a path for each value of the input.
func (ev *evaluation) step(n *node, input *array, s *scope, last bool) (any, error) {
	if n.kind == kindSort {
		sorted, err := ev.sort(n, input, s)
		for _, f := range n.filters {
			if err != nil {
				return nil, err
			}
			if sorted, err = ev.filter(f, sorted, s); err != nil {
				return nil, err
			}
		}
		return sorted, err
	}
	var found []any
	for _, item := range input.items {
		v, err := ev.eval(n, item, s)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			found = append(found, v)
		}
	}
	if last && len(found) == 1 {
		if a, ok := found[0].(*array); ok && !a.sequence {
			return a, nil
		}
	}
	out := newSequence()
	for _, v := range found {
		if a, ok := v.(*array); ok && !a.cons {
			if err := ev.spend(len(a.items)); err != nil {
				return nil, err
			}
			out.items = append(out.items, a.items...)
		} else {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

// filter returns the values of in for which by is true. If by is a number, the
// result is the value at this index.
func (ev *evaluation) filter(by *node, in any, s *scope) (any, error) {
	a, ok := in.(*array)
	if !ok {
		a = newSequence()
		if !isUndefined(in) {
			a.items = append(a.items, in)
		}
	}
	out := newSequence()
	if f, ok := number(by.val); ok && by.kind == kindNumber {
		if i, ok := index(f, len(a.items)); ok {
			if inner, ok := a.items[i].(*array); ok {
				return inner, nil
			}
			out.items = append(out.items, a.items[i])
		}
		return out, nil
	}
	for i, item := range a.items {
		v, err := ev.eval(by, item, s)
		if err != nil {
			return nil, err
		}
		if at, ok := indexes(v); ok {
			for _, f := range at {
				if j, ok := index(f, len(a.items)); ok && j == i {
					out.items = append(out.items, item)
				}
			}
		} else if boolean(v) {
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

// index returns the position for the index f in a list of n values. A negative
// index counts from the end.
func index(f float64, n int) (int, bool) {
	i := math.Floor(f)
	if i < 0 {
		i += float64(n)
	}
	return int(i), i >= 0 && i < float64(n)
}

// indexes returns v as a list of numbers.
func indexes(v any) ([]float64, bool) {
	if f, ok := number(v); ok {
		return []float64{f}, true
	}
	a, ok := v.(*array)
	if !ok {
		return nil, false
	}
	out := make([]float64, len(a.items))
	for i, item := range a.items {
		if out[i], ok = number(item); !ok {
			return nil, false
		}
	}
	return out, true
}

// add returns the values of a and b as an array. An array of one value stays an
// array.
func add(a, b any) any {
	switch {
	case isUndefined(a):
		return b
	case isUndefined(b):
		return a
	}
	list := func(v any) []any {
		if a, ok := v.(*array); ok {
			return a.items
		}
		return []any{v}
	}
	return &array{items: slices.Concat(list(a), list(b))}
}

func (ev *evaluation) wildcard(in any) any {
	if a, ok := in.(*array); ok && a.wrapper {
		in = a.items[0]
	}
	out := newSequence()
	each := func(v any) {
		if a, ok := v.(*array); ok {
			out.items = flatten(out.items, a)
			out.sequence = false // a single item stays in its array
		} else {
			out.items = append(out.items, v)
		}
	}
	switch in := in.(type) {
	case *object:
		for _, key := range in.keys {
			each(in.values[key])
		}
	case *array:
		for _, item := range in.items {
			each(item)
		}
	}
	return out
}

func flatten(dst []any, a *array) []any {
	for _, item := range a.items {
		if inner, ok := item.(*array); ok {
			dst = flatten(dst, inner)
		} else {
			dst = append(dst, item)
		}
	}
	return dst
}

func (ev *evaluation) descendants(in any) (any, error) {
	if isUndefined(in) {
		return in, nil
	}
	out := newSequence()
	var visit func(v any) error
	visit = func(v any) error {
		if err := ev.spend(1); err != nil {
			return err
		}
		switch v := v.(type) {
		case *array:
			for _, item := range v.items {
				if err := visit(item); err != nil {
					return err
				}
			}
			return nil
		case *object:
			out.items = append(out.items, v)
			for _, key := range v.keys {
				if err := visit(v.values[key]); err != nil {
					return err
				}
			}
			return nil
		}
		out.items = append(out.items, v)
		return nil
	}
	return out, visit(in)
}

func (ev *evaluation) array(n *node, in any, s *scope) (any, error) {
	out := &array{cons: n.consArray}
	for _, e := range n.list {
		v, err := ev.eval(e, in, s)
		if err != nil {
			return nil, err
		}
		if a, ok := v.(*array); ok && e.kind != kindArray {
			if err := ev.spend(len(a.items)); err != nil {
				return nil, err
			}
			out.items = append(out.items, a.items...)
		} else if !isUndefined(v) {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

// object evaluates the members of an object for each value of the input. Values
// with the same name are grouped.
func (ev *evaluation) object(n *node, in any, s *scope) (any, error) {
	items := []any{in}
	if a, ok := in.(*array); ok {
		if items = a.items; len(items) == 0 {
			items = []any{undefined{}}
		}
	}
	type group struct {
		data any
		pair int
	}
	groups, order := map[string]*group{}, []string(nil)
	for _, item := range items {
		for i, pair := range n.pairs {
			key, err := ev.eval(pair[0], item, s)
			if err != nil {
				return nil, err
			}
			if isUndefined(key) {
				continue
			}
			name, ok := key.(string)
			if !ok {
				return nil, failf("the name of a member must be a string")
			}
			switch g := groups[name]; {
			case g == nil:
				groups[name], order = &group{item, i}, append(order, name)
			case g.pair != i:
				return nil, failf("two members of an object have the same name")
			default:
				g.data = add(g.data, item)
				if err := ev.spend(1); err != nil {
					return nil, err
				}
			}
		}
	}
	out := newObject()
	for _, name := range order {
		g := groups[name]
		v, err := ev.eval(n.pairs[g.pair][1], g.data, s)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			out.set(name, v)
		}
	}
	return out, nil
}

func (ev *evaluation) sort(n *node, input *array, s *scope) (any, error) {
	type keyed struct {
		item any
		keys []any
	}
	list := make([]keyed, len(input.items))
	for i, item := range input.items {
		list[i].item = item
		for _, t := range n.terms {
			v, err := ev.eval(t.by, item, s)
			if err != nil {
				return nil, err
			}
			list[i].keys = append(list[i].keys, v)
		}
	}
	if err := ev.spend(len(list) * len(n.terms)); err != nil {
		return nil, err
	}
	var failed error
	slices.SortStableFunc(list, func(a, b keyed) int {
		for i, t := range n.terms {
			x, y := a.keys[i], b.keys[i]
			c := 0
			switch {
			case isUndefined(x) && isUndefined(y):
			case isUndefined(x):
				return 1 // missing values come last, in both directions
			case isUndefined(y):
				return -1
			default:
				var err error
				if c, err = compare(x, y); err != nil {
					failed = err
				}
			}
			if t.descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	out := newSequence()
	for _, k := range list {
		out.items = append(out.items, k.item)
	}
	return out, failed
}

// compare orders two numbers or two strings.
func compare(a, b any) (int, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			switch {
			case x < y:
				return -1, nil
			case x > y:
				return 1, nil
			}
			return 0, nil
		}
	}
	x, ok := number(a)
	y, also := number(b)
	if !ok || !also {
		return 0, failf("only two numbers or two strings can be compared")
	}
	switch {
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	}
	return 0, nil
}

func (ev *evaluation) binary(n *node, in any, s *scope) (any, error) {
	lhs, err := ev.eval(n.lhs, in, s)
	if err != nil {
		return nil, err
	}
	switch n.text {
	case "and":
		if !boolean(lhs) {
			return false, nil
		}
		rhs, err := ev.eval(n.rhs, in, s)
		return boolean(rhs), err
	case "or":
		if boolean(lhs) {
			return true, nil
		}
		rhs, err := ev.eval(n.rhs, in, s)
		return boolean(rhs), err
	}
	rhs, err := ev.eval(n.rhs, in, s)
	if err != nil {
		return nil, err
	}
	switch n.text {
	case "=", "!=":
		if isUndefined(lhs) || isUndefined(rhs) {
			return false, nil
		}
		same, err := ev.equal(lhs, rhs)
		return same == (n.text == "="), err
	case "in":
		if isUndefined(lhs) || isUndefined(rhs) {
			return false, nil
		}
		if err := ev.spend(ev.values(lhs, rhs) / valuesPerWork); err != nil {
			return nil, err
		}
		if a, ok := rhs.(*array); ok {
			return slices.ContainsFunc(a.items, func(v any) bool { return equal(lhs, v) }), nil
		}
		return equal(lhs, rhs), nil
	case "&":
		a, err := ev.text(lhs)
		if err != nil {
			return nil, err
		}
		b, err := ev.text(rhs)
		if err != nil {
			return nil, err
		}
		return a + b, ev.spend(1 + (len(a)+len(b))/8)
	case "<", "<=", ">", ">=":
		return ordered(n.text, lhs, rhs)
	case "..":
		return ev.numericOperands(lhs, rhs)
	}
	return arithmetic(n.text, lhs, rhs)
}

func ordered(op string, lhs, rhs any) (any, error) {
	for _, v := range []any{lhs, rhs} {
		switch v.(type) {
		case undefined, string, int64, float64:
		default:
			return nil, failf("the operator %s is for numbers and strings", op)
		}
	}
	if isUndefined(lhs) || isUndefined(rhs) {
		return undefined{}, nil
	}
	c, err := compare(lhs, rhs)
	if err != nil {
		return nil, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func (ev *evaluation) numericOperands(lhs, rhs any) (any, error) {
	if isUndefined(lhs) || isUndefined(rhs) {
		for _, v := range []any{lhs, rhs} {
			if _, ok := number(v); !ok && !isUndefined(v) {
				return nil, failf("the bounds of a range must be integers")
			}
		}
		return undefined{}, nil
	}
	from, ok := number(lhs)
	to, also := number(rhs)
	if !ok || !also || from != math.Trunc(from) || to != math.Trunc(to) {
		return nil, failf("the bounds of a range must be integers")
	}
	if from > to {
		return undefined{}, nil
	}
	if to-from >= maxRange {
		return nil, ErrLimit
	}
	out := newSequence()
	if err := ev.spend(int(to - from)); err != nil {
		return nil, err
	}
	for i := from; i <= to; i++ {
		out.items = append(out.items, int64(i))
	}
	return out, nil
}

// arithmetic computes integers exactly if the result fits into an int64.
func arithmetic(op string, lhs, rhs any) (any, error) {
	for _, v := range []any{lhs, rhs} {
		if _, ok := number(v); !ok && !isUndefined(v) {
			return nil, failf("the operator %s is for numbers", op)
		}
	}
	if isUndefined(lhs) || isUndefined(rhs) {
		return undefined{}, nil
	}
	if a, ok := lhs.(int64); ok {
		if b, ok := rhs.(int64); ok {
			if v, ok := exact(op, a, b); ok {
				return v, nil
			}
		}
	}
	x, _ := number(lhs)
	y, _ := number(rhs)
	switch op {
	case "+":
		x += y
	case "-":
		x -= y
	case "*":
		x *= y
	case "/":
		x /= y
	default:
		x = math.Mod(x, y)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil, failf("the result of %s is not a number", op)
	}
	return x, nil
}

// exact computes with integers. The second result is false if the integer does
// not fit.
func exact(op string, a, b int64) (int64, bool) {
	switch op {
	case "+":
		c := a + b
		return c, (c > a) == (b > 0)
	case "-":
		c := a - b
		return c, (c < a) == (b > 0)
	case "*":
		c := a * b
		return c, a == 0 || (c/a == b && (a != -1 || b != math.MinInt64))
	case "%":
		if b == 0 || b == -1 {
			return 0, b == -1
		}
		return a % b, true
	}
	if b == 0 || b == -1 && a == math.MinInt64 || a%b != 0 {
		return 0, false
	}
	return a / b, true
}

package jsonata

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// implementation is the body of a function of the language. The caller has
// checked the arguments against the signature.
type implementation func(ev *evaluation, args []any) (any, error)

// builtin returns a function of the language.
func builtin(name string, b signature) *function {
	params, callback := len(b.params), len(b.params)
	if name == "string" { // as in JavaScript, a callback gets no second argument
		callback = 1
	}
	return &function{name: name, params: callback, call: func(ev *evaluation, args []any, context any) (any, error) {
		given := len(args)
		args, err := b.check(name, args, context)
		if err != nil {
			return nil, err
		}
		if b.variadic {
			return b.run(ev, args[:given])
		}
		for len(args) < params {
			args = append(args, undefined{})
		}
		return b.run(ev, args)
	}}
}

// unsupported reports whether JSONata has a function that this package lacks.
// Calling any other unknown function is an error of the evaluation.
func unsupported(name string) bool {
	return slices.Contains([]string{"eval", "formatInteger", "parseInteger", "clone"}, name)
}

// signature is a function with the types of its parameters.
type signature struct {
	params   []param
	variadic bool // run gets only the arguments of the call
	run      implementation
}

// param is one parameter. kinds has a letter for each type: s string, n number,
// b boolean, l null, a array, o object, f function.
type param struct {
	kinds    string
	elements string // the kinds of the elements of an array
	optional bool
	context  bool // the context replaces a missing argument
	wrap     bool // another value becomes an array of one value
}

// newSignature makes the parameters from letters, in the notation of JSONata's
// documentation. For example, "s-nn?" is a string (by default the context), a
// number, and an optional number. "x" is any type, and "a<s>" is an array of
// strings.
func newSignature(text string, run implementation) signature {
	var params []param
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '-':
			params[len(params)-1].context = true
		case '?':
			params[len(params)-1].optional = true
		case '<':
			end := strings.IndexByte(text[i:], '>')
			params[len(params)-1].elements = text[i+1 : i+end]
			i += end
		case '(':
			end := strings.IndexByte(text[i:], ')')
			params = append(params, param{kinds: text[i+1 : i+end]})
			i += end
		case 'x':
			params = append(params, param{kinds: "snblaof"})
		case 'a':
			params = append(params, param{kinds: "snblaof", wrap: true})
		default:
			params = append(params, param{kinds: string(c)})
		}
	}
	return signature{params: params, run: run}
}

// kindOf returns the letter of a value's type, or m for undefined.
func kindOf(v any) byte {
	switch v.(type) {
	case undefined:
		return 'm'
	case nil:
		return 'l'
	case bool:
		return 'b'
	case string:
		return 's'
	case int64, float64:
		return 'n'
	case *array:
		return 'a'
	case *object:
		return 'o'
	}
	return 'f'
}

// check compares the arguments with the signature, and takes missing arguments
// from the context.
func (s *signature) check(name string, args []any, context any) ([]any, error) {
	wrong := failf("the arguments of $%s do not fit", name)
	if len(args) > len(s.params) {
		return nil, wrong
	}
	if missing := len(s.params) - len(args); missing > 0 && len(s.params) > 0 && s.params[0].context && s.fromContext(args) {
		if a, ok := context.(*array); ok && a.wrapper {
			context = a.items[0]
		}
		args = append([]any{context}, args...)
	}
	out := make([]any, 0, len(s.params))
	for i, p := range s.params {
		if i >= len(args) {
			if !p.optional && !p.context {
				if i == 0 || !s.params[i].optional {
					return nil, wrong
				}
			}
			out = append(out, undefined{})
			continue
		}
		v := args[i]
		kind := kindOf(v)
		if kind != 'm' && strings.IndexByte(p.kinds, kind) < 0 {
			return nil, wrong
		}
		if p.wrap && kind != 'm' {
			a, ok := v.(*array)
			if !ok {
				a = newSequence(v)
			}
			if p.elements != "" && slices.ContainsFunc(a.items, func(e any) bool { return strings.IndexByte(p.elements, kindOf(e)) < 0 }) {
				return nil, wrong
			}
			v = a
		}
		out = append(out, v)
	}
	return out, nil
}

// fromContext reports whether the first argument must come from the context.
func (s *signature) fromContext(args []any) bool {
	required := 0
	for _, p := range s.params[1:] {
		if !p.optional {
			required++
		}
	}
	if len(args) == 0 {
		return true
	}
	// The arguments match the parameters after the first parameter.
	if len(args) < required || len(args) == required+1 && required > 0 {
		return false
	}
	if required == 0 {
		k := kindOf(args[0])
		return k != 'm' && strings.IndexByte(s.params[0].kinds, k) < 0
	}
	return len(args) == required
}

func builtins() map[string]signature {
	return map[string]signature{
		"sum": newSignature("a<n>", aggregate(func(n []any) (any, error) {
			var total any = int64(0)
			for _, v := range n {
				var err error
				if total, err = arithmetic("+", total, v); err != nil {
					return nil, err
				}
			}
			return total, nil
		})),
		"count": newSignature("a", func(_ *evaluation, args []any) (any, error) {
			if isUndefined(args[0]) {
				return int64(0), nil
			}
			return int64(len(args[0].(*array).items)), nil
		}),
		"max": newSignature("a<n>", aggregate(func(n []any) (any, error) { return extreme(n, 1), nil })),
		"min": newSignature("a<n>", aggregate(func(n []any) (any, error) { return extreme(n, -1), nil })),
		"average": newSignature("a<n>", aggregate(func(n []any) (any, error) {
			if len(n) == 0 {
				return undefined{}, nil
			}
			total := 0.0
			for _, v := range n {
				f, _ := number(v)
				total += f
			}
			return total / float64(len(n)), nil
		})),
		"string":          newSignature("x-b?", stringOf),
		"substring":       newSignature("s-nn?", substring),
		"substringBefore": newSignature("s-s", substringBy(func(s string, i, _ int) string { return s[:i] })),
		"substringAfter":  newSignature("s-s", substringBy(func(s string, i, n int) string { return s[i+n:] })),
		"lowercase":       newSignature("s-", onString(func(s string) (any, error) { return strings.ToLower(s), nil })),
		"uppercase":       newSignature("s-", onString(func(s string) (any, error) { return strings.ToUpper(s), nil })),
		"length":          newSignature("s-", onString(func(s string) (any, error) { return int64(len([]rune(s))), nil })),
		"trim":            newSignature("s-", onString(func(s string) (any, error) { return strings.Join(strings.Fields(s), " "), nil })),
		"pad":             newSignature("s-ns?", pad),
		"contains":        newSignature("s-(sf)", contains),
		"match":           newSignature("s-fn?", match),
		"replace":         newSignature("s-(sf)(sf)n?", replace),
		"split":           newSignature("s-(sf)n?", split),
		"join":            newSignature("a<s>s?", join),
		"formatNumber":    newSignature("n-so?", formatNumber),
		"formatBase":      newSignature("n-n?", formatBase),
		"number":          newSignature("(nsb)-", toNumber),
		"floor":           newSignature("n-", onNumber(math.Floor)),
		"ceil":            newSignature("n-", onNumber(math.Ceil)),
		"round":           newSignature("n-n?", round),
		"abs":             newSignature("n-", absolute),
		"sqrt":            newSignature("n-", onNumber(math.Sqrt)),
		"power":           newSignature("n-n", power2),
		"random":          newSignature("", func(*evaluation, []any) (any, error) { return rand.Float64(), nil }),
		"boolean": newSignature("x-", func(_ *evaluation, a []any) (any, error) {
			return orUndefined(a[0], func() any { return boolean(a[0]) }), nil
		}),
		"not": newSignature("x-", func(_ *evaluation, a []any) (any, error) {
			return orUndefined(a[0], func() any { return !boolean(a[0]) }), nil
		}),
		"exists":             newSignature("x", func(_ *evaluation, a []any) (any, error) { return !isUndefined(a[0]), nil }),
		"type":               newSignature("x", typeOf),
		"map":                newSignature("af", mapItems),
		"filter":             newSignature("af", filterItems),
		"single":             newSignature("af?", singleItem),
		"reduce":             newSignature("afx?", reduce),
		"zip":                {params: slices.Repeat([]param{{kinds: "snblaof", wrap: true, optional: true}}, 8), variadic: true, run: zip},
		"each":               newSignature("o-f", each),
		"sift":               newSignature("o-f?", sift),
		"keys":               newSignature("x-", keys),
		"lookup":             newSignature("x-s", func(_ *evaluation, a []any) (any, error) { return lookupName(a), nil }),
		"append":             newSignature("xx", func(ev *evaluation, a []any) (any, error) { v := add(a[0], a[1]); return v, ev.spend(len(listOf(v))) }),
		"spread":             newSignature("x-", func(_ *evaluation, a []any) (any, error) { return spread(a[0]), nil }),
		"merge":              newSignature("a<o>", merge),
		"reverse":            newSignature("a", reverse),
		"shuffle":            newSignature("a", shuffle),
		"distinct":           newSignature("x", distinct),
		"sort":               newSignature("af?", sortItems),
		"error":              newSignature("s?", raise),
		"assert":             newSignature("bs?", assert),
		"base64encode":       newSignature("s-", onString(base64Encode)),
		"base64decode":       newSignature("s-", onString(base64Decode)),
		"encodeUrl":          newSignature("s-", onString(func(s string) (any, error) { return encodeURL(s, ";/?:@&=+$,#"), nil })),
		"encodeUrlComponent": newSignature("s-", onString(func(s string) (any, error) { return encodeURL(s, ""), nil })),
		"decodeUrl":          newSignature("s-", onString(decodeURL)),
		"decodeUrlComponent": newSignature("s-", onString(decodeURL)),
		"now":                newSignature("", func(*evaluation, []any) (any, error) { return time.Now().UTC().Format(isoMillis), nil }),
		"millis":             newSignature("", func(*evaluation, []any) (any, error) { return time.Now().UnixMilli(), nil }),
		"fromMillis":         newSignature("n-", fromMillis),
		"toMillis":           newSignature("s-", toMillis),
	}
}

func orUndefined(v any, f func() any) any {
	if isUndefined(v) {
		return v
	}
	return f()
}

// aggregate makes a function that computes one value from a list of numbers.
func aggregate(f func([]any) (any, error)) implementation {
	return func(ev *evaluation, args []any) (any, error) {
		a, ok := args[0].(*array)
		if !ok {
			return undefined{}, nil
		}
		if err := ev.spend(len(a.items)); err != nil {
			return nil, err
		}
		return f(a.items)
	}
}

func extreme(n []any, sign int) any {
	if len(n) == 0 {
		return undefined{}
	}
	best := n[0]
	for _, v := range n[1:] {
		if c, _ := compare(v, best); c == sign {
			best = v
		}
	}
	return best
}

func onString(f func(string) (any, error)) implementation {
	return func(ev *evaluation, args []any) (any, error) {
		s, ok := args[0].(string)
		if !ok {
			return undefined{}, nil
		}
		if err := ev.spend(1 + len(s)/8); err != nil {
			return nil, err
		}
		return f(s)
	}
}

func onNumber(f func(float64) float64) implementation {
	return func(_ *evaluation, args []any) (any, error) {
		switch v := args[0].(type) {
		case int64:
			if f(1.5) == math.Trunc(f(1.5)) { // f is floor or ceil: an integer stays exact
				return v, nil
			}
			return finite(f(float64(v)))
		case float64:
			return finite(f(v))
		}
		return undefined{}, nil
	}
}

// finite returns f as a number, or an error if f is not finite.
func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, failf("the result is not a number")
	}
	return whole(f), nil
}

// callback calls f with at most as many arguments as f has parameters.
func (ev *evaluation) callback(f *function, args ...any) (any, error) {
	n := len(args)
	if f.params >= 0 && f.params < n {
		n = max(f.params, 1)
	}
	return ev.call(f, args[:n], undefined{})
}

func mapItems(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	out := newSequence()
	for i, item := range a.items {
		v, err := ev.callback(args[1].(*function), item, int64(i), a)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

func filterItems(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	out := newSequence()
	for i, item := range a.items {
		v, err := ev.callback(args[1].(*function), item, int64(i), a)
		if err != nil {
			return nil, err
		}
		if boolean(v) {
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

func singleItem(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	var found []any
	for i, item := range a.items {
		var v any = true
		if f, ok := args[1].(*function); ok {
			var err error
			if v, err = ev.callback(f, item, int64(i), a); err != nil {
				return nil, err
			}
		}
		if boolean(v) {
			found = append(found, item)
		}
	}
	if len(found) != 1 {
		return nil, failf("$single found %d values", len(found))
	}
	return found[0], nil
}

func reduce(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	f := args[1].(*function)
	if f.params >= 0 && f.params < 2 {
		return nil, failf("the function of $reduce must have two parameters")
	}
	items, at, result := a.items, 0, args[2]
	if isUndefined(result) {
		if len(items) == 0 {
			return undefined{}, nil
		}
		result, at = items[0], 1
	}
	for ; at < len(items); at++ {
		var err error
		if result, err = ev.callback(f, result, items[at], int64(at), a); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func zip(ev *evaluation, args []any) (any, error) {
	n := -1
	var lists [][]any
	for _, v := range args {
		a, ok := v.(*array)
		if !ok { // without a value
			return &array{}, nil
		}
		lists = append(lists, a.items)
		if n < 0 || len(a.items) < n {
			n = len(a.items)
		}
	}
	out := &array{}
	for i := range max(n, 0) {
		row := &array{}
		for _, l := range lists {
			row.items = append(row.items, l[i])
		}
		out.items = append(out.items, row)
		if err := ev.spend(len(lists)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func each(ev *evaluation, args []any) (any, error) {
	o, ok := args[0].(*object)
	if !ok {
		return undefined{}, nil
	}
	out := newSequence()
	for _, key := range o.keys {
		v, err := ev.callback(args[1].(*function), o.values[key], key, o)
		if err != nil {
			return nil, err
		}
		if !isUndefined(v) {
			out.items = append(out.items, v)
		}
	}
	return out, nil
}

func sift(ev *evaluation, args []any) (any, error) {
	o, ok := args[0].(*object)
	f, also := args[1].(*function)
	if !ok || !also {
		return undefined{}, nil
	}
	out := newObject()
	for _, key := range o.keys {
		v, err := ev.callback(f, o.values[key], key, o)
		if err != nil {
			return nil, err
		}
		if boolean(v) {
			out.set(key, o.values[key])
		}
	}
	if len(out.keys) == 0 {
		return undefined{}, nil
	}
	return out, nil
}

func keys(_ *evaluation, args []any) (any, error) {
	out := newSequence()
	seen := map[string]bool{}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case *object:
			for _, key := range v.keys {
				if !seen[key] {
					seen[key] = true
					out.items = append(out.items, key)
				}
			}
		case *array:
			for _, item := range v.items {
				collect(item)
			}
		}
	}
	collect(args[0])
	return out, nil
}

func lookupName(args []any) any {
	name, ok := args[1].(string)
	if !ok {
		return undefined{}
	}
	return member(args[0], name)
}

func spread(v any) any {
	switch v := v.(type) {
	case *array:
		out := newSequence()
		for _, item := range v.items {
			out.items = append(out.items, listOf(spread(item))...)
			out.sequence = false // a single item stays in its array
		}
		return out
	case *object:
		out := newSequence()
		for _, key := range v.keys {
			o := newObject()
			o.set(key, v.values[key])
			out.items = append(out.items, o)
		}
		return out
	}
	return v
}

func merge(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	out := newObject()
	for _, item := range a.items {
		o := item.(*object)
		if err := ev.spend(len(o.keys)); err != nil {
			return nil, err
		}
		for _, key := range o.keys {
			out.set(key, o.values[key])
		}
	}
	return out, nil
}

func reverse(_ *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	items := slices.Clone(a.items)
	slices.Reverse(items)
	return &array{items: items}, nil
}

func shuffle(_ *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	items := slices.Clone(a.items)
	rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return &array{items: items}, nil
}

func distinct(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok || len(a.items) <= 1 {
		return args[0], nil
	}
	out := &array{sequence: a.sequence}
	for _, item := range a.items {
		if err := ev.spend(1 + len(out.items)); err != nil {
			return nil, err
		}
		if err := ev.spend(len(out.items) * ev.values(item) / valuesPerWork); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out.items, func(v any) bool { return equal(v, item) }) {
			out.items = append(out.items, item)
		}
	}
	return out, nil
}

func sortItems(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	items := slices.Clone(a.items)
	f, custom := args[1].(*function)
	if !custom {
		numbers, strs := 0, 0
		for _, v := range items {
			switch kindOf(v) {
			case 'n':
				numbers++
			case 's':
				strs++
			}
		}
		if max(numbers, strs) != len(items) {
			return nil, failf("$sort without a function is for numbers or strings only")
		}
	}
	var failed error
	after := func(x, y any) bool { // true if x belongs after y
		if failed != nil {
			return false
		}
		if !custom {
			c, err := compare(x, y)
			if err != nil {
				failed = err
			}
			return c > 0
		}
		v, err := ev.callback(f, x, y)
		if err != nil {
			failed = err
		}
		return boolean(v)
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	slices.SortStableFunc(items, func(x, y any) int {
		switch {
		case after(x, y):
			return 1
		case after(y, x):
			return -1
		}
		return 0
	})
	return &array{items: items}, failed
}

func raise(_ *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		s = "$error() function evaluated"
	}
	return nil, &StopError{Message: s}
}

func assert(_ *evaluation, args []any) (any, error) {
	if v, ok := args[0].(bool); !ok || !v {
		s, ok := args[1].(string)
		if !ok {
			s = "$assert() statement failed"
		}
		return nil, &StopError{Message: s}
	}
	return undefined{}, nil
}

// StopError says that the expression itself stopped by $error or $assert.
type StopError struct {
	Message string // the message of the expression; may contain values of the input
}

// Error does not contain the message, because the message may contain values
// of the input.
func (e *StopError) Error() string { return "JSONata: the expression stopped by $error or $assert" }

func typeOf(_ *evaluation, args []any) (any, error) {
	switch kindOf(args[0]) {
	case 'l':
		return "null", nil
	case 's':
		return "string", nil
	case 'n':
		return "number", nil
	case 'b':
		return "boolean", nil
	case 'a':
		return "array", nil
	case 'f':
		return "function", nil
	case 'o':
		return "object", nil
	}
	return undefined{}, nil
}

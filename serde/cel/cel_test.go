package cel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

const orderSchema = `{"type":"record","name":"shop.Order","fields":[
	{"name":"id","type":"string"},
	{"name":"email","type":["null","string"]},
	{"name":"count","type":"int"},
	{"name":"total","type":"double"},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"labels","type":{"type":"map","values":"string"}},
	{"name":"customer","type":{"type":"record","name":"shop.Customer","fields":[
		{"name":"name","type":"string"},{"name":"vip","type":["null","boolean"]}]}},
	{"name":"raw","type":"bytes"},
	{"name":"state","type":{"type":"enum","name":"shop.State","symbols":["NEW","PAID"]}}]}`

func order() map[string]any {
	return map[string]any{
		"id": "o-1", "email": map[string]any{"string": "ada@example.com"}, "count": int32(3), "total": 9.5,
		"tags": []any{"a", "b"}, "labels": map[string]any{"k": "v"},
		"customer": map[string]any{"name": "ada", "vip": nil}, "raw": []byte{1, 2}, "state": "NEW",
	}
}

// run runs one rule on the order.
func run(tb testing.TB, r contract.Rule, tags map[string][]string) (any, error) {
	tb.Helper()
	g, err := serde.NewGeneric(orderSchema)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := g.Append(nil, order())
	if err != nil {
		tb.Fatal(err)
	}
	f, err := executor{r.Type}.Bind(tb.Context(), serde.BoundRule{Rule: r, Schema: orderSchema, Tags: tags})
	if err != nil {
		return nil, err
	}
	out, err := f(tb.Context(), data)
	if err != nil {
		return nil, err
	}
	return g.Decode(out)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]error{
		`message.count == 3`:                              nil,
		`message.count > 3`:                               serde.ErrCondition,
		`message.total < 10.0`:                            nil,
		`message.email == 'ada@example.com'`:              nil,
		`message.email.isEmail()`:                         nil,
		`message.id.isEmail()`:                            serde.ErrCondition,
		`message.id.isUuid()`:                             serde.ErrCondition,
		`message.customer.vip == null`:                    nil,
		`message.customer.name.startsWith('a')`:           nil,
		`size(message.tags) == 2`:                         nil,
		`'b' in message.tags`:                             nil,
		`message.labels['k'] == 'v'`:                      nil,
		`message.labels.all(k, message.labels[k] != 'v')`: serde.ErrCondition,
		`message.raw == b'\x01\x02'`:                      nil,
		`message.state == 'PAID'`:                         serde.ErrCondition,
		`message.state == 'PAID' ; false`:                 nil, // the guard
		`message.state == 'NEW' ; message.count == 4`:     serde.ErrCondition,
		`message.nothing == 1 ; false`:                    nil, // a guard that fails
		`; message.count == 3`:                            nil,
		`message.nothing == 1`:                            errFailed,
	} {
		_, err := run(t, contract.Rule{Type: "CEL", Kind: contract.Condition, Expr: expr}, nil)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", expr, err, want)
		}
	}
	for _, expr := range []string{"message.", "nobody == 1", "1 + 'a'"} {
		if _, err := run(t, contract.Rule{Type: "CEL", Kind: contract.Condition, Expr: expr}, nil); err == nil || !strings.Contains(err.Error(), expr) {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if _, err := run(t, contract.Rule{Type: "CEL", Kind: contract.Condition, Expr: "message.count"}, nil); err == nil {
		t.Error("a condition that is a number was taken")
	}
}

func TestFieldConditions(t *testing.T) {
	t.Parallel()
	tags := map[string][]string{"shop.Order.email": {"PII"}, "shop.Customer.name": {"PII", "NAME"}}
	for _, test := range []struct {
		expr string
		want error
	}{
		{`value != ''`, nil},
		{`typeName == 'STRING'`, nil},
		{`name == 'email' || name == 'name'`, nil},
		{`fullName == 'shop.Order.email'`, serde.ErrCondition},
		{`'PII' in tags`, nil},
		{`'NAME' in tags`, serde.ErrCondition},
		{`name == 'email' ; value.isEmail()`, nil},
		{`fullName == 'shop.Customer.name' ; message.vip == null`, nil},
		{`fullName == 'shop.Customer.name' ; message.name == 'ada' && value == ''`, serde.ErrCondition},
	} {
		expr, want := test.expr, test.want
		_, err := run(t, contract.Rule{Type: "CEL_FIELD", Kind: contract.Condition, Expr: expr, Tags: []string{"PII"}}, tags)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", expr, err, want)
		}
	}
}

func TestTransforms(t *testing.T) {
	t.Parallel()
	change := func(f func(map[string]any)) map[string]any {
		o := order()
		f(o)
		return o
	}
	for _, c := range []struct {
		typ, expr string
		tags      []string
		want      map[string]any // nil for an error
	}{
		{"CEL_FIELD", `typeName == 'STRING' ; value + '-x'`, []string{"PII"}, change(func(o map[string]any) { o["email"] = map[string]any{"string": "ada@example.com-x"} })},
		{"CEL_FIELD", `name == 'count' ; value + 1`, nil, change(func(o map[string]any) { o["count"] = int32(4) })},
		{"CEL_FIELD", `name == 'total' ; 2`, nil, change(func(o map[string]any) { o["total"] = 2.0 })},
		{"CEL_FIELD", `name == 'tags' ; value + value`, nil, change(func(o map[string]any) { o["tags"] = []any{"aa", "bb"} })},
		{"CEL_FIELD", `name == 'raw' ; b'\x09'`, nil, change(func(o map[string]any) { o["raw"] = []byte{9} })},
		{"CEL_FIELD", `name == 'count' ; 3000000000`, nil, nil},
		{"CEL_FIELD", `name == 'id' ; 7`, nil, nil},
		{"CEL", `message`, nil, order()},
		{"CEL", `message.count > 5 ; {'id': 'no'}`, nil, order()},
		{
			"CEL", `{'id': 'x', 'email': null, 'count': 1, 'total': 1.5, 'tags': ['c'], 'labels': {'a': 'b'}, 'customer': {'name': message.id, 'vip': true}, 'raw': message.raw, 'state': 'PAID'}`, nil,
			map[string]any{
				"id": "x", "email": nil, "count": int32(1), "total": 1.5, "tags": []any{"c"}, "labels": map[string]any{"a": "b"},
				"customer": map[string]any{"name": "o-1", "vip": map[string]any{"boolean": true}}, "raw": []byte{1, 2}, "state": "PAID",
			},
		},
		{"CEL", `{'id': 'x'}`, nil, nil},
		{"CEL", `{'unknown': 'x'}`, nil, nil},
		{"CEL", `'text'`, nil, nil},
	} {
		got, err := run(t, contract.Rule{Type: c.typ, Kind: contract.Transform, Expr: c.expr, Tags: c.tags}, map[string][]string{"shop.Order.email": {"PII"}})
		if c.want == nil {
			if err == nil {
				t.Errorf("%s: %v", c.expr, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if diff := cmp.Diff(any(c.want), got); diff != "" {
			t.Errorf("%s: %s", c.expr, diff)
		}
	}
}

// TestFloatOverflow checks that a result that is too large for a float is an
// error. A value that was infinite before stays infinite.
func TestFloatOverflow(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"R","fields":[{"name":"f","type":"float"}]}`
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		typ, expr string
		f, want   float64 // want is 0 for an error
	}{
		{"CEL", "{'f': message.f * 2.0}", 2, 4},
		{"CEL", "{'f': message.f * 1e300}", 2, 0},
		{"CEL", "{'f': message.f}", math.Inf(-1), math.Inf(-1)},
		{"CEL_FIELD", "value * 2.0", 2, 4},
		{"CEL_FIELD", "value * 1e300", 2, 0},
		{"CEL_FIELD", "value", math.Inf(1), math.Inf(1)},
	} {
		f, err := executor{test.typ}.Bind(t.Context(), serde.BoundRule{Rule: contract.Rule{Kind: contract.Transform, Expr: test.expr}, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		data, err := g.Append(nil, map[string]any{"f": float32(test.f)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := f(t.Context(), data)
		if test.want == 0 {
			if err == nil || !strings.Contains(err.Error(), "f: ") {
				t.Errorf("%s: %x, %v", test.expr, out, err)
			}
			continue
		}
		if want, _ := g.Append(nil, map[string]any{"f": test.want}); err != nil || !cmp.Equal(want, out) {
			t.Errorf("%s: %x, %v, want %x", test.expr, out, err, want)
		}
	}
}

// TestUntouchedUnions checks that a rule keeps the branches and the digits of
// the values that the rule does not change.
func TestUntouchedUnions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typ string
		v   map[string]any
	}{
		{`["null","float","double"]`, map[string]any{"double": 1e300}},
		{`["null","float","double"]`, map[string]any{"float": float32(0.1)}},
		{`["null","int","long"]`, map[string]any{"long": int64(5)}},
		{`["null",{"type":"enum","name":"E","symbols":["A"]},"string"]`, map[string]any{"string": "A"}},
		{`["null",{"type":"fixed","name":"F","size":1},"bytes"]`, map[string]any{"bytes": []byte{1}}},
		{`["null",{"type":"record","name":"Created","fields":[{"name":"id","type":"string"}]},{"type":"record","name":"Deleted","fields":[{"name":"id","type":"string"}]}]`, map[string]any{"Deleted": map[string]any{"id": "1"}}},
		{`["null",{"type":"map","values":"string"},{"type":"record","name":"M","fields":[{"name":"id","type":"string"}]}]`, map[string]any{"M": map[string]any{"id": "1"}}},
	} {
		schema := `{"type":"record","name":"R","fields":[{"name":"u","type":` + test.typ + `},{"name":"other","type":"string"}]}`
		g, err := serde.NewGeneric(schema)
		if err != nil {
			t.Fatal(err)
		}
		record := func(other string) []byte {
			data, err := g.Append(nil, map[string]any{"u": test.v, "other": other})
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		for _, rule := range []contract.Rule{
			{Type: "CEL", Expr: "message"},
			{Type: "CEL", Expr: "{'u': message.u, 'other': 'y'}"},
			{Type: "CEL_FIELD", Expr: "name == 'other' ? 'y' : value"},
		} {
			want := record("y")
			if rule.Expr == "message" {
				want = record("x")
			}
			rule.Kind = contract.Transform
			f, err := executor{rule.Type}.Bind(t.Context(), serde.BoundRule{Rule: rule, Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := f(t.Context(), record("x")); err != nil || !cmp.Equal(want, out) {
				t.Errorf("%s %s: %x, %v, want %x", test.typ, rule.Expr, out, err, want)
			}
		}
	}
}

// TestMessageOfField checks the variable message of a CEL_FIELD rule. The
// variable is the record with the results for the earlier fields, and with the
// old value of the field itself.
func TestMessageOfField(t *testing.T) {
	t.Parallel()
	want := order()
	want["id"] = "o-1!"
	want["email"] = map[string]any{"string": "ada@example.com o-1!"}
	want["tags"] = []any{"a o-1! a", "b o-1! a"}
	want["labels"] = map[string]any{"k": "v a o-1! a"}
	want["customer"] = map[string]any{"name": "ada ada", "vip": nil}
	got, err := run(t, contract.Rule{Type: "CEL_FIELD", Kind: contract.Transform, Expr: `typeName == 'STRING' ;
		name == 'id' ? value + '!' :
		name == 'email' ? value + ' ' + message.id :
		name == 'tags' ? value + ' ' + message.id + ' ' + message.tags[0] :
		name == 'labels' ? value + ' ' + message.tags[0] : value + ' ' + message.name`}, nil)
	if diff := cmp.Diff(any(want), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// BenchmarkField measures a rule for every element of an array. The time per
// element must not depend on the number of elements.
func BenchmarkField(b *testing.B) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"string"}}]}`
	g, err := serde.NewGeneric(schema)
	if err != nil {
		b.Fatal(err)
	}
	for _, expr := range []string{"value + 'x'", "value.matches('^[a-z]+$') ? value : ''", "message.a[0] == 'b' ; value + 'x'"} {
		for _, n := range []int{1000, 16000} {
			b.Run(fmt.Sprintf("%s/%d", expr, n), func(b *testing.B) {
				data, err := g.Append(nil, map[string]any{"a": slices.Repeat([]any{"a"}, n)})
				if err != nil {
					b.Fatal(err)
				}
				f, err := executor{"CEL_FIELD"}.Bind(b.Context(), serde.BoundRule{Rule: contract.Rule{Kind: contract.Transform, Expr: expr}, Schema: schema})
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := f(b.Context(), data); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/element")
			})
		}
	}
}

// TestBounds checks that an error contains no value, the work is bounded, and
// evaluation stops when the context has ended.
func TestBounds(t *testing.T) {
	t.Parallel()
	_, err := run(t, contract.Rule{Type: "CEL", Kind: contract.Condition, Expr: "message.id / 2 == 1"}, nil)
	if err == nil || strings.Contains(err.Error(), "o-1") {
		t.Errorf("%v", err)
	}
	endless := "['a','a','a','a','a','a','a','a','a','a']"
	expr := endless + ".all(a, " + endless + ".all(b, " + endless + ".all(c, " + endless + ".all(d, " + endless + ".all(e, " + endless + ".all(f, " + endless + ".all(g, a == b)))))))"
	if _, err := run(t, contract.Rule{Type: "CEL", Kind: contract.Condition, Expr: expr}, nil); !errors.Is(err, errTooMuch) {
		t.Errorf("ten million steps: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, err := executor{"CEL"}.Bind(ctx, serde.BoundRule{Rule: contract.Rule{Kind: contract.Condition, Expr: expr}, Schema: orderSchema})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := serde.NewGeneric(orderSchema)
	data, _ := g.Append(nil, order())
	if _, err := f(ctx, data); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestStoppedGuard checks that a guard stays on if its evaluation is stopped.
// The end of the context and the limit of the work are errors of the rule. The
// control is the same rule on a live context.
func TestStoppedGuard(t *testing.T) {
	t.Parallel()
	schema := `{"type":"record","name":"R","fields":[{"name":"items","type":{"type":"array","items":"string"}},{"name":"s","type":"string"}]}`
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	data, err := g.Append(nil, map[string]any{"items": slices.Repeat([]any{"a"}, 300), "s": "bad"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const (
		once    = "message.items.all(a, a != 'z')"
		hidden  = "(message.items.all(a, a != 'z') || true)"
		endless = "message.items.all(a, message.items.all(b, message.items.all(c, a + b != c)))"
	)
	for _, rule := range []contract.Rule{
		{Type: "CEL", Kind: contract.Condition, Expr: " ; message.s != 'bad'"},
		{Type: "CEL_FIELD", Kind: contract.Condition, Expr: " && name == 's' ; value != 'bad'"},
	} {
		for _, test := range []struct {
			name, guard string
			ctx         context.Context
			want        error
		}{
			{"live", once, t.Context(), serde.ErrCondition},
			{"ended", once, ended, context.Canceled},
			{"ended, without a loop", "message.items[0] == 'a'", ended, context.Canceled},
			{"ended, and hidden by an operator", hidden, ended, context.Canceled},
			{"too much work", endless, t.Context(), errTooMuch},
		} {
			rule := rule
			rule.Expr = test.guard + rule.Expr
			f, err := executor{rule.Type}.Bind(t.Context(), serde.BoundRule{Rule: rule, Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f(test.ctx, data); !errors.Is(err, test.want) {
				t.Errorf("%s, %s: %v, want %v", rule.Type, test.name, err, test.want)
			}
		}
	}
}

// TestWork checks that a rule evaluates a message of a megabyte, and that the
// work and the memory for a message are bounded.
func TestWork(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"R","fields":[{"name":"items","type":{"type":"array","items":"string"}},{"name":"s","type":"string"}]}`
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, typ, expr string
		items, text     int
		want            error
	}{
		{"a loop", "CEL", "message.items.all(a, a != 'z')", 300_000, 1, nil},
		{"a guard", "CEL", "message.items.all(a, a != 'z') ; message.s != 'z'", 300_000, 1, nil},
		{"a new list", "CEL", "size(message.items.map(a, a + '!')) > 0", 100_000, 1, nil},
		{"every field", "CEL_FIELD", "value != 'z'", 50_000, 1, nil},
		{"a text of a megabyte", "CEL", "message.s.contains('b') || message.items.all(a, a != 'z')", 10, 1_000_000, nil},
		{"loops inside loops", "CEL", "message.items.all(a, message.items.all(b, a != 'z' && b != 'z'))", 3000, 1, errTooMuch},
		{"a loop for every field", "CEL_FIELD", "message.items.all(a, a != 'z')", 3000, 1, errTooMuch},
		{"a long text for every element", "CEL", "size(message.items.map(a, a + message.s)) > 0", 10_000, 500_000, errTooMuch},
		{"a long list for every element", "CEL", "message.items.all(a, size(message.s.split('')) > 0)", 10_000, 500_000, errTooMuch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			data, err := g.Append(nil, map[string]any{"items": slices.Repeat([]any{"a"}, test.items), "s": strings.Repeat("a", test.text)})
			if err != nil {
				t.Fatal(err)
			}
			f, err := executor{test.typ}.Bind(t.Context(), serde.BoundRule{Rule: contract.Rule{Kind: contract.Condition, Expr: test.expr}, Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f(t.Context(), data); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	doubled := func(expr string, times int) string { // the same value in memory, many times
		for range times {
			expr = "[" + expr + "].map(x, [x, x])[0]"
		}
		return expr
	}
	for _, test := range []struct {
		name, kind, expr string
	}{
		{"replace", contract.Condition, "message.s.replace('a', message.s) != ''"},
		{"replace in a guard", contract.Condition, "message.s.replace('', message.s) != '' ; true"},
		{"replace a number of places", contract.Condition, "message.s.replace('a', message.s, 100000) != ''"},
		{"join", contract.Condition, "message.items.join(message.s) != ''"},
		{"equal", contract.Condition, doubled("message.items", 50) + " == " + doubled("message.items", 50)},
		{"in", contract.Condition, "dyn('z') in " + doubled("message.items", 50)},
		{"format", contract.Condition, "'%s'.format([" + doubled("message.items", 50) + "]) != ''"},
		{"a regular expression", contract.Condition, "message.s.matches(message.s.substring(100000).replace('a', 'a?') + 'b')"},
		{"a result", contract.Transform, "{'s': message.s, 'items': message.items.map(a, message.s)}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			data, err := g.Append(nil, map[string]any{"items": slices.Repeat([]any{"a"}, 2000), "s": strings.Repeat("a", 200_000)})
			if err != nil {
				t.Fatal(err)
			}
			f, err := executor{"CEL"}.Bind(t.Context(), serde.BoundRule{Rule: contract.Rule{Kind: test.kind, Expr: test.expr}, Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f(t.Context(), data); !errors.Is(err, errTooMuch) {
				t.Errorf("%v, want %v", err, errTooMuch)
			}
		})
	}
	late := newWork(t.Context(), 0)
	late.end = time.Now()
	env, err := cel.NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile(env, "[1, 2].all(a, a > 0) || true")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.evaluate(p, map[string]any{}); !errors.Is(err, errTooMuch) {
		t.Errorf("after the time: %v", err)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		is      func(string) bool
		yes, no []string
	}{
		"isEmail":    {isEmail, []string{"a@b.c", "ada.l+x@example.co.uk"}, []string{"", "a", "a@", "@b", "a b@c", "A <a@b.c>", "a@b..c"}},
		"isHostname": {isHostname, []string{"a", "example.com", "x-1.y.", strings.Repeat("a", 63)}, []string{"", "-a", "a-", "a..b", "a_b", "10.0.0.1", "7", strings.Repeat("a", 64)}},
		"isIpv4":     {isIPv4, []string{"1.2.3.4"}, []string{"1.2.3", "1.2.3.256", "::1"}},
		"isIpv6":     {isIPv6, []string{"::1", "2001:db8::"}, []string{"1.2.3.4", ":::"}},
		"isUri":      {isURI, []string{"https://a/b", "urn:x"}, []string{"/a", "a b", "%"}},
		"isUriRef":   {isURIRef, []string{"/a", "https://a", "?q"}, []string{"%"}},
		"isUuid":     {isUUID, []string{"123e4567-e89b-12d3-a456-426614174000"}, []string{"", "123e4567e89b12d3a456426614174000", "x"}},
	} {
		for _, s := range c.yes {
			if !c.is(s) {
				t.Errorf("%s(%q) is false", name, s)
			}
		}
		for _, s := range c.no {
			if c.is(s) {
				t.Errorf("%s(%q) is true", name, s)
			}
		}
	}
}

// TestBoundedFunctions compares the functions that replace functions of cel-go
// with the functions of cel-go.
func TestBoundedFunctions(t *testing.T) {
	t.Parallel()
	variables := []cel.EnvOption{cel.Variable("s", cel.StringType), cel.Variable("sub", cel.StringType), cel.Variable("n", cel.IntType)}
	theirs, err := cel.NewEnv(append(variables, ext.Strings())...)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := cel.NewEnv(append(variables, functions()...)...)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"", "a", "ab", "aba", "日本日", "日", "\xff", "\xfe\xff", "aaaa", "("}
	results := 0
	for _, expr := range []string{
		"s.indexOf(sub)", "s.lastIndexOf(sub)", "s.indexOf(sub, n)", "s.lastIndexOf(sub, n)", "s.replace(sub, 'xy')", "s.replace(sub, 'xy', n)",
		"[s, sub].join()", "[s, sub].join('日')", "[s, dyn(n)].join()", "s.matches(sub)", "s.matches('^a+$')", "s.matches('(')", "matches(s, '^' + sub)", "dyn(n).matches(s)", "s.matches(dyn(n))",
		"s == sub", "s != sub", "s in [sub, 'a']", "s in {sub: n}", "dyn(s) in dyn(n)", "[s, dyn(1)] == [sub, dyn(1.0)]", "{s: [n]} != {sub: [3]}",
		"1/n == 1", "n in [1/n]", "[1/n] != [n]", "'%s %s %d'.format([s, [sub], n])", "'%d'.format([1/n])",
	} {
		ast, issues := theirs.Compile(expr)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		want, err := theirs.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		got, err := compile(ours, expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range texts {
			for _, sub := range texts {
				for n := int64(-1); n < 5; n++ {
					vars := map[string]any{"s": s, "sub": sub, "n": n}
					a, errA := newWork(t.Context(), 0).evaluate(got, vars)
					b, _, errB := want.Eval(vars)
					switch {
					case (errA == nil) != (errB == nil):
						t.Errorf("%s of %q, %q, %d: %v, cel-go: %v", expr, s, sub, n, errA, errB)
					case errA == nil && a.Value() != b.Value():
						t.Errorf("%s of %q, %q, %d: %v, cel-go: %v", expr, s, sub, n, a.Value(), b.Value())
					case errA == nil:
						results++
					}
				}
			}
		}
	}
	if results < 10_000 {
		t.Errorf("only %d results", results)
	}
}

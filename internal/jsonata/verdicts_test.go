package jsonata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// verdict is the result of an expression in one implementation.
type verdict struct {
	Value    json.RawMessage `json:"value"`
	Function bool            `json:"function"`
	Error    bool            `json:"error"`
}

// differences lists the expressions whose result differs on purpose.
func differences() map[string]string {
	return map[string]string{
		"big + 1":                      "integers are exact",
		"$string(big)":                 "integers are exact",
		"$string($)":                   "integers are exact",
		"$max([big, 1])":               "integers are exact",
		`$.lines@$l.{"s": $l.sku}`:     "not supported",
		`lines#$i.{"i": $i, "s": sku}`: "not supported",
		"lines.%.id":                   "not supported",
		`$eval("1+2")`:                 "not supported",
		`$formatInteger(12, "w")`:      "not supported",
		`$parseInteger("12", "0")`:     "not supported",
	}
}

// TestVerdicts compares the results with the libraries in Confluent's Python
// and JavaScript clients. The programs in the folder
// internal/otherclients/verdicts write the table.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/verdicts.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Message json.RawMessage
		Cases   []struct {
			Expr       string
			Python     verdict
			Javascript *verdict
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Cases) < 400 {
		t.Errorf("the table has %d cases", len(table.Cases))
	}
	known := differences()
	for _, c := range table.Cases {
		got := run(t, c.Expr, table.Message)
		// A case passes with the result of one of the two libraries. The
		// libraries differ in numbers beyond 2^53 and in the value of a regular
		// expression.
		same := agree(got, c.Python) || c.Javascript != nil && agree(got, *c.Javascript)
		if _, ok := known[c.Expr]; ok {
			if same {
				t.Errorf("%s: no longer differs: remove it from differences", c.Expr)
			}
			delete(known, c.Expr)
		} else if !same {
			t.Errorf("%s: %s, %v; Python: %s, error %v", c.Expr, got.Value, got.Error, c.Python.Value, c.Python.Error)
		}
	}
	if len(known) > 0 {
		t.Errorf("not in the table: %q", slices.Sorted(maps.Keys(known)))
	}
}

// TestResultsOfOtherLibraries has expressions whose result in the libraries of
// JavaScript and Python is equal. The table of TestVerdicts lacks them.
func TestResultsOfOtherLibraries(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`$substringBefore("two", nothing)`: `"two"`,
		`$substringAfter("two", nothing)`:  `"two"`,
		`$zip(1, nothing)`:                 `[]`,
		`$zip(nothing, [1])`:               `[]`,
		`$zip([1, 2], [3])`:                `[[1,3]]`,
		`$append(1, empty)`:                `[1]`,
		`$spread([3])`:                     `[3]`,
		`$spread([null])`:                  `[null]`,
		`$spread(empty)`:                   `null`,
		`one.*`:                            `[3]`,
		`{"a": one.*}`:                     `{"a":[3]}`,
		`{"x": 3}.*`:                       `3`,
		`list[1] ?: 9`:                     `2`,
		`list[1] ?? 9`:                     `2`,
		`nothing[1] ?? 9`:                  `9`,
		`$sum((list)^(>$)) ?: 1`:           `6`,
	} {
		got := run(t, expr, []byte(`{"empty": [], "list": [1, 2, 3], "one": {"x": [3]}}`))
		if got.Error || string(got.Value) != want {
			t.Errorf("%s: %s, error %v, want %s", expr, got.Value, got.Error, want)
		}
	}
}

// TestTransformOfItself checks that no value contains itself. Writing such a
// value would overflow the stack.
func TestTransformOfItself(t *testing.T) {
	t.Parallel()
	got := run(t, `$ ~> |$|{"b": $}|`, []byte(`{"a": 1}`))
	if got.Error || string(got.Value) != `{"a":1,"b":{"a":1}}` {
		t.Errorf("%s, error %v", got.Value, got.Error)
	}
}

// TestNestedDefaults checks that each default takes constant work.
func TestNestedDefaults(t *testing.T) {
	t.Parallel()
	got := run(t, strings.Repeat("(", 60)+"a"+strings.Repeat(" ?: 1)", 60), []byte(`{"a": 5}`))
	if string(got.Value) != "5" {
		t.Errorf("%s, error %v", got.Value, got.Error)
	}
}

func run(t *testing.T, expr string, message []byte) verdict {
	t.Helper()
	e, err := Compile(expr)
	if err != nil {
		return verdict{Error: true}
	}
	out, err := e.EvalJSON(t.Context(), message)
	switch {
	case errors.Is(err, ErrNoResult):
		return verdict{Value: []byte("null")}
	case err != nil:
		return verdict{Error: true}
	}
	return verdict{Value: out}
}

// agree compares two results. The order of members and the form of numbers have
// no effect.
func agree(a, b verdict) bool {
	if a.Error || b.Error {
		return a.Error == b.Error
	}
	if b.Function { // we return no function as a result
		return string(a.Value) == "null"
	}
	return cmp.Equal(decoded(a.Value), decoded(b.Value))
}

func decoded(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	var normal func(any) any
	normal = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				return n
			}
			f, _ := v.Float64()
			if f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
				return int64(f)
			}
			return f
		case []any:
			for i := range v {
				v[i] = normal(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = normal(v[k])
			}
		}
		return v
	}
	return normal(v)
}

// TestLimits checks that every evaluation ends, whatever the expression is.
func TestLimits(t *testing.T) {
	t.Parallel()
	shared := `($o := {"a": 1}; ` + strings.Repeat(`$o := {"a": $o, "b": $o}; `, 50)
	text := strings.Repeat("a", 500_000)
	list := strings.TrimSuffix(strings.Repeat(`"a",`, 20_000), ",")
	for name, expr := range map[string]string{
		"recursion":         `($f := function($n) { $f($n + 1) + 1 }; $f(0))`,
		"tail call":         `($f := function($n) { $f($n + 1) }; $f(0))`,
		"self application":  `($f := function($g) { $g($g) }; $f($f))`,
		"range":             `[1..100000000]`,
		"ranges":            `[1..100000].[1..100000]`,
		"strings":           `$reduce([1..60], function($s, $i) { $s & $s }, "aaaaaaaaaaaaaaaa")`,
		"arrays":            `$reduce([1..60], function($a, $b) { $append($a, $a) }, [1])`,
		"pad":               `$pad("a", 100000000000)`,
		"merge":             `$reduce([1..1000000], function($a, $b) { $merge([$a, {$string($b): 1}]) }, {})`,
		"sort":              `$sort($shuffle([1..200000]), function($a, $b) { $a > $b })`,
		"shared objects":    shared + `$string($o))`,
		"a shared text":     shared + `"x" & $o)`,
		"a shared result":   shared + `$o)`,
		"shared equal":      shared + `$o = $merge([$o]))`,
		"shared in":         shared + `$o in [$merge([$o])])`,
		"shared distinct":   shared + `$distinct([$o, $merge([$o])]))`,
		"texts of a result": `list.($$.text)`,
		"groups":            `$replace(text, /^.+$/, $join(list.("$0")))`,
		"substrings":        `$count([1..100000].($substring($$.text, 1)))`,
		"a regex":           `$contains(text, /(a?){1000}b/)`,
		"a call of a regex": `$count(list.($f := /(a?){1000}b/; $f($$.text)))`,
		"in a list":         `$count([1..100000].("b" in $$.list))`,
		"nested calls":      strings.Repeat("$string(", 150) + "1" + strings.Repeat(")", 150) + ` & $f(1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Compile(expr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.EvalJSON(t.Context(), []byte(`{"text": "`+text+`", "list": [`+list+`]}`)); err == nil {
				t.Error("no error")
			} else if name != "nested calls" && !errors.Is(err, ErrLimit) {
				t.Error(err)
			}
		})
	}
	if _, err := Compile(strings.Repeat("(", 10_000)); err == nil {
		t.Error("an endless nesting was taken")
	}
	e, err := Compile("$")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.EvalJSON(t.Context(), []byte(strings.Repeat("[", 100_000))); err == nil {
		t.Error("a deep input was taken")
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	e, err := Compile("$sum([1..100000].($ * 2))")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.EvalJSON(ctx, []byte("{}")); !errors.Is(err, ctx.Err()) {
		t.Error(err)
	}
}

// TestErrorsHideValues checks that no error contains a value of the input.
func TestErrorsHideValues(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		"s + 1", "-s", "s()", "$number(s)", "$error(s)", "$assert(false, s)", "$fromMillis(s)", "$toMillis(s)", "$base64decode(s)",
		"{s: 1, s & '': 2}", "$sum(s)", "$merge(s)", "[s..3]", "s < 1", "$decodeUrl(s)", "$formatNumber(1, s)",
	} {
		e, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.EvalJSON(t.Context(), []byte(`{"s": "MARKER%"}`)); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{"$", "a.b[0]", "$sum(a)", `{"a": b}`, "$map(a, function($v) { $v })", "a^(>b)", "|a|{}|", "$replace(a, /b/, '$1')"} {
		f.Add(s, `{"a": [{"b": 1}, {"b": "x"}], "c": null}`)
	}
	f.Fuzz(func(t *testing.T, expr, in string) {
		e, err := Compile(expr)
		if err != nil {
			return
		}
		out, err := e.EvalJSON(t.Context(), []byte(in))
		if err == nil && !json.Valid(out) {
			t.Errorf("%s: %q", expr, out)
		}
	})
}

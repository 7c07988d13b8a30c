package rulejson_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/rulejson"
)

func parse(t *testing.T, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	two := `["null",{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}]`
	for _, c := range []struct {
		schema string
		v      any
		json   string
	}{
		{`"null"`, nil, `null`},
		{`"boolean"`, true, `true`},
		{`"int"`, int32(math.MinInt32), `-2147483648`},
		{`"long"`, int64(math.MaxInt64), `9223372036854775807`},
		{`"float"`, float32(1.5), `1.5`},
		{`"double"`, math.Inf(-1), `"-Infinity"`},
		{`"string"`, "\"é\n<", `"\"é\n\u003c"`},
		{`"bytes"`, []byte{0, 0x7f, 0xff}, "\"\\u0000\x7fÿ\""},
		{`{"type":"fixed","name":"F","size":2}`, []byte{1, 2}, `"\u0001\u0002"`},
		{`{"type":"enum","name":"E","symbols":["A"]}`, "A", `"A"`},
		{`{"type":"array","items":["null","int"]}`, []any{nil, map[string]any{"int": int32(1)}}, `[null,1]`},
		{`{"type":"map","values":"int"}`, map[string]any{"b": int32(1), "a": int32(2)}, `{"a":2,"b":1}`},
		{`["int","string"]`, map[string]any{"string": "x"}, `"x"`},
		{two, map[string]any{"B": map[string]any{"x": int32(1), "y": int32(2)}}, `{"x":1,"y":2}`},
		{two, nil, `null`},
	} {
		s := parse(t, c.schema)
		text, err := rulejson.Append([]byte("-"), s, c.v)
		if err != nil || string(text) != "-"+c.json {
			t.Errorf("%s: %s, %v", c.schema, text, err)
		}
		got, err := rulejson.Read(s, []byte(c.json), rulejson.Original{})
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
		}
		if diff := cmp.Diff(c.v, got); diff != "" {
			t.Errorf("%s: %s", c.schema, diff)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	record := `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":"x"},{"name":"c","type":["int","null"]}]}`
	for _, c := range []struct {
		schema, json string
		v            any
	}{
		{record, `{"a":1,"more":2}`, map[string]any{"a": int32(1), "c": nil}},
		{`"int"`, `3.0`, int32(3)},
		{`"long"`, `1e3`, int64(1000)},
		{`"double"`, `3`, 3.0},
		{`["null","double"]`, `3`, map[string]any{"double": 3.0}},
	} {
		got, err := rulejson.Read(parse(t, c.schema), []byte(c.json), rulejson.Original{})
		if diff := cmp.Diff(c.v, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.json, err, diff)
		}
	}
	for _, c := range []struct{ schema, json, words string }{
		{record, `{"a":"MARKER"}`, "a: a string where the schema has int"},
		{record, `{}`, "a: the field is missing"},
		{`{"type":"array","items":` + record + `}`, `[{"a":1},{"a":1,"c":"MARKER"}]`, "[1].c"},
		{`"int"`, `2147483648`, "no int"},
		{`"int"`, `1.5`, "no int"},
		{`"long"`, `9223372036854775808`, "no long"},
		{`"bytes"`, `"MARKER€"`, "byte"},
		{`{"type":"fixed","name":"F","size":2}`, `"MARKER"`, "6 bytes"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, `"MARKER"`, "symbol"},
		{`["null","int"]`, `"MARKER"`, "a string where the schema has int"},
		{`"string"`, `"a" "b"`, "more than one"},
		{`"string"`, `MARKER`, "not JSON"},
		{`"double"`, `"MARKER"`, "a string"},
		{`"float"`, `1e300`, "out of range"},
		{`"double"`, `1e400`, "out of range"},
	} {
		if got, err := rulejson.Read(parse(t, c.schema), []byte(c.json), rulejson.Original{}); err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v, %v", c.json, got, err)
		}
	}
}

const (
	events = `["null",{"type":"record","name":"Created","fields":[{"name":"id","type":"string"}]},{"type":"record","name":"Deleted","fields":[{"name":"id","type":"string"}]}]`
	pay    = `["null",{"type":"record","name":"Card","fields":[{"name":"number","type":["null","string"]}]},{"type":"record","name":"Cash","fields":[{"name":"amount","type":"float"}]}]`
)

func in(branch string, v any) map[string]any { return map[string]any{branch: v} }

func deleted(id string) any { return in("Deleted", map[string]any{"id": id}) }
func created(id string) any { return in("Created", map[string]any{"id": id}) }

// TestUntouched checks that a value that no rule changes stays in its branch,
// with every digit.
func TestUntouched(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schema string
		v      any
	}{
		{`["null","string","bytes"]`, in("bytes", []byte{0xff, 0})},
		{`["null","float","double"]`, in("double", 1e300)},
		{`["null","float","double"]`, in("double", 0.1)},
		{`["null","float","double"]`, in("float", float32(0.1))},
		{`["null","double","float"]`, in("float", float32(math.Inf(1)))},
		{`["null","double","string"]`, in("string", "NaN")},
		{`["null","string","double"]`, in("double", math.Inf(-1))},
		{`["null","int","long"]`, in("long", int64(5))},
		{`["null","long","double"]`, in("double", 3.0)},
		{events, deleted("1")},
		{pay, in("Cash", map[string]any{"amount": float32(2.5)})},
		{`["null",{"type":"enum","name":"E","symbols":["A"]},"string"]`, in("string", "A")},
		{`["null",{"type":"map","values":"string"},{"type":"record","name":"R","fields":[{"name":"id","type":"string"}]}]`, in("R", map[string]any{"id": "1"})},
		{`{"type":"array","items":` + events + `}`, []any{created("1"), deleted("1"), nil, deleted("2")}},
		{`{"type":"map","values":` + events + `}`, map[string]any{"a": created("1"), "b": deleted("1")}},
	} {
		s := parse(t, c.schema)
		o := rulejson.Original{Schema: s, Value: c.v}
		text, err := rulejson.Append(nil, s, c.v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rulejson.Read(s, text, o)
		if diff := cmp.Diff(c.v, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.schema, err, diff)
		}
	}
	zero := math.Copysign(0, -1)
	s := parse(t, `"double"`)
	if got, err := rulejson.Read(s, []byte("0"), rulejson.Original{Schema: s, Value: zero}); err != nil || !math.Signbit(got.(float64)) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestChanged checks the branch of a value that a rule has changed. The words
// are those of the error if no branch is clear.
func TestChanged(t *testing.T) {
	t.Parallel()
	list := `{"type":"array","items":` + events + `}`
	for name, c := range map[string]struct {
		schema string
		old    any
		json   string
		want   any
		words  string
	}{
		"the same branch":                {`["null","int","long"]`, in("long", int64(5)), `6`, in("long", int64(6)), ""},
		"the old branch is too small":    {`["null","int","long"]`, in("int", int32(5)), `5000000000`, in("long", int64(5000000000)), ""},
		"new, and only one fits":         {`["null","int","long"]`, nil, `5000000000`, in("long", int64(5000000000)), ""},
		"new, and two fit":               {`["null","int","long"]`, nil, `5`, nil, "int and long"},
		"text or bytes":                  {`["null","string","bytes"]`, nil, `"a"`, nil, "string and bytes"},
		"text that is no bytes":          {`["null","string","bytes"]`, in("bytes", []byte("a")), `"€"`, in("string", "€"), ""},
		"a float is too coarse":          {`["null","float","double"]`, in("float", float32(1.5)), `0.1`, in("double", 0.1), ""},
		"the only number":                {`["null","float"]`, in("float", float32(1.5)), `0.1`, in("float", float32(0.1)), ""},
		"a float below a record":         {pay, in("Cash", map[string]any{"amount": float32(2.5)}), `{"amount":0.1}`, in("Cash", map[string]any{"amount": float32(0.1)}), ""},
		"too large for a double":         {`["null","double","long"]`, in("double", 1.0), `9007199254740993`, in("long", int64(9007199254740993)), ""},
		"another record":                 {pay, in("Card", map[string]any{"number": nil}), `{"amount":2}`, in("Cash", map[string]any{"amount": float32(2)}), ""},
		"a member that is no field":      {pay, in("Card", map[string]any{"number": nil}), `{"number":"1","more":2}`, in("Card", map[string]any{"number": in("string", "1")}), ""},
		"a missing member":               {pay, nil, `{}`, in("Card", map[string]any{"number": nil}), ""},
		"null":                           {events, deleted("1"), `null`, nil, ""},
		"a record with a changed member": {events, deleted("1"), `{"id":"2"}`, deleted("2"), ""},
		"a new record that fits twice":   {events, nil, `{"id":"2"}`, nil, "Created and Deleted"},
		"no branch":                      {`["null","int"]`, in("int", int32(1)), `"x"`, nil, "a string where the schema has int"},
		"a removed element":              {list, []any{created("1"), deleted("2"), created("3")}, `[{"id":"2"},{"id":"3"}]`, []any{deleted("2"), created("3")}, ""},
		"moved elements":                 {list, []any{created("1"), deleted("2")}, `[{"id":"2"},{"id":"1"}]`, []any{deleted("2"), created("1")}, ""},
		"a changed element":              {list, []any{created("1"), deleted("2")}, `[{"id":"1"},{"id":"x"}]`, []any{created("1"), deleted("x")}, ""},
		"an added element":               {list, []any{created("1")}, `[{"id":"1"},{"id":"x"}]`, nil, "[1]: "},
		"elements that look alike":       {list, []any{created("1"), deleted("1"), deleted("2")}, `[{"id":"1"},{"id":"2"}]`, nil, "[0]: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, c.schema)
			got, err := rulejson.Read(s, []byte(c.json), rulejson.Original{Schema: s, Value: c.old})
			if c.words != "" {
				if err == nil || !strings.Contains(err.Error(), c.words) {
					t.Errorf("%v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestOriginalOfAnotherVersion checks that a migration keeps the branches of
// fields that both versions have.
func TestOriginalOfAnotherVersion(t *testing.T) {
	t.Parallel()
	record := func(fields string) string {
		return `{"type":"record","name":"R","fields":[{"name":"e","type":` + events + `},` + fields + `]}`
	}
	from, to := parse(t, record(`{"name":"size","type":"long"}`)), parse(t, record(`{"name":"size","type":["int","long"]}`))
	old := map[string]any{"e": deleted("1"), "size": int64(3)}
	got, err := rulejson.Read(to, []byte(`{"e":{"id":"1"},"size":3}`), rulejson.Original{Schema: from, Value: old})
	if diff := cmp.Diff(any(map[string]any{"e": deleted("1"), "size": in("long", int64(3))}), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestReadTyped checks that the types of the result decide where JSON has one
// type.
func TestReadTyped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schema  string
		v, want any
	}{
		{`["null","string","bytes"]`, []byte("a"), in("bytes", []byte("a"))},
		{`["null","string","bytes"]`, "a", in("string", "a")},
		{`["null","long","double"]`, int64(3), in("long", int64(3))},
		{`["null","long","double"]`, 3.0, in("double", 3.0)},
		{`["null","double","string"]`, "NaN", in("string", "NaN")},
		{`["null","double"]`, int64(3), in("double", 3.0)},
		{`["null","int"]`, 3.0, in("int", int32(3))},
		{`"int"`, uint64(3), nil},
		{`"bytes"`, "a", nil},
	} {
		got, err := rulejson.ReadTyped(parse(t, c.schema), c.v, rulejson.Original{})
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v %s", c.schema, err, diff)
		}
	}
}

// TestReadIsBounded checks that nested unions whose branches look alike do not
// double the work with every level.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	s := parse(t, `["null",{"type":"record","name":"A","fields":[{"name":"next","type":["null","A",{"type":"record","name":"B","fields":[{"name":"next","type":["null","A","B"]}]}]}]},"B"]`)
	const depth = 60
	text := strings.Repeat(`{"next":`, depth) + "7" + strings.Repeat("}", depth)
	if got, err := rulejson.Read(s, []byte(text), rulejson.Original{}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("%v, %v", got, err)
	}
}

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
		got, err := rulejson.Read(s, []byte(c.json))
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
		got, err := rulejson.Read(parse(t, c.schema), []byte(c.json))
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
		if got, err := rulejson.Read(parse(t, c.schema), []byte(c.json)); err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v, %v", c.json, got, err)
		}
	}
}

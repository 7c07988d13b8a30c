package avsc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	record := func(field string) string {
		return `{"type":"record","name":"a.R","fields":[{"name":"id","type":"string"},` + field + `]}`
	}
	price := func(attributes string) string {
		return record(`{"name":"items","type":{"type":"array","items":{"type":"record","name":"I","fields":[
			{"name":"price","type":{"type":"bytes",` + attributes + `}}]}}}`)
	}
	millis, micros := `{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-micros"}`
	for _, test := range []struct {
		name, a, b string
		want       *avsc.Difference
	}{
		{"equal", `"long"`, `{"type":"long"}`, nil},
		{
			"docs, aliases, defaults, order and properties", record(`{"name":"n","type":"int"}`),
			record(`{"name":"n","type":{"type":"int","x":1},"doc":"D","default":3,"aliases":["m"],"order":"ignore"}`), nil,
		},
		{
			"scale", price(`"logicalType":"decimal","precision":12,"scale":2`), price(`"logicalType":"decimal","precision":12,"scale":4`),
			&avsc.Difference{"items[].price", "decimal(12,2)", "decimal(12,4)"},
		},
		{
			"precision", price(`"logicalType":"decimal","precision":12`), price(`"logicalType":"decimal","precision":14`),
			&avsc.Difference{"items[].price", "decimal(12,0)", "decimal(14,0)"},
		},
		{
			"an invalid decimal is none", price(`"logicalType":"decimal","precision":1,"scale":2`), price(`"x":1`), nil,
		},
		{
			"a logical type against none", price(`"logicalType":"decimal","precision":12`), price(`"x":1`),
			&avsc.Difference{"items[].price", "decimal(12,0)", "bytes without a logical type"},
		},
		{"units", record(`{"name":"t","type":` + millis + `}`), record(`{"name":"t","type":` + micros + `}`), &avsc.Difference{"t", "timestamp-millis", "timestamp-micros"}},
		{
			"a unit in an optional map", record(`{"name":"t","type":["null",{"type":"map","values":` + millis + `}]}`),
			record(`{"name":"t","type":["null",{"type":"map","values":` + micros + `}]}`), &avsc.Difference{"t[]", "timestamp-millis", "timestamp-micros"},
		},
		{"uuid of a fixed", `{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, `{"type":"fixed","name":"U","size":16}`, &avsc.Difference{"", "uuid", "fixed without a logical type"}},
		{"size", `{"type":"fixed","name":"U","size":16}`, `{"type":"fixed","name":"U","size":8}`, &avsc.Difference{"", "fixed of size 16", "fixed of size 8"}},
		{"kind", record(`{"name":"n","type":"int"}`), record(`{"name":"n","type":"long"}`), &avsc.Difference{"n", "int", "long"}},
		{"kind under a logical type", `{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":2}`, `{"type":"bytes","logicalType":"decimal","precision":2}`, &avsc.Difference{"", "fixed D", "bytes as decimal(2,0)"}},
		{"name", `{"type":"fixed","name":"a.U","size":16}`, `{"type":"fixed","name":"b.U","size":16}`, &avsc.Difference{"", "fixed a.U", "fixed b.U"}},
		{"order of fields", record(`{"name":"n","type":"int"},{"name":"m","type":"int"}`), record(`{"name":"m","type":"int"},{"name":"n","type":"int"}`), &avsc.Difference{"", "field n", "field m"}},
		{"a field more", record(`{"name":"n","type":"int"}`), record(`{"name":"n","type":"int"},{"name":"m","type":"int"}`), &avsc.Difference{"", "nothing", "field m"}},
		{"symbols", `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A"]}`, &avsc.Difference{"", "symbol B", "nothing"}},
		{"branches", `["null","int"]`, `["null","int","string"]`, &avsc.Difference{"", "nothing", "branch string"}},
		{"order of branches", `["null","int"]`, `["int","null"]`, &avsc.Difference{"", "null", "int"}},
		{
			"inside itself", `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]},{"name":"t","type":` + millis + `}]}`,
			`{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]},{"name":"t","type":` + micros + `}]}`,
			&avsc.Difference{"t", "timestamp-millis", "timestamp-micros"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := parse(t, test.a), parse(t, test.b)
			if diff := cmp.Diff(test.want, avsc.Compare(a, b)); diff != "" {
				t.Error(diff)
			}
			if same := avsc.SameMeaning(b, a); same != (test.want == nil) {
				t.Errorf("SameMeaning the other way round: %v", same)
			}
		})
	}
}

// TestCompareOfALattice checks that a type in many places is compared once. The
// work is in proportion to the text, not to the values.
func TestCompareOfALattice(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	const levels = 200
	for i := range levels {
		fmt.Fprintf(&text, `{"type":"record","name":"Z%d","fields":[{"name":"a","type":`, i)
	}
	text.WriteString(`"null"`)
	for i := levels - 1; i >= 0; i-- {
		if i == levels-1 {
			text.WriteString(`}]}`)
			continue
		}
		fmt.Fprintf(&text, `},{"name":"b","type":"Z%d"}]}`, i+1)
	}
	if !avsc.SameMeaning(parse(t, text.String()), parse(t, text.String())) {
		t.Error("a schema differs from itself")
	}
}

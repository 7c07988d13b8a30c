package avsclint_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avsclint"
)

// lint returns the findings of a text as "line:col RULE path". If the text does
// not begin as JSON, the text is IDL.
func lint(t *testing.T, text string, except ...string) []string {
	t.Helper()
	source := avsc.Source{Name: "t.avsc", Text: []byte(text)}
	if !strings.ContainsAny(text[:1], "{[") {
		source = avdl.Parse("t.avdl", []byte(text)).Source
	}
	set, err := avsc.ParseSet(source)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	var out []string
	for _, f := range avsclint.Lint(set, avsclint.Options{Except: except}) {
		if f.What == "" || f.Advice == "" {
			t.Errorf("message %q does not say what to do", avsclint.Text(f))
		}
		out = append(out, fmt.Sprintf("%d:%d %s %s", f.Pos.Line, f.Pos.Col, f.Type, f.Place))
	}
	return out
}

// field returns a record without findings, except for findings about the field.
func field(members string) string {
	return `{"type": "record", "name": "n.R", "doc": "x", "fields": [` + "\n" + `{"doc": "x", ` + members + `}]}`
}

const clean = `{"type": "record", "name": "Order", "namespace": "shop.orders", "doc": "An order.", "fields": [
	{"name": "id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Its key."},
	{"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When."},
	{"name": "note", "type": ["null", "string"], "default": null, "doc": "By the customer."},
	{"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "doc": "In EUR."},
	{"name": "total_count", "type": "int", "doc": "Of lines.", "owner": "team-a"},
	{"name": "state", "type": {"type": "enum", "name": "State", "doc": "Where it is.", "symbols": ["UNKNOWN", "NEW"], "default": "UNKNOWN"}, "doc": "Where."},
	{"name": "next", "type": ["null", "Order"], "default": null, "doc": "The one after."}]}`

func TestCleanSchemaHasNoFindings(t *testing.T) {
	t.Parallel()
	if got := lint(t, clean); got != nil {
		t.Error(got)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want []string
	}{
		{`{"type": "fixed", "name": "n.F", "size": 1}`, []string{"1:27 TYPE_WITHOUT_DOC n.F"}},
		{`{"type": "fixed", "name": "n.F", "size": 1, "doc": " "}`, []string{"1:27 TYPE_WITHOUT_DOC n.F"}},
		{`{"type": "fixed", "name": "n.F", "size": 1, "doc": ["x"]}`, []string{"1:52 DOC_NOT_TEXT n.F"}},
		{`{"type": "record", "name": "n.R", "doc": "x", "fields": [{"name": "a", "type": "int"}]}`, []string{"1:67 FIELD_WITHOUT_DOC n.R.a"}},
		{`{"type": "fixed", "name": "F", "size": 1, "doc": "x"}`, []string{"1:27 NO_NAMESPACE F"}},
		{`{"type": "fixed", "name": "a.B.F", "size": 1, "doc": "x"}`, []string{"1:27 NAMESPACE_STYLE a.B.F"}},
		{`{"type": "fixed", "name": "n.my_fixed", "size": 1, "doc": "x"}`, []string{"1:27 TYPE_NAME_STYLE n.my_fixed"}},
		{`{"type": "fixed", "name": "n.int", "size": 1, "doc": "x"}`, []string{"1:27 TYPE_NAME_STYLE n.int", "1:27 NAME_OF_PRIMITIVE n.int"}},
		{`{"type": "fixed", "name": "n.F", "aliases": ["F"], "size": 1, "doc": "x"}`, []string{"1:46 ALIAS_AMBIGUOUS n.F"}},
		{field(`"name": "Upper", "type": "int"`), []string{"2:22 FIELD_NAME_STYLE n.R.Upper"}},
		{field(`"name": "a_b", "type": "int"}, {"doc": "x", "name": "aB", "type": "int"`), []string{"1:28 MIXED_FIELD_NAMES n.R"}},
		{field(`"name": "a", "type": "int"}, {"doc": "x", "name": "b", "type": "int", "aliases": ["a"]`), []string{"2:96 ALIAS_AMBIGUOUS n.R.b"}},
		{field(`"name": "a", "aliases": ["c"], "type": "int"}, {"doc": "x", "name": "b", "type": "int", "aliases": ["c"]`), []string{"2:114 ALIAS_AMBIGUOUS n.R.b"}},
		{`{"type": "enum", "name": "n.E", "doc": "x", "symbols": ["UNKNOWN", "other"], "default": "UNKNOWN"}`, []string{"1:68 SYMBOL_STYLE n.E.other"}},
		{`{"type": "enum", "name": "n.E", "doc": "x", "symbols": ["A"]}`, []string{"1:26 ENUM_WITHOUT_DEFAULT n.E"}},
		{`{"type": "enum", "name": "n.E", "doc": "x", "symbols": []}`, []string{"1:26 NO_VALUE n.E", "1:26 ENUM_WITHOUT_DEFAULT n.E"}},
		{field(`"name": "r", "type": "R"`), []string{"1:28 NO_VALUE n.R"}},
		{field(`"name": "r", "type": ["R", {"type": "record", "name": "S", "doc": "x", "fields": [{"name": "r", "type": "R", "doc": "x"}]}]`), []string{"1:28 NO_VALUE n.R"}},
		{field(`"name": "r", "type": {"type": "array", "items": "R"}`), nil},
		{field(`"name": "u", "type": []`), []string{"2:35 NO_VALUE n.R.u"}},
		{field(`"name": "u", "type": ["int"]`), []string{"2:35 UNION_OF_ONE n.R.u"}},
		{field(`"name": "u", "type": ["null", "int"]`), []string{"2:22 OPTIONAL_WITHOUT_DEFAULT n.R.u"}},
		{field(`"name": "u", "type": ["null", "int"], "default": 1`), []string{"2:63 DEFAULT_NOT_FIRST_BRANCH n.R.u"}},
		{field(`"name": "u", "type": ["int", "null"], "default": 1`), nil},
		{field(`"name": "m", "type": {"type": "map", "values": {"type": "map", "values": "int"}}`), []string{"2:61 MAP_OF_MAP n.R.m"}},
		{field(`"name": "unitPrice", "type": "double"`), []string{"2:43 FLOAT_FOR_MONEY n.R.unitPrice"}},
		{field(`"name": "fees", "type": ["null", {"type": "array", "items": "float"}], "default": null`), []string{"2:74 FLOAT_FOR_MONEY n.R.fees"}},
		{field(`"name": "created_at", "type": "long"`), []string{"2:44 TIME_AS_NUMBER n.R.created_at"}},
		{field(`"name": "eventTime", "type": ["null", "long"], "default": null`), []string{"2:52 TIME_AS_NUMBER n.R.eventTime"}},
		{field(`"name": "response_time", "type": "long"`), nil},
		{field(`"name": "birth_date", "type": "int"`), []string{"2:44 TIME_AS_NUMBER n.R.birth_date"}},
		{field(`"name": "orderUUID", "type": "string"`), []string{"2:43 UUID_AS_STRING n.R.orderUUID"}},
		{field(`"name": "created_at", "type": "long", "logicalType": "timestamp-millis"`), []string{"2:44 TIME_AS_NUMBER n.R.created_at", "2:67 LOGICAL_TYPE_ON_FIELD n.R.created_at"}},
		{field(`"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-mills"}`), []string{"2:76 LOGICAL_TYPE_IGNORED n.R.created_at"}},
		{field(`"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}`), []string{"2:68 LOGICAL_TYPE_IGNORED n.R.d"}},
		{field(`"name": "email", "type": "string"`), nil},
		{field(`"name": "email", "type": "string", "confluent:tags": ["PII"]}, {"doc": "x", "name": "home_phone", "type": ["string", "null"], "default": ""`), []string{"2:98 PII_WITHOUT_TAG n.R.home_phone"}},
		{field(`"name": "email", "type": "string", "confluent:tags": ["PII"]}, {"doc": "x", "name": "phone", "type": "int"}, {"doc": "x", "name": "phones", "type": "string", "confluent:tags": ["PUBLIC"]`), nil},
		{field(`"name": "d", "type": "int", "defalt": 1`), []string{"2:42 MISSPELT_ATTRIBUTE n.R.d"}},
		{field(`"name": "d", "type": "int", "my.default": 1, "nam": 1, "symbolDocs": 2, "id": 3`), []string{"2:59 MISSPELT_ATTRIBUTE n.R.d"}},
		{`{"type": "fixed", "name": "n.F", "size": 1, "doc": "x", "alias": ["G"]}`, []string{"1:57 MISSPELT_ATTRIBUTE n.F"}},
		{field(`"name": "u", "type": {"type": "string", "logicalType": "uuid"}, "default": ""`), []string{"2:89 DEFAULT_MISFIT n.R.u"}},
		{field(`"name": "t", "type": ["null", {"type": "int", "logicalType": "time-millis"}], "default": 86400000`), []string{"2:103 DEFAULT_NOT_FIRST_BRANCH n.R.t", "2:103 DEFAULT_MISFIT n.R.t"}},
		{field(`"name": "t", "type": {"type": "int", "logicalType": "time-millis"}, "default": 86399999`), nil},
		{field(`"name": "d", "type": {"type": "record", "name": "S", "doc": "x", "fields": [{"name": "amount", "doc": "x", "type": "int"}]}, "default": {"amount": 1, "amonut": 2}`), []string{"2:164 DEFAULT_UNKNOWN_MEMBER n.R.d"}},
		{field(`"name": "d", "type": "F"}, {"doc": "x", "name": "e", "type": {"type": "fixed", "name": "F", "doc": "x", "size": 1}`), []string{"2:35 USED_BEFORE_DEFINED n.R.d"}},
		{field(`"name": "s", "type": {"type": "string", "default": "x"}`), []string{"2:54 ATTRIBUTE_ON_TYPE n.R.s"}},
		{field(`"name": "s", "type": ["null", {"type": "array", "items": {"type": "int", "order": "ignore"}, "aliases": ["t"]}], "default": null`), []string{"2:87 ATTRIBUTE_ON_TYPE n.R.s", "2:107 ATTRIBUTE_ON_TYPE n.R.s"}},
		{`{"type": "fixed", "name": "n.F", "size": 1, "doc": "x", "aliases": ["G"], "default": "x"}`, []string{"1:75 ATTRIBUTE_ON_TYPE n.F"}},
		{`{"type": "enum", "name": "n.E", "doc": "x", "symbols": ["A"], "default": "A", "order": "ignore"}`, []string{"1:79 ATTRIBUTE_ON_TYPE n.E"}},
		{"namespace n; /** x */ record R { /** x */ @aliases([\"t\"]) string s; /** x */ string @aliases([\"u\"]) v; }", []string{"1:44 ATTRIBUTE_ON_TYPE n.R.s"}},
		{"namespace n; /** x */ record R { /** x */ @java-class(\"List\") union { int, string } s; }", []string{"1:44 ANNOTATION_DROPPED java-class"}},
		{field(`"name": "s", "type": {"type": "string", "go.text": true}, "go.name": "github.com/x.T"`), []string{"2:65 GO_PROPERTY_IGNORED n.R.s", "2:83 GO_PROPERTY_IGNORED n.R.s"}},
		{`{"type": "fixed", "name": "n.F", "size": 1, "doc": "x", "go.name": "f"}`, []string{"1:68 GO_PROPERTY_IGNORED n.F"}},
		{`{"type": "map", "values": {"type": "map", "values": []}}`, []string{"1:27 MAP_OF_MAP ", "1:53 NO_VALUE "}},
		{`[{"type": "fixed", "name": "n.F", "size": 1, "doc": "x"}, {"type": "fixed", "name": "n.G", "size": 1}]`, []string{"1:85 TYPE_WITHOUT_DOC n.G"}},
	}
	tried := map[string]bool{}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, lint(t, c.text)); diff != "" {
				t.Errorf("%s\n%s", c.text, diff)
			}
		})
		for _, w := range c.want {
			rule := strings.Fields(w)[1]
			tried[rule] = true
			if got := lint(t, c.text, rule); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, " "+rule+" ") }) {
				t.Errorf("%s is found although it is excepted", rule)
			}
		}
	}
	for _, r := range avsclint.Rules() {
		if !tried[r.Name] {
			t.Errorf("no case for %s", r.Name)
		}
		if r.Looks == "" || r.Reason == "" {
			t.Errorf("%s is not documented", r.Name)
		}
		delete(tried, r.Name)
	}
	if len(tried) > 0 {
		t.Errorf("not among Rules: %v", tried)
	}
}

// TestWhyADecimalIsIgnored checks that the finding about an ignored logical
// type names the missing condition.
func TestWhyADecimalIsIgnored(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		`"string", "precision": 4`:                          "put it on bytes or on a fixed",
		`"bytes"`:                                           "it has no precision",
		`"bytes", "precision": "4"`:                         `its precision is "4"`,
		`"bytes", "precision": 0`:                           "its precision is 0",
		`"bytes", "precision": 4, "scale": 5`:               "its scale 5 is more than its precision 4",
		`"bytes", "precision": 4, "scale": -1`:              "its scale is -1",
		`"fixed", "name": "F", "size": 2, "precision": 5`:   "a fixed of size 2 holds 4 digits, and its precision is 5",
		`"fixed", "name": "F", "size": 8, "precision": 4.5`: "its precision is 4.5",
	} {
		set, err := avsc.ParseSet(avsc.Source{Name: "t.avsc", Text: []byte(`{"logicalType": "decimal", "type": ` + typ + `}`)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range avsclint.Lint(set, avsclint.Options{}) {
			if f.Type == "LOGICAL_TYPE_IGNORED" {
				got = append(got, avsclint.Text(f))
			}
		}
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q, want %q", typ, got, want)
		}
	}
}

// TestTagsOfContracts checks that lint reads the tags in a contract file.
func TestTagsOfContracts(t *testing.T) {
	t.Parallel()
	set, err := avsc.ParseSet(avsc.Source{Name: "t.avsc", Text: []byte(`{"type": "record", "name": "n.R", "doc": "x", "fields": [
		{"name": "email", "type": "string", "doc": "x"}, {"name": "iban", "type": "bytes", "doc": "x"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range avsclint.Lint(set, avsclint.Options{Tags: map[string][]string{"n.R.email": {"PII"}}}) {
		got = append(got, f.Type+" "+f.Place)
	}
	if diff := cmp.Diff([]string{"PII_WITHOUT_TAG n.R.iban"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestRulesAreDocumented checks that the documentation lists every rule with
// the text of the code.
func TestRulesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/schemas.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range avsclint.Rules() {
		row := fmt.Sprintf("| `%s` | %s | %s |\n", r.Name, r.Looks, r.Reason)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/schemas.md lacks the row\n%s", row)
		}
	}
}

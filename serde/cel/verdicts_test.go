package cel

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/rulejson"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// verdict is the result of a rule: the written message, or the reason for none.
type verdict struct {
	Value     json.RawMessage `json:"value"`
	Unchanged bool            `json:"unchanged"`
	Refused   bool            `json:"refused"`
	Error     bool            `json:"error"`
}

// differences returns the rules whose verdict differs on purpose.
func differences() map[string]string {
	const (
		mixed     = "celpy does not compare values of different types"
		strs      = "celpy has no extension of strings; Confluent's Go client has it"
		condition = "celpy's client takes any value as a condition"
		ranges    = "fastavro writes a number that does not fit"
	)
	return map[string]string{
		"CEL CONDITION message.count > 2.5":                    mixed,
		"CEL CONDITION message.count == 3u":                    mixed,
		"CEL_FIELD CONDITION value != 'zzz'":                   mixed,
		"CEL_FIELD CONDITION size(tags) == 0 ; value != 'zzz'": mixed,
		"CEL CONDITION 'ADA'.lowerAscii() == 'ada'":            strs,
		"CEL CONDITION message.id.substring(0, 1) == 'o'":      strs,
		"CEL CONDITION message.list.join('-') == 'a-b'":        strs,
		"CEL CONDITION message.id.split('-') == ['o', '1']":    strs,
		"CEL CONDITION message.id.replace('o', 'x') == 'x-1'":  strs,
		"CEL CONDITION message.id.charAt(0) == 'o'":            strs,
		"CEL CONDITION message.id.trim() == 'o-1'":             strs,
		"CEL CONDITION message.id.upperAscii() == 'O-1'":       strs,
		"CEL CONDITION message.count":                          condition,
		"CEL CONDITION 'text'":                                 condition,
		"CEL CONDITION null":                                   condition,
		"CEL CONDITION 'a b@c'.isEmail()":                      "the Python client accepts a space in an address",
		"CEL CONDITION type(message.id) == string":             "celpy gives a string a type of its own",
		"CEL CONDITION message.nothing == 1 ; false":           "a guard that fails is false in Confluent's Go client",
		"CEL_FIELD TRANSFORM value.nothing ; 1":                "a guard that fails is false in Confluent's Go client",
		"CEL_FIELD TRANSFORM name == 'count' ; 3000000000":     ranges,
		"CEL_FIELD TRANSFORM name == 'count' ; 1.5":            ranges,
	}
}

// javaScriptDiffers returns the reason why the JavaScript client gives another
// verdict on purpose or by a defect of its own. The result is "" if there is no
// reason.
func javaScriptDiffers(c ruleCase, ours error) string {
	condition := c.Kind == contract.Condition
	switch {
	case condition && c.JavaScript.Unchanged && ours != nil:
		return "JavaScript takes an error, such as an unknown function, for a met condition"
	case condition && c.Type == "CEL_FIELD" && c.JavaScript.Refused:
		return "JavaScript refuses every record with a null field"
	case !condition && c.JavaScript.Error:
		return "JavaScript cannot write the integers and bytes that its CEL returns"
	case !condition && c.Type == "CEL_FIELD":
		return "JavaScript leaves null fields out"
	}
	return map[string]string{
		"has(message.phone)":              "JavaScript takes null for an absent field",
		"has(message.customer.vip)":       "JavaScript takes null for an absent field",
		"message.big == 9007199254740993": "JavaScript has no such integer",
		"'a' == 1":                        "CEL's type check finds the mistake before the rule runs",
		"type(message.count) == int":      "JavaScript's numbers are doubles",
		"message.nothing == 1 ; false":    "a guard that fails is false in Confluent's Go client",
	}[c.Expr]
}

// ruleCase is a rule with the verdicts of Confluent's clients.
type ruleCase struct {
	Type, Kind, Expr   string
	Tags               []string
	Python, JavaScript verdict
}

// agreesWithJavaScript is the number of rules with the verdict of the
// JavaScript client.
const agreesWithJavaScript = 152

// TestVerdicts holds the rules against the verdicts of Confluent's Python and
// JavaScript clients. The folder internal/otherclients/verdicts has the
// programs that fill in the table.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/verdicts.json")
	if err != nil {
		t.Fatal(err)
	}
	// JavaScript cannot read the large integer of the message.
	text = bytes.ReplaceAll(text, []byte("9007199254740990"), []byte("9007199254740993"))
	var table struct {
		Schema, Message json.RawMessage
		Cases           []ruleCase
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Cases) < 200 {
		t.Errorf("the table has %d cases", len(table.Cases))
	}
	schema, err := avsc.Parse("schema", table.Schema)
	if err != nil {
		t.Fatal(err)
	}
	message, err := rulejson.Read(schema, table.Message, rulejson.Original{})
	if err != nil {
		t.Fatal(err)
	}
	known, agrees := differences(), 0
	for i, c := range table.Cases {
		rule := contract.Rule{Name: "r", Type: c.Type, Kind: c.Kind, Mode: contract.ModeWrite, Tags: c.Tags, Expr: c.Expr}
		got, err := written(t, schema, message, rule)
		name := c.Type + " " + c.Kind + " " + c.Expr
		same := c.Python.same(t, schema, message, got, err)
		if _, ok := known[name]; ok {
			if same {
				t.Errorf("%s: no longer differs: remove it from differences", name)
			}
			delete(known, name)
		} else if !same {
			t.Errorf("%d %s %q: %v; Python: %s refused=%v error=%v", i, name, c.Tags, err, c.Python.Value, c.Python.Refused, c.Python.Error)
		}
		switch js := c.JavaScript; {
		case js.same(t, schema, message, got, err):
			agrees++
		case javaScriptDiffers(c, err) == "":
			t.Errorf("%d %s %q: %v; JavaScript: %s refused=%v error=%v", i, name, c.Tags, err, js.Value, js.Refused, js.Error)
		}
	}
	if len(known) > 0 {
		t.Errorf("not in the table: %q", slices.Sorted(maps.Keys(known)))
	}
	if agrees != agreesWithJavaScript {
		t.Errorf("%d rules have the verdict of JavaScript, want %d", agrees, agreesWithJavaScript)
	}
}

// same reports whether a result of ours is the verdict.
func (v verdict) same(t *testing.T, schema *avsc.Schema, message, got any, err error) bool {
	t.Helper()
	switch {
	case v.Refused:
		return errors.Is(err, serde.ErrCondition)
	case v.Error:
		return err != nil && !errors.Is(err, serde.ErrCondition)
	case err != nil:
		return false
	case v.Unchanged:
		return cmp.Equal(message, got)
	}
	want, err := rulejson.Read(schema, v.Value, rulejson.Original{Schema: schema, Value: message})
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(want, got)
}

// written writes a message under a rule, and returns the message without rules.
func written(t *testing.T, schema *avsc.Schema, message any, rule contract.Rule) (any, error) {
	t.Helper()
	server, err := registrytest.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	if _, err := reg.Register(t.Context(), "orders-value", contract.Schema{
		Text: schema.Text(), RuleSet: &contract.RuleSet{DomainRules: []contract.Rule{rule}},
	}); err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(schema.Text())
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, serde.UseLatest(), serde.WithRules(Executors()...))
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.For("orders", serde.Value).Append(t.Context(), nil, g.Value(message))
	if err != nil {
		return nil, err
	}
	return g.Decode(data[5:])
}

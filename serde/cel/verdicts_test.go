package cel

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plainjson"
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

// differences are the rules whose verdict differs on purpose.
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

// TestVerdicts holds the rules against the verdicts of Confluent's Python
// client. The folder internal/otherclients/verdicts has the program that fills
// in the table.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/verdicts.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Schema, Message json.RawMessage
		Cases           []struct {
			Type, Kind, Expr string
			Tags             []string
			Python           verdict
		}
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
	message, err := plainjson.Read(schema, table.Message)
	if err != nil {
		t.Fatal(err)
	}
	known := differences()
	for i, c := range table.Cases {
		rule := contract.Rule{Name: "r", Type: c.Type, Kind: c.Kind, Mode: contract.ModeWrite, Tags: c.Tags, Expr: c.Expr}
		got, err := written(t, schema, message, rule)
		same := false
		switch {
		case c.Python.Refused:
			same = errors.Is(err, serde.ErrCondition)
		case c.Python.Error:
			same = err != nil && !errors.Is(err, serde.ErrCondition)
		case err != nil:
		case c.Python.Unchanged:
			same = cmp.Equal(message, got)
		default:
			want, failed := plainjson.Read(schema, c.Python.Value)
			if failed != nil {
				t.Fatal(failed)
			}
			same = cmp.Equal(want, got)
		}
		name := c.Type + " " + c.Kind + " " + c.Expr
		if _, ok := known[name]; ok {
			if same {
				t.Errorf("%s: no longer differs: remove it from differences", name)
			}
			delete(known, name)
		} else if !same {
			t.Errorf("%d %s %q: %v; Python: %s refused=%v error=%v", i, name, c.Tags, err, c.Python.Value, c.Python.Refused, c.Python.Error)
		}
	}
	if len(known) > 0 {
		t.Errorf("not in the table: %q", slices.Sorted(maps.Keys(known)))
	}
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

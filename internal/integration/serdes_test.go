//go:build integration

package integration

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/cel"
	"github.com/avroline/avroline/serde/encrypt"
)

func embeddedRegistry(t *testing.T) (*registrytest.Server, *registry.Client) {
	t.Helper()
	server := registrytest.Start(t)
	client, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

// logicalSchema has decimals and timestamps, which readers in other languages
// convert.
const logicalSchema = `{"type":"record","name":"shop.Payment","fields":[
	{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
	{"name":"rate","type":{"type":"fixed","name":"shop.Rate","size":6,"logicalType":"decimal","precision":9,"scale":4}},
	{"name":"negative","type":["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":0}]},
	{"name":"millis","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"micros","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},
	{"name":"raw","type":"bytes"}]}`

// logicalValue is the value in goavro's form. logicalJSON is the same value as
// the Python client prints it.
var (
	logicalValue = map[string]any{
		"amount": []byte{0x04, 0xd2}, "rate": []byte{0, 0, 0, 0, 0x30, 0x39},
		"negative": map[string]any{"bytes": []byte{0x85}},
		"millis":   int64(1_700_000_000_123), "micros": map[string]any{"long": int64(-1_234_567)}, "raw": []byte{0, 255},
	}
	logicalJSON = `{"amount":{"$decimal":"12.34"},"micros":{"$micros":-1234567},"millis":{"$micros":1700000000123000},` +
		`"negative":{"$decimal":"-123"},"rate":{"$decimal":"1.2345"},"raw":{"$bytes":"00ff"}}`
)

func equalJSON(t *testing.T, want, got string) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Error(diff)
	}
}

// TestLogicalTypesOfOthers exchanges decimals and timestamps with Confluent's
// Python and JavaScript clients and with KafkaJS, in both directions.
func TestLogicalTypesOfOthers(t *testing.T) {
	for name, f := range map[string]func(context.Context) (*otherclients.Client, error){
		"Python": otherclients.Python, "JavaScript": otherclients.JavaScript, "KafkaJS": otherclients.Node,
	} {
		t.Run(name, func(t *testing.T) { logicalTypesOf(t, install(t, f)) })
	}
}

func logicalTypesOf(t *testing.T, other *otherclients.Client) {
	server, client := embeddedRegistry(t)
	g, err := serde.NewGeneric(logicalSchema)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(client)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.For("payments", serde.Value).Append(t.Context(), nil, g.Record(logicalValue))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := other.Run(t.Context(), []string{hex.EncodeToString(data)}, "deserialize", "payments", server.URL)
	if err != nil || len(lines) != 1 {
		t.Fatal(lines, err)
	}
	equalJSON(t, logicalJSON, lines[0])

	var compact any
	if err := json.Unmarshal([]byte(logicalSchema), &compact); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(compact)
	if err != nil {
		t.Fatal(err)
	}
	// Confluent's JavaScript client uses the latest version of the subject.
	if err := server.Seed("theirs-value", string(line)); err != nil {
		t.Fatal(err)
	}
	lines, err = other.Run(t.Context(), []string{string(line), logicalJSON}, "serialize", "theirs", server.URL)
	if err != nil || len(lines) != 1 {
		t.Fatal(lines, err)
	}
	readGeneric(t, client, "theirs", lines[0], logicalValue)
}

func readGeneric(t *testing.T, client *registry.Client, topic, line string, want map[string]any, opts ...serde.DeserializerOption) {
	t.Helper()
	data, err := hex.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	d, err := serde.NewGenericDeserializer(client, opts...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decode(t.Context(), serde.Input{Topic: topic, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

const personSchema = `{"type":"record","name":"shop.Person","fields":[` +
	`{"name":"id","type":"long"},` +
	`{"name":"email","type":"string","confluent:tags":["PII"]},` +
	`{"name":"photo","type":["null","bytes"],"confluent:tags":["PII"]},` +
	`{"name":"phones","type":{"type":"array","items":"string"},"confluent:tags":["PII"]},` +
	`{"name":"note","type":["null","string"],"default":null}]}`

var (
	personValue = map[string]any{
		"id": int64(7), "email": "ada@example.com", "photo": map[string]any{"bytes": []byte("photo")},
		"phones": []any{"+44 1", "+44 2"}, "note": nil,
	}
	personJSON = `{"id":7,"email":"ada@example.com","photo":{"$bytes":"70686f746f"},"phones":["+44 1","+44 2"],"note":null}`
)

// TestEncryption exchanges encrypted fields with Confluent's Python and
// JavaScript clients, in both directions. The module internal/bench compares
// with Confluent's Go client.
func TestEncryption(t *testing.T) {
	for name, f := range map[string]func(context.Context) (*otherclients.Client, error){
		"Python": otherclients.Python, "JavaScript": otherclients.JavaScript,
	} {
		t.Run(name, func(t *testing.T) { testEncryption(t, f) })
	}
}

func testEncryption(t *testing.T, f func(context.Context) (*otherclients.Client, error)) {
	t.Helper()
	t.Setenv("LOCAL_SECRET", "mysecret")
	other := install(t, f)
	server, client := embeddedRegistry(t)
	kms, err := encrypt.LocalKMS("mysecret")
	if err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(personSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"ENCRYPT", "ENCRYPT_PAYLOAD"} {
		for _, algorithm := range []string{"AES128_GCM", "AES256_GCM", "AES256_SIV"} {
			for _, form := range []string{"wrapped", "shared", "expiry"} {
				topic := fmt.Sprintf("%s-%s-%s", typ, algorithm, form)
				t.Run(topic, func(t *testing.T) {
					rule := contract.Rule{
						Name: "protect", Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: typ,
						Params: map[string]string{
							"encrypt.kek.name": "kek-" + topic, "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "key1",
							"encrypt.dek.algorithm": algorithm,
						},
					}
					switch form {
					case "expiry":
						rule.Params["encrypt.dek.expiry.days"] = "1"
					case "shared":
						kek := contract.KEK{Name: "kek-" + topic, KMSType: "local-kms", KMSKeyID: "key1", Shared: true}
						if _, err := client.CreateKEK(t.Context(), kek); err != nil {
							t.Fatal(err)
						}
					}
					rules := &contract.RuleSet{EncodingRules: []contract.Rule{rule}}
					if typ == "ENCRYPT" {
						rule.Tags = []string{"PII"}
						rules = &contract.RuleSet{DomainRules: []contract.Rule{rule}}
					}
					if _, err := client.Register(t.Context(), topic+"-value", contract.Schema{Text: personSchema, RuleSet: rules}); err != nil {
						t.Fatal(err)
					}
					keys, err := encrypt.NewKeys(client, encrypt.WithKMS(kms))
					if err != nil {
						t.Fatal(err)
					}
					defer keys.Close()
					executors := serde.WithRules(keys.Executors()...)
					s, err := serde.NewSerializer(client, serde.UseLatest(), executors)
					if err != nil {
						t.Fatal(err)
					}
					data, err := s.For(topic, serde.Value).Append(t.Context(), nil, g.Record(personValue))
					if err != nil {
						t.Fatal(err)
					}
					lines, err := other.Run(t.Context(), []string{hex.EncodeToString(data)}, "deserialize", topic, server.URL)
					if err != nil || len(lines) != 1 {
						t.Fatal(lines, err)
					}
					equalJSON(t, personJSON, lines[0])
					lines, err = other.Run(t.Context(), []string{personSchema, personJSON}, "serialize", topic, server.URL, "latest")
					if err != nil || len(lines) != 1 {
						t.Fatal(lines, err)
					}
					readGeneric(t, client, topic, lines[0], personValue, executors)
				})
			}
		}
	}
}

// TestPythonCEL compares our results of CEL conditions with the results of
// Confluent's Python client for the same records.
func TestPythonCEL(t *testing.T) {
	python := install(t, otherclients.Python)
	server, client := embeddedRegistry(t)
	const schema = `{"type":"record","name":"shop.Reading","fields":[{"name":"text","type":"string"},{"name":"count","type":"long"},{"name":"ratio","type":"double"}]}`
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	exprs := []string{
		`message.count > 3`, `message.count % 2 == 0`, `message.text != ''`, `size(message.text) < 4`,
		`message.text.startsWith('a')`, `message.text.endsWith('z')`, `message.text.contains('@')`, `message.text.matches('^[a-z]+$')`,
		`message.text.isEmail()`, `message.text.isHostname()`, `message.text.isIpv4()`, `message.text.isUuid()`,
		`message.ratio < 1.0`, `message.ratio * 2.0 == 3.0`, `message.count > 3 || message.ratio > 1.0`, `!(message.count > 3 && message.ratio > 1.0)`,
		`message.count == 3 ; message.text == 'a'`, `message.text in ['a', 'b']`, `int(message.ratio) == 1`,
		`has(message.text)`, `message.count in [1, 2, 3]`, `[1, 2, 3].exists(n, n == message.count)`, `message.count < 0 ? false : true`,
		`string(message.count) == message.text`,
	}
	values := []map[string]any{
		{"text": "a", "count": int64(3), "ratio": 1.5},
		{"text": "ada@example.com", "count": int64(4), "ratio": 0.5},
		{"text": "10.0.0.1", "count": int64(-1), "ratio": 2.25},
		{"text": "123e4567-e89b-12d3-a456-426614174000", "count": int64(7), "ratio": 0.25},
		{"text": "", "count": int64(0), "ratio": -1.5},
	}
	verdicts := 0
	for i, expr := range exprs {
		topic := fmt.Sprintf("cel-%d", i)
		rules := &contract.RuleSet{DomainRules: []contract.Rule{{Name: "check", Kind: contract.Condition, Mode: contract.ModeWrite, Type: "CEL", Expr: expr}}}
		if _, err := client.Register(t.Context(), topic+"-value", contract.Schema{Text: schema, RuleSet: rules}); err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(client, serde.UseLatest(), serde.WithRules(cel.Executors()...))
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{schema}
		var ours []string
		for _, v := range values {
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
			data, err := s.For(topic, serde.Value).Append(t.Context(), nil, g.Record(v))
			verdict := hex.EncodeToString(data)
			var rule *serde.RuleError
			switch {
			case errors.As(err, &rule):
				verdict = "refused"
			case err != nil:
				t.Fatal(err)
			}
			ours = append(ours, verdict)
		}
		theirs, err := python.Run(t.Context(), lines, "serialize", topic, server.URL, "latest", "verdicts")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%s: theirs and ours: %s", expr, diff)
		}
		verdicts += len(ours)
	}
	t.Logf("%d verdicts", verdicts)
}

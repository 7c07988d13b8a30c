package serde_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

func encryptRule() *contract.RuleSet {
	return &contract.RuleSet{DomainRules: []contract.Rule{
		{Name: "pii", Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: "ENCRYPT", Tags: []string{"PII"}},
	}}
}

// idModes returns the ways to find an id.
func idModes(id int) map[string]serde.Option {
	return map[string]serde.Option{
		"AutoRegister": serde.AutoRegister(), "LookupOnly": serde.LookupOnly(), "UseLatest": serde.UseLatest(),
		"UseLatestWithMetadata": serde.UseLatestWithMetadata(map[string]string{"a": "b"}), "UseID": serde.UseID(id),
	}
}

// TestRuleWithoutExecutor checks that without an executor no byte is written or
// read, for every way to find an id. The control is the same call with
// IgnoreRules.
func TestRuleWithoutExecutor(t *testing.T) {
	t.Parallel()
	for name, opt := range idModes(0) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := fullRegistry{newFake()}
			reg.put("orders-value", orderSchema)
			reg.metadata[orderSchema] = map[string]string{"a": "b"}
			reg.rules["orders-value"] = encryptRule()
			s := mustSerializer(t, reg)
			got, err := s.For("orders", serde.Value, opt).Append(t.Context(), []byte("x"), anOrder)
			var rule *serde.RuleError
			if !errors.As(err, &rule) || !errors.Is(err, serde.ErrNoExecutor) || string(got) != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			if rule.Subject != "orders-value" || rule.Rule != "pii" || rule.Type != "ENCRYPT" {
				t.Errorf("%+v", rule)
			}
			for _, word := range []string{"orders-value", "pii", "ENCRYPT", "WithRules", "IgnoreRules"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%v does not say %s", err, word)
				}
			}
			for name, other := range map[string]serde.Option{
				"IgnoreRules":      serde.IgnoreRules(),
				"another executor": serde.WithRules(xor{typ: "CEL"}),
			} {
				got, err = s.For("orders", serde.Value, opt, other).Append(t.Context(), nil, anOrder)
				if ignored := name == "IgnoreRules"; ignored != (err == nil) || ignored && string(got) != "\x00\x00\x00\x00\x00"+anOrderHex {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
		})
	}
	reg := newFake()
	reg.put("orders-value", orderSchema)
	reg.rules["orders-value"] = encryptRule()
	in := serde.Input{Topic: "orders", Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}
	for name, read := range map[string]func(opts ...serde.DeserializerOption) (any, error){
		"Deserializer": func(opts ...serde.DeserializerOption) (any, error) {
			return mustDeserializer[order](t, reg, opts...).Decode(t.Context(), in)
		},
		"Mux": func(opts ...serde.DeserializerOption) (any, error) {
			m, err := serde.NewMux(reg, opts...)
			if err != nil {
				return nil, err
			}
			serde.Accept[order](m)
			return m.Decode(t.Context(), in)
		},
		"GenericDeserializer": func(opts ...serde.DeserializerOption) (any, error) {
			d, err := serde.NewGenericDeserializer(reg, opts...)
			if err != nil {
				return nil, err
			}
			_, data, err := d.Open(t.Context(), in)
			return data, err
		},
	} {
		var rule *serde.RuleError
		if _, err := read(); !errors.As(err, &rule) || !errors.Is(err, serde.ErrNoExecutor) || rule.Subject != "orders-value" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := read(serde.IgnoreRules()); err != nil {
			t.Errorf("%s: control: %v", name, err)
		}
	}
}

// TestRulesThatDoNotApply checks that rules that do not apply stop no record.
func TestRulesThatDoNotApply(t *testing.T) {
	t.Parallel()
	off := encryptRule()
	off.DomainRules[0].Disabled = true
	read := encryptRule()
	read.DomainRules[0].Mode = contract.ModeRead
	server := encryptRule()
	server.EnableAt = "SERVER"
	for name, rules := range map[string]*contract.RuleSet{
		"none": {}, "disabled": off, "for reading": read, "on the server": server,
		"migration": {MigrationRules: []contract.Rule{{Name: "up", Mode: contract.ModeUpgrade, Type: "JSONATA"}}},
	} {
		reg := newFake()
		reg.put("orders-value", orderSchema)
		reg.rules["orders-value"] = rules
		if _, err := mustSerializer(t, reg).For("orders", serde.Value).Append(t.Context(), nil, anOrder); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	reg := newFake()
	reg.put("orders-value", orderSchema)
	reg.rules["orders-value"] = &contract.RuleSet{DomainRules: []contract.Rule{{Name: "new", Mode: "SOMETIMES", Type: "XOR"}}}
	if _, err := mustSerializer(t, reg, serde.WithRules(xor{})).For("orders", serde.Value).Append(t.Context(), nil, anOrder); err == nil || !strings.Contains(err.Error(), "SOMETIMES") {
		t.Errorf("a mode that is not known: %v", err)
	}
}

// xor is an executor that changes every byte. Applied twice, xor restores the
// data.
type xor struct {
	typ string
	log *[]string
	err error
}

func (x xor) Type() string {
	if x.typ == "" {
		return "XOR"
	}
	return x.typ
}

func (x xor) Bind(_ context.Context, r serde.BoundRule) (serde.RuleFunc, error) {
	if x.log != nil {
		*x.log = append(*x.log, fmt.Sprintf("%s %s %s reading=%v encoding=%v tags=%v", r.Name, r.Subject, r.Part, r.Reading, r.Encoding, r.Tags))
	}
	return func(_ context.Context, data []byte) ([]byte, error) {
		if x.err != nil {
			return nil, x.err
		}
		out := bytes.Clone(data)
		for i := range out {
			out[i] ^= byte(len(r.Name))
		}
		return append(out, r.Name[0]), nil
	}, nil
}

// reverseXor reverses xor.
type reverseXor struct{ typ string }

func (x reverseXor) Type() string { return x.typ }

func (x reverseXor) Bind(_ context.Context, r serde.BoundRule) (serde.RuleFunc, error) {
	if !r.Reading {
		return xor{}.Bind(context.Background(), r)
	}
	return func(_ context.Context, data []byte) ([]byte, error) {
		n := len(data) - 1
		if n < 0 || data[n] != r.Name[0] {
			return nil, fmt.Errorf("rule %s out of order: %q", r.Name, data)
		}
		out := bytes.Clone(data[:n])
		for i := range out {
			out[i] ^= byte(len(r.Name))
		}
		return out, nil
	}, nil
}

// TestRulesRun checks that readers reverse the rules of writers in reverse
// order, with every framing.
func TestRulesRun(t *testing.T) {
	t.Parallel()
	rule := func(name string) contract.Rule {
		return contract.Rule{Name: name, Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: "XOR"}
	}
	rules := &contract.RuleSet{
		DomainRules:   []contract.Rule{rule("a"), rule("bb")},
		EncodingRules: []contract.Rule{rule("ccc"), rule("dddd")},
	}
	for name, c := range map[string]struct {
		schema string // registered
		opts   []serde.Option
	}{
		"prefix": {orderSchema, nil}, "header": {orderSchema, []serde.Option{serde.IDInHeader()}},
		"a branch of a union": {`["null",` + cancelledSchema + "," + orderSchema + "]", []serde.Option{serde.UseLatest()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newFake()
			reg.put("orders-value", c.schema)
			reg.rules["orders-value"] = rules
			x := serde.WithRules(reverseXor{"XOR"})
			b := mustSerializer(t, reg, x).For("orders", serde.Value, c.opts...)
			d := mustDeserializer[order](t, reg, x)
			for range 3 {
				data, err := b.Append(t.Context(), []byte("before"), anOrder)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasSuffix(data, []byte("d")) || bytes.Contains(data, []byte(anOrderHex)) {
					t.Errorf("%q is in clear", data)
				}
				in := serde.Input{Topic: "orders", Data: data[len("before"):]}
				if h, ok, err := b.Header(t.Context(), anOrder); err != nil {
					t.Fatal(err)
				} else if ok {
					in.Header = headers(h)
				}
				if got, err := d.Decode(t.Context(), in); err != nil || got != *anOrder {
					t.Errorf("%+v, %v", got, err)
				}
				// Another topic has another subject, so the rules are bound
				// again for the other subject.
				in.Topic = "copy"
				if got, err := d.Decode(t.Context(), in); err != nil || got != *anOrder {
					t.Errorf("another topic: %+v, %v", got, err)
				}
			}
		})
	}
	reg := newFake()
	reg.put("blobs-value", `"bytes"`)
	// The result of a domain rule must be Avro data, but the result of xor is
	// not. So only encoding rules are used here.
	reg.rules["blobs-value"] = &contract.RuleSet{EncodingRules: rules.EncodingRules}
	x := serde.WithRules(reverseXor{"XOR"})
	data, err := mustSerializer(t, reg, x).For("blobs", serde.Value).Append(t.Context(), nil, &blob{[]byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mustDeserializer[blob](t, reg, x).Decode(t.Context(), serde.Input{Topic: "blobs", Data: data}); err != nil || string(got.Value) != "hello" {
		t.Errorf("bytes: %q, %v", got, err)
	}
}

func TestRuleActions(t *testing.T) {
	t.Parallel()
	broken := errors.New("no key")
	for _, c := range []struct {
		onSuccess, onFailure string
		err                  error
		action               string // the action of the error; "" for success
	}{
		{"", "", nil, ""},
		{"NONE", "NONE", broken, ""},
		{"", "", broken, "ERROR"},
		{"", "ERROR", broken, "ERROR"},
		{"", "DLQ", broken, "DLQ"},
		{"", "DLQ,NONE", broken, "DLQ"},
		{"", "NONE,ERROR", broken, ""},
		{"", "", serde.ErrCondition, "ERROR"},
		{"ERROR", "", nil, "ERROR"},
	} {
		reg := newFake()
		reg.put("orders-value", orderSchema)
		reg.rules["orders-value"] = &contract.RuleSet{DomainRules: []contract.Rule{
			{Name: "r", Mode: contract.ModeWriteRead, Type: "XOR", OnSuccess: c.onSuccess, OnFailure: c.onFailure},
		}}
		_, err := mustSerializer(t, reg, serde.WithRules(xor{err: c.err})).For("orders", serde.Value).Append(t.Context(), nil, anOrder)
		var rule *serde.RuleError
		switch {
		case c.action == "":
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		case !errors.As(err, &rule) || rule.Action != c.action || c.err != nil && !errors.Is(err, c.err):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestActionsOfOneDirection checks that only a rule for both directions has two
// actions. A rule of one direction has one action, so the name with a comma is
// the name of no action, and the record stops.
func TestActionsOfOneDirection(t *testing.T) {
	t.Parallel()
	broken := errors.New("no key")
	for _, c := range []struct{ mode, onFailure, action string }{
		{contract.ModeWriteRead, "NONE,ERROR", ""},
		{contract.ModeWrite, "NONE", ""},
		{contract.ModeWrite, "NONE,ERROR", "NONE,ERROR"},
		{"write", "NONE,NONE", "NONE,NONE"},
	} {
		reg := newFake()
		reg.put("orders-value", orderSchema)
		reg.rules["orders-value"] = &contract.RuleSet{DomainRules: []contract.Rule{{Name: "r", Mode: c.mode, Type: "XOR", OnFailure: c.onFailure}}}
		_, err := mustSerializer(t, reg, serde.WithRules(xor{err: broken})).For("orders", serde.Value).Append(t.Context(), nil, anOrder)
		var rule *serde.RuleError
		if c.action == "" && err != nil || c.action != "" && (!errors.As(err, &rule) || rule.Action != c.action || !errors.Is(err, broken)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestRuleTags checks that tags come from the record's schema, from the
// registered schema and from the paths of the metadata.
func TestRuleTags(t *testing.T) {
	t.Parallel()
	const (
		own = `{"type":"record","name":"shop.P","fields":[{"name":"a","type":"string","confluent:tags":["PII"]},{"name":"b","type":["null",{"type":"record","name":"shop.Q","fields":[{"name":"c","type":"string"},{"name":"d","type":"string"}]}]}]}`
	)
	registered := strings.Replace(own, `{"name":"d","type":"string"}`, `{"name":"d","type":"string","confluent:tags":["CARD"]}`, 1)
	reg := newFake()
	reg.put("p-value", own)
	reg.put("p-value", registered)
	reg.rules["p-value"] = &contract.RuleSet{DomainRules: []contract.Rule{{Name: "r", Mode: contract.ModeWrite, Type: "XOR"}}}
	reg.contracts = map[string]*contract.Metadata{"p-value": {Tags: map[string][]string{
		"shop.Q.*": {"ALL"}, "**.c": {"DEEP"}, "shop.?.a": {"ONE"}, "*.a": {"no"}, "shop.Q": {"no"},
	}}}
	var log []string
	b := mustSerializer(t, reg, serde.WithRules(xor{log: &log})).For("p", serde.Value)
	if _, err := b.Append(t.Context(), nil, &payload{name: "shop.P", schema: own, data: []byte{0, 0}}); err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer("ALL DEEP", "DEEP ALL", "CARD ALL", "ALL CARD").Replace(strings.Join(log, "\n"))
	want := "r p-value value reading=false encoding=false tags=map[shop.P.a:[PII ONE] shop.Q.c:[DEEP ALL] shop.Q.d:[ALL CARD]]"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

package serde_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

func xorRules(names ...string) *contract.RuleSet {
	set := &contract.RuleSet{}
	for _, name := range names {
		set.EncodingRules = append(set.EncodingRules, contract.Rule{Name: name, Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: "XOR"})
	}
	return set
}

// orderWith returns orderSchema with one more field.
func orderWith(field string) string {
	return strings.Replace(orderSchema, `"fields":[`, `"fields":[`+field+`,`, 1)
}

func mustRegister(tb testing.TB, reg *registry.Client, schema contract.Schema) contract.Version {
	tb.Helper()
	v, err := reg.Register(tb.Context(), "orders-value", schema)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// TestLatestRules checks the rules of a record whose subject has a newer
// version. The rules come from the version with the written id, so that readers
// find the same rules.
func TestLatestRules(t *testing.T) {
	t.Parallel()
	newer := orderWith(`{"name":"note","type":"string","default":""}`)
	documented := strings.Replace(orderSchema, "An order.", "An order with rules.", 1)
	tags := &contract.Metadata{Tags: map[string][]string{"shop.Order.id": {"PII"}}}
	for name, c := range map[string]struct {
		first, second contract.Schema
		opt           serde.Option
		clear         bool // the record is written without rules
		id            int
	}{
		"AutoRegister, new schema with rules":        {contract.Schema{}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.AutoRegister(), false, 3},
		"AutoRegister, new schema with other rules":  {contract.Schema{RuleSet: xorRules("b")}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.AutoRegister(), false, 3},
		"AutoRegister, same rules":                   {contract.Schema{RuleSet: xorRules("a")}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.AutoRegister(), false, 1},
		"AutoRegister, same rules and other tags":    {contract.Schema{RuleSet: xorRules("a")}, contract.Schema{Text: newer, RuleSet: xorRules("a"), Metadata: tags}, serde.AutoRegister(), false, 3},
		"AutoRegister, same schema with rules":       {contract.Schema{}, contract.Schema{Text: orderSchema, RuleSet: xorRules("a")}, serde.AutoRegister(), false, 2},
		"AutoRegister, no rules":                     {contract.Schema{}, contract.Schema{Text: newer}, serde.AutoRegister(), true, 1},
		"AutoRegister, rules ignored":                {contract.Schema{}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.IgnoreRules(), true, 1},
		"LookupOnly, new schema with rules":          {contract.Schema{}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.LookupOnly(), true, 1},
		"LookupOnly, new schema with other rules":    {contract.Schema{RuleSet: xorRules("b")}, contract.Schema{Text: newer, RuleSet: xorRules("a")}, serde.LookupOnly(), false, 1},
		"LookupOnly, same schema with rules":         {contract.Schema{}, contract.Schema{Text: orderSchema, RuleSet: xorRules("a")}, serde.LookupOnly(), false, 2},
		"LookupOnly, same meaning with rules":        {contract.Schema{}, contract.Schema{Text: documented, RuleSet: xorRules("a")}, serde.LookupOnly(), false, 2},
		"LookupOnly, same meaning and no difference": {contract.Schema{}, contract.Schema{Text: documented}, serde.LookupOnly(), true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, reg := startRegistry(t)
			c.first.Text = orderSchema
			mustRegister(t, reg, c.first)
			mustRegister(t, reg, c.second)
			x := serde.WithRules(reverseXor{"XOR"})
			b := mustSerializer(t, reg, x).For("orders", serde.Value, c.opt)
			data, err := b.Append(t.Context(), nil, anOrder)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(data, []byte(anOrderHex)); got != c.clear {
				t.Errorf("%q is in clear: %v, want %v", data, got, c.clear)
			}
			if v, err := b.Registered(t.Context(), anOrder); err != nil || v.ID != c.id {
				t.Errorf("id %+v, %v, want %d", v, err, c.id)
			}
			if got, err := mustDeserializer[order](t, reg, x).Decode(t.Context(), serde.Input{Topic: "orders", Data: data}); err != nil || got != *anOrder {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestLatestRulesAgain checks that AutoRegister makes one version, also for
// programs that start later, and asks the registry only for the first record.
func TestLatestRulesAgain(t *testing.T) {
	t.Parallel()
	server, reg := startRegistry(t)
	mustRegister(t, reg, contract.Schema{Text: orderSchema})
	mustRegister(t, reg, contract.Schema{Text: orderWith(`{"name":"note","type":"string","default":""}`), RuleSet: xorRules("a")})
	for range 3 {
		client, err := registry.New([]string{server.URL})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		b := mustSerializer(t, client, serde.WithRules(reverseXor{"XOR"})).For("orders", serde.Value)
		if v, err := b.Registered(t.Context(), anOrder); err != nil || v.ID != 3 {
			t.Errorf("%+v, %v", v, err)
		}
		server.ResetLog()
		if _, err := b.Append(t.Context(), nil, anOrder); err != nil || server.Requests() != 0 {
			t.Errorf("%d requests, %v", server.Requests(), err)
		}
	}
}

// TestLatestRulesTags checks that a tag in the text of the latest schema also
// selects the field of an older schema.
func TestLatestRulesTags(t *testing.T) {
	t.Parallel()
	_, reg := startRegistry(t)
	mustRegister(t, reg, contract.Schema{Text: orderSchema})
	tagged := strings.Replace(orderWith(`{"name":"note","type":"string","default":""}`), `{"name":"id",`, `{"name":"id","confluent:tags":["PII"],`, 1)
	mustRegister(t, reg, contract.Schema{Text: tagged, RuleSet: xorRules("a")})
	var log []string
	b := mustSerializer(t, reg, serde.WithRules(xor{log: &log})).For("orders", serde.Value)
	data, err := b.Append(t.Context(), nil, anOrder)
	if err != nil {
		t.Fatal(err)
	}
	d := mustDeserializer[order](t, reg, serde.WithRules(xor{log: &log}))
	_, _ = d.Decode(t.Context(), serde.Input{Topic: "orders", Data: data}) // xor reverses nothing
	want := "a orders-value value reading=false encoding=true tags=map[shop.Order.id:[PII]]"
	if len(log) != 2 || log[0] != want || log[1] != strings.Replace(want, "reading=false", "reading=true", 1) {
		t.Errorf("%q", log)
	}
}

// TestLatestRulesRefused checks that a record is refused if the registry does
// not take the record's schema with the latest rules.
func TestLatestRulesRefused(t *testing.T) {
	t.Parallel()
	server, reg := startRegistry(t)
	server.SetLevel("orders-value", compat.Backward)
	text := orderWith(`{"name":"note","type":"string"}`)
	mustRegister(t, reg, contract.Schema{Text: text})
	mustRegister(t, reg, contract.Schema{Text: orderSchema, RuleSet: xorRules("a")})
	p := &payload{name: "shop.Order", schema: text, data: []byte{0, 0, 0}}
	s := mustSerializer(t, reg, serde.WithRules(xor{}))
	_, err := s.For("orders", serde.Value).Append(t.Context(), nil, p)
	if !errors.Is(err, serde.ErrRefused) {
		t.Fatal(err)
	}
	for _, word := range []string{"shop.Order", "orders-value", "rules", "note", "LookupOnly"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not say %s", err, word)
		}
	}
	if _, err := s.For("orders", serde.Value, serde.LookupOnly()).Append(t.Context(), nil, p); err != nil {
		t.Errorf("control: %v", err)
	}
}

// TestWarmedSerializer checks that the first record needs no request after
// [registry.Client.Warm].
func TestWarmedSerializer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		need registry.Need
		opt  serde.Option
	}{
		"AutoRegister": {registry.NeedRegistered("orders-value", orderSchema), serde.AutoRegister()},
		"LookupOnly":   {registry.NeedLookup("orders-value", orderSchema), serde.LookupOnly()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, reg := startRegistry(t)
			if err := server.Seed("orders-value", orderSchema); err != nil {
				t.Fatal(err)
			}
			if err := reg.Warm(t.Context(), c.need); err != nil {
				t.Fatal(err)
			}
			server.ResetLog()
			if _, err := mustSerializer(t, reg, c.opt).For("orders", serde.Value).Append(t.Context(), nil, anOrder); err != nil || server.Requests() != 0 {
				t.Errorf("%d requests, %v", server.Requests(), err)
			}
		})
	}
}

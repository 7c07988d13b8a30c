package serde_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// actionRecorder is an action that keeps its outcomes.
type actionRecorder struct {
	name string
	err  error

	mu  sync.Mutex
	got []serde.RuleOutcome
}

func (r *actionRecorder) Name() string { return r.name }

func (r *actionRecorder) Run(_ context.Context, o serde.RuleOutcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.Data = append([]byte(nil), o.Data...)
	r.got = append(r.got, o)
	return r.err
}

func failing(mode, onSuccess, onFailure string) *contract.RuleSet {
	return &contract.RuleSet{DomainRules: []contract.Rule{
		{Name: "check", Kind: contract.Condition, Mode: mode, Type: "XOR", OnSuccess: onSuccess, OnFailure: onFailure},
	}}
}

func TestActions(t *testing.T) {
	t.Parallel()
	framed := "\x00\x00\x00\x00\x00" + anOrderHex
	write := func(reg *fakeRegistry, opts ...serde.Option) error {
		out, err := mustSerializer(t, reg, opts...).For("orders", serde.Value).Append(t.Context(), []byte("x"), anOrder)
		if err != nil && string(out) != "x" {
			t.Errorf("a refused record was written: %q", out)
		}
		return err
	}
	read := func(reg *fakeRegistry, opts ...serde.DeserializerOption) error {
		_, err := mustDeserializer[order](t, reg, opts...).Decode(t.Context(), serde.Input{Topic: "orders", Data: []byte(framed)})
		return err
	}
	setup := func(rules *contract.RuleSet) *fakeRegistry {
		reg := newFake()
		reg.put("orders-value", orderSchema)
		reg.rules["orders-value"] = rules
		return reg
	}
	bad := serde.WithRules(xor{err: errors.New("bad record")})

	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		for _, reading := range []bool{false, true} {
			dlq := &actionRecorder{name: "dlq"}
			reg := setup(failing(contract.ModeWriteRead, "", "ERROR,DLQ"))
			action := serde.WithActions(dlq)
			var err error
			if reading {
				err = read(reg, bad, action)
			} else {
				reg.rules["orders-value"] = failing(contract.ModeWriteRead, "", "DLQ,ERROR")
				err = write(reg, bad, action)
			}
			var rule *serde.RuleError
			if !errors.As(err, &rule) || !rule.Handled || rule.Action != "DLQ" || len(dlq.got) != 1 {
				t.Fatalf("reading %v: %v, %+v", reading, err, dlq.got)
			}
			o := dlq.got[0]
			if o.Name != "check" || o.Subject != "orders-value" || o.Topic != "orders" || o.Reading != reading || o.Err == nil || string(o.Data) != framed || o.Secret {
				t.Errorf("reading %v: %+v", reading, o)
			}
		}
	})
	t.Run("failure of the action", func(t *testing.T) {
		t.Parallel()
		dlq := &actionRecorder{name: "DLQ", err: errors.New("no broker")}
		err := write(setup(failing(contract.ModeWrite, "", "DLQ")), bad, serde.WithActions(dlq))
		var rule *serde.RuleError
		if !errors.As(err, &rule) || rule.Handled || !errors.Is(err, dlq.err) || !strings.Contains(err.Error(), "bad record") {
			t.Errorf("%v", err)
		}
	})
	t.Run("without the action", func(t *testing.T) {
		t.Parallel()
		err := write(setup(failing(contract.ModeWrite, "", "DLQ")), bad)
		var rule *serde.RuleError
		if !errors.As(err, &rule) || rule.Handled || rule.Action != "DLQ" {
			t.Errorf("%v", err)
		}
	})
	t.Run("success", func(t *testing.T) {
		t.Parallel()
		audit := &actionRecorder{name: "AUDIT"}
		reg := setup(failing(contract.ModeWrite, "AUDIT", ""))
		if err := write(reg, serde.WithRules(xor{}), serde.WithActions(audit)); err != nil || len(audit.got) != 1 || audit.got[0].Err != nil {
			t.Errorf("%v, %+v", err, audit.got)
		}
		audit.err = errors.New("full")
		if err := write(reg, serde.WithRules(xor{}), serde.WithActions(audit)); !errors.Is(err, audit.err) {
			t.Errorf("%v", err)
		}
		if err := write(reg, serde.WithRules(xor{})); err == nil || !strings.Contains(err.Error(), "WithActions") {
			t.Errorf("without the action: %v", err)
		}
	})
	t.Run("secret", func(t *testing.T) {
		t.Parallel()
		rules := failing(contract.ModeWrite, "", "DLQ")
		rules.DomainRules = append(rules.DomainRules, encryptRule().DomainRules...)
		dlq := &actionRecorder{name: "DLQ"}
		err := write(setup(rules), serde.WithRules(xor{err: errors.New("bad")}, xor{typ: "ENCRYPT"}), serde.WithActions(dlq))
		if err == nil || len(dlq.got) != 1 || !dlq.got[0].Secret {
			t.Errorf("%v, %+v", err, dlq.got)
		}
	})
	if _, err := serde.NewSerializer(newFake(), serde.WithActions(nil)); err == nil {
		t.Error("a nil action was taken")
	}
}

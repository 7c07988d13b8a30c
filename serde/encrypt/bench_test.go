package encrypt

import (
	"testing"

	"github.com/avroline/avroline/serde"
)

// BenchmarkAppend measures the cost of rules. "no rule" is the same record of a
// subject without rules, and "ignored" is the same record with IgnoreRules.
// Both must cost the same as "plain", which has no executors.
func BenchmarkAppend(b *testing.B) {
	g, err := serde.NewGeneric(personSchema)
	if err != nil {
		b.Fatal(err)
	}
	plain, err := g.Append(nil, person())
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, typ string
		opt       func(*Keys) serde.Option
	}{
		{"fields", "ENCRYPT", func(k *Keys) serde.Option { return rules(k) }},
		{"payload", "ENCRYPT_PAYLOAD", func(k *Keys) serde.Option { return rules(k) }},
		{"no rule", "", func(k *Keys) serde.Option { return rules(k) }},
		{"ignored", "ENCRYPT", func(*Keys) serde.Option { return serde.IgnoreRules() }},
		{"plain", "", func(*Keys) serde.Option { return serde.WithRules() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			reg := newFake(nil)
			if c.typ != "" {
				reg = newFake(ruleSetOf(c.typ, nil))
			}
			s, err := serde.NewSerializer(reg, c.opt(newKeys(b, reg)))
			if err != nil {
				b.Fatal(err)
			}
			binding, r := s.For("people", serde.Value), &encoded{plain}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = binding.Append(b.Context(), buf[:0], r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// encoded is a record that is already encoded, so encoding costs nothing.
type encoded struct{ data []byte }

func (*encoded) AvroName() string                        { return "shop.Person" }
func (*encoded) AvroSchema() string                      { return personSchema }
func (e *encoded) AppendAvro(dst []byte) ([]byte, error) { return append(dst, e.data...), nil }

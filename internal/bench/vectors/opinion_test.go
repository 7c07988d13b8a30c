package vectors

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	hamba "github.com/hamba/avro/v2"
	twmb "github.com/twmb/avro"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/bench/vectors/gencheck"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde"
)

// peer is another implementation of one schema. It decodes data into an empty
// interface and encodes the result again.
type peer func(data []byte) (again []byte, stage string, err error)

var peers = map[string]func(schema string) (peer, error){"twmb": newTwmb, "hamba": newHamba}

func newTwmb(schema string) (peer, error) {
	s, err := twmb.Parse(schema)
	if err != nil {
		return nil, err
	}
	return func(data []byte) ([]byte, string, error) {
		var v any
		rest, err := s.Decode(data, &v, twmb.TaggedUnions())
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes left", len(rest))
		}
		if err != nil {
			return nil, "decode", err
		}
		again, err := s.Encode(v)
		return again, "encode", err
	}, nil
}

func newHamba(schema string) (_ peer, err error) {
	defer recovered(&err)
	s, err := hamba.ParseWithCache(schema, "", &hamba.SchemaCache{}) // the default cache is shared by the process
	if err != nil {
		return nil, err
	}
	// Arrays and maps are one block without a byte count, as in our encoding.
	api := hamba.Config{BlockLength: math.MaxInt32, DisableBlockSizeHeader: true}.Freeze()
	return func(data []byte) (again []byte, stage string, err error) {
		defer recovered(&err)
		var v any
		if err := api.Unmarshal(s, data, &v); err != nil {
			return nil, "decode", err
		}
		again, err = api.Marshal(s, v)
		return again, "encode", err
	}, nil
}

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}

// fault is a kind of wrong answer of a peer. If a fault excuses an answer, the
// test asks again with the parsing canonical form. This form has no logical
// types, defaults and aliases, so the peer must agree.
type fault struct {
	peer   string
	answer *regexp.Regexp // stage and error
	reason string
	spec   string // section of Avro 1.12
}

var faults = []fault{
	{"twmb", regexp.MustCompile(`^parse: .*(decimal (scale|precision|logical type)|string into Go value of type int)`), "an invalid decimal is refused", "Logical Types: ignored where invalid"},
	{"twmb", regexp.MustCompile(`^parse: .*alias .* collides`), "aliases that collide are refused", "Aliases: names for the reader alone"},
	{"twmb", regexp.MustCompile(`^parse: .*can have a name$`), "a name on an array is refused", "Schema Declaration: other attributes are metadata"},
	{"twmb", regexp.MustCompile(`^parse: .*"namespace" must be a JSON string`), "a null namespace is refused", "Names"},
	{"twmb", regexp.MustCompile(`^decode: .*big-decimal`), "random bytes are no big-decimal, which we leave as bytes", "Logical Types, big-decimal"},
	{"twmb", regexp.MustCompile(`^encode: .*(decimal value has \d+ digits|cannot use map\[string\]any with Avro type)`), "read beyond the precision, not written again", "Logical Types, Decimal"},
	{"hamba", regexp.MustCompile(`^parse: invalid name`), "an alias with a space is refused", "Aliases: names for the reader alone"},
	{"hamba", regexp.MustCompile(`^parse: duplicate name`), "the empty namespace is taken for that around it", "Names"},
	{"hamba", regexp.MustCompile(`^parse: .*invalid default`), "a default of a later branch is refused", "Unions: any branch since 1.12"},
	{"hamba", regexp.MustCompile(`^encode: .*cannot encode .* with precision`), "read beyond the precision, not written again", "Logical Types, Decimal"},
	{"twmb", regexp.MustCompile(`^decimal: `), "no bytes are read as 0 and written as one", "Logical Types, Decimal"},
	{"hamba", regexp.MustCompile(`^decimal: `), "no bytes are read as 0 and written as one", "Logical Types, Decimal"},
	{"hamba", regexp.MustCompile(`^time: `), "of a union of date and timestamp the first is taken: both are a time.Time", "Logical Types"},
}

// opinions asks one peer and counts the answers.
type opinions struct {
	t                    *testing.T
	name                 string
	make                 func(string) (peer, error)
	agreed, unparsed     int
	differed, unasked    int
	refused, takenPrefix int
	excused              map[fault]int
}

// answer returns "" if the peer writes our bytes again. Otherwise the result
// describes the peer's answer.
func (o *opinions) answer(g *serde.Generic, p peer, ours []byte) string {
	again, stage, err := p(ours)
	switch {
	case err != nil:
		return stage + ": " + err.Error()
	case sameData(g, again, ours):
		return ""
	case len(again) > len(ours) && strings.Contains(g.Schema(), `"decimal"`):
		return fmt.Sprintf("decimal: %x as %x", ours, again)
	case strings.Contains(g.Schema(), `"timestamp-`) && strings.Contains(g.Schema(), `"date"`):
		return fmt.Sprintf("time: %x as %x", ours, again)
	}
	return fmt.Sprintf("differs: %x as %x", ours, again)
}

func (o *opinions) excuse(id, answer string) bool {
	o.t.Helper()
	for _, f := range faults {
		if f.peer == o.name && f.answer.MatchString(answer) {
			o.excused[f]++
			return true
		}
	}
	o.t.Errorf("%s, %s: %s", o.name, id, answer)
	return false
}

// ask requires the peer to write each of our encodings unchanged. If a known
// fault prevents the same bytes, ask asks again with the schema's canonical
// form.
func (o *opinions) ask(id string, s *avsc.Schema, g *serde.Generic, values [][]byte) {
	o.t.Helper()
	recursive := recurs(s, nil)
	if recursive && o.name == "hamba" {
		o.unasked++ // the peer may decode until the stack overflows, which ends the process
		return
	}
	plain, err := o.make(s.Canonical())
	if err != nil {
		plain = nil
	}
	p, err := o.make(s.Text())
	if err != nil {
		o.unparsed++
		if !o.excuse(id, "parse: "+err.Error()) || plain == nil {
			return
		}
		p = plain
	}
	for i, ours := range values {
		if a := o.answer(g, p, ours); a != "" {
			o.differed++
			if !o.excuse(fmt.Sprintf("%s/%d", id, i), a) {
				continue
			}
			if plain == nil {
				continue
			}
			if a = o.answer(g, plain, ours); a != "" {
				o.t.Errorf("%s, %s/%d, without logical types: %s", o.name, id, i, a)
			}
			continue
		}
		o.agreed++
		for n := range min(len(ours), 40) {
			_, stage, err := p(ours[:n])
			if err == nil || stage != "decode" {
				o.takenPrefix++ // hamba reads zeros past the end
				continue
			}
			o.refused++
			if _, err := g.Decode(ours[:n]); err == nil {
				o.t.Errorf("%s refuses the first %d of %d bytes of %s/%d, and we do not", o.name, n, len(ours), id, i)
			}
		}
	}
}

// panel holds all peers.
type panel struct {
	t   *testing.T
	all []*opinions
}

func newPanel(t *testing.T) *panel {
	p := &panel{t: t}
	for name, mk := range peers {
		p.all = append(p.all, &opinions{t: t, name: name, make: mk, excused: map[fault]int{}})
	}
	return p
}

// ask requires every peer to write each of our encodings unchanged.
func (p *panel) ask(id, schema string, ours [][]byte) {
	p.t.Helper()
	s, err := avsc.Parse(id, []byte(schema))
	if err != nil {
		p.t.Fatal(err)
	}
	g, err := serde.NewGeneric(schema)
	if err != nil {
		p.t.Fatalf("%s: %v", id, err)
	}
	for _, o := range p.all {
		o.ask(id, s, g, ours)
	}
}

// done logs how often the peers agreed. If whole is true, the test must have
// used each row of the table of faults.
func (p *panel) done(whole bool, least int) {
	p.t.Helper()
	for _, o := range p.all {
		p.t.Logf("%s: %d values agreed, %d disagreed for a known reason or failed above; %d schemas unparsed, %d recursive ones not asked; %d prefixes refused, %d taken",
			o.name, o.agreed, o.differed, o.unparsed, o.unasked, o.refused, o.takenPrefix)
		for _, f := range faults {
			if n := o.excused[f]; n > 0 {
				p.t.Logf("%s: %d: %s (%s)", o.name, n, f.reason, f.spec)
			} else if f.peer == o.name && whole {
				p.t.Errorf("%s: no case of %q any more: take it out of the table", o.name, f.reason)
			}
		}
		if o.agreed < least || o.refused == 0 {
			p.t.Errorf("%s agreed on %d values and refused %d prefixes only", o.name, o.agreed, o.refused)
		}
	}
}

// eachVector calls use with the values of every schema of the vectors.
func eachVector(t *testing.T, use func(id, schema string, values []gencheck.Value)) {
	t.Helper()
	vectortest.Each(t, "vectors.jsonl", func(r struct {
		ID, Schema string
		Values     []gencheck.Value
	},
	) {
		use(r.ID, r.Schema, r.Values)
	})
}

// eachRandom calls use with values of random schemas. Each schema has a
// namespace of its own.
func eachRandom(t *testing.T, seeds uint64, use func(id, schema string, values []gencheck.Value)) {
	t.Helper()
	const salt = 12
	t.Logf("random schemas of seeds (0..%d, %d)", seeds-1, salt)
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, salt))
		id := fmt.Sprintf("seed%d", seed)
		schema := schemagen.Any(r, 1+r.IntN(20)).Within(id).JSON()
		s, err := avsc.Parse(id, []byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		var values []gencheck.Value
		for range 3 {
			values = append(values, gencheck.Value{Hex: hex.EncodeToString(schemagen.AppendValue(nil, r, s))})
		}
		use(id, schema, values)
	}
}

// TestSecondOpinions lets twmb/avro and hamba/avro read the bytes of
// serde.Generic. The peers must write the same bytes again, unless a known
// fault prevents the same bytes. TestGenerated does the same for the bytes of
// generated code.
func TestSecondOpinions(t *testing.T) {
	p := newPanel(t)
	ask := func(id, schema string, values []gencheck.Value) {
		g, err := serde.NewGeneric(schema)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		var ours [][]byte
		for _, v := range values {
			data, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			native, err := g.Decode(data)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			out, err := g.Value(native).AppendAvro(nil)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			ours = append(ours, out)
		}
		p.ask(id, schema, ours)
	}
	eachVector(t, ask)
	eachRandom(t, 600, ask)
	p.done(true, 5000)
}

// TestSecondOpinionsNotice is the positive control. Both peers notice a changed
// byte in our encoding.
func TestSecondOpinionsNotice(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":"long"}]}`
	data := []byte("\x06abc\x0e")
	for name, mk := range peers {
		p, err := mk(schema)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := p(data)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%s: %x as %x, %v", name, data, again, err)
		}
		for i := range data {
			bad := append([]byte(nil), data...)
			bad[i] ^= 0x04
			if again, _, err := p(bad); err == nil && string(again) == string(data) {
				t.Errorf("%s does not see byte %d of %x changed", name, i, data)
			}
		}
	}
}

// recurs reports whether a type of s contains itself.
func recurs(s *avsc.Schema, within []*avsc.Schema) bool {
	if slices.Contains(within, s) {
		return true
	}
	within = append(within, s)
	if s.Elem != nil && recurs(s.Elem, within) {
		return true
	}
	return slices.ContainsFunc(s.Fields, func(f *avsc.Field) bool { return recurs(f.Type, within) }) ||
		slices.ContainsFunc(s.Branches, func(b *avsc.Schema) bool { return recurs(b, within) })
}

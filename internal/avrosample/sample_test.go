package avrosample_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avrosample"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde"
)

// wantReadable makes samples of a schema. The generic reader must convert each
// sample to JSON. The same seed must give the same sample.
func wantReadable(t *testing.T, name, text string) (made int) {
	t.Helper()
	s, err := avsc.ParseStored(name, []byte(text))
	if err != nil {
		return 0 // invalid, or refers to other files
	}
	g, err := serde.NewGeneric(s.Text())
	if err != nil {
		return 0 // goavro does not accept the schema
	}
	first, second := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for range 5 {
		data, err := avrosample.Append(nil, first, s)
		again, _ := avrosample.Append(nil, second, s)
		if !bytes.Equal(data, again) {
			t.Errorf("%s: the same seed gave another value", name)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "no value") && !strings.Contains(err.Error(), "without end") {
				t.Errorf("%s: %v", name, err)
			}
			return made
		}
		if _, err := g.AppendJSON(nil, data); err != nil {
			t.Errorf("%s: %x: %v", name, data, err)
			return made
		}
		made++
	}
	return made
}

func TestSamplesAreReadable(t *testing.T) {
	t.Parallel()
	made := 0
	for seed := range uint64(300) {
		made += wantReadable(t, "random", schemagen.Any(rand.New(rand.NewPCG(seed, 0)), 30).Within("s").JSON())
	}
	if made < 1000 {
		t.Errorf("only %d samples were made", made)
	}
	t.Run("vectors", func(t *testing.T) {
		for _, name := range vectortest.Schemas(t) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			wantReadable(t, filepath.Base(name), string(text))
		}
	})
}

// TestDocsSayWhatAValueIs checks the examples, bounds and kinds of text that
// come from docs. The field's name has priority over a word of the doc.
// Ordinary words have no effect.
func TestDocsSayWhatAValueIs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ field, want string }{
		"an example":         {`{"name":"x","type":"string","doc":"The market, e.g. XNYS."}`, `^"XNYS"$`},
		"several":            {`{"name":"x","type":"string","doc":"One of the codes, such as EUR, USD or GBP"}`, `^"(EUR|USD|GBP)"$`},
		"quoted":             {`{"name":"x","type":["null","string"],"doc":"The state, for example 'open' or 'shut'"}`, `^(null|\{"string":"(open|shut)"\})$`},
		"no example":         {`{"name":"x","type":"string","doc":"Something such as the name of a ship"}`, `^"x \d+"$`},
		"a telling word":     {`{"name":"x","type":"string","doc":"The country of the buyer."}`, `^"[A-Z]{2}"$`},
		"an ordinary word":   {`{"name":"x","type":"string","doc":"What the name says at that time"}`, `^"x \d+"$`},
		"the name is first":  {`{"name":"city","type":"string","doc":"In which country it lies."}`, `^"[A-Z][a-z]{3,}"$`},
		"between":            {`{"name":"stars","type":"int","doc":"Between 1 and 5."}`, `^[1-5]$`},
		"from to":            {`{"name":"x","type":"long","doc":"from -2 to 2"}`, `^-?[0-2]$`},
		"a dash":             {`{"name":"x","type":"int","doc":"1–3 stars"}`, `^[1-3]$`},
		"bounds the reverse": {`{"name":"year","type":"int","doc":"between 5 and 1"}`, `^(19|20)\d\d$`},
		"not with a unit":    {`{"name":"x","type":{"type":"int","logicalType":"date"},"doc":"between 1 and 5"}`, `^20\d{3}$`},
		"a fraction":         {`{"name":"x","type":"double","doc":"between 0.5 and 1.5"}`, `^(0\.[5-9]|1\.[0-5]|1$)`},
		"at most":            {`{"name":"x","type":"int","doc":"At most -5."}`, `^-([5-9]|\d\d+)$`},
		"at least":           {`{"name":"x","type":"float","doc":"at least 2000 and at most 2001"}`, `^200[01](\.\d+)?$`},
		"not a date":         {`{"name":"year","type":"int","doc":"from 2020-01-02 to 2021-01-02"}`, `^(19|20)\d\d$`},
		"one of":             {`{"name":"x","type":"string","doc":"One of open, shut or gone."}`, `^"(open|shut|gone)"$`},
		"one of the things":  {`{"name":"x","type":"string","doc":"One of the shops of the town or so"}`, `^"[A-Z][a-z]+"$`},
		"elements":           {`{"name":"x","type":{"type":"array","items":"int"},"doc":"between 7 and 8"}`, `^\[([78],?)*\]$`},
		"epoch":              {`{"name":"x","type":"long","doc":"Milliseconds since the epoch."}`, `^17\d{11}$`},
	} {
		schema := `{"type":"record","name":"R","fields":[` + test.field + `]}`
		s, err := avsc.Parse("r.avsc", []byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		g, err := serde.NewGeneric(schema)
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(test.want)
		for seed := range uint64(30) {
			data, err := avrosample.Append(nil, rand.New(rand.NewPCG(seed, 0)), s)
			if err != nil {
				t.Fatal(err)
			}
			out, err := g.AppendJSON(nil, data)
			if err != nil {
				t.Fatal(err)
			}
			_, value, _ := strings.Cut(strings.TrimSuffix(string(out), "}"), ":")
			if !want.MatchString(value) {
				t.Errorf("%s: %s, want %s", name, value, test.want)
				break
			}
		}
	}
}

func TestNamesSayWhatATextIs(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"R","fields":[{"name":"contactEmail","type":"string"},{"name":"country","type":["null","string"]},{"name":"latitude","type":"double"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}},{"name":"id","type":{"type":"string","logicalType":"uuid"}}]}`
	s, err := avsc.Parse("r.avsc", []byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 0))
	for range 50 {
		data, err := avrosample.Append(nil, r, s)
		if err != nil {
			t.Fatal(err)
		}
		out, err := g.AppendJSON(nil, data)
		if err != nil || !bytes.Contains(out, []byte("@example.com")) {
			t.Fatalf("%s, %v", out, err)
		}
	}
}

// TestNoEnd checks that the error of an endless value names a record of the
// cycle, and that many records inside each other are no endless value.
func TestNoEnd(t *testing.T) {
	t.Parallel()
	endless := `{"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"x","type":"int"}]}},
		{"name":"next","type":{"type":"array","items":"int"}},{"name":"a","type":"A"}]}`
	s, err := avsc.Parse("endless", []byte(endless))
	if err != nil {
		t.Fatal(err)
	}
	_, err = avrosample.Append(nil, rand.New(rand.NewPCG(1, 2)), s)
	if err == nil || err.Error() != "every value of A contains another value of A, without end" {
		t.Errorf("endless: %v", err)
	}
	chain := `"int"`
	for i := range 300 {
		chain = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"f","type":%s}]}`, i, chain)
	}
	if s, err = avsc.Parse("chain", []byte(chain)); err != nil {
		t.Fatal(err)
	}
	if _, err = avrosample.Append(nil, rand.New(rand.NewPCG(1, 2)), s); err != nil {
		t.Errorf("chain: %v", err)
	}
}

package avrosample_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avrosample"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/serde"
)

// wantReadable reads samples of a schema with the generic reader, writes the
// values again, and repeats the sample with the same seed.
func wantReadable(t *testing.T, name, text string) (made int) {
	t.Helper()
	s, err := avsc.ParseStored(name, []byte(text))
	if err != nil {
		return 0 // invalid, or in need of other files
	}
	g, err := serde.NewGeneric(s.Text())
	if err != nil {
		return 0 // goavro does not take it
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
	names, err := filepath.Glob("../../../shared/vectors/avsc/*.avsc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		made += wantReadable(t, filepath.Base(name), string(text))
	}
	if made < 1000 {
		t.Errorf("only %d samples were made", made)
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

package schemagen_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
)

func TestSchemasAndVersionsParse(t *testing.T) {
	t.Parallel()
	kinds, changed := map[avsc.Kind]int{}, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 0))
		typ := schemagen.Any(r, 30)
		text := typ.JSON()
		s, err := avsc.Parse("random.avsc", []byte(text))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		s.Walk(func(n *avsc.Schema) { kinds[n.Kind]++ })
		version := schemagen.Evolve(r, typ)
		if _, err := avsc.Parse("version.avsc", []byte(version.JSON())); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, version.JSON())
		}
		if version.JSON() != text {
			changed++
		}
		if typ.JSON() != text {
			t.Fatalf("seed %d: Evolve changed the original", seed)
		}
		if again := schemagen.Any(rand.New(rand.NewPCG(seed, 0)), 30).JSON(); again != text {
			t.Fatalf("seed %d: not the same schema twice", seed)
		}
	}
	for k := avsc.Null; k <= avsc.Union; k++ {
		if kinds[k] < 50 {
			t.Errorf("%v comes %d times only", k, kinds[k])
		}
	}
	if changed < 500 {
		t.Errorf("Evolve changed %d of 1000 only", changed)
	}
}

func TestValuesAreWhole(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := schemagen.Record(r, 40).JSON()
		s, err := avsc.Parse("random.avsc", []byte(text))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 5 {
			data := schemagen.AppendValue(nil, r, s)
			if len(data) > 1<<20 {
				t.Fatalf("seed %d: a value of %d bytes", seed, len(data))
			}
		}
	}
}

// TestValuesEnd uses a record with many lists of itself. The values of such a
// record grow exponentially with their depth.
func TestValuesEnd(t *testing.T) {
	t.Parallel()
	var fields []string
	for i := range 30 {
		fields = append(fields, fmt.Sprintf(`{"name": "f%d", "type": {"type": "array", "items": "R"}}`, i))
	}
	s, err := avsc.Parse("wide.avsc", []byte(`{"type": "record", "name": "R", "fields": [`+strings.Join(fields, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		if data := schemagen.AppendValue(nil, rand.New(rand.NewPCG(seed, 1)), s); len(data) > 1<<18 {
			t.Fatalf("seed %d: a value of %d bytes", seed, len(data))
		}
	}
}

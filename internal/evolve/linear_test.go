package evolve_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/internal/resolve"
)

// manyFields is a record of n fields in reverse order where odd, each with an
// alias.
func manyFields(t testing.TB, n int, odd bool) *avsc.Schema {
	var fields []string
	for i := range n {
		k := i
		if odd {
			k = n - 1 - i
		}
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":"int","aliases":["g%d"],"default":1}`, k, k))
	}
	return parse(t, `{"type":"record","name":"R","fields":[`+strings.Join(fields, ",")+`]}`)
}

// manySymbols is an enum of n symbols, in reverse order where odd, of which some
// are only in one of two.
func manySymbols(t testing.TB, n int, odd bool) *avsc.Schema {
	var symbols []string
	for i := range n {
		k := i
		if odd {
			k = n + n/10 - i
		}
		symbols = append(symbols, fmt.Sprintf(`"S%d"`, k))
	}
	return parse(t, `{"type":"enum","name":"E","symbols":[`+strings.Join(symbols, ",")+`]}`)
}

func parse(t testing.TB, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Large records and enums take time in about proportion to their size. The
// benchmarks show it: each has a size and four times the size.
func BenchmarkLarge(b *testing.B) {
	for _, n := range []int{5_000, 20_000} {
		w, r := manyFields(b, n, false), manyFields(b, n, true)
		b.Run(fmt.Sprintf("resolve/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := resolve.Resolve(w, r); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("check/%d", n), func(b *testing.B) {
			for b.Loop() {
				evolve.Check(evolve.Version{Label: "new", Schema: r}, evolve.Version{Label: "old", Schema: w}, true)
			}
		})
		b.Run(fmt.Sprintf("diff/%d", n), func(b *testing.B) {
			for b.Loop() {
				var d evolve.Differ
				d.Schemas(w, r)
			}
		})
	}
	for _, n := range []int{50_000, 200_000} {
		w, r := manySymbols(b, n, false), manySymbols(b, n, true)
		b.Run(fmt.Sprintf("diff of an enum/%d", n), func(b *testing.B) {
			for b.Loop() {
				var d evolve.Differ
				d.Schemas(w, r)
			}
		})
		b.Run(fmt.Sprintf("check of an enum/%d", n), func(b *testing.B) {
			for b.Loop() {
				evolve.Check(evolve.Version{Label: "new", Schema: r}, evolve.Version{Label: "old", Schema: w}, true)
			}
		})
	}
}

package evolve_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/internal/resolve"
)

// manyFields returns a record of n fields, each with an alias. If odd is true,
// the fields are in reverse order.
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

// manySymbols returns an enum of n symbols. If odd is true, the symbols are in
// reverse order. Some symbols stand in only one of the two enums.
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

// BenchmarkLarge shows that large records and enums take time roughly in
// proportion to their size. Each benchmark has a size and four times the size.
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

// TestDoublingSchemas compares schemas in which the number of records doubles
// with each level. Each record is compared once. The value that would show a
// finding may be too large to print.
func TestDoublingSchemas(t *testing.T) {
	t.Parallel()
	doubling := func(open, shut, leaf string) *avsc.Schema {
		const levels = 60
		s := fmt.Sprintf(`{"type":"record","name":"Z%d","fields":%s}`, levels, leaf)
		for i := levels - 1; i >= 0; i-- {
			s = fmt.Sprintf(`{"type":"record","name":"Z%d","fields":[{"name":"a","type":%s%s%s},{"name":"b","type":%s"Z%d"%s}]}`, i, open, s, shut, open, i+1, shut)
		}
		return parse(t, s)
	}
	const field = `[{"name":"x","type":"int"}]`
	for _, c := range []struct{ open, shut string }{{"", ""}, {`["null",`, `]`}, {`{"type":"array","items":`, `}`}} {
		old, now := doubling(c.open, c.shut, `[]`), doubling(c.open, c.shut, field)
		found := evolve.Check(evolve.Version{Label: "new", Schema: now}, evolve.Version{Label: "old", Schema: old}, true)
		if len(found) == 0 || len(found) > 1100 {
			t.Errorf("%s: %d findings", c.open, len(found))
			continue
		}
		if f := found[0]; f.What != "field x is new and has no default" || len(f.Causes) > 1 {
			t.Errorf("%s: %s, %d causes", c.open, f.What, len(f.Causes))
		}
		if _, err := resolve.Resolve(old, old); err != nil {
			t.Error(err)
		}
	}
	millis := doubling("", "", `[{"name":"x","type":{"type":"long","logicalType":"timestamp-millis"}}]`)
	micros := doubling("", "", `[{"name":"x","type":{"type":"long","logicalType":"timestamp-micros"}}]`)
	found := evolve.Check(evolve.Version{Label: "new", Schema: micros}, evolve.Version{Label: "old", Schema: millis}, true)
	if len(found) != 1 || found[0].Type != evolve.LogicalTypeChanged || found[0].Witness != nil && len(found[0].Witness.JSON) > 1<<20 {
		t.Errorf("%d findings", len(found))
	}
}

// TestLargeScales checks that scales and precisions in schemas are not used as
// memory sizes.
func TestLargeScales(t *testing.T) {
	t.Parallel()
	decimal := func(scale int) string {
		return fmt.Sprintf(`{"type":"bytes","logicalType":"decimal","precision":2147483647,"scale":%d}`, scale)
	}
	found := check(t, decimal(0), decimal(2147483647), true)
	if len(found) != 1 || !strings.Contains(found[0].Witness.Reason, "read as 1234e-2147483647") {
		t.Errorf("%+v", found)
	}
	for _, c := range [][2]int{{0, 2147483647}, {2147483647, 0}} {
		p, err := resolve.Resolve(parse(t, decimal(c[0])), parse(t, decimal(c[1])))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Append(nil, []byte("\x04\x04\xd2")); err == nil {
			t.Errorf("1234 of scale %d was read as one of scale %d", c[0], c[1])
		}
	}
}

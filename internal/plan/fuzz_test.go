package plan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde"
)

// hostileSchema returns a schema of up to 12 records that hold each other in
// every way. Some records have no bytes, double with each level or are
// recursive. Others stand in arrays and unions, or are wide with defaults.
// Schemas with the same seed and different values of wide differ only in
// fields.
func hostileSchema(seed uint64, wide int) string {
	r := rand.New(rand.NewPCG(seed, 17))
	n := 1 + r.IntN(12)
	defined := map[int]bool{}
	var record func(i int) string
	typ := func(i int) string {
		to := min(i+1+r.IntN(2), n-1)
		if r.IntN(6) == 0 {
			to = r.IntN(n) // perhaps a record that encloses this record
		}
		switch r.IntN(9) {
		case 0:
			return `"null"`
		case 1:
			return `"int"`
		case 2:
			return `{"type":"array","items":` + record(to) + `}`
		case 3:
			return `["null",` + record(to) + `]`
		case 4:
			return `{"type":"map","values":` + record(to) + `}`
		default:
			return record(to)
		}
	}
	record = func(i int) string {
		if defined[i] {
			return fmt.Sprintf(`"Z%d"`, i)
		}
		defined[i] = true
		var fields []string
		for k := range r.IntN(4) {
			fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, k, typ(i)))
		}
		for k := range wide {
			fields = append(fields, fmt.Sprintf(`{"name":"w%d","type":["null","string"],"default":null}`, k))
		}
		return fmt.Sprintf(`{"type":"record","name":"Z%d","fields":[%s]}`, i, strings.Join(fields, ","))
	}
	return record(0)
}

// FuzzSchemaAndData takes schemas and bytes from outside. Neither input makes a
// reader exceed the bounds on work and memory.
func FuzzSchemaAndData(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, uint8(seed%4), []byte(strings.Repeat("\x02\x04\x00\x06", int(seed%9))))
	}
	f.Fuzz(func(t *testing.T, seed uint64, wide uint8, data []byte) {
		writer, reader := hostileSchema(seed, 0), hostileSchema(seed, int(wide%40))
		w, err := avsc.Parse("writer", []byte(writer))
		if err != nil {
			t.Fatalf("%v\n%s", err, writer)
		}
		r, err := avsc.Parse("reader", []byte(reader))
		if err != nil {
			t.Skip() // the defaults have no end
		}
		for _, to := range []*avsc.Schema{w, r} {
			p, err := resolve.Resolve(w, to)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, writer, reader)
			}
			out, err := p.Append(nil, data)
			if most := len(data)*(1+plan.DefaultAddedPerByte) + plan.DefaultAdded; err == nil && len(out) > most {
				t.Errorf("%d bytes became %d\n%s\n%s", len(data), len(out), writer, reader)
			}
			if err == nil {
				own, err := resolve.Resolve(to, to)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := own.Append(nil, out); err != nil {
					t.Errorf("the reader refuses what was rewritten for it: %v\n%s\n%s", err, writer, reader)
				}
			}
		}
		g, err := serde.NewGeneric(writer)
		if err != nil {
			return // goavro cannot represent the schema
		}
		if _, err := g.Decode(data); err == nil {
			if _, err := g.AppendJSON(nil, data); err != nil {
				t.Errorf("decoded, but not shown: %v", err)
			}
		}
	})
}

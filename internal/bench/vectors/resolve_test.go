package vectors

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TestResolveSecondOpinion compares two readings by twmb/avro. The first
// reading resolves an older version's data. The second reading reads our
// rewritten bytes with the reader's schema alone. Both readings must give the
// same values.
func TestResolveSecondOpinion(t *testing.T) {
	t.Parallel()
	const pairs = 4000
	var compared, values int
	for seed := range uint64(pairs) {
		r := rand.New(rand.NewPCG(seed, 11))
		old := schemagen.Record(r, 1+r.IntN(20))
		newer := schemagen.Evolve(r, old)
		writer, err := avsc.Parse("writer", []byte(old.JSON()))
		if err != nil {
			continue
		}
		to, err := avsc.Parse("reader", []byte(newer.JSON()))
		if err != nil {
			continue
		}
		plan, err := serde.Resolve(old.JSON(), newer.JSON())
		if err != nil {
			continue
		}
		w, err := twmb.Parse(old.JSON())
		if err != nil {
			continue // twmb considers some of the schemas invalid
		}
		reader, err := twmb.Parse(newer.JSON())
		if err != nil {
			continue
		}
		resolved, err := twmb.Resolve(w, reader)
		if err != nil {
			continue // twmb refuses schemas that can fail for some values
		}
		compared++
		for range 3 {
			data := schemagen.AppendValue(nil, r, writer)
			var want, got any
			if _, err := resolved.Decode(data, &want); err != nil {
				continue
			}
			ours, err := plan.Append(nil, data)
			if errors.Is(err, avrobin.ErrUnreadable) && !resolve.ReadsEvery(writer, to) {
				continue // twmb takes an alias without its namespace for a name (section "Aliases")
			}
			if err != nil {
				t.Errorf("seed %d: we fail: %v\nwriter %s\nreader %s\ndata %x", seed, err, old.JSON(), newer.JSON(), data)
				continue
			}
			if _, err := reader.Decode(ours, &got); err != nil {
				t.Errorf("seed %d: our bytes %x: %v\nwriter %s\nreader %s", seed, ours, err, old.JSON(), newer.JSON())
				continue
			}
			values++
			if !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d:\ngot  %v\nwant %v\nwriter %s\nreader %s\ndata %x", seed, got, want, old.JSON(), newer.JSON(), data)
			}
		}
	}
	t.Logf("%d of %d pairs, %d values", compared, pairs, values)
	if values < pairs {
		t.Errorf("only %d values were compared", values)
	}
}

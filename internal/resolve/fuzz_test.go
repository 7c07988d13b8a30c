package resolve_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/serde/avrobin"
)

// FuzzPlan runs any plan on any bytes. The run either fails with a place, or
// makes data of the reader's schema. The size of the data is bounded.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := schemagen.Any(r, 1+r.IntN(25))
		if writer, err := avsc.Parse("writer", []byte(s.JSON())); err == nil {
			f.Add(seed, schemagen.AppendValue(nil, r, writer))
		}
	}
	f.Add(uint64(3), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00})
	f.Add(uint64(9), []byte{0x80, 0x88, 0xde, 0xbe, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		r := rand.New(rand.NewPCG(seed, 0))
		old := schemagen.Any(r, 1+r.IntN(25))
		writer, err := avsc.Parse("writer", []byte(old.JSON()))
		if err != nil {
			return
		}
		reader, err := avsc.Parse("reader", []byte(schemagen.Evolve(r, old).JSON()))
		if err != nil {
			return
		}
		for _, pair := range [][2]*avsc.Schema{{writer, reader}, {reader, writer}, {writer, writer}} {
			p, err := resolve.Resolve(pair[0], pair[1])
			if err != nil {
				continue
			}
			got, err := p.Append(nil, data)
			if err != nil {
				if e := (*avrobin.Error)(nil); !errors.As(err, &e) {
					t.Fatalf("error of type %T: %v", err, err)
				}
				continue
			}
			if most := 2*len(data) + 64*len(data) + 32<<20; len(got) > most {
				t.Fatalf("%d bytes became %d", len(data), len(got))
			}
			if text, err := render(pair[1], got); err != nil {
				t.Fatalf("%x became %x, which is no %s: %v %.200s", data, got, pair[1].Text(), err, text)
			}
		}
	})
}

package avsc_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

// crc64Bits is CRC-64-AVRO as the specification defines it, bit by bit.
func crc64Bits(data []byte) uint64 {
	const empty = 0xc15d213aa4d7a795
	sum := uint64(empty)
	for _, c := range data {
		sum ^= uint64(c)
		for range 8 {
			sum = sum>>1 ^ empty&-(sum&1)
		}
	}
	return sum
}

func TestFingerprintByBits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"int"`, `{"type":"fixed","name":"F","size":3}`, `["null",{"type":"array","items":"string"}]`, longEnum()} {
		s, err := avsc.Parse("s", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.Fingerprint(), crc64Bits([]byte(s.Canonical())); got != want {
			t.Errorf("%.100s: %x, want %x", text, got, want)
		}
	}
}

func longEnum() string {
	var symbols []string
	for i := range 3000 {
		symbols = append(symbols, fmt.Sprintf(`"S%d"`, i))
	}
	return `{"type":"enum","name":"E","symbols":[` + strings.Join(symbols, ",") + `]}`
}

// TestFingerprinter checks that a Fingerprinter gives types the same
// fingerprints as MeaningFingerprint. The random sets have chains, loops and
// common types.
func TestFingerprinter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := 1 + r.IntN(90)
		near := 1 + r.IntN(n)
		var sources []avsc.Source
		for i := range n {
			var fields []string
			for k := range r.IntN(4) {
				typ := fmt.Sprintf(`"n.R%d"`, min(n-1, max(0, i+1-r.IntN(2)*near+r.IntN(near))))
				switch r.IntN(6) {
				case 0:
					typ = `["null",` + typ + `]`
				case 1:
					typ = `{"type":"array","items":` + typ + `}`
				case 2:
					typ = `{"type":"map","values":["null",` + typ + `,"long"]}`
				case 3:
					typ = `{"type":"long","logicalType":"timestamp-millis"}`
				case 4:
					typ = fmt.Sprintf(`{"type":"fixed","name":"F%d_%d","size":4,"logicalType":"decimal","precision":5,"scale":2}`, i, k)
				}
				fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":["null",%s]}`, k, strings.TrimSuffix(strings.TrimPrefix(typ, `["null",`), "]")))
			}
			text := fmt.Sprintf(`{"type":"record","name":"R%d","namespace":"n","fields":[%s]}`, i, strings.Join(fields, ","))
			sources = append(sources, avsc.Source{Name: fmt.Sprintf("r%d.avsc", i), Text: []byte(text)})
		}
		set, err := avsc.ParseSet(sources...)
		if err != nil {
			t.Fatal(seed, err)
		}
		f := avsc.NewFingerprinter()
		for _, i := range r.Perm(n) {
			s := set.Type(fmt.Sprintf("n.R%d", i))
			if got, want := f.Meaning(s), s.MeaningFingerprint(); got != want {
				t.Fatalf("seed %d: %s: %x, want %x", seed, s.Name, got, want)
			}
		}
	}
}

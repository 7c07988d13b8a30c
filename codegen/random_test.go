package codegen_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/gentest"
	"github.com/avroline/avroline/internal/schemagen"
)

var (
	randomSchemas = flag.Int("schemas", 40, "how many random schemas to generate, compile and round-trip")
	randomSeed    = flag.Uint64("seed", 1, "the first seed of the random schemas")
)

// TestRandomSchemas generates code for random schemas, compiles and vets the
// code, and lets the code read and write random values. Reading and writing a
// value gives the same bytes, also through JSON and through a copy. The code
// refuses each prefix of the bytes, and the bytes with an additional byte. The
// code reads data of another schema version through a plan. The result equals
// the result of reading the bytes that the plan rewrites.
func TestRandomSchemas(t *testing.T) {
	t.Parallel()
	const perPackage = 50 // many schemas share a package, so that their names clash
	m := gentest.New(t)
	var imports, cases strings.Builder
	for first := 0; first < *randomSchemas; first += perPackage {
		name := fmt.Sprintf("p%d", first)
		var sources []codegen.Source
		fmt.Fprintf(&imports, "\t%q\n", gentest.Path+"/"+name)
		for i := first; i < min(first+perPackage, *randomSchemas); i++ {
			seed := *randomSeed + uint64(i)
			r := rand.New(rand.NewPCG(seed, 0))
			kind := schemagen.Any(r, 30).Within(fmt.Sprintf("s%d", seed))
			text := kind.JSON()
			source := codegen.Source{Name: fmt.Sprintf("schema_%d.avsc", seed), Text: []byte(text)}
			sources = append(sources, source)
			s, err := avsc.Parse(source.Name, source.Text)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&cases, "\t{%d, %s.NewBySchema[%q], []string{\n", seed, name, text)
			for range 8 {
				fmt.Fprintf(&cases, "\t\t%q,\n", hex.EncodeToString(schemagen.AppendValue(nil, r, s)))
			}
			cases.WriteString("\t}, []version{\n")
			for range 4 {
				version := schemagen.Evolve(r, kind).JSON()
				w, err := avsc.Parse("version", []byte(version))
				if err != nil {
					t.Fatal(err)
				}
				if schemagen.Infinite(w) {
					continue
				}
				fmt.Fprintf(&cases, "\t\t{%q, []string{", version)
				for range 4 {
					fmt.Fprintf(&cases, "%q, ", hex.EncodeToString(schemagen.AppendValue(nil, r, w)))
				}
				cases.WriteString("}},\n")
			}
			cases.WriteString("\t}},\n")
		}
		files, err := codegen.Generate(sources, codegen.Options{Package: name})
		if err != nil {
			t.Fatal(err)
		}
		m.WriteAll(name, files)
		m.Write(name+"/by_schema.go", gentest.BySchema(name, files))
	}
	m.Write("roundtrip_test.go", strings.NewReplacer("\t//IMPORTS\n", imports.String(), "\t//CASES\n", cases.String()).Replace(roundTripTest))
	m.Go("vet", "./...")
	m.Go("test", "-vet=off", "./...")
}

const roundTripTest = `package gen

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
	//IMPORTS
)

var cases = []struct {
	seed   int
	make   func() (zero, filled avrobin.Decoder)
	values []string
	versions []version
}{
	//CASES
}

// version is another version of a schema, with values that were written with
// it.
type version struct {
	schema string
	values []string
}

func TestPlans(t *testing.T) {
	var plans, values, refused int
	for _, c := range cases {
		for _, w := range c.versions {
			zero, _ := c.make()
			p, err := serde.Resolve(w.schema, zero.AvroSchema())
			if err != nil {
				continue
			}
			plans++
			for _, value := range w.values {
				data, err := hex.DecodeString(value)
				if err != nil {
					t.Fatal(err)
				}
				for n := 0; n <= len(data); n++ { // a prefix, a changed byte, and the whole data
					for _, flip := range []byte{0, 1, 0x82} {
						in := bytes.Clone(data)
						if in = in[:n]; flip != 0 {
							if n == len(data) {
								continue
							}
							in = bytes.Clone(data)
							in[n] ^= flip
						}
						want, _ := c.make()
						today, wantErr := p.Append(nil, in)
						if wantErr == nil {
							wantErr = want.UnmarshalAvro(today)
						}
						got, _ := c.make()
						before := bytes.Clone(in)
						err := got.UnmarshalAvroPlan(p, in)
						if !bytes.Equal(in, before) {
							t.Fatalf("seed %d: the plan wrote to its input", c.seed)
						}
						if err != nil {
							var e *avrobin.Error
							if !errors.As(err, &e) || e.Offset < -1 || e.Offset > len(in) {
								t.Fatalf("seed %d: %T %v", c.seed, err, err)
							}
						}
						// Data with two faults may be refused for either fault.
						// Whole data has at most one fault.
						whole := n == len(data)
						alike := (err == nil) == (wantErr == nil) && (!whole || kindOf(err) == kindOf(wantErr))
						if !alike && !excused(wantErr) {
							t.Errorf("seed %d: %x from %s: %v; rewritten: %v", c.seed, in, w.schema, err, wantErr)
						}
						if err != nil || wantErr != nil {
							refused++
							continue
						}
						values++
						clear(in)
						a, errA := want.AppendAvro(nil)
						b, errB := got.AppendAvro(nil)
						if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
							t.Errorf("seed %d: %x from %s is %x (%v), want %x (%v)", c.seed, before, w.schema, b, errB, a, errA)
						}
					}
				}
			}
		}
	}
	if plans == 0 || values == 0 || refused == 0 {
		t.Errorf("%d plans, %d values, %d refused: not all was tried", plans, values, refused)
	}
	t.Logf("%d plans, %d values, %d refused", plans, values, refused)
}

// kindOf returns the kind of fault that err names. Data may have several
// faults, and two readers may find different faults first.
func kindOf(err error) error {
	for _, k := range []error{avrobin.ErrRange, avrobin.ErrUnreadable, avrobin.ErrDepth} {
		if errors.Is(err, k) {
			return k
		}
	}
	for _, k := range []error{avrobin.ErrTruncated, avrobin.ErrTrailing, avrobin.ErrInvalid} {
		if errors.Is(err, k) {
			return avrobin.ErrInvalid
		}
	}
	return err
}

// excused reports whether only the rewriting reader can find the fault. A block
// with a wrong size is such a fault, because the direct reader ignores the size
// and reads the elements.
func excused(err error) bool { return err != nil && strings.Contains(err.Error(), "that says it has") }

func TestRoundTrip(t *testing.T) {
	for _, c := range cases {
		if c.make == nil {
			t.Errorf("seed %d: no type has this schema", c.seed)
			continue
		}
		zero, filled := c.make()
		_, _ = zero.AppendAvro(nil) // may return an error, but must not panic
		_, _ = filled.AppendAvro(nil)
		for _, value := range c.values {
			data, err := hex.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := c.make()
			if err := v.UnmarshalAvro(data); err != nil {
				t.Errorf("seed %d: %x: %v", c.seed, data, err)
				continue
			}
			if out, err := v.AppendAvro(nil); err != nil || !bytes.Equal(out, data) {
				t.Errorf("seed %d: wrote %x (%v), want %x", c.seed, out, err, data)
				continue
			}
			other, _ := c.make()
			if other.UnmarshalAvro(append(data[:len(data):len(data)], 0)) == nil {
				t.Errorf("seed %d: %x and a byte more is accepted", c.seed, data)
			}
			for n := range data {
				if other.UnmarshalAvro(data[:n]) == nil {
					t.Errorf("seed %d: %d bytes of %x are accepted", c.seed, n, data)
				}
			}
			text, err := json.Marshal(v)
			if err != nil {
				if !strings.Contains(err.Error(), "unsupported value") { // JSON has no infinity
					t.Errorf("seed %d: JSON of %x: %v", c.seed, data, err)
				}
				continue
			}
			back, _ := c.make()
			if err := json.Unmarshal(text, back); err != nil {
				t.Errorf("seed %d: reading %s: %v", c.seed, text, err)
			} else if out, err := back.AppendAvro(nil); err != nil || !bytes.Equal(out, data) {
				t.Errorf("seed %d: through %s: %x (%v), want %x", c.seed, text, out, err, data)
			}
		}
	}
}
`

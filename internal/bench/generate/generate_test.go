// Package generate compares the generators of Go code.
package generate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/gen"
	"golang.org/x/tools/imports"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/schemagen"
)

// BenchmarkGenerate500 generates the code of 500 random schemas of about 20
// types and fields each, in one call. hamba generates structs alone
// (hamba-structs), or with encoders that call its reflection (hamba-encoders).
// avroline generates structs with their encoders, decoders, defaults, schemas
// and JSON. Valid schemas for which hamba has no valid code are left out. Only
// the ratio of the CPU times matters.
func BenchmarkGenerate500(b *testing.B) {
	var texts []string
	var sources []codegen.Source
	for i := 0; len(texts) < 500; i++ {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		text := schemagen.Record(r, 20).Within(fmt.Sprintf("s%d", i)).JSON()
		if hamba([]string{text}) == nil {
			texts = append(texts, text)
			sources = append(sources, codegen.Source{Name: fmt.Sprintf("s%d.avsc", i), Text: []byte(text)})
		}
	}
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"avroline", func() error {
			_, err := codegen.Generate(sources, codegen.Options{Package: "x"})
			return err
		}},
		{"hamba-structs", func() error { return hamba(texts) }},
		{"hamba-encoders", func() error { return hamba(texts, gen.WithEncoders(true)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			begun := cpu(b)
			for b.Loop() {
				if err := c.run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-begun).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// hamba generates code as hamba's command does.
func hamba(schemas []string, options ...gen.OptsFunc) error {
	g := gen.NewGenerator("x", nil, append(options, gen.WithFullName(true))...)
	cache := &avro.SchemaCache{}
	for _, text := range schemas {
		s, err := avro.ParseWithCache(text, "", cache)
		if err != nil {
			return err
		}
		g.Parse(s)
	}
	var out bytes.Buffer
	if err := g.Write(&out); err != nil {
		return err
	}
	_, err := imports.Process("", out.Bytes(), nil)
	return err
}

// cpu returns the CPU time of the process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

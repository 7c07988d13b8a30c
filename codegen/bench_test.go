package codegen_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/schemagen"
)

// BenchmarkGenerate500 generates 500 random schemas of about 20 types and
// fields each. internal/bench/generate compares this with hamba's generator.
func BenchmarkGenerate500(b *testing.B) {
	var sources []codegen.Source
	for i := range 500 {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		text := schemagen.Record(r, 20).Within(fmt.Sprintf("s%d", i)).JSON()
		sources = append(sources, codegen.Source{Name: fmt.Sprintf("s%d.avsc", i), Text: []byte(text)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codegen.Generate(sources, codegen.Options{Package: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

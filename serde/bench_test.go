package serde_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/avroline/avroline/serde"
)

// BenchmarkAppend compares the warm Binding.Append with AppendAvro of the
// record. Append may take 15 ns more, and must not allocate. This holds for
// every mode, and for any number of subjects and goroutines.
func BenchmarkAppend(b *testing.B) {
	b.Run("AppendAvro", func(b *testing.B) {
		buf := make([]byte, 0, 64)
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = anOrder.AppendAvro(buf[:0])
		}
	})
	reg := fullRegistry{newFake()}
	id := reg.put("orders-value", orderSchema)
	for _, way := range []struct {
		name string
		opts []serde.Option
	}{
		{"auto-register", nil},
		{"lookup-only", []serde.Option{serde.LookupOnly()}},
		{"use-latest", []serde.Option{serde.UseLatest()}},
		{"use-id", []serde.Option{serde.UseID(id)}},
		{"in-header", []serde.Option{serde.IDInHeader()}},
	} {
		b.Run(way.name, func(b *testing.B) {
			benchAppend(b, mustSerializer(b, reg).For("orders", serde.Value, way.opts...))
		})
	}
	for _, subjects := range []int{1, 100, 10_000} {
		bs := make([]*serde.Binding, subjects)
		s := mustSerializer(b, reg)
		for i := range bs {
			bs[i] = s.For(fmt.Sprint("topic", i), serde.Value)
			if err := bs[i].Prepare(b.Context(), anOrder); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("subjects=%d", subjects), func(b *testing.B) { benchAppend(b, bs...) })
	}
	b.Run("parallel", func(b *testing.B) {
		bind := mustSerializer(b, reg).For("orders", serde.Value)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			buf := make([]byte, 0, 64)
			for pb.Next() {
				buf, _ = bind.Append(context.Background(), buf[:0], anOrder)
			}
		})
	})
	for _, types := range []int{2, 16, 10_000} {
		b.Run(fmt.Sprintf("types=%d", types), func(b *testing.B) {
			bind := mustSerializer(b, newFake(), serde.WithSubject(serde.RecordName)).For("events", serde.Value)
			rs := make([]*payload, types)
			for i := range rs {
				name := fmt.Sprint("n.R", i)
				rs[i] = &payload{name: name, schema: `{"type":"record","name":"` + name + `","fields":[]}`}
				if err := bind.Prepare(b.Context(), rs[i]); err != nil {
					b.Fatal(err)
				}
			}
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i++; i == types {
					i = 0
				}
				buf, _ = bind.Append(context.Background(), buf[:0], rs[i])
			}
		})
	}
}

func benchAppend(b *testing.B, bs ...*serde.Binding) {
	buf := make([]byte, 0, 64)
	for _, bind := range bs {
		if err := bind.Prepare(b.Context(), anOrder); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i == len(bs) {
			i = 0
		}
		buf, _ = bs[i].Append(context.Background(), buf[:0], anOrder)
	}
}

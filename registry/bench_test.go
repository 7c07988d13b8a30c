package registry_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// BenchmarkColdSubjects registers 1,000 schemas on 1,000 subjects of a registry
// that answers after three milliseconds: one at a time, all at once, and by Warm.
// The budget is a ratio of five between the first two.
func BenchmarkColdSubjects(b *testing.B) {
	const subjects = 1000
	s := registrytest.Start(b)
	s.Inject(registrytest.Latency(3 * time.Millisecond))
	text := func(i int) string {
		return fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":"string"}]}`, i)
	}
	register := func(c *registry.Client, i int) {
		if _, _, err := c.Register(context.Background(), fmt.Sprint("s", i), text(i), false); err != nil {
			b.Error(err)
		}
	}
	for _, way := range []struct {
		name string
		run  func(*registry.Client)
	}{
		{"one at a time", func(c *registry.Client) {
			for i := range subjects {
				register(c, i)
			}
		}},
		{"at once", func(c *registry.Client) {
			var wg sync.WaitGroup
			for i := range subjects {
				wg.Go(func() { register(c, i) })
			}
			wg.Wait()
		}},
		{"Warm", func(c *registry.Client) {
			needs := make([]registry.Need, subjects)
			for i := range needs {
				needs[i] = registry.NeedRegistered(fmt.Sprint("s", i), text(i))
			}
			if err := c.Warm(context.Background(), needs...); err != nil {
				b.Error(err)
			}
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				way.run(newClient(b, []string{s.URL}))
			}
		})
	}
}

// BenchmarkWarm is what a caller pays for an answer that is known.
func BenchmarkWarm(b *testing.B) {
	ctx := context.Background()
	s := registrytest.Start(b)
	c := newClient(b, []string{s.URL})
	id, _, err := c.Register(ctx, "orders", orderV1, false)
	if err != nil {
		b.Fatal(err)
	}
	if _, _, _, err := c.Latest(ctx, "orders"); err != nil {
		b.Fatal(err)
	}
	b.Run("Register", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = c.Register(ctx, "orders", orderV1, false)
		}
	})
	b.Run("SchemaByID", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.SchemaByID(ctx, "", id)
		}
	})
	b.Run("Latest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _, _ = c.Latest(ctx, "orders")
		}
	})
}

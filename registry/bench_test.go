package registry_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	events "github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// BenchmarkColdSubjects registers 1,000 schemas on 1,000 subjects of a registry
// that answers after three milliseconds. The schemas are registered
// sequentially, in parallel, and by Warm. Parallel must be at least five times
// as fast as sequential.
func BenchmarkColdSubjects(b *testing.B) {
	const subjects = 1000
	s := registrytest.Start(b)
	s.Inject(registrytest.Latency(3 * time.Millisecond))
	text := func(i int) string {
		return fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":"string"}]}`, i)
	}
	register := func(c *registry.Client, i int) {
		if _, err := c.Register(context.Background(), fmt.Sprint("s", i), registry.Schema{Text: text(i)}); err != nil {
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

// BenchmarkWarm measures a call whose answer is in the cache.
func BenchmarkWarm(b *testing.B) {
	ctx := context.Background()
	s := registrytest.Start(b)
	c := newClient(b, []string{s.URL})
	v, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Latest(ctx, "orders"); err != nil {
		b.Fatal(err)
	}
	b.Run("Register", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Register(ctx, "orders", registry.Schema{Text: orderV1})
		}
	})
	b.Run("SchemaByID", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.SchemaByID(ctx, "", v.ID)
		}
	})
	b.Run("Latest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Latest(ctx, "orders")
		}
	})
}

// BenchmarkWarmWhileTheRegistryHangs measures the 99th percentile of
// serializing an event of a warm topic. In the first case the registry answers.
// In the second case the registry hangs while twenty cold topics wait. Both
// results must be the same.
func BenchmarkWarmWhileTheRegistryHangs(b *testing.B) {
	for _, hangs := range []bool{false, true} {
		b.Run(fmt.Sprintf("hangs=%t", hangs), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			s := registrytest.Start(b)
			ser, err := serde.NewSerializer(newClient(b, []string{s.URL}))
			if err != nil {
				b.Fatal(err)
			}
			warm, e := ser.For("warm", serde.Value), events.NewOrderCreated()
			if err := warm.Prepare(ctx, &e); err != nil {
				b.Fatal(err)
			}
			if hangs {
				s.Inject(registrytest.Hang())
			}
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					e := events.NewOrderCreated()
					_, _ = ser.For(fmt.Sprint("cold", i), serde.Value).Append(ctx, nil, &e)
				})
			}
			for s.Requests() < 21 {
				time.Sleep(time.Millisecond)
			}
			buf := make([]byte, 0, 1024)
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				if _, err := warm.Append(ctx, buf[:0], &e); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			cancel()
			wg.Wait()
		})
	}
}

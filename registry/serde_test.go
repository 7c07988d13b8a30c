package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	events "github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// The client implements the optional registry interfaces of serde.
var (
	_ serde.Registry       = (*registry.Client)(nil)
	_ serde.VersionFinder  = (*registry.Client)(nil)
	_ serde.MetadataFinder = (*registry.Client)(nil)
)

// TestWarmTopicWhileTheRegistryHangs checks that a hanging registry does not
// delay 10,000 events of a warm topic, while cold topics wait for the registry.
func TestWarmTopicWhileTheRegistryHangs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	ser, err := serde.NewSerializer(newClient(t, []string{s.URL}))
	if err != nil {
		t.Fatal(err)
	}
	warm, e := ser.For("warm", serde.Value), events.NewOrderCreated()
	if _, err := warm.Append(ctx, nil, &e); err != nil {
		t.Fatal(err)
	}
	s.Inject(registrytest.Hang())
	before := s.Requests()
	short, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, topic := range []string{"cold", "cold", "colder"} {
		wg.Go(func() {
			e := events.NewOrderCreated()
			if _, err := ser.For(topic, serde.Value).Append(short, nil, &e); !errors.Is(err, context.Canceled) {
				t.Errorf("control: %s got %v", topic, err)
			}
		})
	}
	for s.Requests() < before+2 {
		time.Sleep(time.Millisecond)
	}
	buf := make([]byte, 0, 1024)
	for range 10_000 {
		if _, err := warm.Append(ctx, buf[:0], &e); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Requests() - before; n != 2 {
		t.Errorf("%d requests: the warm topic made some, or one schema of two calls more than one", n)
	}
	cancel()
	wg.Wait()
}

// TestServiceWithoutARegistry checks that a service with a disk cache writes
// and reads every event, even if the registry is down for the whole run.
func TestServiceWithoutARegistry(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	dir := t.TempDir()
	const n = 1000
	service := func(mode ...serde.Option) (written, read int, err error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := registry.New([]string{s.URL}, registry.WithDiskCache(dir), registry.WithRetries(1, 0, 0))
		if err != nil {
			return 0, 0, err
		}
		defer c.Close()
		ser, err := serde.NewSerializer(c, mode...)
		if err != nil {
			return 0, 0, err
		}
		de, err := serde.NewDeserializer[events.OrderCreated](c)
		if err != nil {
			return 0, 0, err
		}
		topic := ser.For("orders", serde.Value)
		for range n {
			e := events.NewOrderCreated()
			data, err := topic.Append(ctx, nil, &e)
			if err != nil {
				return written, read, err
			}
			written++
			if _, err := de.Decode(ctx, serde.Input{Data: data}); err != nil {
				return written, read, err
			}
			read++
		}
		return written, read, nil
	}
	modes := map[string][]serde.Option{"register": nil, "look up": {serde.LookupOnly()}, "latest": {serde.UseLatest()}}
	for _, name := range []string{"register", "look up", "latest"} {
		if w, r, err := service(modes[name]...); err != nil {
			t.Fatalf("%s, the first run: %d, %d, %v", name, w, r, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes {
		if w, r, err := service(mode...); w != n || r != n || err != nil {
			t.Errorf("%s, without a registry: %d written, %d read of %d, %v", name, w, r, n, err)
		}
	}
	dir = t.TempDir()
	if w, _, err := service(); w != 0 || !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("control, with an empty disk cache: %d written, %v", w, err)
	}
}

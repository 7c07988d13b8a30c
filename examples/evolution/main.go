// Evolution shows an event through four releases of its schema. Services of the
// first release and of the newest release read the events of all releases. A
// fifth release would break the services. The check on a developer's machine,
// the registry, and a test refuse the fifth release.
//
// The broker and the registry run in this process, so there is nothing to
// install.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/avroline/avroline/examples/evolution/v1"
	"github.com/avroline/avroline/examples/evolution/v2"
	"github.com/avroline/avroline/examples/evolution/v3"
	"github.com/avroline/avroline/examples/evolution/v4"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	broker, err := producertest.NewBroker(producertest.WithTopic(topic, 1))
	if err != nil {
		return err
	}
	defer func() { _ = broker.Close() }()
	server, err := registrytest.NewServer()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	// Every release must be able to read every other release, because the topic
	// keeps all events.
	if err := reg.SetCompatibility(ctx, topic+"-value", compat.FullTransitive); err != nil {
		return err
	}
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return err
	}
	p, err := producer.New(broker.Addrs(), ser)
	if err != nil {
		return err
	}
	if err := fourReleases(ctx, out, broker, reg, p); err != nil {
		return errors.Join(err, p.Close(ctx))
	}
	if err := fifthRelease(ctx, out, reg, p); err != nil {
		return errors.Join(err, p.Close(ctx))
	}
	return p.Close(ctx)
}

// fourReleases lets each release write an order. Consumers of the first and of
// the newest release read the orders.
func fourReleases(ctx context.Context, out io.Writer, broker *producertest.Broker, reg *registry.Client, p *producer.Producer) error {
	ctx, cancel := context.WithCancel(ctx)
	oldest, err := consume(ctx, broker, reg, func(o *v1.Order) string {
		return fmt.Sprintf("%s %s %d %s", o.ID, o.Customer, o.TotalCents, o.State)
	})
	if err != nil {
		cancel()
		return err
	}
	defer oldest.close()
	newest, err := consume(ctx, broker, reg, func(o *v4.Order) string {
		return fmt.Sprintf("%s %s %d %s %q %v", o.ID, o.Customer, o.TotalCents, o.State, o.Comment, o.Lines)
	})
	if err != nil {
		cancel()
		return err
	}
	defer newest.close()
	defer cancel() // must run before the wait for the consumers

	web := "web"
	first := producer.NewTopic(topic, producer.KeyBy(func(o *v1.Order) string { return o.ID }))
	second := producer.NewTopic(topic, producer.KeyBy(func(o *v2.Order) string { return o.ID }))
	third := producer.NewTopic(topic, producer.KeyBy(func(o *v3.Order) string { return o.ID }))
	fourth := producer.NewTopic(topic, producer.KeyBy(func(o *v4.Order) string { return o.ID }))
	for i, write := range []func() (producer.Delivery, error){
		func() (producer.Delivery, error) {
			return first.Publish(ctx, p, &v1.Order{ID: "a", Customer: "ada", TotalCents: 4200, State: v1.StatePlaced})
		},
		func() (producer.Delivery, error) {
			return second.Publish(ctx, p, &v2.Order{ID: "b", Customer: "bob", TotalCents: 700, State: v2.StatePaid, Channel: &web, Note: "ring twice"})
		},
		func() (producer.Delivery, error) {
			return third.Publish(ctx, p, &v3.Order{ID: "c", Customer: "cleo", TotalCents: 99, State: v3.StateShipped, Comment: "gift"})
		},
		func() (producer.Delivery, error) {
			return fourth.Publish(ctx, p, &v4.Order{ID: "d", Customer: "dan", TotalCents: 1, State: v4.StateShipped, Lines: []v4.Line{{Sku: "x-1", Quantity: 2}}})
		},
	} {
		d, err := write()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "release %d writes, with schema id %d\n", i+1, d.ValueSchemaID)
		for _, c := range []struct {
			release int
			lines   <-chan string
		}{{1, oldest.lines}, {4, newest.lines}} {
			select {
			case line := <-c.lines:
				fmt.Fprintf(out, "  release %d reads: %s\n", c.release, line)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

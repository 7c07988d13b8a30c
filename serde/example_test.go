package serde_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// localRegistry is a registry in this process. A service gives registry.New the
// URLs of its own.
func localRegistry() (reg *registry.Client, stop func()) {
	server := must(registrytest.NewServer())
	reg = must(registry.New([]string{server.URL}))
	return reg, func() {
		reg.Close()
		server.Close()
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// Bind a topic once, then append records to a buffer of yours.
func ExampleSerializer() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	ser := must(serde.NewSerializer(reg))
	value := ser.For("orders", serde.Value)

	var buf []byte
	for _, reason := range []string{"sold out", "too late"} {
		e := orders.OrderCancelled{OrderID: uuid.Max, Reason: reason}
		buf = must(value.Append(ctx, buf[:0], &e))
		fmt.Printf("prefix %x, %d bytes\n", buf[:5], len(buf))
	}
	// Output:
	// prefix 0000000001, 51 bytes
	// prefix 0000000001, 51 bytes
}

// A reader takes what other versions of its type's schema wrote.
func ExampleDeserializer() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()

	// A writer of long ago: no channel, and the total was an int.
	older := must(serde.NewGeneric(`{"type":"record","name":"shop.orders.OrderCreated","fields":[
		{"name":"customer","type":"string"}, {"name":"order_id","type":"string"},
		{"name":"total_cents","type":"int"}, {"name":"at","type":"long"}]}`))
	data := must(must(serde.NewSerializer(reg)).For("orders", serde.Value).Append(ctx, nil, older.Record(map[string]any{
		"customer": "ada", "order_id": uuid.Max.String(), "total_cents": 4200, "at": time.Unix(0, 0).UnixMilli(),
	})))

	des := must(serde.NewDeserializer[orders.OrderCreated](reg))
	e := must(des.Decode(ctx, serde.Input{Topic: "orders", Data: data}))
	fmt.Println(e.Customer, e.TotalCents, e.Channel, e.At)

	_, err := des.Decode(ctx, serde.Input{Topic: "orders", Data: nil})
	fmt.Println(errors.Is(err, serde.ErrTombstone))
	// Output:
	// ada 4200 <nil> 1970-01-01 00:00:00 +0000 UTC
	// true
}

// A topic of several types.
func ExampleMux() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	value := must(serde.NewSerializer(reg, serde.WithSubject(serde.RecordName))).For("orders", serde.Value)
	messages := [][]byte{
		must(value.Append(ctx, nil, &orders.OrderCreated{Customer: "ada"})),
		must(value.Append(ctx, nil, &orders.OrderCancelled{Reason: "sold out"})),
	}

	mux := must(serde.NewMux(reg))
	serde.Accept[orders.OrderCreated](mux)
	serde.Accept[orders.OrderCancelled](mux)
	for _, data := range messages {
		switch e := must(mux.Decode(ctx, serde.Input{Topic: "orders", Data: data})).(type) {
		case *orders.OrderCreated:
			fmt.Println("created by", e.Customer)
		case *orders.OrderCancelled:
			fmt.Println("cancelled:", e.Reason)
		}
	}
	// Output:
	// created by ada
	// cancelled: sold out
}

// A schema that is known at run time only.
func ExampleGeneric() {
	g := must(serde.NewGeneric(`{"type":"record","name":"Reading","fields":[
		{"name":"sensor","type":"string"},
		{"name":"celsius","type":["null","double"],"default":null}]}`))

	data := must(g.AppendFromJSON(nil, []byte(`{"sensor":"roof","celsius":{"double":21.5}}`)))
	fmt.Println(must(g.Decode(data)))

	data = must(g.Append(nil, map[string]any{"sensor": "cellar"}))
	fmt.Printf("%s\n", must(g.AppendJSON(nil, data)))
	// Output:
	// map[celsius:map[double:21.5] sensor:roof]
	// {"sensor":"cellar","celsius":null}
}

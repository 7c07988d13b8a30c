package serde_test

import (
	"context"
	"strings"
	"testing"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/serde"
)

// BenchmarkDecode compares the warm Deserializer with UnmarshalAvro of the
// type. The Deserializer may take 20 ns more, and must take no lock. The case
// "older" uses a plan.
func BenchmarkDecode(b *testing.B) {
	reg := newFake()
	older := strings.Replace(orders.OrderCreatedSchema, `{"name":"channel","type":["null","string"],"default":null,`, `{"name":"gone","type":"string",`, 1)
	older = strings.Replace(older, `,"doc":"Where the order came from, such as \"web\" or \"phone\"; null where it is not known."`, "", 1)
	olderID := byte(reg.put("s", older))
	ownID := byte(reg.put("s", orders.OrderCreatedSchema))
	e := orders.OrderCreated{Customer: "ada", TotalCents: 4200}
	record, err := e.AppendAvro(nil)
	if err != nil {
		b.Fatal(err)
	}
	data := append([]byte{0, 0, 0, 0, ownID}, record...)
	g := mustGeneric(b, older)
	oldRecord, err := g.Record(map[string]any{"order_id": e.OrderID.String(), "customer": "ada", "total_cents": 4200, "gone": "x", "at": e.At.UnixMilli()}).AppendAvro(nil)
	if err != nil {
		b.Fatal(err)
	}
	oldData := append([]byte{0, 0, 0, 0, olderID}, oldRecord...)
	p, err := serde.Resolve(older, orders.OrderCreatedSchema)
	if err != nil {
		b.Fatal(err)
	}
	guid := guidOf(orders.OrderCreatedSchema)
	header := headers(serde.Header{Key: "__value_schema_id", Value: append([]byte{1}, guid[:]...)})
	none := headers()

	loop := func(name string, f func(*orders.OrderCreated) error) {
		b.Run(name, func(b *testing.B) {
			var e orders.OrderCreated
			if err := f(&e); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := f(&e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ctx := context.Background()
	d := mustDeserializer[orders.OrderCreated](b, reg)
	alias := mustDeserializer[orders.OrderCreated](b, reg, serde.AliasInput())
	both := mustDeserializer[orders.OrderCreated](b, reg)
	loop("UnmarshalAvro", func(e *orders.OrderCreated) error { return e.UnmarshalAvro(record) })
	loop("own", func(e *orders.OrderCreated) error { return d.DecodeInto(ctx, serde.Input{Data: data}, e) })
	loop("own,without-headers", func(e *orders.OrderCreated) error {
		return d.DecodeInto(ctx, serde.Input{Data: data, Header: none}, e)
	})
	loop("own,GUID-header", func(e *orders.OrderCreated) error {
		return d.DecodeInto(ctx, serde.Input{Data: record, Header: header}, e)
	})
	loop("own,aliased", func(e *orders.OrderCreated) error { return alias.DecodeInto(ctx, serde.Input{Data: data}, e) })
	loop("UnmarshalAvroPlan", func(e *orders.OrderCreated) error { return e.UnmarshalAvroPlan(p, oldRecord) })
	loop("older", func(e *orders.OrderCreated) error { return both.DecodeInto(ctx, serde.Input{Data: oldData}, e) })
	loop("own-and-older", func(e *orders.OrderCreated) error {
		if err := both.DecodeInto(ctx, serde.Input{Data: oldData}, e); err != nil {
			return err
		}
		return both.DecodeInto(ctx, serde.Input{Data: data}, e)
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var e orders.OrderCreated
			for pb.Next() {
				if err := both.DecodeInto(ctx, serde.Input{Data: data}, &e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

package serde_test

import (
	"context"
	"encoding/hex"
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

// localRegistry returns a registry in this process. A service passes the URLs
// of its registry to registry.New.
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

// Bind a topic once, then append records to your own buffer.
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

// A reader accepts records of other versions of the schema.
func ExampleDeserializer() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()

	// An old writer has no channel, and its total is an int.
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

// A Mux reads a topic of several types.
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

// Generic handles a schema that is known only at run time.
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

// The example shows each way to find a schema id, on one topic.
func ExampleSerializer_For() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	e := orders.OrderCancelled{OrderID: uuid.Max, Reason: "sold out"}
	ser := must(serde.NewSerializer(reg, serde.LookupOnly())) // for all topics

	_, err := ser.For("orders", serde.Value).Append(ctx, nil, &e)
	fmt.Println("not registered:", errors.Is(err, serde.ErrUnknownSchema))

	for _, way := range []serde.Option{serde.AutoRegister(), serde.UseLatest(), serde.UseID(1)} {
		where := must(ser.For("orders", serde.Value, way).Registered(ctx, &e))
		fmt.Println(where.Subject, where.ID)
	}
	// Output:
	// not registered: true
	// orders-value 1
	// orders-value 1
	// orders-value 1
}

// A registered schema with another meaning is refused. The error names the
// place.
func ExampleSchemaChangedError() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	const schema = `{"type":"record","name":"Sum","fields":[{"name":"total","type":%s}]}`
	decimal := `{"type":"bytes","logicalType":"decimal","precision":12,"scale":%d}`
	registered := must(serde.NewGeneric(fmt.Sprintf(schema, fmt.Sprintf(decimal, 2))))
	own := must(serde.NewGeneric(fmt.Sprintf(schema, fmt.Sprintf(decimal, 4))))

	ser := must(serde.NewSerializer(reg))
	sum := map[string]any{"total": []byte{1}}
	must(ser.For("sums", serde.Value).Append(ctx, nil, registered.Record(sum)))
	_, err := ser.For("sums", serde.Value, serde.UseLatest()).Append(ctx, nil, own.Record(sum))
	var changed *serde.SchemaChangedError
	if errors.As(err, &changed) {
		fmt.Println(changed.Subject, changed.Differs)
	}
	// Output:
	// sums-value [total: decimal(12,4) here, decimal(12,2) registered]
}

// The schema's GUID goes into a header, and the payload is the bare record.
func ExampleIDInHeader() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	value := must(serde.NewSerializer(reg, serde.IDInHeader())).For("orders", serde.Value)
	e := orders.OrderCancelled{OrderID: uuid.Max, Reason: "sold out"}
	data := must(value.Append(ctx, nil, &e))
	header, _, err := value.Header(ctx, &e)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(header.Key, len(header.Value))

	des := must(serde.NewDeserializer[orders.OrderCancelled](reg))
	back := must(des.Decode(ctx, serde.Input{Topic: "orders", Data: data, Header: func(key string) ([]byte, bool) {
		return header.Value, key == header.Key
	}}))
	fmt.Println(back.Reason)
	// Output:
	// __value_schema_id 17
	// sold out
}

// The example shows the subject of a schema for each strategy and for a custom
// function.
func ExampleWithSubject() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	staging := func(topic string, part serde.Part, record string) (string, error) {
		name, err := serde.TopicName(topic, part, record)
		return ":.staging:" + name, err // a context of the registry
	}
	ser := must(serde.NewSerializer(reg))
	for _, f := range []serde.SubjectFunc{serde.TopicName, serde.RecordName, serde.TopicRecordName, staging} {
		binding := ser.For("orders", serde.Value, serde.WithSubject(f))
		fmt.Println(must(binding.Registered(ctx, (*orders.OrderCancelled)(nil))).Subject)
	}
	// Output:
	// orders-value
	// shop.orders.OrderCancelled
	// orders-shop.orders.OrderCancelled
	// :.staging:orders-value
}

// The registry associates a subject with the topic.
func ExampleWithAssociatedSubject() {
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	server.Associate("orders", "value", "finance-orders")
	ser := must(serde.NewSerializer(reg, serde.WithAssociatedSubject("", serde.TopicName)))
	for _, topic := range []string{"orders", "refunds"} {
		fmt.Println(must(ser.For(topic, serde.Value).Registered(context.Background(), (*orders.OrderCancelled)(nil))).Subject)
	}
	// Output:
	// finance-orders
	// refunds-value
}

// Each type of a topic has its own function.
func ExampleHandle() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	value := must(serde.NewSerializer(reg, serde.WithSubject(serde.RecordName))).For("orders", serde.Value)
	data := must(value.Append(ctx, nil, &orders.OrderCancelled{Reason: "sold out"}))

	mux := must(serde.NewMux(reg))
	serde.Handle(mux, func(_ context.Context, e *orders.OrderCreated) error {
		fmt.Println("created by", e.Customer)
		return nil
	})
	serde.Handle(mux, func(_ context.Context, e *orders.OrderCancelled) error {
		fmt.Println("cancelled:", e.Reason)
		return nil
	})
	if err := mux.Dispatch(ctx, serde.Input{Topic: "orders", Data: data}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// cancelled: sold out
}

// Messages of any schema are converted to JSON.
func ExampleGenericDeserializer() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	value := must(serde.NewSerializer(reg)).For("orders", serde.Value)
	data := must(value.Append(ctx, nil, &orders.OrderCancelled{OrderID: uuid.Max, Reason: "sold out"}))

	des := must(serde.NewGenericDeserializer(reg))
	fmt.Printf("%s\n", must(des.AppendJSON(ctx, nil, serde.Input{Topic: "orders", Data: data})))
	// Output:
	// {"order_id":"ffffffff-ffff-ffff-ffff-ffffffffffff","reason":"sold out"}
}

// The subject has a rule that this program cannot run, so nothing is written.
func ExampleRuleError() {
	reg, stop := localRegistry()
	defer stop()
	ctx := context.Background()
	var e orders.OrderCancelled
	must(reg.Register(ctx, "orders-value", registry.Schema{
		Text: e.AvroSchema(),
		RuleSet: &registry.RuleSet{DomainRules: []registry.Rule{
			{Name: "protect", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"}},
		}},
	}))
	_, err := must(serde.NewSerializer(reg)).For("orders", serde.Value).Append(ctx, nil, &e)
	var rule *serde.RuleError
	if errors.As(err, &rule) {
		fmt.Println(rule.Subject, rule.Rule, rule.Type)
	}
	// Output:
	// orders-value protect ENCRYPT
}

// The settings of Confluent's Java serializers come from the file of the
// producer.
func ExampleWithConfig() {
	reg, stop := localRegistry()
	defer stop()
	settings := map[string]string{
		"auto.register.schemas":       "false",
		"value.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy",
	}
	ser := must(serde.NewSerializer(reg, serde.WithConfig(settings)))
	_, err := ser.For("orders", serde.Value).Registered(context.Background(), (*orders.OrderCancelled)(nil))
	fmt.Println(errors.Is(err, serde.ErrUnknownSchema))
	// Output:
	// true
}

// Plain JSON has no names of union branches, and readable decimals and times.
func ExampleGeneric_AppendPlainJSON() {
	g := must(serde.NewGeneric(`{"type":"record","name":"Sale","fields":[
		{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
		{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]}]}`))

	data := must(g.AppendFromPlainJSON(nil, []byte(`{"price":"12.50","at":"2026-11-26T10:00:00Z"}`)))
	fmt.Printf("%s\n", must(g.AppendJSON(nil, data)))
	fmt.Printf("%s\n", must(g.AppendPlainJSON(nil, data)))
	// Output:
	// {"price":"\u0004\u00e2","at":{"long":1795687200000}}
	// {"price":"12.50","at":"2026-11-26T10:00:00Z"}
}

// A reader of known schemas needs no registry, if the messages are in Avro's
// single-object encoding: two bytes, the fingerprint of the schema, the record.
func ExampleWithSchemas() {
	e := orders.OrderCancelled{Reason: "sold out"}
	message := must(hex.DecodeString("c301" + "7569919ddc6c5abb"))
	message = must(e.AppendAvro(message))

	des := must(serde.NewDeserializer[orders.OrderCancelled](nil, serde.WithSchemas(e.AvroSchema())))
	fmt.Println(must(des.Decode(context.Background(), serde.Input{Data: message})).Reason)
	// Output:
	// sold out
}

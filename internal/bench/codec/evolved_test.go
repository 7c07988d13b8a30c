package codec

import (
	"fmt"
	"testing"

	"github.com/hamba/avro/v2"
	twmb "github.com/twmb/avro"

	"github.com/avroline/avroline/internal/bench/codec/events"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// These are older versions of the shapes. The newer versions have removed,
// added, moved and widened fields, and have added symbols and branches.
const (
	olderClick = `{"type":"record","name":"Click","namespace":"bench.codec","fields":[
		{"name":"session","type":"string"},{"name":"at","type":"long"},{"name":"id","type":"string"},
		{"name":"user","type":"string"},{"name":"url","type":"string"},{"name":"status","type":"int"},
		{"name":"score","type":"float"},{"name":"seq","type":"long"},{"name":"mobile","type":"boolean"}]}`
	olderOrder = `{"type":"record","name":"Order","namespace":"bench.codec","fields":[
		{"name":"created","type":"long"},{"name":"order_id","type":"string"},{"name":"due","type":"int"},
		{"name":"channel","type":"string"},
		{"name":"status","type":{"type":"enum","name":"OrderStatus","symbols":["PAID","NEW","SHIPPED"]}},
		{"name":"customer","type":{"type":"record","name":"Customer","fields":[
			{"name":"id","type":"int"},{"name":"name","type":"string"},{"name":"phone","type":["null","string"]},
			{"name":"address","type":{"type":"record","name":"Address","fields":[
				{"name":"street","type":"string"},{"name":"zip","type":"string"},
				{"name":"city","type":"string"},{"name":"country","type":"string"}]}}]}},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"LineItem","fields":[
			{"name":"sku","type":"string"},{"name":"title","type":"string"},{"name":"quantity","type":"int"},
			{"name":"weight","type":"float"},
			{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}}]}}},
		{"name":"attributes","type":{"type":"map","values":"string"}},
		{"name":"payment","type":[
			{"type":"record","name":"Card","fields":[{"name":"pan","type":"string"},{"name":"exp_month","type":"int"},{"name":"exp_year","type":"int"}]},
			{"type":"record","name":"BankTransfer","fields":[{"name":"iban","type":"string"}]}]},
		{"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":14,"scale":2}}]}`
)

// datum builds a value in Avro binary from its primitives.
func datum(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = avrobin.AppendBytes(b, []byte(v))
		case []byte:
			b = avrobin.AppendBytes(b, v)
		case int:
			b = avrobin.AppendLong(b, int64(v))
		case float32:
			b = avrobin.AppendFloat(b, v)
		case bool:
			b = avrobin.AppendBool(b, v)
		}
	}
	return b
}

func olderClickData() []byte {
	return datum("s-3fd81c", 1_790_000_000_123, "0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0d", "visitor-204",
		"https://shop.example.com/catalogue/boots?colour=brown&p=2a", 200, float32(0.75), 91_827_364, true)
}

func olderOrderData() []byte {
	b := datum(1_790_000_000_123_456, "0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0e", 20811, "web", 0,
		918_273_645, "Grace Hopper", 1, "+1 703 555 0100", "1 Compiler Street", "VA 22201", "Arlington", "US", 5)
	for i := range 5 {
		b = append(b, datum(fmt.Sprintf("SKU-%06d", i*7919), "Walking boot, model A", i+1, float32(0.5), []byte{0x13, 0x87})...)
	}
	return append(b, datum(0, 3, "channel", "web", "campaign", "autumn-26", "locale", "en-US", 0,
		0, "420000******0042", 11, 2029, []byte{0x12, 0xd6, 0x87})...)
}

// BenchmarkEvolved reads data of an older writer through a plan. For
// comparison, the benchmark also reads the same values as a current writer
// would write them. The libraries hamba and twmb resolve the same schemas.
func BenchmarkEvolved(b *testing.B) {
	var click events.Click
	var order events.Order
	for _, shape := range []struct {
		name, older string
		data        []byte
		v           message
		reset       func()
		peer        func() any
	}{
		{"click", olderClick, olderClickData(), &click, func() { click = events.Click{} }, func() any { return new(peerClick) }},
		{"order", olderOrder, olderOrderData(), &order, func() { order = events.Order{} }, func() any { return new(peerOrder) }},
	} {
		plan, err := serde.Resolve(shape.older, shape.v.AvroSchema())
		if err != nil {
			b.Fatal(err)
		}
		today, err := plan.Append(nil, shape.data)
		if err != nil {
			b.Fatal(err)
		}
		run := func(by string, f func() error) {
			b.Run(shape.name+"/"+by, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					shape.reset()
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("straight", func() error { return shape.v.UnmarshalAvro(today) })
		run("plan", func() error { return shape.v.UnmarshalAvroPlan(plan, shape.data) })
		buf := make([]byte, 0, 2*len(today))
		run("transcode-alone", func() error { _, err := plan.Append(buf, shape.data); return err })

		writer, reader := avro.MustParse(shape.older), avro.MustParse(shape.v.AvroSchema())
		if resolved, err := avro.NewSchemaCompatibility().Resolve(reader, writer); err != nil {
			b.Logf("hamba: %v", err)
		} else {
			run("hamba", func() error { return avro.Unmarshal(resolved, shape.data, shape.peer()) })
		}
		if resolved, err := twmb.Resolve(twmb.MustParse(shape.older), twmb.MustParse(shape.v.AvroSchema())); err != nil {
			b.Logf("twmb: %v", err)
		} else {
			run("twmb", func() error { _, err := resolved.Decode(shape.data, shape.peer()); return err })
		}
	}
}

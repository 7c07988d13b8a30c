// Package registry compares our serializer with confluent-kafka-go's
// serializers when all schemas are in the cache. Both use the same record, the
// same registry and the same ways to find the schema id.
package registry

import (
	"context"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	confluentserde "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/hamba/avro/v2"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// reflected is the record as a plain struct for avrov2. withSchema also has the
// schema, because avrov2 is fastest with a schema.
type (
	reflected struct {
		Account string `avro:"account"`
		Cents   int64  `avro:"cents"`
	}
	withSchema struct {
		Account string `avro:"account"`
		Cents   int64  `avro:"cents"`
	}
)

var schema = avro.MustParse(ledger.LedgerEntrySchema)

func (*withSchema) Schema() avro.Schema { return schema }

// BenchmarkSerialize compares our time with the time of confluent-kafka-go. The
// budget is a factor of 50.
//
//	go test -bench Serialize ./registry
func BenchmarkSerialize(b *testing.B) {
	server := registrytest.Start(b)
	if err := server.Seed("ledger-value", ledger.LedgerEntrySchema); err != nil {
		b.Fatal(err)
	}
	b.Run("avroline", func(b *testing.B) {
		client, err := registry.New([]string{server.URL})
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		ser, err := serde.NewSerializer(client)
		if err != nil {
			b.Fatal(err)
		}
		e := &ledger.LedgerEntry{Account: "assets:cash", Cents: -4200}
		for name, opt := range map[string]serde.Option{
			"auto-register": serde.AutoRegister(), "lookup-only": serde.LookupOnly(), "use-latest": serde.UseLatest(),
		} {
			b.Run(name, func(b *testing.B) {
				binding := ser.For("ledger", serde.Value, opt)
				buf, err := binding.Append(b.Context(), nil, e)
				if err != nil {
					b.Fatal(err)
				}
				ctx := context.Background()
				b.ReportAllocs()
				for b.Loop() {
					if buf, err = binding.Append(ctx, buf[:0], e); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
	b.Run("confluent", func(b *testing.B) {
		client, err := schemaregistry.NewClient(schemaregistry.NewConfig(server.URL))
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		auto, lookup, latest := avrov2.NewSerializerConfig(), avrov2.NewSerializerConfig(), avrov2.NewSerializerConfig()
		lookup.AutoRegisterSchemas = false
		latest.AutoRegisterSchemas, latest.UseLatestVersion = false, true
		for _, way := range []struct {
			name   string
			config *avrov2.SerializerConfig
			record any
		}{
			{"auto-register", auto, &withSchema{"assets:cash", -4200}},
			{"auto-register,reflected", auto, &reflected{"assets:cash", -4200}},
			{"lookup-only", lookup, &withSchema{"assets:cash", -4200}},
			{"use-latest", latest, &withSchema{"assets:cash", -4200}},
		} {
			b.Run(way.name, func(b *testing.B) {
				way.config.SubjectNameStrategyType = confluentserde.TopicNameStrategyType
				ser, err := avrov2.NewSerializer(client, confluentserde.ValueSerde, way.config)
				if err != nil {
					b.Fatal(err)
				}
				topic := "ledger"
				if _, ok := way.record.(*reflected); ok {
					topic = "reflected" // avrov2 derives another schema from the plain struct
				}
				if _, err := ser.Serialize(topic, way.record); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ser.Serialize(topic, way.record); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkDeserialize reads one framed message into a struct.
func BenchmarkDeserialize(b *testing.B) {
	server := registrytest.Start(b)
	ours, err := registry.New([]string{server.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer ours.Close()
	ser, err := serde.NewSerializer(ours)
	if err != nil {
		b.Fatal(err)
	}
	e := ledger.LedgerEntry{Account: "assets:cash", Cents: -4200}
	data, err := ser.For("ledger", serde.Value).Append(b.Context(), nil, &e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("avroline", func(b *testing.B) {
		des, err := serde.NewDeserializer[ledger.LedgerEntry](ours)
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if err := des.DecodeInto(ctx, serde.Input{Data: data}, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("confluent", func(b *testing.B) {
		client, err := schemaregistry.NewClient(schemaregistry.NewConfig(server.URL))
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		config := avrov2.NewDeserializerConfig()
		config.SubjectNameStrategyType = confluentserde.TopicNameStrategyType
		des, err := avrov2.NewDeserializer(client, confluentserde.ValueSerde, config)
		if err != nil {
			b.Fatal(err)
		}
		var v withSchema
		if err := des.DeserializeInto("ledger", data, &v); err != nil || v.Cents != e.Cents {
			b.Fatal(v, err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := des.DeserializeInto("ledger", data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

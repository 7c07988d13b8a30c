package registry

import (
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	confluentserde "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// TestFraming exchanges messages between our serdes and confluent-kafka-go's
// serdes, in both directions. The schema id is in a prefix or in a header.
func TestFraming(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	ours, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := schemaregistry.NewClient(schemaregistry.NewConfig(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	read := avrov2.NewDeserializerConfig()
	read.SubjectNameStrategyType = confluentserde.TopicNameStrategyType
	theirReader, err := avrov2.NewDeserializer(theirs, confluentserde.ValueSerde, read)
	if err != nil {
		t.Fatal(err)
	}
	write := avrov2.NewSerializerConfig()
	write.SubjectNameStrategyType = confluentserde.TopicNameStrategyType
	theirWriter, err := avrov2.NewSerializer(theirs, confluentserde.ValueSerde, write)
	if err != nil {
		t.Fatal(err)
	}
	ourWriter, err := serde.NewSerializer(ours)
	if err != nil {
		t.Fatal(err)
	}
	ourReader, err := serde.NewDeserializer[ledger.LedgerEntry](ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, framing := range []struct {
		name string
		opt  serde.Option
		as   confluentserde.SchemaIDSerializerFunc
	}{
		{"prefix", serde.IDInPrefix(), confluentserde.PrefixSchemaIDSerializer},
		{"header", serde.IDInHeader(), confluentserde.HeaderSchemaIDSerializer},
	} {
		e := ledger.LedgerEntry{Account: "assets:cash", Cents: -4200}
		b := ourWriter.For("ledger", serde.Value, framing.opt)
		data, err := b.Append(t.Context(), nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		var headers []kafka.Header
		h, ok, err := b.Header(t.Context(), &e)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			headers = append(headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		var got withSchema
		if err := theirReader.DeserializeWithHeadersInto("ledger", headers, data, &got); err != nil || got.Account != e.Account || got.Cents != e.Cents {
			t.Errorf("%s: theirs reads ours as %+v, %v", framing.name, got, err)
		}

		theirWriter.SchemaIDSerializer = framing.as
		theirHeaders, data, err := theirWriter.SerializeWithHeaders("ledger2", &withSchema{"liabilities", 7})
		if err != nil {
			t.Fatal(err)
		}
		in := serde.Input{Data: data, Header: func(key string) ([]byte, bool) {
			for _, h := range theirHeaders {
				if h.Key == key {
					return h.Value, true
				}
			}
			return nil, false
		}}
		if back, err := ourReader.Decode(t.Context(), in); err != nil || back.Account != "liabilities" || back.Cents != 7 {
			t.Errorf("%s: ours reads theirs as %+v, %v", framing.name, back, err)
		}
	}
}

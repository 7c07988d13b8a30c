// Package rules compares our rules with Confluent's Go client.
package rules

import (
	"fmt"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	_ "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rules/encryption"
	_ "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rules/encryption/localkms"
	_ "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rules/jsonata"
	confluent "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/encrypt"
	"github.com/avroline/avroline/serde/jsonata"
)

const personSchema = `{"type":"record","name":"Person","namespace":"shop","fields":[
	{"name":"ID","type":"long"},
	{"name":"Email","type":"string","confluent:tags":["PII"]},
	{"name":"Photo","type":"bytes","confluent:tags":["PII"]},
	{"name":"City","type":"string"}]}`

type person struct {
	ID    int64
	Email string
	Photo []byte
	City  string
}

func ada() person {
	return person{ID: 7, Email: "ada@example.com", Photo: []byte("secret photo"), City: "London"}
}

func (p person) generic() map[string]any {
	return map[string]any{"ID": p.ID, "Email": p.Email, "Photo": p.Photo, "City": p.City}
}

// clients returns our client and Confluent's client for the same registry.
func clients(t *testing.T) (*registry.Client, schemaregistry.Client) {
	t.Helper()
	server, err := registrytest.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ours, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	theirs, err := schemaregistry.NewClient(schemaregistry.NewConfig(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func theirWriter(t *testing.T, c schemaregistry.Client) *avrov2.Serializer {
	t.Helper()
	conf := avrov2.NewSerializerConfig()
	conf.AutoRegisterSchemas, conf.UseLatestVersion = false, true
	conf.RuleConfig = map[string]string{"secret": "mysecret"}
	s, err := avrov2.NewSerializer(c, confluent.ValueSerde, conf)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func theirReader(t *testing.T, c schemaregistry.Client, change func(*avrov2.DeserializerConfig)) *avrov2.Deserializer {
	t.Helper()
	conf := avrov2.NewDeserializerConfig()
	conf.RuleConfig = map[string]string{"secret": "mysecret"}
	if change != nil {
		change(conf)
	}
	d, err := avrov2.NewDeserializer(c, confluent.ValueSerde, conf)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRules runs both tests with one registry, because the executors of
// Confluent's client are global and accept one configuration only.
func TestRules(t *testing.T) {
	ours, theirs := clients(t)
	t.Run("encryption", func(t *testing.T) { testEncryption(t, ours, theirs) })
	t.Run("migration", func(t *testing.T) { testMigration(t, ours, theirs) })
}

// testEncryption writes with one client and reads with the other client, for
// each rule type, algorithm and form of key.
func testEncryption(t *testing.T, ours *registry.Client, theirs schemaregistry.Client) {
	t.Helper()
	kms, err := encrypt.LocalKMS("mysecret")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := encrypt.NewKeys(ours, encrypt.WithKMS(kms))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	executors := serde.WithRules(keys.Executors()...)
	writer, reader := theirWriter(t, theirs), theirReader(t, theirs, nil)
	for _, typ := range []string{"ENCRYPT", "ENCRYPT_PAYLOAD"} {
		for _, algorithm := range []string{"AES128_GCM", "AES256_GCM", "AES256_SIV"} {
			for _, form := range []string{"wrapped", "shared", "expiry"} {
				topic := fmt.Sprintf("%s-%s-%s", typ, algorithm, form)
				t.Run(topic, func(t *testing.T) {
					prepare(t, ours, topic, typ, algorithm, form)
					s, err := serde.NewSerializer(ours, serde.UseLatest(), executors)
					if err != nil {
						t.Fatal(err)
					}
					g, err := serde.NewGeneric(personSchema)
					if err != nil {
						t.Fatal(err)
					}
					data, err := s.For(topic, serde.Value).Append(t.Context(), nil, g.Record(ada().generic()))
					if err != nil {
						t.Fatal(err)
					}
					var got person
					if err := reader.DeserializeInto(topic, data, &got); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(ada(), got); diff != "" {
						t.Errorf("they read what we wrote: %s", diff)
					}
					value := ada()
					if data, err = writer.Serialize(topic, &value); err != nil {
						t.Fatal(err)
					}
					d, err := serde.NewGenericDeserializer(ours, executors)
					if err != nil {
						t.Fatal(err)
					}
					back, err := d.Decode(t.Context(), serde.Input{Topic: topic, Data: data})
					if diff := cmp.Diff(any(ada().generic()), back); diff != "" || err != nil {
						t.Errorf("we read what they wrote: %v %s", err, diff)
					}
				})
			}
		}
	}
}

// prepare registers the schema with its rule, and a shared KEK.
func prepare(t *testing.T, c *registry.Client, topic, typ, algorithm, form string) {
	t.Helper()
	rule := contract.Rule{
		Name: "protect", Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: typ,
		Params: map[string]string{
			"encrypt.kek.name": "kek-" + topic, "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "key1",
			"encrypt.dek.algorithm": algorithm,
		},
	}
	if form == "expiry" {
		rule.Params["encrypt.dek.expiry.days"] = "1"
	}
	rules := &contract.RuleSet{EncodingRules: []contract.Rule{rule}}
	if typ == "ENCRYPT" {
		rule.Tags = []string{"PII"}
		rules = &contract.RuleSet{DomainRules: []contract.Rule{rule}}
	}
	if _, err := c.Register(t.Context(), topic+"-value", contract.Schema{Text: personSchema, RuleSet: rules}); err != nil {
		t.Fatal(err)
	}
	if form == "shared" {
		kek := contract.KEK{Name: "kek-" + topic, KMSType: "local-kms", KMSKeyID: "key1", Shared: true}
		if _, err := c.CreateKEK(t.Context(), kek); err != nil {
			t.Fatal(err)
		}
	}
}

// testMigration reads a message of each version in the form of each version,
// with both clients.
func testMigration(t *testing.T, ours *registry.Client, theirs schemaregistry.Client) {
	t.Helper()
	versions := []string{
		`{"type":"record","name":"Size","fields":[{"name":"Size","type":"long"},{"name":"Unit","type":"string"}]}`,
		`{"type":"record","name":"Size","fields":[{"name":"Height","type":"long"},{"name":"Unit","type":"string"}]}`,
	}
	type size struct {
		Size, Height int64
		Unit         string
	}
	rules := []*contract.RuleSet{nil, {MigrationRules: []contract.Rule{
		{Name: "up", Kind: contract.Transform, Mode: contract.ModeUpgrade, Type: "JSONATA", Expr: `$merge([$sift($, function($v, $k) {$k != 'Size'}), {'Height': $.'Size'}])`},
		{Name: "down", Kind: contract.Transform, Mode: contract.ModeDowngrade, Type: "JSONATA", Expr: `$merge([$sift($, function($v, $k) {$k != 'Height'}), {'Size': $.'Height'}])`},
	}}}
	if err := ours.SetCompatibility(t.Context(), "sizes-value", compat.None); err != nil {
		t.Fatal(err)
	}
	major := func(n int) map[string]string { return map[string]string{"major": fmt.Sprint(n + 1)} }
	for i, text := range versions {
		if _, err := ours.Register(t.Context(), "sizes-value", contract.Schema{
			Text: text, RuleSet: rules[i], Metadata: &contract.Metadata{Properties: major(i)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	values := []map[string]any{{"Size": int64(7), "Unit": "m"}, {"Height": int64(7), "Unit": "m"}}
	for w := range versions {
		g, err := serde.NewGeneric(versions[w])
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(ours, serde.UseLatestWithMetadata(major(w)))
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.For("sizes", serde.Value).Append(t.Context(), nil, g.Record(values[w]))
		if err != nil {
			t.Fatal(err)
		}
		for r := range versions {
			d, err := serde.NewGenericDeserializer(ours, serde.UseLatestWithMetadata(major(r)), serde.WithRules(jsonata.Executors()...))
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.Decode(t.Context(), serde.Input{Topic: "sizes", Data: data})
			if diff := cmp.Diff(any(values[r]), got); diff != "" || err != nil {
				t.Errorf("we read version %d as %d: %v %s", w+1, r+1, err, diff)
			}
			want := size{Unit: "m"}
			if r == 0 {
				want.Size = 7
			} else {
				want.Height = 7
			}
			var back size
			err = theirReader(t, theirs, func(c *avrov2.DeserializerConfig) { c.UseLatestWithMetadata = major(r) }).DeserializeInto("sizes", data, &back)
			if diff := cmp.Diff(want, back); diff != "" || err != nil {
				t.Errorf("they read version %d as %d: %v %s", w+1, r+1, err, diff)
			}
		}
	}
}

package encrypt_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/encrypt"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A rule of the subject encrypts the fields with the tag PII.
func Example() {
	ctx := context.Background()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	const schema = `{"type":"record","name":"Person","fields":[
		{"name":"email","type":"string","confluent:tags":["PII"]}, {"name":"city","type":"string"}]}`
	must(reg.Register(ctx, "people-value", registry.Schema{
		Text: schema,
		RuleSet: &registry.RuleSet{DomainRules: []registry.Rule{{
			Name: "protect", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"},
			Params: map[string]string{
				"encrypt.kek.name": "people", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "key-1",
			},
		}}},
	}))

	// A service uses the KMS of its cloud instead of the local KMS.
	keys := must(encrypt.NewKeys(reg, encrypt.WithKMS(must(encrypt.LocalKMS("a secret")))))
	defer keys.Close()
	rules := serde.WithRules(keys.Executors()...)

	person := must(serde.NewGeneric(schema)).Record(map[string]any{"email": "ada@example.com", "city": "London"})
	ser := must(serde.NewSerializer(reg, serde.LookupOnly(), rules))
	data := must(ser.For("people", serde.Value).Append(ctx, nil, person))
	fmt.Println("in clear:", bytes.Contains(data, []byte("ada")), bytes.Contains(data, []byte("London")))

	des := must(serde.NewGenericDeserializer(reg, rules))
	fmt.Printf("%s\n", must(des.AppendJSON(ctx, nil, serde.Input{Topic: "people", Data: data})))
	// Output:
	// in clear: false true
	// {"email":"ada@example.com","city":"London"}
}

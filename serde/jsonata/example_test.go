package jsonata_test

import (
	"context"
	"fmt"
	"log"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/jsonata"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// Version 2 renames a field. A reader of version 2 also reads messages of
// version 1.
func Example() {
	ctx := context.Background()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	const old = `{"type":"record","name":"Size","fields":[{"name":"size","type":"int"}]}`
	must(reg.Register(ctx, "sizes-value", registry.Schema{Text: old}))
	if err := reg.SetCompatibility(ctx, "sizes-value", compat.None); err != nil {
		log.Fatal(err)
	}
	must(reg.Register(ctx, "sizes-value", registry.Schema{
		Text: `{"type":"record","name":"Size","fields":[{"name":"height","type":"int"}]}`,
		RuleSet: &registry.RuleSet{MigrationRules: []registry.Rule{
			{Name: "up", Kind: "TRANSFORM", Mode: "UPGRADE", Type: "JSONATA", Expr: `{"height": size}`},
			{Name: "down", Kind: "TRANSFORM", Mode: "DOWNGRADE", Type: "JSONATA", Expr: `{"size": height}`},
		}},
	}))

	size := must(serde.NewGeneric(old)).Record(map[string]any{"size": 7})
	ser := must(serde.NewSerializer(reg, serde.LookupOnly()))
	data := must(ser.For("sizes", serde.Value).Append(ctx, nil, size))

	des := must(serde.NewGenericDeserializer(reg, serde.UseLatest(), serde.WithRules(jsonata.Executors()...)))
	fmt.Println(must(des.Decode(ctx, serde.Input{Topic: "sizes", Data: data})))
	// Output: map[height:7]
}

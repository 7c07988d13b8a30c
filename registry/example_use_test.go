package registry_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// exampleRegistry starts a registry in this process, in place of a real
// registry.
func exampleRegistry(opts ...registrytest.Option) *registrytest.Server {
	server, err := registrytest.NewServer(opts...)
	if err != nil {
		panic(err)
	}
	return server
}

// The registry client reads the same file as the producer. The password comes
// from the environment.
func ExampleWithConfigFile() {
	server := exampleRegistry(registrytest.WithBasicAuth("orders", "s3cr3t"))
	defer server.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "client.properties")
	settings := "bootstrap.servers=broker:9092\nschema.registry.url=" + server.URL + "\n"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		panic(err)
	}
	if err := os.Setenv("ORDERS_BASIC_AUTH_USER_INFO", "orders:s3cr3t"); err != nil {
		panic(err)
	}
	defer os.Unsetenv("ORDERS_BASIC_AUTH_USER_INFO")

	reg, err := registry.New(nil, registry.WithConfigFile(file), registry.WithEnviron("ORDERS_"))
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	subjects, err := reg.Subjects(context.Background())
	fmt.Println(subjects, err)
	// Output: [] <nil>
}

// TestCompatibility says whether the registry would accept a schema. If not,
// the findings give the reasons.
func ExampleClient_TestCompatibility() {
	server := exampleRegistry()
	defer server.Close()
	if err := server.Seed("orders-value", `{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}`); err != nil {
		panic(err)
	}
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	findings, err := reg.TestCompatibility(context.Background(), "orders-value", registry.Schema{
		Text: `{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`,
	})
	for _, f := range findings {
		fmt.Println(f.Type, f.Path)
	}
	fmt.Println(err)
	// Output:
	// READER_FIELD_MISSING_DEFAULT_VALUE /fields/1
	// <nil>
}

// The token comes from an OAuth 2.0 endpoint and is renewed before it expires.
// WithTLS takes a client certificate and your own certificate authority.
func ExampleWithTokenSource() {
	tokens := &registry.ClientCredentials{
		TokenURL: "https://id.example/token", ClientID: "orders", ClientSecret: os.Getenv("CLIENT_SECRET"),
		Scopes: []string{"registry"},
	}
	reg, err := registry.New([]string{"https://registry.example"},
		registry.WithTokenSource(tokens),
		registry.WithTLS(&tls.Config{MinVersion: tls.VersionTLS13}))
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	fmt.Println(reg)
	fmt.Println(tokens)
	// Output:
	// registry.Client(https://registry.example)
	// registry.ClientCredentials(https://id.example/token as orders)
}

// Metadata and rules belong to a version. The serializer and the deserializer
// apply the rules.
func ExampleClient_Register_contract() {
	server := exampleRegistry()
	defer server.Close()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	ctx := context.Background()
	_, err = reg.Register(ctx, "orders-value", registry.Schema{
		Text:     `{"type":"record","name":"Order","fields":[{"name":"email","type":"string"}]}`,
		Metadata: &registry.Metadata{Tags: map[string][]string{"Order.email": {"PII"}}},
		RuleSet: &registry.RuleSet{DomainRules: []registry.Rule{
			{Name: "encrypt", Kind: "TRANSFORM", Type: "ENCRYPT", Mode: "WRITEREAD", Tags: []string{"PII"}},
		}},
	})
	if err != nil {
		panic(err)
	}
	v, err := reg.Latest(ctx, "orders-value")
	fmt.Println(v.Version, v.Metadata.Tags, v.RuleSet.DomainRules[0].Type, err)
	// Output: 1 map[Order.email:[PII]] ENCRYPT <nil>
}

// The same program runs against the registries of several vendors.
func ExampleClient_Register_dialects() {
	for _, dialect := range registrytest.Dialects() {
		server := exampleRegistry(registrytest.WithDialect(dialect))
		reg, err := registry.New([]string{server.URL})
		if err != nil {
			panic(err)
		}
		v, err := reg.Register(context.Background(), "orders-value", registry.Schema{Text: `"string"`})
		fmt.Println(dialect, v.ID, err)
		_, _ = reg.Close(), server.Close()
	}
	// Output:
	// Confluent 8 1 <nil>
	// Confluent 7 1 <nil>
	// Karapace 1 <nil>
	// Redpanda 1 <nil>
	// Apicurio 1 <nil>
}

// With a disk cache a service starts while the registry is away.
func ExampleWithDiskCache() {
	ctx := context.Background()
	server := exampleRegistry()
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, away := range []bool{false, true} {
		if away {
			server.Close()
		}
		reg, err := registry.New([]string{server.URL}, registry.WithDiskCache(dir), registry.WithRetries(0, 0, 0))
		if err != nil {
			panic(err)
		}
		v, err := reg.Register(ctx, "names", registry.Schema{Text: `"string"`})
		fmt.Println("away:", away, "id:", v.ID, "error:", err)
		reg.Close()
	}
	// Output:
	// away: false id: 1 error: <nil>
	// away: true id: 1 error: <nil>
}

// Hooks see every look-up and the origin of the answer.
func ExampleWithHooks() {
	ctx := context.Background()
	server := exampleRegistry()
	defer server.Close()
	reg, err := registry.New([]string{server.URL}, registry.WithHooks(registry.Hooks{
		Answered: func(_ context.Context, a registry.Answered) { fmt.Println(a.Operation, a.Subject, a.Origin, a.Err) },
	}))
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	for range 2 {
		if _, err := reg.Register(ctx, "names", registry.Schema{Text: `"string"`}); err != nil {
			panic(err)
		}
	}
	// Output:
	// register names registry <nil>
	// register names memory <nil>
}

// FindVersion finds the version that means the same as a schema, even if its
// text differs.
func ExampleClient_FindVersion() {
	ctx := context.Background()
	server := exampleRegistry()
	defer server.Close()
	if err := server.Seed("names", `"string"`, `{"type":"record","name":"Name","doc":"A name.","fields":[{"name":"text","type":"string"}]}`); err != nil {
		panic(err)
	}
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	v, err := reg.FindVersion(ctx, "names", `{"type":"record","name":"Name","fields":[{"name":"text","type":"string"}]}`)
	fmt.Println(v.Version, err)
	// Output: 2 <nil>
}

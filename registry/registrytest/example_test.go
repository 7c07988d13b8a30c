package registrytest_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// The registry fails twice, and the log shows the client's requests.
func ExampleServer_Inject() {
	server, err := registrytest.NewServer()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	if err := server.Seed("names", `"string"`); err != nil {
		panic(err)
	}
	server.Inject(registrytest.Status(503), registrytest.OnID(1), registrytest.Times(2))

	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()
	v, err := reg.SchemaByID(context.Background(), "", 1)
	fmt.Println(v.Schema, err)
	for _, r := range server.Log() {
		fmt.Println(r)
	}
	// Output:
	// "string" <nil>
	// GET /schemas/ids/1
	// GET /schemas/ids/1
	// GET /schemas/ids/1
}

// Seed stores the versions of a subject. The dialect makes the registry answer
// like another product.
func ExampleWithDialect() {
	ctx := context.Background()
	for _, dialect := range []registrytest.Dialect{registrytest.Confluent8, registrytest.Karapace} {
		server, err := registrytest.NewServer(registrytest.WithDialect(dialect))
		if err != nil {
			panic(err)
		}
		if err := server.Seed("names", `"string"`, `["null", "string"]`); err != nil {
			panic(err)
		}
		reg, err := registry.New([]string{server.URL})
		if err != nil {
			panic(err)
		}
		v, err := reg.Latest(ctx, "names")
		fmt.Println(dialect, "version", v.Version, "with a GUID:", v.GUID != uuid.Nil, err)
		reg.Close()
		server.Close()
	}
	// Output:
	// Confluent 8 version 2 with a GUID: true <nil>
	// Karapace version 2 with a GUID: false <nil>
}

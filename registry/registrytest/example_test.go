package registrytest_test

import (
	"context"
	"fmt"

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

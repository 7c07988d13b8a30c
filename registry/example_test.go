package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

func Example() {
	server, err := registrytest.NewServer() // a service uses the URL of a real registry
	if err != nil {
		panic(err)
	}
	defer server.Close()

	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()

	ctx := context.Background()
	v, err := reg.Register(ctx, "orders-value", registry.Schema{Text: `{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}`})
	fmt.Println(v.ID, err)

	_, err = reg.Register(ctx, "orders-value", registry.Schema{Text: `{"type":"record","name":"Order","fields":[{"name":"number","type":"long"}]}`})
	var refused *registry.IncompatibleError
	if errors.As(err, &refused) {
		for _, f := range refused.Findings {
			fmt.Println(f.Type, f.Path, f.Message)
		}
	}
	// Output:
	// 1 <nil>
	// READER_FIELD_MISSING_DEFAULT_VALUE /fields/0 number
}

// At its start a service asks for everything that it will need, and sees all
// problems at once.
func ExampleClient_Warm() {
	server, err := registrytest.NewServer()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	defer reg.Close()

	err = reg.Warm(context.Background(),
		registry.NeedRegistered("orders-value", `"string"`),
		registry.NeedLatest("payments-value"),
		registry.NeedID(7))
	fmt.Println(strings.Count(err.Error(), "\n")+1, "problems")
	fmt.Println(errors.Is(err, registry.ErrSubjectNotFound), errors.Is(err, registry.ErrSchemaNotFound))
	// Output:
	// 2 problems
	// true true
}

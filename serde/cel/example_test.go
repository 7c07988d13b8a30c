package cel_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/cel"
)

// The subject has a condition in CEL. A record that breaks the condition is
// refused and never written.
func Example() {
	ctx := context.Background()
	server, err := registrytest.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()
	var e orders.OrderCancelled
	_, err = reg.Register(ctx, "orders-value", registry.Schema{
		Text: e.AvroSchema(),
		RuleSet: &registry.RuleSet{DomainRules: []registry.Rule{
			{Name: "reason", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "size(message.reason) > 0"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}

	s, err := serde.NewSerializer(reg, serde.WithRules(cel.Executors()...))
	if err != nil {
		log.Fatal(err)
	}
	value := s.For("orders", serde.Value)
	_, err = value.Append(ctx, nil, &orders.OrderCancelled{Reason: "sold out"})
	fmt.Println("with a reason:", err)
	_, err = value.Append(ctx, nil, &orders.OrderCancelled{})
	fmt.Println("without a reason:", errors.Is(err, serde.ErrCondition))
	// Output:
	// with a reason: <nil>
	// without a reason: true
}

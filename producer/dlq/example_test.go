package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/dlq"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/cel"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A record that does not meet a condition goes to the dead-letter topic.
func Example() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders.dead", 1)))
	defer broker.Close()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	const schema = `{"type":"record","name":"Order","fields":[{"name":"cents","type":"long"}]}`
	must(reg.Register(ctx, "orders-value", registry.Schema{Text: schema, RuleSet: &registry.RuleSet{DomainRules: []registry.Rule{{
		Name: "positive", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "message.cents > 0", OnFailure: "DLQ",
	}}}}))

	// The dead letters have a producer of their own.
	dead := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg, serde.IgnoreRules()))))
	action := must(dlq.New(dead, "orders.dead"))
	ser := must(serde.NewSerializer(reg, serde.UseLatest(), serde.WithRules(cel.Executors()...), serde.WithActions(action)))

	order := must(serde.NewGeneric(schema)).Record(map[string]any{"cents": int64(-1)})
	_, err := ser.For("orders", serde.Value).Append(ctx, nil, order)
	var refused *serde.RuleError
	fmt.Println(errors.As(err, &refused), refused.Rule, refused.Handled)
	if err := dead.Close(ctx); err != nil {
		log.Fatal(err)
	}

	reader := must(kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumeTopics("orders.dead")))
	defer reader.Close()
	for _, r := range reader.PollFetches(ctx).Records() {
		for _, h := range r.Headers {
			fmt.Printf("%s: %s\n", h.Key, h.Value)
		}
	}
	// Output:
	// true positive true
	// __rule.name: positive
	// __rule.mode: WRITE
	// __rule.subject: orders-value
	// __rule.topic: orders
	// __rule.exception: serde: unmet condition
}

package dlq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/dlq"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/cel"
)

const schema = `{"type":"record","name":"Order","fields":[{"name":"cents","type":"long"},{"name":"email","type":"string","confluent:tags":["PII"]}]}`

// broken is an executor of ENCRYPT rules that never works.
type broken struct{}

func (broken) Type() string { return "ENCRYPT" }

func (broken) Bind(context.Context, serde.BoundRule) (serde.RuleFunc, error) {
	return func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no right to the key") }, nil
}

type world struct {
	broker *producertest.Broker
	reg    *registry.Client
	dead   *producer.Producer
}

func newWorld(t *testing.T, rules ...contract.Rule) *world {
	t.Helper()
	broker, err := producertest.NewBroker(producertest.WithTopic("orders", 1), producertest.WithTopic("orders.dead", 1), producertest.WithTopic("other.dead", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	server := registrytest.Start(t)
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reg.Close() })
	if _, err := reg.Register(t.Context(), "orders-value", contract.Schema{Text: schema, RuleSet: &contract.RuleSet{DomainRules: rules}}); err != nil {
		t.Fatal(err)
	}
	plain, err := serde.NewSerializer(reg, serde.IgnoreRules())
	if err != nil {
		t.Fatal(err)
	}
	dead, err := producer.New(broker.Addrs(), plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := dead.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &world{broker, reg, dead}
}

func (w *world) action(t *testing.T, topic string, opts ...dlq.Option) serde.CommonOption {
	t.Helper()
	a, err := dlq.New(w.dead, topic, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return serde.WithActions(a)
}

// one reads the only record of a dead-letter topic.
func (w *world) one(t *testing.T, topic string) *kgo.Record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Addrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	records := c.PollFetches(ctx).Records()
	if len(records) != 1 {
		t.Fatalf("%d dead letters in %s", len(records), topic)
	}
	return records[0]
}

func headers(r *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range r.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

func rule(typ, kind, mode, expr string, tags ...string) contract.Rule {
	return contract.Rule{Name: "check", Type: typ, Kind: kind, Mode: mode, Expr: expr, Tags: tags, OnFailure: "DLQ"}
}

func order(t *testing.T, reg serde.Registry, opts ...serde.Option) ([]byte, error) {
	t.Helper()
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, append([]serde.Option{serde.UseLatest()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s.For("orders", serde.Value).Append(t.Context(), nil, g.Record(map[string]any{"cents": int64(-1), "email": "ada@example.com"}))
}

// handled checks that the error says that the action has run.
func handled(t *testing.T, err error) {
	t.Helper()
	var r *serde.RuleError
	if !errors.As(err, &r) || !r.Handled || r.Action != "DLQ" {
		t.Errorf("%v", err)
	}
}

// TestDeadLetters checks that the dead letters of a writer and of a reader are
// the record before all rules.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{contract.ModeWrite, contract.ModeRead} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, rule("CEL", contract.Condition, mode, "message.cents > 0"))
			original, err := order(t, w.reg, serde.IgnoreRules())
			if err != nil {
				t.Fatal(err)
			}
			rules, action := serde.WithRules(cel.Executors()...), w.action(t, "orders.dead")
			if mode == contract.ModeWrite {
				_, err = order(t, w.reg, rules, action)
			} else {
				var d *serde.GenericDeserializer
				if d, err = serde.NewGenericDeserializer(w.reg, rules, action); err != nil {
					t.Fatal(err)
				}
				_, err = d.Decode(t.Context(), serde.Input{Topic: "orders", Data: original})
			}
			handled(t, err)
			r := w.one(t, "orders.dead")
			if string(r.Value) != string(original) {
				t.Errorf("the dead letter is %q, want %q", r.Value, original)
			}
			if diff := cmp.Diff(map[string]string{
				dlq.HeaderRule: "check", dlq.HeaderMode: mode, dlq.HeaderSubject: "orders-value", dlq.HeaderTopic: "orders",
				dlq.HeaderException: "serde: unmet condition",
			}, headers(r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSecrets checks that a record with a value that was not encrypted is never
// sent in clear text.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rule("ENCRYPT", contract.Transform, contract.ModeWrite, "", "PII"))
	_, err := order(t, w.reg, serde.WithRules(broken{}), w.action(t, "orders.dead"))
	handled(t, err)
	r := w.one(t, "orders.dead")
	if len(r.Value) != 0 || headers(r)[dlq.HeaderWithheld] == "" {
		t.Errorf("%q, %v", r.Value, headers(r))
	}
	_, err = order(t, w.reg, serde.WithRules(broken{}), w.action(t, "other.dead", dlq.WithClearText()))
	handled(t, err)
	if r := w.one(t, "other.dead"); !strings.Contains(string(r.Value), "ada@") {
		t.Errorf("control: %q", r.Value)
	}
}

// TestHeaderAndTopic checks that the id of the schema may be in a header. The
// rule may name the topic.
func TestHeaderAndTopic(t *testing.T) {
	t.Parallel()
	failing := rule("CEL", contract.Condition, contract.ModeWrite, "message.cents > 0")
	failing.Params = map[string]string{"dlq.topic": "other.dead"}
	w := newWorld(t, failing)
	_, err := order(t, w.reg, serde.IDInHeader(), serde.WithRules(cel.Executors()...), w.action(t, ""))
	handled(t, err)
	r := w.one(t, "other.dead")
	get := func(key string) ([]byte, bool) { v, ok := headers(r)[key]; return []byte(v), ok }
	d, err := serde.NewGenericDeserializer(w.reg, serde.IgnoreRules())
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.Decode(t.Context(), serde.Input{Topic: "orders", Data: r.Value, Header: get}); err != nil || v.(map[string]any)["cents"] != int64(-1) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	if _, err := dlq.New(nil, "x"); err == nil {
		t.Error("a nil producer was taken")
	}
	w := newWorld(t, rule("CEL", contract.Condition, contract.ModeWrite, "message.cents > 0"))
	for _, topic := range []string{"", "not a topic", "orders"} { // orders is the topic of the record
		_, err := order(t, w.reg, serde.WithRules(cel.Executors()...), w.action(t, topic))
		var r *serde.RuleError
		if !errors.As(err, &r) || r.Handled || !errors.Is(err, serde.ErrCondition) || !strings.Contains(err.Error(), "topic") {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

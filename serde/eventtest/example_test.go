package eventtest_test

import (
	"testing"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/eventtest"
)

// The test of a consumer reads values of every version in the history of git.
// The example needs a test of its own, and therefore does not run.
func ExampleVersions() {
	_ = func(t *testing.T) { // func TestReadsAllOfHistory(t *testing.T)
		for _, v := range eventtest.Versions(t, "../schemas/orders", eventtest.WithType("shop.orders.OrderCreated")) {
			d, err := serde.NewDeserializer[orders.OrderCreated](nil, serde.WithSchemas(v.Schema))
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range v.Messages() {
				if _, err := d.Decode(t.Context(), serde.Input{Data: message}); err != nil {
					t.Errorf("an order of %s cannot be read: %v", v.Label, err)
				}
			}
		}
	}
}

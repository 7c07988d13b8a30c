package main

import (
	"testing"

	v4 "github.com/avroline/avroline/examples/evolution/v4"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/eventtest"
)

// TestReadsAllOfHistory reads orders of every release with the fourth release.
// The orders of the refused fifth release cannot be read.
func TestReadsAllOfHistory(t *testing.T) {
	t.Parallel()
	for _, v := range eventtest.Versions(t, "schemas") {
		d, err := serde.NewDeserializer[v4.Order](nil, serde.WithSchemas(v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range v.Messages() {
			_, err := d.Decode(t.Context(), serde.Input{Data: message})
			if readable := v.Label != "v5"; readable != (err == nil) {
				t.Errorf("an order of %s: %v", v.Label, err)
			}
		}
	}
}

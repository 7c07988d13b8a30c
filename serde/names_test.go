package serde_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/serde"
)

// A writer schema may have names that the specification refuses.
func TestWriterOfOtherNames(t *testing.T) {
	t.Parallel()
	const writer = `{"type": "record", "name": "Order", "namespace": "my-company.orders", "fields": [
		{"name": "id", "type": "int"}, {"name": "state", "type": {"type": "enum", "name": "State-1", "symbols": ["A"]}}]}`
	const reader = `{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}`
	p, err := serde.Resolve(writer, reader)
	if err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(reader)
	if err != nil {
		t.Fatal(err)
	}
	v, err := g.DecodePlan(p, []byte("\x0e\x00"))
	if diff := cmp.Diff(map[string]any{"id": int64(7)}, v); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	own, err := serde.NewGeneric(writer)
	if err != nil {
		t.Fatal(err)
	}
	v, err = own.Decode([]byte("\x0e\x00"))
	if diff := cmp.Diff(map[string]any{"id": int32(7), "state": "A"}, v); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

package serde_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/serde"
)

// TestWriterOfOtherNames checks that a writer schema may have names that the
// specification refuses.
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

// TestGenericOfOtherNames reads schemas with names that goavro refuses. Java
// once wrote names with letters outside of ASCII.
func TestGenericOfOtherNames(t *testing.T) {
	t.Parallel()
	g, err := serde.NewGeneric(`{"type": "record", "name": "Größe", "fields": [{"name": "größe", "type": "int"}, {"name": "_gr__e", "type": "int"},
		{"name": "e", "type": {"type": "enum", "name": "Ü", "symbols": ["Ä", "a-b", "C.D"]}}, {"name": "$u", "type": ["null", "Ü", "Größe"], "default": null}]}`)
	if err != nil {
		t.Fatal(err)
	}
	value := map[string]any{"größe": int32(1), "_gr__e": int32(2), "e": "a-b", "$u": map[string]any{"Ü": "C.D"}}
	const want = "\x02\x04\x02\x02\x04"
	data, err := g.Append(nil, value)
	if err != nil || string(data) != want {
		t.Fatalf("%q, %v", data, err)
	}
	back, err := g.Decode(data)
	if diff := cmp.Diff(any(value), back); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	for _, form := range []struct {
		name, json string
		write      func(dst, data []byte) ([]byte, error)
		read       func(dst, json []byte) ([]byte, error)
	}{
		{"avro", `{"größe":1,"_gr__e":2,"e":"a-b","$u":{"Ü":"C.D"}}`, g.AppendJSON, g.AppendFromJSON},
		{"plain", `{"größe":1,"_gr__e":2,"e":"a-b","$u":"C.D"}`, g.AppendPlainJSON, g.AppendFromPlainJSON},
	} {
		text, err := form.write(nil, data)
		if err != nil || string(text) != form.json {
			t.Errorf("%s: %s, %v", form.name, text, err)
		}
		if data, err := form.read(nil, text); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", form.name, data, err)
		}
	}
	if _, err := g.Append(nil, map[string]any{"größe": int32(1), "_gr__e": int32(2), "e": "Ä", "__gr__e": nil}); err == nil {
		t.Error("the name that goavro gets was taken for a field")
	}
}

// TestKnownSchemaOfOtherNames checks that schemas for the single-object
// encoding may have names that the specification refuses, like other writer
// schemas.
func TestKnownSchemaOfOtherNames(t *testing.T) {
	t.Parallel()
	_, err := serde.NewGenericDeserializer(nil, serde.WithSchemas(`{"type": "record", "name": "Order", "namespace": "my-company.orders", "name": "Order", "fields": []}`))
	if err != nil {
		t.Error(err)
	}
}

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// A schema that was registered in parts, its address a subject of its own, is
// found by its whole text, and what we write under it Python's client and our
// own read through the reference.
func TestReferences(t *testing.T) {
	const (
		address = `{"type":"record","name":"Address","namespace":"n","fields":[{"name":"city","type":"string"}]}`
		parts   = `{"type":"record","name":"Person","namespace":"n","fields":[{"name":"name","type":"string"},{"name":"home","type":"n.Address"}]}`
		whole   = `{"type":"record","name":"Person","namespace":"n","fields":[{"name":"name","type":"string"},{"name":"home","type":` + address + `}]}`
	)
	python := install(t, otherclients.Python)
	name := topic(t, 1, nil)
	reg, _ := clients(t)
	if _, err := reg.RegisterSchema(t.Context(), name+"-address", registry.Schema{Text: address}); err != nil {
		t.Fatal(err)
	}
	version, err := reg.RegisterSchema(t.Context(), name+"-value", registry.Schema{
		Text: parts, References: []registry.Reference{{Name: "n.Address", Subject: name + "-address", Version: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ser, err := serde.NewSerializer(reg, serde.LookupOnly())
	if err != nil {
		t.Fatal(err)
	}
	person, err := serde.NewGeneric(whole)
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(cluster(t).Addrs(), ser)
	if err != nil {
		t.Fatal(err)
	}
	people := producer.NewTopic(name, producer.NoKey[avrobin.Record]())
	d, err := people.Publish(t.Context(), p, person.Record(map[string]any{"name": "ada", "home": map[string]any{"city": "Zürich"}}))
	if err != nil {
		t.Fatal(err)
	}
	if d.ValueSchemaID != version.ID {
		t.Errorf("written under id %d, registered in parts as %d", d.ValueSchemaID, version.ID)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	records, err := python.Read(t.Context(), cluster(t).Addrs(), name, schemas(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 {
		t.Fatalf("Python read %d records", len(records))
	}
	if err := sameJSON(records[0].Value, []byte(`{"name":"ada","home":{"city":"Zürich"}}`)); err != nil {
		t.Error("Python:", err)
	}

	fresh, _ := clients(t) // knows nothing yet
	des, err := serde.NewGenericDeserializer(fresh)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range logread.All(t.Context(), cluster(t).Addrs(), name) {
		if err != nil {
			t.Fatal(err)
		}
		if err := readPerson(t, des, r); err != nil {
			t.Error(err)
		}
	}
}

func readPerson(t *testing.T, des *serde.GenericDeserializer, r *kgo.Record) error {
	t.Helper()
	v, err := des.Decode(t.Context(), serde.Input{Topic: r.Topic, Data: r.Value})
	if err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if want := `{"home":{"city":"Zürich"},"name":"ada"}`; string(text) != want {
		return fmt.Errorf("read as %s, want %s", text, want)
	}
	return nil
}

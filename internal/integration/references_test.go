//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TestReferences registers a schema in two parts. The address has a separate
// subject. Our client finds the schema by its whole text. Python's client and
// our client read the events through the reference.
func TestReferences(t *testing.T) {
	const (
		address = `{"type":"record","name":"Address","namespace":"n","fields":[{"name":"city","type":"string"}]}`
		parts   = `{"type":"record","name":"Person","namespace":"n","fields":[{"name":"name","type":"string"},{"name":"home","type":"n.Address"}]}`
		whole   = `{"type":"record","name":"Person","namespace":"n","fields":[{"name":"name","type":"string"},{"name":"home","type":` + address + `}]}`
	)
	python := install(t, otherclients.Python)
	name := topic(t, 1, nil)
	reg, _ := clients(t)
	if _, err := reg.Register(t.Context(), name+"-address", registry.Schema{Text: address}); err != nil {
		t.Fatal(err)
	}
	version, err := reg.Register(t.Context(), name+"-value", registry.Schema{
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

	fresh, _ := clients(t) // a client with empty caches
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

// TestReferencesOfOthers lets Python's client register a schema in four parts.
// The address and the person both refer to the country. Our typed and our
// generic deserializer read the events. Our type lacks two fields of the writer
// and has other fields.
func TestReferencesOfOthers(t *testing.T) {
	const (
		country = `{"type":"enum","name":"Country","namespace":"n","symbols":["CH","LI"]}`
		address = `{"type":"record","name":"Address","namespace":"n","fields":[{"name":"city","type":"string"},{"name":"country","type":"n.Country"}]}`
		// The parts come first, each part after the parts that it refers to.
		parts = `{"type":"record","name":"ClickEvent","namespace":"web.clicks","fields":[` +
			`{"name":"from","type":"n.Address"},{"name":"born","type":"n.Country"},` +
			`{"name":"path","type":"string"},{"name":"status","type":"int"},{"name":"visitor","type":"string"},` +
			`{"name":"event_id","type":"string"},{"name":"at","type":"long"},{"name":"ip","type":"string"},` +
			`{"name":"method","type":"string"},{"name":"protocol","type":"string"}]}`
	)
	type reference struct {
		Name    string `json:"name"`
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	type part struct {
		Subject    string      `json:"subject"`
		Schema     string      `json:"schema"`
		References []reference `json:"references"`
	}
	python := install(t, otherclients.Python)
	name := topic(t, 1, nil)
	toCountry, toAddress := reference{"n.Country", name + "-country", 1}, reference{"n.Address", name + "-address", 1}
	first, err := json.Marshal(map[string][]part{"parts": {
		{toCountry.Subject, country, []reference{}},
		{toAddress.Subject, address, []reference{toCountry}},
		{name + "-value", parts, []reference{toAddress, toCountry}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	input := []string{string(first)}
	for n := range events {
		e := click(n)
		path, err := json.Marshal(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		input = append(input, fmt.Sprintf(`{"from":{"city":"Zürich","country":"CH"},"born":"LI","path":%s,"status":%d,"visitor":%q,"event_id":%q,"at":%d,"ip":"h","method":"GET","protocol":"p"}`,
			path, e.Status, e.Visitor, e.EventID, e.At.UnixMilli()))
	}
	if _, err := python.Run(t.Context(), input, "write", strings.Join(cluster(t).Addrs(), ","), name, schemas(t).URL); err != nil {
		t.Fatal(err)
	}

	reg, _ := clients(t)
	typed, err := serde.NewDeserializer[clicks.ClickEvent](reg)
	if err != nil {
		t.Fatal(err)
	}
	generic, err := serde.NewGenericDeserializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := range logread.All(t.Context(), cluster(t).Addrs(), name) {
		if err != nil {
			t.Fatal(err)
		}
		in := serde.Input{Topic: name, Data: r.Value}
		want := click(n)
		switch got, err := typed.Decode(t.Context(), in); {
		case err != nil:
			t.Fatal(err)
		case got.EventID != want.EventID || got.Path != want.Path || !got.At.Equal(want.At) || got.Visitor != want.Visitor:
			t.Errorf("event %d is read as %+v", n, got)
		}
		text, err := generic.AppendJSON(t.Context(), nil, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameJSON(text, []byte(input[1+n])); err != nil {
			t.Errorf("event %d: %v", n, err)
		}
		n++
	}
	if n != events {
		t.Errorf("%d events, want %d", n, events)
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

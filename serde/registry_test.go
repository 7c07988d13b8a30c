package serde_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// The client implements the interfaces of package serde.
var (
	_ serde.Registry       = (*registry.Client)(nil)
	_ serde.VersionFinder  = (*registry.Client)(nil)
	_ serde.MetadataFinder = (*registry.Client)(nil)
)

func startRegistry(tb testing.TB) (*registrytest.Server, *registry.Client) {
	tb.Helper()
	server := registrytest.Start(tb)
	client, err := registry.New([]string{server.URL})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return server, client
}

// suite is a registry, and a topic that only this test uses. docs/registry.md
// lists the missing features of each registry.
type suite struct {
	*registry.Client
	topic            string
	guids, contracts bool
	apicurio         bool
}

// eachRegistry runs a test with every dialect of registrytest, or with the
// registry of AVROLINE_TEST_REGISTRY.
func eachRegistry(t *testing.T, test func(*testing.T, suite)) {
	t.Helper()
	t.Parallel()
	start := func(t *testing.T, url string) suite {
		t.Helper()
		client, err := registry.New([]string{url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return suite{Client: client, topic: "orders-" + uuid.NewString()}
	}
	if url := os.Getenv("AVROLINE_TEST_REGISTRY"); url != "" {
		s := start(t, url)
		s.apicurio = strings.Contains(url, "/apis/ccompat/")
		s.guids, s.contracts = !s.apicurio, !s.apicurio
		test(t, s)
		return
	}
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, registrytest.Start(t, registrytest.WithDialect(dialect), registrytest.WithLevel(compat.Backward)).URL)
			s.apicurio = dialect == registrytest.Apicurio
			s.guids = dialect == registrytest.Confluent8
			s.contracts = s.guids || dialect == registrytest.Confluent7
			test(t, s)
		})
	}
}

// TestSuiteAllWays writes and reads a record with every way to find an id.
func TestSuiteAllWays(t *testing.T) { eachRegistry(t, suiteAllWays) }

func suiteAllWays(t *testing.T, client suite) {
	app1 := map[string]string{"app": "1"}
	topic, orders := client.topic, client.topic+"-value"
	if _, err := client.Register(t.Context(), orders, registry.Schema{Text: `"null"`}); err != nil { // another version
		t.Fatal(err)
	}
	if err := client.SetCompatibility(t.Context(), orders, compat.None); err != nil {
		t.Fatal(err)
	}
	v, err := client.Register(t.Context(), orders, registry.Schema{
		Text: orderSchema, Metadata: &registry.Metadata{Properties: app1},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := mustSerializer(t, client)
	d := mustDeserializer[order](t, client)
	for name, opts := range map[string][]serde.Option{
		"AutoRegister":              nil,
		"AutoRegister, normalized":  {serde.Normalize()},
		"LookupOnly":                {serde.LookupOnly()},
		"LookupOnly, normalized":    {serde.LookupOnly(), serde.Normalize()},
		"UseLatest":                 {serde.UseLatest()},
		"UseLatestWithMetadata":     {serde.UseLatestWithMetadata(app1)},
		"UseID":                     {serde.UseID(v.ID)},
		"AutoRegister, header":      {serde.IDInHeader()},
		"LookupOnly, header":        {serde.LookupOnly(), serde.IDInHeader()},
		"UseLatest, header":         {serde.UseLatest(), serde.IDInHeader()},
		"UseLatestWith, header":     {serde.UseLatestWithMetadata(app1), serde.IDInHeader()},
		"RecordName, auto-register": {serde.WithSubject(serde.RecordName)},
	} {
		if strings.HasSuffix(name, "header") && !client.guids || strings.HasPrefix(name, "UseLatestWith") && !client.contracts {
			continue
		}
		b := s.For(topic, serde.Value, opts...)
		data, err := b.Append(t.Context(), nil, anOrder)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in := serde.Input{Topic: topic, Data: data}
		h, inHeader, err := b.Header(t.Context(), anOrder)
		if err != nil || inHeader != strings.HasSuffix(name, "header") {
			t.Errorf("%s: header %v, %v", name, inHeader, err)
		}
		if inHeader {
			in.Header = headers(h)
		}
		if got, err := d.Decode(t.Context(), in); err != nil || got != *anOrder {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	own, err := s.For("plain"+topic, serde.Value).Registered(t.Context(), anOrder)
	if err != nil {
		t.Fatal(err)
	}
	if !client.guids {
		if _, _, err := s.For("plain"+topic, serde.Value, serde.IDInHeader()).Header(t.Context(), anOrder); err == nil {
			t.Error("a header without a GUID")
		}
	} else if h, _, err := s.For("plain"+topic, serde.Value, serde.UseID(own.ID), serde.IDInHeader()).Header(t.Context(), anOrder); err != nil || string(h.Value[1:]) != string(own.GUID[:]) {
		t.Errorf("UseID, header: %x, %v", h, err)
	}
	if _, err := s.For(topic, serde.Value, serde.UseLatestWithMetadata(map[string]string{"app": "2"})).Append(t.Context(), nil, anOrder); !errors.Is(err, serde.ErrUnknownSchema) && client.contracts {
		t.Errorf("metadata that nothing has: %v", err)
	}
	_, err = s.For(topic, serde.Value, serde.UseID(1<<30)).Append(t.Context(), nil, anOrder)
	if !errors.Is(err, serde.ErrUnknownSchema) || !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("an id that is not there: %v", err)
	}
	for _, subject := range []string{topic, "nowhere" + topic} {
		_, err = s.For(subject, serde.Key, serde.LookupOnly()).Append(t.Context(), nil, anOrder)
		if !errors.Is(err, serde.ErrUnknownSchema) {
			t.Errorf("look-up of what is not there: %v", err)
		}
	}
}

// TestSuiteReferences checks that LookupOnly finds a schema that was registered
// in parts. A reader gets the whole schema for the id.
func TestSuiteReferences(t *testing.T) { eachRegistry(t, suiteReferences) }

func suiteReferences(t *testing.T, client suite) {
	topic := client.topic
	const line = `{"type":"record","name":"shop.Line","fields":[{"name":"sku","type":"string"}]}`
	const cart = `{"type":"record","name":"shop.Cart","fields":[{"name":"line","type":%s}]}`
	whole, err := client.Register(t.Context(), "carts"+topic+"-value", registry.Schema{
		Text:       fmt.Sprintf(cart, `"shop.Line"`),
		References: []registry.Reference{client.register(t, "shop.Line", line)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := mustSerializer(t, client, serde.LookupOnly())
	r := mustGeneric(t, fmt.Sprintf(cart, line)).Record(map[string]any{"line": map[string]any{"sku": "x"}})
	b := s.For("carts"+topic, serde.Value)
	in, err := b.Registered(t.Context(), r)
	if err != nil || in.ID != whole.ID {
		t.Fatalf("%+v, %v, want id %d", in, err, whole.ID)
	}
	other := mustGeneric(t, fmt.Sprintf(cart, strings.Replace(line, "string", "bytes", 1)))
	if err := b.Prepare(t.Context(), other.Record(map[string]any{})); !errors.Is(err, serde.ErrUnknownSchema) {
		t.Errorf("another schema: %v", err)
	}

	// The schema of this topic is a union of references.
	union, err := client.Register(t.Context(), "events"+topic+"-value", registry.Schema{
		Text: `["shop.Order","shop.Cancelled"]`,
		References: []registry.Reference{
			client.register(t, "shop.Order", orderSchema), client.register(t, "shop.Cancelled", cancelledSchema),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	events := mustSerializer(t, client, serde.UseLatest()).For("events"+topic, serde.Value)
	m := newOrderMux(t, client)
	data, err := events.Append(t.Context(), nil, &cancelled{"no"})
	if err != nil || binary.BigEndian.Uint32(data[1:]) != uint32(union.ID) || data[5] != 2 {
		t.Fatalf("%x, %v", data, err)
	}
	got, err := m.Decode(t.Context(), serde.Input{Data: data})
	if c, ok := got.(*cancelled); err != nil || !ok || c.Reason != "no" {
		t.Errorf("%+v, %v", got, err)
	}
	// A reader of one type reads its branch of the union, and refuses other
	// branches.
	d := mustDeserializer[cancelled](t, client)
	if c, err := d.Decode(t.Context(), serde.Input{Data: data}); err != nil || c.Reason != "no" {
		t.Errorf("%+v, %v", c, err)
	}
	data, err = events.Append(t.Context(), nil, anOrder)
	if err != nil {
		t.Fatal(err)
	}
	var de *serde.DecodeError
	if _, err := d.Decode(t.Context(), serde.Input{Data: data}); !errors.As(err, &de) {
		t.Errorf("the other branch: %v", err)
	}
}

func (s suite) register(t *testing.T, name, schema string) registry.Reference {
	t.Helper()
	subject := s.topic + name
	if _, err := s.Register(t.Context(), subject, registry.Schema{Text: schema}); err != nil {
		t.Fatal(err)
	}
	return registry.Reference{Name: name, Subject: subject, Version: 1}
}

// TestContexts checks that each context has its own ids.
func TestContexts(t *testing.T) {
	t.Parallel()
	server, client := startRegistry(t)
	if err := server.Seed("other", `"long"`); err != nil { // another context uses the same id
		t.Fatal(err)
	}
	staging := func(topic string, part serde.Part, record string) (string, error) {
		name, err := serde.TopicName(topic, part, record)
		return ":.staging:" + name, err
	}
	data, err := mustSerializer(t, client, serde.WithSubject(staging)).For("orders", serde.Value).Append(t.Context(), nil, anOrder)
	if err != nil {
		t.Fatal(err)
	}
	in := serde.Input{Data: data}
	if got, err := mustDeserializer[order](t, client, serde.WithRegistryContext(".staging")).Decode(t.Context(), in); err != nil || got != *anOrder {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := mustDeserializer[order](t, client).Decode(t.Context(), in); err == nil {
		t.Errorf("the default context has that id for another schema, and gave %+v", got)
	}
}

func TestSuiteIncompatible(t *testing.T) { eachRegistry(t, suiteIncompatible) }

func suiteIncompatible(t *testing.T, client suite) {
	subject := client.topic + "-value"
	if _, err := client.Register(t.Context(), subject, registry.Schema{Text: olderSchema}); err != nil {
		t.Fatal(err)
	}
	if err := client.SetCompatibility(t.Context(), subject, compat.Backward); err != nil {
		t.Fatal(err)
	}
	r := mustGeneric(t, newerSchema).Record(map[string]any{"at": 1, "cents": 2, "id": "x"})
	_, err := mustSerializer(t, client).For(client.topic, serde.Value).Append(t.Context(), nil, r)
	var inc *registry.IncompatibleError
	if !errors.As(err, &inc) || !errors.Is(err, serde.ErrRefused) || errors.Is(err, serde.ErrRegistry) || len(inc.Findings) == 0 {
		t.Fatalf("%v", err)
	}
}

// TestUnknownIDStorm checks that a message with an unknown id does not cause a
// request each time it is read. If the registry is down, the error differs from
// the error of a missing schema.
func TestUnknownIDStorm(t *testing.T) {
	t.Parallel()
	server, client := startRegistry(t)
	d := mustDeserializer[order](t, client)
	poison := serde.Input{Data: []byte("\x00\x00\x00\x03\xe7" + anOrderHex)}
	before := server.Requests()
	for range 500 {
		if _, err := d.Decode(t.Context(), poison); !errors.Is(err, serde.ErrUnknownSchema) {
			t.Fatal(err)
		}
	}
	if n := server.Requests() - before; n > 50 {
		t.Errorf("%d requests for 500 messages", n)
	}
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Decode(ctx, serde.Input{Topic: "orders", Data: []byte("\x00\x00\x00\x03\xe8" + anOrderHex)})
	if !errors.Is(err, serde.ErrRegistry) || errors.Is(err, serde.ErrUnknownSchema) || !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("registry away: %v", err)
	}
	if !strings.Contains(fmt.Sprint(err), server.URL) || !strings.Contains(fmt.Sprint(err), "orders") {
		t.Errorf("%v does not say where", err)
	}
}

// TestOtherTypeOfSchema reads messages whose schema is Protobuf. No call can
// read such a message, so the error is a DecodeError and not ErrRegistry, which
// a consumer repeats. Many such messages cause few requests.
func TestOtherTypeOfSchema(t *testing.T) {
	t.Parallel()
	server, client := startRegistry(t)
	defer server.Inject(registrytest.Answer(200, "application/json", `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";"}`))()
	typed, mux := mustDeserializer[order](t, client), newOrderMux(t, client)
	generic, err := serde.NewGenericDeserializer(client)
	if err != nil {
		t.Fatal(err)
	}
	in := serde.Input{Topic: "orders", Data: []byte("\x00\x00\x00\x00\x07" + anOrderHex)}
	for name, decode := range map[string]func() error{
		"Deserializer":        func() error { _, err := typed.Decode(t.Context(), in); return err },
		"Mux":                 func() error { _, err := mux.Decode(t.Context(), in); return err },
		"GenericDeserializer": func() error { _, err := generic.Decode(t.Context(), in); return err },
	} {
		before := server.Requests()
		for range 100 {
			err = decode()
		}
		var de *serde.DecodeError
		if !errors.As(err, &de) || de.ID != 7 || errors.Is(err, serde.ErrRegistry) || !errors.Is(err, registry.ErrNotAvro) {
			t.Errorf("%s: %v", name, err)
		}
		if n := server.Requests() - before; n > 5 {
			t.Errorf("%s: %d requests for 100 messages", name, n)
		}
	}
}

// TestSuiteFramingByAnotherSerde checks that the serde of franz-go reads our
// framing, and we read its framing.
func TestSuiteFramingByAnotherSerde(t *testing.T) { eachRegistry(t, suiteFramingByAnotherSerde) }

func suiteFramingByAnotherSerde(t *testing.T, client suite) {
	b := mustSerializer(t, client).For(client.topic, serde.Value)
	data, err := b.Append(t.Context(), nil, anOrder)
	if err != nil {
		t.Fatal(err)
	}
	in, err := b.Registered(t.Context(), anOrder)
	if err != nil {
		t.Fatal(err)
	}
	var other sr.Serde
	other.Register(in.ID, &order{},
		sr.AppendEncodeFn(func(dst []byte, v any) ([]byte, error) { return v.(*order).AppendAvro(dst) }),
		sr.DecodeFn(func(data []byte, v any) error { return v.(*order).UnmarshalAvro(data) }))
	var got order
	if err := other.Decode(data, &got); err != nil || got != *anOrder {
		t.Errorf("theirs reads ours as %+v, %v", got, err)
	}
	theirs, err := other.AppendEncode(nil, &order{"z", 3})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mustDeserializer[order](t, client).Decode(t.Context(), serde.Input{Data: theirs}); err != nil || got != (order{"z", 3}) {
		t.Errorf("ours reads theirs as %+v, %v", got, err)
	}
	if in.GUID == (uuid.UUID{}) && client.guids {
		t.Error("the registry gave no GUID")
	}
}

package serde_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

func mustSerializer(tb testing.TB, reg serde.Registry, opts ...serde.Option) *serde.Serializer {
	tb.Helper()
	s, err := serde.NewSerializer(reg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var anOrder = &order{ID: "a", Cents: -1}

const anOrderHex = "\x02a\x01"

func TestAppendPrefix(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("other", `"long"`)
	b := mustSerializer(t, reg).For("orders", serde.Value)
	for range 3 {
		got, err := b.Append(t.Context(), []byte("x"), anOrder)
		if err != nil {
			t.Fatal(err)
		}
		if want := "x\x00\x00\x00\x00\x01" + anOrderHex; string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if diff := cmp.Diff(map[string]int{"register orders-value false": 1, "latest orders-value": 1}, reg.calls); diff != "" {
		t.Error(diff)
	}
	if got := reg.subjects["orders-value"]; len(got) != 1 || got[0] != orderSchema {
		t.Errorf("registered %q, want the record's own text", got)
	}
	in, err := b.Registered(t.Context(), (*order)(nil))
	if err != nil || in.ID != 1 || in.Subject != "orders-value" || in.GUID != guidOf(orderSchema) {
		t.Errorf("Registered: %+v, %v", in, err)
	}
	if _, ok, err := b.Header(t.Context(), anOrder); ok || err != nil {
		t.Errorf("a header with the id in the prefix: %v, %v", ok, err)
	}
}

func TestIDZeroIsAnID(t *testing.T) {
	t.Parallel()
	got, err := mustSerializer(t, newFake()).For("orders", serde.Key).Append(t.Context(), nil, anOrder)
	if want := "\x00\x00\x00\x00\x00" + anOrderHex; err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestAppendHeader(t *testing.T) {
	t.Parallel()
	s := mustSerializer(t, newFake(), serde.IDInHeader())
	guid := guidOf(orderSchema)
	for part, key := range map[serde.Part]string{serde.Value: "__value_schema_id", serde.Key: "__key_schema_id"} {
		b := s.For("orders", part)
		got, err := b.Append(t.Context(), nil, anOrder)
		if err != nil || string(got) != anOrderHex {
			t.Fatalf("got %q, %v, want the bare record", got, err)
		}
		h, ok, err := b.Header(t.Context(), anOrder)
		want := serde.Header{Key: key, Value: append([]byte{1}, guid[:]...)}
		if err != nil || !ok || !cmp.Equal(h, want) {
			t.Errorf("header %q %v %v, want %q", h, ok, err, want)
		}
		out, hs, err := s.Append(t.Context(), nil, "orders", part, anOrder)
		if err != nil || string(out) != anOrderHex || !cmp.Equal(hs, []serde.Header{want}) {
			t.Errorf("Serializer.Append: %q, %q, %v", out, hs, err)
		}
	}
	back := s.For("orders", serde.Value, serde.IDInPrefix())
	if got, err := back.Append(t.Context(), nil, anOrder); err != nil || got[0] != 0 {
		t.Errorf("IDInPrefix: %q, %v", got, err)
	}
}

func TestNilRecords(t *testing.T) {
	t.Parallel()
	reg := newFake()
	s := mustSerializer(t, reg)
	b := s.For("orders", serde.Value)
	for name, r := range map[string]avrobin.Record{"nil": nil, "typed nil": (*order)(nil)} {
		got, err := b.Append(t.Context(), []byte("x"), r)
		if !errors.Is(err, serde.ErrTombstone) || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, hs, err := s.Append(t.Context(), nil, "orders", serde.Key, r); !errors.Is(err, serde.ErrTombstone) || got != nil || hs != nil {
			t.Errorf("%s: Serializer.Append: %q, %q, %v", name, got, hs, err)
		}
	}
	for name, err := range map[string]error{"Prepare": b.Prepare(t.Context(), nil)} {
		if !errors.Is(err, serde.ErrTombstone) {
			t.Errorf("%s(nil): %v", name, err)
		}
	}
	if n := reg.total(); n != 0 {
		t.Errorf("%d calls for nothing", n)
	}
}

func TestAppendWritesNothingOnAnError(t *testing.T) {
	t.Parallel()
	b := mustSerializer(t, newFake()).For("orders", serde.Value)
	got, err := b.Append(t.Context(), []byte("x"), &order{ID: "bad"})
	if !errors.Is(err, errBadOrder) || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	if !strings.Contains(err.Error(), "shop.Order") {
		t.Errorf("%v does not name the record", err)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	own := func(topic string, part serde.Part, record string) (string, error) {
		return strings.Join([]string{topic, part.String(), record}, "/"), nil
	}
	for want, opts := range map[string][]serde.Option{
		"t-value":            nil,
		"shop.Order":         {serde.WithSubject(serde.RecordName)},
		"t-shop.Order":       {serde.WithSubject(serde.TopicRecordName)},
		"t/value/shop.Order": {serde.WithSubject(own)},
	} {
		reg := newFake()
		b := mustSerializer(t, reg).For("t", serde.Value, opts...)
		in, err := b.Registered(t.Context(), anOrder)
		if err != nil || in.Subject != want || len(reg.subjects[want]) != 1 {
			t.Errorf("want %s: %+v, %v", want, in, err)
		}
	}
	reg := newFake()
	s := mustSerializer(t, reg, serde.WithSubject(serde.RecordName))
	if _, err := s.For("t", serde.Value).Registered(t.Context(), &payload{schema: `"long"`}); err == nil {
		t.Error("a record name for a schema without name")
	}
	empty := func(string, serde.Part, string) (string, error) { return "", nil }
	if _, err := s.For("t", serde.Value, serde.WithSubject(empty)).Registered(t.Context(), anOrder); err == nil {
		t.Error("no error for a subject without name")
	}
	if n := reg.total(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestOneBindingManyTypes(t *testing.T) {
	t.Parallel()
	reg := newFake()
	b := mustSerializer(t, reg, serde.WithSubject(serde.RecordName), serde.IgnoreRules()).For("events", serde.Value)
	const types = 40
	rs := make([]*payload, types)
	for i := range rs {
		name := "n.R" + string(rune('A'+i))
		if i >= 26 {
			name = "n.S" + string(rune('A'+i-26))
		}
		rs[i] = &payload{name: name, schema: `{"type":"record","name":"` + name + `","fields":[]}`}
	}
	for range 3 {
		for i, r := range rs {
			// Equal texts at different addresses are the same schema.
			r := &payload{name: r.name, schema: strings.Clone(r.schema)}
			got, err := b.Append(t.Context(), nil, r)
			if err != nil || len(got) != 5 || int(got[4]) != i {
				t.Fatalf("type %d: %x, %v", i, got, err)
			}
		}
	}
	if n := reg.total(); n != types {
		t.Errorf("%d calls, want %d", n, types)
	}
}

func TestLookupOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake()
		b := mustSerializer(t, reg, serde.LookupOnly(), serde.Normalize()).For("orders", serde.Value)
		for range 1000 { // a stream of records causes only one request per second
			_, err := b.Append(t.Context(), nil, anOrder)
			if !errors.Is(err, serde.ErrUnknownSchema) || errors.Is(err, serde.ErrRegistry) {
				t.Fatalf("not registered: %v", err)
			}
			if !strings.Contains(err.Error(), "orders-value") {
				t.Fatalf("%v does not name the subject", err)
			}
		}
		reg.put("orders-value", orderSchema)
		if _, err := b.Append(t.Context(), nil, anOrder); err == nil {
			t.Error("control: the failure was not remembered")
		}
		time.Sleep(time.Second)
		if _, err := b.Append(t.Context(), nil, anOrder); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"lookup orders-value true": 2, "latest orders-value": 1}, reg.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLookupOnlyFindsASchemaInParts(t *testing.T) {
	t.Parallel()
	reg := fullRegistry{newFake()}
	b := mustSerializer(t, reg, serde.LookupOnly()).For("orders", serde.Value)
	reg.put("orders-value", `"long"`)
	if err := mustSerializer(t, reg, serde.LookupOnly()).For("orders", serde.Value).Prepare(t.Context(), anOrder); !errors.Is(err, serde.ErrUnknownSchema) {
		t.Fatalf("another schema was taken: %v", err)
	}
	reg.put("orders-value", strings.Replace(orderSchema, `"name":"shop.Order"`, `"namespace":"shop","name":"Order"`, 1))
	reg.put("orders-value", `"string"`)
	in, err := b.Registered(t.Context(), anOrder)
	if err != nil || in.ID != 1 {
		t.Fatalf("%+v, %v", in, err)
	}
}

func TestRegisteredSchemaMustBeTheRecordsOwn(t *testing.T) {
	t.Parallel()
	sameBytes := strings.Replace(orderSchema, `"An order."`, `"Other words."`, 1)
	changed := `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"bytes"},{"name":"at","type":"long"}]}`
	for name, opt := range map[string]func(id int) serde.Option{
		"UseLatest":             func(int) serde.Option { return serde.UseLatest() },
		"UseLatestWithMetadata": func(int) serde.Option { return serde.UseLatestWithMetadata(map[string]string{"a": "b"}) },
		"UseID":                 serde.UseID,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := fullRegistry{newFake()}
			reg.metadata[sameBytes] = map[string]string{"a": "b"}
			reg.metadata[changed] = map[string]string{"a": "b"}
			s := mustSerializer(t, reg)
			reg.put("orders-value", `"long"`)
			id := reg.put("orders-value", sameBytes)
			b := s.For("orders", serde.Value, opt(id))
			got, err := b.Append(t.Context(), nil, anOrder)
			if want := "\x00\x00\x00\x00\x01" + anOrderHex; err != nil || string(got) != want {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
			id = reg.put("orders-value", changed)
			if _, err := b.Append(t.Context(), nil, anOrder); err != nil {
				t.Errorf("a warm binding was stopped by a later version: %v", err)
			}
			_, err = s.For("orders", serde.Value, opt(id)).Append(t.Context(), nil, anOrder)
			var sc *serde.SchemaChangedError
			if !errors.Is(err, serde.ErrSchemaChanged) || !errors.As(err, &sc) {
				t.Fatalf("a foreign schema was taken: %v", err)
			}
			want := []string{"id: string here, bytes registered", "cents: only here", "at: only registered"}
			if diff := cmp.Diff(want, sc.Differs); diff != "" {
				t.Error(diff)
			}
			_, err = s.For("none", serde.Value, opt(99)).Append(t.Context(), nil, anOrder)
			if !errors.Is(err, serde.ErrUnknownSchema) {
				t.Errorf("nothing registered: %v", err)
			}
		})
	}
}

func TestUnionOfReferences(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("events-value", `["null","long",`+orderSchema+`]`)
	b := mustSerializer(t, reg, serde.UseLatest()).For("events", serde.Value)
	got, err := b.Append(t.Context(), nil, anOrder)
	if want := "\x00\x00\x00\x00\x00\x04" + anOrderHex; err != nil || string(got) != want {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
}

func TestBytesAreFramedBare(t *testing.T) {
	t.Parallel()
	b := mustSerializer(t, newFake()).For("blobs", serde.Value)
	for _, n := range []int{0, 1, 63, 64, 8191, 8192, 100_000} {
		data := bytes.Repeat([]byte{'x'}, n)
		got, err := b.Append(t.Context(), nil, &payload{schema: `"bytes"`, data: avroBytes(data)})
		if err != nil || !bytes.Equal(got, append([]byte{0, 0, 0, 0, 0}, data...)) {
			t.Errorf("%d bytes: %d came, %v", n, len(got), err)
		}
	}
}

func TestContradictoryOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]serde.Option{
		"two ways":                {serde.LookupOnly(), serde.UseLatest()},
		"id for all":              {serde.UseID(3)},
		"no function":             {serde.WithSubject(nil)},
		"no fallback":             {serde.WithAssociatedSubject("", nil)},
		"no associations":         {serde.WithAssociatedSubject("", serde.TopicName)},
		"no executor":             {serde.WithRules(nil)},
		"nil pointer as executor": {serde.WithRules((*xor)(nil))},
		"no metadata":             {serde.UseLatestWithMetadata(nil)},
		"metadata, not supported": {serde.UseLatestWithMetadata(map[string]string{"a": "b"})},
	} {
		if _, err := serde.NewSerializer(newFake(), opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := serde.NewSerializer(nil); err == nil {
		t.Error("no registry: no error")
	}
	reg := newFake()
	b := mustSerializer(t, reg).For("t", serde.Value, serde.UseID(-1))
	if _, err := b.Append(t.Context(), nil, anOrder); err == nil {
		t.Error("a negative id: no error")
	}
	if _, _, err := b.Header(t.Context(), anOrder); err == nil {
		t.Error("a negative id: no error of Header")
	}
	over := mustSerializer(t, reg, serde.LookupOnly()).For("t", serde.Value, serde.AutoRegister())
	if err := over.Prepare(t.Context(), anOrder); err != nil {
		t.Errorf("a binding's option does not win: %v", err)
	}
}

func TestRegistryFailureIsReturnedAndNotCached(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.fail = errors.New("connection refused")
	b := mustSerializer(t, reg).For("orders", serde.Value)
	_, err := b.Append(t.Context(), nil, anOrder)
	if !errors.Is(err, serde.ErrRegistry) || errors.Is(err, serde.ErrUnknownSchema) || !errors.Is(err, reg.fail) {
		t.Fatal(err)
	}
	reg.fail = nil
	if _, err := b.Append(t.Context(), nil, anOrder); err != nil {
		t.Fatal(err)
	}
}

func TestHungSubjectDoesNotDelayWarmOnes(t *testing.T) {
	t.Parallel()
	reg := newFake()
	s := mustSerializer(t, reg)
	warm := s.For("warm", serde.Value)
	if err := warm.Prepare(t.Context(), anOrder); err != nil {
		t.Fatal(err)
	}
	reg.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan error, 1)
	go func() { hung <- s.For("hung", serde.Value).Prepare(ctx, anOrder) }()
	<-reg.entered
	for range 1000 {
		if _, err := warm.Append(t.Context(), nil, anOrder); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-hung: // the control: the other subject hangs
		t.Fatalf("the hung subject answered: %v", err)
	default:
	}
	cancel()
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWarmAppendDoesNotAllocate(t *testing.T) {
	reg := fullRegistry{newFake()}
	id := reg.put("orders-value", orderSchema)
	for name, opts := range map[string][]serde.Option{
		"auto": nil, "lookup": {serde.LookupOnly()}, "latest": {serde.UseLatest()}, "id": {serde.UseID(id)}, "header": {serde.IDInHeader()},
	} {
		b := mustSerializer(t, reg).For("orders", serde.Value, opts...)
		buf := make([]byte, 0, 64)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := b.Append(context.Background(), buf, anOrder); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Registered(context.Background(), anOrder); err != nil {
				t.Fatal(err)
			}
			if _, _, err := b.Header(context.Background(), anOrder); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

package serde_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

func (o *order) ReadAvro(src []byte) (rest []byte, err error) {
	o.ID, rest, err = avrobin.ReadString(src)
	if err != nil {
		return src, avrobin.ErrorAt(err, "id")
	}
	o.Cents, rest, err = avrobin.ReadLong(rest)
	if err != nil {
		return rest, avrobin.ErrorAt(err, "cents")
	}
	return rest, nil
}

func (o *order) UnmarshalAvro(data []byte) error {
	return avrobin.UnmarshalAlias(o, []byte(string(data)))
}

func (o *order) UnmarshalAvroPlan(p *avrobin.Plan, data []byte) error {
	data, err := p.Append(nil, data)
	if err != nil {
		return err
	}
	return avrobin.UnmarshalAlias(o, data)
}

// cancelled is another type of the same topic.
type cancelled struct{ Reason string }

const cancelledSchema = `{"type":"record","name":"shop.Cancelled","aliases":["shop.Refused"],"fields":[{"name":"reason","type":"string"}]}`

func (*cancelled) AvroName() string   { return "shop.Cancelled" }
func (*cancelled) AvroSchema() string { return cancelledSchema }

func (c *cancelled) AppendAvro(dst []byte) ([]byte, error) {
	return avrobin.AppendString(dst, c.Reason)
}

func (c *cancelled) UnmarshalAvro(data []byte) error {
	var err error
	var rest []byte
	c.Reason, rest, err = avrobin.ReadString(data)
	return avrobin.FinishMessage(data, rest, err)
}

func (c *cancelled) UnmarshalAvroPlan(p *avrobin.Plan, data []byte) error {
	data, err := p.Append(nil, data)
	if err != nil {
		return err
	}
	return c.UnmarshalAvro(data)
}

// blob is a type without a record: its schema is bytes.
type blob struct{ Value []byte }

func (*blob) AvroName() string                        { return "" }
func (*blob) AvroSchema() string                      { return `"bytes"` }
func (b *blob) AppendAvro(dst []byte) ([]byte, error) { return avrobin.AppendBytes(dst, b.Value), nil }

func (b *blob) UnmarshalAvro(data []byte) (err error) {
	v, rest, err := avrobin.ReadBytes(data)
	b.Value = append([]byte{}, v...)
	return avrobin.FinishMessage(data, rest, err)
}

func (b *blob) UnmarshalAvroPlan(p *avrobin.Plan, data []byte) error {
	data, err := p.Append(nil, data)
	if err != nil {
		return err
	}
	return b.UnmarshalAvro(data)
}

func mustDeserializer[T any, PT avrobin.Ptr[T]](tb testing.TB, reg serde.Registry, opts ...serde.DeserializerOption) *serde.Deserializer[T] {
	tb.Helper()
	d, err := serde.NewDeserializer[T, PT](reg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func headers(h ...serde.Header) func(string) ([]byte, bool) {
	return func(key string) ([]byte, bool) {
		for _, h := range h {
			if h.Key == key {
				return h.Value, true
			}
		}
		return nil, false
	}
}

const (
	// olderSchema has no field cents. newerSchema has one more field and
	// another order of fields.
	olderSchema = `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"string"}]}`
	newerSchema = `{"type":"record","name":"shop.Order","fields":[{"name":"at","type":"long"},{"name":"cents","type":"int"},{"name":"id","type":"string"}]}`
)

func TestDecode(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", orderSchema)                                       // 0
	reg.put("s", olderSchema)                                       // 1
	reg.put("s", newerSchema)                                       // 2
	reg.put("s", strings.Replace(orderSchema, "An order", "An", 1)) // 3
	guid := guidOf(newerSchema)
	v1 := append([]byte{1}, guid[:]...)
	fingerprint := []byte("\xc3\x01")
	{
		g, err := avsc.Parse("", []byte(orderSchema))
		if err != nil {
			t.Fatal(err)
		}
		fingerprint = binary.LittleEndian.AppendUint64(fingerprint, g.Fingerprint())
	}
	newer := "\x10\x06\x02z" // at 8, cents 3, id z
	for _, c := range []struct {
		name string
		in   serde.Input
		opts []serde.DeserializerOption
		want order
	}{
		{"own schema, id 0", serde.Input{Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}, nil, *anOrder},
		{"own canonical form", serde.Input{Data: []byte("\x00\x00\x00\x00\x03" + anOrderHex)}, nil, *anOrder},
		{"aliased", serde.Input{Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}, []serde.DeserializerOption{serde.AliasInput()}, *anOrder},
		{"older", serde.Input{Data: []byte("\x00\x00\x00\x00\x01\x02a")}, nil, order{"a", 7}},
		{"newer", serde.Input{Data: []byte("\x00\x00\x00\x00\x02" + newer)}, nil, order{"z", 3}},
		{"newer, aliased", serde.Input{Data: []byte("\x00\x00\x00\x00\x02" + newer)}, []serde.DeserializerOption{serde.AliasInput()}, order{"z", 3}},
		{"GUID prefix", serde.Input{Data: append(v1[:17:17], newer...)}, nil, order{"z", 3}},
		{"GUID header", serde.Input{Data: []byte(newer), Header: headers(serde.Header{Key: "__value_schema_id", Value: v1})}, nil, order{"z", 3}},
		{"GUID header of a key", serde.Input{Part: serde.Key, Data: []byte(newer), Header: headers(serde.Header{Key: "__key_schema_id", Value: v1})}, nil, order{"z", 3}},
		{"id in header", serde.Input{Data: []byte("\x02a"), Header: headers(serde.Header{Key: "__value_schema_id", Value: []byte{0, 0, 0, 0, 1}})}, nil, order{"a", 7}},
		{"the other part's header", serde.Input{Data: []byte("\x00\x00\x00\x00\x01\x02a"), Header: headers(serde.Header{Key: "__key_schema_id", Value: v1})}, nil, order{"a", 7}},
		{"single object", serde.Input{Data: append(fingerprint, anOrderHex...)}, []serde.DeserializerOption{serde.WithSchemas(orderSchema, olderSchema)}, *anOrder},
		{"Apicurio's prefix", serde.Input{Data: []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02a")}, []serde.DeserializerOption{serde.ApicurioPrefix()}, order{"a", 7}},
		{"Apicurio's header", serde.Input{Data: []byte("\x02a"), Header: headers(serde.Header{Key: "apicurio.value.globalId", Value: []byte{0, 0, 0, 0, 0, 0, 0, 1}})}, []serde.DeserializerOption{serde.ApicurioHeaders()}, order{"a", 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mustDeserializer[order](t, reg, c.opts...)
			for range 2 {
				got, err := d.Decode(t.Context(), c.in)
				if err != nil || got != c.want {
					t.Fatalf("%+v, %v, want %+v", got, err, c.want)
				}
			}
		})
	}
}

func TestAliasInput(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", orderSchema)
	data := []byte("\x00\x00\x00\x00\x00\x04ab\x01")
	inside := func(s string) bool { return unsafe.StringData(s) == &data[6] }
	if o, err := mustDeserializer[order](t, reg, serde.AliasInput()).Decode(t.Context(), serde.Input{Data: data}); err != nil || !inside(o.ID) {
		t.Errorf("the string is a copy: %v", err)
	}
	if o, err := mustDeserializer[order](t, reg).Decode(t.Context(), serde.Input{Data: data}); err != nil || inside(o.ID) {
		t.Errorf("the string is no copy: %v", err)
	}
	if _, err := serde.NewDeserializer[blob](reg, serde.AliasInput()); err == nil {
		t.Error("a type that cannot alias was taken")
	}
}

func TestBytesAreReadBare(t *testing.T) {
	t.Parallel()
	reg := newFake()
	b := mustSerializer(t, reg).For("blobs", serde.Value)
	d := mustDeserializer[blob](t, reg)
	for _, want := range []string{"", "x", strings.Repeat("long", 1000)} {
		data, err := b.Append(t.Context(), nil, &blob{[]byte(want)})
		if err != nil || string(data[5:]) != want {
			t.Fatalf("%q, %v", data, err)
		}
		got, err := d.Decode(t.Context(), serde.Input{Data: data})
		if err != nil || string(got.Value) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	reg.put("blobs-value", `"string"`)
	if got, err := d.Decode(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x01\x04hi")}); err != nil || string(got.Value) != "hi" {
		t.Errorf("string read as bytes: %q, %v", got, err)
	}
}

// TestBytesWithLength reads messages of the schema "bytes" with the framings of
// other writers than Confluent's. Java's BinaryMessageEncoder and Apicurio's
// serializers write the length.
func TestBytesWithLength(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("blobs-value", `"bytes"`)
	header := headers(serde.Header{Key: "apicurio.value.contentId", Value: make([]byte, 8)})
	for name, c := range map[string]struct {
		in  serde.Input
		opt serde.DeserializerOption
	}{
		"single object":     {serde.Input{Data: []byte("\xc3\x01\x65\x19\x20\xc3\xda\x16\xc0\x4f\x06raw")}, serde.WithSchemas(`"bytes"`)},
		"Apicurio's header": {serde.Input{Data: []byte("\x06raw"), Header: header}, serde.ApicurioHeaders()},
		"Apicurio's prefix": {serde.Input{Data: []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06raw")}, serde.ApicurioPrefix()},
	} {
		got, err := mustDeserializer[blob](t, reg, c.opt).Decode(t.Context(), c.in)
		if err != nil || string(got.Value) != "raw" {
			t.Errorf("%s: %q, %v", name, got.Value, err)
		}
	}
}

func TestNotFramed(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", orderSchema)
	plain, single := mustDeserializer[order](t, reg), mustDeserializer[order](t, reg, serde.WithSchemas(olderSchema))
	if _, err := plain.Decode(t.Context(), serde.Input{}); !errors.Is(err, serde.ErrTombstone) {
		t.Errorf("nil: %v", err)
	}
	for _, data := range []string{
		"Obj\x01", "\x1f\x8b\x08", " [1]", "", "\x00", "\x00\x00\x00\x00", "\x01", "\x01567890123456789", "\x02\x00\x00\x00\x00\x00\x00", `{"id":"a"}`,
		"\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\xff",
	} {
		_, err := plain.Decode(t.Context(), serde.Input{Topic: "orders", Data: []byte(data)})
		if !errors.Is(err, serde.ErrNotFramed) || errors.Is(err, serde.ErrTombstone) {
			t.Errorf("%q: %v", data, err)
		} else if !strings.Contains(err.Error(), "topic orders") {
			t.Errorf("%q: %v does not name the topic", data, err)
		}
	}
	for _, v := range []string{"", "x", "\x01short", "\x00\x00\x00\x00\x00\x00"} {
		in := serde.Input{Data: []byte(anOrderHex), Header: headers(serde.Header{Key: "__value_schema_id", Value: []byte(v)})}
		if _, err := plain.Decode(t.Context(), in); !errors.Is(err, serde.ErrNotFramed) {
			t.Errorf("header %q: %v", v, err)
		}
	}
	unknown := "\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if _, err := single.Decode(t.Context(), serde.Input{Data: []byte(unknown)}); !errors.Is(err, serde.ErrUnknownSchema) {
		t.Errorf("unknown fingerprint: %v", err)
	}
	if n := reg.total(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", orderSchema)
	reg.put("s", `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"}]}`)
	reg.put("s", `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":["long","string"]}]}`)
	d := mustDeserializer[order](t, reg)
	for _, c := range []struct {
		name, data string
		id, offset int
		path       string
		is         error
	}{
		{"truncated", "\x00\x00\x00\x00\x00\x02a", 0, 2, "cents", avrobin.ErrTruncated},
		{"left over", "\x00\x00\x00\x00\x00" + anOrderHex + "x", 0, 3, "", avrobin.ErrTrailing},
		{"no value can be read", "\x00\x00\x00\x00\x01\x02", 1, -1, "id", avrobin.ErrUnreadable},
		{"this value cannot be read", "\x00\x00\x00\x00\x02\x00\x02", 2, 1, "id", avrobin.ErrUnreadable},
	} {
		_, err := d.Decode(t.Context(), serde.Input{Topic: "orders", Data: []byte(c.data)})
		var de *serde.DecodeError
		if !errors.As(err, &de) {
			t.Errorf("%s: %v is no DecodeError", c.name, err)
			continue
		}
		if de.ID != c.id || de.Path != c.path || de.Offset != c.offset || de.Record != "shop.Order" || de.Topic != "orders" {
			t.Errorf("%s: %#v", c.name, de)
		}
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", c.name, err, c.is)
		}
		if errors.Is(err, serde.ErrRegistry) || errors.Is(err, serde.ErrUnknownSchema) {
			t.Errorf("%s: %v blames the registry", c.name, err)
		}
		t.Log(err)
	}
}

func TestRegistryErrorsOnReading(t *testing.T) {
	t.Parallel()
	reg := newFake()
	d := mustDeserializer[order](t, reg)
	m := newOrderMux(t, reg)
	in := serde.Input{Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}
	decode := map[string]func() error{
		"Deserializer": func() error { _, err := d.Decode(t.Context(), in); return err },
		"Mux":          func() error { _, err := m.Decode(t.Context(), in); return err },
	}
	for name, decode := range decode {
		if err := decode(); !errors.Is(err, serde.ErrUnknownSchema) || errors.Is(err, serde.ErrRegistry) {
			t.Errorf("%s: unknown id: %v", name, err)
		}
	}
	reg.fail = errors.New("connection refused")
	for name, decode := range decode {
		if err := decode(); !errors.Is(err, serde.ErrRegistry) || errors.Is(err, serde.ErrUnknownSchema) || !errors.Is(err, reg.fail) {
			t.Errorf("%s: registry down: %v", name, err)
		}
	}
	reg.fail = nil
	reg.put("s", "nonsense")
	for name, decode := range decode {
		if err := decode(); !errors.Is(err, serde.ErrRegistry) {
			t.Errorf("%s: nonsense: %v", name, err)
		}
	}
	reg.schemas[0] = orderSchema // the earlier answer must not be remembered
	for name, decode := range decode {
		if err := decode(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMoreWritersThanAreKept(t *testing.T) {
	t.Parallel()
	reg := newFake()
	d := mustDeserializer[order](t, reg)
	const writers = 3000
	for i := range writers {
		reg.put("s", strings.Replace(olderSchema, `"fields"`, fmt.Sprintf(`"doc":"%d","fields"`, i), 1))
	}
	favourite := serde.Input{Data: []byte("\x00\x00\x00\x00\x00\x02a")}
	for i := range writers {
		data := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(i)), "\x02a"...)
		for _, in := range []serde.Input{{Data: data}, favourite} {
			if got, err := d.Decode(t.Context(), in); err != nil || got.Cents != 7 {
				t.Fatalf("writer %d: %v, %v", i, got, err)
			}
		}
	}
	if reg.calls["id 0"] != 1 {
		t.Errorf("what is in use was asked %d times", reg.calls["id 0"])
	}
	before := reg.total()
	for i := range writers {
		data := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(i)), "\x02a"...)
		if _, err := d.Decode(t.Context(), serde.Input{Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if again := reg.total() - before; again < writers-1024-1 {
		t.Errorf("only %d of %d were asked again: more are kept than said", again, writers)
	}
}

func TestWarmDecodeAllocatesTheCopyOnly(t *testing.T) {
	reg := newFake()
	reg.put("s", orderSchema)
	in := serde.Input{Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}
	d := mustDeserializer[order](t, reg, serde.AliasInput())
	var o order
	if n := testing.AllocsPerRun(100, func() {
		if err := d.DecodeInto(context.Background(), in, &o); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func newOrderMux(tb testing.TB, reg serde.Registry) *serde.Mux {
	tb.Helper()
	m, err := serde.NewMux(reg)
	if err != nil {
		tb.Fatal(err)
	}
	serde.Accept[order](m)
	serde.Accept[cancelled](m)
	return m
}

func TestMux(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("a", orderSchema)
	reg.put("b", cancelledSchema)
	reg.put("c", newerSchema)
	reg.put("d", `{"type":"record","name":"shop.Refused","fields":[{"name":"reason","type":"string"}]}`)
	reg.put("e", `["null",`+cancelledSchema+`,`+olderSchema+`,"long"]`)
	m := newOrderMux(t, reg)
	var handled []string
	h, err := serde.NewMux(reg)
	if err != nil {
		t.Fatal(err)
	}
	serde.Handle(h, func(_ context.Context, o *order) error { handled = append(handled, "order "+o.ID); return nil })
	serde.Handle(h, func(_ context.Context, c *cancelled) error {
		handled = append(handled, "cancelled "+c.Reason)
		return errBadOrder
	})
	for _, c := range []struct {
		name, data string
		want       avrobin.Record
	}{
		{"straight", "\x00\x00\x00\x00\x00" + anOrderHex, anOrder},
		{"another", "\x00\x00\x00\x00\x01\x04no", &cancelled{"no"}},
		{"evolved", "\x00\x00\x00\x00\x02\x10\x06\x02z", &order{"z", 3}},
		{"renamed", "\x00\x00\x00\x00\x03\x04no", &cancelled{"no"}},
		{"a branch", "\x00\x00\x00\x00\x04\x02\x04no", &cancelled{"no"}},
		{"a branch, evolved", "\x00\x00\x00\x00\x04\x04\x02a", &order{"a", 7}},
	} {
		got, err := m.Decode(t.Context(), serde.Input{Data: []byte(c.data)})
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
		err = h.Dispatch(t.Context(), serde.Input{Data: []byte(c.data)})
		if _, fails := c.want.(*cancelled); fails != (err == errBadOrder) { //nolint:errorlint // as it is
			t.Errorf("%s: Dispatch: %v", c.name, err)
		}
	}
	want := []string{"order a", "cancelled no", "order z", "cancelled no", "cancelled no", "order a"}
	if diff := cmp.Diff(want, handled); diff != "" {
		t.Error(diff)
	}
}

func TestMuxRefuses(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("a", `{"type":"record","name":"shop.Paid","fields":[]}`)
	reg.put("b", `"string"`)
	reg.put("c", `["null",`+orderSchema+`,{"type":"record","name":"shop.Paid","fields":[]}]`)
	m := newOrderMux(t, reg)
	for data, name := range map[string]string{
		"\x00\x00\x00\x00\x02\x00": "null",
		"\x00\x00\x00\x00\x00":     "shop.Paid", "\x00\x00\x00\x00\x01\x02x": "string", "\x00\x00\x00\x00\x02\x04": "shop.Paid",
	} {
		_, err := m.Decode(t.Context(), serde.Input{Topic: "events", Data: []byte(data)})
		var u *serde.UnknownTypeError
		if !errors.As(err, &u) || !errors.Is(err, serde.ErrUnknownType) || u.Type != name || len(u.Known) != 2 {
			t.Errorf("%q: %v", data, err)
		}
	}
	for data, want := range map[string]error{
		"\x00\x00\x00\x00\x02\x00x":  avrobin.ErrTrailing,
		"\x00\x00\x00\x00\x02\x06":   avrobin.ErrInvalid,
		"\x00\x00\x00\x00\x02\x02":   avrobin.ErrTruncated,
		"\x00\x00\x00\x00\x02":       avrobin.ErrTruncated,
		"nonsense":                   serde.ErrNotFramed,
		"\x00\x00\x00\x00\x09\x02aa": serde.ErrUnknownSchema,
	} {
		if v, err := m.Decode(t.Context(), serde.Input{Data: []byte(data)}); !errors.Is(err, want) || v != nil {
			t.Errorf("%q: %v, %v, want %v", data, v, err, want)
		}
	}
	if err := m.Dispatch(t.Context(), serde.Input{}); !errors.Is(err, serde.ErrTombstone) {
		t.Error(err)
	}
	serde.Accept[order](m)
	if _, err := m.Decode(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x02\x00")}); err == nil || errors.Is(err, serde.ErrTombstone) {
		t.Errorf("a type added twice: %v", err)
	}
	if m, err := serde.NewMux(reg); err != nil {
		t.Error(err)
	} else if serde.Accept[blob](m); m.Dispatch(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x01\x02x")}) == nil {
		t.Error("a type without name was taken")
	}
}

func TestContradictoryDeserializerOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]serde.DeserializerOption{
		"no registry":    nil,
		"nil option":     {nil},
		"no function":    {serde.WithSchemas(orderSchema), serde.WithSubject(nil)},
		"no executor":    {serde.WithSchemas(orderSchema), serde.WithRules(nil)},
		"associations":   {serde.WithSchemas(orderSchema), serde.WithAssociatedSubject("", serde.TopicName)},
		"no context":     {serde.WithSchemas(orderSchema), serde.WithRegistryContext("staging")},
		"not a schema":   {serde.WithSchemas(`{"type":`)},
		"unknown schema": {serde.WithSchemas(`"shop.Order"`)},
	} {
		if _, err := serde.NewDeserializer[order](nil, opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := serde.NewMux(nil, opts...); err == nil {
			t.Errorf("%s: no error of NewMux", name)
		}
	}
	d := mustDeserializer[order](t, nil, serde.WithSchemas(orderSchema))
	if _, err := d.Decode(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x00" + anOrderHex)}); err == nil {
		t.Error("an id without a registry")
	}
}

// TestSameFingerprint checks that schemas with the same fingerprint must have
// the same logical types.
func TestSameFingerprint(t *testing.T) {
	t.Parallel()
	price := func(scale int, more string) string {
		return fmt.Sprintf(`{"type":"record","name":"P","fields":[{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":%d}%s}]}`, scale, more)
	}
	if _, err := serde.NewGenericDeserializer(nil, serde.WithSchemas(price(2, ""), price(2, `,"doc":"in euros"`)), serde.WithSchemas(price(2, ""))); err != nil {
		t.Error(err)
	}
	_, err := serde.NewGenericDeserializer(nil, serde.WithSchemas(price(2, "")), serde.WithSchemas(price(4, "")))
	if err == nil || !strings.Contains(err.Error(), "price: decimal(9,2) against decimal(9,4)") {
		t.Errorf("two scales: %v", err)
	}
}

func TestWithMemoryLimit(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", `{"type":"record","name":"shop.Order","fields":[]}`) // lacks cents, and id has no default
	reg.put("s", olderSchema)
	in := serde.Input{Data: []byte("\x00\x00\x00\x00\x01\x02a")}
	if _, err := mustDeserializer[order](t, reg, serde.WithMemoryLimit(1, 1)).Decode(t.Context(), in); !errors.Is(err, avrobin.ErrUnreadable) {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := mustDeserializer[order](t, reg, serde.WithMemoryLimit(0, 0)).Decode(t.Context(), in); err != nil {
		t.Errorf("control: %v", err)
	}
	for _, most := range [][2]int{{math.MaxInt, 0}, {math.MaxInt, math.MaxInt}, {0, math.MaxInt}} {
		if _, err := mustDeserializer[order](t, reg, serde.WithMemoryLimit(most[0], most[1])).Decode(t.Context(), in); err != nil {
			t.Errorf("limits of %d: %v", most, err)
		}
	}
	if _, err := serde.NewDeserializer[order](reg, serde.WithMemoryLimit(-1, 0)); err == nil {
		t.Error("a negative limit was taken")
	}
}

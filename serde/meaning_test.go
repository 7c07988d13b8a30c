package serde_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// TestLogicalTypesAreTheSchemasMeaning checks that no mode may write a record
// under a schema that gives the bytes another meaning.
func TestLogicalTypesAreTheSchemasMeaning(t *testing.T) {
	t.Parallel()
	const record = `{"type":"record","name":"shop.Sum","fields":[{"name":"lines","type":{"type":"array","items":{"type":"record","name":"shop.Line","fields":[{"name":"v","type":["null",%s]}]}}}]}`
	for _, c := range []struct{ own, registered, differs string }{
		{`{"type":"bytes","logicalType":"decimal","precision":12,"scale":4}`, `{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}`, "lines[].v: decimal(12,4) here, decimal(12,2) registered"},
		{`{"type":"bytes","logicalType":"decimal","precision":14,"scale":2}`, `{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}`, "lines[].v: decimal(14,2) here, decimal(12,2) registered"},
		{`{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}`, `"bytes"`, "lines[].v: decimal(12,2) here, bytes without a logical type registered"},
		{`"bytes"`, `{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}`, "lines[].v: bytes without a logical type here, decimal(12,2) registered"},
		{`{"type":"long","logicalType":"timestamp-micros"}`, `{"type":"long","logicalType":"timestamp-millis"}`, "lines[].v: timestamp-micros here, timestamp-millis registered"},
		{`{"type":"long","logicalType":"local-timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-millis"}`, "lines[].v: local-timestamp-millis here, timestamp-millis registered"},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, `"long"`, "lines[].v: timestamp-nanos here, long without a logical type registered"},
		{`{"type":"int","logicalType":"date"}`, `{"type":"int","logicalType":"time-millis"}`, "lines[].v: date here, time-millis registered"},
		{`{"type":"string","logicalType":"uuid"}`, `"string"`, "lines[].v: uuid here, string without a logical type registered"},
		{`{"type":"fixed","name":"shop.D","size":12,"logicalType":"duration"}`, `{"type":"fixed","name":"shop.D","size":12}`, "lines[].v: duration here, fixed without a logical type registered"},
		{`{"type":"fixed","name":"shop.D","size":8,"logicalType":"decimal","precision":9}`, `{"type":"fixed","name":"shop.D","size":9,"logicalType":"decimal","precision":9}`, "lines[].v: fixed of 8 bytes here, of 9 bytes registered"},
		// An invalid logical type is ignored, and so is an unknown logical
		// type.
		{`{"type":"bytes","logicalType":"decimal","precision":2,"scale":4}`, `"bytes"`, ""},
		{`{"type":"string","logicalType":"colour"}`, `"string"`, ""},
		{`{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-millis","doc":"now"}`, ""},
	} {
		own, registered := fmt.Sprintf(record, c.own), fmt.Sprintf(record, c.registered)
		for name, opt := range map[string]func(id int) serde.Option{
			"UseLatest":                              func(int) serde.Option { return serde.UseLatest() },
			"UseLatestWithMetadata":                  func(int) serde.Option { return serde.UseLatestWithMetadata(map[string]string{"a": "b"}) },
			"UseID":                                  serde.UseID,
			"LookupOnly":                             func(int) serde.Option { return serde.LookupOnly() },
			"a registry that answers another schema": func(id int) serde.Option { return serde.AutoRegister() },
		} {
			t.Run(c.own+" "+name, func(t *testing.T) {
				t.Parallel()
				fake := newFake()
				id := fake.put("sums-value", registered)
				fake.metadata[registered] = map[string]string{"a": "b"}
				var reg serde.Registry = fullRegistry{fake}
				if strings.HasPrefix(name, "a registry") {
					reg = answersLatest{fake}
				}
				b := mustSerializer(t, reg).For("sums", serde.Value, opt(id))
				got, err := b.Append(t.Context(), nil, &payload{name: "shop.Sum", schema: own, data: []byte{0}})
				if c.differs == "" {
					if err != nil || string(got) != "\x00\x00\x00\x00\x00\x00" {
						t.Errorf("%q, %v", got, err)
					}
					return
				}
				if name == "LookupOnly" && !errors.Is(err, serde.ErrUnknownSchema) {
					t.Errorf("%q, %v", got, err)
				}
				var changed *serde.SchemaChangedError
				if !errors.Is(err, serde.ErrSchemaChanged) || !errors.As(err, &changed) {
					t.Fatalf("%q, %v", got, err)
				}
				if diff := cmp.Diff([]string{c.differs}, changed.Differs); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// answersLatest returns the newest version of the subject for every schema. A
// registry that ignores logical types may do the same.
type answersLatest struct{ *fakeRegistry }

func (r answersLatest) Register(ctx context.Context, subject string, _ contract.Schema) (contract.Version, error) {
	return r.Latest(ctx, subject)
}

func TestWithAssociatedSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		associated []string
		cluster    string
		fallback   serde.SubjectFunc
		want       string // the subject, or a part of the error
		fails      bool
	}{
		{"one", []string{"finance"}, "lkc-1", serde.TopicName, "finance", false},
		{"any cluster", []string{"finance"}, "", serde.TopicName, "finance", false},
		{"none", nil, "", serde.TopicName, "orders-value", false},
		{"none, by record", nil, "", serde.RecordName, "shop.Order", false},
		{"none, required", nil, "", serde.NoSubject, "no subject with the value of topic orders", true},
		{"two", []string{"a", "b"}, "", serde.TopicName, "2 subjects", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg := fullRegistry{newFake()}
			reg.associated = map[[3]string][]string{{"orders", c.cluster, "value"}: c.associated}
			b := mustSerializer(t, reg, serde.WithAssociatedSubject(c.cluster, c.fallback)).For("orders", serde.Value)
			in, err := b.Registered(t.Context(), anOrder)
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%+v, %v", in, err)
				}
				return
			}
			if err != nil || in.Subject != c.want {
				t.Errorf("%+v, %v, want %s", in, err, c.want)
			}
			for range 10 {
				if _, err := b.Registered(t.Context(), anOrder); err != nil {
					t.Error(err)
				}
			}
			if n := reg.calls["associated orders"]; n != 1 {
				t.Errorf("%d requests for associations", n)
			}
		})
	}
	reg := fullRegistry{newFake()}
	reg.fail = errors.New("connection refused")
	if _, err := mustSerializer(t, reg, serde.WithAssociatedSubject("", serde.TopicName)).For("orders", serde.Value).Append(t.Context(), nil, anOrder); !errors.Is(err, serde.ErrRegistry) {
		t.Errorf("registry away: %v", err)
	}
}

// TestForeignFramingsAreNamed checks that the error names the framing of
// another serializer.
func TestForeignFramingsAreNamed(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("s", `"long"`)
	reg.put("s", orderSchema)
	hex := strings.Repeat("0123456789abcdef", 2)
	azure := headers(serde.Header{Key: "content-type", Value: []byte("avro/binary+" + hex)})
	apicurio := headers(serde.Header{Key: "apicurio.value.contentId", Value: make([]byte, 8)})
	d := mustDeserializer[order](t, reg)
	for _, c := range []struct {
		name   string
		data   string
		header func(string) ([]byte, bool)
		is     error
		words  string
	}{
		{"Glue", "\x03\x000123456789abcdef" + anOrderHex, nil, serde.ErrNotFramed, "AWS Glue"},
		{"Glue, compressed", "\x03\x050123456789abcdef" + anOrderHex, nil, serde.ErrNotFramed, "AWS Glue"},
		{"Azure's header", anOrderHex, azure, serde.ErrNotFramed, "Azure"},
		{"Azure's header over an id that is not there", "\x00\x00\x00\x00\x63" + anOrderHex, azure, serde.ErrUnknownSchema, "Azure"},
		{"Azure's old prefix", "\x00\x00\x00\x00" + hex + anOrderHex, nil, serde.ErrUnknownSchema, "Azure"},
		{"Apicurio's header", anOrderHex, apicurio, serde.ErrNotFramed, "ApicurioHeaders"},
		{"Hortonworks", "\x02\x00\x00\x00\x00\x00\x00\x00\x01" + anOrderHex, nil, serde.ErrNotFramed, "Hortonworks"},
		{"single object", "\xc3\x0112345678" + anOrderHex, nil, serde.ErrNotFramed, "WithSchemas"},
		{"container file", "Obj\x01", nil, serde.ErrNotFramed, "container file"},
		{"gzip", "\x1f\x8b\x08", nil, serde.ErrNotFramed, "gzip"},
		{"JSON", " {}", nil, serde.ErrNotFramed, "JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := d.Decode(t.Context(), serde.Input{Topic: "orders", Data: []byte(c.data), Header: c.header})
			if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Errorf("%v", err)
			}
		})
	}
	// The id exists, but the data does not fit.
	_, err := d.Decode(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x01" + anOrderHex)})
	if err == nil || !strings.Contains(err.Error(), "ApicurioPrefix") {
		t.Errorf("Apicurio's prefix: %v", err)
	}
}

func TestIsIDHeader(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][2]bool{ // value, key
		"__value_schema_id": {true, false}, "__key_schema_id": {false, true},
		"apicurio.value.contentId": {true, false}, "apicurio.value.globalId": {true, false},
		"apicurio.key.contentId": {false, true}, "event-id": {}, "": {},
	} {
		if got := [2]bool{serde.IsIDHeader(name, serde.Value), serde.IsIDHeader(name, serde.Key)}; got != parts {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestNilOptionsDoNothing(t *testing.T) {
	t.Parallel()
	reg := newFake()
	s := mustSerializer(t, reg, nil)
	if _, err := s.For("orders", serde.Value, nil).Append(t.Context(), nil, anOrder); err != nil {
		t.Error(err)
	}
	if _, err := serde.NewDeserializer[order](reg, nil); err != nil {
		t.Error(err)
	}
	if _, err := serde.NewSerializer((*fakeRegistry)(nil)); err == nil {
		t.Error("a nil pointer as the registry was taken")
	}
	if _, err := serde.NewDeserializer[order]((*fakeRegistry)(nil)); err == nil {
		t.Error("a nil pointer as the registry was taken")
	}
}

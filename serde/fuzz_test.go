package serde_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// FuzzInput gives any bytes to every kind of reader. Each reader returns a
// value or a documented error. An accepted value can be written again.
func FuzzInput(f *testing.F) {
	reg := newFake()
	for _, s := range []string{orderSchema, olderSchema, newerSchema, cancelledSchema, `"bytes"`, genericSchema, `["null",` + orderSchema + `,` + cancelledSchema + `]`} {
		reg.put("s", s)
	}
	d := mustDeserializer[order](f, reg, serde.WithSchemas(orderSchema))
	m := newOrderMux(f, reg)
	g, err := serde.NewGenericDeserializer(reg)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "\x00", "\x00\x00\x00\x00\x00" + anOrderHex, "\x00\x00\x00\x00\x01\x02a", "\x00\x00\x00\x00\x02\x10\x06\x02z",
		"\x00\x00\x00\x00\x03\x04no", "\x00\x00\x00\x00\x04raw", "\x00\x00\x00\x00\x06\x02" + anOrderHex, "\x01567890123456789",
		"\x00\x00\x00\x00\x05\x02x\x00\x00\x02\x02a\x02\x00\x02\x02\x00\x02\x04\x00\x02\x00\x00", "\xc3\x01aaaaaaaa",
	} {
		f.Add([]byte(seed), []byte(nil))
		f.Add([]byte(seed), []byte("\x00\x00\x00\x00\x01"))
	}
	f.Fuzz(func(t *testing.T, data, header []byte) {
		in := serde.Input{Data: data}
		if header != nil {
			in.Header = headers(serde.Header{Key: "__value_schema_id", Value: header})
		}
		_, errD := d.Decode(t.Context(), in)
		_, errM := m.Decode(t.Context(), in)
		v, errG := g.Decode(t.Context(), in)
		for _, err := range []error{errD, errM, errG} {
			var de *serde.DecodeError
			if err != nil && !errors.As(err, &de) && !errors.Is(err, serde.ErrNotFramed) && !errors.Is(err, serde.ErrTombstone) &&
				!errors.Is(err, serde.ErrUnknownSchema) && !errors.Is(err, serde.ErrUnknownType) {
				t.Errorf("%v", err)
			}
		}
		if errG != nil {
			return
		}
		codec, bare, err := g.Open(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := codec.Append(nil, v)
		if errors.Is(err, avrobin.ErrText) { // Avro reads such text, but we do not write it
			return
		}
		if err != nil {
			t.Fatalf("%v cannot be written: %v", v, err)
		}
		back, err := codec.Decode(again)
		if diff := cmp.Diff(v, back, cmpopts.EquateNaNs()); err != nil || diff != "" {
			t.Fatalf("%x as %x: %v %s", bare, again, err, diff)
		}
		text, err := codec.AppendJSON(nil, again)
		if err != nil {
			t.Fatal(err)
		}
		again, err = codec.AppendFromJSON(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if back, err = codec.Decode(again); err != nil || !cmp.Equal(v, back, cmpopts.EquateNaNs()) {
			t.Fatalf("%s: %v %s", text, err, cmp.Diff(v, back))
		}
	})
}

// FuzzGeneric takes any schema, and any JSON and bytes for the schema.
func FuzzGeneric(f *testing.F) {
	for _, s := range []string{genericSchema, orderSchema, `["null","bytes"]`, `{"type":"map","values":"double"}`, `{"type":"fixed","name":"F","size":0}`} {
		f.Add(s, []byte(`{"id":"x"}`), []byte("\x02x\x0e"))
	}
	f.Fuzz(func(t *testing.T, schema string, json, data []byte) {
		g, err := serde.NewGeneric(schema)
		if err != nil {
			return
		}
		if out, err := g.AppendFromJSON(nil, json); err == nil {
			if _, err := g.Decode(out); err != nil {
				t.Errorf("%s of %s is written as %x: %v", json, schema, out, err)
			}
		}
		if out, err := g.AppendJSON(nil, data); err == nil {
			if _, err := g.AppendFromJSON(nil, out); err != nil {
				t.Errorf("%x of %s reads as %s: %v", data, schema, out, err)
			}
		}
	})
}

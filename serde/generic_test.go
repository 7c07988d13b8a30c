package serde_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

const genericSchema = `{"type":"record","name":"shop.Cart","fields":[
	{"name":"id","type":"string"},
	{"name":"cents","type":"long","default":9007199254740993},
	{"name":"raw","type":["null","bytes"],"default":null},
	{"name":"tags","type":{"type":"map","values":"int"},"default":{"a":1}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["OPEN","PAID"]},"default":"PAID"},
	{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
		{"name":"sku","type":["string","long","shop.Line"]}]}},"default":[]}]}`

func mustGeneric(tb testing.TB, schema string) *serde.Generic {
	tb.Helper()
	g, err := serde.NewGeneric(schema)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func TestGenericRecord(t *testing.T) {
	t.Parallel()
	g := mustGeneric(t, genericSchema)
	for _, c := range []struct {
		name       string
		give, want map[string]any
		json       string
	}{
		{
			"defaults",
			map[string]any{"id": "x"},
			map[string]any{
				"id": "x", "cents": int64(9007199254740993), "raw": nil, "tags": map[string]any{"a": int32(1)},
				"state": "PAID", "lines": []any{},
			},
			`{"id":"x","cents":9007199254740993,"raw":null,"tags":{"a":1},"state":"PAID","lines":[]}`,
		},
		{
			"everything, as Go has it",
			map[string]any{
				"id": "\"é\u2028\n", "cents": -1, "raw": []byte{0, 0xff, 'a'}, "tags": map[string]int{"b": 2, "a": 1},
				"state": "OPEN", "lines": []map[string]any{
					{"sku": map[string]any{"string": "s"}},
					{"sku": map[string]any{"shop.Line": map[string]any{"sku": map[string]any{"long": 7}}}},
				},
			},
			map[string]any{
				"id": "\"é\u2028\n", "cents": int64(-1), "raw": map[string]any{"bytes": []byte{0, 0xff, 'a'}},
				"tags": map[string]any{"a": int32(1), "b": int32(2)}, "state": "OPEN", "lines": []any{
					map[string]any{"sku": map[string]any{"string": "s"}},
					map[string]any{"sku": map[string]any{"shop.Line": map[string]any{"sku": map[string]any{"long": int64(7)}}}},
				},
			},
			`{"id":"\"é\u2028\n","cents":-1,"raw":{"bytes":"\u0000\u00ffa"},"tags":{"a":1,"b":2},"state":"OPEN",` +
				`"lines":[{"sku":{"string":"s"}},{"sku":{"shop.Line":{"sku":{"long":7}}}}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := g.Record(c.give)
			if r.AvroName() != "shop.Cart" || r.AvroSchema() != g.Schema() {
				t.Errorf("%s %s", r.AvroName(), r.AvroSchema())
			}
			data, err := r.AppendAvro([]byte("x"))
			if err != nil || data[0] != 'x' {
				t.Fatalf("%q, %v", data, err)
			}
			got, err := g.Decode(data[1:])
			if diff := cmp.Diff(any(c.want), got); err != nil || diff != "" {
				t.Fatalf("%v %s", err, diff)
			}
			json, err := g.AppendJSON([]byte("x"), data[1:])
			if err != nil || string(json) != "x"+c.json {
				t.Fatalf("%v\ngot  %s\nwant x%s", err, json, c.json)
			}
			back, err := g.AppendFromJSON(nil, json[1:])
			if err != nil {
				t.Fatal(err)
			}
			if again, err := g.Decode(back); err != nil || !cmp.Equal(again, got) {
				t.Errorf("from JSON: %v %s", err, cmp.Diff(got, again))
			}
		})
	}
	if g.Record(nil) != nil {
		t.Error("a nil map is a record")
	}
}

func TestGenericRefusesOnWriting(t *testing.T) {
	t.Parallel()
	g := mustGeneric(t, genericSchema)
	cycle := map[string]any{}
	cycle["sku"] = map[string]any{"shop.Line": cycle}
	for name, c := range map[string]struct {
		v     map[string]any
		where string
	}{
		"no value":      {map[string]any{}, "id"},
		"no such field": {map[string]any{"id": "x", "centz": 1}, "centz"},
		"wrong type":    {map[string]any{"id": "x", "cents": "1"}, "cents"},
		"out of range":  {map[string]any{"id": "x", "tags": map[string]any{"a": int64(1) << 40}}, "tags"},
		"no symbol":     {map[string]any{"id": "x", "state": "GONE"}, "state"},
		"no branch":     {map[string]any{"id": "x", "lines": []any{map[string]any{"sku": 7}}}, "lines[0].sku"},
		"not UTF-8":     {map[string]any{"id": "\xff"}, "id"},
		"key not UTF-8": {map[string]any{"id": "x", "tags": map[string]any{"\xff": 1}}, "tags"},
		"not a list":    {map[string]any{"id": "x", "lines": 7}, "lines"},
		"not a map":     {map[string]any{"id": "x", "tags": 7}, "tags"},
		"not a record":  {map[string]any{"id": "x", "lines": []any{nil}}, "lines[0]"},
		"endless":       {map[string]any{"id": "x", "lines": []any{cycle}}, "lines[0]"},
	} {
		data, err := g.Record(c.v).AppendAvro([]byte("x"))
		if err == nil || string(data) != "x" || !strings.Contains(err.Error(), c.where) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func TestGenericRefusesOnReading(t *testing.T) {
	t.Parallel()
	g := mustGeneric(t, `{"type":"array","items":"null"}`)
	// The counts are too large, but goavro would believe them.
	for _, data := range []string{"\x80\x80\x80\x80\x10\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "\x02"} {
		if v, err := g.Decode([]byte(data)); err == nil {
			t.Errorf("%x: %v", data, v)
		}
		if out, err := g.AppendJSON([]byte("x"), []byte(data)); err == nil || string(out) != "x" {
			t.Errorf("%x: %s, %v", data, out, err)
		}
	}
	deep := mustGeneric(t, `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`)
	if _, err := deep.Decode([]byte(strings.Repeat("\x02", 1<<20) + "\x00")); !errors.Is(err, avrobin.ErrDepth) {
		t.Errorf("deep data: %v", err)
	}
}

func TestGenericJSONMistakesHaveAPlace(t *testing.T) {
	t.Parallel()
	g := mustGeneric(t, genericSchema)
	for json, want := range map[string]string{
		"":                                "1:1",
		"{":                               "1:",
		"{}":                              "1:1: field id of shop.Cart is not there",
		"{\n \"id\": 7}":                  "2:8: id: a number where the schema has string",
		`{"id":"x","who":1}`:              `1:11: shop.Cart has no field "who"`,
		`{"id":"x","cents":1.5}`:          "1:19: cents: 1.5 is no long",
		`{"id":"x","cents":1e3}`:          "1:19: cents: 1e3 is no long",
		`{"id":"x","raw":{"bytes":"Ā"}}`:  "1:26: raw: 'Ā' stands for no byte",
		`{"id":"x","raw":"a"}`:            `1:17: raw: no branch of the union of null, bytes: write {"bytes": "a"}`,
		`{"id":"x","tags":{"a":3e9}}`:     `1:23: tags["a"]: 3e9 is no int`,
		`{"id":"x","tags":{"a":1,"a":2}}`: "1:",
		`{"id":"x","state":"GONE"}`:       `1:19: state: "GONE" is no symbol of shop.State`,
		`{"id":"x","lines":[{"sku":{"long":"a"}}]}`: "1:35: lines[0].sku: a string where the schema has long",
		`{"id":"x"} {}`: "1:12",
		`{"id":"x","lines":` + strings.Repeat("[", 1<<20): "1:",
	} {
		out, err := g.AppendFromJSON([]byte("x"), []byte(json))
		if err == nil || string(out) != "x" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %q, %v, want %s", json, out, err, want)
		}
	}
}

func TestGenericFloats(t *testing.T) {
	t.Parallel()
	for schema, values := range map[string][]string{
		`"float"`:  {"0", "-0.0", "0.5", "-1.401298464324817e-45", `"NaN"`, `"Infinity"`, `"-Infinity"`},
		`"double"`: {"0", "-0.0", "0.1", "5e-324", `"NaN"`, `"Infinity"`, `"-Infinity"`},
	} {
		g := mustGeneric(t, schema)
		for _, v := range values {
			data, err := g.AppendFromJSON(nil, []byte(v))
			if err != nil {
				t.Errorf("%s %s: %v", schema, v, err)
				continue
			}
			if back, err := g.AppendJSON(nil, data); err != nil || string(back) != v {
				t.Errorf("%s %s: %s, %v", schema, v, back, err)
			}
		}
		for _, v := range []string{"1e999", `"nan"`, `"1"`, "null"} {
			if _, err := g.AppendFromJSON(nil, []byte(v)); err == nil {
				t.Errorf("%s %s: no error", schema, v)
			}
		}
	}
	data, err := mustGeneric(t, `"double"`).Value(math.Inf(1)).AppendAvro(nil)
	if err != nil || len(data) != 8 {
		t.Errorf("%x, %v", data, err)
	}
	for v, ok := range map[float64]bool{math.MaxFloat32: true, math.Inf(-1): true, 1e300: false, -1e39: false} {
		if data, err := mustGeneric(t, `"float"`).Append(nil, v); (err == nil) != ok {
			t.Errorf("float %v: %x, %v", v, data, err)
		}
	}
}

// TestGenericNames reads schemas that goavro misreads or refuses.
func TestGenericNames(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]string{
		"no namespace inside one": `{"type":"record","name":"a.R","fields":[{"name":"x","type":["null",{"type":"record","name":"X","namespace":"","fields":[{"name":"v","type":"long"}]}]},{"name":"y","type":["null","a.R"]}]}`,
		"a keyword for a name":    `{"type":"record","name":"n.map","fields":[{"name":"x","type":["null",{"type":"record","name":"X","fields":[{"name":"v","type":"long"}]}]},{"name":"y","type":{"type":"map","values":"n.map"}}]}`,
	} {
		g := mustGeneric(t, schema)
		tag := "X"
		if strings.HasPrefix(name, "a") {
			tag = "n.X"
		}
		json := `{"x":{"` + tag + `":{"v":7}},"y":null}`
		if strings.HasPrefix(name, "a") {
			json = `{"x":{"` + tag + `":{"v":7}},"y":{"k":{"x":null,"y":{}}}}`
		}
		data, err := g.AppendFromJSON(nil, []byte(json))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if back, err := g.AppendJSON(nil, data); err != nil || string(back) != json {
			t.Errorf("%s: %s, %v", name, back, err)
		}
		v, err := g.Decode(data)
		if err != nil || !cmp.Equal(v.(map[string]any)["x"], any(map[string]any{tag: map[string]any{"v": int64(7)}})) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		if again, err := g.Value(v).AppendAvro(nil); err != nil || string(again) != string(data) {
			t.Errorf("%s: %x, %v, want %x", name, again, err, data)
		}
	}
}

func TestGenericDecodePlan(t *testing.T) {
	t.Parallel()
	p, err := serde.Resolve(olderSchema, orderSchema)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mustGeneric(t, orderSchema).DecodePlan(p, []byte("\x02a"))
	if want := any(map[string]any{"id": "a", "cents": int64(7)}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestGenericBadSchema(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"", "{", `"nope"`, `{"type":"record","name":"R"}`} {
		if _, err := serde.NewGeneric(schema); err == nil {
			t.Errorf("%s: no error", schema)
		} else if m := avsc.Errors(nil); !errors.As(err, &m) {
			t.Errorf("%s: %v has no place", schema, err)
		}
	}
}

// TestGenericThroughTheRegistry checks that a record without a generated type
// is written and read like a generated record.
func TestGenericThroughTheRegistry(t *testing.T) {
	t.Parallel()
	reg := newFake()
	b := mustSerializer(t, reg).For("orders", serde.Value)
	data, err := b.Append(t.Context(), nil, mustGeneric(t, olderSchema).Record(map[string]any{"id": "old"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := mustDeserializer[order](t, reg).Decode(t.Context(), serde.Input{Data: data})
	if err != nil || got != (order{"old", 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.Append(t.Context(), nil, mustGeneric(t, olderSchema).Record(nil)); !errors.Is(err, serde.ErrTombstone) {
		t.Errorf("nil: %v", err)
	}
}

func TestGenericDeserializer(t *testing.T) {
	t.Parallel()
	reg := newFake()
	reg.put("a", olderSchema)
	reg.put("b", newerSchema)
	reg.put("c", `"bytes"`)
	d, err := serde.NewGenericDeserializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		"\x00\x00\x00\x00\x00\x02a":         `{"id":"a"}`,
		"\x00\x00\x00\x00\x01\x10\x06\x02z": `{"at":8,"cents":3,"id":"z"}`,
		"\x00\x00\x00\x00\x02raw":           `"raw"`,
	} {
		in := serde.Input{Data: []byte(data)}
		got, err := d.AppendJSON(t.Context(), []byte("x"), in)
		if err != nil || string(got) != "x"+want {
			t.Errorf("%q: %s, %v, want x%s", data, got, err, want)
		}
		v, err := d.Decode(t.Context(), in)
		if err != nil {
			t.Errorf("%q: %v", data, err)
		}
		g, bare, err := d.Open(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := g.Decode(bare); err != nil || !cmp.Equal(again, v) {
			t.Errorf("%q: %v, %v, want %v", data, again, err, v)
		}
	}
	var de *serde.DecodeError
	bad := serde.Input{Topic: "t", Data: []byte("\x00\x00\x00\x00\x00\x04a")}
	if out, err := d.AppendJSON(t.Context(), []byte("x"), bad); !errors.As(err, &de) || de.Path != "id" || de.Record != "shop.Order" || string(out) != "x" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := d.Decode(t.Context(), bad); !errors.As(err, &de) {
		t.Error(err)
	}
	if _, err := d.Decode(t.Context(), serde.Input{}); !errors.Is(err, serde.ErrTombstone) {
		t.Error(err)
	}
	if _, err := d.Decode(t.Context(), serde.Input{Data: []byte("\x00\x00\x00\x00\x09")}); !errors.Is(err, serde.ErrUnknownSchema) {
		t.Error(err)
	}
	if _, err := serde.NewGenericDeserializer(nil); err == nil {
		t.Error("no registry: no error")
	}
}

// TestGenericRecordsWithoutBytes checks that a schema of records without bytes
// can describe more values than any machine can hold. Reading such data must
// return an error and must not run forever.
func TestGenericRecordsWithoutBytes(t *testing.T) {
	t.Parallel()
	const depth = 64
	schema := `{"type":"record","name":"Z64","fields":[]}`
	for i := depth - 1; i >= 0; i-- {
		schema = fmt.Sprintf(`{"type":"record","name":"Z%d","fields":[{"name":"a","type":%s},{"name":"b","type":"Z%d"}]}`, i, schema, i+1)
	}
	g, err := serde.NewGeneric(schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Decode(nil); err == nil {
		t.Error("decoded")
	}
	if _, err := g.AppendJSON(nil, nil); err == nil {
		t.Error("rendered")
	}
	if _, err := g.Append(nil, map[string]any{}); err == nil {
		t.Error("encoded")
	}
}

// TestDeepJSON checks that JSON can hold every value that can be decoded. A
// deeper value is an error.
func TestDeepJSON(t *testing.T) {
	t.Parallel()
	g, err := serde.NewGeneric(`{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	deepest := 0
	for depth := 990; depth <= 1010; depth++ {
		data := []byte(strings.Repeat("\x02", depth) + "\x00")
		text, err := g.AppendJSON(nil, data)
		if err != nil {
			continue
		}
		deepest = depth
		if again, err := g.AppendFromJSON(nil, text); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%d levels: %v", depth, err)
		}
	}
	if deepest == 0 {
		t.Error("no depth can be decoded")
	}
	_, err = g.AppendFromJSON(nil, []byte(strings.Repeat(`{"next":{"R":`, 5000)))
	if err == nil || !strings.Contains(err.Error(), "no reader of Avro") {
		t.Errorf("endless: %v", err)
	}
}

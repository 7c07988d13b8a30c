package serde_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/serde"
)

// plainCases are values in Avro's JSON and in plain JSON.
var plainCases = []struct{ name, schema, avro, plain string }{
	{"optional", `["null","string"]`, `{"string":"a"}`, `"a"`},
	{"null", `["null","string"]`, `null`, `null`},
	{"int and long", `["int","long"]`, `{"long":5}`, `{"long":5}`},
	{"a long beyond int", `["int","long"]`, `{"long":5000000000}`, `5000000000`},
	{"long and double", `["long","double"]`, `{"double":5.5}`, `5.5`},
	{"long or double", `["long","double"]`, `{"double":5}`, `{"double":5}`},
	{"symbol or string", `["string",{"type":"enum","name":"E","symbols":["A"]}]`, `{"E":"A"}`, `{"E":"A"}`},
	{"string, no symbol", `["string",{"type":"enum","name":"E","symbols":["A"]}]`, `{"string":"B"}`, `"B"`},
	{"NaN or string", `["double","string"]`, `{"string":"NaN"}`, `{"string":"NaN"}`},
	{
		"records by fields", `[{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"b","type":"int"}]}]`,
		`{"B":{"b":1}}`, `{"b":1}`,
	},
	{
		"records alike", `[{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"a","type":"int"}]}]`,
		`{"B":{"a":1}}`, `{"B":{"a":1}}`,
	},
	{"a map with the key of a branch", `["null",{"type":"map","values":{"type":"map","values":"long"}}]`, `{"map":{"map":{"a":1}}}`, `{"map":{"a":1}}`},
	{
		"a record with the field of a branch", `["null",{"type":"record","name":"A","fields":[{"name":"A","type":["null","A"]}]}]`,
		`{"A":{"A":null}}`, `{"A":null}`,
	},
	{"date", `{"type":"int","logicalType":"date"}`, `20783`, `"2026-11-26"`},
	{"a far date", `{"type":"int","logicalType":"date"}`, `2147483647`, `2147483647`},
	{"time", `{"type":"int","logicalType":"time-millis"}`, `36000500`, `"10:00:00.5"`},
	{"no time of a day", `{"type":"long","logicalType":"time-micros"}`, `-1`, `-1`},
	{"timestamp", `{"type":"long","logicalType":"timestamp-millis"}`, `1795687200123`, `"2026-11-26T10:00:00.123Z"`},
	{"before 1970", `{"type":"long","logicalType":"timestamp-micros"}`, `-1`, `"1969-12-31T23:59:59.999999Z"`},
	{"nanos", `{"type":"long","logicalType":"timestamp-nanos"}`, `-9223372036854775808`, `"1677-09-21T00:12:43.145224192Z"`},
	{"local", `{"type":"long","logicalType":"local-timestamp-millis"}`, `0`, `"1970-01-01T00:00:00"`},
	{"decimal", `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, `"\u0004\u00e2"`, `"12.50"`},
	{"negative decimal", `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, `"\u00ff"`, `"-0.01"`},
	{"decimal of a huge scale", `{"type":"bytes","logicalType":"decimal","precision":2147483647,"scale":2147483647}`, `"\u00ff"`, `"-1e-2147483647"`},
	{"decimal on fixed", `{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9,"scale":0}`, `"\u00ff\u00ff\u00ff\u0080"`, `"-128"`},
	{
		"uuid on fixed", `{"type":"fixed","name":"F","size":16,"logicalType":"uuid"}`,
		`"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"`, `"00010203-0405-0607-0809-0a0b0c0d0e0f"`,
	},
	{
		"duration", `{"type":"fixed","name":"F","size":12,"logicalType":"duration"}`,
		`"\u0001\u0000\u0000\u0000\u0002\u0000\u0000\u0000\u00bc\u000b\u0000\u0000"`, `"P1M2DT3.004S"`,
	},
	{"bytes", `"bytes"`, `"\u0000\u00ff"`, `"AP8="`},
	{"float", `"float"`, `0.10000000149011612`, `0.1`},
	{"negative zero", `"float"`, `-0.0`, `-0.0`},
	{"infinity", `"float"`, `"-Infinity"`, `"-Infinity"`},
	{"a fixed of no bytes", `["null",{"type":"fixed","name":"F","size":0}]`, `{"F":""}`, `""`},
	{
		"inside", `{"type":"array","items":["null",{"type":"map","values":["null","double",{"type":"long","logicalType":"timestamp-millis"}]}]}`,
		// one key for each map, because goavro writes the keys of a map in any
		// order
		`[null,{"map":{"a":{"double":1}}},{"map":{"b":{"long":0}}}]`, `[null,{"a":{"double":1}},{"b":"1970-01-01T00:00:00Z"}]`,
	},
}

func TestPlainJSON(t *testing.T) {
	t.Parallel()
	for _, c := range plainCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := serde.NewGeneric(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			data, err := g.AppendFromJSON(nil, []byte(c.avro))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := g.AppendPlainJSON(nil, data)
			if err != nil {
				t.Fatal(err)
			}
			if string(plain) != c.plain {
				t.Errorf("%s, want %s", plain, c.plain)
			}
			back, err := g.AppendFromPlainJSON(nil, []byte(c.plain))
			if err != nil {
				t.Fatal(err)
			}
			json, err := g.AppendJSON(nil, back) // the bytes of a map have no order
			if err != nil {
				t.Fatal(err)
			}
			if want, err := g.AppendJSON(nil, data); err != nil || !bytes.Equal(json, want) {
				t.Errorf("read back as %s, want %s, %v", json, want, err)
			}
		})
	}
}

func TestPlainJSONMistakes(t *testing.T) {
	t.Parallel()
	in := func(typ string) string {
		return `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":` + typ + `}}]}`
	}
	for _, c := range []struct{ name, schema, plain, want string }{
		{"two branches", in(`["int","long"]`), `{"f":[5]}`, `1:7: f[0]: the union's branch is not clear: the value fits int and long: name the branch, such as {"int": 5}`},
		{"no branch", in(`["null","string"]`), `{"f":[5]}`, `1:7: f[0]: no branch of the union of null, string`},
		{"the cause inside", in(`["null",{"type":"map","values":"int"}]`), `{"f":[{"a":"x"}]}`, `1:12: f[0]["a"]: a string where the schema has int`},
		{"a rounded decimal", in(`{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`), `{"f":["1.25"]}`, `1:7: f[0]: "1.25" is no decimal of precision 4 and scale 1: it would be rounded`},
		{"a long decimal", in(`{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`), `{"f":[1e9]}`, `it has too many digits`},
		{"a huge exponent", in(`{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`), `{"f":["1e999999999"]}`, `exponent is out of range`},
		{"a huge scale", in(`{"type":"bytes","logicalType":"decimal","precision":2147483647,"scale":2147483647}`), `{"f":[1]}`, `exponent is out of range`},
		{"a fine time", in(`{"type":"long","logicalType":"timestamp-millis"}`), `{"f":["2026-01-01T00:00:00.0001Z"]}`, `finer than the unit`},
		{"no zone", in(`{"type":"long","logicalType":"timestamp-millis"}`), `{"f":["2026-01-01T00:00:00"]}`, `is no timestamp`},
		{"a zone", in(`{"type":"long","logicalType":"local-timestamp-millis"}`), `{"f":["2026-01-01T00:00:00Z"]}`, `is no local timestamp`},
		{"no date", in(`{"type":"int","logicalType":"date"}`), `{"f":["2026-02-30"]}`, `is no date`},
		{"base64", in(`"bytes"`), `{"f":["a"]}`, `is no base64`},
		{"NaN without quotes", in(`"double"`), `{"f":[NaN]}`, `NaN is not JSON: write "NaN", "Infinity" or "-Infinity" in double quotes`},
		{"two values", in(`"int"`), `{"f":[]} {"f":[]}`, `1:10: there is more text after the end of the value: give one value`},
		{"no value", in(`"int"`), ` `, `1:2: there is no value`},
		{"a field too many", in(`["null",{"type":"record","name":"A","fields":[]}]`), `{"f":[{"x":1}]}`, `A has no field "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := serde.NewGeneric(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			out, err := g.AppendFromPlainJSON([]byte("x"), []byte(c.plain))
			if err == nil || !strings.Contains(err.Error(), c.want) || string(out) != "x" {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// FuzzPlainJSON writes random values as plain JSON and reads them back.
func FuzzPlainJSON(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, uint64(0))
	}
	f.Fuzz(func(t *testing.T, seed, value uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		schema := schemagen.Any(r, 30).JSON()
		s, err := avsc.Parse("schema", []byte(schema))
		if err != nil || schemagen.Infinite(s) {
			return
		}
		g, err := serde.NewGeneric(schema)
		if err != nil {
			t.Fatal(err)
		}
		data := schemagen.AppendValue(nil, rand.New(rand.NewPCG(value, 4)), s)
		plain, err := g.AppendPlainJSON(nil, data)
		if err != nil {
			if strings.Contains(err.Error(), "not clear") {
				return
			}
			t.Fatalf("%s\n%s\n%v", schema, hex.EncodeToString(data), err)
		}
		back, err := g.AppendFromPlainJSON(nil, plain)
		if err != nil {
			t.Fatalf("%s\n%s\n%v", schema, plain, err)
		}
		want, err := g.AppendJSON(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.AppendJSON(nil, back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%s\n%s\n%s\n%s", schema, plain, want, got)
		}
	})
}

package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"testing"

	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TestGenericValues converts every value through Generic in both directions,
// between JSON and binary and through the map.
func TestGenericValues(t *testing.T) {
	t.Parallel()
	type value struct {
		JSON json.RawMessage
		Hex  string
	}
	type row struct {
		ID, Schema string
		Values     []value
	}
	schemas, values := 0, 0
	vectortest.Each(t, "vectors.jsonl", func(r row) {
		schemas++
		g, err := serde.NewGeneric(r.Schema)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			return
		}
		for i, v := range r.Values {
			values++
			data, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			id := r.ID + "/" + strconv.Itoa(i)
			text, err := g.AppendJSON(nil, data)
			if err != nil || !sameJSON(t, text, v.JSON) {
				t.Errorf("%s: %s, %v, want %s", id, text, err, v.JSON)
				continue
			}
			back, err := g.AppendFromJSON(nil, v.JSON)
			if err != nil || !sameData(g, back, data) {
				t.Errorf("%s: %x, %v, want %s", id, back, err, v.Hex)
			}
			native, err := g.Decode(data)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			back, err = g.Value(native).AppendAvro(nil)
			if err != nil || !sameData(g, back, data) {
				t.Errorf("%s: %v as %x, %v, want %s", id, native, back, err, v.Hex)
			}
			if _, err := g.Decode(append(bytes.Clone(data), 0)); !errors.Is(err, avrobin.ErrTrailing) {
				t.Errorf("%s: a byte more: %v", id, err)
			}
			for n := range min(len(data), 200) {
				if _, err := g.Decode(data[:n]); err == nil {
					t.Errorf("%s: the first %d of %d bytes are taken", id, n, len(data))
				}
			}
		}
	})
	t.Logf("%d values of %d schemas", values, schemas)
}

// sameData compares by value if the order of a map's entries is undefined.
func sameData(g *serde.Generic, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ja, errA := g.AppendJSON(nil, a)
	jb, errB := g.AppendJSON(nil, b)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}

func sameJSON(t *testing.T, a, b []byte) bool {
	return reflect.DeepEqual(plain(t, a), plain(t, b))
}

// plain parses a JSON value and gives all numbers the same form.
func plain(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return number(v)
}

func number(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
			return n
		}
		return f
	case []any:
		for i := range v {
			v[i] = number(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = number(v[k])
		}
	}
	return v
}

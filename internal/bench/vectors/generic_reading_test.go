package vectors

import (
	"encoding/hex"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde"
)

// TestGenericHostileData reads payloads that claim more data than they hold.
func TestGenericHostileData(t *testing.T) { // not parallel, because the test measures memory
	const most = 256 << 20 // bytes in all; other libraries need tens of GiB for some payloads
	n := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	vectortest.Each(t, "hostile_data.jsonl", func(r struct{ ID, Schema, Hex string }) {
		n++
		g, err := serde.NewGeneric(r.Schema)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			return
		}
		data, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Decode(data); err == nil {
			t.Logf("%s: within the bounds", r.ID)
		}
	})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%d payloads took %d MiB", n, took>>20)
	}
}

// TestGenericResolution reads each case by Resolve and Generic, like a program
// that knows neither schema before run time.
func TestGenericResolution(t *testing.T) {
	t.Parallel()
	type row struct {
		ID, Writer, Reader, Hex, Confidence string
		Expected                            json.RawMessage
		Error                               bool
	}
	n, values := 0, 0
	vectortest.Each(t, "resolve.jsonl", func(r row) {
		if r.Confidence == "disputed" {
			return
		}
		n++
		data, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		// Other implementations do not convert logical types. If both sides
		// have logical types, only the structure is compared.
		if writer, reader := withoutLogical(r.Writer), withoutLogical(r.Reader); writer != r.Writer && reader != r.Reader {
			r.Writer, r.Reader = writer, reader
		}
		got, err := func() ([]byte, error) {
			p, err := serde.Resolve(r.Writer, r.Reader)
			if err != nil {
				return nil, err
			}
			g, err := serde.NewGeneric(r.Reader)
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
				return nil, err
			}
			v, err := g.DecodePlan(p, data)
			if err != nil {
				return nil, err
			}
			if data, err = g.Append(nil, v); err != nil {
				return nil, err
			}
			return g.AppendJSON(nil, data)
		}()
		switch {
		case r.Error != (err != nil):
			t.Errorf("%s: %s, %v, the others say error %v", r.ID, got, err, r.Error)
		case err == nil:
			values++
			if !sameJSON(t, got, r.Expected) {
				t.Errorf("%s: %s, want %s", r.ID, got, r.Expected)
			}
		}
	})
	t.Logf("%d cases, %d with a value", n, values)
}

// withoutLogical returns a schema without its logical types.
func withoutLogical(schema string) string {
	return strings.ReplaceAll(schema, `"logicalType"`, `"plain"`)
}

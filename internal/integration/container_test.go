//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/ocf"
)

// TestContainersToJava lets Java's Avro read our container files. There is a
// file for each codec.
func TestContainersToJava(t *testing.T) {
	java := install(t, otherclients.Java)
	generic, err := serde.NewGeneric(clicks.ClickEventSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []ocf.Codec{ocf.Null, ocf.Deflate, ocf.Snappy, ocf.Zstandard} {
		t.Run(string(codec), func(t *testing.T) {
			var file bytes.Buffer
			w, err := ocf.NewWriter[clicks.ClickEvent](&file, ocf.WithCodec(codec), ocf.WithBlockSize(1000))
			if err != nil {
				t.Fatal(err)
			}
			for n := range events {
				if err := w.Append(click(n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "clicks.avro")
			if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			lines, err := java.Run(t.Context(), nil, "container-read", path)
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) != events {
				t.Fatalf("Java read %d values, want %d", len(lines), events)
			}
			for n, line := range lines {
				data, err := click(n).AppendAvro(nil)
				if err != nil {
					t.Fatal(err)
				}
				want, err := generic.AppendJSON(nil, data)
				if err != nil {
					t.Fatal(err)
				}
				if err := sameJSON([]byte(line), want); err != nil {
					t.Errorf("value %d: %v", n, err)
				}
			}
		})
	}
}

// TestContainersFromOthers reads the container files of Java's Avro and of
// Python's fastavro. There is a file for each codec of the writer.
func TestContainersFromOthers(t *testing.T) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"n","type":"long"},{"name":"s","type":["null","string"]},{"name":"m","type":{"type":"map","values":{"type":"array","items":"double"}}}]}`
	java, python := install(t, otherclients.Java), install(t, otherclients.Python)
	for _, writer := range []struct {
		client *otherclients.Client
		codecs []ocf.Codec
		tagged bool // a union's value names its branch, as in Avro's JSON encoding
	}{
		{java, []ocf.Codec{ocf.Null, ocf.Deflate, ocf.Snappy, ocf.Zstandard, ocf.Bzip2}, true},
		{python, []ocf.Codec{ocf.Null, ocf.Deflate, ocf.Bzip2, ocf.XZ}, false},
	} {
		for _, codec := range writer.codecs {
			t.Run(writer.client.Name+" "+string(codec), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "r.avro")
				input := []string{schema}
				var want []string
				for n := range events {
					avroJSON := fmt.Sprintf(`{"n":%d,"s":{"string":"caf\u00e9 %d"},"m":{"k":[1.5,%d]}}`, n, n, n)
					want = append(want, avroJSON)
					if !writer.tagged {
						avroJSON = fmt.Sprintf(`{"n":%d,"s":"caf\u00e9 %d","m":{"k":[1.5,%d]}}`, n, n, n)
					}
					input = append(input, avroJSON)
				}
				if _, err := writer.client.Run(t.Context(), input, "container-write", path, string(codec)); err != nil {
					t.Fatal(err)
				}
				file, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				r, err := ocf.NewGenericReader(bytes.NewReader(file))
				if err != nil {
					t.Fatal(err)
				}
				if r.Codec() != codec {
					t.Errorf("codec %s, want %s", r.Codec(), codec)
				}
				generic, err := serde.NewGeneric(r.Schema())
				if err != nil {
					t.Fatal(err)
				}
				for n, wanted := range want {
					data, err := r.Append(nil)
					if err != nil {
						t.Fatal(err)
					}
					got, err := generic.AppendJSON(nil, data)
					if err != nil {
						t.Fatal(err)
					}
					if err := sameJSON(got, json.RawMessage(wanted)); err != nil {
						t.Errorf("value %d: %v", n, err)
					}
				}
			})
		}
	}
}

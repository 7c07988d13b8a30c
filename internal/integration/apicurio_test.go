//go:build integration

package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestApicurioFramings reads messages that Apicurio's serdes wrote, in each
// framing. If a framing needs an option of our reader, reading must fail
// without the option.
func TestApicurioFramings(t *testing.T) {
	apicurio := install(t, otherclients.Apicurio)
	const legacy = "id-handler=io.apicurio.registry.serde.Legacy8ByteIdHandler"
	for _, test := range []struct {
		name     string
		settings []string
		options  []serde.DeserializerOption
		header   string
		size     int // the size of the prefix
	}{
		{"prefix", nil, nil, "", 5},
		{"legacy prefix", []string{legacy}, []serde.DeserializerOption{serde.ApicurioPrefix()}, "", 9},
		{"headers", []string{"headers.enabled=true"}, []serde.DeserializerOption{serde.ApicurioHeaders()}, "apicurio.value.contentId", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := topic(t, 1, nil)
			input := []string{clicks.ClickEventSchema}
			generic, err := serde.NewGeneric(clicks.ClickEventSchema)
			if err != nil {
				t.Fatal(err)
			}
			for n := range events {
				data, err := click(n).AppendAvro(nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := generic.AppendJSON(nil, data)
				if err != nil {
					t.Fatal(err)
				}
				input = append(input, string(text))
			}
			where := []string{strings.Join(cluster(t).Addrs(), ","), name, schemas(t).CoreURL}
			args := append([]string{"write"}, where...)
			if _, err := apicurio.Run(t.Context(), input, append(append(args, "auto-register=true"), test.settings...)...); err != nil {
				t.Fatal(err)
			}
			reg, _ := clients(t)
			des, err := serde.NewDeserializer[clicks.ClickEvent](reg, test.options...)
			if err != nil {
				t.Fatal(err)
			}
			without, err := serde.NewDeserializer[clicks.ClickEvent](reg)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for r, err := range logread.All(t.Context(), cluster(t).Addrs(), name) {
				if err != nil {
					t.Fatal(err)
				}
				headers := map[string][]byte{}
				for _, h := range r.Headers {
					headers[h.Key] = h.Value
				}
				in := serde.Input{Topic: name, Data: r.Value, Header: func(key string) ([]byte, bool) { v, ok := headers[key]; return v, ok }}
				if _, ok := headers[test.header]; ok != (test.header != "") {
					t.Fatalf("headers %v, want %q", headers, test.header)
				}
				got, err := des.Decode(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				want := click(n)
				wantBytes, err := want.AppendAvro(nil)
				if err != nil {
					t.Fatal(err)
				}
				gotBytes, err := got.AppendAvro(nil)
				if err != nil {
					t.Fatal(err)
				}
				if string(gotBytes) != string(wantBytes) || string(r.Key) != strconv.Itoa(n) {
					t.Errorf("event %d is read as %+v", n, got)
				}
				if got := len(r.Value) - len(wantBytes); got != test.size {
					t.Errorf("event %d has a prefix of %d bytes, want %d", n, got, test.size)
				}
				if test.options != nil {
					if _, err := without.Decode(t.Context(), in); err == nil {
						t.Errorf("event %d is read without the option", n)
					}
				}
				n++
			}
			if n != events {
				t.Errorf("%d events, want %d", n, events)
			}
		})
	}
}

// TestApicurioReadsOurs lets Apicurio's deserializer read our messages.
func TestApicurioReadsOurs(t *testing.T) {
	apicurio := install(t, otherclients.Apicurio)
	name := topic(t, 1, nil)
	publish(t, name, producer.Zstd, true)
	records, err := apicurio.Read(t.Context(), cluster(t).Addrs(), name, schemas(t).CoreURL)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != events {
		t.Fatalf("%d records, want %d", len(records), events)
	}
	generic, err := serde.NewGeneric(clicks.ClickEventSchema)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range records {
		data, err := click(n).AppendAvro(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := generic.AppendJSON(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameJSON(r.Value, want); err != nil {
			t.Error(fmt.Errorf("event %d: %w", n, err))
		}
	}
}

package outbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/avroline/avroline/serde"
)

// TestHeadersAreASCII checks that the column headers has only ASCII characters,
// so that the character set of a connection cannot change them.
func TestHeadersAreASCII(t *testing.T) {
	t.Parallel()
	headers := []serde.Header{{Key: "é", Value: []byte("✓ 日本 😀 <\"\\\u2028>")}, {Key: "b", Value: []byte{0xff}}, {Key: "n"}, {Key: "", Value: []byte{}}}
	text := encodeHeaders(headers)
	if strings.ContainsFunc(text, func(r rune) bool { return r > 126 }) {
		t.Errorf("got %s", text)
	}
	if got, err := decodeHeaders(text); err != nil || fmt.Sprint(got) != fmt.Sprint(headers) {
		t.Errorf("got %v, %v, want %v", got, err, headers)
	}
	if got, err := decodeHeaders(`[["é","✓ 😀"]]`); err != nil || got[0].Key != "é" || string(got[0].Value) != "✓ 😀" {
		t.Errorf("a row of an earlier version: %v, %v", got, err)
	}
}

// TestPercentInTheName checks a name that looks like a format.
func TestPercentInTheName(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{SQLite, PostgreSQL, MySQL} {
		schema, err := Schema(d, WithName("100%s"))
		if state := d.quote("100%s_state") + " (\n  name "; err != nil || !strings.Contains(schema, state) {
			t.Errorf("%v: %v\n%s", d, err, schema)
		}
	}
}

// TestFunctionsOfMySQL checks that the statements do without functions that
// MySQL 9.7 does not have without an optional component.
func TestFunctionsOfMySQL(t *testing.T) {
	t.Parallel()
	schema, err := Schema(MySQL)
	if err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"MD5(", "SHA1(", "SHA("} {
		if strings.Contains(schema, function) {
			t.Errorf("%s) is missing in MySQL 9.7:\n%s", function, schema)
		}
	}
}

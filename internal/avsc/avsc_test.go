package avsc_test

import (
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

func parse(t *testing.T, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("t.avsc", []byte(text))
	if err != nil {
		t.Fatalf("%s:\n%v", text, err)
	}
	return s
}

// The value that the specification's own reference implementation gives.
func TestFingerprintOfString(t *testing.T) {
	t.Parallel()
	const want = 0x8f014872634503c7
	if got := parse(t, `{"type": "string"}`).Fingerprint(); got != want {
		t.Errorf("got %#x, want %#x", got, uint64(want))
	}
}

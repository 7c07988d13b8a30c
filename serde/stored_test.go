package serde_test

import (
	"testing"

	"github.com/avroline/avroline/serde"
)

// TestResolveTakesAWriterWithABadDefault checks that reading ignores the
// defaults of the writer schema. Registries contain schemas whose defaults do
// not fit, and their data must stay readable.
func TestResolveTakesAWriterWithABadDefault(t *testing.T) {
	t.Parallel()
	const (
		bad  = `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": "x"}]}`
		good = `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long", "default": 1}]}`
	)
	if _, err := serde.Resolve(bad, good); err != nil {
		t.Error(err)
	}
	if _, err := serde.Resolve(good, bad); err == nil {
		t.Error("a reader with a bad default was accepted")
	}
}

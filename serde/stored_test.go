package serde_test

import (
	"testing"

	"github.com/avroline/avroline/serde"
)

// A default of the writer's is not looked at when its data is read, so that one
// that does not fit, as registries have them, is no reason to refuse the data.
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

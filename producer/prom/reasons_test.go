package prom

import (
	"testing"

	"github.com/avroline/avroline/producer"
)

// TestReasons checks that there is a counter for each reason of package
// producer, and for no other reason.
func TestReasons(t *testing.T) {
	t.Parallel()
	counts := newTopic("orders", New()).refused
	for _, r := range producer.Reasons() {
		if counts[r] == nil {
			t.Errorf("no count of %s", r)
		}
	}
	if len(counts) != len(producer.Reasons()) {
		t.Errorf("%d counts of %d reasons", len(counts), len(producer.Reasons()))
	}
}

package avrobin_test

import (
	"testing"

	"github.com/avroline/avroline/internal/sample/hostile"
)

// TestOptionalsShareBlocks checks that reading takes an allocation per 16
// optional fields that are present, and not an allocation per field. The test
// is not parallel, because it counts allocations.
func TestOptionalsShareBlocks(t *testing.T) {
	text := "text"
	item := hostile.Item{F0: &text, F3: &text, F15: &text, F16: &text}
	data, err := item.AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got hostile.Item
	allocs := testing.AllocsPerRun(100, func() {
		if err := got.UnmarshalAvro(data); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 3 { // the copy of the message, and two blocks
		t.Errorf("%v allocations", allocs)
	}
	if *got.F0 != text || *got.F3 != text || *got.F15 != text || *got.F16 != text || got.F1 != nil || got.F17 != nil {
		t.Error("the fields are not as they were written")
	}
	*got.F0 = "another"
	if *got.F3 != text || *got.F15 != text {
		t.Error("the fields of a block are one")
	}
}

package outbox

import (
	"errors"
	"testing"

	"github.com/avroline/avroline/producer/source"
)

// TestCleanerBehind checks a relay whose database refuses to delete rows. The
// relay publishes until the queue of the cleaner is full. Then the reader
// reports the database's error, and does not wait in silence.
func TestCleanerBehind(t *testing.T) {
	t.Parallel()
	denied := errors.New("permission denied for table outbox")
	r := &reader{cleaner: &cleaner{work: make(chan cleaning, 1), err: denied}, finished: [][]int64{{1}, {2}}, buffer: []*Row{{Seq: 3}}}
	positions := []source.Position{{Stream: "shard-0", Value: "{}"}}
	for range 2 {
		if err := r.Committed(t.Context(), positions); !errors.Is(err, denied) {
			t.Errorf("Committed: %v", err)
		}
	}
	if ok, err := r.Next(t.Context(), new(source.Item[*Row])); ok || !errors.Is(err, denied) || !source.IsTemporary(err) {
		t.Errorf("Next: %v, %v", ok, err)
	}
}

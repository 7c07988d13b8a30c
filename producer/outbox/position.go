package outbox

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/source"
)

// position is how far a shard was published, as it is kept in Kafka and in the
// relay's own table.
//
// In PostgreSQL, rows become visible in the order of their commits, which is
// not the order of seq. A window is the set of rows that one snapshot sees and
// the one before does not see. Rows are published window by window, and within
// a window in the order of seq. So no row is skipped because its transaction
// commits late. The order of a key is kept, because a later transaction on the
// key has a higher seq, and is visible only together with the earlier one.
//
// In MySQL, the relay numbers the rows that it sees, in batches, and the number
// of a batch has the same meaning. SQLite has one writer, and seq is the order
// of the commits.
type position struct {
	Database string `json:"database"`
	// Before and In are PostgreSQL's snapshots around the window (text of
	// pg_snapshot).
	Before string    `json:"before,omitempty"`
	In     string    `json:"in,omitempty"`
	Batch  int64     `json:"batch,omitempty"` // MySQL
	Seq    int64     `json:"seq"`             // of the last row, in the window or batch
	ID     uuid.UUID `json:"id"`              // the event of that row
}

func (p position) text() string {
	b, err := json.Marshal(p)
	if err != nil { // strings and numbers always have a text
		panic(err)
	}
	return string(b)
}

func parsePosition(text string) (position, error) {
	var p position
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("outbox: position %q: %w", text, err)
	}
	return p, nil
}

var (
	// ErrDatabase says that the database is not the one whose rows were
	// published before: another one, or a copy from an earlier time.
	ErrDatabase = errors.New("outbox: not the database that was published from")
	// ErrChecksum says that a row was changed after it was written.
	ErrChecksum = errors.New("outbox: row was changed after it was written")
)

// stream is the name of a shard's stream.
func stream(shard int) string { return fmt.Sprintf("shard-%d", shard) }

// positionOf finds a shard's own position.
func positionOf(shard int, committed []source.Position) (p position, ok bool, err error) {
	for _, c := range committed {
		if c.Stream == stream(shard) {
			p, err = parsePosition(c.Value)
			return p, true, err
		}
	}
	return position{}, false, nil
}

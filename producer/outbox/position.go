package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/source"
)

// position records how far a shard was published. It is stored in Kafka and in
// the relay's own table.
//
// In PostgreSQL, rows become visible in the order of their commits, which
// differs from the order of seq. A window is the set of rows that are visible
// in a snapshot but not in the snapshot before. The relay publishes rows window
// by window, and sorts each window by seq. So a row is not skipped if its
// transaction commits late. The order of a key is also kept: a later
// transaction on the key has a higher seq, and never becomes visible before the
// earlier transaction.
//
// In MySQL, the relay numbers the visible rows in batches. The number of a
// batch then has the same meaning as a window. SQLite has one writer, so the
// order of seq is the order of the commits.
type position struct {
	Database string `json:"database"`
	// Before and In are the PostgreSQL snapshots around the window, as text of
	// type pg_snapshot.
	Before string    `json:"before,omitempty"`
	In     string    `json:"in,omitempty"`
	Batch  int64     `json:"batch,omitempty"` // MySQL
	Seq    int64     `json:"seq"`             // the last published row, in the window or batch
	ID     uuid.UUID `json:"id"`              // the id of that row's event
}

func (p position) text() string {
	b, err := json.Marshal(p)
	if err != nil { // cannot happen: strings and numbers always have a text
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
	// ErrDatabase says that the database does not match the published rows. It
	// is another database, or a copy from an earlier time.
	ErrDatabase = errors.New("outbox: not the database that was published from")
	// ErrChecksum says that a row was changed after it was written.
	ErrChecksum = errors.New("outbox: row was changed after it was written")
)

// snapshotEnd returns the first transaction id that a snapshot of PostgreSQL
// does not know, and 0 for another text. The text is xmin:xmax:xip_list.
func snapshotEnd(snapshot string) uint64 {
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return 0
	}
	end, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return 0
	}
	return end
}

// stream returns the name of a shard's stream.
func stream(shard int) string { return fmt.Sprintf("shard-%d", shard) }

// positionOf finds the position of a shard among the committed positions.
func positionOf(shard int, committed []source.Position) (p position, ok bool, err error) {
	for _, c := range committed {
		if c.Stream == stream(shard) {
			p, err = parsePosition(c.Value)
			return p, true, err
		}
	}
	return position{}, false, nil
}

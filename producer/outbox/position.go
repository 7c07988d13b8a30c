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

// position records how far a shard was published. The position is stored in
// Kafka and in the relay's own table.
//
// In PostgreSQL, rows become visible in the order of their commits, which can
// differ from the order of seq. A window is the set of rows that are visible in
// a snapshot but not in the snapshot before. The relay publishes rows window by
// window, and sorts each window by seq. So no row is skipped if its transaction
// commits late. The order of a key is also kept. If two transactions write rows
// of a key, the later transaction has the higher seq and never becomes visible
// first.
//
// In MySQL, the relay numbers the visible rows in batches. A batch has the same
// purpose as a window. SQLite has one writer, so rows commit in the order of
// seq.
type position struct {
	Database string `json:"database"`
	// Before and In are the PostgreSQL snapshots around the window, as text of
	// type pg_snapshot.
	Before string    `json:"before,omitempty"`
	In     string    `json:"in,omitempty"`
	Batch  int64     `json:"batch,omitempty"` // MySQL
	Seq    int64     `json:"seq"`             // the seq of the last published row of the window or batch
	ID     uuid.UUID `json:"id"`              // the event id of the same row
}

func (p position) text() string {
	b, err := json.Marshal(p)
	if err != nil { // cannot happen: strings and numbers can always be encoded
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
	// ErrDatabase says that the database does not match the published rows. The
	// database is another database, a copy from an earlier time, or has rows
	// that the relay cannot compare with the published rows. The relay deletes
	// nothing. The text says what to do.
	ErrDatabase = errors.New("outbox: not the database of the published rows")
	// ErrChecksum says that a row was changed after it was written.
	ErrChecksum = errors.New("outbox: row was changed after its insert")
)

// snapshotEnd returns the first transaction id that a PostgreSQL snapshot does
// not know. The text of a snapshot is xmin:xmax:xip_list. For another text, the
// result is 0.
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

// streamName returns the name of a shard's stream.
func streamName(shard int) string { return fmt.Sprintf("shard-%d", shard) }

// positionOf finds the position of a shard among the committed positions.
func positionOf(shard int, committed []source.Position) (p position, ok bool, err error) {
	for _, c := range committed {
		if c.Stream == streamName(shard) {
			p, err = parsePosition(c.Value)
			return p, true, err
		}
	}
	return position{}, false, nil
}

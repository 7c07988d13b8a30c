package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/source"
)

// input reads the table as a [source.Input].
type input struct {
	table *Table
	db    *sql.DB
	relay string // the relay's name, used in the relay's own table
	keep  time.Duration
	poll  time.Duration
	waker Waker
	rows  int // the most rows of one query
}

const (
	// bufferBytes bounds the bytes of the rows in memory. The first row may be
	// larger.
	bufferBytes = 8 << 20
	// deleteMost bounds the number of rows that one statement deletes.
	deleteMost = 5000
)

// reader reads one shard.
type reader struct {
	*input
	shard    int
	database string
	at       position // the position of the last row that Next returned
	moved    bool     // at has changed since Positions
	buffer   []*Row
	ahead    position // the position of the last row in the buffer

	committed atomic.Pointer[position] // the last committed position, for Lag

	published []int64   // the rows that Next returned since the last Positions
	finished  [][]int64 // the rows of each transaction that Positions has closed
	swept     time.Time // the time of the last sweep
	cleaner   *cleaner
	noted     string // the progress in the relay's own table, if it is ours
}

// Open implements [source.Input].
func (in *input) Open(ctx context.Context, shard source.Shard, committed []source.Position) (source.Reader[*Row], error) {
	r := &reader{input: in, shard: shard.Number}
	if err := in.table.Check(ctx, in.db); err != nil {
		if missing := new(SchemaError); errors.As(err, &missing) {
			return nil, err
		}
		return nil, source.Temporary(err)
	}
	var err error
	if r.database, err = in.table.identity(ctx, in.db); err != nil {
		return nil, source.Temporary(err)
	}
	at, known, err := positionOf(shard.Number, committed)
	if err != nil {
		return nil, err
	}
	if err := r.checkDatabase(ctx, at, known); err != nil {
		return nil, err
	}
	at.Database = r.database
	r.at, r.ahead = at, at
	r.committed.Store(&at)
	if known {
		if err := r.deletePublished(ctx, at); err != nil {
			return nil, source.Temporary(err)
		}
	}
	r.cleaner = newCleaner(r)
	return r, nil
}

// progressName is the name of the progress in the relay's own table.
func (r *reader) progressName() string { return "relay " + r.relay + " " + stream(r.shard) }

// checkDatabase compares the position in Kafka with the progress in the
// database. The progress may be older than the position. But the rows in
// between still exist, because one transaction deletes rows and stores the
// progress.
func (r *reader) checkDatabase(ctx context.Context, at position, known bool) error {
	stored, ok, err := r.table.readState(ctx, r.db, r.progressName())
	if err != nil {
		return source.Temporary(err)
	}
	switch {
	case !known && ok:
		return fmt.Errorf("%w: its rows were published up to %s, and the topic of positions has no position of %s: "+
			"restore that topic, or delete the row %q of %s_state to publish what is left", ErrDatabase, stored, stream(r.shard), r.progressName(), r.table.name)
	case !known:
		return nil
	case at.Database != r.database:
		return fmt.Errorf("%w: its identity is %s, and rows of %s were published: give the relay of another database another name",
			ErrDatabase, r.database, at.Database)
	case ok && stored == at.text():
		return nil
	}
	var id string
	err = r.db.QueryRowContext(ctx, r.table.dialect.query("SELECT "+r.table.dialect.quote(r.table.columns.id)+" FROM "+r.table.quoted()+" WHERE seq = ?"), at.Seq).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return source.Temporary(fmt.Errorf("outbox: %w", err))
	case strings.EqualFold(id, at.ID.String()):
		return nil
	}
	return fmt.Errorf("%w: the event %s was published, and neither its row (seq %d) nor the note of it is there: "+
		"this is a copy from before it, or the note in %s_state was changed. What the copy lacks is lost in the database. To go on with its rows, "+
		"give the relay another name", ErrDatabase, at.ID, at.Seq, r.table.name)
}

// Next implements [source.Reader].
func (r *reader) Next(ctx context.Context, item *source.Item[*Row]) (bool, error) {
	if len(r.buffer) == 0 {
		if err := r.fill(ctx); err != nil {
			return false, source.Temporary(fmt.Errorf("outbox: read table %s: %w", r.table.name, err))
		}
		if len(r.buffer) == 0 {
			return false, nil
		}
	}
	row := r.buffer[0]
	r.buffer = r.buffer[1:]
	r.at = r.ahead // all rows of the buffer belong to one window
	r.at.Batch, r.at.Seq, r.at.ID = row.batch, row.Seq, row.ID
	r.moved = true
	r.published = append(r.published, row.Seq)
	item.Value, item.Bytes = row, row.size()
	return true, nil
}

// More implements [source.Reader]. It waits for a notification, or for the next
// poll.
func (r *reader) More(ctx context.Context) (bool, error) {
	if err := r.sweep(ctx); err != nil {
		return false, source.Temporary(err)
	}
	wait, cancel := context.WithTimeout(ctx, r.poll)
	defer cancel()
	if r.waker != nil {
		if err := r.waker.Wait(wait); err == nil || wait.Err() != nil {
			return true, nil
		}
	}
	<-wait.Done()
	return true, nil
}

// Positions implements [source.Reader].
func (r *reader) Positions() []source.Position {
	if !r.moved {
		return nil
	}
	r.moved = false
	r.finished = append(r.finished, r.published)
	r.published = nil
	return []source.Position{{Stream: stream(r.shard), Value: r.at.text()}}
}

// Close implements [source.Reader].
func (r *reader) Close() error {
	r.cleaner.close()
	return nil
}

// Committed implements [source.Committer]. It gives the rows of the oldest
// finished transaction to the cleaner, which deletes them concurrently.
func (r *reader) Committed(ctx context.Context, positions []source.Position) error {
	if len(r.finished) == 0 { // this position is from an earlier run, and Open has deleted its rows
		return nil
	}
	at, err := parsePosition(positions[0].Value) // a shard has one stream
	if err != nil {
		return err
	}
	r.committed.Store(&at)
	seqs := r.finished[0]
	r.finished = r.finished[1:]
	return r.cleaner.add(ctx, cleaning{seqs, positions})
}

func list(seqs []int64) string {
	var b strings.Builder
	for i, n := range seqs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// behind returns the condition that selects the rows up to a position.
func (r *reader) behind(at position) (condition string, args []any) {
	switch r.table.dialect {
	case PostgreSQL:
		return "shard = ? AND (pg_visible_in_snapshot(tx, ?::pg_snapshot) OR pg_visible_in_snapshot(tx, ?::pg_snapshot) AND seq <= ?)",
			[]any{r.shard, at.Before, at.In, at.Seq}
	case MySQL:
		return "shard = ? AND (batch < ? OR batch = ? AND seq <= ?)", []any{r.shard, at.Batch, at.Batch, at.Seq}
	default:
		return "shard = ? AND seq <= ?", []any{r.shard, at.Seq}
	}
}

// deletePublished deletes the rows that an earlier run has published, and
// stores the progress.
func (r *reader) deletePublished(ctx context.Context, at position) error {
	condition, args := r.behind(at)
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if r.keep == 0 {
		if _, err := tx.ExecContext(ctx, r.table.dialect.query("DELETE FROM "+r.table.quoted()+" WHERE "+condition), args...); err != nil {
			return fmt.Errorf("outbox: delete what was published: %w", err)
		}
	}
	r.noted = at.text()
	if err := r.table.writeState(ctx, tx, r.progressName(), r.noted); err != nil {
		return err
	}
	return tx.Commit()
}

// sweep deletes published rows whose retention time has passed.
func (r *reader) sweep(ctx context.Context) error {
	if r.keep == 0 || time.Since(r.swept) < max(r.keep/10, time.Second) || r.at.ID == uuid.Nil || r.moved {
		return nil
	}
	condition, args := r.behind(r.at)
	args = append(args, r.table.timeArg(time.Now().Add(-r.keep).UTC()))
	if _, err := r.db.ExecContext(ctx, r.table.dialect.query("DELETE FROM "+r.table.quoted()+" WHERE "+condition+" AND created_at < ?"), args...); err != nil {
		return fmt.Errorf("outbox: delete what was kept: %w", err)
	}
	r.swept = time.Now()
	return nil
}

// unpublished returns the condition that selects the rows behind a position.
func (r *reader) unpublished(at position) (condition string, args []any) {
	switch r.table.dialect {
	case PostgreSQL:
		before := orEmptySnapshot(at.Before)
		return "shard = ? AND " + newer + " AND (NOT pg_visible_in_snapshot(tx, ?::pg_snapshot) OR seq > ?)",
			[]any{r.shard, before, before, orEmptySnapshot(at.In), at.Seq}
	case MySQL:
		return "shard = ? AND (batch IS NULL OR batch > ? OR batch = ? AND seq > ?)", []any{r.shard, at.Batch, at.Batch, at.Seq}
	default:
		return "shard = ? AND seq > ?", []any{r.shard, at.Seq}
	}
}

// Lag implements [source.Lagger]. It counts the rows of the shard that are not
// known to be published. Published rows that wait for their deletion, or are
// kept, do not count.
func (r *reader) Lag(ctx context.Context) (source.Lag, error) {
	var n int64
	var oldest any
	condition, args := r.unpublished(*r.committed.Load())
	err := r.db.QueryRowContext(ctx, r.table.dialect.query("SELECT COUNT(*), "+r.table.dialect.timeText("MIN(created_at)")+" FROM "+r.table.quoted()+" WHERE "+condition), args...).Scan(&n, &oldest)
	if err != nil {
		return source.Lag{Items: -1}, fmt.Errorf("outbox: %w", err)
	}
	lag := source.Lag{Items: n}
	if oldest != nil {
		at, err := parseTime(oldest)
		if err != nil {
			return lag, err
		}
		lag.Oldest = max(time.Since(at), 0)
	}
	return lag, nil
}

// fill reads the next rows into the buffer.
func (r *reader) fill(ctx context.Context) error {
	switch r.table.dialect {
	case PostgreSQL:
		return r.fillPostgreSQL(ctx)
	case MySQL:
		return r.fillMySQL(ctx)
	default:
		_, err := r.query(ctx, r.db, "shard = ? AND seq > ? ORDER BY seq", r.shard, r.ahead.Seq)
		return err
	}
}

// fillPostgreSQL reads the next rows of the window, or opens the next window.
func (r *reader) fillPostgreSQL(ctx context.Context) error {
	if r.ahead.In != "" {
		const window = "shard = ? AND NOT pg_visible_in_snapshot(tx, ?::pg_snapshot) AND pg_visible_in_snapshot(tx, ?::pg_snapshot) AND seq > ? ORDER BY seq"
		n, err := r.query(ctx, r.db, window, r.shard, orEmptySnapshot(r.ahead.Before), r.ahead.In, r.ahead.Seq)
		if err != nil || n > 0 {
			return err
		}
	}
	// The window is at its end. One statement takes the snapshot and looks for
	// rows, so the rows that it finds are visible in the snapshot.
	var now string
	before := orEmptySnapshot(r.ahead.In)
	var first sql.NullInt64
	if err := r.db.QueryRowContext(ctx, r.table.dialect.query("SELECT pg_current_snapshot()::text, MIN(seq + 0) FROM "+r.table.quoted()+
		" WHERE shard = ? AND "+newer), r.shard, before, before).Scan(&now, &first); err != nil {
		return err
	}
	if !first.Valid {
		return nil
	}
	const window = "shard = ? AND NOT pg_visible_in_snapshot(tx, ?::pg_snapshot) AND pg_visible_in_snapshot(tx, ?::pg_snapshot) AND seq >= ? ORDER BY seq"
	n, err := r.query(ctx, r.db, window, r.shard, before, now, first.Int64)
	if err == nil && n > 0 {
		r.ahead.Before, r.ahead.In = before, now
	}
	return err
}

// newer is the condition for the rows that a snapshot does not see. The first
// half lets PostgreSQL use the index on (shard, tx), so that kept rows and the
// remains of deleted rows cost nothing. The caller writes MIN(seq + 0), because
// PostgreSQL would find MIN(seq) by walking the index on (shard, seq) from its
// beginning.
const newer = "tx >= pg_snapshot_xmin(?::pg_snapshot) AND NOT pg_visible_in_snapshot(tx, ?::pg_snapshot)"

// orEmptySnapshot replaces an empty text by a snapshot that sees no
// transaction.
func orEmptySnapshot(s string) string {
	if s == "" {
		return "1:1:"
	}
	return s
}

// fillMySQL reads the next rows of the batches, or numbers new rows.
func (r *reader) fillMySQL(ctx context.Context) error {
	const numbered = "shard = ? AND (batch = ? AND seq > ? OR batch > ?) ORDER BY batch, seq"
	n, err := r.query(ctx, r.db, numbered, r.shard, r.ahead.Batch, r.ahead.Seq, r.ahead.Batch)
	if err != nil || n > 0 {
		return err
	}
	found, err := r.number(ctx)
	if err != nil || !found {
		return err
	}
	_, err = r.query(ctx, r.db, numbered, r.shard, r.ahead.Batch, r.ahead.Seq, r.ahead.Batch)
	return err
}

// number assigns the next batch number to the visible rows without a batch. The
// relays take turns because of the lock on the counter. So a batch that becomes
// visible later has a higher number.
func (r *reader) number(ctx context.Context) (bool, error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	name := "batch " + stream(r.shard)
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO "+r.table.state()+" (name, value) VALUES (?, '0')", name); err != nil {
		return false, err
	}
	var text string
	if err := tx.QueryRowContext(ctx, "SELECT value FROM "+r.table.state()+" WHERE name = ? FOR UPDATE", name).Scan(&text); err != nil {
		return false, err
	}
	batch, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false, fmt.Errorf("table %s_state, row %q: %w", r.table.name, name, err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT seq FROM "+r.table.quoted()+" WHERE shard = ? AND batch IS NULL ORDER BY seq LIMIT "+strconv.Itoa(r.rows), r.shard)
	if err != nil {
		return false, err
	}
	var seqs []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			_ = rows.Close()
			return false, err
		}
		seqs = append(seqs, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(seqs) == 0 {
		return false, err
	}
	batch = max(batch, r.ahead.Batch) + 1
	if _, err := tx.ExecContext(ctx, "UPDATE "+r.table.quoted()+" SET batch = ? WHERE seq IN ("+list(seqs)+")", batch); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE "+r.table.state()+" SET value = ? WHERE name = ?", strconv.FormatInt(batch, 10), name); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// query reads rows into the buffer, and moves r.ahead to the last row.
func (r *reader) query(ctx context.Context, db querier, condition string, args ...any) (n int, err error) {
	q := r.table.dialect.quote
	c := r.table.columns
	batch := "0"
	if r.table.dialect == MySQL {
		batch = "batch"
	}
	at := r.table.dialect.timeText("created_at")
	rows, err := db.QueryContext(ctx, r.table.dialect.query("SELECT seq, "+batch+", "+q(c.id)+", "+q(c.topic)+", "+q(c.kind)+", "+q(c.key)+", "+q(c.payload)+
		", "+q(c.key)+" IS NULL, "+q(c.payload)+" IS NULL, headers, partition_number, "+at+", checksum FROM "+r.table.quoted()+" WHERE "+condition+" LIMIT "+strconv.Itoa(r.rows)), args...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	bytes := 0
	for rows.Next() && bytes < bufferBytes {
		row := &Row{Shard: r.shard, Partition: -1}
		var id string
		var headers sql.NullString
		var partition sql.NullInt64
		var at any
		var noKey, noPayload bool // some drivers return nil for an empty value
		if err := rows.Scan(&row.Seq, &row.batch, &id, &row.Topic, &row.Type, &row.Key, &row.Payload, &noKey, &noPayload, &headers, &partition, &at, &row.checksum); err != nil {
			return n, err
		}
		if row.ID, err = uuid.Parse(id); err != nil {
			return n, fmt.Errorf("row seq=%d: event id: %w", row.Seq, err)
		}
		if row.Time, err = parseTime(at); err != nil {
			return n, fmt.Errorf("row seq=%d: %w", row.Seq, err)
		}
		if row.Key == nil && !noKey {
			row.Key = []byte{}
		}
		if row.Payload == nil && !noPayload {
			row.Payload = []byte{}
		}
		row.headers = headers.String
		if partition.Valid {
			row.Partition = int(partition.Int64)
		}
		r.buffer = append(r.buffer, row)
		bytes += row.size()
		n++
		r.ahead.Seq, r.ahead.ID = row.Seq, row.ID
		if r.table.dialect == MySQL {
			r.ahead.Batch = row.batch
		}
	}
	return n, rows.Err()
}

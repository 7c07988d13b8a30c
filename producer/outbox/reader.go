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
	relay string // the relay's name in the relay's own table
	keep  time.Duration
	poll  time.Duration
	waker Waker
	rows  int // the largest number of rows of one query
}

// maxDeleteRows limits the number of rows that one statement deletes.
const maxDeleteRows = 5000

// reader reads one shard.
type reader struct {
	*input
	shard    int
	database string
	server   string   // the server that Open has checked
	at       position // the position of the last row that Next returned
	moved    bool     // at has changed since the last call of Positions
	buffer   []*Row   // rows of one window for the next calls of Next
	window   position // the window of the buffer
	short    bool     // the query of the buffer found fewer rows than its limit
	fetcher  *fetcher

	committed atomic.Pointer[position] // the last committed position, for Lag

	published []int64   // the rows that Next has returned since the last call of Positions
	finished  [][]int64 // the rows of each transaction that Positions has ended
	swept     time.Time // the start of the last sweep
	checked   time.Time // the time of the last checkShards
	cleaner   *cleaner
	behind    error  // why Next returns no more rows: the database does not delete published rows
	noted     string // the progress in the relay's own table, if the progress is ours
}

// Open implements [source.Input].
func (in *input) Open(ctx context.Context, shard source.Shard, committed []source.Position) (source.Reader[*Row], error) {
	r := &reader{input: in, shard: shard.Number, checked: time.Now()}
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
	if r.server, err = in.table.server(ctx, in.db); err != nil {
		return nil, source.Temporary(err)
	}
	if err := in.checkShards(ctx, shard.Number); err != nil {
		return nil, err
	}
	at, known, err := positionOf(shard.Number, committed)
	if err != nil {
		return nil, err
	}
	if err := r.checkDatabase(ctx, at, known); err != nil {
		return nil, err
	}
	at.Database = r.database
	r.at = at
	r.committed.Store(&at)
	if known {
		if err := r.deletePublished(ctx, at); err != nil {
			return nil, source.Temporary(err)
		}
	}
	r.fetcher = newFetcher(in, shard.Number, r.server, at)
	r.cleaner = newCleaner(r)
	return r, nil
}

// shardsInterval is the pause between two checks of checkShards.
const shardsInterval = 10 * time.Second

// checkShards returns an error if the table has rows of shards that no relay
// reads, because a service writes with another value of [WithShards]. Such rows
// would wait forever without an error. Only shard 0 checks.
func (in *input) checkShards(ctx context.Context, shard int) error {
	if shard != 0 {
		return nil
	}
	var highest sql.NullInt64
	if err := in.db.QueryRowContext(ctx, "SELECT MAX(shard) FROM "+in.table.quoted()).Scan(&highest); err != nil {
		return source.Temporary(fmt.Errorf("outbox: table %s: %w", in.table.name, err))
	}
	if highest.Int64 >= int64(in.table.shards) {
		return fmt.Errorf("outbox: table %s has rows of shard %d, but the relay has WithShards(%d), so no relay would publish these rows: "+
			"give the services and the relays the same number, and delete rows that are published already", in.table.name, highest.Int64, in.table.shards)
	}
	return nil
}

// progressName returns the name of the progress in the relay's own table.
func (r *reader) progressName() string { return "relay " + r.relay + " " + streamName(r.shard) }

// checkDatabase compares the position in Kafka with the progress in the
// database. If known is false, the topic of positions has no position. The
// progress may be older than the position. Then the rows between both must
// still exist, because one transaction deletes rows and stores the progress.
func (r *reader) checkDatabase(ctx context.Context, at position, known bool) error {
	stored, ok, err := r.table.readState(ctx, r.db, r.progressName())
	if err != nil {
		return source.Temporary(err)
	}
	switch {
	case !known && ok:
		return fmt.Errorf("%w: the database notes published rows up to %s, but the topic of positions has no position of %s: "+
			"restore the topic, or delete the row %q of table %s_state to publish the remaining rows", ErrDatabase, stored, streamName(r.shard), r.progressName(), r.table.name)
	case known && at.Database != r.database:
		return fmt.Errorf("%w: the database has the identity %s, but the relay has published rows of %s: give each database a relay with another name",
			ErrDatabase, r.database, at.Database)
	}
	if r.table.dialect == PostgreSQL {
		if err := r.checkWindow(ctx, at); err != nil {
			return err
		}
	}
	if !known {
		return nil
	}
	if err := r.checkNumbers(ctx, r.shard, at); err != nil {
		return err
	}
	if ok && stored == at.text() {
		return nil
	}
	where, args := " WHERE seq = ?", []any{at.Seq}
	if r.table.dialect == MySQL { // in a copy from before the batch, the row has another batch number or none
		where, args = where+" AND batch = ?", append(args, at.Batch)
	}
	var id string
	err = r.db.QueryRowContext(ctx, r.table.dialect.query("SELECT "+r.table.dialect.quote(r.table.columns.id)+" FROM "+r.table.quoted()+where), args...).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return source.Temporary(fmt.Errorf("outbox: %w", err))
	case strings.EqualFold(id, at.ID.String()):
		return nil
	}
	return fmt.Errorf("%w: the event %s was published, but the database has neither its row (seq %d) nor a note about it: "+
		"the database is a copy from before the event, or table %s_state was changed. The rows that a copy lacks are lost in the database. "+
		continueWithCopy, ErrDatabase, at.ID, at.Seq, r.table.name)
}

// continueWithCopy is the advice for a database that the relay refuses. A copy
// may have rows that were published but not yet deleted in the copy.
const continueWithCopy = "To continue with this database, delete the rows that were published (the header event-id of a message has the id of its row), " +
	"and give the relay another name. The relay then publishes all rows of the table"

// checkWindow compares the position with the note of the last window. The note
// must not be older than the position, and this server must have written the
// note. In a server that restored a dump, the transaction ids may begin again
// with small numbers. New rows then look like rows of windows that the relay
// has published.
//
// On the server of the window, the transaction that wrote the note began after
// the snapshot, so its id is not below the snapshot's end. A replica, a file
// copy and pg_upgrade keep the id in the system column xmin. A restore writes
// the note again. Later transactions of the server have higher ids than the
// restore. So the snapshots of the relay are valid if the id of the writer is
// not below the snapshot's end. The result does not depend on the time of the
// check.
func (r *reader) checkWindow(ctx context.Context, at position) error {
	var window string
	var writer uint64
	err := r.db.QueryRowContext(ctx, "SELECT value, "+writtenBy+" FROM "+r.table.quotedState()+" WHERE name = $1", r.windowName(r.shard)).Scan(&window, &writer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return source.Temporary(fmt.Errorf("outbox: table %s_state: %w", r.table.name, err))
	case writer < snapshotEnd(window):
		return fmt.Errorf("%w: the database was restored from a dump of another server: the relay noted the window %q, but transaction %d of this server wrote the note. "+
			"The relay cannot compare the transaction ids of two servers. "+continueWithCopy, ErrDatabase, window, writer)
	}
	if snapshotEnd(window) < snapshotEnd(at.In) {
		return fmt.Errorf("%w: the database is a copy from before the last published rows: it notes the window %q, but rows of %q were published. "+
			"The rows that the copy lacks are lost in the database. "+continueWithCopy, ErrDatabase, window, at.In)
	}
	return nil
}

// writtenBy is the id of the transaction that wrote a row of PostgreSQL. The
// system column xmin has only the low 32 bits of the id. The expression returns
// the highest id with these bits that is below the end of the snapshot.
const writtenBy = "(SELECT last - ((last - xmin::text::bigint) & 4294967295) FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 AS last) AS s)"

// checkNumbers returns [ErrDatabase] if SQLite may have given new rows the
// numbers of published rows. SQLite does so after the usual way to change a
// table: create a new table, copy the rows, drop the old table. If the table
// was empty, the numbers begin again at 1.
//
// The relay deletes the row of its position last. As long as this row exists,
// all later rows have higher numbers. After its deletion, the shard has no row
// up to the position. So a row up to the position is a new row if the row of
// the position is missing. The other dialects do not compare numbers of rows
// with the position alone.
func (in *input) checkNumbers(ctx context.Context, shard int, at position) error {
	t := in.table
	if t.dialect != SQLite || at.ID == uuid.Nil {
		return nil
	}
	var seq, highest int64
	rows := t.quoted()
	err := in.db.QueryRowContext(ctx, "SELECT seq, (SELECT MAX(seq) FROM "+rows+") FROM "+rows+" WHERE shard = ? AND seq <= ?"+
		" AND NOT EXISTS (SELECT 1 FROM "+rows+" WHERE shard = ? AND seq = ? AND "+t.dialect.quote(t.columns.id)+" = ?) ORDER BY seq LIMIT 1",
		shard, at.Seq, shard, at.Seq, at.ID.String()).Scan(&seq, &highest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return source.Temporary(fmt.Errorf("outbox: table %s: %w", t.name, err))
	}
	schema, name := "", t.name
	if i := strings.LastIndex(t.name, "."); i >= 0 {
		schema, name = t.dialect.quote(t.name[:i])+".", t.name[i+1:]
	}
	return fmt.Errorf("%w: table %s has a row with seq %d, but the relay has published and deleted the rows up to seq %d (event %s): "+
		"the table was created again, so SQLite gives new rows the numbers of published rows. Delete the rows that were published, and run: "+
		"UPDATE %s SET seq = seq + %d; UPDATE %ssqlite_sequence SET seq = (SELECT MAX(seq) FROM %s) WHERE name = %s",
		ErrDatabase, t.name, seq, at.Seq, at.ID, rows, max(at.Seq, highest), schema, rows, literal(name))
}

// Next implements [source.Reader]. If the last query found all rows, Next ends
// the Kafka transaction without another query. So a single row is committed
// earlier.
func (r *reader) Next(ctx context.Context, item *source.Item[*Row]) (bool, error) {
	if r.behind != nil {
		return false, source.Temporary(r.behind)
	}
	if len(r.buffer) == 0 {
		if r.short && r.moved {
			return false, nil
		}
		got, err := r.fetcher.next(ctx)
		if errors.Is(err, ErrDatabase) {
			return false, err
		}
		if err != nil {
			return false, source.Temporary(fmt.Errorf("outbox: read table %s: %w", r.table.name, err))
		}
		r.buffer, r.window, r.short = got.rows, got.next.position, !got.full
		if len(r.buffer) == 0 {
			return false, nil
		}
	}
	row := r.buffer[0]
	r.buffer = r.buffer[1:]
	r.at = r.window
	r.at.Batch, r.at.Seq, r.at.ID = row.batch, row.Seq, row.ID
	r.moved = true
	r.published = append(r.published, row.Seq)
	item.Value, item.Bytes = row, row.size()
	return true, nil
}

// More implements [source.Reader]. More waits for a signal of new rows, or for
// the next poll.
func (r *reader) More(ctx context.Context) (bool, error) {
	if err := r.sweep(ctx); err != nil {
		return false, source.Temporary(err)
	}
	if time.Since(r.checked) >= shardsInterval {
		r.checked = time.Now()
		if err := r.checkShards(ctx, r.shard); err != nil {
			return false, err
		}
	}
	poll := time.NewTimer(r.poll)
	defer poll.Stop()
	select {
	case <-r.fetcher.wake: // the channel is nil without a waker
	case <-poll.C:
	case <-ctx.Done():
	}
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
	return []source.Position{{Stream: streamName(r.shard), Value: r.at.text()}}
}

// Close implements [source.Reader].
func (r *reader) Close() error {
	r.fetcher.close()
	r.cleaner.close()
	return nil
}

// Committed implements [source.Committer]. Committed gives the rows of the
// oldest finished transaction to the cleaner, which deletes them on its own
// goroutine.
func (r *reader) Committed(ctx context.Context, positions []source.Position) error {
	if len(r.finished) == 0 { // the position is from an earlier run, and Open has deleted its rows
		return nil
	}
	at, err := parsePosition(positions[0].Value) // a shard has one stream
	if err != nil {
		return err
	}
	r.committed.Store(&at)
	seqs := r.finished[0]
	r.finished = r.finished[1:]
	err = r.cleaner.add(ctx, cleaning{seqs, at})
	if errors.Is(err, errCleanerBehind) {
		r.behind = err // the next Open deletes the rows, and reports if that fails
	}
	if err != nil {
		return err
	}
	return r.sweep(ctx) // also here, because More is not called as long as rows wait
}

// CleanupError returns the error of the last deletion of published rows. The
// source reports the error, because the table grows.
func (r *reader) CleanupError() error { return r.cleaner.lastError() }

func joinNumbers(seqs []int64) string {
	var b strings.Builder
	for i, n := range seqs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// conditionUpTo returns the condition that selects the rows up to a position.
func (r *reader) conditionUpTo(at position) (condition string, args []any) {
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
	condition, args := r.conditionUpTo(at)
	tx, err := r.beginOnServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if r.keep == 0 {
		if err := r.deleteWhere(ctx, tx, condition, args, at); err != nil {
			return fmt.Errorf("outbox: delete published rows: %w", err)
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
	r.swept = time.Now() // also if the sweep fails, because a lock timeout would stop the shard for a long time
	condition, args := r.conditionUpTo(r.at)
	condition += " AND created_at < ?"
	args = append(args, r.table.timeArg(time.Now().Add(-r.keep).UTC()))
	if r.table.dialect == SQLite { // checkNumbers needs the row of the position until the others are deleted
		condition += " AND (seq < ? OR NOT EXISTS (SELECT 1 FROM " + r.table.quoted() + " WHERE shard = ? AND seq < ?))"
		args = append(args, r.at.Seq, r.shard, r.at.Seq)
	}
	tx, err := r.beginOnServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err = r.deleteWhere(ctx, tx, condition, args, r.at); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("outbox: delete rows older than WithKeep: %w", err)
	}
	return nil
}

// conditionBehind returns the condition that selects the rows behind a
// position.
func (r *reader) conditionBehind(at position) (condition string, args []any) {
	switch r.table.dialect {
	case PostgreSQL:
		before := orEmptySnapshot(at.Before)
		return "shard = ? AND " + newerThanSnapshot + " AND (NOT pg_visible_in_snapshot(tx, ?::pg_snapshot) OR seq > ?)",
			[]any{r.shard, before, before, orEmptySnapshot(at.In), at.Seq}
	case MySQL:
		return "shard = ? AND (batch IS NULL OR batch > ? OR batch = ? AND seq > ?)", []any{r.shard, at.Batch, at.Batch, at.Seq}
	default:
		return "shard = ? AND seq > ?", []any{r.shard, at.Seq}
	}
}

// Lag implements [source.Lagger]. Lag counts the rows of the shard that are not
// known to be published. Published rows in the table do not count.
func (r *reader) Lag(ctx context.Context) (source.Lag, error) {
	var n int64
	var oldest any
	condition, args := r.conditionBehind(*r.committed.Load())
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

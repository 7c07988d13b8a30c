package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
)

const (
	// fetchBytes limits the bytes of the rows of one query. The first row may
	// be larger. Memory holds the rows of two queries at a time.
	fetchBytes = 8 << 20
	// firstRows is the limit of the first query. The limit doubles with each
	// query, up to the limit of WithRows. So if the rows are large, the first
	// queries stay small.
	firstRows = 100
	// maxNumberRows limits the rows that one statement adds to a batch in
	// MySQL.
	maxNumberRows = 10_000
	// slab is the number of rows that are allocated together.
	slab = 64
)

// fetcher reads the rows of a shard. While the caller publishes the rows of one
// query, the fetcher already runs the next query.
type fetcher struct {
	*input
	shard  int
	server string // the server that Open has checked
	cursor cursor
	ahead  chan fetched              // the result of the query in the background; nil if no query runs
	run    func(from cursor) fetched // runs a query
	cancel context.CancelFunc        // ends the query in the background
	wake   <-chan struct{}           // closed by a signal of new rows after the start of the last query
}

// cursor is the place where the next query begins.
type cursor struct {
	position      // the position of the last row that was read
	ended    bool // the window of the position has no more rows (only PostgreSQL)
	limit    int  // the largest number of rows of the next query
}

// fetched is the result of a query.
type fetched struct {
	rows []*Row // of one window
	next cursor
	full bool // the query stopped at a limit, so more rows may exist
	err  error
}

func newFetcher(in *input, shard int, server string, at position) *fetcher {
	f := &fetcher{input: in, shard: shard, server: server, cursor: cursor{position: at, limit: min(firstRows, in.rows)}}
	ctx, cancel := context.WithCancel(context.Background())
	f.run, f.cancel = func(from cursor) fetched { return f.fetch(ctx, from) }, cancel
	return f
}

// next returns rows in the order of publishing. If the table has no new row,
// next returns no rows.
func (f *fetcher) next(ctx context.Context) (fetched, error) {
	for {
		ranAhead := f.ahead != nil
		if !ranAhead {
			f.start()
		}
		select {
		case got := <-f.ahead:
			f.ahead = nil
			if got.err != nil {
				return fetched{}, got.err
			}
			f.cursor = got.next
			if len(got.rows) == 0 && ranAhead {
				continue // rows may have arrived since the query
			}
			if got.full {
				f.start()
			}
			return got, nil
		case <-ctx.Done():
			return fetched{}, context.Cause(ctx)
		}
	}
}

// start runs a query in the background.
func (f *fetcher) start() {
	if f.waker != nil {
		f.wake = f.waker.Wake()
	}
	from, ahead := f.cursor, make(chan fetched, 1)
	f.ahead = ahead
	go func() { ahead <- f.run(from) }()
}

// close ends the query in the background, and waits for its end.
func (f *fetcher) close() {
	f.cancel()
	if f.ahead != nil {
		<-f.ahead
	}
}

// fetch reads the rows behind the cursor.
func (f *fetcher) fetch(ctx context.Context, c cursor) fetched {
	switch f.table.dialect {
	case PostgreSQL:
		return f.fetchPostgreSQL(ctx, c)
	case MySQL:
		return f.fetchMySQL(ctx, c)
	default:
		return f.fetchSQLite(ctx, c)
	}
}

// fetchSQLite reads the rows behind the cursor. The check of the numbers comes
// after the query, because the query may have read new rows whose numbers began
// again.
func (f *fetcher) fetchSQLite(ctx context.Context, c cursor) fetched {
	got := f.query(ctx, c, selection{where: "shard = ? AND seq > ?", order: "seq", args: []any{f.shard, c.Seq}})
	if got.err == nil {
		got.err = f.checkNumbers(ctx, f.shard, c.position)
	}
	return got
}

// fetchPostgreSQL reads the next rows of the window, or opens the next window.
func (f *fetcher) fetchPostgreSQL(ctx context.Context, c cursor) fetched {
	if c.In != "" && !c.ended {
		got := f.query(ctx, c, selection{
			where: "shard = ? AND NOT pg_visible_in_snapshot(tx, ?::pg_snapshot) AND pg_visible_in_snapshot(tx, ?::pg_snapshot) AND seq > ?",
			order: "seq", args: []any{f.shard, orEmptySnapshot(c.Before), c.In, c.Seq},
		})
		if got.err != nil || len(got.rows) > 0 {
			return got
		}
		c = got.next
	}
	// One statement takes the snapshot and reads the rows, so that the rows are
	// exactly the window.
	before := orEmptySnapshot(c.In)
	got := f.query(ctx, c, selection{where: "shard = ? AND " + newerThanSnapshot, order: "seq + 0", args: []any{f.shard, before, before}, opens: before})
	if got.err == nil && len(got.rows) > 0 {
		got.err = f.noteWindow(ctx, got.next.In)
	}
	return got
}

// noteWindow stores the snapshot of a window in the relay's own table before a
// row of the window is published. The commit of the note makes all transactions
// durable that the snapshot sees. So after a crash, no new transaction gets a
// transaction id that the snapshot sees. If a copy of the database lacks the
// note, the copy is from before the window.
//
// The server that has given the snapshot must store the note. On another
// server, the note would hide that the server lacks transactions of the
// snapshot.
func (f *fetcher) noteWindow(ctx context.Context, snapshot string) error {
	state := f.table.quotedState()
	done, err := f.db.ExecContext(ctx, "INSERT INTO "+state+" AS s (name, value) SELECT $1::text, $2::text"+
		" WHERE CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL"+
		" AND "+f.table.dialect.server()+" = $3"+
		" ON CONFLICT (name) DO UPDATE SET value = excluded.value"+
		" WHERE pg_snapshot_xmax(s.value::pg_snapshot) <= pg_snapshot_xmax(excluded.value::pg_snapshot)", f.windowName(f.shard), snapshot, f.server)
	if err != nil {
		return fmt.Errorf("table %s_state: %w", f.table.name, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	server, err := f.table.server(ctx, f.db) // or a later note is stored already
	if err == nil && server != f.server {
		err = errServer
	}
	return err
}

// windowName returns the name of the last window in the relay's own table.
func (in *input) windowName(shard int) string { return "window " + in.relay + " " + streamName(shard) }

// errServer says that the answer came from another server than the server that
// Open has checked.
var errServer = errors.New("another database server answers: the relay checks its data before it continues")

// newerThanSnapshot is the condition for the rows that a snapshot does not see.
// The condition is NOT pg_visible_in_snapshot(tx, snapshot) in a form that lets
// PostgreSQL use the index on (shard, tx). So kept rows and the remains of
// deleted rows cost no time, also if a long transaction holds pg_snapshot_xmin
// back. The query orders by seq + 0, because otherwise PostgreSQL would walk
// the index on (shard, seq) from its beginning to find the smallest seq.
const newerThanSnapshot = "(tx >= pg_snapshot_xmax(?::pg_snapshot) OR tx = ANY(ARRAY(SELECT pg_snapshot_xip(?::pg_snapshot))))"

// unusedID is the condition for rows with a transaction id that the server has
// not used yet. Such a row was restored from another server. No snapshot sees
// the row, so the row would be in every window.
const unusedID = "tx >= pg_snapshot_xmax(pg_current_snapshot())"

func (f *fetcher) unusedIDError(id string) error {
	t := f.table.quoted()
	return fmt.Errorf("%w: table %s has rows of another server: this server has not used the transaction id %s of column tx yet. "+
		"Delete the rows that were published, and run: UPDATE %s SET tx = DEFAULT WHERE %s", ErrDatabase, f.table.name, id, t, unusedID)
}

// orEmptySnapshot returns s. If s is empty, the result is a snapshot that sees
// no transaction.
func orEmptySnapshot(s string) string {
	if s == "" {
		return "1:1:"
	}
	return s
}

// fetchMySQL reads the next rows that have a batch number. If there is no such
// row, fetchMySQL numbers new rows.
func (f *fetcher) fetchMySQL(ctx context.Context, c cursor) fetched {
	numbered := selection{
		where: "shard = ? AND (batch = ? AND seq > ? OR batch > ?)", order: "batch, seq", args: []any{f.shard, c.Batch, c.Seq, c.Batch},
	}
	got := f.query(ctx, c, numbered)
	if got.err != nil || len(got.rows) > 0 {
		return got
	}
	found, err := f.number(ctx, c.Batch)
	switch {
	case err != nil:
		return fetched{err: err}
	case !found:
		return got
	}
	return f.query(ctx, c, numbered)
}

// number assigns the next batch number to the visible rows without a batch. A
// lock on the counter lets only one relay at a time assign a number. So a batch
// that becomes visible later has a higher number.
//
// The first read without a lock takes the snapshot of REPEATABLE READ, so the
// snapshot has the batches of the relay that held the lock before.
func (f *fetcher) number(ctx context.Context, last int64) (bool, error) {
	tx, err := f.db.BeginTx(ctx, f.table.txOptions())
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	name := "batch " + streamName(f.shard)
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO "+f.table.quotedState()+" (name, value) VALUES (?, '0')", name); err != nil {
		return false, err
	}
	var text, server string
	if err := tx.QueryRowContext(ctx, "SELECT value, "+f.table.dialect.server()+" FROM "+f.table.quotedState()+" WHERE name = ? FOR UPDATE", name).Scan(&text, &server); err != nil {
		return false, err
	}
	if server != f.server {
		return false, errServer
	}
	batch, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false, fmt.Errorf("table %s_state, row %q: %w", f.table.name, name, err)
	}
	seqs, err := readNumbers(ctx, tx, "SELECT seq FROM "+f.table.quoted()+" WHERE shard = ? AND batch IS NULL ORDER BY seq LIMIT "+strconv.Itoa(maxNumberRows), f.shard)
	if err != nil || len(seqs) == 0 {
		return false, err
	}
	batch = max(batch, last) + 1
	// Without the hint, MySQL scans the table if the numbers are most of the
	// table. A scan waits for the locks of rows that are not committed yet.
	if _, err := tx.ExecContext(ctx, "UPDATE "+f.table.quoted()+" FORCE INDEX (PRIMARY) SET batch = ? WHERE seq IN ("+joinNumbers(seqs)+")", batch); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE "+f.table.quotedState()+" SET value = ? WHERE name = ?", strconv.FormatInt(batch, 10), name); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// readNumbers reads the numbers of rows.
func readNumbers(ctx context.Context, tx *sql.Tx, query string, args ...any) (seqs []int64, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		seqs = append(seqs, n)
	}
	return seqs, rows.Err()
}

// selection chooses the rows of a query.
type selection struct {
	where, order string
	args         []any
	// opens is not empty if the rows begin a new window in PostgreSQL. The
	// value is the snapshot before the window.
	opens string
}

// statement returns the SELECT of a selection. If the selection opens a window,
// the first result row is not from the table. This row contains the snapshot of
// the statement, and the server. If the shard has a row with a transaction id
// that the server has not used yet, the column headers contains this id.
func (f *fetcher) statement(s selection, limit int) string {
	t := f.table
	q := t.dialect.quote
	c := t.columns
	batch := "0"
	if t.dialect == MySQL {
		batch = "batch"
	}
	rows := "SELECT seq, " + batch + " AS batch_number, " + q(c.id) + ", " + q(c.topic) + ", " + q(c.kind) + ", " + q(c.key) + ", " + q(c.payload) +
		", " + q(c.key) + " IS NULL AS no_key, " + q(c.payload) + " IS NULL AS no_payload, headers, partition_number, " +
		t.dialect.timeText("created_at") + " AS created, checksum FROM " + t.quoted() +
		" WHERE " + s.where + " ORDER BY " + s.order + " LIMIT " + strconv.Itoa(limit)
	if s.opens != "" {
		unused := "SELECT tx::text FROM " + t.quoted() + " WHERE shard = " + strconv.Itoa(f.shard) + " AND " + unusedID + " ORDER BY tx LIMIT 1"
		rows = "SELECT 0::bigint AS seq, 0, '00000000-0000-0000-0000-000000000000'::uuid, pg_current_snapshot()::text, " + t.dialect.server() +
			", ''::bytea, ''::bytea, false, false, (" + unused + "), NULL::integer, now(), 0::bigint UNION ALL (" + rows + ") ORDER BY seq"
	}
	return t.dialect.query(rows)
}

// query reads the rows of a selection. The first query of a backlog in
// PostgreSQL reads all rows that wait. If the statement_timeout of the
// connections is too short for the query, query repeats the query without this
// timeout.
func (f *fetcher) query(ctx context.Context, c cursor, s selection) fetched {
	got := f.queryIn(ctx, f.db, c, s)
	if !isCanceled(got.err) || ctx.Err() != nil {
		return got
	}
	tx, err := f.db.BeginTx(ctx, f.table.txOptions())
	if err != nil {
		return fetched{err: err}
	}
	defer func() { _ = tx.Rollback() }() // only reads
	if err := f.table.withoutTimeout(ctx, tx); err != nil {
		return fetched{err: err}
	}
	return f.queryIn(ctx, tx, c, s)
}

// queryIn reads the rows of a selection from db.
func (f *fetcher) queryIn(ctx context.Context, db querier, c cursor, s selection) fetched {
	got := fetched{next: c}
	rows, err := db.QueryContext(ctx, f.statement(s, c.limit), s.args...)
	if err != nil {
		got.err = err
		return got
	}
	defer func() { _ = rows.Close() }()
	scan := scanner{shard: f.shard, names: map[string]string{}}
	snapshot := ""
	if s.opens != "" && rows.Next() {
		head, err := scan.row(rows)
		switch {
		case err != nil:
		case head.Type != f.server:
			err = errServer
		case head.headers != "":
			err = f.unusedIDError(head.headers)
		}
		if err != nil {
			got.err = err
			return got
		}
		snapshot = head.Topic
	}
	bytes := 0
	for bytes < fetchBytes && rows.Next() {
		row, err := scan.row(rows)
		if err != nil {
			got.err = err
			return got
		}
		bytes += row.size()
		got.rows = append(got.rows, row)
	}
	if got.err = rows.Err(); got.err != nil || len(got.rows) == 0 {
		got.next.ended = true
		return got
	}
	if s.opens != "" {
		got.next.Before, got.next.In = s.opens, snapshot
	}
	last := got.rows[len(got.rows)-1]
	got.next.Batch, got.next.Seq, got.next.ID = last.batch, last.Seq, last.ID
	got.full = len(got.rows) >= c.limit || bytes >= fetchBytes
	got.next.ended = !got.full
	got.next.limit = min(2*c.limit, f.rows)
	if bytes >= fetchBytes {
		got.next.limit = len(got.rows)
	}
	return got
}

// scanner makes rows from the result of a query.
type scanner struct {
	shard int
	slab  []Row
	names map[string]string // topics and types, so that equal names share memory

	id, topic, kind, headers sql.RawBytes
	partition                sql.NullInt64
	created                  any
	noKey, noPayload         bool // some drivers return nil for an empty value
}

func (s *scanner) row(rows *sql.Rows) (*Row, error) {
	if len(s.slab) == 0 {
		s.slab = make([]Row, slab)
	}
	row := &s.slab[0]
	s.slab = s.slab[1:]
	row.Shard, row.Partition = s.shard, -1
	err := rows.Scan(&row.Seq, &row.batch, &s.id, &s.topic, &s.kind, &row.Key, &row.Payload, &s.noKey, &s.noPayload,
		&s.headers, &s.partition, &s.created, &row.checksum)
	if err != nil {
		return nil, err
	}
	if row.ID, err = uuid.ParseBytes(s.id); err != nil {
		return nil, fmt.Errorf("row seq=%d: event id: %w", row.Seq, err)
	}
	row.Time, row.broken = parseTime(s.created)
	row.Topic, row.Type = s.name(s.topic), s.name(s.kind)
	if row.Key == nil && !s.noKey {
		row.Key = []byte{}
	}
	if row.Payload == nil && !s.noPayload {
		row.Payload = []byte{}
	}
	row.headers = string(s.headers)
	if s.partition.Valid {
		row.Partition = int(s.partition.Int64)
	}
	if err := row.verify(); row.broken == nil {
		row.broken = err
	}
	return row, nil
}

func (s *scanner) name(text sql.RawBytes) string {
	name, ok := s.names[string(text)]
	if !ok {
		name = string(text)
		s.names[name] = name
	}
	return name
}

package outbox

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer"
)

// newTestTable creates a table on a server.
func newTestTable(t *testing.T, server *databases.Server, d Dialect, opts ...TableOption) (*Table, *sql.DB) {
	t.Helper()
	table, err := NewTable(d, opts...)
	if err != nil {
		t.Fatal(err)
	}
	db := server.Open()
	if err := table.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return table, db
}

// insertRows writes rows in an open transaction.
func insertRows(t *testing.T, table *Table, db *sql.DB, n int) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	messages := make([]producer.Encoded, n)
	for i := range messages {
		messages[i].Topic = "orders"
	}
	if err := table.Insert(t.Context(), tx, "", messages...); err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestLongTransactionCostsNothing checks the query for new rows while a long
// transaction is open. The query must not read the rows that were published
// since the beginning of the transaction.
func TestLongTransactionCostsNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	table, db := newTestTable(t, databases.PostgreSQL(t), PostgreSQL)
	long := insertRows(t, table, db, 1)
	defer func() { _ = long.Rollback() }()
	for range 20 {
		if err := insertRows(t, table, db, 100).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	r := &reader{input: &input{table: table, db: db}}
	var snapshot string
	if err := db.QueryRow("SELECT pg_current_snapshot()::text").Scan(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := insertRows(t, table, db, 3).Commit(); err != nil {
		t.Fatal(err)
	}
	condition, args := r.conditionBehind(position{In: snapshot, Before: snapshot})
	fetch := (&fetcher{input: r.input}).statement(selection{where: "shard = ? AND " + newerThanSnapshot, order: "seq + 0", opens: snapshot}, 100)
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "ANALYZE outbox; SET enable_seqscan = off"); err != nil { // as with many rows
		t.Fatal(err)
	}
	for name, q := range map[string]struct {
		text string
		args []any
	}{
		"fetch": {fetch, []any{0, snapshot, snapshot}},
		"lag":   {table.dialect.query("SELECT COUNT(*) FROM outbox WHERE " + condition), args},
	} {
		rows, err := conn.QueryContext(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+q.text, q.args...)
		if err != nil {
			t.Fatal(name, err)
		}
		var plan strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(line + "\n")
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plan.String(), "Rows Removed by") || !strings.Contains(plan.String(), "outbox_shard_tx") {
			t.Errorf("%s reads published rows:\n%s", name, plan.String())
		}
	}
	var n int
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox WHERE "+table.dialect.query(newerThanSnapshot), snapshot, snapshot).Scan(&n); err != nil || n != 3 {
		t.Errorf("found %d new rows: %v", n, err)
	}
	if err := long.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox WHERE "+table.dialect.query(newerThanSnapshot), snapshot, snapshot).Scan(&n); err != nil || n != 4 {
		t.Errorf("found %d new rows after the commit of the long transaction: %v", n, err)
	}
}

// TestNoteOnAnotherServer stores the note of a window after the pool has
// connected to another server. The other server may lack transactions of the
// window, so it must not get the note.
func TestNoteOnAnotherServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	table, db := newTestTable(t, databases.PostgreSQL(t), PostgreSQL)
	in := &input{table: table, db: db, relay: "r"}
	if err := (&fetcher{input: in, server: "the server before"}).noteWindow(ctx, "700:700:"); !errors.Is(err, errServer) {
		t.Errorf("got %v", err)
	}
	if note, ok, err := table.readState(ctx, db, in.windowName(0)); ok || err != nil {
		t.Errorf("the note %q is stored, %v", note, err)
	}
	server, err := table.server(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	for _, snapshot := range []string{"800:800:", "700:700:"} { // the second note is older, and another relay wrote the first
		if err := (&fetcher{input: in, server: server}).noteWindow(ctx, snapshot); err != nil {
			t.Error(err)
		}
	}
	if note, _, err := table.readState(ctx, db, in.windowName(0)); note != "800:800:" || err != nil {
		t.Errorf("the note is %q, %v", note, err)
	}
}

// TestShortStatementTimeout reads and deletes rows with statements that take
// longer than the statement_timeout of the connections. If a lock is held, the
// statements still end.
func TestShortStatementTimeout(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := databases.PostgreSQL(t)
	table, admin := newTestTable(t, server, PostgreSQL)
	if err := insertRows(t, table, admin, 3).Commit(); err != nil {
		t.Fatal(err)
	}
	_, err := admin.ExecContext(ctx, `ALTER TABLE outbox RENAME TO outbox_rows;
		CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF current_setting('statement_timeout') <> '0' THEN PERFORM pg_sleep(600); END IF;
			RETURN true;
		END $$;
		CREATE VIEW outbox AS SELECT * FROM outbox_rows WHERE slow()`)
	if err != nil {
		t.Fatal(err)
	}
	short := *server
	short.URL += "&statement_timeout=400"
	in := &input{table: table, db: short.Open(), relay: "r", rows: 100}
	id, err := table.server(ctx, in.db)
	if err != nil {
		t.Fatal(err)
	}
	f := &fetcher{input: in, server: id}
	got := f.fetch(ctx, cursor{limit: 100})
	if got.err != nil || len(got.rows) != 3 {
		t.Fatalf("read %d rows: %v", len(got.rows), got.err)
	}
	r := &reader{input: in, server: id}
	if err := r.deletePublished(ctx, got.next.position); err != nil {
		t.Errorf("delete: %v", err)
	}
	var left int
	if err := admin.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox_rows").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left: %v", left, err)
	}
	lock, err := admin.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(ctx, "LOCK TABLE outbox_rows"); err != nil {
		t.Fatal(err)
	}
	if got := f.fetch(ctx, cursor{limit: 100}); sqlState(got.err) != "55P03" { // lock_not_available
		t.Errorf("a lock: %v", got.err)
	}
}

package outbox

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer"
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

// TestNoDeletionOnAnotherServer checks that no function deletes rows on a
// server that Open has not checked. There the numbers may belong to rows that
// are not published.
func TestNoDeletionOnAnotherServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	table, db := tableWithOldRow(t)
	at := position{Seq: 1, ID: uuid.New()}
	for name, remove := range map[string]func(r *reader) error{
		"clean": func(r *reader) error {
			return r.clean(ctx, cleaning{[]int64{1}, at})
		},
		"deletePublished": func(r *reader) error { return r.deletePublished(ctx, at) },
		"sweep":           func(r *reader) error { r.keep, r.at = time.Minute, at; return r.sweep(ctx) },
	} {
		if err := remove(&reader{input: &input{table: table, db: db}, server: "the server of Open"}); !errors.Is(err, errServer) {
			t.Errorf("%s: %v", name, err)
		}
		var rows int
		if err := db.QueryRow("SELECT COUNT(*) FROM outbox").Scan(&rows); err != nil || rows != 1 {
			t.Fatalf("%s: %d rows are left: %v", name, rows, err)
		}
	}
}

// TestKeptRowsUnderLoad checks that old rows are deleted after a commit. If new
// rows always wait, the source never calls More.
func TestKeptRowsUnderLoad(t *testing.T) {
	t.Parallel()
	table, db := tableWithOldRow(t)
	at := position{Seq: 1, ID: uuid.New()}
	r := &reader{
		input: &input{table: table, db: db, keep: time.Minute}, at: at, finished: [][]int64{{1}},
		cleaner: &cleaner{work: make(chan cleaning, 1)},
	}
	if err := r.Committed(t.Context(), []source.Position{{Stream: "shard-0", Value: at.text()}}); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := db.QueryRow("SELECT COUNT(*) FROM outbox").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows are left: %v", rows, err)
	}
}

// tableWithOldRow makes a table with a row that is an hour old.
func tableWithOldRow(t *testing.T) (*Table, *sql.DB) {
	t.Helper()
	ctx := t.Context()
	db := databases.SQLite(t).Open()
	table, err := NewTable(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Create(ctx, db); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Insert(ctx, tx, "", producer.Encoded{Topic: "orders", Timestamp: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return table, db
}

// TestCleanAgain deletes rows again after a commit whose answer was lost. The
// cleaner must not conclude that another relay has taken over the shard,
// because the cleaner then deletes no more rows.
func TestCleanAgain(t *testing.T) {
	t.Parallel()
	for name, start := range map[Dialect]func(testing.TB) *databases.Server{
		SQLite: databases.SQLite, PostgreSQL: databases.PostgreSQL,
		MySQL: func(t testing.TB) *databases.Server { return databases.MariaDB(t) },
	} {
		t.Run(name.String(), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			table, db := newTestTable(t, start(t), name)
			server, err := table.server(ctx, db)
			if err != nil {
				t.Fatal(err)
			}
			r := &reader{input: &input{table: table, db: db, relay: "r"}, server: server}
			for i := range 3 {
				before := r.noted
				batch := cleaning{[]int64{int64(i)}, position{Seq: int64(i)}}
				if err := r.clean(ctx, batch); err != nil {
					t.Fatal(err)
				}
				r.noted = before // as if the answer had not come
				if err := r.clean(ctx, batch); err != nil {
					t.Errorf("position %d: %v", i, err)
				}
			}
			r.noted = position{Seq: 0}.text()
			if err := r.clean(ctx, cleaning{nil, position{Seq: 3}}); !errors.Is(err, errTakenOver) {
				t.Errorf("the progress of another relay: %v", err)
			}
		})
	}
}

// TestNumbersBeginAgainBeforeDeletion empties the table before the cleaner has
// deleted published rows, so that new rows get the numbers of the published
// rows. The cleaner must not delete the new rows, because they are not
// published.
func TestNumbersBeginAgainBeforeDeletion(t *testing.T) {
	t.Parallel()
	for d, tc := range map[Dialect]struct {
		start func(testing.TB) *databases.Server
		empty []string
	}{
		SQLite:     {databases.SQLite, []string{"DELETE FROM outbox", "DELETE FROM sqlite_sequence"}},
		PostgreSQL: {databases.PostgreSQL, []string{"TRUNCATE outbox RESTART IDENTITY"}},
		MySQL:      {func(t testing.TB) *databases.Server { return databases.MariaDB(t) }, []string{"TRUNCATE outbox"}},
	} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			table, db := newTestTable(t, tc.start(t), d)
			if err := insertRows(t, table, db, 3).Commit(); err != nil {
				t.Fatal(err)
			}
			server, err := table.server(ctx, db)
			if err != nil {
				t.Fatal(err)
			}
			in := &input{table: table, db: db, relay: "r", rows: 10}
			f := newFetcher(in, 0, server, position{})
			defer f.close()
			published, err := f.next(ctx)
			if err != nil || len(published.rows) != 3 {
				t.Fatalf("%d rows: %v", len(published.rows), err)
			}
			for _, statement := range tc.empty {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			if err := insertRows(t, table, db, 3).Commit(); err != nil {
				t.Fatal(err)
			}
			r := &reader{input: in, server: server}
			if err := r.clean(ctx, cleaning{[]int64{1, 2, 3}, published.next.position}); err != nil {
				t.Fatal(err)
			}
			var rows, last int
			if err := db.QueryRow("SELECT COUNT(*), MAX(seq) FROM outbox").Scan(&rows, &last); err != nil || rows != 3 || last != 3 {
				t.Errorf("%d new rows are left, the last with seq %d: %v", rows, last, err)
			}
		})
	}
}

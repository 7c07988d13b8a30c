package outbox

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer"
)

// TestOpenTransactionInMySQL numbers and deletes rows while a service has an
// open transaction with a row. The relay must not wait for the transaction, and
// services must be able to insert rows while the relay deletes rows. The wait
// for a lock ends with an error after one second.
func TestOpenTransactionInMySQL(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := databases.MariaDB(t, "--innodb-lock-wait-timeout=1")
	db := server.Open()
	table, err := NewTable(MySQL)
	if err != nil {
		t.Fatal(err)
	}
	with := func(option string) *sql.DB {
		other := *server
		other.URL += "?" + option
		return other.Open()
	}
	t.Run("autocommit=0", func(t *testing.T) { // the relay refuses such connections
		refused := with("autocommit=0")
		if err := errors.Join(table.Create(ctx, refused), table.Check(ctx, refused)); err == nil || strings.Count(err.Error(), "autocommit=1") != 2 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("sql_safe_updates=1", func(t *testing.T) { // the relay could not delete rows
		if err := table.Check(ctx, with("sql_safe_updates=1")); err == nil || !strings.Contains(err.Error(), "set sql_safe_updates=0") {
			t.Errorf("got %v", err)
		}
	})
	if err := table.Create(ctx, db); err != nil {
		t.Fatal(err)
	}
	begin := func() *sql.Tx {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	insert := func(tx *sql.Tx, n int) {
		t.Helper()
		messages := make([]producer.Encoded, n)
		for i := range messages {
			messages[i].Topic = "orders"
		}
		if err := table.Insert(ctx, tx, "", messages...); err != nil {
			t.Fatalf("a service cannot insert rows: %v", err)
		}
	}
	written, open := begin(), begin()
	insert(written, 10)
	insert(open, 1)
	if err := written.Commit(); err != nil {
		t.Fatal(err)
	}
	id, err := table.server(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	in := &input{table: table, db: db}
	if found, err := (&fetcher{input: in, server: id}).number(ctx, 0); !found || err != nil {
		t.Fatalf("number: %v, %v", found, err)
	}
	r := &reader{input: in, server: id}
	at := position{Batch: 1, Seq: 5, ID: uuid.New()}
	condition, args := r.conditionUpTo(at)
	deletion := begin()
	if err := r.deleteWhere(ctx, deletion, condition, args, at); err != nil {
		t.Errorf("deleteWhere: %v", err)
	}
	insert(begin(), 1)
	if err := r.deleteRows(ctx, deletion, []int64{6, 7, 8, 9, 10}, at); err != nil {
		t.Errorf("deleteRows: %v", err)
	}
	insert(begin(), 1)
	if err := deletion.Commit(); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := db.QueryRow("SELECT COUNT(*) FROM outbox").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d published rows are left: %v", rows, err)
	}
}

// TestSerializableMySQL deletes published rows on a server whose default is
// SERIALIZABLE. Services must be able to insert rows until the deletion is
// committed. The wait for a lock ends with an error after one second.
func TestSerializableMySQL(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	table, db := newTestTable(t, databases.MariaDB(t, "--innodb-lock-wait-timeout=1", "--transaction-isolation=SERIALIZABLE"), MySQL)
	if err := insertRows(t, table, db, 5).Commit(); err != nil {
		t.Fatal(err)
	}
	server, err := table.server(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	in := &input{table: table, db: db, relay: "r"}
	if found, err := (&fetcher{input: in, server: server}).number(ctx, 0); !found || err != nil {
		t.Fatalf("number: %v, %v", found, err)
	}
	r := &reader{input: in, server: server}
	deletion, err := r.beginOnServer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := position{Batch: 1, Seq: 5, ID: uuid.New()}
	condition, args := r.conditionUpTo(at)
	if err := r.deleteWhere(ctx, deletion, condition, args, at); err != nil {
		t.Fatal(err)
	}
	if err := insertRows(t, table, db, 1).Commit(); err != nil {
		t.Fatal(err)
	}
	if err := deletion.Commit(); err != nil {
		t.Fatal(err)
	}
}

package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Table describes a table of events that wait for publishing. A Table is safe
// for concurrent use. The service that writes the rows and the relay that
// publishes the rows must use the same description.
type Table struct {
	dialect Dialect
	name    string
	shards  int
	notify  string
	columns columns
}

// columns are the names of the columns.
type columns struct {
	id, topic, key, kind, payload string
}

// TableOption changes a [Table]. The zero TableOption does nothing.
type TableOption struct {
	name  string
	apply func(*Table)
}

// String returns the option's name.
func (o TableOption) String() string { return o.name }

// WithName names the table. The name may include a schema, as in "shop.outbox".
// Default "outbox". The relay's own table has the same name with the suffix
// "_state". The name of the table has at most 51 bytes in PostgreSQL, and 52
// characters in MySQL.
func WithName(table string) TableOption {
	return TableOption{"WithName", func(t *Table) { t.name = table }}
}

// WithShards divides the rows by the hash of their key, so that several relays
// can work at the same time. The order of each key is kept. Default 1, at most
// 1,024. Before you change the number, let the relays publish all rows.
func WithShards(n int) TableOption {
	return TableOption{"WithShards", func(t *Table) { t.shards = n }}
}

// WithDebeziumColumns uses the column names of Debezium's outbox event router:
// id, aggregatetype (the topic), aggregateid (the key), type and payload. So
// the Debezium connector can replace the relay, and the relay can replace the
// connector. Configure the connector with
// route.topic.replacement=${routedByValue} and with ByteArrayConverter for keys
// and values.
func WithDebeziumColumns() TableOption {
	return TableOption{"WithDebeziumColumns", func(t *Table) {
		t.columns = columns{id: "id", topic: "aggregatetype", key: "aggregateid", kind: "type", payload: "payload"}
	}}
}

// WithNotify makes PostgreSQL notify a channel of new rows when their
// transaction commits. The relay then polls less often. [Schema] adds a
// trigger, and package outboxpgx listens on the channel. PostgreSQL serializes
// the commits of transactions with a notification, which limits very high write
// rates. The channel has at most 63 bytes. By default there is no notification.
// Other dialects refuse this option.
func WithNotify(channel string) TableOption {
	return TableOption{"WithNotify", func(t *Table) { t.notify = channel }}
}

// NewTable describes a table and does no I/O. The error lists all mistakes in
// the arguments.
func NewTable(d Dialect, opts ...TableOption) (*Table, error) {
	t := &Table{
		dialect: d, name: "outbox", shards: 1,
		columns: columns{id: "event_id", topic: "topic", key: "message_key", kind: "event_type", payload: "payload"},
	}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(t)
		}
	}
	var errs []error
	if d < SQLite || d > MySQL {
		errs = append(errs, fmt.Errorf("outbox: %v: must be SQLite, PostgreSQL or MySQL", d))
	}
	if err := d.checkName(t.name, longestSuffix); err != nil {
		errs = append(errs, fmt.Errorf("outbox: WithName: %w", err))
	}
	if t.shards < 1 || t.shards > 1024 {
		errs = append(errs, fmt.Errorf("outbox: WithShards: %d: must be from 1 to 1024", t.shards))
	}
	if t.notify != "" && d != PostgreSQL {
		errs = append(errs, fmt.Errorf("outbox: WithNotify: %v has no notifications: use the option only with PostgreSQL", d))
	}
	if len(t.notify) > postgresName || !utf8.ValidString(t.notify) || strings.ContainsRune(t.notify, 0) {
		errs = append(errs, fmt.Errorf("outbox: WithNotify: %q: must be a text of at most %d bytes", t.notify, postgresName))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// longestSuffix is the longest suffix of the names of indexes, of the trigger
// and of the relay's own table.
const longestSuffix = "_shard_batch"

// Schema returns the statements that create the table, its indexes and the
// relay's table. Running the statements again is safe. Give the statements to
// your migration tool, or use [Table.Create].
func Schema(d Dialect, opts ...TableOption) (string, error) {
	t, err := NewTable(d, opts...)
	if err != nil {
		return "", err
	}
	return strings.Join(t.schema(), ";\n\n") + ";\n", nil
}

// Create creates missing tables and indexes.
func (t *Table) Create(ctx context.Context, db *sql.DB) error {
	if err := t.checkAutocommit(ctx, db); err != nil {
		return err
	}
	for _, statement := range t.schema() {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("outbox: create table %s: %w: %s", t.name, err, firstLine(statement))
		}
	}
	return nil
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

// quotedState returns the name of the relay's own table.
func (t *Table) quotedState() string { return t.dialect.quote(t.name + "_state") }

func (t *Table) quoted() string { return t.dialect.quote(t.name) }

// definition is a column with its type.
type definition struct{ name, kind string }

func (t *Table) definitions() []definition {
	k := t.dialect.types()
	defs := []definition{
		{"seq", k.sequence},
		{t.columns.id, k.id},
		{"shard", k.shard},
		{t.columns.topic, k.name},
		{t.columns.kind, k.name},
		{t.columns.key, k.bytes},
		{t.columns.payload, k.bytes},
		{"headers", k.text},
		{"partition_number", k.integer},
		{"created_at", k.time},
		{"checksum", k.long},
	}
	switch t.dialect {
	case PostgreSQL:
		defs = append(defs, definition{"tx", "xid8 NOT NULL DEFAULT pg_current_xact_id()"})
	case MySQL:
		defs = append(defs, definition{"batch", "bigint NULL"})
	}
	return defs
}

func (t *Table) schema() []string {
	q := t.dialect.quote
	var cols []string
	for _, c := range t.definitions() {
		cols = append(cols, "  "+q(c.name)+" "+c.kind)
	}
	base := t.name[strings.LastIndex(t.name, ".")+1:]
	table := "CREATE TABLE IF NOT EXISTS " + t.quoted() + " (\n" + strings.Join(cols, ",\n")
	state := func(name, value string) string { // no format, because the name of the table may contain a %
		return "CREATE TABLE IF NOT EXISTS " + t.quotedState() + " (\n  name " + name + " PRIMARY KEY,\n  value " + value + " NOT NULL\n)"
	}
	switch t.dialect {
	case PostgreSQL:
		out := []string{
			table + "\n)",
			"CREATE INDEX IF NOT EXISTS " + q(base+"_shard_seq") + " ON " + t.quoted() + " (shard, seq)",
			"CREATE INDEX IF NOT EXISTS " + q(base+"_shard_tx") + " ON " + t.quoted() + " (shard, tx)",
			state("text", "text"),
			"INSERT INTO " + t.quotedState() + " (name, value) VALUES ('database', gen_random_uuid()::text) ON CONFLICT (name) DO NOTHING",
		}
		if t.notify != "" {
			function := q(t.name + "_notify")
			out = append(out,
				"CREATE OR REPLACE FUNCTION "+function+"() RETURNS trigger LANGUAGE plpgsql AS "+
					literal("\nBEGIN\n  PERFORM pg_notify("+literal(t.notify)+", '');\n  RETURN NULL;\nEND "),
				"DROP TRIGGER IF EXISTS "+q(base+"_notify")+" ON "+t.quoted(),
				"CREATE TRIGGER "+q(base+"_notify")+" AFTER INSERT ON "+t.quoted()+" FOR EACH STATEMENT EXECUTE FUNCTION "+function+"()",
			)
		}
		return out
	case MySQL:
		return []string{
			table + ",\n  KEY " + q(base+"_shard_batch") + " (shard, batch, seq)\n)" + tableOptions,
			state("varchar(255)", "longtext") + tableOptions,
			// With binlog_format=STATEMENT, each replica runs this statement
			// too. The binary log has the time and the seeds of RAND, so the
			// replica gets the same value. UUID would give another value.
			"INSERT IGNORE INTO " + t.quotedState() + " (name, value) VALUES ('database', LEFT(SHA2(CONCAT(NOW(6), RAND(), RAND()), 256), 32))",
		}
	default:
		return []string{
			table + "\n)",
			// In SQLite, the schema is a part of the index name only.
			"CREATE INDEX IF NOT EXISTS " + q(t.name+"_shard_seq") + " ON " + q(base) + " (shard, seq)",
			state("TEXT", "TEXT"),
			"INSERT OR IGNORE INTO " + t.quotedState() + " (name, value) VALUES ('database', lower(hex(randomblob(16))))",
		}
	}
}

// literal quotes a text for a statement.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// SchemaError says that a table or columns are missing in the database.
type SchemaError struct {
	Table   string
	Missing []string // columns, or the full name of the table
	Err     error    // the error of the database; nil if only columns are missing
}

func (e *SchemaError) Error() string {
	s := fmt.Sprintf("outbox: table %s: missing: %s: create what outbox.Schema says", e.Table, strings.Join(e.Missing, ", "))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the error of the database.
func (e *SchemaError) Unwrap() error { return e.Err }

// Check returns a [*SchemaError] if a table or columns are missing in the
// database.
func (t *Table) Check(ctx context.Context, db *sql.DB) error {
	if err := errors.Join(t.checkAutocommit(ctx, db), t.checkSafeUpdates(ctx, db)); err != nil {
		return err
	}
	var want []string
	for _, c := range t.definitions() {
		want = append(want, c.name)
	}
	grants := "SELECT and DELETE"
	if t.dialect == MySQL { // the relay numbers the rows
		grants = "SELECT, UPDATE and DELETE"
	}
	if err := checkColumns(ctx, db, t.name, t.quoted(), want, grants); err != nil {
		return err
	}
	if err := checkColumns(ctx, db, t.name+"_state", t.quotedState(), []string{"name", "value"}, "SELECT, INSERT and UPDATE"); err != nil {
		return err
	}
	_, err := t.identity(ctx, db)
	return err
}

// checkAutocommit returns an error if MySQL begins a transaction at each
// statement. The relay's statements outside of a transaction would then see old
// rows, and would never be committed.
func (t *Table) checkAutocommit(ctx context.Context, db *sql.DB) error {
	return t.checkVariable(ctx, db, "autocommit", true)
}

// checkSafeUpdates returns an error if MySQL refuses the relay's deletions
// (error 1175). The statement that deletes rows reads its list of numbers
// without a key.
func (t *Table) checkSafeUpdates(ctx context.Context, db *sql.DB) error {
	return t.checkVariable(ctx, db, "sql_safe_updates", false)
}

// checkVariable returns an error if a variable of the connections to MySQL has
// another value.
func (t *Table) checkVariable(ctx context.Context, db *sql.DB, name string, want bool) error {
	if t.dialect != MySQL {
		return nil
	}
	var on bool
	err := db.QueryRowContext(ctx, "SELECT @@"+name).Scan(&on)
	if err == nil && on != want {
		number := map[bool]int{true: 1}
		err = fmt.Errorf("the connections have %s=%d: set %s=%d in the data source name", name, number[on], name, number[want])
	}
	if err != nil {
		return fmt.Errorf("outbox: table %s: %w", t.name, err)
	}
	return nil
}

// checkColumns returns a [*SchemaError] if columns are missing. grants are the
// permissions that the relay needs, for the text of an error.
func checkColumns(ctx context.Context, db *sql.DB, name, quoted string, want []string, grants string) error {
	// The time makes each statement different. Otherwise a driver with a cache
	// of plans would refuse the statement after a column was added.
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT * FROM %s WHERE 1 = 0 /* %d */", quoted, time.Now().UnixNano()))
	if err != nil {
		switch {
		case isMissing(err):
			return &SchemaError{name, []string{name}, err}
		case isDenied(err):
			return fmt.Errorf("outbox: table %s: %w: grant %s on the table", name, err, grants)
		}
		return fmt.Errorf("outbox: table %s: %w", name, err)
	}
	defer func() { _ = rows.Close() }()
	have, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("outbox: table %s: %w", name, err)
	}
	missing := slices.DeleteFunc(want, func(c string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, c) })
	})
	if len(missing) > 0 {
		return &SchemaError{name, missing, nil}
	}
	return rows.Err()
}

// isMissing reports whether a statement failed because its table does not
// exist. In PostgreSQL the SQLSTATE is 42P01 (undefined_table), also if the
// schema does not exist. The text of the other databases is the same in all
// drivers.
func isMissing(err error) bool {
	return sqlState(err) == "42P01" || missingInMySQL.MatchString(err.Error()) || strings.Contains(err.Error(), "no such table")
}

// missingInMySQL finds the errors of a missing table (1146) and of a missing
// database (1049). The rest of the text may be in any language (lc_messages).
var missingInMySQL = regexp.MustCompile(`(?i)\berror (1146|1049)\b`)

// identity returns the id of the database. The id was made together with the
// tables.
func (t *Table) identity(ctx context.Context, db *sql.DB) (string, error) {
	id, ok, err := t.readState(ctx, db, "database")
	if err == nil && !ok {
		err = &SchemaError{t.name + "_state", []string{"the row 'database'"}, nil}
	}
	return id, err
}

// server returns the identity of the server that answers.
func (t *Table) server(ctx context.Context, db querier) (id string, err error) {
	if err := db.QueryRowContext(ctx, "SELECT "+t.dialect.server()).Scan(&id); err != nil {
		return "", fmt.Errorf("outbox: the server's identity: %w", err)
	}
	return id, nil
}

// txOptions are the options of the relay's transactions. In MySQL the isolation
// level is REPEATABLE READ. In SERIALIZABLE, which may be the default of a
// server, a SELECT locks the gaps between rows, so services could not insert
// rows. In READ COMMITTED, InnoDB refuses writes if binlog_format is STATEMENT
// (error 1665).
func (t *Table) txOptions() *sql.TxOptions {
	if t.dialect == MySQL {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead}
	}
	return nil
}

// withoutTimeout lets the later statements of a transaction of PostgreSQL run
// for any time. The statement_timeout of the connections may be shorter than
// the time to read or to delete the rows of a backlog. Then each attempt would
// fail. The statements still wait for a lock only as long as the
// statement_timeout allowed.
func (t *Table) withoutTimeout(ctx context.Context, tx *sql.Tx) error {
	if t.dialect != PostgreSQL {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT set_config('lock_timeout', current_setting('statement_timeout'), true), set_config('statement_timeout', '0', true)"+
		" WHERE current_setting('statement_timeout') <> '0'")
	if err != nil {
		return fmt.Errorf("outbox: statement_timeout: %w", err)
	}
	return nil
}

// isCanceled reports whether PostgreSQL has canceled a statement (57014,
// query_canceled), for example because of statement_timeout.
func isCanceled(err error) bool { return err != nil && sqlState(err) == "57014" }

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// readState reads a value of the relay's table.
func (t *Table) readState(ctx context.Context, db querier, name string) (value string, ok bool, err error) {
	err = db.QueryRowContext(ctx, t.dialect.query("SELECT value FROM "+t.quotedState()+" WHERE name = ?"), name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("outbox: table %s_state: %w", t.name, err)
	}
	return value, true, nil
}

// writeState stores a value in the relay's table.
func (t *Table) writeState(ctx context.Context, db querier, name, value string) error {
	statement := "INSERT INTO " + t.quotedState() + " (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
	if t.dialect == MySQL {
		statement = "INSERT INTO " + t.quotedState() + " (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value)"
	}
	if _, err := db.ExecContext(ctx, t.dialect.query(statement), name, value); err != nil {
		return fmt.Errorf("outbox: table %s_state: %w", t.name, err)
	}
	return nil
}

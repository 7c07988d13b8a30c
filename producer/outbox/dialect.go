package outbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	// SQLite works with any driver of SQLite 3.35 or newer. SQLite allows one
	// writer at a time, so rows commit in their order.
	SQLite Dialect = iota + 1
	// PostgreSQL is PostgreSQL 13 or newer, with pgx or another driver.
	PostgreSQL
	// MySQL is MySQL 8 or MariaDB 10.6 and newer, with InnoDB.
	MySQL
)

// String returns the name of the dialect.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// placeholder returns the n-th parameter of a statement. n starts at 1.
func (d Dialect) placeholder(n int) string {
	if d == PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// query replaces each ? of a statement by a placeholder of the dialect. A ? in
// a quoted name stays.
func (d Dialect) query(statement string) string {
	if d != PostgreSQL {
		return statement
	}
	var b strings.Builder
	n, inName := 0, false
	for part := range strings.SplitAfterSeq(statement, "?") {
		inName = inName != (strings.Count(part, `"`)%2 == 1)
		if text, ok := strings.CutSuffix(part, "?"); ok && !inName {
			n++
			part = text + d.placeholder(n)
		}
		b.WriteString(part)
	}
	return b.String()
}

// quote quotes a name. A dot separates the schema from the table.
func (d Dialect) quote(name string) string {
	mark := `"`
	if d == MySQL {
		mark = "`"
	}
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = mark + strings.ReplaceAll(p, mark, mark+mark) + mark
	}
	return strings.Join(parts, ".")
}

// checkName returns an error if a name is not TABLE or SCHEMA.TABLE, or is too
// long. PostgreSQL silently cuts long names, so two names could become equal.
// longest is the longest suffix of the names that are made from the name.
func (d Dialect) checkName(name, longest string) error {
	parts := strings.Split(name, ".")
	if slices.Contains(parts, "") || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%q: must be TABLE or SCHEMA.TABLE", name)
	}
	limit, unit, length := 0, "bytes", func(s string) int { return len(s) }
	switch d {
	case PostgreSQL:
		limit = postgresName
	case MySQL:
		limit, unit, length = 64, "characters", utf8.RuneCountInString
	default: // SQLite has no limit
		return nil
	}
	for i, part := range parts {
		allowed := limit
		if i == len(parts)-1 {
			allowed -= len(longest)
		}
		if n := length(part); n > allowed {
			return fmt.Errorf("%q has %d %s: must have at most %d: %v allows %d, and the suffix %q must fit too", part, n, unit, allowed, d, limit, longest)
		}
	}
	return nil
}

// postgresName is the length of the longest name in PostgreSQL, in bytes.
const postgresName = 63

// timeText returns an expression that reads a time. A time in MySQL has no time
// zone. With parseTime, the driver would use the time zone of the parameter
// loc. So timeText makes MySQL return a text.
func (d Dialect) timeText(expression string) string {
	if d == MySQL {
		return "CAST(" + expression + " AS CHAR)"
	}
	return expression
}

// server returns an expression that identifies the server. After a failover, a
// pool of connections connects to the other server without an error. The relay
// notices the failover only because the value of the expression changes. In
// PostgreSQL, the value is the start time, which differs between a server and
// its replica. In MySQL, each replica must have a different id.
func (d Dialect) server() string {
	switch d {
	case PostgreSQL:
		return "extract(epoch FROM pg_postmaster_start_time())::text"
	case MySQL:
		return "CAST(@@server_id AS CHAR)"
	}
	return "''"
}

// tableOptions is the end of a CREATE TABLE statement in MySQL. Names of topics
// and relays are case-sensitive, and headers may contain any Unicode character.
// The defaults of the database may not support this.
const tableOptions = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// types are the column types of a dialect.
type types struct {
	sequence, shard, id, name, bytes, text, integer, long, time string
}

func (d Dialect) types() types {
	switch d {
	case PostgreSQL:
		return types{
			sequence: "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", shard: "smallint NOT NULL", id: "uuid NOT NULL",
			name: "text NOT NULL", bytes: "bytea", text: "text", integer: "integer", long: "bigint NOT NULL", time: "timestamptz NOT NULL",
		}
	case MySQL:
		return types{
			sequence: "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY", shard: "smallint NOT NULL", id: "char(36) NOT NULL",
			name: "varchar(255) NOT NULL", bytes: "longblob", text: "longtext", integer: "int", long: "bigint NOT NULL", time: "datetime(6) NOT NULL",
		}
	default:
		return types{
			sequence: "INTEGER PRIMARY KEY AUTOINCREMENT", shard: "INTEGER NOT NULL", id: "TEXT NOT NULL",
			name: "TEXT NOT NULL", bytes: "BLOB", text: "TEXT", integer: "INTEGER", long: "INTEGER NOT NULL", time: "TEXT NOT NULL",
		}
	}
}

package outbox

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	// SQLite works with any driver of SQLite 3.35 or newer. SQLite has one
	// writer at a time, so the order of the rows is the order of their commits.
	SQLite Dialect = iota + 1
	// PostgreSQL is PostgreSQL 13 or newer, with pgx or another driver.
	PostgreSQL
	// MySQL is MySQL 8 or MariaDB 10.6 and newer, with InnoDB.
	MySQL
)

// String is the name of the dialect.
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

// query replaces each ? of a statement by a placeholder of the dialect.
func (d Dialect) query(statement string) string {
	if d != PostgreSQL {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString(d.placeholder(n))
		}
		b.WriteString(part)
		n++
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

// timeText returns an expression for reading a time. In MySQL a stored time has
// no time zone, and the driver would read the time in the zone of the parameter
// loc, if parseTime is set. So MySQL returns a text.
func (d Dialect) timeText(expression string) string {
	if d == MySQL {
		return "CAST(" + expression + " AS CHAR)"
	}
	return expression
}

// server returns an expression whose value changes if another server answers.
// A failover may be invisible otherwise, because a pool of connections connects
// again without an error. The start of PostgreSQL differs between a server and
// its replica. Replicas of MySQL need different ids.
func (d Dialect) server() string {
	switch d {
	case PostgreSQL:
		return "extract(epoch FROM pg_postmaster_start_time())::text"
	case MySQL:
		return "CAST(@@server_id AS CHAR)"
	}
	return "''"
}

// tableOptions is the end of a CREATE TABLE of MySQL. Names of topics and
// relays differ by case. Headers may contain any character of Unicode. The
// defaults of the database may allow neither.
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

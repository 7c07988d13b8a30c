package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// Execer runs a statement in the caller's transaction. A *sql.Tx is an Execer.
// outboxpgx.Tx makes an Execer of a pgx.Tx.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Topic writes the events of a topic into the table. Make a Topic once and keep
// the Topic. A Topic is safe for concurrent use.
type Topic[R avrobin.Record] struct {
	table      *Table
	topic      *producer.Topic[R]
	serializer *serde.Serializer
	headers    []HeadersFunc
}

// HeadersFunc returns headers to append to the headers h of a message, for
// example the trace context of ctx.
type HeadersFunc func(ctx context.Context, topic string, h []serde.Header) []serde.Header

// NewTopic makes a topic that writes into the table. The functions in headers
// are called for each message, in order. opentelemetry.Telemetry.Headers is a
// HeadersFunc that adds the trace context. A nil function does nothing. If
// table, topic or s is nil, Enlist returns an error.
func NewTopic[R avrobin.Record](table *Table, topic *producer.Topic[R], s *serde.Serializer, headers ...HeadersFunc) *Topic[R] {
	return &Topic[R]{table, topic, s, headers}
}

// Enlist writes events into the table, within tx. One statement writes up to
// 1,000 events. If tx commits, each event is published once. If tx does not
// commit, no event is published.
//
// Enlist encodes the events immediately. So if the registry refuses a schema,
// Enlist returns the error, and the relay never sees the event. If Enlist
// returns an error, roll the transaction back. PostgreSQL refuses all later
// statements of the transaction. But after some errors, for example a lock
// timeout, MySQL would commit the transaction without the events.
func (t *Topic[R]) Enlist(ctx context.Context, tx Execer, events ...R) error {
	messages := make([]producer.Message[R], len(events))
	for i, e := range events {
		messages[i].Value = e
	}
	return t.EnlistMessages(ctx, tx, messages...)
}

// EnlistMessages is [Topic.Enlist] for messages with more than a record: a key,
// headers, a timestamp, a partition, or a tombstone.
func (t *Topic[R]) EnlistMessages(ctx context.Context, tx Execer, messages ...producer.Message[R]) error {
	if t.table == nil || t.topic == nil {
		return errors.New("outbox: NewTopic: the table or the topic is nil")
	}
	rows := make([]*Row, len(messages))
	for i, m := range messages {
		e, err := t.topic.Encode(ctx, t.serializer, m)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		for _, f := range t.headers {
			if f != nil {
				e.Headers = f(ctx, e.Topic, e.Headers)
			}
		}
		kind := ""
		if !m.Tombstone {
			kind = m.Value.AvroName()
		}
		if rows[i], err = newRow(t.table, kind, e); err != nil {
			return err
		}
	}
	return t.table.insert(ctx, tx, rows)
}

// Insert writes messages that are already encoded, in one statement for each
// 1,000 messages. The messages may have different topics. kind is information
// for people who look at the table. kind may be empty.
func (t *Table) Insert(ctx context.Context, tx Execer, kind string, messages ...producer.Encoded) error {
	rows := make([]*Row, len(messages))
	for i, e := range messages {
		var err error
		if rows[i], err = newRow(t, kind, e); err != nil {
			return err
		}
	}
	return t.insert(ctx, tx, rows)
}

// maxStatementRows limits the rows of one statement, because databases limit
// the number of parameters.
const maxStatementRows = 1000

func (t *Table) insert(ctx context.Context, tx Execer, rows []*Row) error {
	if tx == nil {
		return errors.New("outbox: the transaction is nil")
	}
	for len(rows) > 0 {
		n := min(len(rows), maxStatementRows)
		if err := t.insertStatement(ctx, tx, rows[:n]); err != nil {
			return fmt.Errorf("outbox: insert into %s: %w", t.name, err)
		}
		rows = rows[n:]
	}
	return nil
}

func (t *Table) insertStatement(ctx context.Context, tx Execer, rows []*Row) error {
	columns := []string{t.columns.id, "shard", t.columns.topic, t.columns.kind, t.columns.key, t.columns.payload, "headers", "partition_number", "created_at", "checksum"}
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.quoted() + " (")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.dialect.quote(c))
	}
	b.WriteString(") VALUES ")
	args := make([]any, 0, len(rows)*len(columns))
	for i, r := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for j := range columns {
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString(t.dialect.placeholder(len(args) + j + 1))
		}
		b.WriteByte(')')
		var headers, partition any
		if r.headers != "" {
			headers = r.headers
		}
		if r.Partition >= 0 {
			partition = r.Partition
		}
		args = append(args, r.ID.String(), r.Shard, r.Topic, r.Type, bytesOrNil(r.Key), bytesOrNil(r.Payload), headers, partition, t.timeArg(r.Time), r.checksum)
	}
	_, err := tx.ExecContext(ctx, b.String(), args...)
	return err
}

// bytesOrNil returns an untyped nil for a nil slice, because some drivers store
// a nil slice as an empty value.
func bytesOrNil(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// timeLayout is the format of stored times if the database has no type for
// times.
const timeLayout = "2006-01-02 15:04:05.000"

func (t *Table) timeArg(at time.Time) any {
	if t.dialect == PostgreSQL {
		return at
	}
	return at.Format(timeLayout) // UTC, independent of the connection's time zone
}

// parseTime reads a stored time.
func parseTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), nil
	case []byte:
		return parseTime(string(v))
	case string:
		for _, layout := range []string{timeLayout, "2006-01-02 15:04:05.999999999", time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z07:00"} {
			if at, err := time.Parse(layout, v); err == nil {
				return at.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("created_at: %v is not a time", v)
}

// checkText returns an error if a database cannot store a field as text.
func checkText(e producer.Encoded) error {
	for _, h := range e.Headers {
		if !utf8.ValidString(h.Key) {
			return fmt.Errorf("outbox: header %q: the name is not UTF-8", h.Key)
		}
	}
	return nil
}

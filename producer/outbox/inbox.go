package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/serde"
)

// Inbox consumes messages into a database, each message exactly once. One
// database transaction stores the offsets and the writes of the function. So
// either both are committed, or neither.
//
// Instances with the same group share the partitions. Two instances may have
// the same partition for a moment, but only one instance can commit. A commit
// succeeds only if the stored offset has not changed since the instance read
// it. Run must be called only once.
type Inbox[In any] struct {
	group    string
	topics   []string
	dialect  Dialect
	db       *sql.DB
	decode   *serde.Deserializer[In]
	f        InboxFunction[In]
	config   inboxConfig
	settings *settings.Config

	in    transport.Consumer
	next  map[topicPartition]*progress // of our partitions with messages
	batch []*transport.ConsumedMessage // the messages that collect is gathering
	ends  map[string]endOffsets        // by topic
	// unreadable counts how often in a row the database answered, but the table
	// of offsets could not be read.
	unreadable int
}

// progress is the place of an inbox in a partition.
type progress struct {
	stored  int64 // the stored offset, -1 if no offset is stored
	first   int64 // where to begin if no offset is stored
	checked bool  // the stored offset is not behind the end of the partition
}

// from returns the offset of the next message to handle.
func (p *progress) from() int64 {
	if p.stored < 0 {
		return p.first
	}
	return p.stored
}

// endOffsets are the end offsets of a topic.
type endOffsets struct {
	at          time.Time
	byPartition map[int32]int64
}

// Format prints the group and the topics for every verb, because the settings
// may hold passwords.
func (b *Inbox[In]) Format(s fmt.State, _ rune) {
	if b == nil {
		_, _ = fmt.Fprint(s, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(s, "outbox.Inbox(%s, from %s)", b.group, strings.Join(b.topics, ", "))
}

type topicPartition struct {
	topic  string
	number int32
}

// InboxFunction is called for each message, in the order of its partition, and
// writes to tx. After a rollback, InboxFunction runs again for the same
// message, so InboxFunction must have no other lasting effect. An error rolls
// the transaction back and ends Run. Run does not end if the error is made by
// source.Temporary or wraps [serde.ErrRegistry], if the database does not
// answer, is read-only or has a full disk, or if the connection of tx has
// ended. The inbox then reads the messages again after a pause.
//
// InboxFunction must not end the transaction, for example by tx.Commit or by a
// statement that commits implicitly. After some errors, for example a deadlock,
// MySQL rolls the transaction back. After any error, PostgreSQL refuses all
// later statements of the transaction. So return the error of each statement.
// If the transaction has ended, or is refused, Run ends with an error, and no
// offset is stored.
type InboxFunction[In any] func(ctx context.Context, tx *sql.Tx, m processor.Consumed[In]) error

// InboxOption changes an [Inbox]. The zero InboxOption does nothing.
type InboxOption struct {
	name  string
	apply func(*inboxConfig)
}

// String returns the option's name.
func (o InboxOption) String() string { return o.name }

type inboxConfig struct {
	table    string
	messages int
	wait     time.Duration
	bad      func(ctx context.Context, tx *sql.Tx, m processor.Raw) error
	producer []producer.Option
	errs     []error // of options with a nil value
}

// WithInboxTable names the table of offsets. Default "inbox".
func WithInboxTable(name string) InboxOption {
	return InboxOption{"WithInboxTable", func(c *inboxConfig) { c.table = name }}
}

// WithInboxBatch limits one database transaction. The transaction has at most
// the given number of messages, and ends if no message arrives within the given
// time. Default 500 messages and 50 ms.
func WithInboxBatch(messages int, wait time.Duration) InboxOption {
	return InboxOption{"WithInboxBatch", func(c *inboxConfig) { c.messages, c.wait = messages, wait }}
}

// WithBadMessages lets f handle messages that do not decode, in the same
// transaction. If f returns nil, the inbox continues with the next message. By
// default such a message ends Run. A nil f is an error. If the program lacks
// the executor of a rule ([serde.ErrNoExecutor]), Run ends.
func WithBadMessages(f func(ctx context.Context, tx *sql.Tx, m processor.Raw) error) InboxOption {
	return InboxOption{"WithBadMessages", func(c *inboxConfig) {
		if f == nil {
			c.errs = append(c.errs, errors.New("outbox: WithBadMessages: the function is nil"))
		}
		c.bad = f
	}}
}

// WithInboxProducer passes options to [producer.New], such as the connection to
// the brokers and settings of the consumer.
func WithInboxProducer(opts ...producer.Option) InboxOption {
	return InboxOption{"WithInboxProducer", func(c *inboxConfig) { c.producer = append(c.producer, opts...) }}
}

// InboxSchema returns the statement that creates the table of offsets. If name
// is empty, the name of the table is "inbox".
func InboxSchema(d Dialect, name string) string {
	if name == "" {
		name = "inbox"
	}
	k := map[Dialect][3]string{
		SQLite: {"TEXT", "INTEGER", "INTEGER"}, PostgreSQL: {"text", "integer", "bigint"}, MySQL: {"varchar(249)", "int", "bigint"},
	}[d]
	end := ""
	if d == MySQL {
		end = tableOptions
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (\n  group_id %s NOT NULL,\n  topic %s NOT NULL,\n  partition_number %s NOT NULL,\n"+
		"  next_offset %s NOT NULL,\n  PRIMARY KEY (group_id, topic, partition_number)\n)"+end, d.quote(name), k[0], k[0], k[1], k[2])
}

// NewInbox makes an inbox and does not wait for I/O. The error lists all
// mistakes in the arguments.
func NewInbox[In any](brokers []string, group string, topics []string, dialect Dialect, db *sql.DB,
	d *serde.Deserializer[In], f InboxFunction[In], opts ...InboxOption,
) (*Inbox[In], error) {
	c := inboxConfig{table: "inbox", messages: 500, wait: 50 * time.Millisecond}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	errs := c.errs
	if group == "" || len(topics) == 0 || db == nil || d == nil || f == nil {
		errs = append(errs, errors.New("outbox: NewInbox: group, topics, database, deserializer and function must be given"))
	}
	for _, t := range topics {
		if err := settings.CheckTopicName(t); err != nil {
			errs = append(errs, fmt.Errorf("outbox: NewInbox: %w", err))
		}
	}
	if dialect < SQLite || dialect > MySQL {
		errs = append(errs, fmt.Errorf("outbox: %v: must be SQLite, PostgreSQL or MySQL", dialect))
	}
	if err := dialect.checkName(c.table, ""); err != nil {
		errs = append(errs, fmt.Errorf("outbox: WithInboxTable: %w", err))
	}
	if c.messages < 1 || c.wait < 0 {
		errs = append(errs, fmt.Errorf("outbox: WithInboxBatch: %d, %v: must be at least 1 message, and a wait that is not negative", c.messages, c.wait))
	}
	set, err := settings.New(settings.ForProcessor, brokers, group, c.producer)
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Inbox[In]{group: group, topics: topics, dialect: dialect, db: db, decode: d, f: f, config: c, settings: set, next: map[topicPartition]*progress{}, ends: map[string]endOffsets{}}, nil
}

// Run works until ctx ends, and then returns nil. During outages of the brokers
// and the database, Run waits. Run returns an error only if the error is
// permanent: an error of the function, a deferred constraint that refuses the
// commit, a missing table, topic or permission, or a stored offset behind the
// end of its partition. The last error means that the topic was created again,
// or that the partition has lost messages.
func (b *Inbox[In]) Run(ctx context.Context) error {
	defer b.settings.CloseLog()
	err := b.run(ctx)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("outbox: inbox %s: %w", b.group, err)
}

func (b *Inbox[In]) run(ctx context.Context) error {
	protocol, err := open.ChooseProtocol(ctx, b.settings)
	if err != nil {
		return err
	}
	if b.in, err = open.Consumer(b.settings, transport.Group{ID: b.group, Protocol: protocol, Topics: b.topics, Revoked: b.revoked}, nil); err != nil {
		return err
	}
	defer func() { _ = b.in.Close() }()
	for _, name := range b.topics {
		if _, err := b.in.EndOffsets(ctx, name); err != nil {
			return fmt.Errorf("topic %s: %w", name, open.ExplainDenied(b.settings, err, "Read", name))
		}
	}
	pause := b.settings.RetryBackoff
	for ctx.Err() == nil {
		batch, err := b.collect(ctx)
		if err == nil && len(batch) > 0 {
			err = b.store(ctx, batch)
		}
		if err == nil {
			pause = b.settings.RetryBackoff
			continue
		}
		if !b.isRetriable(ctx, err) {
			return err
		}
		b.settings.LogAgain(ctx, pause, "inbox_again", "group", b.group, "err", err)
		b.rewind(ctx)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
			pause = min(2*pause, b.settings.RetryBackoffMax)
		case <-ctx.Done():
			wait.Stop()
		}
	}
	return nil
}

// databaseError is an error of one of our own statements.
type databaseError struct{ error }

func (e databaseError) Unwrap() error { return e.error }

// endedError says that the transaction has ended inside the function.
type endedError struct{ error }

func (e endedError) Error() string {
	return "the transaction has ended inside the function, so the inbox cannot store the offsets: do not commit or roll back in the function, " +
		"run no statement that commits implicitly, and return the error of each statement: " + e.error.Error()
}

func (e endedError) Unwrap() error { return e.error }

// functionError is an error of the function that a later statement shows.
type functionError struct{ error }

func (e functionError) Unwrap() error { return e.error }

// aborted makes the permanent error for a function that has ignored the error
// of a statement. PostgreSQL refuses all later statements of the transaction.
func aborted(err error) error {
	return functionError{fmt.Errorf("a statement of the function failed before, so PostgreSQL has aborted the transaction: return the error of each statement, "+
		"avoid the error (for example with ON CONFLICT DO NOTHING), or roll back to a savepoint: %w", err)}
}

// errConflict says that another instance has committed offsets of a partition.
var errConflict = errors.New("another instance has committed offsets of the partition")

// maxUnreadable is the number of tries to read the table of offsets before the
// table counts as missing. The database may come back between the failed
// statement and the ping, and the pool may hold several ended connections.
const maxUnreadable = 3

// isRetriable reports whether another attempt may succeed.
func (b *Inbox[In]) isRetriable(ctx context.Context, err error) bool {
	switch {
	case errors.As(err, new(endedError)): // another attempt may repeat effects that are committed
		return false
	case errors.As(err, new(functionError)):
		return false
	case source.IsTemporary(err), errors.Is(err, errConflict), errors.Is(err, serde.ErrRegistry):
		return true
	case errors.As(err, new(databaseError)): // a missing table is permanent, and other errors may be temporary
		if _, missing := b.stored(ctx, topicPartition{}); missing == nil || isTemporary(missing) || b.db.PingContext(ctx) != nil {
			b.unreadable = 0
			return true
		}
		b.unreadable++
		return b.unreadable < maxUnreadable
	}
	return b.db.PingContext(ctx) != nil // true if the database is down, even if the function has hidden the database error
}

// revoked removes partitions that we have lost, and their messages. If we get a
// partition back, the consumer reads the messages again.
func (b *Inbox[In]) revoked(partitions []transport.TopicPartition) {
	for _, tp := range partitions {
		delete(b.next, topicPartition{tp.Topic, tp.Partition})
	}
	b.batch = slices.DeleteFunc(b.batch, func(m *transport.ConsumedMessage) bool {
		return b.next[topicPartition{m.Topic, m.Partition}] == nil
	})
}

// rewind moves all of our partitions back to the stored offsets.
func (b *Inbox[In]) rewind(ctx context.Context) {
	var to []transport.TopicPartition
	for p, at := range b.next {
		if stored, err := b.stored(ctx, p); err == nil && stored >= 0 {
			at.stored = stored
		}
		to = append(to, transport.TopicPartition{Topic: p.topic, Partition: p.number, Offset: at.from()})
	}
	clear(b.next)
	if err := b.in.Seek(to); err != nil {
		b.settings.Logger.InfoContext(ctx, "seek_refused", "group", b.group, "err", err)
	}
}

// collect gathers messages whose effects are not stored yet.
func (b *Inbox[In]) collect(ctx context.Context) ([]*transport.ConsumedMessage, error) {
	b.batch = b.batch[:0]
	for len(b.batch) < b.config.messages && ctx.Err() == nil {
		m, err := b.in.Poll(ctx, b.config.wait) // a rebalance inside Poll may take partitions away
		if err != nil {
			return nil, open.ExplainDenied(b.settings, err, "Read", b.group)
		}
		if m == nil {
			break
		}
		wanted, err := b.place(ctx, m)
		if err != nil {
			return nil, err
		}
		if wanted {
			b.batch = append(b.batch, m)
		}
	}
	return slices.Clone(b.batch), nil
}

// place reports whether the effects of a message are not stored yet. At the
// first message of a partition, place reads the stored offset. The consumer has
// begun elsewhere, so place moves the consumer to the stored offset.
func (b *Inbox[In]) place(ctx context.Context, m *transport.ConsumedMessage) (bool, error) {
	p := topicPartition{m.Topic, m.Partition}
	at, known := b.next[p]
	if !known {
		at = &progress{stored: -1, first: m.Offset}
		b.next[p] = at // also after an error, so that rewind seeks to this message
		stored, err := b.stored(ctx, p)
		if err != nil {
			return false, err
		}
		at.stored = stored
	}
	if m.Offset < at.from() {
		if err := b.checkEnd(ctx, p, at, known); err != nil {
			return false, err
		}
	} else {
		at.checked = false
	}
	if !known && m.Offset != at.from() && m.Offset+1 != at.from() {
		_ = b.in.Seek([]transport.TopicPartition{{Topic: m.Topic, Partition: m.Partition, Offset: at.from()}})
		return false, nil
	}
	return m.Offset >= at.from(), nil
}

// endsAge is how long end offsets are good for a partition that we have just
// got. A topic has one query for all its partitions.
const endsAge = 10 * time.Second

// checkEnd returns an error if the stored offset is behind the end of the
// partition. Then the topic was deleted and created again, or the partition has
// lost messages. The inbox would ignore new messages up to the stored offset.
func (b *Inbox[In]) checkEnd(ctx context.Context, p topicPartition, at *progress, known bool) error {
	if at.checked {
		return nil
	}
	ends := b.ends[p.topic]
	if known || time.Since(ends.at) > endsAge {
		found, err := b.in.EndOffsets(ctx, p.topic)
		if err != nil {
			return fmt.Errorf("topic %s: %w", p.topic, open.ExplainDenied(b.settings, err, "Read", p.topic))
		}
		ends = endOffsets{time.Now(), found}
		b.ends[p.topic] = ends
	}
	if end := ends.byPartition[p.number]; at.stored > end {
		return fmt.Errorf("%s[%d]: table %s has the offset %d, but the partition ends at %d: the topic was created again, or the partition has lost messages: "+
			"to read the partition from its beginning, delete its row of the group %s", p.topic, p.number, b.config.table, at.stored, end, b.group)
	}
	at.checked = true
	return nil
}

// stored returns the offset at which a partition continues, or -1 if no offset
// is stored.
func (b *Inbox[In]) stored(ctx context.Context, p topicPartition) (int64, error) {
	var at int64
	err := b.db.QueryRowContext(ctx, b.dialect.query("SELECT next_offset FROM "+b.dialect.quote(b.config.table)+
		" WHERE group_id = ? AND topic = ? AND partition_number = ?"), b.group, p.topic, p.number).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		at, err = -1, nil
	}
	if err != nil {
		return 0, databaseError{fmt.Errorf("table %s: %w", b.config.table, err)}
	}
	b.unreadable = 0
	return at, nil
}

// store handles messages in one database transaction.
func (b *Inbox[In]) store(ctx context.Context, batch []*transport.ConsumedMessage) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return databaseError{err}
	}
	defer func() { _ = tx.Rollback() }()
	if err := b.savepoint(ctx, tx, "SAVEPOINT "); err != nil {
		return databaseError{err}
	}
	after := map[topicPartition]int64{}
	for _, m := range batch {
		if err := b.handleMessage(ctx, tx, m); err != nil {
			switch {
			case errors.Is(err, sql.ErrTxDone): // an earlier message has ended the transaction
				err = endedError{err}
			case isOutage(err), isLost(ctx, tx): // whatever the function says
				err = databaseError{err}
			case isAborted(err) && !source.IsTemporary(err):
				err = aborted(err)
			}
			return fmt.Errorf("%s[%d]@%d: %w", m.Topic, m.Partition, m.Offset, err)
		}
		after[topicPartition{m.Topic, m.Partition}] = m.Offset + 1
	}
	if err := b.savepoint(ctx, tx, "RELEASE SAVEPOINT "); err != nil {
		if isLost(ctx, tx) {
			return databaseError{err}
		}
		return endedError{err}
	}
	for p, at := range after {
		err := b.advance(ctx, tx, p, at)
		if errors.Is(err, sql.ErrTxDone) {
			err = endedError{err}
		}
		if err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		if b.isDeferred(err) {
			return functionError{fmt.Errorf("commit: a deferred constraint refuses what the function wrote: %w", err)}
		}
		return databaseError{err} // the commit may have succeeded: the stored offset shows the outcome
	}
	for p, at := range after {
		b.next[p].stored = at
	}
	return nil
}

// savepoint sets or releases a savepoint in MySQL. MySQL rolls a transaction
// back after a deadlock, and commits a transaction at a statement such as
// CREATE TABLE. If the function ignores this, the next statements are no longer
// in a transaction. The savepoint then does not exist.
func (b *Inbox[In]) savepoint(ctx context.Context, tx *sql.Tx, statement string) error {
	if b.dialect != MySQL {
		return nil // an error of the next statement shows the same
	}
	_, err := tx.ExecContext(ctx, statement+"avroline_inbox")
	return err
}

// isLost reports whether the connection of a transaction has ended. The first
// statement on such a connection may get an error of the driver. Each later
// statement gets driver.ErrBadConn.
func isLost(ctx context.Context, tx *sql.Tx) bool {
	var err error
	for range 2 {
		_, err = tx.ExecContext(ctx, "SELECT 1")
	}
	return errors.Is(err, driver.ErrBadConn)
}

// advance stores an offset, unless another instance has stored an offset
// before.
func (b *Inbox[In]) advance(ctx context.Context, tx *sql.Tx, p topicPartition, to int64) error {
	table, from := b.dialect.quote(b.config.table), b.next[p].stored
	if from < 0 {
		_, err := tx.ExecContext(ctx, b.dialect.query("INSERT INTO "+table+" (group_id, topic, partition_number, next_offset) VALUES (?, ?, ?, ?)"),
			b.group, p.topic, p.number, to)
		if err != nil {
			return cmp.Or(b.refusal(err), fmt.Errorf("%w, or: %w", errConflict, databaseError{err}))
		}
		return nil
	}
	done, err := tx.ExecContext(ctx, b.dialect.query("UPDATE "+table+" SET next_offset = ? WHERE group_id = ? AND topic = ? AND partition_number = ? AND next_offset = ?"),
		to, b.group, p.topic, p.number, from)
	if err != nil {
		return cmp.Or(b.refusal(err), error(databaseError{err}))
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errConflict, err)
	}
	return nil
}

// refusal returns the permanent error of a refused statement of the inbox, or
// nil if another attempt may succeed.
func (b *Inbox[In]) refusal(err error) error {
	switch {
	case isAborted(err):
		return aborted(err)
	case isDenied(err):
		return b.deniedError(err)
	}
	return nil
}

// sqlState returns the SQLSTATE of an error of PostgreSQL, or "". The drivers
// pgx and pq have the method SQLState.
func sqlState(err error) string {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return ""
	}
	return state.SQLState()
}

// isAborted reports whether PostgreSQL refused a statement because an earlier
// statement of the transaction failed (25P02, in_failed_sql_transaction).
func isAborted(err error) bool { return sqlState(err) == "25P02" }

// isDeferred reports whether a commit failed because of a deferred constraint.
// In PostgreSQL the SQLSTATE is of class 23 (integrity_constraint_violation),
// or P0001 if a deferred trigger has raised the error. SQLite has only deferred
// foreign keys. Their error has the same text in all drivers.
func (b *Inbox[In]) isDeferred(err error) bool {
	if b.dialect == SQLite {
		return strings.Contains(err.Error(), "FOREIGN KEY constraint failed")
	}
	state := sqlState(err)
	return strings.HasPrefix(state, "23") || state == "P0001"
}

// isTemporary reports whether an error of the database is known to be
// temporary, for example a statement timeout during a migration. In PostgreSQL
// these are the errors outside of class 42 (syntax error or access rule
// violation).
func isTemporary(err error) bool {
	state := sqlState(err)
	return state != "" && !strings.HasPrefix(state, "42") || temporaryText.MatchString(err.Error())
}

// temporaryText finds temporary errors of MySQL and SQLite: too many
// connections (1040, 1203), a lock timeout (1205), a deadlock (1213), a
// statement timeout (1969 in MariaDB, 3024 in MySQL), and a lock of SQLite.
var temporaryText = regexp.MustCompile(`(?i)\berror (1040|1203|1205|1213|1969|3024)\b|\bdatabase (table )?is locked\b`)

// isOutage reports whether a statement failed because the database takes no
// writes at the moment: the database is read-only, as after a failover, a disk
// or a quota is full, there are too many connections, or the server stops. In
// PostgreSQL the SQLSTATE is 25006 (read_only_sql_transaction), 53100
// (disk_full), 53300 (too_many_connections), or begins with 57P (a stopping
// server).
func isOutage(err error) bool {
	state := sqlState(err)
	return state == "25006" || state == "53100" || state == "53300" || strings.HasPrefix(state, "57P") || outageText.MatchString(err.Error())
}

// outageText finds the same errors of MySQL and SQLite: a full disk (1021), a
// full table (1114), too many connections (1040, 1203), and a read-only server
// (1290, 1792, 1836). MySQL has the error 1290 for other options of the server
// too.
var outageText = regexp.MustCompile(`(?i)\berror (1021|1040|1114|1203|1792|1836)\b|\berror 1290\b.*read[-_]only|\bdatabase or disk is full\b|\battempt to write a readonly database\b`)

// isDenied reports whether the database refused a statement for lack of a
// permission. In PostgreSQL the SQLSTATE is 42501 (insufficient_privilege). The
// drivers of MySQL have no common method, but all begin the text with the
// number of the error.
func isDenied(err error) bool {
	return err != nil && (sqlState(err) == "42501" || deniedByMySQL.MatchString(err.Error()))
}

// deniedByMySQL finds the errors of a missing permission for a table (1142) or
// for a column (1143). The rest of the text may be in any language
// (lc_messages).
var deniedByMySQL = regexp.MustCompile(`(?i)\berror 114[23]\b`)

// deniedError makes the permanent error of a missing permission.
func (b *Inbox[In]) deniedError(err error) error {
	return fmt.Errorf("table %s: %w: grant SELECT, INSERT and UPDATE on the table", b.config.table, err)
}

// handleMessage handles a single message.
func (b *Inbox[In]) handleMessage(ctx context.Context, tx *sql.Tx, m *transport.ConsumedMessage) error {
	c := processor.Consumed[In]{Key: m.Key, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp}
	for _, h := range m.Headers {
		c.Headers = append(c.Headers, serde.Header{Key: h.Key, Value: h.Value})
	}
	value := new(In)
	err := b.decode.DecodeInto(ctx, serde.Input{Topic: m.Topic, Part: serde.Value, Data: m.Value, Header: m.Header}, value)
	switch {
	case err == nil:
		c.Value = value
	case errors.Is(err, serde.ErrTombstone):
	case errors.Is(err, serde.ErrRegistry), errors.Is(err, serde.ErrNoExecutor), ctx.Err() != nil, b.config.bad == nil:
		return err // without the executor of a rule, every message would fail
	default:
		raw := processor.Raw{Err: err, Consumed: processor.Consumed[[]byte]{
			Key: c.Key, Topic: c.Topic, Partition: c.Partition, Offset: c.Offset, Timestamp: c.Timestamp, Headers: c.Headers,
		}}
		if m.Value != nil {
			raw.Value = &m.Value
		}
		return b.config.bad(ctx, tx, raw)
	}
	return b.f(ctx, tx, c)
}

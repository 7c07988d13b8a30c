package outbox

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/serde"
)

// Relay publishes the rows of a table. Each row is published exactly once.
// Several relays may run at the same time, in one process or in many, and share
// the shards. A Relay is safe for concurrent use, but Run must be called only
// once.
type Relay struct {
	source      *source.Source[*Row]
	table       *Table
	db          *sql.DB
	reg         serde.Registry
	deadLetters string

	mu           sync.Mutex
	knownSchemas map[int]bool // schema ids that the registry knows
}

// RelayOption changes a [Relay]. The zero RelayOption does nothing.
type RelayOption struct {
	name  string
	apply func(*relayConfig)
}

// String returns the option's name.
func (o RelayOption) String() string { return o.name }

type relayConfig struct {
	poll        time.Duration
	polls       bool // WithPoll was given
	keep        time.Duration
	rows        int
	waker       Waker
	deadLetters string
	source      []source.Option
	errs        []error // the errors of options with a wrong value
}

// Waker wakes a relay when new rows may exist, so that the rows are published
// at once. outboxpgx.Listen makes a Waker. Relays in one process may share a
// Waker.
type Waker interface {
	// Wake returns a channel that is closed at the next signal of new rows. The
	// relay first calls Wake, and then reads the table. If the table has no new
	// row, the relay waits for the channel. So no signal is lost.
	Wake() <-chan struct{}
}

// WithPoll sets the interval between two queries for new rows, if the last
// query found no row. Default 100 ms, and 1 s with a [Waker].
func WithPoll(d time.Duration) RelayOption {
	return RelayOption{"WithPoll", func(c *relayConfig) { c.poll, c.polls = d, true }}
}

// WithKeep keeps published rows in the table for the duration d, counted from
// created_at. The relay looks for older rows at its start, and then after each
// tenth of d. Without WithKeep, a row is deleted when the Kafka transaction
// with its event is known to be committed.
func WithKeep(d time.Duration) RelayOption {
	return RelayOption{"WithKeep", func(c *relayConfig) { c.keep = d }}
}

// WithRows bounds the rows of one query. Default 1,000.
func WithRows(n int) RelayOption {
	return RelayOption{"WithRows", func(c *relayConfig) { c.rows = n }}
}

// WithWaker lets w wake the relay. By default the relay only polls. A nil w is
// an error.
func WithWaker(w Waker) RelayOption {
	return RelayOption{"WithWaker", func(c *relayConfig) {
		if w == nil {
			c.errs = append(c.errs, errors.New("outbox: WithWaker: the waker is nil"))
		}
		c.waker = w
	}}
}

// WithDeadLetters writes rows that cannot be published to another topic, in
// order and in the same transaction. The relay copies key, payload and headers
// byte for byte, and adds the headers event-id, dead-letter.reason, .topic and
// .row. Without WithDeadLetters, such a row stops its shard, and the error
// names the row. If the registry does not answer, or if the relay lacks a
// permission, the rows wait in both cases.
//
// A row that is too large stops its shard if its dead letter is too large as
// well. So max.message.bytes of the dead-letter topic and
// producer.WithMaxMessageBytes must exceed the largest row by 2 kB, for the
// added headers.
func WithDeadLetters(topic string) RelayOption {
	return RelayOption{"WithDeadLetters", func(c *relayConfig) {
		if err := settings.CheckTopicName(topic); err != nil {
			c.errs = append(c.errs, fmt.Errorf("outbox: WithDeadLetters: %w", err))
		}
		c.deadLetters = topic
	}}
}

// WithSource passes options to [source.New], for example WithProducer,
// WithTransaction, WithCheckpoints and WithHooks. The table sets the number of
// shards. The default of WithTransaction is 5,000 rows, 4 MiB and 5 s. A
// transaction ends earlier if no more rows wait, so only a backlog fills a
// transaction.
func WithSource(opts ...source.Option) RelayOption {
	return RelayOption{"WithSource", func(c *relayConfig) { c.source = append(c.source, opts...) }}
}

// The relay adds these headers to a dead letter.
const (
	DeadLetterReason = "dead-letter.reason" // the error's text, shortened to 1,000 bytes
	DeadLetterTopic  = "dead-letter.topic"  // the topic of the event
	DeadLetterRow    = "dead-letter.row"    // the row's seq, in decimal
	// DeadLetterHeaders has the row's column headers. The relay adds the header
	// only if the column was changed and the relay cannot read it.
	DeadLetterHeaders = "dead-letter.headers"
)

// These are the default limits of a transaction. With fewer rows, the relay
// would spend most of its time on commits.
const (
	txRows  = 5000
	txBytes = 4 << 20
	txTime  = 5 * time.Second
)

// eventIDHeader is the same header as in producer.WithEventID.
const eventIDHeader = "event-id"

// NewRelay makes a relay of a table and does not wait for I/O. The positions
// are stored under name, so name must be unique. Relays with the same name
// share the work. s serializes the positions, and reg reads them. The relay
// uses a few connections of db at a time. The error lists all mistakes in the
// arguments.
func NewRelay(brokers []string, name string, table *Table, db *sql.DB, reg serde.Registry, s *serde.Serializer, opts ...RelayOption) (*Relay, error) {
	c := relayConfig{poll: 100 * time.Millisecond, rows: 1000}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	if c.waker != nil && !c.polls {
		c.poll = time.Second
	}
	errs := c.errs
	if table == nil || db == nil {
		errs = append(errs, errors.New("outbox: NewRelay: the table and the database must not be nil"))
	}
	if c.poll <= 0 || c.keep < 0 || c.rows < 1 || c.rows > 100_000 {
		errs = append(errs, fmt.Errorf("outbox: WithPoll %v must be positive, WithKeep %v not negative, WithRows %d from 1 to 100000", c.poll, c.keep, c.rows))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	in := &input{table: table, db: db, relay: name, keep: c.keep, poll: c.poll, waker: c.waker, rows: c.rows}
	sourceOptions := slices.Concat(
		[]source.Option{source.WithTransaction(txRows, txBytes, txTime)}, c.source, []source.Option{source.WithShards(table.shards)},
	)
	src, err := source.New(brokers, name, in, reg, s, sourceOptions...)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	r := &Relay{source: src, table: table, db: db, reg: reg, deadLetters: c.deadLetters, knownSchemas: map[int]bool{}}
	if r.deadLetters != "" {
		src.HandleBad(r.publishDeadLetter)
	}
	return r, nil
}

// Prepare checks the table, the brokers and the given topics. If
// producer.WithCreateTopics allows it, Prepare creates topics. Calling Prepare
// is optional.
func (r *Relay) Prepare(ctx context.Context, topics ...producer.Prepared) error {
	return errors.Join(r.table.Check(ctx, r.db), r.source.Prepare(ctx, topics...))
}

// Run publishes rows until ctx ends, and then returns nil. During outages of
// the database, the brokers and the registry, Run waits. If a shard cannot
// continue, Run logs the error, and [Relay.Health] and [Relay.Shards] report
// it. The relay tries the shard again after a pause that grows to one minute.
// Call Run only once.
func (r *Relay) Run(ctx context.Context) error {
	err := r.source.Run(ctx, r.publish)
	if ctx.Err() != nil && !errors.Is(err, producer.ErrFenced) {
		return nil
	}
	return err
}

// Health reports whether this relay can publish. Health does no I/O. See
// [source.Source.Health].
func (r *Relay) Health() producer.Health { return r.source.Health() }

// Shards returns the state of the shards that this relay works on. Shards asks
// the database for the lag, within ctx.
func (r *Relay) Shards(ctx context.Context) []source.ShardHealth { return r.source.Shards(ctx) }

// Stats returns the counts of all messages of this relay, including the
// positions.
func (r *Relay) Stats() producer.Stats { return r.source.Stats() }

// Close ends the relay. Wait until Run has returned before you call Close.
func (r *Relay) Close(ctx context.Context) error { return r.source.Close(ctx) }

// publish is called for each row.
func (r *Relay) publish(ctx context.Context, tx *producer.Tx, row *Row) error {
	err := r.check(ctx, row)
	if err == nil {
		e := messageOf(row)
		if err = e.Add(ctx, tx); err == nil || tx.Err() != nil || ctx.Err() != nil {
			return err
		}
		tx.IgnoreRefused() // the row goes to the dead-letter topic instead
	}
	if r.deadLetters == "" || !isOfRow(err) || ctx.Err() != nil {
		return err
	}
	return r.publishDeadLetter(ctx, tx, row, err)
}

// isOfRow reports whether a row cannot be published because of the row. Other
// rows then go on. Otherwise the reason is an outage, a permission or a full
// buffer (WithMaxBlock), and the row must wait.
func isOfRow(err error) bool {
	switch producer.ReasonOf(err) {
	case producer.ReasonRegistry, producer.ReasonClosed, producer.ReasonFenced, producer.ReasonPermission, producer.ReasonConnection,
		producer.ReasonFatal, producer.ReasonBufferFull, producer.ReasonTransaction, producer.ReasonTimedOut, producer.ReasonContext:
		return false
	}
	return true
}

// messageOf makes the message of a row, with the header event-id.
func messageOf(row *Row) producer.Encoded {
	e := row.encoded()
	if !slices.ContainsFunc(e.Headers, func(h serde.Header) bool { return h.Key == eventIDHeader }) {
		e.Headers = append(slices.Clip(e.Headers), serde.Header{Key: eventIDHeader, Value: []byte(row.ID.String())})
	}
	return e
}

// check returns an error if a row cannot be published.
func (r *Relay) check(ctx context.Context, row *Row) error {
	if row.broken != nil {
		return row.broken
	}
	// In the framing with an id in the payload, the payload begins with a zero
	// byte and the four bytes of the id.
	if len(row.Payload) < 5 || row.Payload[0] != 0 {
		return nil
	}
	id := int(binary.BigEndian.Uint32(row.Payload[1:]))
	r.mu.Lock()
	known := r.knownSchemas[id]
	r.mu.Unlock()
	if known {
		return nil
	}
	if _, err := r.reg.SchemaByID(ctx, "", id); err != nil {
		return fmt.Errorf("schema id %d of the payload: %w", id, err)
	}
	r.mu.Lock()
	r.knownSchemas[id] = true
	r.mu.Unlock()
	return nil
}

// kafkaTime reports whether every transport can write a time.
func kafkaTime(at time.Time) bool { return at.IsZero() || at.UnixMilli() >= 0 && at.Year() < 2262 }

// publishDeadLetter writes a row to the dead-letter topic.
func (r *Relay) publishDeadLetter(ctx context.Context, tx *producer.Tx, row *Row, reason error) error {
	e := messageOf(row)
	text := reason.Error()
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "")
	}
	e.Headers = append(slices.Clip(e.Headers),
		serde.Header{Key: DeadLetterReason, Value: []byte(text)},
		serde.Header{Key: DeadLetterTopic, Value: []byte(row.Topic)},
		serde.Header{Key: DeadLetterRow, Value: strconv.AppendInt(nil, row.Seq, 10)},
	)
	if row.headers != "" && row.Headers == nil {
		e.Headers = append(e.Headers, serde.Header{Key: DeadLetterHeaders, Value: []byte(row.headers)})
	}
	e.Topic, e.Partition = r.deadLetters, producer.Partition{}
	if !kafkaTime(e.Timestamp) {
		e.Timestamp = time.Time{} // of a changed row; the dead letter then has the current time
	}
	err := e.Add(ctx, tx)
	if err == nil {
		return nil
	}
	advice := ""
	if large := new(producer.TooLargeError); errors.As(err, &large) {
		advice = fmt.Sprintf(": raise max.message.bytes of topic %s and producer.WithMaxMessageBytes of the relay to at least %d", r.deadLetters, large.Size)
	}
	return fmt.Errorf("the row cannot be published (%v), and its dead letter cannot either: %w%s", reason, err, advice) //nolint:errorlint // only the second error decides whether the relay tries again
}

package producer

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Transactional publishes in transactions. Either all messages of a transaction
// are visible to read_committed, or none. A Transactional runs one transaction
// at a time. Calls of [Transactional.InTx] wait for each other, unless
// [WithGroupCommit] puts several calls into one transaction. Transactional is
// safe for concurrent use. A process may have many, each with its own id.
type Transactional struct {
	*publisher
	engine *engine.Transactional
}

// NewTransactional makes a transactional producer. NewTransactional does not
// wait for I/O. The transactional id names the producer across restarts. A new
// producer with the same id fences the old producer ([ErrFenced]) and ends the
// transaction that the old producer left open. So two producers that run at the
// same time need two ids. NewTransactional refuses [WithWeakAcks] and
// [WithoutRecovery].
func NewTransactional(brokers []string, transactionalID string, s *serde.Serializer, opts ...Option) (*Transactional, error) {
	return newTransactional(settings.ForTransactional, brokers, transactionalID, s, opts)
}

func newTransactional(who settings.Purpose, brokers []string, id string, s *serde.Serializer, opts []Option) (*Transactional, error) {
	config, err := settings.New(who, brokers, id, opts)
	if err != nil {
		return nil, err
	}
	if err := checkSerializer(s); err != nil {
		return nil, err
	}
	h := joinHooks(settings.Carried[Hooks](config))
	e, err := engine.NewTransactional(config, callbacks(config, h))
	if err != nil {
		return nil, err
	}
	t := &Transactional{engine: e, publisher: newPublisher(e.Engine(), s, h)}
	observe(config, t)
	return t, nil
}

// InTx runs f in a transaction. If f returns nil, InTx commits. If f returns an
// error, InTx aborts. If f panics, InTx aborts and the panic goes on. InTx
// returns nil if the transaction is committed, and otherwise a [*TxError].
//
// If the transaction failed for a temporary reason and the abort is certain,
// InTx runs f again. So f must not keep anything of an earlier run. InTx does
// not run f again after a commit whose outcome is unknown. The outcome is
// unknown if ctx ended or the client failed during the commit. Then InTx
// returns [ErrOutcomeUnknown], unless a [Resolver] finds the outcome. The next
// InTx uses a new client. The start of the new client ends the transaction that
// the old client left open.
//
// f must not call InTx, InTxOnce, Prepare or Close of the same producer. Such a
// call waits for the end of f, and so for itself, until its context ends.
//
// ctx bounds the whole call. Without a deadline, InTx waits as long as an
// outage lasts. If ctx ends before the commit request, nothing is committed and
// the outcome is [ErrNotSent], even if f returns nil. The abort that follows
// may take 5 s more.
func (t *Transactional) InTx(ctx context.Context, f func(tx *Tx) error) error {
	return t.engine.InTx(ctx, func(tx *engine.Tx) error { return f(&Tx{tx, t.publisher}) })
}

// InTxOnce is [Transactional.InTx] with a single attempt. InTxOnce returns
// where InTx would run f again. [TxError.Retriable] says whether another
// attempt may help. The transaction is not shared with other calls, even under
// [WithGroupCommit].
func (t *Transactional) InTxOnce(ctx context.Context, f func(tx *Tx) error) error {
	return t.engine.InTxOnce(ctx, func(tx *engine.Tx) error { return f(&Tx{tx, t.publisher}) })
}

// Resolver finds out whether a transaction in doubt is committed, because the
// coordinator does not tell. A processor reads the answer from the offsets of
// the group. A source reads the answer from a position record that the source
// writes into each transaction.
type Resolver interface {
	// Resume is called each time after a client has taken over the
	// transactional id (InitTransactions), before the client writes anything.
	// At that time all earlier transactions of the id are committed or aborted.
	// Another process may have worked meanwhile. So Resume is also the place to
	// read positions again.
	//
	// inDoubt says that the outcome of this producer's last commit is unknown.
	// Then committed is the answer. For true, [Transactional.InTx] returns nil.
	// For false, InTx returns [ErrNotSent]. [Stats] count accordingly. If
	// inDoubt is false, committed is ignored.
	//
	// If Resume returns an error, no transaction begins. The call returns
	// [ErrNotSent] with the error, or [ErrOutcomeUnknown] for a commit in
	// doubt. The next call asks again. An error that wraps [ErrOutcomeUnknown]
	// says that the outcome can never be found. Then the commit in doubt stays
	// unknown, and the producer goes on.
	//
	// Resume runs on the goroutine of InTx or Prepare. Resume must not call
	// InTx, InTxOnce or Prepare of the same producer.
	Resume(ctx context.Context, inDoubt bool) (committed bool, err error)
}

// WithResolver sets the [Resolver], which answers for a commit in doubt and is
// called after each takeover of the transactional id. Default: none, so a
// commit in doubt is [ErrOutcomeUnknown]. Only [NewTransactional] accepts
// WithResolver. A nil r is an error.
func WithResolver(r Resolver) Option {
	if r == nil {
		return settings.Nil("WithResolver")
	}
	return settings.Carry("WithResolver", r, "resolver")
}

// Err returns nil while the producer can publish, and otherwise [ErrFenced] or
// [ErrClosed]. Err does not wait. While a transaction is open, Err returns nil
// unless the producer is closed.
func (t *Transactional) Err() error { return t.engine.Err() }

// Stats returns the counts at this moment. Messages of an open transaction
// count as in flight. Messages of an aborted transaction count as NotSent.
func (t *Transactional) Stats() Stats { return t.publisher.engine.Stats() }

// Health reports whether the producer can run transactions. Health does no I/O.
func (t *Transactional) Health() Health { return t.engine.Health() }

// Close refuses new transactions and waits for the open transaction. If ctx
// ends first, Close aborts the open transaction, or leaves the abort to the
// coordinator at the transaction timeout. Close returns an [*UndeliveredError]
// if messages have an unknown outcome. Messages of an aborted transaction are
// not an error here, because InTx has already reported them.
func (t *Transactional) Close(ctx context.Context) error { return t.engine.Close(ctx) }

// Tx is a transaction. A Tx is valid only inside the function that received the
// Tx. There it is safe for concurrent use.
type Tx struct {
	engine    *engine.Tx
	publisher *publisher
}

// Add puts a record into the transaction. Add blocks while the buffer is full.
// A nil error means that the message is accepted. The message has the outcome
// of the transaction, so there is no delivery to wait for. An error is
// [ErrNotSent]. After an error InTx aborts the transaction, even if the
// function returns nil, because a transaction must not lose one of its messages
// unnoticed. A function that can go on without the refused message calls
// [Tx.IgnoreRefused].
func (t *Topic[R]) Add(ctx context.Context, tx *Tx, r R) error {
	return tx.add(t.name, func(p *publisher) error { return t.publish(ctx, p, r, nil, nil, nil, true) })
}

// AddMessage is [Topic.Add] for a [Message], with a key, headers, a timestamp,
// a partition or a tombstone.
func (t *Topic[R]) AddMessage(ctx context.Context, tx *Tx, m Message[R]) error {
	return tx.add(t.name, func(p *publisher) error { return t.publish(ctx, p, m.Value, &m, nil, nil, true) })
}

func (tx *Tx) add(topic string, publish func(p *publisher) error) error {
	if tx == nil {
		return engine.NotSent(topic, -1, errors.New("the transaction is nil"))
	}
	return tx.engine.Add(topic, func() error { return publish(tx.publisher) })
}

// IgnoreRefused lets the transaction commit without the messages that were
// refused so far. Without IgnoreRefused, a refused message aborts the
// transaction. A typical use is a function that writes a record to a
// dead-letter topic after the record was refused.
func (tx *Tx) IgnoreRefused() { tx.engine.IgnoreRefused() }

// OnEnd registers f, which is called once when the transaction has ended. f
// gets nil if the transaction is committed, and otherwise the [*TxError]. If
// InTx runs its function again, the new run has a new transaction and registers
// its own functions. OnEnd is the place for counters and for other work that
// must not happen twice. The functions run in the order of the OnEnd calls, on
// the goroutine of InTx or Run. With [WithGroupCommit] they run on a goroutine
// of the producer, and a panic is reported like the panic of a callback. f must
// not call InTx, InTxOnce, Prepare or Close of the same producer, because the
// turn of the next transaction comes after the last f.
//
// With a [Resolver], as in a processor or a source, f is called when the
// outcome of a commit in doubt is found. f gets [ErrOutcomeUnknown] only if ctx
// ends before, or if the outcome cannot be found. After the end of the
// transaction, OnEnd does nothing.
func (tx *Tx) OnEnd(f func(err error)) { tx.engine.OnEnd(f) }

// Err returns the first error after which only an abort is possible. Examples
// are a lost connection to the coordinator and a fenced producer. nil means
// that the transaction may still commit. An error of one message, such as a too
// large message, does not count.
func (tx *Tx) Err() error { return tx.engine.Err() }

// GroupOffset is an offset of a consumer group for [Tx.SendOffsets].
//
//	Topic       string
//	Partition   int32
//	Offset      int64 // one more than the offset of the last processed message
//	LeaderEpoch int32 // -1 if not known
type GroupOffset = transport.GroupOffset

// GroupMember identifies a member of a consumer group. With it the coordinator
// refuses the offsets of a member that was replaced.
//
// With the transport Confluent, set Group, and set Library to the
// *kafka.ConsumerGroupMetadata of the consumer. With the transport Franz, set
// Group, MemberID and Generation, and InstanceID for a static member. With
// Group alone, the coordinator refuses no offsets because of the group.
//
//	Group, MemberID, InstanceID string
//	Generation                  int32
//	Library                     any
type GroupMember = transport.GroupMember

// SendOffsets puts offsets of a consumer group into the transaction (KIP-447).
// The offsets are committed with the messages, or not at all. SendOffsets is
// for a caller with its own consumer. A processor sends offsets itself. After
// an error the transaction can only abort.
func (tx *Tx) SendOffsets(ctx context.Context, offsets []GroupOffset, member GroupMember) error {
	return tx.engine.SendOffsets(ctx, offsets, member)
}

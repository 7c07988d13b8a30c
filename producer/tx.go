package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Reasons that end a transaction, in a [*TxError]. The function's own error is
// another reason.
var (
	// ErrFenced says that another producer took over the transactional id.
	// Every later call returns ErrFenced at once. A fenced producer must stop,
	// because a new start would fence the other producer.
	ErrFenced = errors.New("producer: fenced")
	// ErrTxTimedOut says that the transaction was open for longer than
	// [WithTransactionTimeout], so the coordinator aborted the transaction. The
	// broker answers in the same way to a fenced producer. The producer
	// compares the open time with the timeout to tell the two apart. The next
	// [Transactional.InTx] works.
	ErrTxTimedOut = errors.New("producer: transaction timed out")
	// ErrTxEnded says that a [Tx] was used after its function returned.
	ErrTxEnded = errors.New("producer: transaction has ended")
)

// TxError says why a transaction is not known to be committed. TxError wraps
// the outcome and the cause. The outcome [ErrNotSent] means that read_committed
// never sees any message of the transaction. The outcome [ErrOutcomeUnknown]
// means that read_committed sees all messages or none. The cause is the
// function's own error, [ErrFenced], [ErrTxTimedOut] or a [KafkaError].
type TxError struct {
	Outcome         error
	TransactionalID string
	Cause           error
	// Retriable says that the same transaction may succeed in another run.
	// [Transactional.InTx] runs the transaction again itself.
	// [Transactional.InTxOnce] leaves another run to the caller.
	Retriable bool
}

func (e *TxError) Error() string {
	return fmt.Sprintf("%s: transaction of %s: %s", e.Outcome, e.TransactionalID, trim(e.Cause))
}

// Unwrap returns the outcome and the cause.
func (e *TxError) Unwrap() []error { return []error{e.Outcome, beneath{e.Cause}} }

// Transactional publishes in transactions. Either all messages of a transaction
// are visible to read_committed, or none. A Transactional runs one transaction
// at a time. Calls of [Transactional.InTx] wait for each other, unless
// [WithGroupCommit] puts several calls into one transaction. Transactional is
// safe for concurrent use. A process may have many, each with its own id.
type Transactional struct {
	core     *core
	turn     chan struct{} // one token; the holder runs the transaction
	client   *client       // initialised; if nil, the next transaction initialises one. Under turn
	fenced   error         // if not nil, every later call returns this error. Under turn
	resolver Resolver      // nil: none
	resumed  bool          // the resolver answered after the client's start. Under turn
	doubt    doubt         // the last commit with an unknown outcome. Under turn
	group    *group        // if nil, each InTx has its own transaction
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
	core, err := newCore(config, s)
	if err != nil {
		return nil, err
	}
	t := &Transactional{core: core, turn: make(chan struct{}, 1)}
	for _, r := range settings.Carried[Resolver](config) {
		t.resolver = r
	}
	t.turn <- struct{}{}
	if config.GroupCommitMessages > 0 {
		t.group = newGroup(t)
	}
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
// ctx bounds the whole call. Without a deadline, InTx waits as long as an
// outage lasts. If ctx ends before the commit request, nothing is committed and
// the outcome is [ErrNotSent], even if f returns nil. The abort that follows
// may take 5 s more.
func (t *Transactional) InTx(ctx context.Context, f func(tx *Tx) error) error {
	if t.group != nil {
		return t.group.join(ctx, f)
	}
	return t.inTx(ctx, f)
}

// InTxOnce is [Transactional.InTx] with a single attempt. InTxOnce returns
// where InTx would run f again. [TxError.Retriable] says whether another
// attempt may help. The transaction is not shared with other calls, even under
// [WithGroupCommit].
func (t *Transactional) InTxOnce(ctx context.Context, f func(tx *Tx) error) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	_, err := t.attempt(ctx, f)
	return err
}

// attempt calls once and sets TxError.Retriable.
func (t *Transactional) attempt(ctx context.Context, f func(tx *Tx) error) (again bool, err error) {
	again, err = t.once(ctx, f)
	if failed := new(TxError); errors.As(err, &failed) {
		failed.Retriable = again
	}
	return again, err
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
// WithResolver.
func WithResolver(r Resolver) Option {
	return settings.Carry("WithResolver", r, "resolver")
}

func (t *Transactional) inTx(ctx context.Context, f func(tx *Tx) error) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	pause := t.core.config.RetryBackoff
	for {
		again, err := t.attempt(ctx, f)
		if !again {
			return err
		}
		t.core.config.Logger.Info("transaction_again", "transactional_id", t.core.config.TransactionalID, "err", err)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
			pause = min(2*pause, t.core.config.RetryBackoffMax)
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-t.core.alive.Done():
			wait.Stop()
			return err
		}
	}
}

// enter waits for the turn and takes it.
func (t *Transactional) enter(ctx context.Context) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return t.failed(ErrNotSent, fmt.Errorf("another transaction is open: %w", ended(ctx)))
	case <-t.core.alive.Done():
		return t.failed(ErrNotSent, ErrClosed)
	}
	var err error
	switch {
	case ctx.Err() != nil:
		err = t.failed(ErrNotSent, ended(ctx))
	case t.fenced != nil:
		err = t.failed(ErrNotSent, t.fenced)
	case !t.core.hold():
		err = t.failed(ErrNotSent, ErrClosed)
	}
	if err != nil {
		t.turn <- struct{}{}
	}
	return err
}

func (t *Transactional) leave() {
	t.core.background.Done()
	t.turn <- struct{}{}
}

// hold keeps Close from destroying a client while a call into the client runs.
// The caller calls background.Done afterwards.
func (c *core) hold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive.Err() != nil {
		return false
	}
	c.background.Add(1)
	return true
}

func (t *Transactional) failed(outcome, cause error) error {
	return &TxError{Outcome: outcome, TransactionalID: t.core.config.TransactionalID, Cause: cause}
}

// Err returns nil while the producer can publish, and otherwise [ErrFenced] or
// [ErrClosed]. Err does not wait. While a transaction is open, Err returns nil
// unless the producer is closed.
func (t *Transactional) Err() error {
	if t.core.alive.Err() != nil {
		return ErrClosed
	}
	select {
	case <-t.turn:
		defer func() { t.turn <- struct{}{} }()
		return t.fenced
	default:
		return nil
	}
}

// Stats returns the counts at this moment. Messages of an open transaction
// count as in flight. Messages of an aborted transaction count as NotSent.
func (t *Transactional) Stats() Stats { return t.core.stats() }

// Close refuses new transactions and waits for the open transaction. If ctx
// ends first, Close aborts the open transaction, or leaves the abort to the
// coordinator at the transaction timeout. Close returns an [*UndeliveredError]
// if messages have an unknown outcome. Messages of an aborted transaction are
// not an error here, because InTx has already reported them.
func (t *Transactional) Close(ctx context.Context) error {
	select {
	case <-t.turn:
		t.turn <- struct{}{}
	case <-ctx.Done():
	case <-t.core.alive.Done():
	}
	err := t.core.close(ctx)
	var left *UndeliveredError
	if errors.As(err, &left) && left.Unknown == 0 && left.Err == nil {
		return nil
	}
	return err
}

// Tx is a transaction. A Tx is valid only inside the function that received the
// Tx. There it is safe for concurrent use.
type Tx struct {
	core   *core
	client *client

	mu     sync.RWMutex // held for reading while Add runs
	ended  bool
	onEnd  []func(err error)
	begun  time.Time             // set if there is a hook
	first  atomic.Int64          // core.now at the first message; 0 if there is none
	added  atomic.Int64          // messages
	broken atomic.Pointer[error] // the first error after which only an abort is possible
	// refused is the error of the first refused message since the last
	// IgnoreRefused.
	refused atomic.Pointer[error]
}

// Add puts a record into the transaction. Add blocks while the buffer is full.
// A nil error means that the message is accepted. The message has the outcome
// of the transaction, so there is no delivery to wait for. An error is
// [ErrNotSent]. After an error InTx aborts the transaction, even if the function
// returns nil, because a transaction must not lose one of its messages
// unnoticed. A function that can go on without the refused message calls
// [Tx.IgnoreRefused].
func (t *Topic[R]) Add(ctx context.Context, tx *Tx, r R) error {
	return tx.add(t.name, func(c *core) error { return t.publish(ctx, c, r, nil, nil, nil, true) })
}

// AddMessage is [Topic.Add] for a [Message], with a key, headers, a timestamp,
// a partition or a tombstone.
func (t *Topic[R]) AddMessage(ctx context.Context, tx *Tx, m Message[R]) error {
	return tx.add(t.name, func(c *core) error { return t.publish(ctx, c, m.Value, &m, nil, nil, true) })
}

func (tx *Tx) add(topic string, publish func(c *core) error) error {
	if tx == nil {
		return notSent(topic, -1, errors.New("the transaction is nil"))
	}
	tx.mu.RLock()
	defer tx.mu.RUnlock()
	if tx.ended {
		return notSent(topic, -1, ErrTxEnded)
	}
	if broken := tx.broken.Load(); broken != nil {
		return notSent(topic, -1, *broken)
	}
	tx.first.CompareAndSwap(0, tx.core.now())
	err := publish(tx.core)
	switch {
	case err == nil:
		tx.added.Add(1)
	case tx.breaks(err):
		tx.broken.CompareAndSwap(nil, &err)
	default:
		tx.refused.CompareAndSwap(nil, &err)
	}
	return err
}

// IgnoreRefused lets the transaction commit without the messages that were
// refused so far. Without IgnoreRefused, a refused message aborts the
// transaction. A typical use is a function that writes a record to a
// dead-letter topic after the record was refused.
func (tx *Tx) IgnoreRefused() { tx.refused.Store(nil) }

// overlooked reports whether a message was refused and the function returned
// nil. It then sets the function's error. overlooked resets the refusal for the
// next function of a group commit.
func (tx *Tx) overlooked(err *error) bool {
	refused := tx.refused.Swap(nil)
	if *err != nil || refused == nil {
		return false
	}
	*err = fmt.Errorf("a message was refused, and the function returned nil (return the error, or call IgnoreRefused): %w", *refused)
	return true
}

// OnEnd registers f, which is called once when the transaction has ended. f
// gets nil if the transaction is committed, and otherwise the [*TxError]. If
// InTx runs its function again, the new run has a new transaction and registers
// its own functions. OnEnd is the place for counters and for other work that
// must not happen twice. f runs on the goroutine of InTx or Run, in the order
// of the OnEnd calls.
//
// With a [Resolver], as in a processor or a source, f is called when the
// outcome of a commit in doubt is found. f gets [ErrOutcomeUnknown] only if ctx
// ends before, or if the outcome cannot be found. After the end of the
// transaction, OnEnd does nothing.
func (tx *Tx) OnEnd(f func(err error)) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if !tx.ended {
		tx.onEnd = append(tx.onEnd, f)
	}
}

// Err returns the first error after which only an abort is possible. Examples
// are a lost connection to the coordinator and a fenced producer. nil means
// that the transaction may still commit. An error of one message, such as a too
// large message, does not count.
func (tx *Tx) Err() error {
	if broken := tx.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

// breaks reports whether err ends the transaction. false means that err is
// about one message.
func (tx *Tx) breaks(err error) bool {
	var small *batchTooLargeError
	var failed *transport.Error
	return errors.As(err, &small) || tx.client.refusal.Load() != nil ||
		errors.As(err, &failed) && (failed.Fatal || failed.AbortRequired || failed.Code == transport.State || failed.Code == transport.Purged)
}

// end waits for running calls of Add, and refuses later calls.
func (tx *Tx) end() {
	tx.mu.Lock()
	tx.ended = true
	tx.mu.Unlock()
}

// open returns an upper bound of the time for which the coordinator has had the
// transaction open.
func (tx *Tx) open() time.Duration {
	first := tx.first.Load()
	if first == 0 {
		return 0
	}
	return time.Duration(tx.core.now() - first)
}

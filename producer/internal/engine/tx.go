package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Reasons that end a transaction, in a [*TxError]. Package producer explains
// them to users.
var (
	ErrFenced     = errors.New("producer: fenced")
	ErrTxTimedOut = errors.New("producer: transaction timed out")
	ErrTxEnded    = errors.New("producer: transaction has ended")
)

// fencedError is [ErrFenced] with the answer that said so. Libraries and
// brokers word the answer in many ways, so the text has only the code of a
// broker.
type fencedError struct{ cause error }

func (e *fencedError) Error() string {
	s := ErrFenced.Error() + ": another producer has taken over the transactional id"
	if code := codeOf(e.cause); code.OfBroker() {
		s += " (" + code.String() + ")"
	}
	return s
}

// Unwrap returns ErrFenced and the answer.
func (e *fencedError) Unwrap() []error { return []error{ErrFenced, e.cause} }

// TxError says why a transaction is not known to be committed. TxError wraps
// the outcome and the cause. The outcome [ErrNotSent] means that read_committed
// never sees any message of the transaction. The outcome [ErrOutcomeUnknown]
// means that read_committed sees all messages or none. The cause is the
// function's own error, [ErrFenced], [ErrTxTimedOut] or a [transport.Error].
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
	return fmt.Sprintf("%s: transaction of %s: %s", e.Outcome, e.TransactionalID, trimPrefix(e.Cause))
}

// Unwrap returns the outcome and the cause.
func (e *TxError) Unwrap() []error { return []error{e.Outcome, hiddenCause{e.Cause}} }

// Transactional runs transactions on an engine, one at a time. Transactional is
// safe for concurrent use.
type Transactional struct {
	engine *Engine
	turn   chan struct{} // one token; the holder runs the transaction
	client *client       // initialised; if nil, the next transaction initialises one. Under turn
	fenced error         // if not nil, every later call returns this error. Under turn
	// noClient says why the last attempt to replace the client failed. Under
	// turn.
	noClient error
	resumed  bool  // Resume answered after the client's start. Under turn
	doubt    doubt // the last commit with an unknown outcome. Under turn
	// unknownTopic is the time since which the coordinator does not know the
	// topic of an offset. Zero: it does. Under turn.
	unknownTopic time.Time
	group        *group // if nil, each InTx has its own transaction
}

// NewTransactional starts an engine with a transactional id. It does not wait
// for I/O.
func NewTransactional(c *settings.Config, callbacks Callbacks) (*Transactional, error) {
	e, err := New(c, callbacks)
	if err != nil {
		return nil, err
	}
	t := &Transactional{engine: e, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	if c.GroupCommitMessages > 0 {
		t.group = newGroup(t)
	}
	return t, nil
}

// Engine returns the engine below.
func (t *Transactional) Engine() *Engine { return t.engine }

// report calls the Transaction callback.
func (t *Transactional) report(ctx context.Context, tx *Tx, kind TransactionKind, err error) {
	f := t.engine.callbacks.Transaction
	if f == nil {
		return
	}
	if kind == TransactionBegun {
		tx.begun = time.Now()
	}
	f(ctx, TransactionEvent{
		Kind: kind, TransactionalID: t.engine.config.TransactionalID, Begun: tx.begun,
		Messages: tx.added.Load(), Open: tx.open(), Err: err,
	})
}

// InTx runs f in a transaction, again and again while the reason of a failure
// is temporary. The error is a [*TxError].
func (t *Transactional) InTx(ctx context.Context, f func(tx *Tx) error) error {
	if t.group != nil {
		return t.group.join(ctx, f)
	}
	return t.inTx(ctx, f)
}

// InTxOnce is [Transactional.InTx] with a single attempt, in a transaction of
// its own.
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
	again, err = t.runOnce(ctx, f)
	if failed := new(TxError); errors.As(err, &failed) {
		failed.Retriable = again
	}
	return again, err
}

func (t *Transactional) inTx(ctx context.Context, f func(tx *Tx) error) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	pause := t.engine.config.RetryBackoff
	for {
		again, err := t.attempt(ctx, f)
		if !again {
			return err
		}
		t.engine.config.Logger.InfoContext(ctx, "transaction_again", "transactional_id", t.engine.config.TransactionalID, "err", err)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
			pause = min(2*pause, t.engine.config.RetryBackoffMax)
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-t.engine.alive.Done():
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
		return t.txError(ErrNotSent, fmt.Errorf("another transaction is open (a call inside the function of InTx or OnEnd waits for itself): %w", ContextError(ctx)))
	case <-t.engine.alive.Done():
		return t.txError(ErrNotSent, ErrClosed)
	}
	var err error
	switch {
	case ctx.Err() != nil:
		err = t.txError(ErrNotSent, ContextError(ctx))
	case t.fenced != nil:
		err = t.txError(ErrNotSent, t.fenced)
	case !t.engine.hold():
		err = t.txError(ErrNotSent, ErrClosed)
	}
	if err != nil {
		t.turn <- struct{}{}
	}
	return err
}

func (t *Transactional) leave() {
	t.engine.background.Done()
	t.turn <- struct{}{}
}

// hold keeps Close from destroying a client while a call into the client runs.
// The caller calls background.Done afterwards.
func (e *Engine) hold() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.alive.Err() != nil {
		return false
	}
	e.background.Add(1)
	return true
}

func (t *Transactional) txError(outcome, cause error) *TxError {
	return &TxError{Outcome: outcome, TransactionalID: t.engine.config.TransactionalID, Cause: cause}
}

// Err returns nil while the producer can publish, and otherwise [ErrFenced] or
// [ErrClosed]. Err does not wait. While a transaction is open, Err returns nil
// unless the producer is closed.
func (t *Transactional) Err() error {
	if t.engine.alive.Err() != nil {
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

// Health reports whether the engine can run transactions. Health does no I/O.
func (t *Transactional) Health() Health { return t.engine.healthNow(t.Err()) }

// Close refuses new transactions and waits for the open transaction.
func (t *Transactional) Close(ctx context.Context) error {
	select {
	case <-t.turn:
		t.turn <- struct{}{}
	case <-ctx.Done():
	case <-t.engine.alive.Done():
	}
	err := t.engine.Close(ctx)
	var left *UndeliveredError
	if errors.As(err, &left) && left.Unknown == 0 && left.Err == nil {
		return nil
	}
	return err
}

// Tx is a transaction. A Tx is valid only inside the function that received the
// Tx. There it is safe for concurrent use.
type Tx struct {
	engine *Engine
	client *client

	mu     sync.RWMutex // held for reading while Add runs
	ended  bool
	onEnd  []func(err error)
	begun  time.Time             // set if there is a callback
	first  atomic.Int64          // Engine.now at the first message or offset; 0 if there is none
	wall   atomic.Int64          // the same moment on the wall clock, Unix nanoseconds; 0 if there is none
	added  atomic.Int64          // messages
	broken atomic.Pointer[error] // the first error after which only an abort is possible
	// refused is the error of the first refused message since the last
	// IgnoreRefused.
	refused atomic.Pointer[error]
}

// Add runs send, which gives a message of a topic to the engine, as a part of
// the transaction. An error is [ErrNotSent].
func (tx *Tx) Add(topic string, send func() error) error {
	tx.mu.RLock()
	defer tx.mu.RUnlock()
	if tx.ended {
		return NotSent(topic, -1, ErrTxEnded)
	}
	if broken := tx.broken.Load(); broken != nil {
		return NotSent(topic, -1, *broken)
	}
	tx.start()
	err := send()
	if err == nil {
		tx.added.Add(1)
		return nil
	}
	tx.note(err)
	return err
}

// note notes the error of a message that was not added. The function is not a
// part of Add, because Add would then allocate the error of every message.
func (tx *Tx) note(err error) {
	if tx.endsTransaction(err) {
		tx.broken.CompareAndSwap(nil, &err)
	} else {
		tx.refused.CompareAndSwap(nil, &err)
	}
}

// IgnoreRefused lets the transaction commit without the messages that were
// refused so far.
func (tx *Tx) IgnoreRefused() { tx.refused.Store(nil) }

// refusedUnnoticed reports whether a message was refused and the function
// returned nil. It then sets the function's error. refusedUnnoticed resets the
// refusal for the next function of a group commit.
func (tx *Tx) refusedUnnoticed(err *error) bool {
	refused := tx.refused.Swap(nil)
	if *err != nil || refused == nil {
		return false
	}
	*err = fmt.Errorf("a message was refused, and the function returned nil (return the error, or call IgnoreRefused): %w", *refused)
	return true
}

// OnEnd registers f, which is called once when the transaction has ended, with
// nil or the [*TxError].
func (tx *Tx) OnEnd(f func(err error)) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if !tx.ended {
		tx.onEnd = append(tx.onEnd, f)
	}
}

// Err returns the first error after which only an abort is possible, or nil.
func (tx *Tx) Err() error {
	if broken := tx.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

// SendOffsets puts offsets of a consumer group into the transaction. After an
// error the transaction can only abort.
func (tx *Tx) SendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	tx.mu.RLock()
	defer tx.mu.RUnlock()
	if tx.ended {
		return ErrTxEnded
	}
	tx.start()
	err := tx.sendOffsets(ctx, offsets, member)
	if codeOf(err) == transport.UnknownTopicOrPartition {
		err = offsetsError{err}
	}
	if err != nil {
		tx.broken.CompareAndSwap(nil, &err)
	}
	return err
}

func (tx *Tx) sendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	for _, o := range offsets {
		if o.Offset < 0 {
			return &transport.Error{Code: transport.Invalid, AbortRequired: true, Text: fmt.Sprintf("the offset %d of %s[%d] is negative", o.Offset, o.Topic, o.Partition)}
		}
	}
	return tx.client.transport.SendOffsets(ctx, offsets, member)
}

// endsTransaction reports whether err ends the transaction. false means that
// err is about one message.
func (tx *Tx) endsTransaction(err error) bool {
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

// start notes the time of the first message or offset.
func (tx *Tx) start() {
	if tx.first.Load() == 0 && tx.first.CompareAndSwap(0, tx.engine.now()) {
		tx.wall.Store(time.Now().UnixNano())
	}
}

// open returns an upper bound of the time for which the coordinator has had the
// transaction open.
func (tx *Tx) open() time.Duration {
	first := tx.first.Load()
	if first == 0 {
		return 0
	}
	return time.Duration(tx.engine.now() - first)
}

// mayHaveTimedOut reports whether the coordinator may have aborted the
// transaction because of the transaction timeout. The monotonic clock stops
// while the machine is suspended, so the wall clock counts too.
func (tx *Tx) mayHaveTimedOut() bool {
	timeout := tx.engine.config.TransactionTimeout
	if tx.open() >= timeout {
		return true
	}
	wall := tx.wall.Load()
	return wall != 0 && time.Duration(time.Now().UnixNano()-wall) >= timeout
}

// TransactionEvent is a step of a transaction.
type TransactionEvent struct {
	Kind            TransactionKind
	TransactionalID string
	Begun           time.Time     // the same in all events of a transaction
	Messages        int64         // messages added
	Open            time.Duration // since the first message
	Err             error         // why it is aborted or in doubt
}

// TransactionKind says what happened to a transaction.
type TransactionKind uint8

// The values of [TransactionKind].
const (
	TransactionBegun TransactionKind = iota + 1
	TransactionCommitted
	TransactionAborted
	TransactionInDoubt
	TransactionResolved // Callbacks.Resume has found the outcome; Committed or Aborted follows
)

func (k TransactionKind) String() string {
	return [...]string{"", "begun", "committed", "aborted", "in doubt", "resolved"}[k]
}

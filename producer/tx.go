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

// What may end a transactional producer's transaction besides an error of the function, in a [*TxError].
var (
	// ErrFenced: another producer took over the transactional id. Every later call returns it at once: were this one to
	// go on it would fence the other in turn.
	ErrFenced = errors.New("producer: fenced")
	// ErrTxTimedOut: the transaction was open for longer than [WithTransactionTimeout], so the coordinator aborted it.
	// On the wire it looks like being fenced; the clock tells them apart. The next [Transactional.InTx] works.
	ErrTxTimedOut = errors.New("producer: transaction timed out")
	// ErrTxEnded: a [Tx] was used after its function returned.
	ErrTxEnded = errors.New("producer: transaction has ended")
)

// TxError is why a transaction is not known to be committed. It wraps its outcome, [ErrNotSent] (none of it is or will be
// visible to read_committed) or [ErrOutcomeUnknown] (all of it or nothing), and the cause: the function's own error,
// [ErrFenced], [ErrTxTimedOut], a [KafkaError].
type TxError struct {
	Outcome         error
	TransactionalID string
	Cause           error
	// Retriable says that the same transaction may succeed if it is run again.
	// [Transactional.InTx] does so itself. [Transactional.InTxOnce] leaves it to
	// its caller.
	Retriable bool
}

func (e *TxError) Error() string {
	return fmt.Sprintf("%s: transaction of %s: %s", e.Outcome, e.TransactionalID, trim(e.Cause))
}

// Unwrap gives the outcome and the cause.
func (e *TxError) Unwrap() []error { return []error{e.Outcome, beneath{e.Cause}} }

// Transactional publishes in transactions: all of one is visible to read_committed, or nothing. It has one transaction at
// a time; [Transactional.InTx] calls wait for each other, unless [WithGroupCommit] puts them together. It is safe for
// concurrent use. A process may have many, each with an id of its own.
type Transactional struct {
	core     *core
	turn     chan struct{} // holds one token: whose turn it is
	client   *client       // initialised; nil: the next transaction does it. Under turn
	fenced   error         // every later call returns it. Under turn
	resolver Resolver      // nil: none
	resumed  bool          // the resolver has answered since the client was initialised. Under turn
	doubt    doubt         // the last commit whose outcome is unknown. Under turn
	group    *group        // nil: each InTx has a transaction of its own
}

// NewTransactional makes a transactional producer. It does no I/O that it waits for. The transactional id names this
// producer across restarts: a new one with the same id fences the old one ([ErrFenced]) and ends what it left open, so two
// that run at the same time need two ids. [WithWeakAcks] and [WithoutRecovery] are refused.
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
	return t, nil
}

// InTx runs f in a transaction: it commits when f returns nil, and aborts when f returns an error or panics (the panic goes
// on). The error is nil when the transaction is committed, else a [*TxError].
//
// f runs again, after an abort that is known, when the transaction failed for a
// reason that may pass. So f must not keep anything of an earlier run. f does not
// run again after a commit whose outcome is unknown, because ctx ended or the
// client failed while the coordinator was asked. Then the error is
// [ErrOutcomeUnknown], unless a [Resolver] finds the outcome out. The next InTx
// works on a new client, whose start ends what the old client left open.
//
// ctx bounds everything. Without a deadline InTx waits as long as an outage lasts.
// If ctx ends before the commit was asked for, nothing is committed, also if f
// returns nil, and the outcome is [ErrNotSent]. The abort that follows may take
// 5 s more.
func (t *Transactional) InTx(ctx context.Context, f func(tx *Tx) error) error {
	if t.group != nil {
		return t.group.join(ctx, f)
	}
	return t.inTx(ctx, f)
}

// InTxOnce is [Transactional.InTx] with a single attempt: it returns where InTx
// would run f again. [TxError.Retriable] says whether another attempt may help.
// The transaction is not shared with other calls, also under [WithGroupCommit].
func (t *Transactional) InTxOnce(ctx context.Context, f func(tx *Tx) error) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	_, err := t.attempt(ctx, f)
	return err
}

// attempt is once, with the verdict in the error too.
func (t *Transactional) attempt(ctx context.Context, f func(tx *Tx) error) (again bool, err error) {
	again, err = t.once(ctx, f)
	if failed := new(TxError); errors.As(err, &failed) {
		failed.Retriable = again
	}
	return again, err
}

// Resolver knows what the coordinator does not tell: whether a transaction that
// was in doubt is committed. A processor knows by its group's offsets. A source
// knows by a position record that it writes into each transaction.
type Resolver interface {
	// Resume is called each time after a client has taken the transactional id
	// over (InitTransactions), before anything is written with it. All earlier
	// transactions of the id are committed or aborted then. So it is also the
	// place to read positions again: another process may have worked meanwhile.
	//
	// inDoubt says that the outcome of this producer's last commit is unknown.
	// Then committed is the answer: [Transactional.InTx] returns nil for true and
	// [ErrNotSent] for false, and [Stats] count accordingly. Otherwise committed
	// is ignored.
	//
	// After an error nothing is begun: the call returns [ErrNotSent] with the
	// error, or [ErrOutcomeUnknown] for a commit in doubt. The next call asks
	// again. An error that wraps [ErrOutcomeUnknown] says that nobody will ever
	// know: the commit in doubt stays unknown, and the producer goes on. Resume runs on the goroutine of InTx or Prepare and must not call
	// InTx, InTxOnce or Prepare of the same producer.
	Resume(ctx context.Context, inDoubt bool) (committed bool, err error)
}

// WithResolver lets r find out what became of a commit in doubt, and hear of each
// takeover of the transactional id. Default: none, so that a commit in doubt is
// [ErrOutcomeUnknown]. It goes with [NewTransactional] only.
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

// enter takes the turn.
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

// hold keeps Close from destroying clients while calls into them are under way; background.Done ends it.
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

// Err is nil while the producer can publish, else [ErrFenced] or [ErrClosed]. It waits for no transaction: while one is
// open it tells what was before it.
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

// Stats are the books at this instant. Messages of an open transaction are in flight; NotSent are those of aborted ones.
func (t *Transactional) Stats() Stats { return t.core.stats() }

// Close refuses new transactions, and waits for the one in hand. When ctx ends first they are aborted, or
// left to the coordinator, which aborts them at their timeout. The error is an [*UndeliveredError] when messages of
// transactions are of unknown outcome; those of aborted ones were already told to be not sent, and are no error.
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

// Tx is a transaction. It is valid inside the function that it was given to, and safe for concurrent use there.
type Tx struct {
	core   *core
	client *client

	mu     sync.RWMutex // held for reading while messages are added
	ended  bool
	onEnd  []func(err error)
	first  atomic.Int64          // when the first message was added, core.now; 0: none was
	added  atomic.Int64          // messages
	broken atomic.Pointer[error] // the first error that only an abort mends
}

// Add puts a record into the transaction. It blocks while the buffer is full. A nil error means that the message is
// accepted; its outcome is the transaction's, so there is no delivery to wait for. An error is [ErrNotSent]; the function may
// go on without the message, except where the error says that the transaction failed: then it is aborted whatever the
// function returns.
func (t *Topic[R]) Add(ctx context.Context, tx *Tx, r R) error {
	return tx.add(t.name, func(c *core) error { return t.publish(ctx, c, r, nil, nil, nil, true) })
}

// AddMessage is [Topic.Add] with what a record alone does not say: key, headers, timestamp, partition, tombstone.
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
	}
	return err
}

// OnEnd has f called once when the transaction has ended: with nil when it is committed, else with its [*TxError]; when the
// function runs again it does so in a new transaction, with calls of its own. It is the place for counting, and whatever else
// must not happen twice. It runs on the goroutine of InTx, or of Run, in the order
// of the calls. With a [Resolver], a [Processor] or a [Source], a commit in doubt
// is told once its outcome is found out, and [ErrOutcomeUnknown] only if ctx ends
// before. After the transaction's end OnEnd does nothing.
func (tx *Tx) OnEnd(f func(err error)) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if !tx.ended {
		tx.onEnd = append(tx.onEnd, f)
	}
}

// Err returns the first error that only an abort can follow, such as a lost
// connection to the coordinator or a fenced producer. nil means that the
// transaction may still commit. An error of one message, such as one that is too
// large, does not count.
func (tx *Tx) Err() error {
	if broken := tx.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

// breaks tells errors of the transaction from those of one message.
func (tx *Tx) breaks(err error) bool {
	var small *batchTooLargeError
	var failed *transport.Error
	return errors.As(err, &small) || tx.client.refusal.Load() != nil ||
		errors.As(err, &failed) && (failed.Fatal || failed.AbortRequired || failed.Code == transport.State || failed.Code == transport.Purged)
}

// end waits for the calls of Add under way, and lets no other in.
func (tx *Tx) end() {
	tx.mu.Lock()
	tx.ended = true
	tx.mu.Unlock()
}

// open is for how long the coordinator can have had the transaction open, at most.
func (tx *Tx) open() time.Duration {
	first := tx.first.Load()
	if first == 0 {
		return 0
	}
	return time.Duration(tx.core.now() - first)
}

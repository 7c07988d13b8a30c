package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

// abortGrace bounds an abort after the caller's context ended.
const abortGrace = 5 * time.Second

// drainGrace bounds the wait for delivery reports before an abort.
const drainGrace = 2 * time.Second

var errPanicked = errors.New("the function panicked")

// runOnce runs one transaction. again is true if the transaction is aborted for
// a temporary reason.
func (t *Transactional) runOnce(ctx context.Context, f func(tx *Tx) error) (again bool, err error) {
	k, err := t.readyClient(ctx)
	if err != nil {
		failed := new(TxError)
		return errors.As(err, &failed) && failed.Retriable, err
	}
	if err := k.transport.BeginTransaction(); err != nil {
		t.replaceClient(k, err)
		return t.afterAbort(ctx, &Tx{engine: t.engine, client: k}, 0, err)
	}
	tx := &Tx{engine: t.engine, client: k}
	t.report(ctx, tx, TransactionBegun, nil)
	returned := false
	defer func() {
		if !returned { // f panicked or called runtime.Goexit
			tx.end()
			t.abort(ctx, k, tx)
			err = t.txError(ErrNotSent, errPanicked)
		}
		switch {
		case err == nil:
			t.report(ctx, tx, TransactionCommitted, nil)
		case errors.Is(err, ErrOutcomeUnknown):
			t.report(ctx, tx, TransactionInDoubt, err)
		default:
			t.report(ctx, tx, TransactionAborted, err)
		}
		t.callOnEnd(tx, err)
	}()
	ferr := f(tx)
	returned = true
	took := tx.open()
	tx.end()
	broken := tx.broken.Load()
	switch {
	case broken != nil && (ferr == nil || errors.Is(ferr, *broken)):
		t.abort(ctx, k, tx)
		return t.afterAbort(ctx, tx, took, *broken)
	case tx.refusedUnnoticed(&ferr), ferr != nil:
		t.abort(ctx, k, tx)
		return false, t.txError(ErrNotSent, ferr)
	case ctx.Err() != nil:
		t.abort(ctx, k, tx)
		return false, t.txError(ErrNotSent, fmt.Errorf("the context ended before the commit: %w", ContextError(ctx)))
	}
	return t.commit(ctx, k, tx, took)
}

// callOnEnd calls the OnEnd functions of a transaction. Each is called, also
// after a panic or runtime.Goexit of an earlier one. With group commit a
// goroutine of the engine calls the functions, so a panic must not end the
// program, and runtime.Goexit must not end the leader.
func (t *Transactional) callOnEnd(tx *Tx, err error) {
	if t.group == nil {
		for _, f := range slices.Backward(tx.onEnd) {
			defer f(err)
		}
		return
	}
	for _, f := range tx.onEnd {
		called := make(chan struct{})
		go func() {
			defer close(called)
			defer func() {
				if v := recover(); v != nil {
					t.engine.ReportFailure(Delivery{Partition: -1, Offset: -1}, &PanicError{"an OnEnd function", v, debug.Stack()})
				}
			}()
			f(err)
		}()
		<-called
	}
}

// readyClient returns a client that can begin a transaction. The error is a
// [*TxError].
func (t *Transactional) readyClient(ctx context.Context) (*client, error) {
	k, err := t.engine.mainOrErr()
	if err != nil {
		return nil, t.txError(ErrNotSent, err)
	}
	if k.refusal.Load() != nil || k.batch > t.engine.smallestBatch() {
		if k = t.replaceClient(k, errReplaced); k == nil {
			failed := t.txError(ErrNotSent, t.noClient)
			failed.Retriable = !errors.Is(t.noClient, ErrClosed)
			return nil, failed
		}
	}
	if k == t.client {
		return k, t.resume(ctx)
	}
	stop := t.engine.trouble.probeLater()
	err = k.transport.InitTransactions(ctx)
	stop()
	if err == nil {
		t.client, t.resumed = k, false
		return k, t.resume(ctx)
	}
	var kerr *transport.Error
	again := false
	switch {
	case ctx.Err() != nil:
		err = t.engine.trouble.explain(fmt.Errorf("waiting for the producer id of the transactional id: %w", err))
	case !errors.As(err, &kerr):
	case isFence(kerr):
		t.fenced = &fencedError{err}
		err = t.fenced
	default:
		if kerr.Code == invalidTransactionTimeout {
			err = fmt.Errorf("%s, %v, is above the broker's transaction.max.timeout.ms: %w",
				t.engine.config.Origin("transaction.timeout.ms"), t.engine.config.TransactionTimeout, err)
		}
		t.replaceClient(k, err)
		again = kerr.Code.OfBroker() && (kerr.Retriable || kerr.Code == unknownServerError)
		err = diagnose.ExplainDenied(t.engine.config, err, "", "")
	}
	failed := t.txError(ErrNotSent, err)
	failed.Retriable = again
	return nil, failed
}

// takeOver takes over the transactional id. When takeOver returns nil, every
// transaction of an older client has ended and the resolver has answered.
func (t *Transactional) takeOver(ctx context.Context) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	_, err := t.readyClient(ctx)
	return err
}

// smallestBatch returns the batch.size that fits all topics so far.
func (e *Engine) smallestBatch() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.batch
}

// commit ends a transaction whose function returned nil. took is how long the
// transaction was open when the function returned.
func (t *Transactional) commit(ctx context.Context, k *client, tx *Tx, took time.Duration) (again bool, err error) {
	asked := tx.open()
	stop := t.engine.trouble.probeLater()
	err = k.transport.CommitTransaction(ctx)
	stop()
	reported := !k.inFlight()
	if err == nil {
		t.countMessages(k, &t.engine.count.delivered)
		t.engine.trouble.clear()
		t.unknownTopic = time.Time{}
		return false, nil
	}
	if ctx.Err() != nil {
		what := "the answer to the commit"
		if !reported {
			what = "the delivery of the messages before the commit"
		}
		err = fmt.Errorf("waiting for %s: %w", what, err)
	}
	// The client asks the coordinator only after all messages are reported as
	// delivered. If a report is missing or failed, the transaction is not
	// committed. This client is replaced, so the transaction never commits
	// later.
	var kerr *transport.Error
	if reported && k.tx.clean() {
		return t.afterCommitRequest(ctx, k, tx, took, asked, err)
	}
	_, _, report := k.tx.peek()
	failed := new(MessageError)
	if errors.As(report, &failed) && codeOf(failed.Cause) == codeOf(err) { // AddPartitionsToTxn does not name the topic
		err = fmt.Errorf("topic %s[%d]: %w", failed.Topic, failed.Partition, err)
	}
	if errors.As(err, &kerr) && kerr.AbortRequired { // the client gave up the other messages
		err = t.engine.denied(ctx, k, err)
		t.abort(ctx, k, tx)
	} else {
		t.replaceClient(k, err)
		if errors.As(report, &failed) && codeOf(failed.Cause) != codeOf(err) {
			err = withCause(err, failed)
		}
	}
	return t.afterAbort(ctx, tx, took, err)
}

// afterCommitRequest decides about a commit that the client may have asked the
// coordinator for, and that failed with err. asked is how long the transaction
// was open when the client asked.
func (t *Transactional) afterCommitRequest(ctx context.Context, k *client, tx *Tx, took, asked time.Duration, err error) (again bool, _ error) {
	var kerr *transport.Error
	refused := errors.As(err, &kerr) && kerr.AbortRequired && t.abort(ctx, k, tx)
	late := t.engine.config.TransactionTimeout
	switch {
	case refused: // the abort succeeded, so there was no commit
		return t.afterAbort(ctx, tx, took, err)
	case errors.Is(t.classifyFence(kerr, tx), ErrTxTimedOut) && asked >= late: // timed out before the commit request
		t.replaceClient(k, err)
		return t.afterAbort(ctx, tx, took, err)
	}
	messages, _, _ := k.tx.peek()
	t.replaceClientAs(k, err, &t.engine.count.unknown)
	cause := err
	if end := t.classifyFence(kerr, tx); end != nil {
		cause = withCause(end, err)
		if errors.Is(end, ErrFenced) {
			cause = &fencedError{err}
			t.fenced = cause
		}
	}
	if ctx.Err() != nil {
		cause = t.engine.trouble.explain(cause)
	}
	t.doubt = doubt{open: true, messages: messages}
	if t.engine.callbacks.Resume == nil || t.fenced != nil || ctx.Err() != nil {
		return false, t.txError(ErrOutcomeUnknown, cause)
	}
	return t.resolveDoubt(ctx, tx, took, cause, err)
}

// abort ends a transaction without a commit request, and counts its messages as
// not sent. The messages are not sent even if the abort fails. abort returns
// false if the coordinator did not confirm. Then the client is replaced, and
// the start of the new client ends the transaction.
//
// abort waits for all delivery reports first. The broker refuses an abort that
// overtakes the first messages after a commit. And librdkafka gives the
// sequence numbers of a message without a report to the next transaction. If
// the message is in the log, the broker takes the next one for a duplicate,
// which is then lost. If a report stays away, the client is replaced, because
// librdkafka may report the messages only in the abort. The next client has
// another epoch.
func (t *Transactional) abort(ctx context.Context, k *client, tx *Tx) bool {
	if ctx.Err() != nil {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortGrace)
		defer cancel()
		ctx = grace
	}
	reports, cancel := context.WithTimeout(ctx, drainGrace)
	defer cancel()
	err := k.drain(reports)
	if err == nil && k.refusal.Load() == nil {
		if err = k.transport.AbortTransaction(ctx); err == nil {
			t.countMessages(k, &t.engine.count.notSent)
			return true
		}
	}
	if err == nil {
		err = *k.refusal.Load()
	}
	// If fencing goes unnoticed here, the next InitTransactions fences the new
	// owner.
	var kerr *transport.Error
	if errors.As(err, &kerr) && errors.Is(t.classifyFence(kerr, tx), ErrFenced) {
		t.fenced = &fencedError{err}
	}
	t.replaceClient(k, err)
	return false
}

// replaceClient replaces a client and counts the messages of its transaction as
// not sent. replaceClient returns the new client, or nil for the reason in
// noClient.
func (t *Transactional) replaceClient(k *client, why error) *client {
	return t.replaceClientAs(k, why, &t.engine.count.notSent)
}

func (t *Transactional) replaceClientAs(k *client, why error, outcome *atomic.Int64) *client {
	k.abandon(why)
	t.countMessages(k, outcome)
	t.client = nil
	fresh, err := t.engine.replace(k, t.engine.smallestBatch())
	t.noClient = err
	if err != nil {
		return nil
	}
	return fresh
}

// countMessages adds the messages of a transaction to the counter of their
// outcome.
func (t *Transactional) countMessages(k *client, outcome *atomic.Int64) {
	delivered, failed, _ := k.tx.takeAll()
	outcome.Add(delivered + failed)
}

// doubt is a commit whose outcome is still unknown. Its messages count as
// unknown.
type doubt struct {
	open      bool
	messages  int64
	committed bool  // the resolver's answer; valid if open is false
	lost      error // why the resolver can never answer
}

// resolveDoubt takes over the transactional id and asks the resolver about the
// commit in doubt. cause is the reason of the doubt. err is the client's own
// error in cause.
func (t *Transactional) resolveDoubt(ctx context.Context, tx *Tx, took time.Duration, cause, err error) (again bool, _ error) {
	t.engine.config.Logger.InfoContext(ctx, "commit_in_doubt", "transactional_id", t.engine.config.TransactionalID, "err", cause)
	for {
		_, unready := t.readyClient(ctx)
		switch failed := new(TxError); {
		case unready == nil && t.doubt.lost != nil:
			return false, t.txError(ErrOutcomeUnknown, withCause(cause, t.doubt.lost))
		case unready == nil && t.doubt.committed:
			t.report(ctx, tx, TransactionResolved, nil)
			return false, nil
		case unready == nil:
			again, err := t.afterAbort(ctx, tx, took, err)
			t.report(ctx, tx, TransactionResolved, err)
			return again, err
		case t.fenced != nil, ctx.Err() != nil, t.engine.alive.Err() != nil, !errors.As(unready, &failed):
			return false, t.txError(ErrOutcomeUnknown, fmt.Errorf("%w; finding out: %w", cause, unready))
		default:
			var kerr *transport.Error
			if !errors.As(failed.Cause, &kerr) || permanent(kerr.Code) {
				return false, t.txError(ErrOutcomeUnknown, fmt.Errorf("%w; finding out: %w", cause, failed.Cause))
			}
		}
		pause := time.NewTimer(t.engine.config.RetryBackoff)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		case <-t.engine.alive.Done():
			pause.Stop()
		}
	}
}

// resume asks the resolver if the resolver has not answered since the client's
// start. resume also counts the messages of a commit in doubt.
func (t *Transactional) resume(ctx context.Context) error {
	if t.resumed {
		return nil
	}
	if f := t.engine.callbacks.Resume; f != nil {
		committed, err := f(ctx, t.doubt.open)
		switch {
		case err != nil && t.doubt.open && errors.Is(err, ErrOutcomeUnknown): // the outcome stays unknown
			t.doubt.lost = err
		case err != nil:
			return t.txError(ErrNotSent, err)
		case t.doubt.open:
			t.closeDoubt(committed)
		}
	}
	t.resumed, t.doubt.open = true, false
	return nil
}

// closeDoubt moves the messages of a commit in doubt from unknown to their
// outcome.
func (t *Transactional) closeDoubt(committed bool) {
	outcome := &t.engine.count.delivered
	if !committed {
		outcome = &t.engine.count.notSent
	}
	t.engine.count.unknown.Add(-t.doubt.messages) // first, because uncounted messages are in flight
	outcome.Add(t.doubt.messages)
	t.doubt = doubt{committed: committed}
}

// afterAbort decides whether a transaction that is certainly not committed may
// run again. took is how long the transaction was open when the function
// returned.
func (t *Transactional) afterAbort(ctx context.Context, tx *Tx, took time.Duration, cause error) (again bool, err error) {
	var kerr *transport.Error
	var small *batchTooLargeError
	known := errors.As(cause, &kerr)
	switch end := t.classifyFence(kerr, tx); {
	case errors.As(cause, &small): // the next client has a smaller batch size
		again = true
	case errors.Is(cause, ErrClosed):
	case errors.Is(end, ErrFenced):
		cause = &fencedError{cause}
		t.fenced = cause
	case errors.Is(end, ErrTxTimedOut):
		cause = fmt.Errorf("%w after %v (%s is %v): %w", ErrTxTimedOut, tx.open().Round(time.Millisecond),
			t.engine.config.Origin("transaction.timeout.ms"), t.engine.config.TransactionTimeout, cause)
		again = took < t.engine.config.TransactionTimeout // an outage took the time, not the function
	case errors.As(cause, new(offsetsError)):
		if t.unknownTopic.IsZero() {
			t.unknownTopic = time.Now()
		}
		again = time.Since(t.unknownTopic) < unknownTopicPatience
	case known:
		again = !permanent(kerr.Code)
	}
	if ctx.Err() != nil {
		again = false
		if !errors.Is(cause, ctx.Err()) {
			cause = withCause(ContextError(ctx), cause)
		}
		cause = t.engine.trouble.explain(cause)
	}
	return again, t.txError(ErrNotSent, cause)
}

// classifyFence interprets the client's "fenced" error. The coordinator answers
// in the same way for a transaction that timed out. A timeout is possible only
// if the transaction timeout has passed since the first message.
func (t *Transactional) classifyFence(err *transport.Error, tx *Tx) error {
	late := tx.mayHaveTimedOut()
	switch {
	case isFence(err) && !late:
		return ErrFenced
	case isFence(err), late && isGone(err):
		return ErrTxTimedOut
	}
	return nil
}

// Error codes of brokers about transactions.
const (
	unknownServerError        transport.Code = -1
	invalidProducerEpoch      transport.Code = 47
	invalidTxnState           transport.Code = 48
	invalidProducerIDMapping  transport.Code = 49
	invalidTransactionTimeout transport.Code = 50
	unknownProducerID         transport.Code = 59
	producerFenced            transport.Code = 90
)

func isFence(err *transport.Error) bool {
	return err != nil && slices.Contains([]transport.Code{transport.Fenced, producerFenced, invalidProducerEpoch}, err.Code)
}

// isGone reports whether the coordinator knows no such open transaction.
func isGone(err *transport.Error) bool {
	return err != nil && slices.Contains([]transport.Code{invalidTxnState, invalidProducerIDMapping, unknownProducerID}, err.Code)
}

// offsetsError is the coordinator's answer that it does not know the topic of
// an offset. A broker that has just started may not know a topic yet, so the
// transaction runs again for unknownTopicPatience.
type offsetsError struct{ error }

const unknownTopicPatience = 30 * time.Second

func (e offsetsError) Unwrap() error { return e.error }

// permanent reports whether another run of the transaction gets the same error.
func permanent(code transport.Code) bool {
	return isAboutRecord(code) || slices.Contains([]transport.Code{
		transport.TopicAuthorizationFailed, transport.GroupAuthorizationFailed, transport.ClusterAuthorizationFailed,
		transport.TransactionalIDAuthorizationFailed, invalidTransactionTimeout, unsupportedVersion, transport.UnknownTopicOrPartition, transport.InvalidTopic, transport.Invalid,
	}, code)
}

const unsupportedVersion transport.Code = 35

// peek returns the counts and does not reset them.
func (t *txCounts) peek() (delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.delivered, t.failed, t.err
}

func (t *txCounts) clean() bool {
	_, failed, _ := t.peek()
	return failed == 0
}

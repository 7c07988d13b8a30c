package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// abortGrace is how long an abort may take after the caller's context ended.
	abortGrace = 5 * time.Second
)

var errPanicked = errors.New("the function panicked")

// once is one transaction. again: it is aborted for a reason that may pass.
func (t *Transactional) once(ctx context.Context, f func(tx *Tx) error) (again bool, err error) {
	k, err := t.ready(ctx)
	if err != nil {
		return false, err
	}
	if err := k.transport.BeginTransaction(); err != nil {
		t.drop(k, err)
		return t.judge(ctx, &Tx{core: t.core, client: k}, 0, err)
	}
	tx := &Tx{core: t.core, client: k}
	t.tell(ctx, tx, TransactionBegun, nil)
	returned := false
	defer func() {
		if !returned { // f panicked, or ended its goroutine
			tx.end()
			t.abort(ctx, k, tx)
			err = t.failed(ErrNotSent, errPanicked)
		}
		switch {
		case err == nil:
			t.tell(ctx, tx, TransactionCommitted, nil)
		case errors.Is(err, ErrOutcomeUnknown):
			t.tell(ctx, tx, TransactionInDoubt, err)
		default:
			t.tell(ctx, tx, TransactionAborted, err)
		}
		for _, f := range tx.onEnd {
			f(err)
		}
	}()
	ferr := f(tx)
	returned = true
	took := tx.open()
	tx.end()
	broken := tx.broken.Load()
	switch {
	case broken != nil && (ferr == nil || errors.Is(ferr, *broken)):
		t.abort(ctx, k, tx)
		return t.judge(ctx, tx, took, *broken)
	case ferr != nil:
		t.abort(ctx, k, tx)
		return false, t.failed(ErrNotSent, ferr)
	case ctx.Err() != nil:
		t.abort(ctx, k, tx)
		return false, t.failed(ErrNotSent, fmt.Errorf("the context ended before the commit: %w", ended(ctx)))
	}
	return t.commit(ctx, k, tx, took)
}

// ready gives a client that may begin a transaction.
func (t *Transactional) ready(ctx context.Context) (*client, error) {
	k, err := t.core.mainOrErr()
	if err != nil {
		return nil, t.failed(ErrNotSent, err)
	}
	if k.refusal.Load() != nil || k.batch > t.core.smallestBatch() {
		if k = t.drop(k, errReplaced); k == nil {
			return nil, t.failed(ErrNotSent, ErrClosed)
		}
	}
	if k == t.client {
		return k, t.resume(ctx)
	}
	err = k.transport.InitTransactions(ctx)
	if err == nil {
		t.client, t.resumed = k, false
		return k, t.resume(ctx)
	}
	var kerr *transport.Error
	switch {
	case ctx.Err() != nil:
		err = t.core.trouble.explain(err)
	case !errors.As(err, &kerr):
	case isFence(kerr):
		t.fenced = fmt.Errorf("%w: %w", ErrFenced, err)
		err = t.fenced
	default:
		if kerr.Code == invalidTransactionTimeout {
			err = fmt.Errorf("%s, %v, is above the broker's transaction.max.timeout.ms: %w",
				t.core.config.Origin("transaction.timeout.ms"), t.core.config.TransactionTimeout, err)
		}
		t.drop(k, err)
		err = explainDenied(t.core.config, err, "", "")
	}
	return nil, t.failed(ErrNotSent, err)
}

// takeOver makes the transactional id ours: whatever an older client left open
// has ended when it returns nil, and the resolver has been asked.
func (t *Transactional) takeOver(ctx context.Context) error {
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	_, err := t.ready(ctx)
	return err
}

// smallestBatch is the batch.size that all topics so far take.
func (c *core) smallestBatch() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.batch
}

// commit ends a transaction whose function returned nil after took.
func (t *Transactional) commit(ctx context.Context, k *client, tx *Tx, took time.Duration) (again bool, err error) {
	asked := tx.open()
	err = k.transport.CommitTransaction(ctx)
	reported := !k.inFlight()
	if err == nil {
		t.settle(k, &t.core.count.delivered)
		t.core.trouble.over()
		return false, nil
	}
	// The client asks the coordinator only when every message has been reported to us as delivered. So while a report is
	// missing, or one failed, the transaction is not committed and, with this client gone, never will be.
	var kerr *transport.Error
	if reported && k.tx.clean() {
		refused := errors.As(err, &kerr) && kerr.AbortRequired && t.abort(ctx, k, tx)
		late := t.core.config.TransactionTimeout
		switch {
		case refused: // an abort after a commit would have failed
			return t.judge(ctx, tx, took, err)
		case errors.Is(t.ended(kerr, tx), ErrTxTimedOut) && asked >= late: // it was over before the coordinator was asked
			t.drop(k, err)
			return t.judge(ctx, tx, took, err)
		}
		messages, _, _ := k.tx.peek()
		t.dropAs(k, err, &t.core.count.unknown)
		cause := err
		if end := t.ended(kerr, tx); end != nil {
			cause = fmt.Errorf("%w: %w", end, err)
			if errors.Is(end, ErrFenced) {
				t.fenced = cause
			}
		}
		if ctx.Err() != nil {
			cause = t.core.trouble.explain(cause)
		}
		t.doubt = doubt{open: true, messages: messages}
		if t.resolver == nil || t.fenced != nil || ctx.Err() != nil {
			return false, t.failed(ErrOutcomeUnknown, cause)
		}
		return t.findOut(ctx, tx, took, cause, err)
	}
	_, _, report := k.tx.peek()
	if errors.As(err, &kerr) && kerr.AbortRequired { // and says why: what is reported is that the client gave up the rest
		err = t.core.denied(ctx, k, err)
		t.abort(ctx, k, tx)
	} else {
		t.drop(k, err)
		if failed := new(MessageError); errors.As(report, &failed) {
			err = fmt.Errorf("%w: %s[%d]: %w", err, failed.Topic, failed.Partition, failed.Cause)
		}
	}
	return t.judge(ctx, tx, took, err)
}

// abort ends a transaction for which no commit was asked, and counts its messages as not sent; that is sure however the
// abort goes. It waits first for every report: an abort that overtakes the first messages after a commit is refused by the
// broker. false: the coordinator did not confirm, and the client was replaced; the next start ends the transaction.
func (t *Transactional) abort(ctx context.Context, k *client, tx *Tx) bool {
	if ctx.Err() != nil {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortGrace)
		defer cancel()
		ctx = grace
	}
	err := k.drain(ctx)
	if err == nil && k.refusal.Load() == nil {
		if err = k.transport.AbortTransaction(ctx); err == nil {
			t.settle(k, &t.core.count.notSent)
			return true
		}
	}
	if err == nil {
		err = *k.refusal.Load()
	}
	// Were a zombie not to notice here, its next start would take the id back from the new owner.
	var kerr *transport.Error
	if errors.As(err, &kerr) && errors.Is(t.ended(kerr, tx), ErrFenced) {
		t.fenced = fmt.Errorf("%w: %w", ErrFenced, err)
	}
	t.drop(k, err)
	return false
}

// drop gives a client up together with its transaction, which counts as not sent, and puts a new one into its place; nil
// when the producer was closed.
func (t *Transactional) drop(k *client, why error) *client {
	return t.dropAs(k, why, &t.core.count.notSent)
}

func (t *Transactional) dropAs(k *client, why error, outcome *atomic.Int64) *client {
	k.abandon(why)
	t.settle(k, outcome)
	t.client = nil
	fresh, err := t.core.replace(k, t.core.smallestBatch())
	if err != nil {
		t.core.config.Logger.Error("client_not_replaced", "err", err)
		return nil
	}
	return fresh
}

// settle puts the messages of a transaction on the books.
func (t *Transactional) settle(k *client, outcome *atomic.Int64) {
	delivered, failed, _ := k.tx.take()
	outcome.Add(delivered + failed)
}

// doubt is a commit whose outcome nobody knows yet. Its messages count as unknown.
type doubt struct {
	open      bool
	messages  int64
	committed bool  // the resolver's answer, once open is false again
	lost      error // why the resolver can never know
}

// findOut takes the transactional id over and asks the resolver about the commit
// in doubt. cause is the doubt's reason, err the client's own error in it.
func (t *Transactional) findOut(ctx context.Context, tx *Tx, took time.Duration, cause, err error) (again bool, _ error) {
	t.core.config.Logger.Info("commit_in_doubt", "transactional_id", t.core.config.TransactionalID, "err", cause)
	for {
		_, unready := t.ready(ctx)
		switch failed := new(TxError); {
		case unready == nil && t.doubt.lost != nil:
			return false, t.failed(ErrOutcomeUnknown, fmt.Errorf("%w: %w", cause, t.doubt.lost))
		case unready == nil && t.doubt.committed:
			t.tell(ctx, tx, TransactionResolved, nil)
			return false, nil
		case unready == nil:
			again, err := t.judge(ctx, tx, took, err)
			t.tell(ctx, tx, TransactionResolved, err)
			return again, err
		case t.fenced != nil, ctx.Err() != nil, t.core.alive.Err() != nil, !errors.As(unready, &failed):
			return false, t.failed(ErrOutcomeUnknown, fmt.Errorf("%w; finding out: %w", cause, unready))
		default:
			var kerr *transport.Error
			if !errors.As(failed.Cause, &kerr) || permanent(kerr.Code) {
				return false, t.failed(ErrOutcomeUnknown, fmt.Errorf("%w; finding out: %w", cause, failed.Cause))
			}
		}
		pause := time.NewTimer(t.core.config.RetryBackoff)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		case <-t.core.alive.Done():
			pause.Stop()
		}
	}
}

// resume asks the resolver, if it has not answered since the client was
// initialised, and puts a commit in doubt on the books.
func (t *Transactional) resume(ctx context.Context) error {
	if t.resumed {
		return nil
	}
	if r := t.resolver; r != nil {
		committed, err := r.Resume(ctx, t.doubt.open)
		switch {
		case err != nil && t.doubt.open && errors.Is(err, ErrOutcomeUnknown): // and always will be
			t.doubt.lost = err
		case err != nil:
			return t.failed(ErrNotSent, err)
		case t.doubt.open:
			t.settleDoubt(committed)
		}
	}
	t.resumed, t.doubt.open = true, false
	return nil
}

// settleDoubt counts the messages of a commit in doubt as what they are.
func (t *Transactional) settleDoubt(committed bool) {
	outcome := &t.core.count.delivered
	if !committed {
		outcome = &t.core.count.notSent
	}
	t.core.count.unknown.Add(-t.doubt.messages) // first: what is on no side is in flight
	outcome.Add(t.doubt.messages)
	t.doubt = doubt{committed: committed}
}

// judge decides about a transaction that is known not to be committed: may it pass? took is how long the function ran.
func (t *Transactional) judge(ctx context.Context, tx *Tx, took time.Duration, cause error) (again bool, err error) {
	var kerr *transport.Error
	var small *batchTooLargeError
	known := errors.As(cause, &kerr)
	switch end := t.ended(kerr, tx); {
	case errors.As(cause, &small): // the next client has smaller batches
		again = true
	case errors.Is(cause, ErrClosed):
	case errors.Is(end, ErrFenced):
		cause = fmt.Errorf("%w: %w", ErrFenced, cause)
		t.fenced = cause
	case errors.Is(end, ErrTxTimedOut):
		cause = fmt.Errorf("%w after %v (%s is %v): %w", ErrTxTimedOut, tx.open().Round(time.Millisecond),
			t.core.config.Origin("transaction.timeout.ms"), t.core.config.TransactionTimeout, cause)
		again = took < t.core.config.TransactionTimeout // an outage took the time: not the function
	case known:
		again = !permanent(kerr.Code)
	}
	if ctx.Err() != nil {
		again = false
		if !errors.Is(cause, ctx.Err()) {
			cause = fmt.Errorf("%w: %w", ended(ctx), cause)
		}
		cause = t.core.trouble.explain(cause)
	}
	return again, t.failed(ErrNotSent, cause)
}

// ended says what the client's "fenced" means: the coordinator says the same of a transaction that it timed out, but it
// cannot have done so before the timeout has passed since the first message.
func (t *Transactional) ended(err *transport.Error, tx *Tx) error {
	late := tx.open() >= t.core.config.TransactionTimeout
	switch {
	case isFence(err) && !late:
		return ErrFenced
	case isFence(err), late && isGone(err):
		return ErrTxTimedOut
	}
	return nil
}

// Codes of brokers about transactions.
const (
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

// isGone: the coordinator knows of no such open transaction.
func isGone(err *transport.Error) bool {
	return err != nil && slices.Contains([]transport.Code{invalidTxnState, invalidProducerIDMapping, unknownProducerID}, err.Code)
}

// permanent errors come again when the transaction does.
func permanent(code transport.Code) bool {
	return blames(code) || slices.Contains([]transport.Code{
		transport.TopicAuthorizationFailed, transport.GroupAuthorizationFailed, transport.ClusterAuthorizationFailed,
		transactionalIDAuthorizationFailed, invalidTransactionTimeout, unsupportedVersion, transport.UnknownTopicOrPartition, transport.Invalid,
	}, code)
}

const unsupportedVersion transport.Code = 35

// peek is take, without starting anew.
func (t *txTally) peek() (delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.delivered, t.failed, t.err
}

func (t *txTally) clean() bool {
	_, failed, _ := t.peek()
	return failed == 0
}

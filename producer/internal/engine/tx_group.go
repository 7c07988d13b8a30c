package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// group puts many InTx calls into one transaction. A leader goroutine runs
// while there are calls. The leader opens transactions and lets the calls run
// their functions in order. Each function runs on the goroutine of its own
// call.
type group struct {
	t       *Transactional
	arrived chan struct{} // capacity 1: a call is queued

	mu      sync.Mutex
	queue   []*member
	leading bool
}

// member is one call of InTx.
type member struct {
	ctx        context.Context //nolint:containedctx // it is the call's own, and lives as long
	f          func(tx *Tx) error
	turn       chan *Tx   // the function may run now
	ran        chan error // the result of the function
	done       chan error // capacity 1: the result of the call
	running    bool       // the function runs or is about to run. Under group.mu
	committing bool       // the commit was requested. Under group.mu
	ended      bool       // the call has returned, so do not run again. Under group.mu
}

// memberError is the error of one call's function. The error aborts the
// transaction for all calls.
type memberError struct {
	member *member
	error
}

func (e *memberError) Unwrap() error { return e.error }

func newGroup(t *Transactional) *group { return &group{t: t, arrived: make(chan struct{}, 1)} }

// join is InTx under WithGroupCommit.
func (g *group) join(ctx context.Context, f func(tx *Tx) error) error {
	m := &member{ctx: ctx, f: f, turn: make(chan *Tx), ran: make(chan error), done: make(chan error, 1)}
	if !g.enqueue(m) {
		return g.t.txError(ErrNotSent, ErrClosed)
	}
	waiting := ctx.Done()
	grace := time.NewTimer(abortGrace)
	defer grace.Stop()
	grace.Stop() // until ctx ends
	for {
		select {
		case tx := <-m.turn:
			grace.Stop()
			g.run(m, tx)
			waiting = ctx.Done() // ctx may have ended meanwhile
		case err := <-m.done:
			return err
		case <-waiting:
			waiting = nil
			switch {
			case g.withdraw(m):
				return g.t.txError(ErrNotSent, fmt.Errorf("waiting for a transaction (a call inside the function of InTx or OnEnd waits for itself): %w", ContextError(ctx)))
			case g.leaves(m):
				return g.t.txError(ErrOutcomeUnknown, fmt.Errorf("waiting for the commit: %w", ContextError(ctx)))
			}
			g.wake() // the leader aborts and removes the call
			grace.Reset(abortGrace)
		case <-grace.C:
			if g.leavesAborted(m) {
				return g.t.txError(ErrNotSent, g.t.engine.trouble.explain(fmt.Errorf("waiting for the abort: %w", ContextError(ctx))))
			}
		}
	}
}

// run runs the function on the call's own goroutine.
func (g *group) run(m *member, tx *Tx) {
	err := errPanicked
	defer func() { // also after a panic, so that the leader aborts
		g.mu.Lock()
		m.running = false
		g.mu.Unlock()
		m.ran <- err
	}()
	err = m.f(tx)
}

func (g *group) enqueue(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.leading && !g.t.engine.spawn(g.lead) {
		return false
	}
	g.leading = true
	g.queue = append(g.queue, m)
	g.wake()
	return true
}

// wake wakes a leader that waits for calls.
func (g *group) wake() {
	select {
	case g.arrived <- struct{}{}:
	default:
	}
}

// leaves reports whether a call whose context has ended must return without an
// outcome, because the commit is in flight.
func (g *group) leaves(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.ended = m.committing
	return m.ended
}

// leavesAborted reports whether a call whose context has ended must return,
// because the abort takes too long. close refuses to commit a transaction with
// the call. leavesAborted returns false if the function is about to run.
func (g *group) leavesAborted(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.ended = !m.running
	return m.ended
}

// withdraw removes a call from the queue. withdraw returns false if a
// transaction has already taken the call.
func (g *group) withdraw(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, m)
	if i < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return true
}

// dequeue returns the next call in the queue, or nil.
func (g *group) dequeue() *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return nil
	}
	m := g.queue[0]
	g.queue = g.queue[1:]
	return m
}

// lead runs transactions until no call is left.
func (g *group) lead() {
	var again []*member // innocent calls of an aborted transaction
	for {
		g.mu.Lock()
		again = slices.DeleteFunc(again, func(m *member) bool { return m.ended })
		if len(again) == 0 && len(g.queue) == 0 {
			g.leading = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		again = g.transaction(again, g.t.engine.config.GroupCommitMessages)
	}
}

// transaction runs one transaction with the calls in first and with new calls,
// up to a number of messages. first has the calls of an aborted transaction.
// transaction returns the calls that must run again.
func (g *group) transaction(first []*member, messages int) (again []*member) {
	ctx, cancel := context.WithCancel(g.t.engine.alive)
	defer cancel()
	in, begun := first, false
	err := g.t.inTx(ctx, func(tx *Tx) error {
		begun = true
		g.mu.Lock()
		in = slices.DeleteFunc(in, func(m *member) bool { return m.ended })
		for _, m := range in {
			m.committing = false
		}
		g.mu.Unlock()
		for _, m := range in {
			if err := g.give(m, tx); err != nil {
				return err
			}
		}
		if err := g.gather(tx, &in, messages); err != nil {
			return err
		}
		return g.close(in)
	})
	var guilty *memberError
	switch {
	case errors.As(err, &guilty):
		guilty.member.done <- g.t.txError(ErrNotSent, guilty.error)
		return slices.DeleteFunc(in, func(m *member) bool { return m == guilty.member })
	case err != nil && len(in) > 1 && errors.Is(err, ErrNotSent) && !errors.Is(err, ErrFenced) && g.t.engine.alive.Err() == nil:
		// The error stays, and one call may be the reason. So each call now
		// runs in its own transaction.
		for _, m := range in {
			g.transaction([]*member{m}, 0)
		}
		return nil
	}
	for _, m := range in {
		m.done <- err
	}
	if !begun && err != nil {
		g.refuseQueued(err)
	}
	return nil
}

// refuseQueued ends the queued calls with an error. No transaction could begin,
// so no transaction takes them.
func (g *group) refuseQueued(err error) {
	for m := g.dequeue(); m != nil; m = g.dequeue() {
		m.done <- err
	}
}

// close runs just before the commit. It refuses the commit if the context of a
// call has ended.
func (g *group) close(in []*member) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := memberOf(in); err != nil {
		return err
	}
	for _, m := range in {
		m.committing = true
	}
	return nil
}

// memberOf returns an error if the context of a call has ended.
func memberOf(in []*member) error {
	for _, m := range in {
		if m.ctx.Err() != nil {
			return &memberError{m, fmt.Errorf("the context ended before the commit: %w", ContextError(m.ctx))}
		}
	}
	return nil
}

// give runs one call's function in the transaction.
func (g *group) give(m *member, tx *Tx) error {
	g.mu.Lock()
	err := memberOf([]*member{m})
	m.running = err == nil
	g.mu.Unlock()
	if err != nil {
		return err
	}
	m.turn <- tx
	err = <-m.ran
	if broken := tx.broken.Load(); broken != nil {
		return *broken
	}
	if tx.refusedUnnoticed(&err) || err != nil {
		return &memberError{m, err}
	}
	return nil
}

// gather takes queued calls until there are enough messages or the wait is
// over.
func (g *group) gather(tx *Tx, in *[]*member, messages int) error {
	over := time.NewTimer(g.t.engine.config.GroupCommitWait)
	defer over.Stop()
	for tx.added.Load() < int64(messages) {
		if m := g.dequeue(); m != nil {
			*in = append(*in, m)
			if err := g.give(m, tx); err != nil {
				return err
			}
			continue
		}
		if err := memberOf(*in); err != nil {
			return err
		}
		select {
		case <-g.arrived:
		case <-over.C:
			return nil
		case <-g.t.engine.alive.Done():
			return ErrClosed
		}
	}
	return nil
}

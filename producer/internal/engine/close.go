package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// callbackGrace is how long a callback may run after the end of Close's
// context. Then Close returns and does not wait for the callback.
const callbackGrace = 5 * time.Second

// Flush sends what waits for linger.ms, and waits until all earlier messages
// have their outcome and their callbacks have returned.
func (e *Engine) Flush(ctx context.Context) error {
	if err := e.waitForOutcomes(ctx); err != nil {
		return err
	}
	called := make(chan struct{})
	e.deliverer.callAfterEarlier(func() { close(called) })
	select {
	case <-called:
		return nil
	case <-e.deliverer.ended:
		return nil
	case <-ctx.Done():
		return ContextError(ctx)
	}
}

// waitForOutcomes waits until all earlier messages have their outcome. No
// message waits for linger.ms meanwhile. A message that is sent again is in no
// client for a short time, so waitForOutcomes also waits for the replacement of
// a client.
func (e *Engine) waitForOutcomes(ctx context.Context) error {
	for {
		e.mu.Lock()
		clients := slices.Clone(e.clients)
		e.mu.Unlock()
		for _, k := range clients {
			k.transport.BeginFlush()
		}
		err := drain(ctx, clients...)
		for _, k := range clients {
			k.transport.EndFlush()
		}
		if err != nil {
			return e.trouble.explain(err)
		}
		r := e.renewalOf(clients)
		if r == nil {
			return nil
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return e.trouble.explain(ContextError(ctx))
		}
		if r.err != nil {
			return nil // all messages have their outcome
		}
	}
}

// forAll calls f for every client at the same time, because f may take long.
func forAll(clients []*client, f func(k *client)) {
	var all sync.WaitGroup
	for _, k := range clients {
		all.Go(func() { f(k) })
	}
	all.Wait()
}

// renewalOf returns the replacement of one of the clients, which may be over,
// or nil if the clients are still the engine's clients.
func (e *Engine) renewalOf(clients []*client) *renewal {
	for _, k := range clients {
		if k.lostAny() { // the replacement may not have begun yet
			return e.renew(k)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range clients {
		if e.renewals[k] != nil || !slices.Contains(e.clients, k) {
			return e.renewLocked(k)
		}
	}
	return nil
}

// Close refuses new messages and waits for the outcomes until ctx ends. Then
// Close writes off the remaining messages, and returns after the last callback.
func (e *Engine) Close(ctx context.Context) error {
	first := false
	e.closing.Do(func() { first = true })
	if !first {
		select {
		case <-e.closed:
			return e.result
		case <-ctx.Done():
			return fmt.Errorf("producer: another call of Close is still waiting: %w", ContextError(ctx))
		}
	}
	defer close(e.closed)
	e.mu.Lock()
	e.die()
	clients := slices.Clone(e.clients)
	e.mu.Unlock()
	e.limit.close(ErrClosed)
	for _, k := range clients {
		k.refuse(ErrClosed)
	}
	why := e.waitForOutcomes(ctx)
	e.mu.Lock()
	e.stop()
	clients = slices.Clone(e.clients) // no client is replaced from now on
	e.mu.Unlock()
	if why != nil {
		cause := fmt.Errorf("%w before its delivery was reported: %w", ErrClosed, why)
		e.gaveUp.Store(&cause)
		forAll(clients, func(k *client) { k.abandon(cause) })
	}
	destroyed := make(chan struct{})
	go func() {
		defer close(destroyed)
		e.destroyClients()
	}()
	select {
	case <-destroyed:
	case <-ctx.Done():
		// Destroying a client waits for its threads, and a thread may be
		// connecting. The function of a transaction may still run. The
		// destruction ends by itself.
		grace := time.NewTimer(callbackGrace)
		defer grace.Stop()
		select {
		case <-destroyed:
		case <-grace.C:
		}
	}
	stuck := e.lastCallback(ctx)
	e.config.CloseLog()
	e.result = e.account(why, stuck)
	return e.result
}

// destroyClients waits for the background work, gives every remaining message
// its outcome, and ends the delivery goroutine and the clients.
func (e *Engine) destroyClients() {
	e.background.Wait() // look-ups use the client
	e.mu.Lock()
	all := e.clients
	e.mu.Unlock()
	for _, k := range all {
		k.giveUp(k.takeLost(), ErrClosed)
		k.writeOff(ErrClosed)
	}
	e.deliverer.deliver(nil)
	forAll(all, (*client).close)
}

// lastCallback waits for the delivery goroutine. After the end of ctx,
// lastCallback still waits as long as callbacks return.
func (e *Engine) lastCallback(ctx context.Context) error {
	select {
	case <-e.deliverer.ended:
		return nil
	case <-ctx.Done():
	}
	for !e.deliverer.idle() {
		before := e.deliverer.called.Load()
		grace := time.NewTimer(callbackGrace)
		select {
		case <-e.deliverer.ended:
			grace.Stop()
			return nil
		case <-grace.C:
			if e.deliverer.called.Load() == before {
				return fmt.Errorf("a callback has not returned for %v after %w: those after it are called when it does",
					callbackGrace, ContextError(ctx))
			}
		}
	}
	return nil
}

func (e *Engine) account(why, stuck error) error {
	if fatal := e.fatal.Load(); fatal != nil {
		why = errors.Join(why, *fatal)
	}
	s := e.Stats()
	if s.NotSent+s.Unknown > 0 {
		return &UndeliveredError{NotSent: s.NotSent, Unknown: s.Unknown, Err: errors.Join(why, stuck)}
	}
	if stuck == nil && why != nil && s.InFlight > 0 {
		stuck = fmt.Errorf("%d messages have no outcome yet: %w", s.InFlight, why)
	}
	if stuck != nil {
		return fmt.Errorf("producer: %w", stuck)
	}
	return nil
}

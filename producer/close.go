package producer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// callbackGrace is how long a callback may run after the end of Close's
// context. Then Close returns and does not wait for the callback.
const callbackGrace = 5 * time.Second

// flush waits until all earlier messages have their outcome and their callbacks
// have returned.
func (c *core) flush(ctx context.Context) error {
	if err := c.settled(ctx); err != nil {
		return err
	}
	called := make(chan struct{})
	c.deliverer.mark(func() { close(called) })
	select {
	case <-called:
		return nil
	case <-c.deliverer.ended:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// settled waits until all earlier messages have their outcome. A message that
// is sent again is in no client for a short time, so settled also waits for the
// replacement of a client.
func (c *core) settled(ctx context.Context) error {
	for {
		c.mu.Lock()
		clients, r := append([]*client(nil), c.clients...), c.renewal
		c.mu.Unlock()
		if err := drain(ctx, clients...); err != nil {
			return c.trouble.explain(err)
		}
		if r == nil || !slices.Contains(clients, r.old) {
			return nil
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return c.trouble.explain(ended(ctx))
		}
		if r.err != nil {
			return nil // all messages have their outcome
		}
	}
}

// close refuses new messages and waits for the outcomes until ctx ends. Then
// close writes off the remaining messages, and returns after the last callback.
func (c *core) close(ctx context.Context) error {
	first := false
	c.closing.Do(func() { first = true })
	if !first {
		select {
		case <-c.closed:
			return c.result
		case <-ctx.Done():
			return fmt.Errorf("producer: another call of Close is still waiting: %w", ended(ctx))
		}
	}
	defer close(c.closed)
	c.mu.Lock()
	c.die()
	clients := c.clients // the list does not change from now on
	c.mu.Unlock()
	c.limit.close(ErrClosed)
	for _, k := range clients {
		k.refuse(ErrClosed)
	}
	why := c.settled(ctx)
	if why != nil {
		cause := fmt.Errorf("%w before its delivery was reported: %w", ErrClosed, why)
		c.gaveUp.Store(&cause)
		for _, k := range clients {
			k.abandon(cause)
		}
	}
	destroyed := make(chan struct{})
	go func() {
		defer close(destroyed)
		c.background.Wait() // look-ups use the client
		c.mu.Lock()
		all := c.clients
		c.mu.Unlock()
		for _, k := range all {
			k.giveUp(k.takeLost(), ErrClosed)
			k.writeOff(ErrClosed)
		}
		c.deliverer.deliver(nil)
		for _, k := range all {
			k.close()
		}
	}()
	stuck := c.lastCallback(ctx)
	select {
	case <-destroyed:
	case <-ctx.Done():
		// Destroying a client waits for its threads, and a thread may be
		// connecting. The destruction ends by itself.
		grace := time.NewTimer(callbackGrace)
		defer grace.Stop()
		select {
		case <-destroyed:
		case <-grace.C:
		}
	}
	c.result = c.account(why, stuck)
	return c.result
}

// lastCallback waits for the delivery goroutine. After the end of ctx,
// lastCallback still waits as long as callbacks return.
func (c *core) lastCallback(ctx context.Context) error {
	select {
	case <-c.deliverer.ended:
		return nil
	case <-ctx.Done():
	}
	for {
		before := c.deliverer.called.Load()
		grace := time.NewTimer(callbackGrace)
		select {
		case <-c.deliverer.ended:
			grace.Stop()
			return nil
		case <-grace.C:
			if c.deliverer.called.Load() == before {
				return fmt.Errorf("a callback has not returned for %v after %w: those after it are called when it does",
					callbackGrace, ended(ctx))
			}
		}
	}
}

func (c *core) account(why, stuck error) error {
	if fatal := c.fatal.Load(); fatal != nil {
		why = errors.Join(why, *fatal)
	}
	s := c.stats()
	if s.NotSent+s.Unknown > 0 {
		return &UndeliveredError{NotSent: s.NotSent, Unknown: s.Unknown, Err: errors.Join(why, stuck)}
	}
	if stuck != nil {
		return fmt.Errorf("producer: %w", stuck)
	}
	return nil
}

// Closer is a [*Producer], a [*Transactional] or another type with a Close that
// takes a context.
type Closer interface {
	Close(ctx context.Context) error
}

// CloseOnSignal returns a context and a function. The context ends when the
// process gets SIGTERM or an interrupt. The caller calls finish last. finish
// closes p within the given time and returns the result of Close. Until then p
// still publishes, so that running requests can finish:
//
//	ctx, finish := producer.CloseOnSignal(context.Background(), p, 20*time.Second)
//	serve(ctx)
//	err := finish()
//
// If a second signal comes while finish waits, the wait ends at once.
func CloseOnSignal(parent context.Context, p Closer, within time.Duration) (ctx context.Context, finish func() error) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	hurry, hurried := context.WithCancelCause(context.WithoutCancel(parent))
	over := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				if n == 0 {
					cancel(fmt.Errorf("%v", s))
				} else {
					hurried(fmt.Errorf("%v again", s))
				}
			case <-over:
				return
			}
		}
	}()
	var once atomic.Bool
	return ctx, func() error {
		closing, stop := context.WithTimeout(hurry, within)
		defer stop()
		err := p.Close(closing)
		if once.CompareAndSwap(false, true) {
			signal.Stop(signals)
			close(over)
			cancel(nil)
			hurried(nil)
		}
		return err
	}
}

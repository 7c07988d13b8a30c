package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// core is the common part of [Producer] and [Transactional]. core has the
// settings, the limit of messages in flight, the counters, the delivery
// goroutine, the state of topics, and the clients.
type core struct {
	config     *settings.Config
	onFailure  failureHandler // nil: such failures are logged
	serializer *serde.Serializer
	hooks      hooks
	limit      *limiter
	count      counters
	trouble    trouble
	deliverer  *deliverer
	topics     sync.Map // name → *topicState

	// alive ends when Close begins. Then the core takes no message and the
	// background work stops.
	alive      context.Context //nolint:containedctx // it is the producer's own life
	die        context.CancelFunc
	background sync.WaitGroup

	mu      sync.Mutex
	batch   int       // batch.size of the main client
	clients []*client // the main client, then a client per smaller batch.size
	renewal *renewal  // a running replacement
	fatal   atomic.Pointer[error]
	// replacements counts the replacements since the last delivered message.
	replacements    atomic.Int64
	progress        progress
	lent, lentBytes atomic.Int64 // by stuck partitions, see [core.lend]
	// gaveUp is the reason why Close stopped waiting.
	gaveUp  atomic.Pointer[error]
	closing sync.Once
	closed  chan struct{}
	result  error // of close
}

// counters count messages by outcome. InFlight is the difference, so the
// numbers always add up.
type counters struct {
	_                           padding
	accepted                    atomic.Int64 // by publishers
	_                           padding
	delivered, notSent, unknown atomic.Int64 // by event goroutines
	_                           padding
}

// padding separates fields that different goroutines write. Without padding the
// fields would share a cache line. Processors fetch cache lines in pairs.
type padding [128]byte

// newCore starts the goroutines of the clients and does not wait for I/O.
func newCore(c *settings.Config, s *serde.Serializer) (*core, error) {
	if s == nil {
		return nil, &ConfigError{Setting: "serializer", Reason: "must not be nil: make one with serde.NewSerializer"}
	}
	k := &core{
		config: c, serializer: s, onFailure: lastFailureHandler(c),
		limit: newLimiter(int64(c.MaxInFlightMessages), c.MaxInFlightBytes),
		batch: open.BatchBytes(c), closed: make(chan struct{}),
	}
	k.trouble.core = k
	k.hooks = joinHooks(settings.Carried[Hooks](c), func(err error) { k.reportFailure(Delivery{}, err) })
	k.alive, k.die = context.WithCancel(context.Background())
	k.deliverer = newDeliverer(k)
	if _, err := k.client(k.batch); err != nil {
		k.die()
		k.deliverer.deliver(nil)
		return nil, err
	}
	k.background.Go(k.refreshTopics)
	k.background.Go(k.watchProgress)
	return k, nil
}

// spawn runs f in the background and returns true. If Close has begun, spawn
// returns false. Close waits for f.
func (c *core) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spawnLocked(f)
}

func (c *core) spawnLocked(f func()) bool {
	if c.alive.Err() != nil {
		return false
	}
	c.background.Go(f)
	return true
}

// client returns the live client with a batch size, and starts a client if
// there is none.
func (c *core) client(batch int) (*client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive.Err() != nil {
		return nil, ErrClosed
	}
	for _, k := range c.clients {
		if k.batch == batch {
			return k, nil
		}
	}
	k, err := newClient(c, batch)
	if err != nil {
		return nil, err
	}
	c.clients = append(c.clients, k)
	return k, nil
}

// main returns the client for look-ups.
func (c *core) main() *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clients[0]
}

// failed handles a fatal error of a client. Any goroutine may call failed.
func (c *core) failed(k *client, cause *transport.Error, err error) {
	switch {
	case k.tx != nil: // Transactional replaces the client
		c.config.Logger.Info("client_failed", "err", err)
		c.limit.dismiss(err)
	case c.recovers(cause):
		c.config.Logger.Warn("client_failed", "err", err)
		c.renew(k)
	default:
		c.config.Logger.Error("fatal_error", "err", err)
		c.fatal.CompareAndSwap(nil, &err)
		c.limit.close(err)
		c.spawn(func() { c.end(k, err) })
	}
}

// recovers reports whether a failed client is replaced. If the principal may
// not publish, another client would fail too.
func (c *core) recovers(cause *transport.Error) bool {
	switch cause.Code {
	case transport.Fenced, transport.ClusterAuthorizationFailed, 47, 53, 90: // INVALID_PRODUCER_EPOCH, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, PRODUCER_FENCED
		return false
	}
	return c.config.Recovery
}

// end gives every message of a client its outcome. The client is not replaced.
func (c *core) end(k *client, why error) {
	c.empty(k, why)
	k.giveUp(k.takeLost(), why)
}

// empty waits for the answers to sent requests. A message without an answer
// becomes unknown.
func (c *core) empty(k *client, why error) {
	ctx, cancel := context.WithTimeout(c.alive, answerGrace)
	defer cancel()
	if k.drain(ctx) != nil && c.alive.Err() == nil {
		k.abandon(why)
	}
}

// renewal is the replacement of a client.
type renewal struct {
	old  *client
	done chan struct{}
	err  error // set before done is closed
}

// renew replaces a client. The new client first sends the messages that are
// certainly not in the log, in their old order. So no newer message overtakes
// them.
func (c *core) renew(old *client) *renewal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.renewal; r != nil && r.old == old {
		return r
	}
	r := &renewal{old: old, done: make(chan struct{})}
	c.renewal = r
	begun := c.spawnLocked(func() {
		defer close(r.done)
		if r.err = c.takeTurns(old); r.err != nil && c.alive.Err() == nil {
			c.fatal.CompareAndSwap(nil, &r.err)
			c.limit.close(r.err)
		}
	})
	if !begun {
		r.err = ErrClosed
		close(r.done)
	}
	return r
}

// takeTurns starts new clients until a client takes messages.
func (c *core) takeTurns(old *client) error {
	why := *old.refusal.Load()
	c.empty(old, why)
	lost := inOrder(old.takeLost(), nil)
	old.close() // requests in flight must not arrive after later ones
	for failures := c.replacements.Add(1); ; failures = c.replacements.Add(1) {
		if failures > 1 && !c.pause(min(c.config.RetryBackoff<<min(failures-2, 10), c.config.RetryBackoffMax)) {
			old.giveUp(lost, ErrClosed)
			return ErrClosed
		}
		k, err := newClient(c, old.batch)
		if err != nil {
			old.giveUp(lost, err)
			return fmt.Errorf("%w: %w", ErrFatal, err)
		}
		if lost = c.sendAgain(k, lost); lost == nil {
			return c.install(old, k)
		}
		// The new client ended too.
		c.empty(k, *k.refusal.Load())
		lost = inOrder(k.takeLost(), lost)
		k.close()
		if c.alive.Err() != nil {
			old.giveUp(lost, ErrClosed)
			return ErrClosed
		}
		if fatal := k.fatal.Load(); fatal != nil {
			var cause *transport.Error
			if errors.As(*fatal, &cause) && !c.recovers(cause) {
				old.giveUp(lost, *fatal)
				return *fatal
			}
		}
	}
}

// pause waits for d. pause returns false if the producer is closed.
func (c *core) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.alive.Done():
		return false
	}
}

// inOrder returns the lost messages in the order for the next client. The
// messages in sent come first, sorted by sequence number. The messages in rest
// come next and are in order already.
func inOrder(sent, rest []lostMessage) []lostMessage {
	slices.SortFunc(sent, func(a, b lostMessage) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition), cmp.Compare(int32(a.seq-b.seq), 0))
	})
	all := append(sent, rest...)
	slices.SortStableFunc(all, func(a, b lostMessage) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// sendAgain gives lost messages to a client in their order. If the client ends,
// sendAgain returns the messages that the client did not take.
func (c *core) sendAgain(k *client, lost []lostMessage) []lostMessage {
	if len(lost) > 0 {
		c.config.Logger.Info("messages_sent_again", "messages", len(lost))
	}
	for i := range lost {
		m := &lost[i]
		m.entry.resends++
		q := k.topicQueues(m.topic, m.partition+1)[m.partition]
		err := k.produce(q, m.message, &m.entry)
		if err == nil {
			c.count.accepted.Add(-1) // already counted at the first acceptance
			if m.entry.suspect {
				ctx, cancel := context.WithTimeout(c.alive, answerGrace)
				_ = k.drain(ctx)
				cancel()
			}
			continue
		}
		if _, refused := err.(refusedError); refused { //nolint:errorlint // ours, never wrapped
			return lost[i:]
		}
		k.giveUp(lost[i:i+1], err)
	}
	if k.refusal.Load() != nil {
		return []lostMessage{}
	}
	return nil
}

// install replaces an old client with a new client.
func (c *core) install(old, k *client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive.Err() != nil {
		c.clients = append(c.clients, k) // Close ends the client
		return ErrClosed
	}
	for i := range c.clients {
		if c.clients[i] == old {
			c.clients[i] = k
		}
	}
	c.forgetRoutes()
	return nil
}

// forgetRoutes makes every topic look up its route again. Under mu.
func (c *core) forgetRoutes() {
	c.topics.Range(func(_, state any) bool {
		state.(*topicState).route.Store(nil)
		return true
	})
}

// replace starts a new client in the place of an old client. The old client has
// nothing in flight.
func (c *core) replace(old *client, batch int) (*client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive.Err() != nil {
		return nil, ErrClosed
	}
	k, err := newClient(c, batch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFatal, err)
	}
	for i := range c.clients {
		if c.clients[i] == old {
			c.clients[i] = k
		}
	}
	c.forgetRoutes()
	old.refuse(errReplaced)
	c.background.Go(old.close)
	return k, nil
}

var errReplaced = errors.New("producer: the client was replaced")

// waitForReplacement waits after a client refused a message. If
// waitForReplacement returns nil, the caller tries again with another client.
func (c *core) waitForReplacement(ctx context.Context, k *client) error {
	if c.alive.Err() != nil {
		return ErrClosed
	}
	refusal := k.refusal.Load()
	if refusal == nil { // the partition recovers, outcomes come next
		c.pause(time.Millisecond)
		return nil
	}
	why := *refusal
	if errors.Is(why, errReplaced) {
		return nil
	}
	if fatal := c.fatal.Load(); fatal != nil {
		return *fatal
	}
	if k.tx != nil {
		return why
	}
	r := c.renew(k)
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("%w while the client was being replaced after: %w", ended(ctx), why)
	}
}

// reportFailure reports a failure that no other code receives: a failed message
// without a callback, or a panic in a callback.
func (c *core) reportFailure(d Delivery, err error) {
	if f := c.onFailure; f != nil {
		defer func() {
			if v := recover(); v != nil {
				c.config.Logger.Error("failure_handler_panicked", "panic", fmt.Sprint(v))
			}
		}()
		f(d, err)
		return
	}
	c.config.Logger.Error("message_failed", "topic", d.Topic, "partition", d.Partition, "err", err)
}

// now is the monotonic clock in nanoseconds since an arbitrary origin.
func (c *core) now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now() //nolint:gochecknoglobals // an origin, never changed

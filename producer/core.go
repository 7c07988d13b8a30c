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

// core is what [Producer] and [Transactional] have in common: the settings, the bound on what is in flight, the books,
// the delivery goroutine, what is known of topics, and the client or clients behind.
type core struct {
	config     *settings.Config
	onFailure  failureHandler // nil: what nobody hears is logged
	serializer *serde.Serializer
	hooks      hooks
	limit      *limiter
	count      counters
	trouble    trouble
	deliverer  *deliverer
	topics     sync.Map // name → *topicState

	// alive ends when Close begins: nothing new is taken, and the work in the background stops.
	alive      context.Context //nolint:containedctx // it is the producer's own life
	die        context.CancelFunc
	background sync.WaitGroup

	mu      sync.Mutex
	batch   int       // batch.size of the main client
	clients []*client // live ones: the main client first, then one for each smaller batch.size
	renewal *renewal  // a replacement under way
	fatal   atomic.Pointer[error]
	// replacements counts clients in a row that delivered nothing.
	replacements    atomic.Int64
	progress        progress
	lent, lentBytes atomic.Int64 // of stuck partitions, see [core.lend]
	// gaveUp is why Close did not wait any longer.
	gaveUp  atomic.Pointer[error]
	closing sync.Once
	closed  chan struct{}
	result  error // of close
}

// counters are the books. InFlight is what is left over, so that they balance at every instant.
type counters struct {
	_                           padding
	accepted                    atomic.Int64 // by publishers
	_                           padding
	delivered, notSent, unknown atomic.Int64 // by event goroutines
	_                           padding
}

// padding keeps what is written by different goroutines off each other's cache
// lines, which processors fetch in pairs.
type padding [128]byte

// newCore starts the clients' goroutines, but waits for nothing.
func newCore(c *settings.Config, s *serde.Serializer) (*core, error) {
	if s == nil {
		return nil, &ConfigError{Setting: "serializer", Reason: "must not be nil: make one with serde.NewSerializer"}
	}
	k := &core{
		config: c, serializer: s, onFailure: lastFailureHandler(c), hooks: joinHooks(settings.Carried[Hooks](c)),
		limit: newLimiter(int64(c.MaxInFlightMessages), c.MaxInFlightBytes),
		batch: open.BatchBytes(c), closed: make(chan struct{}),
	}
	k.trouble.core = k
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

// spawn runs f in the background, unless Close has begun. Close waits for it.
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

// client gives the live client of a batch size, and starts it if there is none.
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

// main is the client that serves look-ups.
func (c *core) main() *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clients[0]
}

// failed is told by a client of its fatal error, on any goroutine.
func (c *core) failed(k *client, cause *transport.Error, err error) {
	switch {
	case k.tx != nil: // its owner replaces it
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

// recovers says whether a client that failed is replaced. Another client would fail
// alike if it is not allowed to publish.
func (c *core) recovers(cause *transport.Error) bool {
	switch cause.Code {
	case transport.Fenced, transport.ClusterAuthorizationFailed, 47, 53, 90: // INVALID_PRODUCER_EPOCH, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, PRODUCER_FENCED
		return false
	}
	return c.config.Recovery
}

// end gives everything in a client that is not replaced its outcome.
func (c *core) end(k *client, why error) {
	c.empty(k, why)
	k.giveUp(k.takeLost(), why)
}

// empty waits for the answers to what a client has sent. What has no answer by then
// is unknown.
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

// renew replaces a client. The next one first sends what is certainly not in the
// log, in the order in which it was sent, so that nothing newer overtakes it.
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

// takeTurns replaces a client by one that takes messages.
func (c *core) takeTurns(old *client) error {
	why := *old.refusal.Load()
	c.empty(old, why)
	lost := inOrder(old.takeLost(), nil)
	old.close() // its connections with it: what of it is in flight must not come after what is sent later
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
		// It ended too.
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

// pause waits, unless the producer is closed.
func (c *core) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-c.alive.Done():
		return false
	}
}

// inOrder is the order in which lost messages go to the next client: those that
// were sent, as they were sent, and then those that were still to be sent, which
// are in order.
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

// sendAgain gives lost messages to a client, in the order in which they were sent.
// It returns those that the client did not take, because it ended.
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
			c.count.accepted.Add(-1) // it was counted when it was accepted first
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

// install puts a new client into the place of an old one.
func (c *core) install(old, k *client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive.Err() != nil {
		c.clients = append(c.clients, k) // for Close
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

// forgetRoutes has every topic's route made again. Under mu.
func (c *core) forgetRoutes() {
	c.topics.Range(func(_, state any) bool {
		state.(*topicState).route.Store(nil)
		return true
	})
}

// replace puts a new client into the place of one in which nothing is in flight any more.
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

// waitForReplacement is asked when a client refused a message: nil means try again,
// another client is there.
func (c *core) waitForReplacement(ctx context.Context, k *client) error {
	if c.alive.Err() != nil {
		return ErrClosed
	}
	refusal := k.refusal.Load()
	if refusal == nil { // a partition that recovers: its outcomes come next
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

// reportFailure tells what nobody else would hear of: a fire-and-forget message that failed, a callback that panicked.
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

// now is the monotonic clock in nanoseconds, from an origin of no meaning.
func (c *core) now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now() //nolint:gochecknoglobals // an origin, never changed

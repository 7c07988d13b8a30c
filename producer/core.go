package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
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
	closing sync.Once
	closed  chan struct{}
	result  error // of close
}

// counters are the books. InFlight is what is left over, so that they balance at every instant.
type counters struct {
	_                           apart
	accepted                    atomic.Int64 // by publishers
	_                           apart
	delivered, notSent, unknown atomic.Int64 // by event goroutines
	_                           apart
}

// newCore starts the clients' goroutines, but waits for nothing.
func newCore(c *settings.Config, s *serde.Serializer) (*core, error) {
	if s == nil {
		return nil, &ConfigError{Setting: "serializer", Reason: "must not be nil: make one with serde.NewSerializer"}
	}
	k := &core{
		config: c, serializer: s, onFailure: lastFailureHandler(c), hooks: joinHooks(settings.Carried[Hooks](c)),
		limit: newLimiter(int64(c.MaxInFlightMessages), c.MaxInFlightBytes),
		batch: c.BatchBytes, closed: make(chan struct{}),
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
func (c *core) failed(k *client, err error) {
	c.config.Logger.Error("fatal_error", "err", err)
	switch {
	case k.tx != nil: // its owner replaces it
		c.limit.dismiss(err)
	case c.recovers(err):
		c.renew(k)
	default:
		c.fatal.CompareAndSwap(nil, &err)
		c.limit.close(err)
	}
}

// recovers says whether a client that failed is replaced.
func (c *core) recovers(err error) bool { return c.config.Recovery || errors.Is(err, errSkipped) }

// renewal is the replacement of a client.
type renewal struct {
	old  *client
	done chan struct{}
	err  error // set before done is closed
}

// renew replaces a client that failed once everything in it has its outcome: what is sent later must not overtake it.
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
		if err := old.drain(c.alive); err != nil {
			r.err = ErrClosed
			return
		}
		old.close() // its connections with it: what of it is under way must not come after what is sent later
		if _, r.err = c.replace(old, old.batch); r.err != nil {
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
	c.topics.Range(func(_, state any) bool {
		state.(*topicState).route.Store(nil)
		return true
	})
	old.refuse(errReplaced)
	c.background.Go(old.close)
	return k, nil
}

var errReplaced = errors.New("producer: the client was replaced")

// again is asked when a client refused a message: nil means try again, another client is there.
func (c *core) again(ctx context.Context, k *client) error {
	if c.alive.Err() != nil {
		return ErrClosed
	}
	why := *k.refusal.Load()
	if errors.Is(why, errReplaced) {
		return nil
	}
	if k.tx != nil || !c.recovers(why) {
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

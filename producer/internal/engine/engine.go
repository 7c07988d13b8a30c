// Package engine is one client of Kafka and the outcome of every message in it.
//
// An [Engine] bounds the messages in flight (limiter.go). [Topic.Send] chooses
// the partition's queue and gives the message to a transport (send.go). Each
// partition has a queue of its messages in flight (queue.go). A message's token
// is the number of its queue and its place in the queue. So an outcome finds
// its message whatever the order of outcomes is (outcomes.go). The outcomes of
// a turn are counted together. Callbacks run on their own goroutine
// (delivery.go), so a callback that publishes or blocks delays only other
// callbacks.
//
// After a fatal error the client is replaced (engine.go). The next client first
// sends the messages that are certainly not in the log. Publishers wait until
// then. [Transactional] runs transactions on an engine (tx*.go).
//
// The engine knows no serializer and no client library. The layer above gives
// [Callbacks]. The transport below is package transport.
package engine

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
)

// Engine publishes to Kafka and knows the outcome of every message. Engine has
// the settings, the limit of messages in flight, the counters, the delivery
// goroutine, the state of topics, and the clients. Engine is safe for
// concurrent use.
type Engine struct {
	config    *settings.Config
	callbacks Callbacks
	hooked    bool // callbacks see every message
	open      func(c *settings.Config, batch int, h transport.Handler) (transport.Client, error)
	limit     *limiter
	count     counters
	trouble   trouble
	denial    atomic.Pointer[denial]
	deliverer *deliverer
	topics    sync.Map // name → *Topic

	// alive ends when Close begins. Then the engine takes no message and the
	// background work stops.
	alive context.Context //nolint:containedctx // it is the producer's own life
	die   context.CancelFunc
	// replacing ends when Close has waited for the outcomes. Until then a
	// client that fails is replaced, also during Close, so that messages that
	// are certainly not in the log are sent again.
	replacing  context.Context //nolint:containedctx // as alive
	stop       context.CancelFunc
	background sync.WaitGroup

	mu       sync.Mutex
	batch    int                  // batch.size of the main client
	clients  []*client            // the main client, then those that slotLocked has made
	loads    map[int]int32        // partitions by the index in clients
	renewals map[*client]*renewal // of clients that are being replaced, or could not be replaced
	fatal    atomic.Pointer[error]
	// replacements counts the replacements since the last delivered message.
	replacements    atomic.Int64
	progress        progress
	lent, lentBytes atomic.Int64 // by stuck partitions, see [Engine.lend]
	held, heldBytes atomic.Int64 // by outcomes that wait for callbacks, see [deliverer.hold]
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

// Callbacks are what an engine calls in the layer above. Each function may be
// nil. The functions must be safe for concurrent use.
type Callbacks struct {
	// Accepted and Outcome see every message, by the message's HookToken.
	// Accepted runs on the publishing goroutine. Outcome runs on the delivery
	// goroutine. Both functions are set, or both are nil.
	Accepted func(token any, bytes int64)
	Outcome  func(token any, d Delivery, err error, waited, onWire time.Duration)
	// Transaction sees the steps of every transaction.
	Transaction func(ctx context.Context, e TransactionEvent)
	// Failed gets failures that no other code receives. nil: the failures are
	// logged.
	Failed func(d Delivery, err error)
	// Resume answers for a commit in doubt. It is called each time after a
	// client has taken over the transactional id, before the client writes.
	Resume func(ctx context.Context, inDoubt bool) (committed bool, err error)
}

// New starts the goroutines of an engine and does not wait for I/O.
func New(c *settings.Config, callbacks Callbacks) (*Engine, error) {
	e := &Engine{
		config: c, callbacks: callbacks, hooked: callbacks.Outcome != nil, open: open.Client,
		limit: newLimiter(int64(c.MaxInFlightMessages), c.MaxInFlightBytes),
		batch: open.BatchBytes(c), loads: map[int]int32{}, renewals: map[*client]*renewal{}, closed: make(chan struct{}),
	}
	e.trouble.engine = e
	alive, die := context.WithCancelCause(context.Background())
	e.alive, e.die = alive, func() { die(ErrClosed) }
	e.replacing, e.stop = context.WithCancel(context.Background())
	e.deliverer = newDeliverer(e)
	if _, err := e.slotLocked(e.batch); err != nil {
		e.die()
		e.stop()
		e.deliverer.deliver(nil)
		return nil, err
	}
	e.background.Go(e.refreshTopics)
	e.background.Go(e.watchProgress)
	return e, nil
}

// Err returns nil while the engine can publish. Otherwise Err returns the fatal
// error that ended the engine, wrapped in [ErrFatal], or [ErrClosed]. After a
// fatal error and Close, errors.Is finds both.
func (e *Engine) Err() error {
	fatal := e.fatal.Load()
	switch closed := e.alive.Err() != nil; {
	case closed && fatal != nil:
		return withCause(ErrClosed, *fatal)
	case closed:
		return ErrClosed
	case fatal != nil:
		return *fatal
	}
	return nil
}

// Ended reports whether Close has begun.
func (e *Engine) Ended() bool { return e.alive.Err() != nil }

// Transport returns the transport of the main client. Tests raise faults in it.
func (e *Engine) Transport() transport.Client { return e.main().transport }

// Config returns the settings.
func (e *Engine) Config() *settings.Config { return e.config }

// spawn runs f in the background and returns true. If Close has begun, spawn
// returns false. Close waits for f.
func (e *Engine) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spawnLocked(e.alive, f)
}

// spawnLocked runs f in the background unless while has ended. Under mu.
func (e *Engine) spawnLocked(while context.Context, f func()) bool {
	if while.Err() != nil {
		return false
	}
	e.background.Go(f)
	return true
}

// mostClients bounds the clients with the same batch size. Each client has its
// own connections and threads.
const mostClients = 16

// slotLocked returns the slot of a client that has a batch size and takes
// further topics, and starts a client if there is none. The slot is the index
// in clients. A client that is replaced has the slot of its predecessor. Under
// mu.
func (e *Engine) slotLocked(batch int) (int, error) {
	if e.alive.Err() != nil {
		return 0, ErrClosed
	}
	most := open.MostPartitions(e.config)
	same, least := 0, -1
	for slot, k := range e.clients {
		if k.batch != batch {
			continue
		}
		if most == 0 || e.loads[slot] < most {
			return slot, nil
		}
		if same++; least < 0 || e.loads[slot] < e.loads[least] {
			least = slot
		}
	}
	if same >= mostClients {
		return least, nil
	}
	k, err := newClient(e, batch)
	if err != nil {
		return 0, err
	}
	e.clients = append(e.clients, k)
	return len(e.clients) - 1, nil
}

// main returns the client for look-ups.
func (e *Engine) main() *client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clients[0]
}

// clientFailed handles a fatal error of a client. Any goroutine may call
// clientFailed.
func (e *Engine) clientFailed(k *client, cause *transport.Error, err error) {
	switch {
	case k.tx != nil: // Transactional replaces the client
		e.config.Logger.Info("client_failed", "err", err)
		e.limit.dismiss(err)
	case e.recovers(cause):
		e.config.Logger.Warn("client_failed", "err", err)
		if isDenied(cause) {
			e.denial.Store(&denial{err, time.Now().Add(max(stuckAfter, 2*e.config.RetryBackoffMax))})
		}
		e.renew(k)
	default:
		e.config.Logger.Error("fatal_error", "err", err)
		e.fatal.CompareAndSwap(nil, &err)
		e.limit.close(err)
		e.spawn(func() { e.endClient(k, err) })
	}
}

// recovers reports whether a failed client is replaced.
func (e *Engine) recovers(cause *transport.Error) bool {
	switch cause.Code {
	case transport.Fenced, invalidProducerEpoch, transport.TransactionalIDAuthorizationFailed, producerFenced:
		return false
	}
	return e.config.Recovery
}

// isDenied reports whether the principal may not publish. The messages of the
// client are not sent. The next client publishes if the permission is granted
// by then.
func isDenied(err error) bool { return codeOf(err) == transport.ClusterAuthorizationFailed }

// denial is the last refusal of a client whose principal may not publish. The
// producer is not ready until a message is delivered, or for some time. A
// client of franz is refused only when it publishes, so without messages
// nothing shows that the permission is granted.
type denial struct {
	err   error
	until time.Time
}

// deniedError returns the error of the last denial, or nil.
func (e *Engine) deniedError() error {
	if d := e.denial.Load(); d != nil && time.Now().Before(d.until) {
		return d.err
	}
	return nil
}

// endClient gives every message of a client its outcome. The client is not
// replaced.
func (e *Engine) endClient(k *client, why error) {
	e.emptyClient(k, why)
	k.giveUp(k.takeLost(), why)
}

// emptyClient waits for the answers to sent requests. A message without an
// answer becomes unknown.
func (e *Engine) emptyClient(k *client, why error) {
	ctx, cancel := context.WithTimeout(e.replacing, answerGrace)
	defer cancel()
	if k.drain(ctx) != nil && e.replacing.Err() == nil {
		k.abandon(why)
	}
}

// renewal is the replacement of a client.
type renewal struct {
	done chan struct{}
	err  error // set before done is closed
}

// renew replaces a client. The new client first sends the messages that are
// certainly not in the log, in their old order. So no newer message overtakes
// them.
func (e *Engine) renew(old *client) *renewal {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.renewLocked(old)
}

// renewLocked is renew under mu. A client that is not installed is not replaced
// here: either the client has a successor already, or startSuccessor is still
// sending messages again to the client and sees its end.
func (e *Engine) renewLocked(old *client) *renewal {
	if r := e.renewals[old]; r != nil {
		return r
	}
	r := &renewal{done: make(chan struct{})}
	if !slices.Contains(e.clients, old) {
		close(r.done)
		return r
	}
	e.renewals[old] = r
	begun := e.spawnLocked(e.replacing, func() {
		defer close(r.done)
		if r.err = e.startSuccessor(old); r.err != nil && e.replacing.Err() == nil {
			e.fatal.CompareAndSwap(nil, &r.err)
			e.limit.close(r.err)
		}
	})
	if !begun {
		r.err = ErrClosed
		close(r.done)
	}
	return r
}

// startSuccessor starts new clients until a client has taken the lost messages
// of the old client, and installs this client.
func (e *Engine) startSuccessor(old *client) error {
	why := *old.refusal.Load()
	e.emptyClient(old, why)
	lost := inOrder(old.takeLost(), nil)
	batch, lost := e.lowerBatch(old, old.batch, lost)
	if !e.closeForNext(old) {
		old.giveUp(lost, ErrClosed)
		return ErrClosed
	}
	for failures := e.replacements.Add(1); ; failures = e.replacements.Add(1) {
		if failures > 1 && !e.pause(min(e.config.RetryBackoff<<min(failures-2, 10), e.config.RetryBackoffMax)) {
			old.giveUp(lost, ErrClosed)
			return ErrClosed
		}
		k, err := newClient(e, batch)
		if err != nil {
			// For example, the process has no file descriptor left. The
			// settings are not the reason, because they have made a client
			// before.
			e.trouble.noteNoClient(err)
			continue
		}
		if lost = e.sendAgain(k, lost); lost == nil {
			return e.install(old, k)
		}
		// The new client ended too.
		e.emptyClient(k, *k.refusal.Load())
		lost = inOrder(k.takeLost(), lost)
		batch, lost = e.lowerBatch(k, batch, lost)
		if !e.closeForNext(k) {
			old.giveUp(lost, ErrClosed)
			return ErrClosed
		}
		if fatal := k.fatal.Load(); fatal != nil {
			var cause *transport.Error
			if errors.As(*fatal, &cause) && !e.recovers(cause) {
				old.giveUp(lost, *fatal)
				return *fatal
			}
		}
	}
}

// closeForNext closes a client before the next client starts, because requests
// in flight must not arrive after later ones. closeForNext returns false if no
// client may be replaced any more. Then closeForNext does not wait for the
// threads of the client, which may be connecting or asking for a token.
func (e *Engine) closeForNext(k *client) bool {
	closed := make(chan struct{})
	e.background.Go(func() {
		defer close(closed)
		k.close()
	})
	select {
	case <-closed:
	case <-e.replacing.Done():
	}
	return e.replacing.Err() == nil
}

// lowerBatch returns the batch.size of the client that follows k, and the lost
// messages that fit. batch.size falls if brokers refused a batch because
// somebody lowered max.message.bytes of its topic while the client was running.
// A message above the new limit is not sent. If the brokers do not tell the
// limit, batch.size is halved, but not below the largest message, because a
// message must fit into a batch. If batch.size cannot fall, a record is the
// reason.
func (e *Engine) lowerBatch(k *client, batch int, lost []lostMessage) (int, []lostMessage) {
	limits := map[string]int64{}
	lower, largest := batch, int64(0)
	for i := range lost {
		m := &lost[i]
		if !tooLarge(m.why) {
			continue
		}
		largest = max(largest, m.entry.bytes)
		if _, asked := limits[m.topic]; !asked {
			limits[m.topic] = k.rules(e.replacing, m.topic).maxMessageBytes
		}
	}
	for _, limit := range limits {
		if limit == 0 { // not known
			limit = max(int64(batch/2), 2*largest+transport.BatchOverhead)
		}
		lower = min(lower, int(limit))
	}
	if lower < batch {
		e.config.Logger.Warn("batch_size_lowered", "from", batch, "to", lower)
	}
	fit := lost[:0]
	for i := range lost {
		m := &lost[i]
		if limit := limits[m.topic]; limit > 0 && m.entry.bytes > limit {
			k.giveUp(lost[i:i+1], &TooLargeError{m.entry.bytes, limit, "max.message.bytes of topic " + m.topic})
			continue
		}
		if lower == batch && tooLarge(m.why) {
			m.entry.suspect, m.entry.refused = true, true
		}
		m.why = 0 // the next client may end for another reason
		fit = append(fit, *m)
	}
	return lower, fit
}

// pause waits for d. pause returns false if no client may be replaced any more.
func (e *Engine) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-e.replacing.Done():
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
func (e *Engine) sendAgain(k *client, lost []lostMessage) []lostMessage {
	if len(lost) > 0 {
		e.config.Logger.Info("messages_sent_again", "messages", len(lost))
	}
	for len(lost) > 0 {
		n := nextGroup(lost)
		for i := range lost[:n] {
			if !e.resend(k, &lost[i]) {
				return lost[i:]
			}
		}
		if lost[0].entry.suspect {
			ctx, cancel := context.WithTimeout(e.replacing, answerGrace)
			_ = k.drain(ctx)
			cancel()
		}
		lost = lost[n:]
	}
	if k.refusal.Load() != nil {
		return []lostMessage{}
	}
	return nil
}

// resend gives a lost message to a client. resend returns false if the client
// has ended.
func (e *Engine) resend(k *client, m *lostMessage) bool {
	m.entry.resends++
	q := k.topicQueues(m.topic, m.partition+1)[m.partition]
	err := k.produce(q, m.message, &m.entry)
	for k.recovering(err) && e.pause(time.Millisecond) {
		err = k.produce(q, m.message, &m.entry)
	}
	if err == nil {
		e.count.accepted.Add(-1) // already counted at the first acceptance
		return true
	}
	if _, refused := err.(refusedError); refused { //nolint:errorlint // ours, never wrapped
		return false
	}
	k.giveUp([]lostMessage{*m}, err)
	return true
}

// nextGroup returns how many of the lost messages are sent before the next wait
// for their outcomes. Messages that nobody suspects need no wait. If a broker
// refused a batch and named no record, the batch is sent again in halves. A
// refused half is halved again, until the refused record is alone.
func nextGroup(lost []lostMessage) int {
	first, n := &lost[0], 1
	alike := func(m *lostMessage) bool {
		return m.topic == first.topic && m.partition == first.partition && m.entry.refused == first.entry.refused && m.entry.group == first.entry.group
	}
	for n < len(lost) && lost[n].entry.suspect == first.entry.suspect && (!first.entry.suspect || alike(&lost[n])) {
		n++
	}
	if !first.entry.suspect {
		return n
	}
	size := int(first.entry.group) // not refused since: the client ended before
	switch {
	case size == 0:
		size = (n + 1) / 2
	case first.entry.refused:
		size = (size + 1) / 2
	}
	n = min(n, size)
	for i := range lost[:n] {
		lost[i].entry.refused, lost[i].entry.group = false, uint32(n)
	}
	return n
}

// install replaces an old client with a new client.
func (e *Engine) install(old, k *client) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.replacing.Err() != nil {
		e.clients = append(e.clients, k) // Close ends the client
		return ErrClosed
	}
	e.putInPlace(old, k)
	if k.refusal.Load() != nil && e.fatal.Load() == nil { // k ended after sendAgain
		e.renewLocked(k)
	}
	return nil
}

// putInPlace puts k in the place of old. Under mu.
func (e *Engine) putInPlace(old, k *client) {
	e.clients[slices.Index(e.clients, old)] = k
	delete(e.renewals, old)
	e.forgetRoutes()
}

// forgetRoutes makes every topic look up its route again. Under mu.
func (e *Engine) forgetRoutes() {
	e.topics.Range(func(_, state any) bool {
		state.(*Topic).route.Store(nil)
		return true
	})
}

// replace starts a new client in the place of an old client. The old client has
// nothing in flight.
func (e *Engine) replace(old *client, batch int) (*client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.alive.Err() != nil {
		return nil, ErrClosed
	}
	if !slices.Contains(e.clients, old) {
		return e.clients[0], nil // replaced already
	}
	k, err := newClient(e, batch)
	if err != nil {
		e.trouble.noteNoClient(err)
		return nil, err
	}
	e.putInPlace(old, k)
	old.refuse(errReplaced)
	e.background.Go(old.close)
	return k, nil
}

var errReplaced = errors.New("producer: the client was replaced")

// waitForReplacement waits after a client refused a message. If
// waitForReplacement returns nil, the caller tries again with another client.
func (e *Engine) waitForReplacement(ctx context.Context, k *client) error {
	if e.alive.Err() != nil {
		return ErrClosed
	}
	why := *k.refusal.Load()
	if errors.Is(why, errReplaced) {
		return nil
	}
	if fatal := e.fatal.Load(); fatal != nil {
		return *fatal
	}
	if k.tx != nil {
		return why
	}
	r := e.renew(k)
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("%w while the client was being replaced after: %w", ContextError(ctx), why)
	}
}

// ReportFailure reports a failure that no other code receives: a failed message
// without a callback, or a panic in a callback.
func (e *Engine) ReportFailure(d Delivery, err error) {
	if f := e.callbacks.Failed; f != nil {
		defer func() {
			if v := recover(); v != nil {
				e.config.Logger.Error("failure_handler_panicked", "panic", fmt.Sprint(v))
			}
		}()
		f(d, err)
		return
	}
	e.config.Logger.Error("message_failed", "topic", d.Topic, "partition", d.Partition, "err", err)
}

// now is the monotonic clock in nanoseconds since an arbitrary origin.
func (e *Engine) now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now() //nolint:gochecknoglobals // an origin, never changed

//go:build cgo

package confluent

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// client is a producing client of librdkafka.
type client struct {
	config  *settings.Config
	handler transport.Handler
	kafka   *kafka.Producer
	hub     hub // zero without the plugin
	plugin  bool

	// gated says that messages of a partition wait for the first message. See
	// the package comment.
	gated        bool
	grouped      bool // busy partitions have groups
	acknowledged bool // true if brokers answer, so if acks is not 0
	batchLines   bool // the user wants the lines about batches in the log

	mu     sync.Mutex
	topics map[string]*topic

	refusal atomic.Pointer[transport.Error] // the error that Produce returns after the client has stopped
	failing sync.Once                       // the client ends once
	ended   atomic.Pointer[transport.Error] // why the client has ended
	told    sync.Once                       // Fatal is called once
	closing sync.Once
	handed  atomic.Uint64 // number of the library's outcomes that the handler has
	awaited atomic.Int32  // calls of waitForHandler
	more    chan struct{} // capacity 1; the handler has more outcomes
	plain   plainState

	gates  gates
	groups groups
	flush  flush
	stalls stalls
	calls  openCalls // calls into the library, except Produce

	brokers    transport.Brokers
	states     map[string]string // the library's state of each broker; only serve uses it
	statistics chan string       // JSON documents of the library

	loginRefused chan struct{} // capacity 1

	alive      context.Context //nolint:containedctx // the lifetime of the client
	die        context.CancelFunc
	background sync.WaitGroup
	served     chan struct{} // closed after the last outcome
}

var _ transport.Client = (*client)(nil)

// Open makes a client and does not wait for the network. batchBytes limits the
// size of a batch. The limit overrides the settings in c.
func Open(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	k, err := open(c, batchBytes, h, true)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// open makes a client. If plugin is true, open tries the plugin first.
func open(c *settings.Config, batchBytes int, h transport.Handler, plugin bool) (*client, error) {
	k := &client{
		config: c, handler: h, topics: map[string]*topic{}, gated: !c.WeakAcks,
		acknowledged: !c.WeakAcks || c.Acks != settings.AcksNone, served: make(chan struct{}),
		states: map[string]string{}, statistics: make(chan string, 1), flush: flush{wake: make(chan struct{}, 1)}, more: make(chan struct{}, 1),
		loginRefused: make(chan struct{}, 1),
	}
	k.gates.first = map[transport.Token]*partition{}
	k.alive, k.die = context.WithCancel(context.Background())
	m := kafka.ConfigMap{}
	for key, value := range c.ProducerMap() {
		m[key] = value
	}
	m["batch.size"] = batchBytes
	m["go.events.channel.size"] = 1000
	guarded := c.Guarded()
	if k.gated {
		m["debug"] = join(c.Passed["debug"], guardDebug)
	}
	asked := strings.Split(c.Passed["debug"], ",")
	k.batchLines = slices.Contains(asked, batchDebug) || slices.Contains(asked, "all")
	if guarded {
		// A refused batch leaves a gap in the sequence numbers. The library
		// would raise its epoch and could then write other batches twice. A
		// fatal error is better, because the next client can send the messages
		// that are not in the log. Messages that may expire often make such
		// gaps, so with a delivery timeout the setting is off.
		m["enable.gapless.guarantee"] = c.DeliveryTimeout == 0
	}
	err := errNoPlugin
	if plugin {
		k.kafka, k.hub, err = newPluginClient(m, true, guarded, c.LogLevel())
		k.plugin = err == nil
	}
	if err == errNoPlugin { //nolint:errorlint // ours, never wrapped
		if plugin {
			c.Logger.Warn("client_without_plugin", "reason", err)
		}
		lines := make(chan kafka.LogEvent, 1000)
		m["go.logs.channel"] = lines
		m["go.events.channel.size"] = 8192
		if k.kafka, err = kafka.NewProducer(&m); err == nil {
			go k.forwardLines(lines)
		}
	}
	if err != nil {
		return nil, c.ExplainClient(err)
	}
	k.grouped = k.plugin && c.Linger >= groupEvery && c.TransactionalID == ""
	if k.plugin {
		go k.serve()
		k.background.Go(k.serveEvents)
		k.background.Go(k.runFlushes)
	} else {
		go k.servePlain()
	}
	k.background.Go(k.readStatistics)
	k.background.Go(func() { KeepToken(k.alive, c, k.kafka, k.calls.holdUntil, h.Trouble, k.loginRefused) })
	if k.gated && c.TransactionalID == "" {
		k.background.Go(k.requestProducerID)
	}
	return k, nil
}

// requestProducerID gets the producer id without the library's pauses. The
// library asks for the id if a metadata answer comes over a connection that is
// up. Otherwise a timer of 500 ms asks for the id. The first answer comes over
// the connection to the bootstrap address, and the library then drops this
// connection. Therefore requestProducerID also asks a node of the cluster.
func (c *client) requestProducerID() {
	for pause := 2 * time.Millisecond; pause < time.Second; pause *= 2 {
		if !c.calls.hold() {
			return
		}
		m, err := c.kafka.GetMetadata(nil, false, 500)
		c.calls.release()
		if err == nil && m.OriginatingBroker.ID >= 0 {
			return
		}
		select {
		case <-time.After(pause):
		case <-c.alive.Done():
			return
		}
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "," + b
}

// outcomesAtOnce is the maximum number of outcomes per call of the handler. The
// library often reports thousands of messages at once, and smaller groups stay
// in the processor's cache.
const outcomesAtOnce = 256

// serve forwards the library's reports until the hub is closed.
func (c *client) serve() {
	defer close(c.served)
	var list [outcomesAtOnce]transport.Outcome
	for {
		outcomes, lines, more := c.hub.wait()
		for len(outcomes) > 0 {
			batch := list[:min(len(outcomes), outcomesAtOnce)]
			failed := false
			for i := range batch {
				failed = c.outcome(&outcomes[i], &batch[i]) || failed
			}
			outcomes = outcomes[len(batch):]
			if failed {
				c.checkFatal(batch)
			}
			c.report(batch)
			c.wakeWaiters()
			if failed {
				clear(batch)
			}
		}
		for i := range lines {
			c.logLine(&lines[i])
		}
		if !more {
			return
		}
	}
}

// report gives outcomes to the handler and opens the gates that waited for
// them.
func (c *client) report(batch []transport.Outcome) {
	c.handler.Outcomes(batch)
	c.handed.Add(uint64(len(batch)))
	if c.gates.waiting.Load() > 0 {
		for i := range batch {
			c.openGate(&batch[i])
		}
	}
}

// serveEvents handles all events of the Go client except outcomes. serveEvents
// must always be ready, because otherwise the client stops.
func (c *client) serveEvents() {
	for event := range c.kafka.Events() {
		c.event(event)
	}
}

func (c *client) event(event kafka.Event) {
	switch event := event.(type) {
	case kafka.Error:
		if event.IsFatal() {
			c.fail(event)
		} else {
			trouble := convert(event)
			NoteRefusal(c.loginRefused, trouble)
			c.handler.Trouble(trouble)
		}
	case *kafka.Stats:
		select {
		case c.statistics <- event.String():
		default: // the reader is busy with an earlier document
		}
	}
}

// fail ends the client. The client takes no new messages. The library gives up
// every message that is not sent, and waits for the answers to all sent
// messages.
func (c *client) fail(cause error) {
	c.failing.Do(func() {
		err := fatal(c.fatalCause(cause))
		c.ended.Store(err)
		c.refuse(err)
		c.background.Go(func() {
			c.tellFatal(err)
			c.dropHeld(err)
			c.purgeLate()
		})
	})
}

func (c *client) tellFatal(err *transport.Error) { c.told.Do(func() { c.handler.Fatal(err) }) }

// fatal converts an error that ends the client. The guard causes such errors by
// a test function of the library, whose name is no news.
func fatal(cause error) *transport.Error {
	err := *convert(cause)
	err.Fatal, err.Text = true, strings.TrimPrefix(err.Text, "test_fatal_error: ")
	return &err
}

// purgeLate gives up the messages that the library took during a fatal error.
// The client must already refuse new messages. The race is in the library:
//
//  1. A publisher is inside rd_kafka_produce and sees no fatal error.
//  2. Another thread sets the fatal error and purges all queues.
//  3. The publisher's message enters a queue. The library never sends it and
//     never reports it.
//
// A message whose answer asks for another attempt enters a queue too. So
// purgeLate purges again and again until the client is closed.
func (c *client) purgeLate() {
	c.mu.Lock()
	topics := slices.Collect(maps.Values(c.topics))
	c.mu.Unlock()
	for _, t := range topics {
		t.waitForPublishers()
	}
	again := time.NewTicker(purgeEvery)
	defer again.Stop()
	for c.calls.hold() {
		_ = c.kafka.Purge(kafka.PurgeQueue | kafka.PurgeNonBlocking)
		c.calls.release()
		select {
		case <-again.C:
		case <-c.alive.Done():
			return
		}
	}
}

// purgeEvery is the time between two purges after a fatal error.
const purgeEvery = 100 * time.Millisecond

// checkFatal looks for a fatal error of the library in the outcomes, because
// the outcomes may come before the event with the reason. The handler gets the
// reason before the outcomes.
func (c *client) checkFatal(outcomes []transport.Outcome) {
	if err := c.ended.Load(); err != nil {
		c.tellFatal(err)
		return
	}
	if c.refusal.Load() != nil {
		return
	}
	for i := range outcomes {
		if err, ok := outcomes[i].Err.(*transport.Error); ok && err.Code == transport.Purged { //nolint:errorlint // made by us
			if c.calls.hold() {
				cause := c.kafka.GetFatalError()
				c.calls.release()
				if cause != nil {
					c.fail(cause)
					c.tellFatal(c.ended.Load())
				}
			}
			return
		}
	}
}

// fatalCause asks the library for the error behind "a fatal error".
func (c *client) fatalCause(err error) error {
	if c.calls.hold() {
		defer c.calls.release()
		if cause := c.kafka.GetFatalError(); cause != nil {
			return cause
		}
	}
	return err
}

// refuse makes Produce fail from now on. The first reason stays.
func (c *client) refuse(err *transport.Error) { c.refusal.CompareAndSwap(nil, err) }

// TestFatalError makes the library fail. Tests of the engine call it.
func (c *client) TestFatalError(reason string) {
	if c.calls.hold() {
		defer c.calls.release()
		c.kafka.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, reason)
	}
}

// Purge implements [transport.Client].
func (c *client) Purge() {
	err := &transport.Error{Code: transport.Purged, Text: "the client was told to give up what is not delivered"}
	c.refuse(err)
	c.dropHeld(err)
	if !c.calls.hold() {
		return
	}
	defer c.calls.release()
	_ = c.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight | kafka.PurgeNonBlocking)
}

// Close implements [transport.Client].
func (c *client) Close() {
	c.closing.Do(func() {
		closed := &transport.Error{Code: transport.Closed, Text: "the client is closed"}
		c.refuse(closed)
		c.dropHeld(closed)
		c.Purge()
		c.plain.drain()
		c.die()
		c.calls.lastUse()
		c.mu.Lock()
		for _, t := range c.topics {
			t.free()
		}
		c.mu.Unlock()
		c.kafka.Close()
		c.background.Wait()
		if c.plugin {
			c.hub.close()
		}
		<-c.served
		if c.plugin {
			c.hub.free()
		}
	})
}

// waitForHandler waits until the handler has every outcome that the library has
// reported. all says that the library has reported all outcomes.
func (c *client) waitForHandler(all bool) {
	open := func() bool { return c.plain.inFlight.Load() > 0 && (all || len(c.kafka.Events()) > 0) }
	if c.plugin {
		added := c.hub.added()
		open = func() bool { return c.handed.Load() < added }
	}
	c.awaited.Add(1) // before the first look, so that no wake is lost
	defer c.awaited.Add(-1)
	for open() {
		select {
		case <-c.served:
			return
		case <-c.more:
		case <-time.After(time.Millisecond): // another caller may have taken the wake
		}
	}
}

// wakeWaiters wakes a call of waitForHandler.
func (c *client) wakeWaiters() {
	if c.awaited.Load() > 0 {
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

// openCalls prevents the destruction of the library's client during calls. The
// zero value is ready.
type openCalls struct {
	mu     sync.Mutex
	over   bool
	inside sync.WaitGroup
}

// hold keeps the library's client until release. hold returns false if the
// client is already gone.
func (u *openCalls) hold() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return false
	}
	u.inside.Add(1)
	return true
}

func (u *openCalls) release() { u.inside.Done() }

// holdUntil is hold, and also returns release.
func (u *openCalls) holdUntil() (release func(), ok bool) { return u.release, u.hold() }

// lastUse refuses new calls and waits for the running calls.
func (u *openCalls) lastUse() {
	u.mu.Lock()
	u.over = true
	u.mu.Unlock()
	u.inside.Wait()
}

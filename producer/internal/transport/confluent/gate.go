//go:build cgo

package confluent

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// gateState says whether a partition's messages go to the library.
type gateState uint8

const (
	gateShut    gateState = iota // the next message is the first message
	gateWaiting                  // the library has the first message
	gateOpen                     // the broker has acknowledged the first message
)

// held is a message that waits in a gate.
type held struct {
	message *transport.Message
	token   transport.Token
	since   time.Time
}

// expired reports whether a message has waited longer than the delivery
// timeout. The library counts only from the moment when it gets the message.
func (h *held) expired(after time.Duration) bool { return after > 0 && time.Since(h.since) >= after }

var errExpired = &transport.Error{Code: transport.TimedOut, Text: "the message waited longer than delivery.timeout.ms"}

// gates holds the partitions that wait for their first message.
type gates struct {
	refused atomic.Int64 // when a broker last refused a request, in Unix nanoseconds
	waiting atomic.Int64 // len(first)
	held    atomic.Int64 // messages in gates
	mu      sync.Mutex
	first   map[transport.Token]*partition
}

func (g *gates) add(token transport.Token, p *partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first[token] = p
	g.waiting.Store(int64(len(g.first)))
}

func (g *gates) remove(token transport.Token) *partition {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.first[token]
	delete(g.first, token)
	if p != nil && len(g.first) == 0 { // a map keeps the memory of all its former entries
		g.first = map[transport.Token]*partition{}
	}
	g.waiting.Store(int64(len(g.first)))
	return p
}

// wait gives the first message to the library and holds later messages. The
// caller holds mu.
func (p *partition) wait(m *transport.Message, token transport.Token) error {
	c := p.topic.client
	if p.state == gateShut {
		return p.giveFirst(m, token)
	}
	p.held = append(p.held, held{clone(m), token, time.Now()})
	c.gates.held.Add(1)
	return nil
}

// giveFirst gives the first message to the library. Later messages wait for its
// outcome. The caller holds mu.
func (p *partition) giveFirst(m *transport.Message, token transport.Token) error {
	g := &p.topic.client.gates
	g.add(token, p) // add first, because the outcome may come before give returns
	if err := p.give(m, token); err != nil {
		g.remove(token)
		return err
	}
	p.state = gateWaiting
	return nil
}

const (
	// firstWindow is the number of messages in the first window of a partition,
	// at the start of a client and again after the broker has refused a
	// request. The window follows the first message. As long as more messages
	// wait, each next window is larger: twice as large after a refusal, and
	// eight times as large at a start.
	// Without windows, one request would have everything that comes until the
	// broker takes messages. If the client then ended, the outcome of all these
	// messages would be unknown.
	firstWindow = 32
	// windowsFor is the time for which a partition keeps to windows after a
	// refusal. Leaders often move several times, for example while a cluster
	// restarts.
	windowsFor = 5 * time.Second
	// mostLinger is the longest linger.ms with windows. A window waits for the
	// linger, so many windows would take long. And a batch has the messages of
	// a whole linger in any case.
	mostLinger = 10 * time.Millisecond
)

// newWindow returns the first window of a partition, or 0 if the client has no
// windows. A transaction aborts if the client ends, so its outcome is known.
func (c *client) newWindow() int32 {
	if !c.gated || c.config.TransactionalID != "" || c.config.Linger > mostLinger {
		return 0
	}
	return firstWindow
}

// narrow shuts the gate of a partition, because the broker has refused a
// request, and begins with a small window.
func (c *client) narrow(key topicPartition) {
	if !c.gated || c.config.TransactionalID != "" {
		return
	}
	c.gates.refused.Store(time.Now().UnixNano())
	c.mu.Lock()
	t := c.topics[key.topic]
	c.mu.Unlock()
	if t == nil {
		return
	}
	if all := *t.partitions.Load(); int(key.partition) < len(all) && all[key.partition] != nil {
		p := all[key.partition]
		p.mu.Lock()
		if p.state == gateOpen {
			p.state = gateShut
		}
		p.window = c.newWindow()
		p.mu.Unlock()
	}
}

// openGate opens the gate that waited for this outcome, if there is such a
// gate. If the gate has a window and more messages wait, the last message of
// the window shuts the gate again.
func (c *client) openGate(o *transport.Outcome) {
	p := c.gates.remove(o.Token)
	if p == nil {
		return
	}
	p.mu.Lock()
	list := p.held
	p.held, p.state = nil, gateShut
	var failed []transport.Outcome
	last := -1 // of the window
	if o.Err == nil || transport.Desynchronized == codeOfOutcome(o) {
		last = p.open(len(list))
	}
	for i, h := range list {
		if i == last {
			p.state = gateShut
		}
		var err error
		switch refusal := c.refusal.Load(); {
		case refusal != nil:
			err = refusal
		case h.expired(c.config.DeliveryTimeout):
			err = errExpired
		case p.state == gateOpen:
			err = p.give(h.message, h.token)
		default: // this message is the first message now
			err = p.giveFirst(h.message, h.token)
		}
		if err != nil {
			failed = append(failed, notGiven(p, h, err))
		} else if p.state == gateWaiting {
			p.held = list[i+1:]
			break
		}
	}
	c.gates.held.Add(int64(len(p.held) - len(list)))
	p.mu.Unlock()
	if len(failed) > 0 {
		c.handler.Outcomes(failed)
	}
}

// open opens the gate of a partition whose first message is acknowledged. last
// is the index of the waiting message at which the gate shuts again, or -1. The
// caller holds mu.
func (p *partition) open(waiting int) (last int) {
	recent := time.Since(time.Unix(0, p.topic.client.gates.refused.Load())) < windowsFor
	p.state = gateOpen
	switch most := int(p.window); {
	case most > 0 && waiting > most:
		if p.window *= 2; !recent { // a start
			p.window *= 4
		}
		return most - 1
	case most == 0 || !recent:
		p.window = 0
		return -1
	case waiting == 0: // the next message is a window of its own
		p.state = gateShut
	}
	p.window = max(firstWindow, p.window/2)
	return waiting - 1
}

// codeOfOutcome returns the code of an outcome that the library reports as
// success. Such an outcome opens the gate, because the broker knows the
// producer id.
func codeOfOutcome(o *transport.Outcome) transport.Code {
	if err, ok := o.Err.(*transport.Error); ok && err.Err == nil { //nolint:errorlint // ours, never wrapped
		return err.Code
	}
	return 0
}

// dropHeld gives up the messages in gates and groups. The client must already
// refuse new messages.
func (c *client) dropHeld(why *transport.Error) {
	c.mu.Lock()
	var partitions []*partition
	for _, t := range c.topics {
		partitions = append(partitions, *t.partitions.Load()...)
	}
	c.mu.Unlock()
	var failed []transport.Outcome
	purged := &transport.Error{Code: transport.Purged, Text: why.Text, Err: why}
	for _, p := range partitions {
		if p == nil {
			continue
		}
		p.mu.Lock()
		if p.group != nil {
			failed = append(failed, p.group.dropped(p, purged)...)
			p.group.free()
			p.group = nil
		}
		for _, h := range p.held {
			failed = append(failed, notGiven(p, h, purged))
		}
		c.gates.held.Add(-int64(len(p.held)))
		p.held = nil
		p.mu.Unlock()
	}
	if len(failed) > 0 {
		c.handler.Outcomes(failed)
	}
}

// notGiven is the outcome of a message that the library never got.
func notGiven(p *partition, h held, err error) transport.Outcome {
	o := transport.Outcome{
		Token: h.token, Partition: p.number, Offset: -1, Timestamp: h.message.Timestamp,
		Persistence: transport.NotPersisted, Err: err, Message: h.message,
	}
	switch e := convert(err); {
	case e.Fatal: // the client ended, whatever the message is
		o.Err = &transport.Error{Code: transport.Purged, Text: e.Text, Err: e}
	case e.Code.OfBroker() || e.Code == transport.Invalid: // the message itself is wrong
		o.Guilty = true
	}
	return o
}

// clone copies a message, because the caller reuses its memory.
func clone(m *transport.Message) *transport.Message {
	size := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		size += len(m.Headers[i].Value)
	}
	memory := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		memory = append(memory, b...)
		return memory[len(memory)-len(b) : len(memory) : len(memory)]
	}
	out := &transport.Message{Key: keep(m.Key), Value: keep(m.Value), Timestamp: m.Timestamp, HasTimestamp: m.HasTimestamp}
	if !out.HasTimestamp {
		out.Timestamp, out.HasTimestamp = time.Now().UnixMilli(), true
	}
	for i := range m.Headers {
		h := &m.Headers[i]
		out.Headers = append(out.Headers, transport.Header{Key: strings.Clone(h.Key), Value: keep(h.Value)})
	}
	return out
}

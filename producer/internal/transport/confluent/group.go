//go:build cgo

package confluent

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// group holds messages of a busy partition. The library gets them in one call,
// because the call into C, the library's locks and the library's two readings
// of the clock take longer than the copy of a small message.
//
// A partition is busy if it has got groupAfter messages within a millisecond,
// so a message of a quiet partition never waits. A message waits until the
// group is full or the millisecond ends. Without a linger of a millisecond or
// more, no message waits. Transactions have no groups either, because their
// commit follows the last message at once.
//
// The library gives the messages of a group the time of the call. It takes
// neither headers nor timestamps in such a call, so messages with these are
// given alone.
type group struct {
	data    []byte // the keys and values, one after the other
	entries []groupEntry
}

const (
	groupEvery = time.Millisecond
	groupAfter = 16
	groupBytes = 16 << 10 // the size at which a group is full
)

// groups are the groups of a client.
type groups struct {
	millis  atomic.Uint32 // counts the milliseconds of busy partitions
	running atomic.Bool   // a timer ends the present millisecond

	mu   sync.Mutex
	list []*partition // with a group
}

// join puts a message into the partition's group. join returns false if the
// message must be given alone, after the group. The caller holds mu.
func (p *partition) join(m *transport.Message, token transport.Token) bool {
	c := p.topic.client
	size := len(m.Key) + len(m.Value)
	if !c.grouped || !p.busy() || m.HasTimestamp || len(m.Headers) > 0 || size >= groupBytes {
		return false
	}
	if p.group == nil {
		p.group = groupPool.Get().(*group)
		if !p.listed {
			p.listed = true
			c.groups.add(p)
		}
	}
	b := p.group
	b.entries = append(b.entries, newGroupEntry(m, token))
	b.data = append(append(b.data, m.Key...), m.Value...)
	if len(b.entries) == groupMost || len(b.data) >= groupBytes {
		p.giveGroup()
	}
	return true
}

// busy counts a message, and reports whether the partition is busy. The caller
// holds mu.
func (p *partition) busy() bool {
	g := &p.topic.client.groups
	if now := g.millis.Load(); p.millis != now {
		p.millis, p.burst = now, 0
	}
	if p.burst < groupAfter {
		p.burst++
		return false
	}
	if !g.running.Load() {
		// No timer has counted the time since the first of these messages.
		if g.running.CompareAndSwap(false, true) {
			time.AfterFunc(groupEvery, p.topic.client.endMillisecond)
		}
		return false
	}
	return true
}

var groupPool = sync.Pool{New: func() any { return new(group) }} //nolint:gochecknoglobals // a pool of buffers

func (g *groups) add(p *partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, p)
}

// endMillisecond gives every group to the library.
func (c *client) endMillisecond() {
	g := &c.groups
	g.running.Store(false)
	g.millis.Add(1)
	g.mu.Lock()
	list := g.list
	g.list = nil
	g.mu.Unlock()
	for _, p := range list {
		p.mu.Lock()
		p.listed = false
		if c.refusal.Load() == nil { // otherwise dropHeld gives up the group
			p.giveGroup()
		}
		p.mu.Unlock()
	}
}

// giveGroup gives the partition's group to the library. The caller holds mu.
//
// If the library refuses a message, the outcome says so. Another goroutine
// reports it, because the engine may wait for this publisher.
func (p *partition) giveGroup() {
	b := p.group
	if b == nil {
		return
	}
	p.group = nil
	if p.topic.handle.produceGroup(p.number, b) > 0 {
		c := p.topic.client
		failed, fatal := b.refused(p)
		if fatal != nil {
			c.fail(fatal)
		}
		c.background.Go(func() { c.handler.Outcomes(failed) })
	}
	b.free()
}

// refused returns the outcomes of the messages that the library refused, and
// the error that ended the client, or nil. If the client goes on, the messages
// are not sent again, because later messages may have reached the library.
func (b *group) refused(p *partition) (failed []transport.Outcome, fatal *transport.Error) {
	b.each(func(m *transport.Message, token transport.Token, code kafka.ErrorCode) {
		if code == kafka.ErrNoError {
			return
		}
		err := failure(code)
		o := notGiven(p, held{message: clone(m), token: token}, err)
		if err.Fatal {
			fatal = err
		} else {
			o.Guilty = true
		}
		failed = append(failed, o)
	})
	return failed, fatal
}

// dropped returns the outcomes of the group's messages after the end of the
// client.
func (b *group) dropped(p *partition, why *transport.Error) []transport.Outcome {
	var failed []transport.Outcome
	b.each(func(m *transport.Message, token transport.Token, _ kafka.ErrorCode) {
		failed = append(failed, notGiven(p, held{message: clone(m), token: token}, why))
	})
	return failed
}

func (b *group) free() {
	b.data, b.entries = b.data[:0], b.entries[:0]
	groupPool.Put(b)
}

//go:build cgo

package confluent

import (
	"sync"
	"sync/atomic"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// topic is a handle of one topic.
type topic struct {
	client     *client
	name       string
	handle     handle // only with the plugin
	partitions atomic.Pointer[[]*partition]
}

// partition holds the messages of one partition that wait for the first
// message.
type partition struct {
	topic *topic
	// mu is held while a message is given to the library. After a closer has
	// held mu, no publisher is inside.
	mu     sync.Mutex
	number int32
	window int32 // most messages that the gate gives at once; 0: all
	state  gateState
	held   []held

	// group waits for more messages; nil: none. listed says that the client's
	// list of groups has the partition. burst counts the messages in the
	// millisecond millis.
	group         *group
	listed        bool
	millis, burst uint32
}

// Topic implements [transport.Client].
func (c *client) Topic(name string) (transport.Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.topics[name]; t != nil {
		return t, nil
	}
	if err := c.refusal.Load(); err != nil {
		return nil, err
	}
	t := &topic{client: c, name: name}
	t.partitions.Store(new([]*partition))
	if c.plugin {
		if !c.calls.hold() {
			return nil, &transport.Error{Code: transport.Closed, Text: "the client is closed"}
		}
		defer c.calls.release()
		var err error
		if t.handle, err = c.hub.topic(name); err != nil {
			return nil, err
		}
	}
	c.topics[name] = t
	return t, nil
}

// partition returns a partition. The first call makes the partition.
func (t *topic) partition(n int32) *partition {
	if all := *t.partitions.Load(); int(n) < len(all) && all[n] != nil {
		return all[n]
	}
	t.client.mu.Lock()
	defer t.client.mu.Unlock()
	old := *t.partitions.Load()
	all := make([]*partition, max(int(n)+1, len(old)))
	copy(all, old)
	if all[n] == nil {
		all[n] = &partition{topic: t, number: n, window: t.client.newWindow()}
		if !t.client.gated {
			all[n].state = gateOpen
		}
	}
	t.partitions.Store(&all)
	return all[n]
}

// Produce implements [transport.Topic].
func (t *topic) Produce(n int32, m *transport.Message, token transport.Token) error {
	if n < 0 {
		return &transport.Error{Code: transport.Invalid, Text: "a partition must be chosen"}
	}
	p := t.partition(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := t.client.refusal.Load(); err != nil {
		return err
	}
	if p.state == gateOpen {
		return p.give(m, token)
	}
	return p.wait(m, token)
}

// give gives a message to the library. The caller holds mu.
func (p *partition) give(m *transport.Message, token transport.Token) error {
	c := p.topic.client
	if !c.plugin {
		return c.givePlain(p, m, token)
	}
	if p.join(m, token) {
		return nil
	}
	p.giveGroup()
	code := p.topic.handle.produce(p.number, m, token)
	if code == kafka.ErrNoError {
		return nil
	}
	err := failure(code)
	if err.Fatal {
		c.fail(err)
		return c.refusal.Load()
	}
	return err
}

// Close implements [transport.Topic]. The client frees the library's handle
// later.
func (t *topic) Close() {}

// waitForPublishers waits until no publisher is inside the library. The client
// must already refuse new messages.
func (t *topic) waitForPublishers() {
	for _, p := range *t.partitions.Load() {
		if p != nil {
			p.mu.Lock()
			p.mu.Unlock() //nolint:staticcheck // the lock waits for publishers inside; later publishers are refused
		}
	}
}

// free frees the library's handle after the last publisher has left. The client
// must already refuse new messages.
func (t *topic) free() {
	t.waitForPublishers()
	if t.client.plugin {
		t.handle.free()
	}
}

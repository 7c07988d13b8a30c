package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Message is a message for [Topic.Send]. The engine keeps no memory of the
// message after Send.
type Message struct {
	transport.Message
	Callback Callback // nil: none
	Future   *Future  // nil: none
	// KeySchemaID and ValueSchemaID come back in the [Delivery].
	KeySchemaID, ValueSchemaID int
	// HookToken comes back in the [Callbacks].
	HookToken any
}

// Chooser chooses the partition of a message. n is the number of partitions.
type Chooser interface {
	Choose(n int32) (int32, error)
}

// WantsDelivery reports whether a callback or a future reads the delivery.
func (m *Message) WantsDelivery() bool { return m.Callback != nil || m.Future != nil }

// Send gives a message to the client. A nil error means that the client
// accepted the message. Then the message gets exactly one outcome. Any other
// error is [ErrNotSent]. If block is false, Send waits for nothing.
func (t *Topic) Send(ctx context.Context, m *Message, choose Chooser, block bool) error {
	e := t.engine
	bytes := int64(m.Size())
	var sent entry
	sent.callback = m.Callback
	sent.future = m.Future
	sent.bytes = bytes
	sent.keyID = int32(m.KeySchemaID)
	sent.valueID = int32(m.ValueSchemaID)
	if sent.stamp = noStamp; m.HasTimestamp {
		sent.stamp = m.Timestamp
	}
	if e.hooked {
		sent.token, sent.since = m.HookToken, e.now()
	}
	for {
		route, err := t.routeFor(ctx, block)
		if err != nil {
			return NotSent(t.name, -1, err)
		}
		if err := e.fits(m, bytes, &route.rules, t.name); err != nil {
			return NotSent(t.name, -1, err)
		}
		partition, err := choose.Choose(int32(len(route.queues)))
		if err != nil {
			return NotSent(t.name, -1, err)
		}
		q := route.queues[partition]
		if q.stuck.Load() {
			if err := e.waitForPartition(ctx, q, block); err != nil {
				return NotSent(t.name, partition, e.ExplainWait(t.name, err))
			}
		}
		inLine := false
		if !e.limit.try(bytes) {
			if !block {
				return NotSent(t.name, partition, e.explainHeld(fmt.Errorf("%w: the buffer (WithMaxInFlight) is full", ErrWouldBlock)))
			}
			route.client.transport.BeginFlush() // as Java does if the buffer is full
			inLine, err = e.limit.acquire(ctx, bytes, e.config.MaxBlock)
			route.client.transport.EndFlush()
			if err != nil {
				return NotSent(t.name, partition, e.ExplainWait(t.name, err))
			}
		}
		if q.stuck.Load() { // stuck since the wait for room
			if inLine {
				e.limit.leave()
			}
			e.limit.release(1, bytes)
			continue
		}
		err = route.client.produce(q, &m.Message, &sent)
		if inLine {
			e.limit.leave()
		}
		if err == nil {
			if e.hooked {
				e.callbacks.Accepted(m.HookToken, bytes)
			}
			return nil
		}
		e.limit.release(1, bytes)
		if _, refused := err.(refusedError); !refused { //nolint:errorlint // ours, never wrapped
			return NotSent(t.name, partition, err)
		}
		if route.client.recovering(err) {
			e.pause(time.Millisecond)
			continue
		}
		t.route.CompareAndSwap(route, nil)
		if err := e.waitForReplacement(ctx, route.client); err != nil {
			return NotSent(t.name, partition, err)
		}
	}
}

// routeFor returns the topic's route, and looks the topic up if needed.
func (t *Topic) routeFor(ctx context.Context, block bool) (*route, error) {
	if err := ctx.Err(); err != nil {
		return nil, ContextError(ctx)
	}
	if r := t.route.Load(); r != nil {
		return r, nil
	}
	if !block {
		return nil, fmt.Errorf("%w: the topic is not looked up yet: call Prepare first", ErrWouldBlock)
	}
	r, err := t.find(ctx)
	return r, diagnose.ExplainDenied(t.engine.config, err, "Write", t.name)
}

// fits refuses a message that the client or the broker would refuse. The
// message is not queued yet.
func (e *Engine) fits(m *Message, bytes int64, rules *topicRules, topic string) error {
	size, limit := int64(m.WireSize()), rules.maxMessageBytes
	if err := rules.refuse(topic, m.Key != nil, m.HasTimestamp, m.Timestamp); err != nil {
		return err
	}
	switch {
	case limit > 0 && size > limit:
		return &TooLargeError{size, limit, "max.message.bytes of topic " + topic}
	case size > int64(e.config.MaxMessageBytes):
		return &TooLargeError{size, int64(e.config.MaxMessageBytes), "this producer's limit (" + e.config.OriginOr("message.max.bytes", "WithMaxMessageBytes") + ")"}
	case bytes > e.limit.maxBytes:
		return &TooLargeError{bytes, e.limit.maxBytes, "WithMaxInFlight"}
	}
	return nil
}

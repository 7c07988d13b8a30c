package producer

import (
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// eventBatch bounds how many reports are settled together.
const eventBatch = 256

// eventLoop is the event goroutine of a client. It must always be ready to take the next event, or the client stops:
// so it only keeps the books, and callbacks run on the delivery goroutine.
//
// It works in turns. Reports are matched one by one; at the end of a turn, before it waits, come in this order: the
// counters, the free slots, the waiting calls, the callbacks, and last those who wait for an empty ring.
type eventLoop struct {
	*client
	matching bool // false once reports mean nothing any more
	topic    *clientTopic

	delivered, failed int64
	slots, bytes      int64
	err               error // of the first that failed
	touched           []*ring
	waits             []outcome
	calls             *outcomes
}

func (k *client) serve() {
	defer close(k.done)
	l := &eventLoop{client: k, matching: true, calls: k.core.deliverer.batch()}
	for {
		select {
		case event, open := <-k.kafka.Events():
			if !open || !l.turn(event) {
				return
			}
		case run := <-k.control:
			run(l)
		}
	}
}

// turn handles an event and those that are there already; false: there will be none any more.
func (l *eventLoop) turn(event kafka.Event) (more bool) {
	defer l.settle()
	for range eventBatch {
		l.handle(event)
		var open bool
		select {
		case event, open = <-l.kafka.Events():
			if !open {
				return false
			}
		default:
			return true
		}
	}
	l.handle(event)
	return true
}

func (l *eventLoop) handle(event kafka.Event) {
	switch event := event.(type) {
	case *kafka.Message:
		if !l.matching {
			return
		}
		if purged(event.TopicPartition.Error) {
			l.end(l.fatalCause(event.TopicPartition.Error))
		} else if err := l.report(event); err != nil {
			l.end(err)
		}
	case kafka.Error:
		if event.IsFatal() {
			l.end(event)
		} else {
			l.core.trouble.note(event)
		}
	case kafka.OAuthBearerTokenRefresh:
		l.core.refreshToken(l.kafka, l.client)
	}
}

// end is for a fatal error, the client's or that of a broken order. The client now gives up what it holds, and reports the
// newer messages in its queue before the older ones under way: no further report can be matched, and all is unknown.
func (l *eventLoop) end(cause error) {
	l.settle()
	l.fail(cause)
	if l.matching {
		l.writeOff(*l.fatal.Load())
	}
}

// purged says that the client gave the message up with all others, after a fatal error.
func purged(err error) bool {
	kerr, ok := err.(kafka.Error) //nolint:errorlint // as the client made it
	return ok && (kerr.Code() == kafka.ErrPurgeQueue || kerr.Code() == kafka.ErrPurgeInflight || kerr.Code() == kafka.ErrFatal)
}

// expired says that the message's time ran out in the client's queue, as only [WithDeliveryTimeout] allows.
func expired(err error) bool {
	kerr, ok := err.(kafka.Error) //nolint:errorlint // as the client made it
	return ok && kerr.Code() == kafka.ErrMsgTimedOut
}

// report matches a delivery report to its message. An error means that reports and messages no longer match.
func (l *eventLoop) report(m *kafka.Message) error {
	at := &m.TopicPartition
	if l.topic == nil || l.topic.name != *at.Topic {
		l.topic = (*l.topics.Load())[*at.Topic]
	}
	var rings []*ring
	if l.topic != nil {
		rings = *l.topic.rings.Load()
	}
	if at.Partition < 0 || int(at.Partition) >= len(rings) {
		return fmt.Errorf("a delivery report came for %s[%d], where nothing was sent", *at.Topic, at.Partition)
	}
	r := rings[at.Partition]
	offset := int64(at.Offset)
	switch {
	case at.Error != nil || offset < 0 || l.core.config.WeakAcks && l.core.config.Acks == AcksNone:
		offset = -1 // with acks 0 no broker says one, and the client reports 0
	case offset <= r.offset && !l.core.config.WeakAcks: // without idempotence the log itself may be out of order
		return fmt.Errorf("delivery reports out of order: offset %d after %d on %s[%d]", offset, r.offset, *at.Topic, at.Partition)
	default:
		r.offset = offset
	}
	var e entry
	if !r.pop(&e) {
		return fmt.Errorf("a delivery report came for %s[%d], where nothing is in flight", *at.Topic, at.Partition)
	}
	if expired(at.Error) {
		// One in the queue may be reported before older ones under way, so whose report is whose is open for all of now.
		r.doubt = r.tail.Load()
	}
	var err error
	switch {
	case at.Error == nil && r.popped <= r.doubt:
		offset, err = -1, unknown(r.topic.name, r.partition, errDoubt)
	case at.Error != nil:
		cause := at.Error
		if fatal := l.fatal.Load(); fatal != nil {
			cause = fmt.Errorf("%w: %w", cause, *fatal)
		}
		err = unknown(r.topic.name, r.partition, cause)
	}
	l.outcome(r, &e, offset, err)
	return nil
}

var errDoubt = errors.New("messages beside it ran out of time (WithDeliveryTimeout), and their reports cannot be told apart")

// outcome puts a popped entry into the books of this turn.
func (l *eventLoop) outcome(r *ring, e *entry, offset int64, err error) {
	if r.head.Load() == r.popped-1 { // the ring's first of this turn
		l.touched = append(l.touched, r)
	}
	l.slots++
	l.bytes += e.bytes
	if err == nil {
		l.delivered++
	} else {
		l.failed++
		if l.err == nil {
			l.err = err
		}
	}
	hooked := l.core.hooks.outcome
	if e.callback == nil && e.future == nil && !hooked && (err == nil || l.tx != nil) {
		return
	}
	o := outcome{callback: e.callback, future: e.future, since: e.since, err: err, delivery: Delivery{
		Topic: r.topic.name, Partition: r.partition, Offset: offset,
		KeySchemaID: e.keyID, ValueSchemaID: e.valueID,
	}}
	if e.stamp != 0 {
		o.delivery.Timestamp = time.UnixMilli(e.stamp)
	}
	if e.future != nil {
		l.waits = append(l.waits, o)
		if !hooked && e.callback == nil {
			return
		}
	}
	l.calls.list = append(l.calls.list, o)
}

// settle ends a turn.
func (l *eventLoop) settle() {
	if l.slots == 0 {
		return
	}
	c := l.core
	if l.tx != nil {
		l.tx.add(l.delivered, l.failed, l.err)
	} else {
		c.count.delivered.Add(l.delivered)
		c.count.unknown.Add(l.failed)
	}
	c.limit.release(l.slots, l.bytes)
	if l.delivered > 0 {
		c.trouble.over()
	}
	for i := range l.waits {
		l.waits[i].future.complete(l.waits[i].delivery, l.waits[i].err)
	}
	clear(l.waits)
	l.waits = l.waits[:0]
	if len(l.calls.list) > 0 {
		c.deliverer.deliver(l.calls)
		l.calls = c.deliverer.batch()
	}
	for _, r := range l.touched {
		r.settle()
	}
	l.touched = l.touched[:0]
	l.delivered, l.failed, l.slots, l.bytes, l.err = 0, 0, 0, 0, nil
}

// writeOff gives everything in flight the outcome unknown, and stops matching. The client must refuse already: a publisher
// that got in before holds its ring's lock until its entry is there, or gone.
func (l *eventLoop) writeOff(why error) {
	l.matching = false
	for _, t := range *l.topics.Load() {
		for _, r := range *t.rings.Load() {
			r.mu.Lock()
			r.seen = r.tail.Load() // one of those seen before may have been taken back
			var e entry
			for r.pop(&e) {
				l.outcome(r, &e, -1, unknown(t.name, r.partition, why))
			}
			r.mu.Unlock()
		}
	}
	l.settle()
}

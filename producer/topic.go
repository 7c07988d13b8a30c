package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// Topic is a Kafka topic for records of type R. R is a pointer to a generated
// type. For a topic of several types, R is an interface that embeds
// avrobin.Record, with serde.RecordName or TopicRecordName as the subject name.
// A program makes each Topic once. Topic is safe for concurrent use, also by
// several producers.
type Topic[R avrobin.Record] struct {
	name    string
	key     KeyFunc[R]
	options topicOptions
	record  recordOptions[R]
	err     error // an error of the name or the options; the first use returns it

	bound   atomic.Pointer[binding] // the binding of the last publish
	encoded atomic.Pointer[encoder] // the serializer of the last Encode
	mu      sync.Mutex
	all     map[*core]*binding
}

// binding is a topic bound to a producer.
type binding struct {
	core        *core
	state       *topicState
	options     *topicOptions
	value, key  *serde.Binding
	partitioner Partitioner
}

// NewTopic makes a topic. Go infers R from the key. NewTopic does no I/O and
// returns no error. If the name or an option is wrong, Prepare and every
// message return the error.
func NewTopic[R avrobin.Record](name string, key KeyFunc[R], opts ...TopicOption) *Topic[R] {
	t := &Topic[R]{name: name, key: key, err: settings.CheckTopicName(name), all: map[*core]*binding{}}
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(&t.options); err != nil && t.err == nil {
			t.err = err
		}
	}
	for _, f := range t.options.typed {
		apply, ok := f.(func(*recordOptions[R]))
		if !ok && t.err == nil {
			t.err = fmt.Errorf("topic %s of %T: an option for another record type was given: %T", name, *new(R), f)
		}
		if ok {
			apply(&t.record)
		}
	}
	if t.options.partitioner == nil {
		t.options.partitioner = Murmur2()
	}
	return t
}

// Name is the topic's name in Kafka.
func (t *Topic[R]) Name() string { return t.name }

// bind returns the topic's binding to a producer.
func (t *Topic[R]) bind(c *core) *binding {
	if b := t.bound.Load(); b != nil && b.core == c {
		return b
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.all[c]
	if b == nil {
		for other := range t.all { // a topic outlives its producers
			if other.alive.Err() != nil {
				delete(t.all, other)
			}
		}
		b = &binding{
			core: c, state: c.topic(t.name), options: &t.options, partitioner: t.options.partitioner,
			value: c.serializer.For(t.name, serde.Value, t.options.value...),
			key:   c.serializer.For(t.name, serde.Key, t.options.key...),
		}
		t.all[c] = b
	}
	t.bound.Store(b)
	return b
}

// publish gives one record to the client. Every way of publishing calls
// publish. m is nil if only the record is given.
func (t *Topic[R]) publish(ctx context.Context, c *core, r R, m *Message[R], callback Callback, future *Future, block bool) error {
	if c.hooks.set {
		return t.publishHooked(ctx, c, r, m, callback, future, block)
	}
	return t.publishTo(ctx, c, takeScratch(nil), r, m, callback, future, block)
}

// publishHooked publishes and reports a refused message to the hooks.
func (t *Topic[R]) publishHooked(ctx context.Context, c *core, r R, m *Message[R], callback Callback, future *Future, block bool) error {
	h := &hookedMessage{start: Start{Topic: t.name, TransactionalID: c.config.TransactionalID}}
	if m != nil && m.Tombstone {
		h.start.Tombstone = true
	} else if !isNil(r) {
		h.start.RecordName = r.AvroName()
	}
	s := takeScratch(nil)
	s.hooked = h
	err := t.publishTo(ctx, c, s, r, m, callback, future, block)
	if err != nil {
		h.refused(ctx, c, err)
	}
	return err
}

func (t *Topic[R]) publishTo(ctx context.Context, c *core, s *scratch, r R, m *Message[R], callback Callback, future *Future, block bool) error {
	defer s.free()
	if t.err != nil {
		return notSent(t.name, -1, t.err)
	}
	if t.record.before != nil || t.record.after != nil {
		var err error
		if m, callback, err = t.intercept(ctx, c, r, m, callback, future); err != nil {
			return notSent(t.name, -1, err)
		}
		r = m.Value
	}
	b := t.bind(c)
	s.binding = b
	s.entry.callback, s.entry.future = callback, future
	if err := t.encode(ctx, s, r, m); err != nil {
		return notSent(t.name, -1, encodeError{err})
	}
	explicit := Partition{}
	if m != nil {
		explicit = m.Partition
	}
	if t.record.partition != nil && explicit.plus1 == 0 {
		return b.send(ctx, s, explicit, func(key []byte, n int32) int32 { return t.record.partition(key, r, n) }, block)
	}
	return b.send(ctx, s, explicit, b.partitioner, block)
}

// encode fills the scratch from the record and the message.
func (t *Topic[R]) encode(ctx context.Context, s *scratch, r R, m *Message[R]) (err error) {
	defer s.caught(&err)
	overriding := m != nil && m.Key.kind != keyUnset
	tombstone := m != nil && m.Tombstone
	switch {
	case overriding:
		err = m.Key.appendTo(ctx, s)
	case tombstone:
		err = fmt.Errorf("a tombstone needs Message.Key: there is no record to take it from")
	default:
		err = t.key.appendKey(ctx, s, r)
	}
	if err != nil {
		return err
	}
	s.keyEnd = len(s.buf)
	if !tombstone {
		if err := s.appendValue(ctx, r); err != nil {
			return err
		}
		s.message.Value = s.buf[s.keyEnd:]
	}
	if s.keyed {
		s.message.Key = s.buf[:s.keyEnd:s.keyEnd]
	}
	if m != nil {
		s.headers = append(s.headers, m.Headers...)
		s.timestamp = m.Timestamp
	}
	s.step = "an option of the topic"
	if !tombstone {
		if t.record.headers != nil {
			s.headers = own(s.headers, t.record.headers(r, s.headers))
		}
		if t.record.timestamp != nil && s.timestamp.IsZero() {
			s.timestamp = t.record.timestamp(r)
		}
	}
	return nil
}

// send gives an encoded message to the client. A nil error means that the
// client accepted the message.
func (b *binding) send(ctx context.Context, s *scratch, explicit Partition, partitioner Partitioner, block bool) error {
	c := b.core
	if err := s.finish(ctx); err != nil {
		return notSent(b.state.name, -1, err)
	}
	bytes := s.size()
	s.entry.bytes = bytes
	for {
		route, err := b.route(ctx, block)
		if err != nil {
			return notSent(b.state.name, -1, err)
		}
		if err := c.fits(s, &route.rules, b.state.name); err != nil {
			return notSent(b.state.name, -1, err)
		}
		partition, err := s.choose(explicit, partitioner, int32(len(route.queues)))
		if err != nil {
			return notSent(b.state.name, -1, err)
		}
		q := route.queues[partition]
		if q.stuck.Load() {
			if err := c.waitForPartition(ctx, q, block); err != nil {
				return notSent(b.state.name, partition, c.explainWait(b.state.name, err))
			}
		}
		inLine := false
		if !c.limit.try(bytes) {
			if !block {
				return notSent(b.state.name, partition, fmt.Errorf("%w: the buffer (WithMaxInFlight) is full", ErrWouldBlock))
			}
			if inLine, err = c.limit.acquire(ctx, bytes, c.config.MaxBlock); err != nil {
				return notSent(b.state.name, partition, c.explainWait(b.state.name, err))
			}
		}
		if q.stuck.Load() { // stuck since the wait for room
			if inLine {
				c.limit.leave()
			}
			c.limit.release(1, bytes)
			continue
		}
		err = route.client.produce(q, &s.message, &s.entry)
		if inLine {
			c.limit.leave()
		}
		if err == nil {
			if c.hooks.set {
				c.hooks.accepted(s.entry.token, bytes)
			}
			return nil
		}
		c.limit.release(1, bytes)
		if _, refused := err.(refusedError); !refused { //nolint:errorlint // ours, never wrapped
			return notSent(b.state.name, partition, err)
		}
		b.state.route.CompareAndSwap(route, nil)
		if err := c.waitForReplacement(ctx, route.client); err != nil {
			return notSent(b.state.name, partition, err)
		}
	}
}

// route returns the topic's route, and looks the topic up if needed.
func (b *binding) route(ctx context.Context, block bool) (*route, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(ctx)
	}
	if r := b.state.route.Load(); r != nil {
		return r, nil
	}
	if !block {
		return nil, fmt.Errorf("%w: the topic is not looked up yet: call Prepare first", ErrWouldBlock)
	}
	r, err := b.state.find(ctx)
	return r, explainDenied(b.core.config, err, "Write", b.state.name)
}

// eventIDHeader is the name of the header that [WithEventID] adds.
const eventIDHeader = "event-id"

// finish adds the parts that all records share: the event id, the headers of
// the hooks and the timestamp.
func (s *scratch) finish(ctx context.Context) (err error) {
	defer s.caught(&err)
	c := s.binding.core
	if s.binding.options.eventID {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("event id: %w", err)
		}
		s.headers = append(s.headers, serde.Header{Key: eventIDHeader, Value: []byte(id.String())})
	}
	if s.hooked != nil {
		s.hooked.begin(ctx, s)
	}
	s.headers = s.ids.dropForeign(s.headers)
	for _, h := range s.headers {
		s.message.Headers = append(s.message.Headers, transport.Header{Key: h.Key, Value: h.Value})
	}
	if s.wantsDelivery() {
		if s.timestamp.IsZero() {
			s.timestamp = time.Now()
		}
		s.entry.stamp, s.entry.stamped = s.timestamp.UnixMilli(), true
	}
	if !s.timestamp.IsZero() {
		s.message.Timestamp, s.message.HasTimestamp = s.timestamp.UnixMilli(), true
	}
	if c.hooks.set {
		s.entry.since = c.now()
	}
	return nil
}

// fits refuses a message that the client or the broker would refuse. The
// message is not queued yet.
func (c *core) fits(s *scratch, rules *topicRules, topic string) error {
	size, limit := s.wireSize(), rules.maxMessageBytes
	if err := rules.refuse(topic, s.message.Key != nil, s.message.HasTimestamp, s.message.Timestamp); err != nil {
		return err
	}
	switch {
	case limit > 0 && size > limit:
		return &TooLargeError{size, limit, "max.message.bytes of topic " + topic}
	case size > int64(c.config.MaxMessageBytes):
		return &TooLargeError{size, int64(c.config.MaxMessageBytes), "the producer's own limit (" + c.config.Origin("message.max.bytes") + ")"}
	case s.entry.bytes > c.limit.maxBytes:
		return &TooLargeError{s.entry.bytes, c.limit.maxBytes, "WithMaxInFlight"}
	}
	return nil
}

// choose returns the explicit partition, or runs the partitioner.
func (s *scratch) choose(explicit Partition, partitioner Partitioner, n int32) (p int32, err error) {
	defer s.caught(&err)
	if explicit.plus1 != 0 {
		if p = explicit.plus1 - 1; p < 0 || p >= n {
			return p, fmt.Errorf("ToPartition(%d): topic %s has partitions 0 to %d", p, s.binding.state.name, n-1)
		}
		return p, nil
	}
	s.step = "the partitioner"
	if p = partitioner(s.message.Key, n); p < 0 || p >= n {
		return p, fmt.Errorf("the partitioner chose %d: topic %s has partitions 0 to %d", p, s.binding.state.name, n-1)
	}
	return p, nil
}

package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/internal/engine"
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

	lastBound   atomic.Pointer[boundTopic]      // the binding of the last publish
	lastEncoder atomic.Pointer[boundSerializer] // the serializer of the last Encode
	mu          sync.Mutex
	bound       map[*publisher]*boundTopic
}

// boundTopic is a topic bound to a producer.
type boundTopic struct {
	publisher   *publisher
	topic       *engine.Topic
	options     *topicOptions
	value, key  *serde.Binding
	partitioner Partitioner
}

// NewTopic makes a topic. Go infers R from the key. NewTopic does no I/O and
// returns no error. If the name or an option is wrong, Prepare and every
// message return the error.
func NewTopic[R avrobin.Record](name string, key KeyFunc[R], opts ...TopicOption) *Topic[R] {
	t := &Topic[R]{name: name, key: key, err: settings.CheckTopicName(name), bound: map[*publisher]*boundTopic{}}
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
	if t.err == nil {
		t.err = key.err
	}
	if t.options.partitioner == nil {
		t.options.partitioner = Murmur2()
	}
	return t
}

// Name returns the topic's name in Kafka.
func (t *Topic[R]) Name() string { return t.name }

// bind returns the topic, bound to a producer.
func (t *Topic[R]) bind(p *publisher) *boundTopic {
	if b := t.lastBound.Load(); b != nil && b.publisher == p {
		return b
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bound[p]
	if b == nil {
		for other := range t.bound { // a topic outlives its producers
			if other.engine.Ended() {
				delete(t.bound, other)
			}
		}
		b = &boundTopic{
			publisher: p, topic: p.engine.Topic(t.name), options: &t.options, partitioner: t.options.partitioner,
			value: p.serializer.For(t.name, serde.Value, t.options.value...),
			key:   p.serializer.For(t.name, serde.Key, t.options.key...),
		}
		t.bound[p] = b
	}
	t.lastBound.Store(b)
	return b
}

// publish gives one record to the client. Every way of publishing calls
// publish. m is nil if only the record is given.
func (t *Topic[R]) publish(ctx context.Context, p *publisher, r R, m *Message[R], callback Callback, future *Future, block bool) error {
	if p.hooks.set {
		return t.publishHooked(ctx, p, r, m, callback, future, block)
	}
	return t.publishTo(ctx, p, takeOutgoing(nil), r, m, callback, future, block)
}

// publishHooked publishes and reports a refused message to the hooks.
func (t *Topic[R]) publishHooked(ctx context.Context, p *publisher, r R, m *Message[R], callback Callback, future *Future, block bool) error {
	h := takeHooked(t.name, p)
	defer h.free()
	if m != nil && m.Tombstone {
		h.start.Tombstone = true
	} else if !isNil(r) {
		h.start.RecordName = r.AvroName()
	}
	s := takeOutgoing(nil)
	s.hooked = h
	err := t.publishTo(ctx, p, s, r, m, callback, future, block)
	if err != nil {
		h.refused(ctx, p.hooks, err)
	}
	return err
}

func (t *Topic[R]) publishTo(ctx context.Context, p *publisher, s *outgoing, r R, m *Message[R], callback Callback, future *Future, block bool) (err error) {
	// One recover for all of the user's code, because each takes time even if
	// nothing panics.
	defer func() {
		if s.step != noStep {
			if v := recover(); v != nil {
				err = engine.NotSent(t.name, -1, s.panicked(v))
			}
		}
		s.free()
	}()
	if t.err != nil {
		return engine.NotSent(t.name, -1, t.err)
	}
	if t.record.before != nil || t.record.after != nil {
		if m, callback, err = t.intercept(ctx, p, r, m, callback, future); err != nil {
			return engine.NotSent(t.name, -1, err)
		}
		r = m.Value
	}
	b := t.bind(p)
	s.bound = b
	s.message.Callback = callback
	if future != nil {
		s.message.Future = &future.future
	}
	if err := t.encode(ctx, s, r, m); err != nil {
		return engine.NotSent(t.name, -1, encodeError{err})
	}
	if m != nil {
		s.explicit = m.Partition
	}
	s.partitioner = b.partitioner
	if t.record.partition != nil && s.explicit.plus1 == 0 {
		switch {
		case m == nil || !m.Tombstone:
			s.partitioner = func(key []byte, n int32) int32 { return t.record.partition(key, r, n) }
		case !t.options.partitions:
			return engine.NotSent(t.name, -1, errTombstonePartition)
		}
	}
	return s.send(ctx, block)
}

// encode fills s from the record and the message. The caller recovers a panic
// of the user's code, as long as s.step is set.
func (t *Topic[R]) encode(ctx context.Context, s *outgoing, r R, m *Message[R]) (err error) {
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
			s.headers = copyForeign(s.headers, t.record.headers(r, s.headers))
		}
		if t.record.timestamp != nil && s.timestamp.IsZero() {
			s.timestamp = t.record.timestamp(r)
		}
	}
	s.step = noStep
	return nil
}

// send gives the encoded message to the engine. A nil error means that the
// engine accepted the message.
func (s *outgoing) send(ctx context.Context, block bool) error {
	if err := s.finish(ctx); err != nil {
		return engine.NotSent(s.bound.topic.Name(), -1, err)
	}
	return s.bound.topic.Send(ctx, &s.message, s, block)
}

// eventIDHeader is the name of the header that [WithEventID] adds.
const eventIDHeader = "event-id"

// addEventID adds the header of [WithEventID].
func (s *outgoing) addEventID() error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("event id: %w", err)
	}
	s.headers = append(s.headers, serde.Header{Key: eventIDHeader, Value: []byte(id.String())})
	return nil
}

// finish adds the parts that all records share: the event id, the headers of
// the hooks and the timestamp. Without a timestamp, the client sets the time.
func (s *outgoing) finish(ctx context.Context) error {
	if s.bound.options.eventID {
		if err := s.addEventID(); err != nil {
			return err
		}
	}
	if s.hooked != nil {
		s.hooked.begin(ctx, s)
	}
	s.headers = s.ids.dropForeign(s.headers)
	for _, h := range s.headers {
		s.message.Headers = append(s.message.Headers, transport.Header{Key: h.Key, Value: h.Value})
	}
	if !s.timestamp.IsZero() {
		s.message.Timestamp, s.message.HasTimestamp = s.timestamp.UnixMilli(), true
	}
	return nil
}

// Choose implements [engine.Chooser]. Choose returns the explicit partition, or
// runs the partitioner. publishTo recovers a panic of the partitioner.
func (s *outgoing) Choose(n int32) (p int32, err error) {
	if s.explicit.plus1 != 0 {
		if p = s.explicit.plus1 - 1; p < 0 || p >= n {
			return p, fmt.Errorf("ToPartition(%d): topic %s has partitions 0 to %d", p, s.bound.topic.Name(), n-1)
		}
		return p, nil
	}
	s.step = partitionerStep
	p = s.partitioner(s.message.Key, n)
	s.step = noStep
	if p < 0 || p >= n {
		return p, fmt.Errorf("the partitioner chose %d: topic %s has partitions 0 to %d", p, s.bound.topic.Name(), n-1)
	}
	return p, nil
}

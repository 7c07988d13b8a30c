package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Encoded is a message as Kafka stores it: the bytes of its key and value,
// ready to be published. [Topic.Encode] makes an Encoded from a record.
// [Encoded.Add] publishes an Encoded in a transaction, and [Encoded.Send]
// publishes an Encoded alone. In between, a program may store the Encoded, for
// example in a row of a database.
type Encoded struct {
	Topic string
	// Key and Value are published as they are. A nil Key is no key, and a nil
	// Value is a tombstone.
	Key, Value []byte
	Headers    []serde.Header
	// Timestamp is the message's time. The zero value is the time of
	// publishing.
	Timestamp time.Time
	// Partition is the target partition. The zero value leaves the choice to
	// [Murmur2] over Key.
	Partition Partition
}

// errPartitioned is the error of Encode for a topic with its own partitioner.
var errPartitioned = errors.New("the topic has a partitioner of its own (WithPartitioner, WithPartitionBy), which cannot be applied to bytes: " +
	"leave it out, or set Message.Partition")

// Encode encodes a message with s, in the same way as publishing. s registers
// the schemas or looks them up. If the registry refuses a schema, Encode
// returns the error. Encode applies the topic's key, headers, timestamp, event
// id and Before functions. Encode does not run the Start function of [Hooks],
// because hooks belong to a producer. [Encoded.Add] runs the hooks.
//
// Encode refuses a topic with its own partitioner, unless m names the
// partition. The result shares no memory with m or the topic.
func (t *Topic[R]) Encode(ctx context.Context, s *serde.Serializer, m Message[R]) (Encoded, error) {
	e, err := t.encodeAlone(ctx, s, &m)
	if err != nil {
		return Encoded{}, fmt.Errorf("producer: encode for topic %s: %w", t.name, err)
	}
	return e, nil
}

func (t *Topic[R]) encodeAlone(ctx context.Context, serializer *serde.Serializer, m *Message[R]) (e Encoded, err error) {
	switch {
	case t.err != nil:
		return e, t.err
	case serializer == nil:
		return e, errors.New("the serializer is nil")
	case m.Partition.plus1 == 0 && (t.options.partitions || t.record.partition != nil):
		return e, errPartitioned
	}
	if t.record.before != nil {
		if m, _, err = t.intercept(ctx, nil, m.Value, m, nil, nil); err != nil {
			return e, err
		}
	}
	s := takeOutgoing(t.encoder(serializer))
	defer func() {
		if s.step != noStep {
			if v := recover(); v != nil {
				err = s.panicked(v)
			}
		}
		s.free()
	}()
	if err := t.encode(ctx, s, m.Value, m); err != nil {
		return e, err
	}
	if t.options.eventID {
		if err := s.addEventID(); err != nil {
			return e, err
		}
	}
	e = Encoded{Topic: t.name, Timestamp: s.timestamp, Partition: m.Partition, Headers: cloneHeaders(s.ids.dropForeign(s.headers))}
	if s.message.Key != nil {
		e.Key = append([]byte{}, s.message.Key...)
	}
	if s.message.Value != nil {
		e.Value = append([]byte{}, s.message.Value...)
	}
	return e, nil
}

// boundSerializer is a topic's binding to a serializer without a producer.
type boundSerializer struct {
	serializer *serde.Serializer
	binding    *boundTopic
}

// encoder returns the binding of the last Encode if the serializer is the same,
// and otherwise makes a binding.
func (t *Topic[R]) encoder(s *serde.Serializer) *boundTopic {
	last := t.lastEncoder.Load()
	if last == nil || last.serializer != s {
		last = &boundSerializer{s, &boundTopic{
			options: &t.options,
			value:   s.For(t.name, serde.Value, t.options.value...),
			key:     s.For(t.name, serde.Key, t.options.key...),
		}}
		t.lastEncoder.Store(last)
	}
	return last.binding
}

func cloneHeaders(headers []serde.Header) []serde.Header {
	out := slices.Clone(headers)
	for i := range out {
		out[i].Value = slices.Clone(out[i].Value)
	}
	return out
}

// Add puts the message into a transaction, as [Topic.Add] does with a record.
// Add blocks while the buffer is full. An error is [ErrNotSent].
func (e Encoded) Add(ctx context.Context, tx *Tx) error {
	if err := settings.CheckTopicName(e.Topic); err != nil {
		return engine.NotSent(e.Topic, -1, err)
	}
	return tx.add(e.Topic, func(p *publisher) error { return e.publish(ctx, p, nil) })
}

// Send publishes the message by a producer and waits for the outcome, as
// [Topic.Send] does with a record. The serializer of the producer is not used.
func (e Encoded) Send(ctx context.Context, p *Producer) (Delivery, error) {
	if err := settings.CheckTopicName(e.Topic); err != nil {
		return Delivery{}, engine.NotSent(e.Topic, -1, err)
	}
	f := newFuture(p.engine, e.Topic)
	if err := e.publish(ctx, p.publisher, f); err != nil {
		return Delivery{}, err
	}
	return f.Wait(ctx)
}

// encodedTopic returns the topic of [Encoded] messages.
func (p *publisher) encodedTopic(name string) *boundTopic {
	if b, ok := p.encoded.Load(name); ok {
		return b.(*boundTopic)
	}
	b, _ := p.encoded.LoadOrStore(name, &boundTopic{
		publisher: p, topic: p.engine.Topic(name), options: &topicOptions{}, partitioner: Murmur2(),
	})
	return b.(*boundTopic)
}

// publish gives the message to the client. future may be nil.
func (e Encoded) publish(ctx context.Context, p *publisher, future *Future) error {
	b := p.encodedTopic(e.Topic)
	s := takeOutgoing(b)
	defer s.free()
	s.explicit, s.partitioner = e.Partition, b.partitioner
	s.message.Key, s.message.Value = e.Key, e.Value
	if future != nil {
		s.message.Future = &future.future
	}
	s.headers = append(s.headers, e.Headers...)
	if s.timestamp = e.Timestamp; e.Timestamp.IsZero() {
		s.timestamp = time.Now()
	}
	if !p.hooks.set {
		return s.send(ctx, true)
	}
	h := takeHooked(e.Topic, p)
	defer h.free()
	h.start.Tombstone = e.Value == nil
	s.hooked = h
	err := s.send(ctx, true)
	if err != nil {
		h.refused(ctx, p.hooks, err)
	}
	return err
}

package producer

import (
	"context"
	"time"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TopicOption names no type, so that it needs no type argument. The functions among them are checked against the topic's
// record type when it is made.
type TopicOption struct{ apply func(*topicOptions) error }

type topicOptions struct {
	partitioner Partitioner
	partitions  bool // WithPartitioner was given
	value, key  []serde.Option
	eventID     bool
	typed       []any // func(*recordOptions[R])
}

// recordOptions are the options that need the record.
type recordOptions[R avrobin.Record] struct {
	partition func(key []byte, r R, n int32) int32
	headers   func(r R, h []serde.Header) []serde.Header
	timestamp func(r R) time.Time
	before    []func(ctx context.Context, m *Message[R]) error
	after     []func(r R, d Delivery, err error)
}

func topicOption(apply func(*topicOptions)) TopicOption {
	return TopicOption{func(o *topicOptions) error { apply(o); return nil }}
}

func typedOption[R avrobin.Record](apply func(*recordOptions[R])) TopicOption {
	return topicOption(func(o *topicOptions) { o.typed = append(o.typed, apply) })
}

// WithPartitioner chooses partitions by key. Default [Murmur2]. A partitioner with a state, such as [RoundRobin], is shared
// by all producers that use the topic.
func WithPartitioner(p Partitioner) TopicOption {
	return topicOption(func(o *topicOptions) { o.partitioner, o.partitions = p, true })
}

// WithPartitionBy chooses the partition by key, record and the number of partitions; it wins over [WithPartitioner].
func WithPartitionBy[R avrobin.Record](f func(key []byte, r R, n int32) int32) TopicOption {
	return typedOption(func(o *recordOptions[R]) { o.partition = f })
}

// WithValue gives options of the value's serializer, for this topic alone: LookupOnly, UseLatest, WithSubject and so on.
func WithValue(opts ...serde.Option) TopicOption {
	return topicOption(func(o *topicOptions) { o.value = append(o.value, opts...) })
}

// WithKey gives options of the key's serializer, for this topic alone. They matter to keys that are Avro records.
func WithKey(opts ...serde.Option) TopicOption {
	return topicOption(func(o *topicOptions) { o.key = append(o.key, opts...) })
}

// WithEventID adds to every message the header "event-id", a UUID of version 7 (RFC 9562) as text, so that a reader can
// tell a message that was published again from another one, and sort by time.
func WithEventID() TopicOption {
	return topicOption(func(o *topicOptions) { o.eventID = true })
}

// WithHeadersBy lets f append headers that follow from the record. It is not asked for tombstones.
func WithHeadersBy[R avrobin.Record](f func(r R, h []serde.Header) []serde.Header) TopicOption {
	return typedOption(func(o *recordOptions[R]) { o.headers = f })
}

// WithTimestampBy takes the message's timestamp from the record, as an event's own time; the zero time means now.
func WithTimestampBy[R avrobin.Record](f func(r R) time.Time) TopicOption {
	return typedOption(func(o *recordOptions[R]) { o.timestamp = f })
}

// WithBefore lets f see and change every message before it is encoded, on the publishing goroutine; an error refuses it. Given
// several times, all are called in order. It costs an allocation a message.
func WithBefore[R avrobin.Record](f func(ctx context.Context, m *Message[R]) error) TopicOption {
	return typedOption(func(o *recordOptions[R]) { o.before = append(o.before, f) })
}

// WithAfter lets f see every accepted message's outcome beside its record, on the delivery goroutine, before the callback. It
// is not called for messages of a transaction. It costs an allocation a message.
func WithAfter[R avrobin.Record](f func(r R, d Delivery, err error)) TopicOption {
	return typedOption(func(o *recordOptions[R]) { o.after = append(o.after, f) })
}

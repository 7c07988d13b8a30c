package producer

import (
	"context"
	"fmt"
	"time"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TopicOption configures [NewTopic]. TopicOption has no type parameter, so a
// call needs no type argument. Some options take a function of the record.
// [NewTopic] checks their record type against the type of the topic. The zero
// TopicOption does nothing. An option whose function is nil is an error of the
// topic, like any other wrong option.
type TopicOption struct{ apply func(*topicOptions) error }

type topicOptions struct {
	partitioner Partitioner
	partitions  bool // WithPartitioner was given
	value, key  []serde.Option
	eventID     bool
	typed       []any // func(*recordOptions[R])
}

// recordOptions are the options that depend on the record type.
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

// nilOption is the option name with a nil function.
func nilOption(name string) TopicOption {
	return TopicOption{func(*topicOptions) error { return fmt.Errorf("%s: the function is nil", name) }}
}

func typedOption[R avrobin.Record](apply func(*recordOptions[R])) TopicOption {
	return topicOption(func(o *topicOptions) { o.typed = append(o.typed, apply) })
}

// WithPartitioner sets the function that chooses the partition by key. Default
// [Murmur2]. All producers that use the topic share the state of a partitioner
// such as [RoundRobin].
func WithPartitioner(p Partitioner) TopicOption {
	if p == nil {
		return nilOption("WithPartitioner")
	}
	return topicOption(func(o *topicOptions) { o.partitioner, o.partitions = p, true })
}

// WithPartitionBy chooses the partition by key, record and number of
// partitions. If [WithPartitioner] is given too, WithPartitionBy wins.
//
// A tombstone has no record, so f is not called for a tombstone. Then
// [WithPartitioner] chooses the partition if it was given. Otherwise the
// tombstone must name its partition with [ToPartition], or it is [ErrNotSent].
// A tombstone in another partition than its record deletes nothing.
func WithPartitionBy[R avrobin.Record](f func(key []byte, r R, n int32) int32) TopicOption {
	if f == nil {
		return nilOption("WithPartitionBy")
	}
	return typedOption(func(o *recordOptions[R]) { o.partition = f })
}

// WithValue sets options of the value's serializer for this topic only, for
// example LookupOnly, UseLatest or WithSubject.
func WithValue(opts ...serde.Option) TopicOption {
	return topicOption(func(o *topicOptions) { o.value = append(o.value, opts...) })
}

// WithKey sets options of the key's serializer for this topic only. The options
// have an effect on keys that are Avro records.
func WithKey(opts ...serde.Option) TopicOption {
	return topicOption(func(o *topicOptions) { o.key = append(o.key, opts...) })
}

// WithEventID adds the header "event-id" to every message. The value is a UUID
// of version 7 (RFC 9562) as text. With the header a consumer can recognise a
// message that was published again, and can sort by time.
func WithEventID() TopicOption {
	return topicOption(func(o *topicOptions) { o.eventID = true })
}

// WithHeadersBy lets f append headers that depend on the record. f is not
// called for tombstones.
func WithHeadersBy[R avrobin.Record](f func(r R, h []serde.Header) []serde.Header) TopicOption {
	if f == nil {
		return nilOption("WithHeadersBy")
	}
	return typedOption(func(o *recordOptions[R]) { o.headers = f })
}

// WithTimestampBy takes the message's timestamp from the record, for example
// the time of the event. The zero time means now. f is not called for
// tombstones.
func WithTimestampBy[R avrobin.Record](f func(r R) time.Time) TopicOption {
	if f == nil {
		return nilOption("WithTimestampBy")
	}
	return typedOption(func(o *recordOptions[R]) { o.timestamp = f })
}

// WithBefore lets f see and change every message before the message is encoded.
// f runs on the publishing goroutine. If f returns an error, the message is
// refused. f gets tombstones too: m.Tombstone is set then, and m.Value is
// usually nil. If WithBefore is given several times, all functions are called
// in order. WithBefore costs one allocation per message.
func WithBefore[R avrobin.Record](f func(ctx context.Context, m *Message[R]) error) TopicOption {
	if f == nil {
		return nilOption("WithBefore")
	}
	return typedOption(func(o *recordOptions[R]) { o.before = append(o.before, f) })
}

// WithAfter lets f see the record and the outcome of every accepted message. f
// runs on the delivery goroutine, before the callback. f is not called for
// tombstones and for messages of a transaction. WithAfter costs one allocation
// per message.
func WithAfter[R avrobin.Record](f func(r R, d Delivery, err error)) TopicOption {
	if f == nil {
		return nilOption("WithAfter")
	}
	return typedOption(func(o *recordOptions[R]) { o.after = append(o.after, f) })
}

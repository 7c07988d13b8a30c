package processor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Consumed is a message that the processor has read.
type Consumed[T any] struct {
	Value     *T // nil for a tombstone
	Key       []byte
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Headers   []serde.Header
}

// Raw is a message that cannot be processed. Err is the reason. Value points to
// the original bytes of the message.
type Raw struct {
	Consumed[[]byte]
	Err error
}

// poisonError marks a message that can never be processed.
type poisonError struct{ error }

func (e poisonError) Unwrap() error { return e.error }

// Poison marks an error of the function as a fault of the message. The
// processor then aborts the transaction and handles the batch again. In the
// second attempt, the handler of [WithBadHandler] gets the message instead of
// the function. Poison returns nil for a nil error.
func Poison(err error) error {
	if err == nil {
		return nil
	}
	return poisonError{err}
}

// [DeadLetter] adds these headers to the headers of the message.
const (
	DeadLetterReason    = "dead-letter.reason"    // the error's text, shortened to 1,000 bytes
	DeadLetterTopic     = "dead-letter.topic"     // the topic from which the message was read
	DeadLetterPartition = "dead-letter.partition" // in decimal, like the offset and the timestamp
	DeadLetterOffset    = "dead-letter.offset"
	DeadLetterTimestamp = "dead-letter.timestamp" // Unix milliseconds of the original
)

// deadLetterPrefix begins the names of all headers that DeadLetter adds.
const deadLetterPrefix = "dead-letter."

// DeadLetter makes a handler that writes the message to another topic, in the
// same transaction. The handler copies key, value and headers byte for byte,
// and adds headers with the reason and the origin of the message. If the
// message was a dead letter before, the new headers replace the old headers.
// The topic must exist. If the message is from the same topic, the handler
// returns an error, because the processor would read the message again without
// end.
func DeadLetter(topic string) BadHandler {
	return func(ctx context.Context, tx *producer.Tx, m Raw) error {
		if m.Topic == topic {
			return fmt.Errorf("dead letter: the message is from the topic %s itself, so the processor would read the message again without end: give DeadLetter another topic", topic)
		}
		headers := slices.DeleteFunc(slices.Clone(m.Headers), func(h serde.Header) bool { return strings.HasPrefix(h.Key, deadLetterPrefix) })
		dead := producer.Encoded{Topic: topic, Key: m.Key, Headers: append(headers,
			serde.Header{Key: DeadLetterReason, Value: []byte(shorten(m.Err.Error(), 1000))},
			serde.Header{Key: DeadLetterTopic, Value: []byte(m.Topic)},
			serde.Header{Key: DeadLetterPartition, Value: strconv.AppendInt(nil, int64(m.Partition), 10)},
			serde.Header{Key: DeadLetterOffset, Value: strconv.AppendInt(nil, m.Offset, 10)},
			serde.Header{Key: DeadLetterTimestamp, Value: strconv.AppendInt(nil, m.Timestamp.UnixMilli(), 10)},
		)}
		if m.Value != nil {
			dead.Value = *m.Value
		}
		if err := dead.Add(ctx, tx); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		return nil
	}
}

// shorten shortens a text, and does not cut a character in two. The text may
// come from another program.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + fmt.Sprintf("… (%d bytes)", len(s))
}

// messageOffset is the position of a message: topic, partition and offset.
type messageOffset struct {
	topic     string
	partition int32
	offset    int64
}

func (p messageOffset) String() string {
	return fmt.Sprintf("%s[%d]@%d", p.topic, p.partition, p.offset)
}

func offsetOf(m *transport.ConsumedMessage) messageOffset {
	return messageOffset{m.Topic, m.Partition, m.Offset}
}

// consumedWithoutValue returns the message without its value.
func consumedWithoutValue[T any](m *transport.ConsumedMessage) Consumed[T] {
	c := Consumed[T]{Key: m.Key, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp}
	for _, h := range m.Headers {
		c.Headers = append(c.Headers, serde.Header{Key: h.Key, Value: h.Value})
	}
	return c
}

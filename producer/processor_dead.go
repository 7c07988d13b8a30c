package producer

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/avroline/avroline/serde"
)

// The headers that [DeadLetter] adds to a message's own.
const (
	DeadLetterReason    = "dead-letter.reason"    // the error's text
	DeadLetterTopic     = "dead-letter.topic"     // where the message was read
	DeadLetterPartition = "dead-letter.partition" // in decimal, as are the offset and the timestamp
	DeadLetterOffset    = "dead-letter.offset"
	DeadLetterTimestamp = "dead-letter.timestamp" // Unix milliseconds of the original
)

// DeadLetter makes a [ProcessorConfig.OnBad] that writes the message as it came, key, value and headers byte for byte, to
// another topic in the same transaction, with headers that say why and where from. The topic must exist.
func DeadLetter(topic string) func(ctx context.Context, tx *Tx, m Raw) error {
	return func(ctx context.Context, tx *Tx, m Raw) error {
		headers := append(slices.Clone(m.Headers),
			serde.Header{Key: DeadLetterReason, Value: []byte(bounded(m.Err.Error(), 1000))},
			serde.Header{Key: DeadLetterTopic, Value: []byte(m.Topic)},
			serde.Header{Key: DeadLetterPartition, Value: strconv.AppendInt(nil, int64(m.Partition), 10)},
			serde.Header{Key: DeadLetterOffset, Value: strconv.AppendInt(nil, m.Offset, 10)},
			serde.Header{Key: DeadLetterTimestamp, Value: strconv.AppendInt(nil, m.Timestamp.UnixMilli(), 10)},
		)
		dead := Encoded{Topic: topic, Key: m.Key, Headers: headers}
		if m.Value != nil {
			dead.Value = *m.Value
		}
		return dead.Add(ctx, tx)
	}
}

// bounded cuts a text that others wrote.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + fmt.Sprintf("… (%d bytes)", len(s))
}

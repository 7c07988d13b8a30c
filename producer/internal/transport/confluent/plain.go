//go:build cgo

package confluent

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// plainState is the state of a client without the plugin.
type plainState struct {
	inFlight atomic.Int64 // messages without an event
}

// plainToken is a message's Opaque. The Go client's events do not contain a
// timestamp, so plainToken keeps the timestamp that was sent.
type plainToken struct {
	token transport.Token
	stamp int64 // Unix milliseconds
}

var plainTokens = sync.Pool{New: func() any { return new(plainToken) }} //nolint:gochecknoglobals // a pool

// givePlain gives a message to the Go client.
func (c *client) givePlain(p *partition, m *transport.Message, token transport.Token) error {
	message := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &p.topic.name, Partition: p.number}, Key: m.Key, Value: m.Value}
	stamp := m.Timestamp
	switch {
	case !m.HasTimestamp:
		stamp = time.Now().UnixMilli()
	case stamp == 0:
		return &transport.Error{Code: transport.Invalid, Text: "librdkafka takes the timestamp 0 (the Unix epoch) for now: use a millisecond later, or the transport franz"}
	}
	message.Timestamp = time.UnixMilli(stamp)
	for i := range m.Headers {
		message.Headers = append(message.Headers, kafka.Header{Key: m.Headers[i].Key, Value: m.Headers[i].Value})
	}
	opaque := plainTokens.Get().(*plainToken)
	opaque.token, opaque.stamp = token, stamp
	message.Opaque = opaque
	c.plain.inFlight.Add(1)
	err := c.kafka.Produce(message, nil)
	if err == nil {
		return nil
	}
	c.plain.inFlight.Add(-1)
	converted := convert(err)
	if converted.Fatal {
		c.fail(err)
		return c.refusal.Load()
	}
	return converted
}

// servePlain reports the Go client's events, in groups.
func (c *client) servePlain() {
	defer close(c.served)
	var batch []transport.Outcome
	for event := range c.kafka.Events() {
		for more := true; more; {
			if m, ok := event.(*kafka.Message); ok {
				batch = append(batch, c.plainOutcome(m))
			} else {
				c.event(event)
			}
			if more = len(batch) < outcomesAtOnce; more {
				select {
				case event, more = <-c.kafka.Events():
				default:
					more = false
				}
			}
		}
		if len(batch) > 0 {
			c.report(batch)
			c.plain.inFlight.Add(-int64(len(batch)))
			c.wakeWaiters()
			clear(batch)
			batch = batch[:0]
		}
	}
}

// plainOutcome converts an event. Without the plugin, the state of a failed
// message is unknown.
func (c *client) plainOutcome(m *kafka.Message) transport.Outcome {
	opaque := m.Opaque.(*plainToken)
	o := transport.Outcome{Token: opaque.token, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset), Timestamp: opaque.stamp}
	plainTokens.Put(opaque)
	if m.TopicPartition.Error == nil {
		c.stalls.forget(topicPartition{*m.TopicPartition.Topic, m.TopicPartition.Partition})
		c.delivered(&o)
		return o
	}
	o.Offset, o.Err = -1, convert(m.TopicPartition.Error)
	return o
}

// drain waits for the events of given-up messages, and stops if no event comes
// for plainPatience. Without drain, the Go client's Close would drop the
// events.
func (p *plainState) drain() {
	left := p.inFlight.Load()
	for end := time.Now().Add(plainPatience); left > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if now := p.inFlight.Load(); now != left {
			left, end = now, time.Now().Add(plainPatience)
		}
	}
}

// plainPatience is the maximum wait of drain for the next event.
const plainPatience = 5 * time.Second

// forwardLines forwards log lines and applies the guard to each line. A queue
// delays the lines, so the guard is late. Therefore a producer without the
// plugin should have one request in flight, as is the default.
func (c *client) forwardLines(lines <-chan kafka.LogEvent) {
	for {
		select {
		case line := <-lines:
			if line.Tag == "ERRSEQ" && c.config.Guarded() && c.calls.hold() {
				c.kafka.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, line.Message)
				c.calls.release()
			}
			if line.Tag == "DRAIN" {
				c.noteRetryLine(line.Message, true, time.Now())
			}
			if line.Tag == "GETPID" && line.Level < settings.LogDebug {
				c.noteRefusalLine(line.Tag, line.Message)
			}
			if line.Level <= c.config.LogLevel() {
				c.log(line.Level, line.Tag, line.Message)
			}
		case <-c.served:
			return
		}
	}
}

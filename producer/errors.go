package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/producer/internal/transport"
)

var (
	// ErrNotSent says that the message is in no log and never will be. It was refused before the client took it, or its
	// transaction was aborted.
	ErrNotSent = errors.New("producer: not sent")
	// ErrOutcomeUnknown says that the message may be in the log once, or come there later once. A failed delivery report means
	// this too, whatever its code: the broker may have applied an attempt whose answer was lost.
	ErrOutcomeUnknown = errors.New("producer: outcome unknown")
	// ErrClosed comes with [ErrNotSent]: the producer was closed. It comes with [ErrOutcomeUnknown] where Close gave up
	// waiting.
	ErrClosed = errors.New("producer: closed")
	// ErrFatal says that the client behind the producer ended by a fatal error, which is wrapped beside it.
	ErrFatal = errors.New("producer: fatal")
	// ErrWouldBlock comes with [ErrNotSent] from the Try methods: the buffer is full, or the topic is not known yet.
	ErrWouldBlock = errors.New("producer: would block")
	// ErrNotReady comes from Prepare: what is wrong may pass by itself, for example a
	// partition that has too few replicas in sync while a broker restarts.
	ErrNotReady = errors.New("producer: not ready")
	// ErrUnknownTopic comes with [ErrNotSent]: the brokers know no such topic.
	ErrUnknownTopic = errors.New("producer: unknown topic")
)

// KafkaError is what a client library or a broker said, in the same words for every
// transport. With confluent-kafka-go its own kafka.Error is reachable by errors.As.
type KafkaError = transport.Error

// MessageError is what befell one message. It wraps its outcome, [ErrNotSent] or [ErrOutcomeUnknown], and the cause, so
// that errors.Is and errors.As find both; a kafka.Error stays reachable.
type MessageError struct {
	Outcome   error  // ErrNotSent or ErrOutcomeUnknown
	Topic     string // as given to NewTopic
	Partition int32  // -1 before one was chosen
	Cause     error
}

func (e *MessageError) Error() string {
	where := e.Topic
	if e.Partition >= 0 {
		where = fmt.Sprintf("%s[%d]", e.Topic, e.Partition)
	}
	return fmt.Sprintf("%s: topic %s: %s", e.Outcome, where, trim(e.Cause))
}

// Unwrap gives the outcome and the cause.
func (e *MessageError) Unwrap() []error { return []error{e.Outcome, beneath{e.Cause}} }

// beneath is a cause of which the outcome is not looked at: it may be that of another message, or of another producer's, and
// an error has one outcome.
type beneath struct{ error }

func (b beneath) Is(target error) bool {
	return target != ErrNotSent && target != ErrOutcomeUnknown && errors.Is(b.error, target)
}

func (b beneath) As(target any) bool { return errors.As(b.error, target) }

// trim takes off the package's own prefix where a cause is wrapped by another error of this package.
func trim(err error) string { return strings.TrimPrefix(err.Error(), "producer: ") }

func notSent(topic string, partition int32, cause error) error {
	return &MessageError{ErrNotSent, topic, partition, cause}
}

func unknown(topic string, partition int32, cause error) error {
	return &MessageError{ErrOutcomeUnknown, topic, partition, cause}
}

// TooLargeError is a message that does not fit the topic, or the producer's own bounds. It comes with [ErrNotSent].
type TooLargeError struct {
	Size    int64  // of the message as a batch of its own, before compression
	Limit   int64  // what it had to fit into
	Setting string // whose limit: "max.message.bytes of topic orders", "WithMaxInFlight"
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("producer: message too large: %d bytes, %s allows %d", e.Size, e.Setting, e.Limit)
}

// PanicError is a panic in a function of the user's that this package called: a key function, a partitioner, an
// encoder, a callback. In the first three the message is [ErrNotSent].
type PanicError struct {
	In    string // which function
	Value any    // what it panicked with
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("producer: %s panicked: %v", e.In, e.Value) }

// Unwrap gives the value that it panicked with, where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// UndeliveredError is the account of Close. NotSent + Unknown is exactly what was accepted since New and not delivered.
type UndeliveredError struct {
	NotSent, Unknown int64
	Err              error // why: the end of the context, a fatal error; nil where each message failed for its own reason
}

func (e *UndeliveredError) Error() string {
	s := fmt.Sprintf("producer: closed with %d messages of unknown outcome and %d not sent", e.Unknown, e.NotSent)
	if e.Err != nil {
		s += ": " + trim(e.Err)
	}
	return s
}

// Unwrap gives the reason.
func (e *UndeliveredError) Unwrap() error { return e.Err }

// ended is why a wait ended, as the caller set it with context.WithCancelCause where it did.
func ended(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

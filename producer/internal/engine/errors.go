package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Outcomes and reasons. Package producer explains them to users.
var (
	ErrNotSent        = errors.New("producer: not sent")
	ErrOutcomeUnknown = errors.New("producer: outcome unknown")
	ErrClosed         = errors.New("producer: closed")
	ErrFatal          = errors.New("producer: fatal")
	ErrWouldBlock     = errors.New("producer: would block")
	ErrNotReady       = errors.New("producer: not ready")
	ErrUnknownTopic   = errors.New("producer: unknown topic")
)

// MessageError is the failure of one message. MessageError wraps the outcome,
// [ErrNotSent] or [ErrOutcomeUnknown], and the cause. So errors.Is and
// errors.As find both, and also a kafka.Error.
type MessageError struct {
	Outcome   error  // ErrNotSent or ErrOutcomeUnknown
	Topic     string // the name given to NewTopic
	Partition int32  // -1 if no partition is chosen yet
	Cause     error
}

func (e *MessageError) Error() string {
	where := e.Topic
	if e.Partition >= 0 {
		where = fmt.Sprintf("%s[%d]", e.Topic, e.Partition)
	}
	return fmt.Sprintf("%s: topic %s: %s", e.Outcome, where, trimPrefix(e.Cause))
}

// Unwrap returns the outcome and the cause.
func (e *MessageError) Unwrap() []error { return []error{e.Outcome, hiddenCause{e.Cause}} }

// hiddenCause keeps the outcome of its cause out of errors.Is. The cause may
// have the outcome of another message or of another producer, and an error has
// exactly one outcome.
type hiddenCause struct{ error }

func (b hiddenCause) Is(target error) bool {
	return target != ErrNotSent && target != ErrOutcomeUnknown && errors.Is(b.error, target)
}

func (b hiddenCause) As(target any) bool { return errors.As(b.error, target) }

// trimPrefix removes the package's prefix from a cause, because another error
// of this package wraps the cause.
func trimPrefix(err error) string { return strings.TrimPrefix(err.Error(), "producer: ") }

// withCause makes an error of a failure and its cause. errors.Is finds both.
// The prefix of the package is in the text only once.
func withCause(failure, cause error) error { return &causedError{failure, cause} }

type causedError struct{ failure, cause error }

func (e *causedError) Error() string   { return e.failure.Error() + ": " + trimPrefix(e.cause) }
func (e *causedError) Unwrap() []error { return []error{e.failure, e.cause} }

// NotSent makes the error of a message that is not sent.
func NotSent(topic string, partition int32, cause error) error {
	return &MessageError{ErrNotSent, topic, partition, cause}
}

// Unknown makes the error of a message with an unknown outcome.
func Unknown(topic string, partition int32, cause error) error {
	return &MessageError{ErrOutcomeUnknown, topic, partition, cause}
}

// TooLargeError says that a message exceeds a limit of the topic or of the
// producer. It comes with [ErrNotSent].
type TooLargeError struct {
	Size    int64  // in a batch of its own, before compression
	Limit   int64  // the limit, in bytes
	Setting string // the limit's name, such as "WithMaxInFlight"
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("producer: message too large: %d bytes, %s allows %d", e.Size, e.Setting, e.Limit)
}

// PanicError is a panic in a user function, for example a key function, a
// partitioner, an encoder or a callback. If a function panics before the
// message is accepted, the message is [ErrNotSent].
type PanicError struct {
	In    string // the function that panicked
	Value any    // the value of the panic
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("producer: %s panicked: %v", e.In, e.Value) }

// Unwrap returns the value of the panic if the value is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// UndeliveredError is the result of Close if messages were not delivered.
// NotSent + Unknown is the number of messages that were accepted since New and
// not delivered.
type UndeliveredError struct {
	NotSent, Unknown int64
	Err              error // such as a fatal error; nil if only messages failed
}

func (e *UndeliveredError) Error() string {
	s := fmt.Sprintf("producer: closed with %d messages of unknown outcome and %d not sent", e.Unknown, e.NotSent)
	if e.Err != nil {
		s += ": " + trimPrefix(e.Err)
	}
	return s
}

// Unwrap returns the reason.
func (e *UndeliveredError) Unwrap() error { return e.Err }

// ContextError returns the error of an ended context, with the cause of
// context.WithCancelCause if there is a cause.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return withCause(err, cause)
	}
	return err
}

package producer

import (
	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/producer/internal/transport"
)

var (
	// ErrNotSent says that the message is in no log and never will be. The
	// message was refused, or its transaction was aborted, or it certainly
	// reached no log.
	ErrNotSent = engine.ErrNotSent
	// ErrOutcomeUnknown says that the message may be in the log once, or may be
	// written later once. For example, a broker may have written the message,
	// but its answer was lost.
	ErrOutcomeUnknown = engine.ErrOutcomeUnknown
	// ErrClosed says that the producer was closed. With [ErrNotSent], the
	// message was refused or never left the client. With [ErrOutcomeUnknown],
	// Close stopped waiting for the outcome.
	ErrClosed = engine.ErrClosed
	// ErrFatal says that a fatal error ended the client behind the producer.
	// The fatal error is wrapped too.
	ErrFatal = engine.ErrFatal
	// ErrWouldBlock comes with [ErrNotSent] from the Try methods, and from
	// other calls after [WithMaxBlock]. The buffer is full, a partition does
	// not move, or the topic is not looked up yet.
	ErrWouldBlock = engine.ErrWouldBlock
	// ErrNotReady means that a partition has too few replicas in sync, for
	// example while a broker restarts. Messages for the partition wait until
	// there are more. ErrNotReady is in Health.Degraded if Prepare has seen the
	// problem. If the partition does not move, ErrNotReady is in Health.Reason
	// and in the errors of ended waits.
	ErrNotReady = engine.ErrNotReady
	// ErrUnknownTopic comes with [ErrNotSent]. The brokers do not know the
	// topic.
	ErrUnknownTopic = engine.ErrUnknownTopic
)

// Reasons that end a transaction, in a [*TxError]. The function's own error is
// another reason.
var (
	// ErrFenced says that another producer took over the transactional id.
	// Every later call returns ErrFenced at once. A fenced producer must stop,
	// because a new start would fence the other producer.
	ErrFenced = engine.ErrFenced
	// ErrTxTimedOut says that the transaction was open for longer than
	// [WithTransactionTimeout], so the coordinator aborted the transaction. The
	// broker answers in the same way to a fenced producer. The producer
	// compares the open time with the timeout to tell the two apart. The next
	// [Transactional.InTx] works.
	ErrTxTimedOut = engine.ErrTxTimedOut
	// ErrTxEnded says that a [Tx] was used after its function returned.
	ErrTxEnded = engine.ErrTxEnded
)

// Reasons why a broker cannot be used, in a [*ConnectionError].
var (
	// ErrUnreachable says that no connection to the broker was possible, or
	// that the server at the address is not a broker.
	ErrUnreachable = diagnose.ErrUnreachable
	// ErrTLS says that broker and client do not trust each other's
	// certificates, or that only the client or only the broker speaks TLS.
	ErrTLS = diagnose.ErrTLS
	// ErrAuthentication says that the broker refuses the credentials, or does
	// not offer the mechanism.
	ErrAuthentication = diagnose.ErrAuthentication
)

// KafkaError is an error of a client library or a broker, with the same codes
// for every transport. With confluent-kafka-go, errors.As also finds the
// kafka.Error.
//
//	// Code is an error code of Kafka's protocol. Code.OfBroker() is false if no
//	// broker reported the error. Code.String() returns the name.
//	Code          Code
//	Fatal         bool   // the client is unusable from now on
//	Retriable     bool   // the same call may succeed later
//	AbortRequired bool   // the open transaction can only be aborted
//	Text          string // the message of the library or broker, without secrets
//	Err           error  // the library's own error, or nil
type KafkaError = transport.Error

// MessageError is the failure of one message. MessageError wraps the outcome,
// [ErrNotSent] or [ErrOutcomeUnknown], and the cause. So errors.Is and
// errors.As find both, and also a kafka.Error.
//
//	Outcome   error  // ErrNotSent or ErrOutcomeUnknown
//	Topic     string // the name given to NewTopic
//	Partition int32  // -1 if no partition is chosen yet
//	Cause     error
type MessageError = engine.MessageError

// TooLargeError says that a message exceeds a limit of the topic or of the
// producer. It comes with [ErrNotSent].
//
//	Size    int64  // in a batch of its own, before compression
//	Limit   int64  // the limit, in bytes
//	Setting string // the limit's name, such as "WithMaxInFlight"
type TooLargeError = engine.TooLargeError

// PanicError is a panic in a user function, for example a key function, a
// partitioner, an encoder or a callback. If a function panics before the
// message is accepted, the message is [ErrNotSent].
//
//	In    string // the function that panicked
//	Value any    // the value of the panic
//	Stack []byte
type PanicError = engine.PanicError

// UndeliveredError is the result of Close if messages were not delivered.
// NotSent + Unknown is the number of messages that were accepted since New and
// not delivered.
//
//	NotSent, Unknown int64
//	Err              error // such as a fatal error; nil if only messages failed
type UndeliveredError = engine.UndeliveredError

// TxError says why a transaction is not known to be committed. TxError wraps
// the outcome and the cause. The outcome [ErrNotSent] means that read_committed
// never sees any message of the transaction. The outcome [ErrOutcomeUnknown]
// means that read_committed sees all messages or none. The cause is the
// function's own error, [ErrFenced], [ErrTxTimedOut] or a [KafkaError].
//
//	Outcome         error
//	TransactionalID string
//	Cause           error
//	// Retriable says that the same transaction may succeed in another run.
//	// [Transactional.InTx] runs the transaction again itself.
//	// [Transactional.InTxOnce] leaves another run to the caller.
//	Retriable bool
type TxError = engine.TxError

// ConnectionError says why a broker cannot be used. The client library retries
// such errors without end, and no message fails because of them. So the
// producer keeps the newest ConnectionError. [Producer.Prepare], Close and an
// ended wait wrap the newest ConnectionError in their error.
//
//	Kind   error  // ErrUnreachable, ErrTLS or ErrAuthentication
//	Broker string // host:port; empty if the client did not say
//	Err    error  // a kafka.Error, *net.OpError or another cause
//	Fix    string // a hint for the fix
type ConnectionError = diagnose.ConnectionError

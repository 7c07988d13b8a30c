package transport

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Error is an error of a client library or of a broker. Every transport uses
// the same codes and flags.
type Error struct {
	// Code is an error code of Kafka's protocol (kafka.apache.org/protocol,
	// "Error Codes"). A negative code of this package means that no broker
	// reported the error.
	Code Code
	// Fatal says that the client is unusable from now on.
	Fatal bool
	// Retriable says that the same call may succeed later.
	Retriable bool
	// AbortRequired says that the open transaction can only be aborted.
	AbortRequired bool
	// Text is the message of the library or of the broker, without secrets.
	Text string
	// Err is the library's own error. It may be nil.
	Err error
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Code.String()
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Text)
}

// Unwrap returns the library's own error.
func (e *Error) Unwrap() error { return e.Err }

// Code is an error code of Kafka's protocol, or a code of this package.
type Code int16

// Codes that never come from a broker are below -1. Codes of brokers have
// Kafka's numbers, and -1 is UNKNOWN_SERVER_ERROR.
const (
	// TimedOut means that the timeout of the message or of the call ended in
	// the client.
	TimedOut Code = -2 - iota
	// Transport means that the client could reach no broker.
	Transport
	// AllBrokersDown means that no broker is connected.
	AllBrokersDown
	// Authentication means that a broker refused the login, or that the client
	// refused the token.
	Authentication
	// Certificate means that the TLS handshake failed.
	Certificate
	// Purged means that the client gave up the message.
	Purged
	// Closed means that the client was closed.
	Closed
	// Fenced means that another producer owns the transactional id now, or that
	// the coordinator aborted the transaction after its timeout.
	Fenced
	// State means that the call does not fit the state of the transaction.
	State
	// Invalid means that the client refused the arguments.
	Invalid
	// Desynchronized means that the library cannot continue the sequence
	// numbers of a partition without the risk of a duplicate.
	Desynchronized
	// Other is any other error. Text describes the error.
	Other
	// Recovering means that the broker refused a batch of the partition, and
	// that the Handler still gets outcomes of later messages. See
	// Topic.Produce.
	Recovering
)

// Codes of brokers for which the engine has a rule.
const (
	CorruptMessage                     Code = 2
	UnknownTopicOrPartition            Code = 3
	MessageTooLarge                    Code = 10
	InvalidTopic                       Code = 17
	RecordListTooLarge                 Code = 18
	TopicAuthorizationFailed           Code = 29
	GroupAuthorizationFailed           Code = 30
	ClusterAuthorizationFailed         Code = 31
	InvalidTimestamp                   Code = 32
	TopicAlreadyExists                 Code = 36
	UnsupportedForMessageFormat        Code = 43
	PolicyViolation                    Code = 44
	TransactionalIDAuthorizationFailed Code = 53
	UnsupportedCompressionType         Code = 76
	InvalidRecord                      Code = 87
)

// UnknownTopic says how long the brokers have answered that a topic is unknown.
// A new topic is not known to all brokers at once. The zero value is ready.
type UnknownTopic struct{ since time.Time }

// unknownTopicWait is how long the brokers may answer that a topic is unknown
// before the topic counts as missing.
const unknownTopicWait = time.Second

// IsMissing notes the answer that the topic is unknown, and reports whether the
// topic counts as missing.
func (u *UnknownTopic) IsMissing() bool {
	if u.since.IsZero() {
		u.since = time.Now()
	}
	return time.Since(u.since) >= unknownTopicWait
}

// OfBroker reports whether the code is one of Kafka's protocol.
func (c Code) OfBroker() bool { return c > 0 || c == -1 }

// String returns Kafka's name of a broker's code, such as "Kafka error
// INVALID_TIMESTAMP (32)", and a few words for the other codes.
func (c Code) String() string {
	if name, ok := map[Code]string{
		TimedOut: "timed out", Transport: "broker transport failure", AllBrokersDown: "all brokers down",
		Authentication: "authentication failed", Certificate: "TLS handshake failed", Purged: "purged", Closed: "closed",
		Fenced: "fenced", State: "wrong state", Invalid: "invalid argument", Desynchronized: "sequence desynchronized", Other: "client error", Recovering: "partition recovering",
	}[c]; ok {
		return name
	}
	if known := kerr.TypedErrorForCode(int16(c)); known != nil && known.Code == int16(c) {
		return fmt.Sprintf("Kafka error %s (%d)", known.Message, int16(c))
	}
	return fmt.Sprintf("Kafka error %d", int16(c))
}

package transport

import "fmt"

// Error is what a client library or a broker said went wrong, in the same words
// for every transport.
type Error struct {
	// Code is the error code of Kafka's protocol (kafka.apache.org/protocol,
	// "Error Codes"), or one of the negative codes of this package for what never
	// reached a broker.
	Code Code
	// Fatal says that the client is unusable from now on.
	Fatal bool
	// Retriable says that the same call may succeed if it is made again.
	Retriable bool
	// AbortRequired says that the open transaction can only be aborted.
	AbortRequired bool
	// Text is the library's or the broker's sentence, without secrets.
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

// Code is an error code of Kafka's protocol, or a negative one of ours.
type Code int16

// Codes that never come from a broker. Codes of brokers have Kafka's numbers.
const (
	// TimedOut: the message's or the call's time ran out in the client.
	TimedOut Code = -1 - iota
	// Transport: no broker could be reached.
	Transport
	// AllBrokersDown: no broker is connected.
	AllBrokersDown
	// Authentication: a broker refused the login, or the client the token.
	Authentication
	// Certificate: the TLS handshake failed.
	Certificate
	// Purged: the client gave the message up.
	Purged
	// Closed: the client was closed.
	Closed
	// Fenced: another producer has the transactional id, or the coordinator ended
	// the transaction by its timeout.
	Fenced
	// State: the call does not fit the state of the transaction.
	State
	// Invalid: the client refused the arguments.
	Invalid
	// Desynchronized: the library cannot continue the sequence of a partition
	// without the danger of a duplicate.
	Desynchronized
	// Other: everything else, with its text.
	Other
	// Recovering: a batch of the partition was refused, and what was behind it is
	// being reported. See Topic.Produce.
	Recovering
)

// Codes of brokers that the layers above tell apart.
const (
	CorruptMessage              Code = 2
	UnknownTopicOrPartition     Code = 3
	MessageTooLarge             Code = 10
	RecordListTooLarge          Code = 18
	TopicAuthorizationFailed    Code = 29
	GroupAuthorizationFailed    Code = 30
	ClusterAuthorizationFailed  Code = 31
	InvalidTimestamp            Code = 32
	TopicAlreadyExists          Code = 36
	UnsupportedForMessageFormat Code = 43
	PolicyViolation             Code = 44
	UnsupportedCompressionType  Code = 76
	InvalidRecord               Code = 87
)

func (c Code) String() string {
	if name, ok := map[Code]string{
		TimedOut: "timed out", Transport: "broker transport failure", AllBrokersDown: "all brokers down",
		Authentication: "authentication failed", Certificate: "TLS handshake failed", Purged: "purged", Closed: "closed",
		Fenced: "fenced", State: "wrong state", Invalid: "invalid argument", Desynchronized: "sequence desynchronized", Other: "client error", Recovering: "partition recovering",
	}[c]; ok {
		return name
	}
	return fmt.Sprintf("Kafka error %d", int16(c))
}

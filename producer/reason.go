package producer

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Reason is the cause of an error in one word, as a label of metrics and an
// attribute of traces. There are few reasons, and none holds a name.
type Reason string

// The values of [Reason], for messages that were refused, not sent or of
// unknown outcome, and for transactions. The empty Reason means no error.
const (
	ReasonRegistry     Reason = "registry"      // the registry could not be asked
	ReasonSchema       Reason = "schema"        // the registry refused the schema, or has another schema
	ReasonRule         Reason = "rule"          // a rule of the registry stopped the message
	ReasonTooLarge     Reason = "too_large"     // the message exceeds a limit
	ReasonClosed       Reason = "closed"        // the producer was closed
	ReasonFenced       Reason = "fenced"        // another producer has the transactional id
	ReasonPermission   Reason = "permission"    // the principal may not do this
	ReasonUnknownTopic Reason = "unknown_topic" // the brokers do not know the topic
	ReasonConnection   Reason = "connection"    // no broker can be reached, or the login failed
	ReasonFatal        Reason = "fatal"         // the client has ended
	ReasonBufferFull   Reason = "buffer_full"   // there was no room without waiting
	ReasonTransaction  Reason = "transaction"   // the transaction had ended or timed out
	ReasonTimedOut     Reason = "timed_out"     // WithDeliveryTimeout has passed
	ReasonBroker       Reason = "broker"        // a broker refused the message
	ReasonPanic        Reason = "panic"         // a function of the program panicked
	ReasonContext      Reason = "context"       // the caller's context ended
	ReasonEncode       Reason = "encode"        // the record or its key cannot be encoded
	ReasonOther        Reason = "other"
)

// reasonRule says which errors have a reason.
type reasonRule struct {
	reason  Reason
	matches func(err error) bool
}

// reasonRules are in order. The first rule that fits counts, because an error
// may have several causes. For example, a context may end while the producer
// waits for the registry.
//
//nolint:gochecknoglobals // a table, never changed
var reasonRules = [...]reasonRule{
	{ReasonRegistry, isAny(serde.ErrRegistry)},
	{ReasonSchema, isAny(serde.ErrRefused, serde.ErrSchemaChanged, serde.ErrUnknownSchema, serde.ErrUnknownType)},
	{ReasonRule, func(err error) bool {
		return errors.Is(err, serde.ErrNoExecutor) || errors.Is(err, serde.ErrCondition) || errors.As(err, new(*serde.RuleError))
	}},
	{ReasonTooLarge, func(err error) bool {
		return errors.As(err, new(*TooLargeError)) || hasCode(err, transport.MessageTooLarge, transport.RecordListTooLarge)
	}},
	{ReasonClosed, isAny(ErrClosed)},
	{ReasonFenced, isAny(ErrFenced)},
	{ReasonPermission, func(err error) bool {
		return hasCode(err, transport.TopicAuthorizationFailed, transport.GroupAuthorizationFailed,
			transport.ClusterAuthorizationFailed, transport.TransactionalIDAuthorizationFailed)
	}},
	{ReasonUnknownTopic, isAny(ErrUnknownTopic)},
	{ReasonConnection, isAny(ErrUnreachable, ErrTLS, ErrAuthentication)},
	{ReasonFatal, isAny(ErrFatal)},
	{ReasonBufferFull, isAny(ErrWouldBlock)},
	{ReasonTransaction, isAny(ErrTxEnded, ErrTxTimedOut)},
	{ReasonTimedOut, func(err error) bool { return hasCode(err, transport.TimedOut) }},
	{ReasonBroker, func(err error) bool {
		var broker *KafkaError
		return errors.As(err, &broker) && broker.Code.OfBroker()
	}},
	{ReasonPanic, func(err error) bool { return errors.As(err, new(*PanicError)) }},
	{ReasonContext, isAny(context.Canceled, context.DeadlineExceeded)},
	{ReasonEncode, func(err error) bool { return errors.As(err, new(encodeError)) }},
}

// encodeError is an error between the record and its bytes.
type encodeError struct{ error }

func (e encodeError) Unwrap() error { return e.error }

// ReasonOf returns the reason of an error of this package, and [ReasonOther]
// for an unknown error. For a nil error, ReasonOf returns the empty Reason.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	for i := range reasonRules {
		if reasonRules[i].matches(err) {
			return reasonRules[i].reason
		}
	}
	return ReasonOther
}

// Reasons returns all values of [Reason], in the order in which [ReasonOf]
// tries them.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonRules)+1)
	for i := range reasonRules {
		all = append(all, reasonRules[i].reason)
	}
	return append(all, ReasonOther)
}

func isAny(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

// hasCode reports whether err has one of the codes.
func hasCode(err error, codes ...transport.Code) bool {
	var broker *transport.Error
	if !errors.As(err, &broker) {
		return false
	}
	for _, c := range codes {
		if broker.Code == c {
			return true
		}
	}
	return false
}

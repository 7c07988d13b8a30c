//go:build cgo

package confluent

import (
	"errors"
	"slices"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// convert converts an error of the library to a transport error. nil stays nil.
func convert(err error) *transport.Error {
	if err == nil {
		return nil
	}
	var known *transport.Error
	if errors.As(err, &known) {
		return known
	}
	var kerr kafka.Error
	if !errors.As(err, &kerr) {
		return &transport.Error{Code: transport.Other, Text: err.Error(), Err: err}
	}
	e := &transport.Error{
		Code: codeOf(kerr.Code()), Fatal: kerr.IsFatal() || kerr.Code() == kafka.ErrFatal,
		Retriable: kerr.IsRetriable(), AbortRequired: kerr.TxnRequiresAbort(), Text: textOf(kerr), Err: err,
	}
	switch {
	case e.Code != transport.Transport:
	case strings.Contains(e.Text, "SASL authentication error"): // the broker closed the connection instead of answering
		e.Code = transport.Authentication
	case strings.Contains(e.Text, "SSL routines"), strings.Contains(e.Text, "SSL handshake"):
		e.Code = transport.Certificate
	}
	return e
}

// textOf returns the text of an error without the words that make no sense to a
// user of this package: the mark that Fatal repeats, and the advice to poll a
// queue that only the transport can poll.
func textOf(err kafka.Error) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "Fatal error: "), ": the event queue must be polled")
	return text
}

// failure converts the code of a C function to an error.
func failure(code kafka.ErrorCode) *transport.Error {
	return convert(kafka.NewError(code, code.String(), code == kafka.ErrFatal))
}

// codeOf maps the library's own codes. Codes of brokers have the same numbers.
func codeOf(code kafka.ErrorCode) transport.Code {
	if code >= -1 {
		return transport.Code(code)
	}
	switch code {
	case kafka.ErrTimedOut, kafka.ErrMsgTimedOut, kafka.ErrTimedOutQueue:
		return transport.TimedOut
	case kafka.ErrTransport, kafka.ErrResolve:
		return transport.Transport
	case kafka.ErrAllBrokersDown:
		return transport.AllBrokersDown
	case kafka.ErrAuthentication:
		return transport.Authentication
	case kafka.ErrSsl:
		return transport.Certificate
	case kafka.ErrPurgeQueue, kafka.ErrPurgeInflight, kafka.ErrFatal:
		return transport.Purged
	case kafka.ErrDestroy:
		return transport.Closed
	case kafka.ErrFenced:
		return transport.Fenced
	case kafka.ErrState:
		return transport.State
	case kafka.ErrInvalidArg:
		return transport.Invalid
	case kafka.ErrInconsistent, kafka.ErrGaplessGuarantee:
		return transport.Desynchronized
	case kafka.ErrUnknownTopic, kafka.ErrUnknownPartition:
		return transport.Code(kafka.ErrUnknownTopicOrPart)
	}
	return transport.Other
}

// certainlyNotPersisted reports whether the library's status "not persisted" is
// true for an error. The status alone is not enough, because the library sets
// the status for every unknown error of a broker.
func certainlyNotPersisted(code kafka.ErrorCode) bool {
	return slices.Contains([]kafka.ErrorCode{
		// For these codes of the client, the message never left the client, or
		// the broker refused the batch.
		kafka.ErrPurgeQueue, kafka.ErrFatal, errDifferentRecord, kafka.ErrUnknownPartition, kafka.ErrUnknownTopic,
		kafka.ErrMsgTimedOut, kafka.ErrTimedOutQueue, kafka.ErrMsgSizeTooLarge,
		// A broker answers the requests of a connection in their order. So a
		// refused login on a connection in use (KIP-368) comes after the
		// answers to all requests before it, and the broker reads no request
		// behind it.
		kafka.ErrAuthentication,
		// For these codes, the broker failed a check before the append.
		kafka.ErrInvalidMsg, kafka.ErrUnknownTopicOrPart, kafka.ErrNotLeaderForPartition, kafka.ErrLeaderNotAvailable,
		kafka.ErrInvalidMsgSize, kafka.ErrTopicException, kafka.ErrRecordListTooLarge, kafka.ErrNotEnoughReplicas,
		kafka.ErrInvalidRequiredAcks, kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed,
		kafka.ErrTransactionalIDAuthorizationFailed, kafka.ErrInvalidTimestamp, kafka.ErrUnsupportedForMessageFormat,
		kafka.ErrPolicyViolation, kafka.ErrInvalidRecord, kafka.ErrUnsupportedCompressionType,
		kafka.ErrInvalidProducerEpoch, kafka.ErrFencedLeaderEpoch, kafka.ErrUnknownLeaderEpoch, kafka.ErrInvalidTxnState,
		kafka.ErrUnknownProducerID, kafka.ErrInvalidProducerIDMapping,
	}, code)
}

// errDifferentRecord is the code of an innocent record in a refused batch
// (_INVALID_DIFFERENT_RECORD).
const errDifferentRecord kafka.ErrorCode = -138

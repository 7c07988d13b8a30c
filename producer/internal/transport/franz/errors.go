package franz

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/transport"
)

// convert converts an error of kgo to a transport error. convert(nil) is nil.
func convert(err error) *transport.Error {
	if err == nil {
		return nil
	}
	var already *transport.Error
	if errors.As(err, &already) {
		return already
	}
	e := &transport.Error{Code: transport.Other, Text: err.Error(), Err: err}
	var broker *kerr.Error
	var connection *net.OpError
	switch {
	case errors.As(err, &broker):
		e.Code, e.Retriable = transport.Code(broker.Code), broker.Retriable
		e.Text = strings.TrimPrefix(err.Error(), broker.Message+": ")
		switch {
		case broker == kerr.SaslAuthenticationFailed:
			e.Code = transport.Authentication
		case isFence(broker):
			e.Fatal = true
		}
		e.AbortRequired = broker == kerr.TransactionAbortable
	case errors.Is(err, kgo.ErrClientClosed):
		e.Code = transport.Closed
	case isCertificate(err):
		e.Code, e.Retriable = transport.Certificate, true
	case errors.As(err, &connection): // before the context errors, because a network timeout also matches DeadlineExceeded
		e.Code, e.Retriable = transport.Transport, true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Code, e.Retriable = transport.TimedOut, true
	case isNetwork(err):
		e.Code, e.Retriable = transport.Transport, true
	}
	return e
}

// connectError says why a new connection cannot be used: the broker's
// certificate, or the login.
//
// kgo ends a request at once if the error is not temporary. A broker that
// refuses a certificate or a login may accept the next one, so kgo must retry.
type connectError struct{ cause *transport.Error }

func (e *connectError) Error() string { return e.cause.Error() }
func (e *connectError) Unwrap() error { return e.cause }

// Temporary tells kgo to retry.
func (*connectError) Temporary() bool { return true }

// isTemporary reports whether a request may succeed later. A broker that
// refuses a login or a certificate may accept the next one.
func isTemporary(e *transport.Error) bool {
	switch e.Code {
	case transport.Transport, transport.Authentication, transport.Certificate:
		return true
	}
	return e.Retriable
}

// isFence reports whether another producer owns the transactional id, or
// whether the coordinator aborted the transaction after its timeout.
func isFence(err *kerr.Error) bool {
	return err == kerr.ProducerFenced || err == kerr.InvalidProducerEpoch
}

func isCertificate(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
		header    tls.RecordHeaderError
		alert     tls.AlertError
	)
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &invalid) ||
		errors.As(err, &host) || errors.As(err, &header) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "remote error: tls:")
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// appendsNothing reports whether a broker gives the code only before it appends
// the batch of the request.
//
// The broker checks authorization, the topic's id, the records and the sequence
// number before the append. After the append the broker waits for the replicas.
// An error from this wait (not leader any more, timed out, too few replicas,
// storage error) does not say if the batch is in the log.
func appendsNothing(code int16) bool {
	switch kerr.TypedErrorForCode(code) {
	case kerr.CorruptMessage, kerr.MessageTooLarge, kerr.InvalidTopicException, kerr.RecordListTooLarge,
		kerr.NotEnoughReplicas, kerr.InvalidRequiredAcks, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidTimestamp, kerr.SaslAuthenticationFailed, kerr.UnsupportedVersion, kerr.InvalidRequest,
		kerr.UnsupportedForMessageFormat, kerr.PolicyViolation, kerr.OutOfOrderSequenceNumber,
		kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.ConcurrentTransactions,
		kerr.TransactionalIDAuthorizationFailed, kerr.SecurityDisabled, kerr.UnknownProducerID,
		kerr.UnsupportedCompressionType, kerr.InvalidRecord, kerr.ProducerFenced, kerr.UnknownTopicID,
		kerr.TransactionAbortable, kerr.InvalidConfig:
		return true
	}
	return false
}

// gaveUpError returns the error of a message that the client gave up and no
// broker refused.
func gaveUpError(text string) *transport.Error {
	return &transport.Error{Code: transport.Purged, Text: text}
}

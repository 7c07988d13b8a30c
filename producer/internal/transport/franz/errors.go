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

// convert puts an error of kgo into the words of the seam. It returns nil for
// nil.
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
	case errors.As(err, &connection): // its timeout says that it is the context's
		e.Code, e.Retriable = transport.Transport, true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Code, e.Retriable = transport.TimedOut, true
	case isNetwork(err):
		e.Code, e.Retriable = transport.Transport, true
	}
	return e
}

// isFence: another producer has the transactional id, or the coordinator ended
// the transaction by its timeout.
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

// appendsNothing says whether a broker that answers a produce request with the
// code has not appended the batch by that request.
//
// The broker checks authorization, the topic's id, the records and the sequence
// before it appends. After the append it waits for the replicas. An answer from
// that wait (not leader any more, timed out, too few replicas, storage error)
// says nothing about the log.
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

// gaveUp is why a message ended that no broker has refused.
func gaveUp(text string) *transport.Error {
	return &transport.Error{Code: transport.Purged, Text: text}
}

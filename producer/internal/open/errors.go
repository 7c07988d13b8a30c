package open

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// ExplainDenied adds the missing permission to a broker's "not authorized"
// error. The permission is an operation on a topic or on a group. Other errors
// stay unchanged.
func ExplainDenied(c *settings.Config, err error, operation, name string) error {
	var said *transport.Error
	if !errors.As(err, &said) {
		return err
	}
	kind := ""
	switch said.Code {
	case transport.TopicAuthorizationFailed, transport.ClusterAuthorizationFailed:
		kind = "topic"
	case transport.GroupAuthorizationFailed:
		kind = "group"
	default:
		return err
	}
	return diagnose.GrantHint(c, err, operation, kind, name)
}

// Code returns the code of the client's or the broker's error in err, or 0.
func Code(err error) transport.Code {
	var said *transport.Error
	if !errors.As(err, &said) && !errors.As(asError(err), &said) {
		return 0
	}
	return said.Code
}

// IsRefusal reports whether a broker refused a message because of its content.
// The broker will refuse the same message again.
func IsRefusal(err error) bool {
	switch Code(err) {
	case transport.CorruptMessage, transport.MessageTooLarge, transport.RecordListTooLarge, transport.InvalidTimestamp,
		transport.UnsupportedForMessageFormat, transport.PolicyViolation, transport.UnsupportedCompressionType, transport.InvalidRecord:
		return true
	}
	return false
}

// IsOutage tells whether an error says that no broker has answered.
func IsOutage(err error) bool {
	switch Code(err) {
	case transport.TimedOut, transport.Transport, transport.AllBrokersDown:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

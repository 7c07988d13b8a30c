// Package consumer reads from Kafka with the transport of the settings. A
// program reads as a member of a group, or reads a whole topic from start to
// end.
package consumer

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/franz"
)

// Open joins a group and does not wait for the network. trouble gets every
// error that a retry can fix. trouble may be nil.
func Open(c *settings.Config, g transport.Group, trouble func(*transport.Error)) (transport.Consumer, error) {
	if c.Transport == settings.Franz {
		return franz.OpenConsumer(c, g, trouble)
	}
	return openConfluent(c, g, trouble)
}

// ReadCommitted reads a topic from its start to its end offset at the time of
// the call. ReadCommitted calls each for every committed message, in order for
// each partition. ReadCommitted waits for the open transactions before the end
// offset. ReadCommitted joins no group. An error of each ends the reading.
func ReadCommitted(ctx context.Context, c *settings.Config, topic string, trouble func(*transport.Error),
	each func(*transport.ConsumedMessage) error,
) error {
	if c.Transport == settings.Franz {
		return franz.ReadCommitted(ctx, c, topic, trouble, each)
	}
	return readConfluent(ctx, c, topic, trouble, each)
}

// CreateTopic creates a topic if the topic does not exist. If replication is
// -1, the broker chooses the replication.
func CreateTopic(ctx context.Context, c *settings.Config, name string, partitions, replication int, config map[string]string) error {
	if c.Transport != settings.Franz {
		return createConfluent(ctx, c, name, partitions, replication, config)
	}
	err := franz.CreateTopic(ctx, c, name, partitions, replication, config)
	switch Code(err) {
	case transport.TopicAlreadyExists:
		return nil
	case transport.TopicAuthorizationFailed, transport.ClusterAuthorizationFailed:
		return ExplainDenied(c, err, "Create", name)
	}
	return err
}

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

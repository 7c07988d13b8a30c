// Package consumer reads from Kafka by the transport that the settings name: as
// a member of a group, or a whole topic from its start to its end.
package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/franz"
)

// Open joins a group. Nothing waits for the network. trouble is told of errors
// that pass by themselves. It may be nil.
func Open(c *settings.Config, g transport.Group, trouble func(*transport.Error)) (transport.Consumer, error) {
	if c.Transport == settings.Franz {
		return franz.OpenConsumer(c, g, trouble)
	}
	return openConfluent(c, g, trouble)
}

// ReadCommitted reads a topic from its start to its end as it is at the call,
// and calls each for every message that is committed, in the order of each
// partition. It waits for the open transactions before that end. It joins no
// group. An error of each ends the reading.
func ReadCommitted(ctx context.Context, c *settings.Config, topic string, trouble func(*transport.Error),
	each func(*transport.ConsumedMessage) error,
) error {
	if c.Transport == settings.Franz {
		return franz.ReadCommitted(ctx, c, topic, trouble, each)
	}
	return readConfluent(ctx, c, topic, trouble, each)
}

// CreateTopic creates a topic if it does not exist. -1 leaves the replication to
// the broker.
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

// ExplainDenied adds to a broker's "not authorized" what to grant: an operation
// on a topic, or on a group. Other errors stay as they are.
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
	principal := "User:…"
	if c.SASL != nil && c.SASL.User != "" && c.SASL.OIDC == nil {
		principal = "User:" + c.SASL.User
	}
	return fmt.Errorf("no permission: grant %[1]s on %[2]s %[3]s (kafka-acls.sh --add --allow-principal %[4]s --operation %[1]s --%[2]s %[3]s): %[5]w",
		operation, kind, name, principal, err)
}

// Code returns the code of the client's or the broker's error in err, and 0 if
// there is none.
func Code(err error) transport.Code {
	var said *transport.Error
	if !errors.As(err, &said) && !errors.As(asError(err), &said) {
		return 0
	}
	return said.Code
}

// IsRefusal tells whether a broker refused a message for what it is, so that the
// same message will be refused again.
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

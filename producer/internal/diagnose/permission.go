package diagnose

import (
	"errors"
	"fmt"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// deniedError is an error with the missing grant, or with the reason why no
// grant helps.
type deniedError struct{ error }

func (e deniedError) Unwrap() error { return e.error }

// ExplainDenied adds the missing grant to a broker's "not authorized" error,
// and explains the refusal of an internal topic. ExplainDenied does not change
// other errors, or an error that it has explained already.
// operation is the operation of the client. name is the topic or the group of
// the operation.
func ExplainDenied(c *settings.Config, err error, operation, name string) error {
	var said *transport.Error
	if !errors.As(err, &said) || errors.As(err, new(deniedError)) {
		return err
	}
	switch said.Code {
	case transport.TopicAuthorizationFailed:
		return GrantHint(c, err, operation, "topic", name)
	case transport.GroupAuthorizationFailed:
		return GrantHint(c, err, operation, "group", name)
	case transport.TransactionalIDAuthorizationFailed:
		return GrantHint(c, err, "Write", "transactional-id", c.TransactionalID)
	case transport.ClusterAuthorizationFailed: // KIP-679: Write on any topic includes this permission
		return deniedError{fmt.Errorf("no permission to publish idempotently: grant Write on a topic, which is enough from Kafka 2.8 on, "+
			"or IdempotentWrite on the cluster (kafka-acls.sh --add --allow-principal %s --operation IdempotentWrite --cluster): %w", principal(c), err)}
	case transport.InvalidTopic: // see Kafka's ReplicaManager
		return deniedError{fmt.Errorf("the brokers let no client write to an internal topic: %w", err)}
	}
	return err
}

// GrantHint adds the missing grant to a broker's error. kind is "topic",
// "group" or "transactional-id".
func GrantHint(c *settings.Config, err error, operation, kind, name string) error {
	return deniedError{fmt.Errorf("no permission: grant %[1]s on %[2]s %[3]s (kafka-acls.sh --add --allow-principal %[4]s --operation %[1]s --%[2]s %[3]s): %[5]w",
		operation, kind, name, principal(c), err)}
}

// principal returns the user as an authorizer sees the user. With a token or a
// certificate, the broker derives the user, and the client does not know the
// name.
func principal(c *settings.Config) string {
	if c.SASL != nil && c.SASL.User != "" && c.SASL.OIDC == nil {
		return "User:" + c.SASL.User
	}
	return "User:…"
}

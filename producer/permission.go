package producer

import (
	"errors"
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

// explainDenied adds to a broker's "not authorized" what to grant; other errors stay as they are. operation is what was wanted of
// name: a topic, or a group.
func explainDenied(c *settings.Config, err error, operation, name string) error {
	switch code(err) {
	case kafka.ErrTopicAuthorizationFailed:
		return grantHint(c, err, operation, "topic", name)
	case kafka.ErrGroupAuthorizationFailed:
		return grantHint(c, err, operation, "group", name)
	case kafka.ErrTransactionalIDAuthorizationFailed:
		return grantHint(c, err, "Write", "transactional-id", c.TransactionalID)
	case kafka.ErrClusterAuthorizationFailed: // KIP-679: Write on any topic brings it
		return fmt.Errorf("no permission to publish idempotently: grant Write on a topic, which is enough from Kafka 2.8 on, "+
			"or IdempotentWrite on the cluster (kafka-acls.sh --add --allow-principal %s --operation IdempotentWrite --cluster): %w", principal(c), err)
	}
	return err
}

func grantHint(c *settings.Config, err error, operation, kind, name string) error {
	return fmt.Errorf("no permission: grant %[1]s on %[2]s %[3]s (kafka-acls.sh --add --allow-principal %[4]s --operation %[1]s --%[2]s %[3]s): %[5]w",
		operation, kind, name, principal(c), err)
}

// principal is who we are to an authorizer, as far as we know it: of a token or a certificate the broker decides.
func principal(c *settings.Config) string {
	if c.SASL != nil && c.SASL.User != "" && c.SASL.OIDC == nil {
		return "User:" + c.SASL.User
	}
	return "User:…"
}

// code is that of the client's error in err, or no error's.
func code(err error) kafka.ErrorCode {
	var kerr kafka.Error
	if errors.As(err, &kerr) {
		return kerr.Code()
	}
	return kafka.ErrNoError
}

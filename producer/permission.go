package producer

import (
	"errors"
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// lacking adds to a broker's "not authorized" what to grant; other errors stay as they are. operation is what was wanted of
// name: a topic, or a group.
func (c *config) lacking(err error, operation, name string) error {
	switch code(err) {
	case kafka.ErrTopicAuthorizationFailed:
		return c.grant(err, operation, "topic", name)
	case kafka.ErrGroupAuthorizationFailed:
		return c.grant(err, operation, "group", name)
	case kafka.ErrTransactionalIDAuthorizationFailed:
		return c.grant(err, "Write", "transactional-id", c.transactionalID)
	case kafka.ErrClusterAuthorizationFailed: // KIP-679: Write on any topic brings it
		return fmt.Errorf("no permission to publish idempotently: grant Write on a topic, which is enough from Kafka 2.8 on, "+
			"or IdempotentWrite on the cluster (kafka-acls.sh --add --allow-principal %s --operation IdempotentWrite --cluster): %w", c.principal(), err)
	}
	return err
}

func (c *config) grant(err error, operation, kind, name string) error {
	return fmt.Errorf("no permission: grant %[1]s on %[2]s %[3]s (kafka-acls.sh --add --allow-principal %[4]s --operation %[1]s --%[2]s %[3]s): %[5]w",
		operation, kind, name, c.principal(), err)
}

// principal is who we are to an authorizer, as far as we know it: of a token or a certificate the broker decides.
func (c *config) principal() string {
	if c.sasl != nil && c.sasl.user != "" && c.sasl.oidc == nil {
		return "User:" + c.sasl.user
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

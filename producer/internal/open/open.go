// Package open opens producing clients, consumers and admin clients with the
// transport of the settings. Only this package chooses the transport.
package open

import (
	"context"
	"fmt"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/franz"
)

// Client makes a producing client and does not wait for the network. batchBytes
// limits the size of a batch. The limit overrides the settings in c.
func Client(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	switch c.Transport {
	case settings.Franz:
		return franz.Open(c, batchBytes, h)
	case settings.Confluent:
		return confluentClient(c, batchBytes, h)
	}
	return nil, fmt.Errorf("no transport %v", c.Transport)
}

// BatchBytes returns the largest batch of a client, if no topic has a lower
// limit. franz has one limit for a batch and a message. Therefore the limit
// must allow the largest message.
func BatchBytes(c *settings.Config) int {
	if c.Transport == settings.Franz {
		return max(c.BatchBytes, c.MaxMessageBytes)
	}
	return c.BatchBytes
}

// MostPartitions returns the number of partitions at which a client takes no
// further topic, or 0 if a client takes every topic. A request of librdkafka
// has the messages of one partition, and for each request librdkafka looks at
// every partition of the client.
func MostPartitions(c *settings.Config) int32 {
	if c.Transport == settings.Confluent {
		return 1000
	}
	return 0
}

// Consumer joins a group and does not wait for the network. trouble gets every
// error that a retry can fix. trouble may be nil.
func Consumer(c *settings.Config, g transport.Group, trouble func(*transport.Error)) (transport.Consumer, error) {
	if c.Transport == settings.Franz {
		return franz.OpenConsumer(c, g, trouble)
	}
	return consumeConfluent(c, g, trouble)
}

// ReadCommitted reads a topic from its start to its end offset at the time of
// the call. ReadCommitted calls each for every committed message, in order for
// each partition. ReadCommitted waits for the open transactions before the end
// offset. If a broker refuses an offset, ReadCommitted reads the partition from
// its start again. ReadCommitted joins no group. An error of each ends the
// reading.
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

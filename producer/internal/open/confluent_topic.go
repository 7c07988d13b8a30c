//go:build cgo

package open

import (
	"context"
	"errors"
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/confluent"
)

// readConfluent is [ReadCommitted] with confluent-kafka-go.
func readConfluent(ctx context.Context, c *settings.Config, topic string, trouble func(*transport.Error),
	each func(*transport.ConsumedMessage) error,
) error {
	m := c.ClientMap()
	m["group.id"] = c.TransactionalID   // the client does not join the group and commits nothing
	m["auto.offset.reset"] = "earliest" // the library's default would skip the rest of the partition
	m["enable.partition.eof"] = true
	m["fetch.wait.max.ms"] = 10 // an empty answer reports the end of a partition
	m["log_level"] = 0          // errors come as events
	in, err := startConsumer(c, transport.Group{}, m, trouble)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // the consumer was only reading
	ends, err := in.EndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	var all []kafka.TopicPartition
	for p, end := range ends {
		if end == 0 {
			delete(ends, p)
			continue
		}
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: p, Offset: kafka.OffsetBeginning})
	}
	if len(all) == 0 {
		return nil
	}
	if err := in.kafka.Assign(all); err != nil {
		return asError(err)
	}
	for len(ends) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %d partitions of topic %s are not read to their end", context.Cause(ctx), len(ends), topic)
		}
		event := in.kafka.Poll(millis(pollSlice))
		if m, ok := event.(*kafka.Message); ok && m.TopicPartition.Error == nil {
			if err := each(consumed(m)); err != nil {
				return err
			}
			continue
		}
		if eof, ok := event.(kafka.PartitionEOF); ok {
			if int64(eof.Offset) >= ends[eof.Partition] {
				delete(ends, eof.Partition)
			}
			continue
		}
		if err := in.handle(event); err != nil && !isGroupDenied(err) {
			return err
		}
	}
	return nil
}

// createConfluent is [CreateTopic] with confluent-kafka-go.
func createConfluent(ctx context.Context, c *settings.Config, name string, partitions, replication int, config map[string]string) error {
	m := c.ClientMap()
	logs := make(chan kafka.LogEvent, 64)
	m["go.logs.channel"] = logs
	go func() {
		for range logs { // the error has the important part
		}
	}()
	defer close(logs)
	cm := kafka.ConfigMap{}
	for k, v := range m {
		cm[k] = v
	}
	admin, err := kafka.NewAdminClient(&cm)
	if err != nil {
		return asError(err)
	}
	defer admin.Close()
	if sasl := c.SASL; sasl != nil && sasl.Token != nil {
		token, err := c.RequestToken(ctx, sasl.Token)
		if err == nil {
			err = confluent.SetToken(admin.SetOAuthBearerToken, token)
		}
		if err != nil {
			return &transport.Error{Code: transport.Authentication, Text: c.Redact(err.Error())}
		}
	}
	made, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: replication, Config: config,
	}})
	if err != nil {
		return asError(err)
	}
	switch failed := made[0].Error; failed.Code() {
	case kafka.ErrNoError, kafka.ErrTopicAlreadyExists:
		return nil
	case kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed:
		metadata, err := admin.GetMetadata(&name, false, millis(callSlice))
		if err == nil && metadata.Topics[name].Error.Code() == kafka.ErrNoError { // the topic exists
			return nil
		}
		return ExplainDenied(c, asError(failed), "Create", name)
	default:
		return asError(failed)
	}
}

// isGroupDenied reports whether the group was refused. The library asks for the
// group's coordinator, but the reader needs no group.
func isGroupDenied(err error) bool {
	var said *transport.Error
	return errors.As(err, &said) && said.Code == transport.GroupAuthorizationFailed
}

//go:build cgo

package confluent

import (
	"context"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// Metadata implements [transport.Client].
func (c *client) Metadata(ctx context.Context, name string) (transport.TopicMetadata, error) {
	if !c.calls.hold() {
		return transport.TopicMetadata{}, closed()
	}
	defer c.calls.release()
	m, err := c.kafka.GetMetadata(&name, false, millisLeft(ctx))
	if err != nil {
		return transport.TopicMetadata{}, convert(err)
	}
	t := m.Topics[name]
	if t.Error.Code() != kafka.ErrNoError {
		return transport.TopicMetadata{}, convert(t.Error)
	}
	out := transport.TopicMetadata{Name: name, Partitions: make([]transport.PartitionMetadata, len(t.Partitions))}
	for _, p := range t.Partitions {
		if int(p.ID) >= len(out.Partitions) || p.ID < 0 {
			continue
		}
		to := &out.Partitions[p.ID]
		to.Leader, to.Replicas, to.InSync = p.Leader, p.Replicas, p.Isrs
		if p.Error.Code() != kafka.ErrNoError {
			to.Err = convert(p.Error)
		}
	}
	return out, nil
}

// Reach implements [transport.Client].
func (c *client) Reach(ctx context.Context) error {
	if !c.calls.hold() {
		return closed()
	}
	defer c.calls.release()
	m, err := c.kafka.GetMetadata(nil, false, millisLeft(ctx))
	if err != nil {
		return convert(err)
	}
	ids := make([]int32, len(m.Brokers))
	for i, b := range m.Brokers {
		ids[i] = b.ID
	}
	c.brokers.Keep(ids)
	return nil
}

// MayWrite implements [transport.Admin].
func (a admin) MayWrite(ctx context.Context, topic string) (may bool, err error) {
	err = a.with(func(k *kafka.AdminClient) error {
		result, err := k.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic}), kafka.SetAdminOptionIncludeAuthorizedOperations(true))
		if err != nil {
			return err
		}
		if len(result.TopicDescriptions) != 1 {
			may = true
			return nil
		}
		d := result.TopicDescriptions[0]
		may = len(d.AuthorizedOperations) == 0 || slices.Contains(d.AuthorizedOperations, kafka.ACLOperationWrite) ||
			slices.Contains(d.AuthorizedOperations, kafka.ACLOperationAll)
		if d.Error.Code() != kafka.ErrNoError {
			return d.Error
		}
		return nil
	})
	return may && err == nil, err
}

// defaultCall limits a call whose context has no deadline.
const defaultCall = 30 * time.Second

// millisLeft returns the remaining time of a context, in milliseconds and at
// least 1.
func millisLeft(ctx context.Context) int {
	left := defaultCall
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	return int(max(left, time.Millisecond) / time.Millisecond)
}

// Admin implements [transport.Client].
func (c *client) Admin() transport.Admin { return admin{c} }

type admin struct{ *client }

// with runs f with the Go client's administration client.
func (a admin) with(f func(k *kafka.AdminClient) error) error {
	if !a.calls.hold() {
		return closed()
	}
	defer a.calls.release()
	k, err := kafka.NewAdminClientFromProducer(a.kafka)
	if err == nil {
		err = f(k)
	}
	if err != nil {
		return convert(err)
	}
	return nil
}

// TopicConfig implements [transport.Admin].
func (a admin) TopicConfig(ctx context.Context, topic string) (map[string]string, error) {
	out := map[string]string{}
	err := a.with(func(k *kafka.AdminClient) error {
		results, err := k.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}},
			kafka.SetAdminRequestTimeout(time.Duration(millisLeft(ctx))*time.Millisecond))
		switch {
		case err != nil:
			return err
		case results[0].Error.Code() != kafka.ErrNoError:
			return results[0].Error
		}
		for key, entry := range results[0].Config {
			out[key] = entry.Value
		}
		return nil
	})
	return out, err
}

// CreateTopic implements [transport.Admin].
func (a admin) CreateTopic(ctx context.Context, topic string, partitions, replicas int, settings map[string]string) error {
	return a.with(func(k *kafka.AdminClient) error {
		results, err := k.CreateTopics(ctx, []kafka.TopicSpecification{{
			Topic: topic, NumPartitions: partitions, ReplicationFactor: replicas, Config: settings,
		}})
		if err != nil {
			return err
		}
		if results[0].Error.Code() != kafka.ErrNoError {
			return results[0].Error
		}
		return nil
	})
}

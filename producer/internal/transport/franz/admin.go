package franz

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// admin answers questions about the cluster over a client's connections.
type admin struct {
	kgo    *kgo.Client
	limits *sync.Map // the client's limits; may be nil
}

// Admin implements [transport.Client].
func (c *client) Admin() transport.Admin { return admin{c.kgo, &c.limits} }

// TopicConfig implements [transport.Admin].
func (a admin) TopicConfig(ctx context.Context, topic string) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, bounded{a.kgo})
	if err != nil {
		return nil, convert(err)
	}
	settings := map[string]string{}
	for _, r := range resp.Resources {
		if err := brokerError(r.ErrorCode, r.ErrorMessage); err != nil {
			return nil, err
		}
		for _, c := range r.Configs {
			if c.Value != nil {
				settings[c.Name] = *c.Value
			}
		}
	}
	if n, err := strconv.Atoi(settings["max.message.bytes"]); err == nil && a.limits != nil {
		a.limits.Store(topic, n)
	}
	return settings, nil
}

// Reach implements [transport.Client].
func (c *client) Reach(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	if _, err := req.RequestWith(ctx, bounded{c.kgo}); err != nil {
		return convert(err)
	}
	return nil
}

// MayWrite implements [transport.Admin].
func (a admin) MayWrite(ctx context.Context, topic string) (bool, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, bounded{a.kgo})
	if err != nil {
		return false, convert(err)
	}
	for _, t := range resp.Topics {
		if err := brokerError(t.ErrorCode, nil); err != nil {
			return false, err
		}
		operations := t.AuthorizedOperations
		if operations != -1<<31 && operations&(1<<kmsg.ACLOperationWrite|1<<kmsg.ACLOperationAll) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// CreateTopic implements [transport.Admin].
func (a admin) CreateTopic(ctx context.Context, name string, partitions, replicas int, settings map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	if end, ok := ctx.Deadline(); ok {
		req.TimeoutMillis = int32(max(time.Until(end).Milliseconds(), 1))
	}
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), int16(replicas)
	for key, value := range settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, kmsg.StringPtr(value)
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, bounded{a.kgo})
	if err != nil {
		return convert(err)
	}
	for _, t := range resp.Topics {
		if err := brokerError(t.ErrorCode, t.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// brokerError converts a broker's code and text to an error, or returns nil for
// code
// 0.
func brokerError(code int16, text *string) error {
	if code == 0 {
		return nil
	}
	e := convert(kerr.TypedErrorForCode(code))
	if text != nil && *text != "" {
		e.Text = *text
	}
	return e
}

// topicMetadata reads one topic of a metadata response.
func topicMetadata(resp *kmsg.MetadataResponse, name string) (transport.TopicMetadata, error) {
	for _, t := range resp.Topics {
		if t.Topic == nil || *t.Topic != name {
			continue
		}
		if err := brokerError(t.ErrorCode, nil); err != nil {
			return transport.TopicMetadata{}, err
		}
		m := transport.TopicMetadata{Name: name, ID: t.TopicID, Partitions: make([]transport.PartitionMetadata, len(t.Partitions))}
		for _, p := range t.Partitions {
			if p.Partition < 0 || int(p.Partition) >= len(m.Partitions) {
				continue
			}
			m.Partitions[p.Partition] = transport.PartitionMetadata{
				Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR, Err: brokerError(p.ErrorCode, nil),
			}
		}
		return m, nil
	}
	return transport.TopicMetadata{}, brokerError(kerr.UnknownTopicOrPartition.Code, nil)
}

// CreateTopic creates a topic with a client of its own. If replicas is -1, the
// broker chooses the number. If the topic exists, CreateTopic returns an error
// with the code TopicAlreadyExists, even if the principal may not create
// topics.
func CreateTopic(ctx context.Context, c *settings.Config, name string, partitions, replicas int, config map[string]string) error {
	common, connect, err := options(c, troubleFunc(nil))
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(common, kgo.Dialer(connect))...)
	if err != nil {
		return convert(err)
	}
	defer cl.Close()
	err = admin{kgo: cl}.CreateTopic(ctx, name, partitions, replicas, config)
	var e *transport.Error
	if errors.As(err, &e) && (e.Code == transport.TopicAuthorizationFailed || e.Code == transport.ClusterAuthorizationFailed) {
		if _, unknown := metadata(ctx, cl, name); unknown == nil {
			return brokerError(kerr.TopicAlreadyExists.Code, nil)
		}
	}
	return err
}

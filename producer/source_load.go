package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// prepareCheckpoints makes the topic of positions where that is allowed: compacted, whatever other topics are made with.
func (s *Source) prepareCheckpoints(ctx context.Context) error {
	c := s.t.core
	if !c.hold() {
		return ErrClosed
	}
	defer c.background.Done()
	if err := c.reach(ctx); err != nil {
		return fmt.Errorf("producer: source %s: %w", s.config.Name, err)
	}
	if c.config.CreateTopics.Allowed {
		k, err := c.mainOrErr()
		if err != nil {
			return err
		}
		admin, err := k.admin()
		if err != nil {
			return fmt.Errorf("producer: source %s: %w", s.config.Name, err)
		}
		defer k.release()
		compacted := map[string]string{"cleanup.policy": "compact"}
		if err := c.createTopic(ctx, admin, s.config.Checkpoints, settings.CreateTopics{Partitions: 1, Replication: c.config.CreateTopics.Replication, Settings: compacted}); err != nil {
			return fmt.Errorf("producer: source %s: topic %s: %w", s.config.Name, s.config.Checkpoints, err)
		}
	}
	_, err := c.topic(s.config.Checkpoints).find(ctx)
	var small *batchTooLargeError
	if err != nil && !errors.As(err, &small) {
		return fmt.Errorf("producer: source %s: positions (a compacted topic, cleanup.policy=compact): %w", s.config.Name, explainDenied(c.config, err, "Write", s.config.Checkpoints))
	}
	return nil
}

// load reads the newest committed position of each file of this source, oldest
// file first. The transactional id was taken over before, which ended what an
// earlier run left open. load reads to the end of the topic as it is then, and
// waits for the open transactions of other sources, behind which a position of
// ours may lie.
func (s *Source) load(ctx context.Context) ([]*checkpoint.FilePosition, error) {
	c := s.t.core
	k, err := c.mainOrErr()
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]*checkpoint.FilePosition, error) {
		return nil, fmt.Errorf("producer: source %s: read positions from topic %s: %w", s.config.Name, s.config.Checkpoints, err)
	}
	n, err := k.partitions(s.config.Checkpoints, longestCall)
	if err != nil {
		return fail(err)
	}
	m := configMap(c.config.ClientMap())
	m["group.id"] = c.config.TransactionalID // never joined, nothing is committed to it
	m["isolation.level"] = "read_committed"
	m["enable.auto.commit"] = false
	m["enable.partition.eof"] = true
	delete(m, "go.logs.channel.enable")
	m["log_level"] = 0 // what goes wrong comes as an event
	consumer, err := kafka.NewConsumer(&m)
	if err != nil {
		return fail(err)
	}
	in := &input{core: c, consumer: consumer, limits: &ProcessorConfig{Topics: []string{s.config.Checkpoints}}}
	defer func() { _ = in.shut() }()

	found := map[uuid.UUID]*checkpoint.FilePosition{}
	ends := map[int32]kafka.Offset{}
	var all []kafka.TopicPartition
	for p := range n {
		end, err := s.end(ctx, in, p)
		if err != nil {
			return fail(err)
		}
		if end > 0 {
			ends[p] = end
			all = append(all, kafka.TopicPartition{Topic: &s.config.Checkpoints, Partition: p, Offset: kafka.OffsetBeginning})
		}
	}
	if err := consumer.Assign(all); err != nil {
		return fail(err)
	}
	for len(ends) > 0 {
		if ctx.Err() != nil {
			return fail(c.trouble.explain(ended(ctx)))
		}
		switch event := consumer.Poll(millis(pollSlice)).(type) {
		case *kafka.Message:
			if err := s.keep(ctx, found, event); err != nil {
				return fail(err)
			}
		case kafka.PartitionEOF:
			if event.Offset >= ends[event.Partition] {
				delete(ends, event.Partition)
			}
		case kafka.Error:
			if event.Code() == kafka.ErrGroupAuthorizationFailed { // it asks for its coordinator, of which nothing is wanted
				continue
			}
			if err := in.failed(event); err != nil {
				return fail(err)
			}
		case kafka.OAuthBearerTokenRefresh:
			c.refreshToken(consumer, in)
		}
	}
	out := slices.Collect(maps.Values(found))
	slices.SortFunc(out, func(a, b *checkpoint.FilePosition) int { return strings.Compare(a.FileID.String(), b.FileID.String()) })
	return out, nil
}

// end asks for the end of a partition, open transactions included.
func (s *Source) end(ctx context.Context, in *input, partition int32) (kafka.Offset, error) {
	for {
		_, high, err := in.consumer.QueryWatermarkOffsets(s.config.Checkpoints, partition, millis(callSlice))
		if err == nil {
			return kafka.Offset(high), nil
		}
		if failed := in.failed(err); failed != nil {
			return 0, failed
		}
		if ctx.Err() != nil {
			return 0, in.core.trouble.explain(ended(ctx))
		}
	}
}

// keep notes a position, if it is this source's.
func (s *Source) keep(ctx context.Context, found map[uuid.UUID]*checkpoint.FilePosition, m *kafka.Message) error {
	p := new(checkpoint.FilePosition)
	err := s.decode.DecodeInto(ctx, serde.Input{
		Topic: s.config.Checkpoints, Part: serde.Value, Data: m.Value, Header: headerIn(headersOf(m)),
	}, p)
	switch {
	case errors.Is(err, serde.ErrTombstone): // somebody tidied up: the key is Avro too, and the file is gone
		return nil
	case err != nil:
		return fmt.Errorf("partition %d, offset %d: %w", m.TopicPartition.Partition, m.TopicPartition.Offset, err)
	case p.Source != s.config.Name:
		return nil
	case p.Offset < 0 || p.Lines < 0 || p.HeadSize < 0 || p.HeadSize > headMost:
		return fmt.Errorf("partition %d, offset %d: a position that cannot be: offset %d, lines %d, head %d",
			m.TopicPartition.Partition, m.TopicPartition.Offset, p.Offset, p.Lines, p.HeadSize)
	}
	found[p.FileID] = p
	return nil
}

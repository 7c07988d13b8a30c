package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

// place is where a message lies.
type place struct {
	topic     string
	partition int32
	offset    int64
}

func placeOf(m *kafka.Message) place {
	return place{*m.TopicPartition.Topic, m.TopicPartition.Partition, int64(m.TopicPartition.Offset)}
}

// input is a processor's consumer. One goroutine uses it: rebalances happen in its polls only, so between polls the
// partitions stay ours, unless the group has expelled us, which the coordinator then says.
type input struct {
	core     *core
	consumer *kafka.Consumer
	limits   *ProcessorConfig
	logs     chan kafka.LogEvent
	batch    []*kafka.Message // being collected
	// member is who we were when the batch began. Were it taken at the end, a member that was expelled and has come back
	// meanwhile could commit for partitions that it no longer has.
	member   *kafka.ConsumerGroupMetadata
	poisoned map[place]error // to be given to OnBad when they come again

	uses // by whom a token comes: nobody else is beside that goroutine
}

// pollSlice bounds a poll, which heeds no context.
const pollSlice = 50 * time.Millisecond

func openInput(c *core, limits *ProcessorConfig) (*input, error) {
	m := configMap(c.config.ClientMap())
	for k, v := range c.config.ConsumerPassed {
		m[k] = v
	}
	logs := make(chan kafka.LogEvent, 64)
	m["go.logs.channel"] = logs
	m["group.id"] = limits.Group
	m["group.protocol"] = limits.GroupProtocol
	m["isolation.level"] = "read_committed"
	m["enable.auto.commit"] = false
	m["enable.auto.offset.store"] = false
	if _, said := m["auto.offset.reset"]; !said {
		m["auto.offset.reset"] = "earliest"
	}
	consumer, err := kafka.NewConsumer(&m)
	if err != nil {
		return nil, fmt.Errorf("producer: processor: consumer: %w", err)
	}
	in := &input{core: c, consumer: consumer, limits: limits, logs: logs, poisoned: map[place]error{}}
	go func() {
		for line := range logs {
			c.config.Logger.Debug("consumer_log", "tag", line.Tag, "line", line.Message)
		}
	}()
	if err := consumer.SubscribeTopics(limits.Topics, in.rebalanced); err != nil {
		in.close()
		return nil, fmt.Errorf("producer: processor: subscribe: %w", err)
	}
	return in, nil
}

// shut closes the consumer, once no token comes to it any more.
func (in *input) shut() error {
	in.lastUse()
	return in.consumer.Close()
}

// close leaves the group.
func (in *input) close() {
	if err := in.shut(); err != nil {
		in.core.config.Logger.Warn("consumer_close", "err", err)
	}
	close(in.logs)
}

// rebalanced takes messages of partitions that are no longer ours out of the batch. The client itself assigns and unassigns.
func (in *input) rebalanced(_ *kafka.Consumer, event kafka.Event) error {
	revoked, ok := event.(kafka.RevokedPartitions)
	if !ok {
		in.core.config.Logger.Info("partitions_assigned", "event", fmt.Sprint(event))
		return nil
	}
	in.core.config.Logger.Info("partitions_revoked", "event", fmt.Sprint(event))
	in.batch = slices.DeleteFunc(in.batch, func(m *kafka.Message) bool {
		return slices.ContainsFunc(revoked.Partitions, func(tp kafka.TopicPartition) bool {
			return *tp.Topic == *m.TopicPartition.Topic && tp.Partition == m.TopicPartition.Partition
		})
	})
	return nil
}

// collect gathers a batch. It is empty when ctx ended first, or nothing came for a while. An error does not pass.
func (in *input) collect(ctx context.Context) ([]*kafka.Message, error) {
	in.batch = in.batch[:0]
	member, err := in.consumer.GetConsumerGroupMetadata()
	if err != nil {
		return nil, fmt.Errorf("producer: processor: group: %w", err)
	}
	in.member = member
	var end time.Time
	for bytes := 0; len(in.batch) < in.limits.BatchMessages && bytes < in.limits.BatchBytes && ctx.Err() == nil; {
		wait := pollSlice
		if len(in.batch) > 0 {
			if wait = min(wait, time.Until(end)); wait <= 0 {
				break
			}
		}
		m, err := in.poll(wait)
		if err != nil {
			return nil, err
		}
		if m == nil {
			if len(in.batch) == 0 {
				break // so that the member is looked up anew
			}
			continue
		}
		if len(in.batch) == 0 {
			end = time.Now().Add(in.limits.BatchWait)
		}
		in.batch = append(in.batch, m)
		bytes += len(m.Value) + len(m.Key)
	}
	if ctx.Err() != nil {
		return nil, nil // the next run reads it
	}
	return slices.Clone(in.batch), nil
}

// poll gives the next message, or nil.
func (in *input) poll(wait time.Duration) (*kafka.Message, error) {
	switch event := in.consumer.Poll(millis(wait)).(type) {
	case *kafka.Message:
		if err := event.TopicPartition.Error; err != nil {
			return nil, in.failed(err)
		}
		return event, nil
	case kafka.Error:
		return nil, in.failed(event)
	case kafka.OAuthBearerTokenRefresh:
		in.core.refreshToken(in.consumer, in)
	}
	return nil, nil
}

// failed decides about an error of the consumer: nil where it may pass.
func (in *input) failed(err error) error {
	var kerr kafka.Error
	if !errors.As(err, &kerr) {
		return err
	}
	switch {
	case kerr.IsFatal(), permanent(kerr.Code()), kerr.Code() == kafka.ErrUnsupportedVersion, kerr.Code() == kafka.ErrInvalidGroupID:
		name := in.limits.Group
		if kerr.Code() == kafka.ErrTopicAuthorizationFailed {
			name = strings.Join(in.limits.Topics, ",")
		}
		err = explainDenied(in.core.config, err, "Read", name)
		if in.core.config.Purpose == settings.ForSource { // it is in no group, and says itself what it reads
			return err
		}
		return fmt.Errorf("producer: processor: group %s: %w", in.limits.Group, err)
	}
	in.core.trouble.note(kerr)
	return nil
}

// next are the offsets to commit for a batch: one after the last of each partition.
func next(batch []*kafka.Message) []GroupOffset {
	var out []GroupOffset
	for _, m := range batch {
		at := m.TopicPartition
		i := slices.IndexFunc(out, func(o GroupOffset) bool { return o.Topic == *at.Topic && o.Partition == at.Partition })
		if i < 0 {
			i = len(out)
			out = append(out, GroupOffset{Topic: *at.Topic, Partition: at.Partition})
		}
		out[i].Offset = int64(at.Offset) + 1
		out[i].LeaderEpoch = -1
		if at.LeaderEpoch != nil {
			out[i].LeaderEpoch = *at.LeaderEpoch
		}
	}
	return out
}

// first is where each partition's part of a batch begins.
func first(batch []*kafka.Message) []kafka.TopicPartition {
	var out []kafka.TopicPartition
	for _, m := range batch {
		at := m.TopicPartition
		if !slices.ContainsFunc(out, func(tp kafka.TopicPartition) bool { return *tp.Topic == *at.Topic && tp.Partition == at.Partition }) {
			out = append(out, kafka.TopicPartition{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset})
		}
	}
	return out
}

// seek goes on reading from there.
func (in *input) seek(to []kafka.TopicPartition) {
	for _, tp := range to {
		if err := in.consumer.Seek(tp, 0); err != nil {
			// No longer ours: its next owner begins at what is committed.
			in.core.config.Logger.Info("seek_refused", "partition", tp.String(), "err", err)
		}
	}
}

// committed asks the group for what it has of the partitions; where it has nothing, what was given stays.
func (in *input) committed(ctx context.Context, given []kafka.TopicPartition) ([]kafka.TopicPartition, error) {
	for {
		out, err := in.consumer.Committed(given, millis(callSlice))
		if err == nil {
			for i := range out {
				if out[i].Offset < 0 {
					out[i].Offset = given[i].Offset
				}
			}
			return out, nil
		}
		if failed := in.failed(err); failed != nil {
			return nil, failed
		}
		if ctx.Err() != nil {
			return nil, in.core.trouble.explain(ended(ctx))
		}
	}
}

// owns says whether all of these partitions are ours.
func (in *input) owns(parts []kafka.TopicPartition) bool {
	ours, err := in.consumer.Assignment()
	return err == nil && !slices.ContainsFunc(parts, func(part kafka.TopicPartition) bool {
		return !slices.ContainsFunc(ours, func(tp kafka.TopicPartition) bool { return *tp.Topic == *part.Topic && tp.Partition == part.Partition })
	})
}

// pause waits without reading, but polls, so that we stay in the group.
func (in *input) pause(ctx context.Context, d time.Duration) error {
	paused, err := in.consumer.Assignment()
	if err == nil {
		err = in.consumer.Pause(paused)
	}
	if err != nil {
		in.core.config.Logger.Info("pause_refused", "err", err)
	}
	for end := time.Now().Add(d); ctx.Err() == nil && time.Until(end) > 0; {
		m, err := in.poll(min(pollSlice, time.Until(end)))
		if err != nil {
			return err
		}
		if m != nil { // it was on its way when we paused, or is of a new partition
			in.seek([]kafka.TopicPartition{m.TopicPartition})
		}
	}
	for _, tp := range paused { // one by one: those that were revoked are refused
		_ = in.consumer.Resume([]kafka.TopicPartition{tp})
	}
	return nil
}

// forgive forgets the poison of a batch that is committed.
func (in *input) forgive(batch []*kafka.Message) {
	if len(in.poisoned) == 0 {
		return
	}
	for _, m := range batch {
		delete(in.poisoned, placeOf(m))
	}
}

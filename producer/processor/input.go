package processor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/consumer"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// input is a processor's consumer. One goroutine uses it. Rebalances happen in
// polls only, so between polls the partitions stay ours, unless the group has
// expelled us. Then the coordinator refuses our offsets.
type input struct {
	consumer transport.Consumer
	settings *settings.Config
	group    string
	topics   []string
	batch    []*transport.ConsumedMessage // being collected
	// member is captured before a batch is read. If it were captured after, a
	// member that was expelled and has come back could commit offsets of
	// partitions that it no longer has.
	member producer.GroupMember
}

// pollSlice bounds one poll.
const pollSlice = 50 * time.Millisecond

func openInput(c *settings.Config, group string, topics []string, protocol transport.Protocol) (*input, error) {
	in := &input{settings: c, group: group, topics: topics}
	opened, err := consumer.Open(c, transport.Group{ID: group, Protocol: protocol, Topics: topics, Revoked: in.revoked}, nil)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	in.consumer = opened
	return in, nil
}

// close leaves the group.
func (in *input) close() {
	if err := in.consumer.Close(); err != nil {
		in.settings.Logger.Warn("consumer_close", "err", err)
	}
}

// revoked takes messages of partitions that are no longer ours out of the
// batch.
func (in *input) revoked(partitions []transport.TopicPartition) {
	in.batch = slices.DeleteFunc(in.batch, func(m *transport.ConsumedMessage) bool { return contains(partitions, m.Topic, m.Partition) })
}

func contains(all []transport.TopicPartition, topic string, partition int32) bool {
	return slices.ContainsFunc(all, func(tp transport.TopicPartition) bool { return tp.Topic == topic && tp.Partition == partition })
}

// collect gathers a batch of at most so many messages. The batch is empty if
// ctx ended, or if there was no message for a while. An error does not pass.
func (in *input) collect(ctx context.Context, c *config, messages int) ([]*transport.ConsumedMessage, error) {
	in.batch = in.batch[:0]
	member, err := in.consumer.Member()
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", in.group, err)
	}
	in.member = member
	var end time.Time
	for bytes := 0; len(in.batch) < messages && bytes < c.bytes && ctx.Err() == nil; {
		wait := pollSlice
		if len(in.batch) > 0 {
			if wait = min(wait, time.Until(end)); wait <= 0 {
				break
			}
		}
		m, err := in.poll(ctx, wait)
		if err != nil {
			return nil, err
		}
		if m == nil {
			if len(in.batch) == 0 {
				break // so that the member is captured again
			}
			continue
		}
		if len(in.batch) == 0 {
			end = time.Now().Add(c.wait)
		}
		in.batch = append(in.batch, m)
		bytes += len(m.Value) + len(m.Key)
	}
	if ctx.Err() != nil {
		return nil, nil // the next run reads it
	}
	return slices.Clone(in.batch), nil
}

// poll returns the next message, or nil.
func (in *input) poll(ctx context.Context, wait time.Duration) (*transport.ConsumedMessage, error) {
	m, err := in.consumer.Poll(ctx, wait)
	if err != nil {
		return nil, in.explain(err)
	}
	return m, nil
}

// explain says what to grant.
func (in *input) explain(err error) error {
	name := in.group
	if consumer.Code(err) == transport.TopicAuthorizationFailed {
		name = strings.Join(in.topics, ",")
	}
	return fmt.Errorf("group %s: %w", in.group, consumer.ExplainDenied(in.settings, err, "Read", name))
}

// next returns the offsets to commit for a batch: for each partition one after
// the last.
func next(batch []*transport.ConsumedMessage) []producer.GroupOffset {
	var out []producer.GroupOffset
	for _, m := range batch {
		i := slices.IndexFunc(out, func(o producer.GroupOffset) bool { return o.Topic == m.Topic && o.Partition == m.Partition })
		if i < 0 {
			i = len(out)
			out = append(out, producer.GroupOffset{Topic: m.Topic, Partition: m.Partition})
		}
		out[i].Offset = m.Offset + 1
		out[i].LeaderEpoch = m.LeaderEpoch
	}
	return out
}

// first returns where each partition's part of a batch begins.
func first(batch []*transport.ConsumedMessage) []transport.TopicPartition {
	var out []transport.TopicPartition
	for _, m := range batch {
		if !contains(out, m.Topic, m.Partition) {
			out = append(out, transport.TopicPartition{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset})
		}
	}
	return out
}

// seek goes on reading elsewhere. A partition that is no longer ours is left
// out, because its next owner begins at the group's offset.
func (in *input) seek(to []transport.TopicPartition) {
	if err := in.consumer.Seek(to); err != nil {
		in.settings.Logger.Info("seek_refused", "group", in.group, "err", err)
	}
}

// committed asks the group for its offsets of the partitions. Where it has
// none, what was given stays.
func (in *input) committed(ctx context.Context, given []transport.TopicPartition) ([]transport.TopicPartition, error) {
	out, err := in.consumer.Committed(ctx, given)
	if err != nil {
		return nil, in.explain(err)
	}
	for i := range out {
		if out[i].Offset < 0 {
			out[i].Offset = given[i].Offset
		}
	}
	return out, nil
}

// owns tells whether all of these partitions are ours.
func (in *input) owns(parts []transport.TopicPartition) bool {
	ours, err := in.consumer.Assignment()
	return err == nil && !slices.ContainsFunc(parts, func(tp transport.TopicPartition) bool { return !contains(ours, tp.Topic, tp.Partition) })
}

// pause waits without reading, but it polls, so that we stay in the group.
func (in *input) pause(ctx context.Context, d time.Duration) error {
	paused, err := in.consumer.Assignment()
	if err == nil {
		err = in.consumer.Pause(paused)
	}
	if err != nil {
		in.settings.Logger.Info("pause_refused", "group", in.group, "err", err)
	}
	for end := time.Now().Add(d); ctx.Err() == nil && time.Until(end) > 0; {
		m, err := in.poll(ctx, min(pollSlice, time.Until(end)))
		if err != nil {
			return err
		}
		if m != nil { // fetched before the pause, or of a new partition
			in.seek([]transport.TopicPartition{{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}})
		}
	}
	return in.consumer.Resume(paused)
}

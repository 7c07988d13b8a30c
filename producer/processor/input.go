package processor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// input is the consumer of a processor. Only one goroutine uses an input.
// Rebalances happen only inside a poll, so the partitions stay the same between
// two polls. There is one exception: the group may have expelled us. The
// coordinator then refuses our offsets.
type input struct {
	consumer transport.Consumer
	settings *settings.Config
	group    string
	topics   []string
	batch    []*transport.ConsumedMessage // the batch that collect is filling
	// member commits the offsets of the batch. It is captured before the batch
	// is read, and when the member gets partitions during the read. Otherwise
	// this could happen: the group expels the member, the member joins again,
	// and then commits offsets of partitions that it has lost.
	member    producer.GroupMember
	memberErr error
}

// pollSlice is the longest duration of one poll.
const pollSlice = 50 * time.Millisecond

func openInput(c *settings.Config, group string, topics []string, protocol transport.Protocol) (*input, error) {
	in := &input{settings: c, group: group, topics: topics}
	opened, err := open.Consumer(c, transport.Group{ID: group, Protocol: protocol, Topics: topics, Revoked: in.revoked, Assigned: in.captureMember}, nil)
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

// revoked removes the messages of revoked partitions from the batch.
func (in *input) revoked(partitions []transport.TopicPartition) {
	in.batch = slices.DeleteFunc(in.batch, func(m *transport.ConsumedMessage) bool { return contains(partitions, m.Topic, m.Partition) })
}

// captureMember captures the member of the present generation. revoked has
// already removed the messages of partitions that earlier generations have
// lost.
func (in *input) captureMember() { in.member, in.memberErr = in.consumer.Member() }

func contains(all []transport.TopicPartition, topic string, partition int32) bool {
	return slices.ContainsFunc(all, func(tp transport.TopicPartition) bool { return tp.Topic == topic && tp.Partition == partition })
}

// collect gathers a batch of at most the given number of messages. The batch is
// empty if ctx ended, or if no message arrived for a while. An error of collect
// is permanent.
func (in *input) collect(ctx context.Context, c *config, messages int) ([]*transport.ConsumedMessage, error) {
	in.batch = in.batch[:0]
	in.captureMember()
	var end time.Time
	for bytes := 0; len(in.batch) < messages && bytes < c.bytes && ctx.Err() == nil; {
		m, err := in.poll(ctx, 0) // a message that is here already needs no clock
		if m == nil && err == nil {
			wait := pollSlice
			if len(in.batch) > 0 {
				if wait = min(wait, time.Until(end)); wait <= 0 {
					break
				}
			}
			m, err = in.poll(ctx, wait)
		}
		if err != nil {
			return nil, err
		}
		if m == nil {
			if len(in.batch) == 0 {
				break // the caller then captures the member again
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
		return nil, nil // the next run reads the messages again
	}
	return slices.Clone(in.batch), nil
}

// poll returns the next message, or nil. Without a member, poll returns an
// error, because nobody could commit the offset of the message.
func (in *input) poll(ctx context.Context, wait time.Duration) (*transport.ConsumedMessage, error) {
	m, err := in.consumer.Poll(ctx, wait)
	if err == nil {
		err = in.memberErr
	}
	if err != nil {
		return nil, in.explain(err)
	}
	return m, nil
}

// explain adds a missing permission to the error.
func (in *input) explain(err error) error {
	name := in.group
	if open.Code(err) == transport.TopicAuthorizationFailed {
		name = strings.Join(in.topics, ",")
	}
	return fmt.Errorf("group %s: %w", in.group, open.ExplainDenied(in.settings, err, "Read", name))
}

// offsetsToCommit returns the offsets to commit for a batch. The offset of a
// partition is the offset of its last message plus 1.
func offsetsToCommit(batch []*transport.ConsumedMessage) []producer.GroupOffset {
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

// firstOffsets returns the first position of each partition in the batch.
func firstOffsets(batch []*transport.ConsumedMessage) []transport.TopicPartition {
	var out []transport.TopicPartition
	for _, m := range batch {
		if !contains(out, m.Topic, m.Partition) {
			out = append(out, transport.TopicPartition{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset})
		}
	}
	return out
}

// seek moves the consumer to other positions. seek ignores partitions that we
// have lost, because their next owner starts at the group's offset.
func (in *input) seek(to []transport.TopicPartition) {
	if err := in.consumer.Seek(to); err != nil {
		in.settings.Logger.Info("seek_refused", "group", in.group, "err", err)
	}
}

// committed asks the group for the committed offsets of the partitions. A
// partition without a committed offset keeps the given offset.
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

// owns reports whether we own all of these partitions.
func (in *input) owns(parts []transport.TopicPartition) bool {
	ours, err := in.consumer.Assignment()
	return err == nil && !slices.ContainsFunc(parts, func(tp transport.TopicPartition) bool { return !contains(ours, tp.Topic, tp.Partition) })
}

// pause waits without reading. pause keeps polling, so that we stay in the
// group.
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
		if m != nil { // fetched before the pause, or from a new partition
			in.seek([]transport.TopicPartition{{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}})
		}
	}
	return in.consumer.Resume(paused)
}

package franz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Special times of a ListOffsets request.
const (
	latest   = -1
	earliest = -2
)

// offsets asks for the end or start offset of each partition of a topic.
func offsets(ctx context.Context, cl *kgo.Client, topic string, at int64, trouble troubleFunc) (map[int32]int64, error) {
	found := map[int32]int64{}
	err := repeat(ctx, trouble, func() error {
		m, err := metadata(ctx, cl, topic)
		if err != nil {
			return err
		}
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for n := range m.Partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = int32(n), at
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
		resp, err := req.RequestWith(ctx, bounded{cl})
		if err != nil {
			return convert(err)
		}
		clear(found)
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return convertPartition(err)
				}
				found[p.Partition] = p.Offset
			}
		}
		if len(found) != len(m.Partitions) {
			return &transport.Error{Code: transport.Other, Retriable: true, Text: fmt.Sprintf("%d of %d partitions were answered", len(found), len(m.Partitions))}
		}
		return nil
	})
	return found, err
}

// repeat calls again after an error that a retry can fix, until ctx ends. An
// unknown server error is such an error, because a broker answers so to a
// failure of its own. trouble gets each of these errors. A topic is only an
// error if it stays unknown, see [transport.UnknownTopic].
func repeat(ctx context.Context, trouble troubleFunc, call func() error) error {
	const rest = 50 * time.Millisecond
	var unknown transport.UnknownTopic
	for {
		err := call()
		var e *transport.Error
		switch {
		case err == nil || !errors.As(err, &e):
			return err
		case e.Code == codeUnknownTopic:
			if unknown.IsMissing() {
				return err
			}
		case !e.Retriable && e.Code != transport.Code(kerr.UnknownServerError.Code):
			return err
		}
		trouble.Trouble(e)
		if cause := pause(ctx, rest); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
	}
}

// convertPartition converts an error about a partition that the metadata names.
// If the broker does not know the partition, the partition may have moved.
func convertPartition(err error) *transport.Error {
	e := convert(err)
	if e.Code == codeUnknownTopic {
		e.Code, e.Retriable = transport.Code(kerr.NotLeaderForPartition.Code), true
	}
	return e
}

func metadata(ctx context.Context, cl *kgo.Client, topic string) (transport.TopicMetadata, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, bounded{cl})
	if err != nil {
		return transport.TopicMetadata{}, convert(err)
	}
	return topicMetadata(resp, topic)
}

// ReadCommitted reads a topic from its start to its end offset at the time of
// the call. ReadCommitted calls each for every message that a read_committed
// consumer can see, in order for each partition. ReadCommitted waits for open
// transactions before the end offset. If a broker refuses an offset,
// ReadCommitted reads the partition from its start again. ReadCommitted joins
// no group.
func ReadCommitted(ctx context.Context, c *settings.Config, topic string, trouble func(*transport.Error),
	each func(*transport.ConsumedMessage) error,
) error {
	handler := troubleFunc(trouble)
	common, connect, err := options(c, handler)
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(common, kgo.Dialer(connect), kgo.WithHooks(&hooks{c, handler, new(transport.Brokers)}))...)
	if err != nil {
		return fmt.Errorf("franz: %w", err)
	}
	defer cl.Close()
	ends, err := offsets(ctx, cl, topic, latest, handler)
	if err != nil {
		return err
	}
	starts, err := offsets(ctx, cl, topic, earliest, handler)
	if err != nil {
		return err
	}
	for partition := range int32(len(ends)) {
		r := reading{kgo: cl, topic: topic, trouble: handler, partition: partition, next: starts[partition], end: ends[partition]}
		for r.next < r.end {
			if err := repeat(ctx, handler, func() error { return r.fetch(ctx, each) }); err != nil {
				if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
					err = fmt.Errorf("%w: %w", cause, err)
				}
				return fmt.Errorf("read %s[%d] from %d to %d: %w", topic, partition, r.next, r.end, err)
			}
		}
	}
	return nil
}

// reading is the state of reading one partition.
type reading struct {
	kgo       *kgo.Client
	topic     string
	trouble   troubleFunc
	partition int32
	next, end int64
}

const fetchBytes = 4 << 20

// fetch reads the next messages and advances the offset. An empty answer is no
// error.
func (r *reading) fetch(ctx context.Context, each func(*transport.ConsumedMessage) error) error {
	m, err := metadata(ctx, r.kgo, r.topic)
	if err != nil {
		return err
	}
	if int(r.partition) >= len(m.Partitions) || m.Partitions[r.partition].Leader < 0 {
		return &transport.Error{Code: transport.Code(kerr.LeaderNotAvailable.Code), Retriable: true, Text: "no leader"}
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 100, 1, fetchBytes, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, m.ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = r.partition, r.next, fetchBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	answer, err := r.kgo.Broker(int(m.Partitions[r.partition].Leader)).Request(ctx, req)
	if err != nil {
		return convert(err)
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return convert(err)
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			return r.take(ctx, &resp.Topics[i].Partitions[j], each)
		}
	}
	return &transport.Error{Code: transport.Other, Retriable: true, Text: "the broker answered without the partition"}
}

// restart goes back to the start of the partition after a broker has refused
// the offset, for example because the first messages were deleted. restart
// returns the refusal as an error that a retry can fix.
func (r *reading) restart(ctx context.Context, refusal *transport.Error) error {
	starts, err := offsets(ctx, r.kgo, r.topic, earliest, r.trouble)
	if err != nil {
		return err
	}
	r.next = starts[r.partition]
	refusal.Retriable = true
	return refusal
}

func (r *reading) take(ctx context.Context, p *kmsg.FetchResponseTopicPartition, each func(*transport.ConsumedMessage) error) error {
	empty := len(p.RecordBatches) == 0
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: r.next, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: r.partition,
	}, p, kgo.DefaultDecompressor(), nil)
	if errors.Is(fetched.Err, kerr.OffsetOutOfRange) {
		return r.restart(ctx, convert(fetched.Err))
	}
	if fetched.Err != nil {
		return convertPartition(fetched.Err)
	}
	for _, record := range fetched.Records {
		if record.Offset >= r.end {
			break
		}
		m := consumed(record)
		if err := each(&m); err != nil {
			return err
		}
	}
	switch {
	case next > r.next:
		r.next = next
	case empty && p.LastStableOffset >= r.end: // compaction has removed the rest
		r.next = r.end
	}
	return nil
}

// bounded ends a request when its context ends. kgo alone would go on waiting
// for a connection attempt.
type bounded struct{ kgo *kgo.Client }

// Request implements kmsg.Requestor.
func (b bounded) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	type answer struct {
		resp kmsg.Response
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		resp, err := b.kgo.Request(ctx, req)
		answered <- answer{resp, err}
	}()
	select {
	case a := <-answered:
		return a.resp, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

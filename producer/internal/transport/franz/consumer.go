package franz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// consumer is a member of a consumer group. Only one goroutine may use a
// consumer.
type consumer struct {
	settings *settings.Config
	group    transport.Group
	kgo      *kgo.Client
	troubled troubleFunc
	queue    []*kgo.Record               // polled from kgo, but not returned yet
	spare    []transport.ConsumedMessage // memory for the next messages

	// rebalances come from kgo's goroutine. kgo's goroutine waits until Poll or
	// Close has taken the rebalance.
	rebalances chan rebalance
	closed     chan struct{}
	closing    sync.Once

	assigned, paused map[topicPartition]bool
}

// topicPartition is a partition of a topic.
type topicPartition struct {
	topic     string
	partition int32
}

// rebalance is a change of the assigned partitions.
type rebalance struct {
	added, removed map[string][]int32
	taken          chan struct{}
}

var _ transport.Consumer = (*consumer)(nil)

// troubleFunc is a [transport.Handler] that only handles Trouble.
type troubleFunc func(*transport.Error)

// Trouble implements [transport.Handler].
func (f troubleFunc) Trouble(err *transport.Error) {
	if f != nil {
		f(err)
	}
}

// Outcomes implements [transport.Handler].
func (troubleFunc) Outcomes([]transport.Outcome) {}

// Refused implements [transport.Handler].
func (troubleFunc) Refused(string, int32, *transport.Error) {}

// Fatal implements [transport.Handler].
func (f troubleFunc) Fatal(err *transport.Error) { f.Trouble(err) }

// OpenConsumer joins a group and does not wait for the network. trouble gets
// every error that a retry can fix. trouble may be nil.
func OpenConsumer(c *settings.Config, g transport.Group, trouble func(*transport.Error)) (transport.Consumer, error) {
	in := &consumer{
		settings: c, group: g, troubled: trouble, assigned: map[topicPartition]bool{}, paused: map[topicPartition]bool{},
		rebalances: make(chan rebalance), closed: make(chan struct{}),
	}
	common, connect, err := options(c, in.troubled)
	if err != nil {
		return nil, err
	}
	changed := func(added, removed map[string][]int32) {
		r := rebalance{added, removed, make(chan struct{})}
		select {
		case in.rebalances <- r:
			<-r.taken
		case <-in.closed:
		}
	}
	opts := append(common,
		kgo.Dialer(connect), kgo.WithHooks(&hooks{c, in.troubled, new(transport.Brokers)}),
		kgo.ConsumerGroup(g.ID), kgo.ConsumeTopics(g.Topics...),
		kgo.DisableAutoCommit(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { changed(m, nil) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { changed(nil, m) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { changed(nil, m) }),
	)
	own, err := consumerOptions(c.ConsumerPassed)
	if err != nil {
		return nil, err
	}
	opts = append(opts, own...)
	if g.Protocol == transport.ConsumerProtocol {
		opts = append(opts, kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
	}
	if in.kgo, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("franz: %w", err)
	}
	return in, nil
}

// consumerOptions translates consumer settings with librdkafka's names to kgo's
// options.
func consumerOptions(passed map[string]string) ([]kgo.Opt, error) {
	start := kgo.NewOffset().AtStart()
	reset := start
	var opts []kgo.Opt
	for key, value := range passed {
		set, ok := consumerSettings[key]
		switch {
		case key == "auto.offset.reset":
			switch value {
			case "earliest", "smallest", "beginning":
			case "latest", "largest", "end":
				start = kgo.NewOffset().AtEnd()
				reset = start
			case "error", "none":
				start, reset = kgo.NewOffset().AtCommitted(), kgo.NoResetOffset()
			default:
				return nil, fmt.Errorf("franz: auto.offset.reset: %q is none of earliest, latest, error", value)
			}
			continue
		case !ok:
			return nil, fmt.Errorf("franz: the transport franz has no setting %s", key)
		}
		opt, err := set(value)
		if err != nil {
			return nil, fmt.Errorf("franz: %s: %w", key, err)
		}
		opts = append(opts, opt)
	}
	return append(opts, kgo.ConsumeStartOffset(start), kgo.ConsumeResetOffset(reset)), nil
}

// consumerSettings has every consumer setting that kgo supports, except
// auto.offset.reset.
var consumerSettings = map[string]func(value string) (kgo.Opt, error){ //nolint:gochecknoglobals // never changed
	"session.timeout.ms":        millisOption(kgo.SessionTimeout),
	"heartbeat.interval.ms":     millisOption(kgo.HeartbeatInterval),
	"max.poll.interval.ms":      millisOption(kgo.RebalanceTimeout),
	"fetch.wait.max.ms":         millisOption(func(d time.Duration) kgo.ConsumerOpt { return kgo.FetchMaxWait(d) }),
	"fetch.min.bytes":           int32Option(kgo.FetchMinBytes),
	"fetch.max.bytes":           int32Option(kgo.FetchMaxBytes),
	"max.partition.fetch.bytes": int32Option(kgo.FetchMaxPartitionBytes),
	"fetch.message.max.bytes":   int32Option(kgo.FetchMaxPartitionBytes),
	"group.instance.id":         func(v string) (kgo.Opt, error) { return kgo.InstanceID(v), nil },
}

func millisOption[O kgo.Opt](f func(time.Duration) O) func(string) (kgo.Opt, error) {
	return func(v string) (kgo.Opt, error) {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("%q is no number of milliseconds", v)
		}
		return f(time.Duration(n) * time.Millisecond), nil
	}
}

func int32Option[O kgo.Opt](f func(int32) O) func(string) (kgo.Opt, error) {
	return func(v string) (kgo.Opt, error) {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no number of bytes", v)
		}
		return f(int32(n)), nil
	}
}

// consumedAtOnce is the largest number of messages that share an allocation.
const consumedAtOnce = 64

// Poll implements [transport.Consumer]. Poll takes everything that kgo has
// fetched, because kgo fetches again only after that. So the next records
// arrive while the caller handles these, and the client holds the records of up
// to two fetches.
func (in *consumer) Poll(ctx context.Context, wait time.Duration) (*transport.ConsumedMessage, error) {
	var cancel context.CancelFunc
	for {
		in.applyRebalances()
		if r := in.next(); r != nil {
			return in.store(r), nil
		}
		if wait <= 0 {
			return nil, nil
		}
		if cancel == nil { // most calls find a record and need no timer
			ctx, cancel = context.WithTimeout(ctx, wait)
			defer cancel()
		}
		fetches := make(chan kgo.Fetches, 1)
		polling, stop := context.WithCancel(ctx)
		go func() { fetches <- in.kgo.PollFetches(polling) }()
		var got kgo.Fetches
		select {
		case got = <-fetches:
		case r := <-in.rebalances:
			in.apply(r)
			stop()
			got = <-fetches
		}
		stop()
		err := in.keep(got)
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			if r := in.next(); r != nil {
				return in.store(r), nil
			}
			return nil, nil
		}
	}
}

// resets reports whether the consumer goes on elsewhere if the group has no
// offset, or an offset outside the log.
func (in *consumer) resets() bool {
	policy := in.settings.ConsumerPassed["auto.offset.reset"]
	return policy != "error" && policy != "none"
}

// noCommittedOffset is a part of kgo's error for a group without an offset. kgo
// does not export the error.
const noCommittedOffset = "no prior committed offset"

// resetError is the error of a consumer that does not reset its offset.
func resetError(topic string, partition int32, err error) *transport.Error {
	e := *convert(err)
	e.Retriable = false
	e.Text = fmt.Sprintf("%s[%d]: %s %s", topic, partition, e.Text, transport.NoReset)
	return &e
}

// forgetTopics makes kgo look up topics anew that were deleted and created
// again. kgo keeps the id of the old topic, and would never read the new one.
func (in *consumer) forgetTopics(topics []string) {
	if len(topics) == 0 {
		return
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	in.settings.Logger.Info("topic_created_again", "group", in.group.ID, "topics", topics)
	in.waitFor(func() {
		in.kgo.PurgeTopicsFromConsuming(topics...)
		in.kgo.AddConsumeTopics(topics...)
	})
}

// next removes the next record from the queue. Records of paused partitions
// stay in the queue.
func (in *consumer) next() *kgo.Record {
	for i, r := range in.queue {
		if len(in.paused) > 0 && in.paused[topicPartition{r.Topic, r.Partition}] {
			continue
		}
		if i == 0 {
			in.queue[0] = nil
			in.queue = in.queue[1:]
		} else {
			in.queue = slices.Delete(in.queue, i, i+1)
		}
		return r
	}
	return nil
}

// keep queues the fetched records. keep returns an error if a retry cannot fix
// it.
func (in *consumer) keep(fetches kgo.Fetches) error {
	var lasting error
	var renewed []string
	fetches.EachError(func(topic string, partition int32, err error) {
		var broker *kerr.Error
		var reset *kgo.ErrDataLoss
		switch {
		case !in.resets() && (errors.As(err, &reset) || errors.Is(err, kerr.OffsetOutOfRange) || strings.Contains(err.Error(), noCommittedOffset)):
			lasting = resetError(topic, partition, err)
		case errors.As(err, &reset):
			in.settings.Logger.Warn("offset_reset", "text", err.Error())
		case errors.Is(err, kerr.UnknownTopicID):
			renewed = append(renewed, topic)
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed):
		case errors.As(err, &broker) && isPermanent(broker):
			lasting = convert(err)
		default:
			in.troubled.Trouble(convert(err))
		}
	})
	in.forgetTopics(renewed)
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if in.assigned[topicPartition{p.Topic, p.Partition}] {
			in.queue = append(in.queue, p.Records...)
		}
	})
	return lasting
}

// isPermanent reports whether a retry cannot fix the error.
func isPermanent(err *kerr.Error) bool {
	switch err {
	case kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.UnsupportedVersion, kerr.InvalidGroupID, kerr.UnsupportedForMessageFormat:
		return true
	}
	return false
}

// applyRebalances applies all waiting rebalances without blocking.
func (in *consumer) applyRebalances() {
	for {
		select {
		case r := <-in.rebalances:
			in.apply(r)
		default:
			return
		}
	}
}

func (in *consumer) apply(r rebalance) {
	defer close(r.taken)
	for topic, partitions := range r.added {
		for _, p := range partitions {
			in.assigned[topicPartition{topic, p}] = true
		}
	}
	var gone []transport.TopicPartition
	for topic, partitions := range r.removed {
		for _, p := range partitions {
			delete(in.assigned, topicPartition{topic, p})
			gone = append(gone, transport.TopicPartition{Topic: topic, Partition: p})
		}
	}
	if len(r.added) > 0 {
		in.settings.Logger.Info("partitions_assigned", "group", in.group.ID, "partitions", fmt.Sprint(r.added))
	}
	if len(gone) > 0 {
		in.settings.Logger.Info("partitions_revoked", "group", in.group.ID, "partitions", fmt.Sprint(r.removed))
		in.queue = slices.DeleteFunc(in.queue, func(r *kgo.Record) bool { return !in.assigned[topicPartition{r.Topic, r.Partition}] })
		if in.group.Revoked != nil {
			in.group.Revoked(gone)
		}
	}
	if len(r.added) > 0 && in.group.Assigned != nil {
		in.group.Assigned()
	}
}

// consumed converts a record.
func consumed(r *kgo.Record) transport.ConsumedMessage {
	m := transport.ConsumedMessage{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, transport.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

// store converts a record in memory that it shares with other messages.
func (in *consumer) store(r *kgo.Record) *transport.ConsumedMessage {
	if len(in.spare) == 0 {
		in.spare = make([]transport.ConsumedMessage, min(len(in.queue)+1, consumedAtOnce))
	}
	m := &in.spare[0]
	in.spare = in.spare[1:]
	*m = consumed(r)
	return m
}

// Member implements [transport.Consumer].
func (in *consumer) Member() (transport.GroupMember, error) {
	id, generation := in.kgo.GroupMetadata()
	m := transport.GroupMember{Group: in.group.ID, MemberID: id, Generation: generation, InstanceID: in.settings.ConsumerPassed["group.instance.id"]}
	if id == "" {
		m.Library = transport.NotJoined{}
	}
	return m, nil
}

// Assignment implements [transport.Consumer].
func (in *consumer) Assignment() ([]transport.TopicPartition, error) {
	all := make([]transport.TopicPartition, 0, len(in.assigned))
	for p := range in.assigned {
		all = append(all, transport.TopicPartition{Topic: p.topic, Partition: p.partition})
	}
	return all, nil
}

// Committed implements [transport.Consumer]. The offset is -1 for a partition
// without a committed offset.
func (in *consumer) Committed(ctx context.Context, partitions []transport.TopicPartition) ([]transport.TopicPartition, error) {
	for {
		out, err := in.committed(ctx, partitions)
		if err == nil {
			return out, nil
		}
		var e *transport.Error
		if !errors.As(err, &e) || !e.Retriable {
			return nil, err
		}
		if err := pause(ctx, in.settings.RetryBackoff); err != nil {
			return nil, err
		}
	}
}

func (in *consumer) committed(ctx context.Context, partitions []transport.TopicPartition) ([]transport.TopicPartition, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	req.Group, group.Group, req.RequireStable = in.group.ID, in.group.ID, true
	topics := map[string][]int32{}
	for _, p := range partitions {
		topics[p.Topic] = append(topics[p.Topic], p.Partition)
	}
	for name, numbers := range topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = name, numbers
		group.Topics = append(group.Topics, t)
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = name, numbers
		req.Topics = append(req.Topics, old)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, bounded{in.kgo})
	if err != nil {
		return nil, convert(err)
	}
	found := map[topicPartition]int64{}
	keep := func(topic string, partition int32, offset int64, code int16) error {
		found[topicPartition{topic, partition}] = max(offset, -1)
		return convertError(kerr.ErrorForCode(code))
	}
	var errs []error
	for _, g := range resp.Groups {
		errs = append(errs, convertError(kerr.ErrorForCode(g.ErrorCode)))
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				errs = append(errs, keep(t.Topic, p.Partition, p.Offset, p.ErrorCode))
			}
		}
	}
	errs = append(errs, convertError(kerr.ErrorForCode(resp.ErrorCode)))
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			errs = append(errs, keep(t.Topic, p.Partition, p.Offset, p.ErrorCode))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := slices.Clone(partitions)
	for i, p := range out {
		offset, ok := found[topicPartition{p.Topic, p.Partition}]
		if !ok {
			offset = -1
		}
		out[i].Offset = offset
	}
	return out, nil
}

// EndOffsets implements [transport.Consumer].
func (in *consumer) EndOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	return offsets(ctx, in.kgo, topic, latest, in.troubled)
}

// Seek implements [transport.Consumer]. Seek tries every partition. If a
// partition is not assigned any more, Seek returns an error, but still seeks
// the other partitions.
func (in *consumer) Seek(to []transport.TopicPartition) error {
	var errs []error
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range to {
		if !in.assigned[topicPartition{p.Topic, p.Partition}] {
			errs = append(errs, fmt.Errorf("seek %s[%d] to %d: the partition is not assigned", p.Topic, p.Partition, p.Offset))
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: p.Offset}
	}
	in.queue = slices.DeleteFunc(in.queue, func(r *kgo.Record) bool {
		_, moved := offsets[r.Topic][r.Partition]
		return moved
	})
	if len(offsets) > 0 {
		in.waitFor(func() { in.kgo.SetOffsets(offsets) })
	}
	return errors.Join(errs...)
}

// waitFor runs a kgo call that may wait for a rebalance. waitFor takes
// rebalances until the call returns, because a rebalance waits for this
// goroutine.
func (in *consumer) waitFor(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		select {
		case r := <-in.rebalances:
			in.apply(r)
		case <-done:
			return
		}
	}
}

// Pause implements [transport.Consumer]. Records that kgo has already returned
// stay in the queue until Resume, because kgo does not return a record twice.
func (in *consumer) Pause(partitions []transport.TopicPartition) error {
	for _, p := range partitions {
		in.paused[topicPartition{p.Topic, p.Partition}] = true
	}
	in.kgo.PauseFetchPartitions(byTopic(partitions))
	return nil
}

// Resume implements [transport.Consumer].
func (in *consumer) Resume(partitions []transport.TopicPartition) error {
	for _, p := range partitions {
		delete(in.paused, topicPartition{p.Topic, p.Partition})
	}
	in.kgo.ResumeFetchPartitions(byTopic(partitions))
	return nil
}

func byTopic(partitions []transport.TopicPartition) map[string][]int32 {
	m := map[string][]int32{}
	for _, p := range partitions {
		m[p.Topic] = append(m[p.Topic], p.Partition)
	}
	return m
}

// Close implements [transport.Consumer].
func (in *consumer) Close() error {
	in.closing.Do(func() {
		in.waitFor(in.kgo.Close)
		close(in.closed)
	})
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

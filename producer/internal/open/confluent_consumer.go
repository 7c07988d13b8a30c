//go:build cgo

package open

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/confluent"
)

const (
	// callSlice limits one blocking call of the library, because the library's
	// calls ignore the context.
	callSlice = time.Second
	// pollSlice limits one poll for the same reason.
	pollSlice = 50 * time.Millisecond
)

// confluentConsumer implements [transport.Consumer] with confluent-kafka-go.
type confluentConsumer struct {
	settings *settings.Config
	group    transport.Group
	trouble  func(*transport.Error)
	kafka    *kafka.Consumer
	logs     chan kafka.LogEvent
	logged   chan struct{} // closed after the last log line is written
	static   bool          // a static member keeps its partitions when it closes (KIP-345)
	// outside is the metadata of a member without a place in the group.
	outside *kafka.ConsumerGroupMetadata
	// again is when to call joinAgain. Zero: never.
	again time.Time
	stuck stuck
	// joining is until when the first assignment after a join may be on its
	// way. Zero: the member has had the assignment, or never asked for one.
	joining time.Time

	mu     sync.Mutex // held by Close, and while the client gets a token
	closed bool

	endTokens    context.CancelFunc // ends confluent.KeepToken
	loginRefused chan struct{}      // capacity 1
}

// consumeConfluent is [Consumer] with confluent-kafka-go.
func consumeConfluent(c *settings.Config, g transport.Group, trouble func(*transport.Error)) (transport.Consumer, error) {
	m := c.ClientMap()
	for k, v := range c.ConsumerPassed {
		m[k] = v
	}
	m["group.id"] = g.ID
	m["group.protocol"] = string(g.Protocol)
	m["enable.auto.offset.store"] = false
	m["statistics.interval.ms"] = millis(statsEvery)
	if _, given := m["auto.offset.reset"]; !given {
		m["auto.offset.reset"] = "earliest"
	}
	in, err := startConsumer(c, g, m, trouble)
	if err != nil {
		return nil, err
	}
	if err := in.subscribe(); err != nil {
		return nil, errors.Join(asError(err), in.Close())
	}
	return in, nil
}

// subscribe begins to join the group.
func (in *confluentConsumer) subscribe() error {
	err := in.kafka.SubscribeTopics(in.group.Topics, in.rebalanced)
	if err == nil && in.group.Protocol == transport.ConsumerProtocol {
		in.joining = time.Now().Add(joinPatience)
	}
	return err
}

func startConsumer(c *settings.Config, g transport.Group, settings map[string]any, trouble func(*transport.Error)) (*confluentConsumer, error) {
	if trouble == nil {
		trouble = func(*transport.Error) {}
	}
	in := &confluentConsumer{settings: c, group: g, trouble: trouble, logs: make(chan kafka.LogEvent, 64), logged: make(chan struct{}), loginRefused: make(chan struct{}, 1)}
	m := kafka.ConfigMap{"go.logs.channel": in.logs, "isolation.level": "read_committed", "enable.auto.commit": false}
	for k, v := range settings {
		if _, ours := m[k]; !ours {
			m[k] = v
		}
	}
	_, in.static = m["group.instance.id"]
	var err error
	if g.ID != "" {
		if in.outside, err = kafka.NewTestConsumerGroupMetadata(g.ID); err != nil {
			return nil, asError(err)
		}
	}
	if in.kafka, err = kafka.NewConsumer(&m); err != nil {
		return nil, asError(err)
	}
	go in.forwardLogs()
	alive, end := context.WithCancel(context.Background())
	in.endTokens = end
	go confluent.KeepToken(alive, c, in.kafka, in.hold, trouble, in.loginRefused)
	return in, nil
}

func (in *confluentConsumer) forwardLogs() {
	defer close(in.logged)
	for line := range in.logs {
		if line.Tag == "OFFSET" && line.Level <= syslogWarning {
			in.settings.Logger.Warn("offset_reset", "text", in.settings.Redact(line.Message))
			continue
		}
		in.settings.Logger.Debug("consumer_log", "tag", line.Tag, "line", line.Message)
	}
}

// syslogWarning is the level of a warning in librdkafka's log.
const syslogWarning = 4

// Close leaves the group. A second call does nothing.
func (in *confluentConsumer) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	in.closed = true
	in.endTokens()
	in.leave()
	ended := make(chan error, 1)
	go func() { ended <- in.kafka.Close() }()
	select {
	case err := <-ended:
		close(in.logs)
		<-in.logged
		return asError(err)
	case <-time.After(closePatience):
		in.settings.Logger.Warn("consumer_close_hangs", "group", in.group.ID)
		return nil // the group forgets the member after its session timeout
	}
}

// hold keeps the library's client until release. hold returns false if the
// client is closed.
func (in *confluentConsumer) hold() (release func(), ok bool) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return nil, false
	}
	return in.mu.Unlock, true
}

// closePatience bounds the library's Close, which may never return. A healthy
// Close waits at most for an answer of the group's coordinator.
const closePatience = time.Minute

// leave gives up the partitions before the library's Close. A rebalance that
// comes during Close may block the library forever (issue 4884 of librdkafka).
func (in *confluentConsumer) leave() {
	if len(in.group.Topics) == 0 || in.static {
		return
	}
	in.finishJoin()
	if in.kafka.Unsubscribe() != nil {
		return
	}
	quiet := 0
	for end := time.Now().Add(leavePatience); quiet < 2 && time.Now().Before(end); {
		event := in.kafka.Poll(millis(leavePoll)) // runs the callbacks of a rebalance
		if left, err := in.kafka.Assignment(); event == nil && (err != nil || len(left) == 0) {
			quiet++
		} else {
			quiet = 0
		}
	}
}

// finishJoin waits for the first assignment, shortly after a join began. With
// the group protocol "consumer", the library does not leave the group if the
// answer to its join is still on the way. The group would keep the member, and
// its partitions, until the session timeout.
func (in *confluentConsumer) finishJoin() {
	for time.Now().Before(in.joining) {
		if in.handle(in.kafka.Poll(millis(leavePoll))) != nil { // no assignment will come
			return
		}
	}
}

const (
	joinPatience  = 5 * time.Second // after the join began
	leavePatience = 5 * time.Second
	leavePoll     = 5 * time.Millisecond
)

// rebalanced reports revoked and assigned partitions. The library assigns and
// unassigns the partitions.
func (in *confluentConsumer) rebalanced(_ *kafka.Consumer, event kafka.Event) error {
	revoked, ok := event.(kafka.RevokedPartitions)
	if !ok {
		in.settings.Logger.Info("partitions_assigned", "group", in.group.ID, "event", fmt.Sprint(event))
		in.joining = time.Time{}
		if in.group.Assigned != nil && !in.closed {
			in.group.Assigned()
		}
		return nil
	}
	in.settings.Logger.Info("partitions_revoked", "group", in.group.ID, "event", fmt.Sprint(event))
	if in.group.Revoked != nil {
		in.group.Revoked(toTransport(revoked.Partitions))
	}
	return nil
}

// Poll returns the next message, or nil after wait. A nil message with a nil
// error means that no message came.
func (in *confluentConsumer) Poll(ctx context.Context, wait time.Duration) (*transport.ConsumedMessage, error) {
	var end time.Time // the past, so a call that does not wait reads no clock
	if wait > 0 {
		end = time.Now().Add(wait)
	}
	for {
		if !in.again.IsZero() && time.Now().After(in.again) {
			in.joinAgain()
		}
		event := in.kafka.Poll(millis(min(pollSlice, wait)))
		if m, ok := event.(*kafka.Message); ok && m.TopicPartition.Error == nil {
			return consumed(m), nil
		}
		if err := in.handle(event); err != nil {
			return nil, err
		}
		if wait <= 0 || ctx.Err() != nil {
			return nil, nil
		}
		if wait = time.Until(end); wait <= 0 {
			return nil, nil
		}
	}
}

// handle handles an event that is not a message. handle returns an error if a
// retry cannot fix the error.
func (in *confluentConsumer) handle(event kafka.Event) error {
	switch event := event.(type) {
	case *kafka.Message:
		return in.permanentError(event.TopicPartition.Error)
	case kafka.Error:
		if strings.HasPrefix(event.Error(), noOffsets) && len(in.group.Topics) > 0 {
			in.again = time.Now().Add(in.settings.RetryBackoff)
		}
		return in.permanentError(event)
	case *kafka.Stats:
		if parts, err := in.kafka.Assignment(); err == nil && in.stuck.check(event.String(), parts) {
			in.again = time.Now()
		}
	}
	return nil
}

// noOffsets begins the library's error if the group's coordinator refuses to
// name the committed offsets.
const noOffsets = "Failed to fetch committed offset"

// joinAgain leaves the group and joins it again. If the coordinator has moved,
// the library does not ask the new one for the committed offsets, and would
// never read the partitions that it has just got (its issue 5586). Nor does the
// library ask again after a group's error without partitions, such as
// STALE_MEMBER_EPOCH. That error reaches nobody, so only the statistics show
// it: see stuck.
func (in *confluentConsumer) joinAgain() {
	in.again = time.Time{}
	err := in.kafka.Unsubscribe()
	if err == nil {
		err = in.subscribe()
	}
	in.settings.Logger.Info("group_joined_again", "group", in.group.ID, "err", err)
	if err != nil {
		in.again = time.Now().Add(in.settings.RetryBackoff)
	}
}

const (
	// statsEvery is the interval of the library's statistics.
	statsEvery = 5 * time.Second
	// leastStuck is the number of statistics in a row that must show a stuck
	// partition. After each join in vain, the number doubles, because a
	// partition also waits for the end of another member's transaction.
	leastStuck, mostStuck = 2, 64
)

// stuck finds assigned partitions that the library does not read.
type stuck struct {
	seen int // statistics in a row with a stuck partition
	most int // how many are too many; 0: leastStuck
}

// check reports whether an assigned partition is stuck for too long. stats is a
// JSON document of the library (STATISTICS.md, "fetch_state").
func (s *stuck) check(stats string, assigned []kafka.TopicPartition) bool {
	var doc struct {
		Topics map[string]struct {
			Partitions map[string]struct {
				State string `json:"fetch_state"`
			} `json:"partitions"`
		} `json:"topics"`
	}
	if json.Unmarshal([]byte(stats), &doc) != nil {
		return false
	}
	idle := slices.ContainsFunc(assigned, func(tp kafka.TopicPartition) bool {
		switch doc.Topics[*tp.Topic].Partitions[strconv.Itoa(int(tp.Partition))].State {
		case "none", "stopped":
			return true
		}
		return false
	})
	s.most = max(s.most, leastStuck)
	if !idle {
		s.seen = 0
		if len(assigned) > 0 {
			s.most = leastStuck
		}
		return false
	}
	if s.seen++; s.seen < s.most {
		return false
	}
	s.seen, s.most = 0, min(2*s.most, mostStuck)
	return true
}

// permanentError returns err if a retry cannot fix err. The trouble function
// gets every other error.
func (in *confluentConsumer) permanentError(err error) error {
	var kerr kafka.Error
	if !errors.As(err, &kerr) {
		return err
	}
	said := asError(err)
	if kerr.Code() == kafka.ErrAutoOffsetReset {
		return fmt.Errorf("%w %s", said, transport.NoReset)
	}
	if kerr.IsFatal() || isPermanent(kerr.Code()) {
		return said
	}
	var known *transport.Error
	if errors.As(said, &known) {
		confluent.NoteRefusal(in.loginRefused, known)
		in.trouble(known)
	}
	return nil
}

// isPermanent reports whether a retry cannot fix the error.
func isPermanent(code kafka.ErrorCode) bool {
	switch code {
	case kafka.ErrTopicAuthorizationFailed, kafka.ErrGroupAuthorizationFailed, kafka.ErrClusterAuthorizationFailed,
		kafka.ErrUnsupportedVersion, kafka.ErrInvalidGroupID, kafka.ErrUnsupportedForMessageFormat, kafka.ErrInvalidArg:
		return true
	}
	return false
}

// Member identifies the group member at this moment. Library is a
// *kafka.ConsumerGroupMetadata, or [transport.NotJoined].
func (in *confluentConsumer) Member() (transport.GroupMember, error) {
	m, err := in.kafka.GetConsumerGroupMetadata()
	if err != nil {
		return transport.GroupMember{}, asError(err)
	}
	if reflect.DeepEqual(m, in.outside) { // the library does not show the generation
		return transport.GroupMember{Group: in.group.ID, Library: transport.NotJoined{}}, nil
	}
	return transport.GroupMember{Group: in.group.ID, Library: m}, nil
}

// Assignment returns the partitions that are assigned to this consumer.
func (in *confluentConsumer) Assignment() ([]transport.TopicPartition, error) {
	parts, err := in.kafka.Assignment()
	return toTransport(parts), asError(err)
}

// Committed returns the group's offsets. The offset is -1 for a partition
// without a committed offset.
func (in *confluentConsumer) Committed(ctx context.Context, partitions []transport.TopicPartition) ([]transport.TopicPartition, error) {
	var out []kafka.TopicPartition
	err := in.retry(ctx, func() (err error) {
		out, err = in.kafka.Committed(toKafka(partitions), millis(callSlice))
		return err
	})
	if err != nil {
		return nil, err
	}
	back := toTransport(out)
	for i := range back {
		back[i].Offset = max(back[i].Offset, -1)
	}
	return back, nil
}

// EndOffsets returns the end offset of each partition of a topic. Messages of
// open transactions count.
func (in *confluentConsumer) EndOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	ends := map[int32]int64{}
	var partitions []kafka.PartitionMetadata
	if err := in.retry(ctx, func() error {
		m, err := in.kafka.GetMetadata(&topic, false, millis(callSlice))
		if err != nil {
			return err
		}
		t := m.Topics[topic]
		partitions = t.Partitions
		if t.Error.Code() != kafka.ErrNoError {
			return t.Error
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, p := range partitions {
		if err := in.retry(ctx, func() error {
			_, high, err := in.kafka.QueryWatermarkOffsets(topic, p.ID, millis(callSlice))
			ends[p.ID] = high
			return err
		}); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// retry calls again after an error that a retry can fix, until ctx ends. A
// topic is only an error if it stays unknown, see [transport.UnknownTopic].
func (in *confluentConsumer) retry(ctx context.Context, call func() error) error {
	var unknown transport.UnknownTopic
	for {
		err := call()
		if err == nil {
			return nil
		}
		var kerr kafka.Error
		if errors.As(err, &kerr) && (kerr.Code() == kafka.ErrUnknownTopicOrPart || kerr.Code() == kafka.ErrUnknownTopic) {
			if unknown.IsMissing() {
				return asError(err)
			}
		}
		if lasting := in.permanentError(err); lasting != nil {
			return lasting
		}
		pause := time.NewTimer(pollSlice)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), asError(err))
		}
	}
}

// Seek moves the read position of partitions. Seek tries every partition. If a
// partition is not assigned any more, Seek returns an error, but still seeks
// the other partitions.
func (in *confluentConsumer) Seek(to []transport.TopicPartition) error {
	var errs []error
	for _, tp := range toKafka(to) {
		if err := in.kafka.Seek(tp, 0); err != nil {
			errs = append(errs, fmt.Errorf("seek %s[%d] to %d: %w", *tp.Topic, tp.Partition, tp.Offset, asError(err)))
		}
	}
	return errors.Join(errs...)
}

// Pause stops reading from partitions.
func (in *confluentConsumer) Pause(partitions []transport.TopicPartition) error {
	return asError(in.kafka.Pause(toKafka(partitions)))
}

// Resume continues reading from partitions. Resume ignores revoked partitions.
func (in *confluentConsumer) Resume(partitions []transport.TopicPartition) error {
	for _, tp := range toKafka(partitions) {
		_ = in.kafka.Resume([]kafka.TopicPartition{tp}) // the library refuses a revoked partition
	}
	return nil
}

func consumed(m *kafka.Message) *transport.ConsumedMessage {
	out := &transport.ConsumedMessage{
		Topic: *m.TopicPartition.Topic, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset), LeaderEpoch: -1,
		Key: m.Key, Value: m.Value, Timestamp: m.Timestamp,
	}
	if m.TopicPartition.LeaderEpoch != nil {
		out.LeaderEpoch = *m.TopicPartition.LeaderEpoch
	}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, transport.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

func toTransport(parts []kafka.TopicPartition) []transport.TopicPartition {
	out := make([]transport.TopicPartition, len(parts))
	for i, tp := range parts {
		out[i] = transport.TopicPartition{Topic: *tp.Topic, Partition: tp.Partition, Offset: int64(tp.Offset)}
	}
	return out
}

func toKafka(parts []transport.TopicPartition) []kafka.TopicPartition {
	out := make([]kafka.TopicPartition, len(parts))
	for i, tp := range parts {
		out[i] = kafka.TopicPartition{Topic: &parts[i].Topic, Partition: tp.Partition, Offset: kafka.Offset(tp.Offset)}
	}
	return out
}

func millis(d time.Duration) int { return int((max(d, 0) + time.Millisecond - 1) / time.Millisecond) }

// asError converts a kafka.Error to a transport error. nil stays nil.
func asError(err error) error {
	var kerr kafka.Error
	if !errors.As(err, &kerr) {
		return err
	}
	code := transport.Other
	switch k := kerr.Code(); k {
	case kafka.ErrTimedOut, kafka.ErrTimedOutQueue, kafka.ErrMsgTimedOut:
		code = transport.TimedOut
	case kafka.ErrTransport, kafka.ErrResolve:
		code = transport.Transport
	case kafka.ErrAllBrokersDown:
		code = transport.AllBrokersDown
	case kafka.ErrAuthentication:
		code = transport.Authentication
	case kafka.ErrSsl:
		code = transport.Certificate
	case kafka.ErrUnknownTopic, kafka.ErrUnknownPartition:
		code = transport.Code(kafka.ErrUnknownTopicOrPart)
	case kafka.ErrFenced:
		code = transport.Fenced
	case kafka.ErrState:
		code = transport.State
	case kafka.ErrInvalidArg:
		code = transport.Invalid
	default:
		if k > 0 { // the broker's code
			code = transport.Code(k)
		}
	}
	return &transport.Error{Code: code, Fatal: kerr.IsFatal(), Retriable: kerr.IsRetriable(), Text: kerr.Error(), Err: err}
}

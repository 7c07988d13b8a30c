// Package transport is the seam between the engine and a Kafka client library.
//
// The engine decides what happens to a message: it bounds the buffer, keeps the
// order of each key, replaces clients, and gives every message its outcome. A
// transport only puts bytes into Kafka and reports what it knows about them. The
// engine imports no client library, and a transport imports no engine.
//
// Two packages implement the seam: confluent (librdkafka under
// confluent-kafka-go) and franz (franz-go's kgo, pure Go). The conformance suite
// in package transporttest runs on both.
package transport

import (
	"context"
	"time"
)

// Token names one message between Produce and its outcome. The engine chooses
// it. A transport returns it unchanged, exactly once.
type Token uint64

// Message is what Produce takes. The transport does not keep any of its memory
// after Produce has returned. A nil Key or Value is null in Kafka.
type Message struct {
	Key, Value []byte
	Headers    []Header
	// Timestamp is in Unix milliseconds. It counts only if HasTimestamp is set,
	// because 0 is a valid time. Otherwise the client library stamps the message.
	Timestamp    int64
	HasTimestamp bool
}

// Header is one header of a message. A nil Value is null in Kafka.
type Header struct {
	Key   string
	Value []byte
}

// Persistence is what a transport knows about a message that has failed.
type Persistence uint8

const (
	// PossiblyPersisted is the zero value: the message may be in the log, once.
	PossiblyPersisted Persistence = iota
	// NotPersisted says that the message is in no log and never will be. A
	// transport says so only if that is certain, whatever happens later.
	NotPersisted
	// Persisted says that the message is in the log, once.
	Persisted
)

// Outcome reports the end of one message.
type Outcome struct {
	Token     Token
	Partition int32
	// Offset is the message's offset in the log. It is -1 if the broker named
	// none.
	Offset int64
	// Timestamp is the broker's timestamp in Unix milliseconds where the topic
	// uses LogAppendTime, and -1 elsewhere.
	Timestamp int64
	// Persistence is Persisted if and only if Err is nil.
	Persistence Persistence
	// Guilty says that the broker named this message as the reason why it refused
	// the batch. A message that was refused only because it shared the batch has
	// false.
	Guilty bool
	// Err is nil for a delivered message. Otherwise it is an *Error, or wraps one.
	Err error
	// Message is the message as it was handed over, if Persistence is
	// NotPersisted, so that the engine can send it again. It has a timestamp, also
	// if the library chose it. Its memory belongs to the receiver. It may be nil if
	// the transport does not keep messages.
	Message *Message
}

// Handler receives what a client has to say. Its methods are called on the
// transport's own goroutines, must not block, and must not call the client.
type Handler interface {
	// Outcomes reports messages in groups. For one partition the outcomes of
	// delivered messages come in the order of their offsets. The slice belongs to
	// the transport again after the return.
	Outcomes(outcomes []Outcome)
	// Trouble reports an error that belongs to no message: a broker out of reach,
	// a refused login. It is no outcome of anything.
	Trouble(err *Error)
	// Fatal reports, once, that the client will accept and deliver nothing more.
	// Outcomes for everything in flight follow.
	Fatal(err *Error)
}

// Client is one producing client of a library. It is safe for concurrent use,
// except that Close must be the last call.
type Client interface {
	// Topic returns the handle through which messages go to a topic. It does no
	// I/O.
	Topic(name string) (Topic, error)
	// Metadata asks the brokers for a topic. A topic that does not exist is an
	// *Error with the code UnknownTopicOrPartition.
	Metadata(ctx context.Context, topic string) (TopicMetadata, error)
	// Reach waits for an answer of any broker.
	Reach(ctx context.Context) error
	// Admin answers questions about the cluster and creates topics.
	Admin() Admin

	// InitTransactions and the four calls after it are KIP-98's. They exist if
	// the client was opened with a transactional id. ctx bounds each call. A call
	// that was cut off by ctx may have taken effect. The same call may be made
	// again.
	InitTransactions(ctx context.Context) error
	BeginTransaction() error
	SendOffsets(ctx context.Context, offsets []GroupOffset, member GroupMember) error
	CommitTransaction(ctx context.Context) error
	AbortTransaction(ctx context.Context) error

	// Purge gives up everything that is not delivered yet. Every message gets its
	// outcome, with the best Persistence that the library knows.
	Purge()
	// Close ends the client's connections and goroutines. It returns after the
	// last call to the Handler.
	Close()
}

// Topic is a client's handle of one topic.
type Topic interface {
	// Produce hands a message over. It does not block on the network. After nil
	// there is exactly one Outcome for the token, possibly before the return.
	// After an error nothing was taken, and there is none. The code Recovering
	// means that an earlier batch of the partition was refused and its outcomes are
	// on their way to the Handler: the partition takes messages again when Outcomes
	// has returned.
	//
	// Produce may be called under a lock that the Handler's Outcomes takes too.
	Produce(partition int32, m *Message, token Token) error
	// Close frees the handle. Messages already handed over are not affected.
	Close()
}

// TopicMetadata describes a topic as the brokers see it.
type TopicMetadata struct {
	Name string
	// ID is the topic's identity (KIP-516), zero where the broker has none. A
	// topic that was deleted and created again has another one.
	ID         [16]byte
	Partitions []PartitionMetadata // by partition number
}

// PartitionMetadata describes one partition. Leader is -1 if there is none.
type PartitionMetadata struct {
	Leader           int32
	Replicas, InSync []int32
	Err              error // for instance a leader that is not available
}

// Admin is what Prepare and the topic look-up need besides metadata.
type Admin interface {
	// TopicConfig returns the effective settings of a topic.
	TopicConfig(ctx context.Context, topic string) (map[string]string, error)
	// CreateTopic creates a topic. -1 partitions or replicas mean the broker's
	// default. A topic that exists is an *Error with TopicAlreadyExists.
	CreateTopic(ctx context.Context, topic string, partitions, replicas int, settings map[string]string) error
	// MayWrite asks whether the client may write to a topic. It is true if the
	// brokers do not say.
	MayWrite(ctx context.Context, topic string) (bool, error)
}

// GroupOffset is an offset to commit for a consumer group.
type GroupOffset struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // -1 if not known
}

// GroupMember identifies a member of a consumer group at one moment, so that the
// coordinator can fence a member that was replaced.
type GroupMember struct {
	Group, MemberID, InstanceID string
	Generation                  int32
	// Library holds what the transport itself needs. The engine passes it on.
	Library any
}

// ConsumedMessage is a message that a Consumer has read.
type ConsumedMessage struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32
	Key, Value  []byte
	Headers     []Header
	Timestamp   time.Time
}

// Header returns the value of the last header of a name, as Kafka's clients do.
func (m *ConsumedMessage) Header(key string) ([]byte, bool) {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}

// TopicPartition names a partition, and an offset where one is asked for.
type TopicPartition struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Consumer is a member of a consumer group, or a reader of assigned partitions.
// One goroutine uses it. Rebalances take effect inside Poll only.
type Consumer interface {
	// Poll returns the next message, or nil after wait. An error that passes by
	// itself goes to the Handler's Trouble instead.
	Poll(ctx context.Context, wait time.Duration) (*ConsumedMessage, error)
	Member() (GroupMember, error)
	Assignment() ([]TopicPartition, error)
	Committed(ctx context.Context, partitions []TopicPartition) ([]TopicPartition, error)
	EndOffsets(ctx context.Context, topic string) (map[int32]int64, error)
	Seek(to []TopicPartition) error
	Pause(partitions []TopicPartition) error
	Resume(partitions []TopicPartition) error
	// Close leaves the group.
	Close() error
}

// Group says what a [Consumer] reads as a member of a consumer group.
type Group struct {
	ID       string
	Protocol Protocol
	Topics   []string
	// Revoked is called inside Poll, Pause or Close with the partitions that are
	// no longer ours. Nil: nobody wants to know.
	Revoked func(partitions []TopicPartition)
}

// Protocol is how members of a consumer group agree on who reads what.
type Protocol string

// The values of [Protocol].
const (
	ConsumerProtocol Protocol = "consumer" // KIP-848, brokers from 4.0
	ClassicProtocol  Protocol = "classic"
)

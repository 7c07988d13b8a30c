// Package transport is the seam between the engine and a Kafka client library.
//
// The engine decides about every message. The engine bounds the buffer, keeps
// the order of each key, replaces clients, and gives every message its outcome.
// A transport only writes bytes to Kafka and reports the result. The engine
// imports no client library, and a transport does not import the engine.
//
// Two packages implement the seam: confluent (librdkafka through
// confluent-kafka-go) and franz (franz-go's kgo, pure Go). The conformance
// suite in package transporttest runs on both.
package transport

import (
	"context"
	"time"
)

// Token identifies one message between Produce and its outcome. The engine
// chooses the token. A transport returns the token unchanged, exactly once.
type Token uint64

// Message is the argument of Produce. The transport keeps none of the message's
// memory after Produce has returned. A nil Key or Value is null in Kafka.
type Message struct {
	Key, Value []byte
	Headers    []Header
	// Timestamp is in Unix milliseconds. The transport uses Timestamp only if
	// HasTimestamp is set, because 0 is a valid time. Otherwise the client
	// library sets the time.
	Timestamp    int64
	HasTimestamp bool
}

// Sizes of the record batch format (version 2). A message in a batch of its own
// adds these bytes to key, value and headers. The length of the batch in the
// request counts too.
const (
	BatchOverhead  = 61 + 4
	recordOverhead = 32 // lengths and deltas, at most
	headerOverhead = 10
)

// Size returns the number of bytes of key, value and headers.
func (m *Message) Size() int {
	size := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		size += len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return size
}

// WireSize returns an upper bound of the message's size in a batch of its own,
// before compression.
func (m *Message) WireSize() int {
	return m.Size() + BatchOverhead + recordOverhead + len(m.Headers)*headerOverhead
}

// Header is one header of a message. A nil Value is null in Kafka.
type Header struct {
	Key   string
	Value []byte
}

// Persistence says whether a failed message can be in the log.
type Persistence uint8

const (
	// PossiblyPersisted is the zero value. The message may be in the log, once.
	PossiblyPersisted Persistence = iota
	// NotPersisted says that the message is in no log and never will be. A
	// transport reports NotPersisted only if this is certain.
	NotPersisted
	// Persisted says that the message is in the log, once.
	Persisted
)

// Outcome reports the final result of one message, or of several delivered
// messages in a row.
type Outcome struct {
	Token     Token
	Partition int32
	// More is the number of further delivered messages. Their tokens and
	// offsets follow Token and Offset one by one, and all else is the same.
	More int32
	// Offset is the message's offset in the log. Offset is -1 if the broker
	// returned no offset.
	Offset int64
	// Timestamp is the message's timestamp in Unix milliseconds. If the topic
	// uses LogAppendTime, Timestamp is the broker's time. If the message had no
	// timestamp, Timestamp is the time that the transport set. -1: not known.
	// confluent without the plugin cannot report the broker's time.
	Timestamp int64
	// OnWire is the time from writing the message's last produce request to the
	// broker's answer. OnWire is 0 if the message is not delivered, or if the
	// library does not know the time.
	OnWire time.Duration
	// Persistence is Persisted if and only if Err is nil.
	Persistence Persistence
	// Guilty says that the broker named this message as the reason for refusing
	// the batch. Guilty is false for the other messages of a refused batch.
	Guilty bool
	// Err is nil for a delivered message. Otherwise Err is or wraps an *Error.
	Err error
	// Message is a copy of the produced message if Persistence is NotPersisted.
	// The engine can send the copy again. Message always has a timestamp, even
	// if the library chose the time. The memory belongs to the receiver.
	// Message may be nil if the transport does not keep messages.
	Message *Message
}

// Handler receives the reports of a client. The transport calls the methods on
// its own goroutines. A method must not block and must not call the client.
type Handler interface {
	// Outcomes reports messages in groups. For each partition, outcomes of
	// delivered messages come in the order of their offsets. The transport
	// reuses the slice after the return.
	Outcomes(outcomes []Outcome)
	// Trouble reports an error that belongs to no message, for example an
	// unreachable broker or a refused login. Trouble does not change the
	// outcome of any message.
	Trouble(err *Error)
	// Refused reports that a broker refused messages of a partition, or did not
	// answer in time, and that the library sends the messages again. An empty
	// topic and the partition -1 mean that the library waits for a producer id,
	// without which the library sends no message. Refused does not change the
	// outcome of any message. A transport that does not know the reason does
	// not call Refused.
	Refused(topic string, partition int32, err *Error)
	// Fatal reports, once, that the client accepts and delivers no more
	// messages. The outcomes of all messages in flight follow.
	Fatal(err *Error)
}

// Client is one producing client of a library. Client is safe for concurrent
// use, but Close must be the last call.
type Client interface {
	// Topic returns the handle for messages to a topic. Topic does no I/O.
	Topic(name string) (Topic, error)
	// Metadata asks the brokers for a topic. If the topic does not exist,
	// Metadata returns an *Error with the code UnknownTopicOrPartition.
	Metadata(ctx context.Context, topic string) (TopicMetadata, error)
	// Reach waits until any broker answers.
	Reach(ctx context.Context) error
	// Brokers is the table of the brokers that the client knows. The client
	// keeps the table up to date by its own events, and the caller only reads.
	Brokers() *Brokers
	// Admin answers questions about the cluster and creates topics.
	Admin() Admin

	// InitTransactions and the next four methods are the calls of KIP-98. The
	// client must have a transactional id. ctx bounds each call. If ctx ends a
	// call, the call may still have taken effect. The caller may repeat the
	// same call.
	InitTransactions(ctx context.Context) error
	BeginTransaction() error
	SendOffsets(ctx context.Context, offsets []GroupOffset, member GroupMember) error
	CommitTransaction(ctx context.Context) error
	AbortTransaction(ctx context.Context) error

	// BeginFlush makes the client send messages without waiting for linger.ms,
	// also the messages that wait now. EndFlush ends this. Each BeginFlush
	// needs its own EndFlush, and several flushes may overlap. Neither call
	// waits for outcomes.
	BeginFlush()
	EndFlush()

	// Purge gives up every message that is not delivered yet. Every message
	// gets its outcome, with the best Persistence that the library knows.
	Purge()
	// Close ends the client's connections and goroutines. Close returns after
	// the last call to the Handler.
	Close()
}

// Topic is a client's handle of one topic.
type Topic interface {
	// Produce hands over a message. Produce does not block on the network. If
	// Produce returns nil, the token gets exactly one Outcome, possibly before
	// the return. If Produce returns an error, the client did not take the
	// message, and there is no Outcome.
	//
	// The code Recovering means that the broker refused an earlier batch of the
	// partition, and that the Handler still gets outcomes. The partition takes
	// messages again after Outcomes has returned.
	//
	// The caller may hold a lock that the Handler's Outcomes takes too.
	Produce(partition int32, m *Message, token Token) error
	// Close frees the handle. Messages that Produce has taken are not affected.
	Close()
}

// TopicMetadata describes a topic as the brokers see it.
type TopicMetadata struct {
	Name string
	// ID is the topic's identity (KIP-516). ID is zero if the broker has none.
	// A topic that was deleted and created again has a new ID.
	ID         [16]byte
	Partitions []PartitionMetadata // by partition number
}

// PartitionMetadata describes one partition. Leader is -1 if there is none.
type PartitionMetadata struct {
	Leader           int32
	Replicas, InSync []int32
	Err              error // for example, the leader is not available
}

// Admin has the cluster calls of Prepare and of the topic look-up.
type Admin interface {
	// TopicConfig returns the effective settings of a topic.
	TopicConfig(ctx context.Context, topic string) (map[string]string, error)
	// CreateTopic creates a topic. -1 partitions or replicas mean the broker's
	// default. If the topic exists, CreateTopic returns an *Error with the code
	// TopicAlreadyExists.
	CreateTopic(ctx context.Context, topic string, partitions, replicas int, settings map[string]string) error
	// MayWrite asks if the client may write to a topic. MayWrite returns true
	// if the brokers do not answer this question.
	MayWrite(ctx context.Context, topic string) (bool, error)
}

// GroupOffset is an offset to commit for a consumer group.
type GroupOffset struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // -1 if not known
}

// GroupMember identifies a member of a consumer group at one moment. The
// coordinator uses the identity to fence a replaced member.
type GroupMember struct {
	Group, MemberID, InstanceID string
	Generation                  int32
	// Library holds data of the transport. The engine only passes the data on.
	Library any
}

// NotJoined is the Library of a member without a place in its group. The
// coordinator takes the offsets of such a member without checking who owns the
// partitions.
type NotJoined struct{}

// Refusal returns the error of SendOffsets for a member without a place in its
// group, and otherwise nil.
func (m GroupMember) Refusal() *Error {
	if _, ok := m.Library.(NotJoined); ok {
		return &Error{Code: unknownMemberID, AbortRequired: true, Text: "the consumer had not joined its group"}
	}
	return nil
}

const unknownMemberID Code = 25

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

// Header returns the value of the last header with the name, as Kafka's clients
// do.
func (m *ConsumedMessage) Header(key string) ([]byte, bool) {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}

// TopicPartition names a partition. Some calls also use the offset.
type TopicPartition struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Consumer is a member of a consumer group, or a reader of assigned partitions.
// Only one goroutine may use a Consumer. Rebalances take effect only inside
// Poll.
type Consumer interface {
	// Poll returns the next message, or nil after wait. With wait 0, Poll
	// returns only a message that has been fetched already. The Handler's
	// Trouble gets every error that a retry can fix.
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

// NoReset ends the error of a [Consumer] that has no offset in the log, and
// whose setting forbids another offset.
const NoReset = "(auto.offset.reset=error): commit an offset for the group, or set earliest or latest"

// Group describes the input of a [Consumer] that is a member of a consumer
// group.
type Group struct {
	ID       string
	Protocol Protocol
	Topics   []string
	// Revoked gets the partitions that the member has lost. Poll, Pause or
	// Close calls Revoked. nil means no callback.
	Revoked func(partitions []TopicPartition)
	// Assigned runs when the member has got partitions. Poll or Close calls
	// Assigned, and never before Revoked of the partitions that the member has
	// lost since. [Consumer.Member] then returns the new generation. nil means
	// no callback.
	Assigned func()
}

// Protocol is the protocol by which the group assigns partitions to members.
type Protocol string

// The values of [Protocol].
const (
	ConsumerProtocol Protocol = "consumer" // KIP-848, brokers from 4.0
	ClassicProtocol  Protocol = "classic"
)

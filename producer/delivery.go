package producer

import "github.com/avroline/avroline/producer/internal/engine"

// Delivery says where a message is in the log. A message of a transaction
// becomes visible only after the commit.
//
//	Topic     string
//	Partition int32
//	// Offset is -1 if the broker did not tell the offset. The broker does not
//	// tell it with acks 0, or for a recognised duplicate.
//	Offset int64
//	// Timestamp is the timestamp of the message. In a topic with
//	// message.timestamp.type=LogAppendTime, Timestamp is the broker's time.
//	// Timestamp is zero if the client did not report a message before Close
//	// gave up and the message has no explicit timestamp.
//	Timestamp time.Time
//	// KeySchemaID and ValueSchemaID are the ids in the registry. An id is 0 if
//	// there is no schema, for example for a tombstone or a key that is not
//	// Avro.
//	KeySchemaID, ValueSchemaID int
type Delivery = engine.Delivery

// Callback is called exactly once for each accepted message. A message is
// accepted if the call returned nil. Callback is not called for a refused
// message. Calls run on the producer's delivery goroutine, for each partition
// in the order of the log. The message has left the buffer before the call.
//
// A callback may publish. While a callback blocks, no other callback runs. The
// waiting outcomes need some hundred bytes of memory each, and
// [WithMaxWaitingCallbacks] bounds them. A callback must not call Flush or
// Close, because the call would wait for the callback itself. A panic is caught
// and reported like a failure, see [WithFailureHandler].
type Callback = engine.Callback

// Stats are counts since New. Accepted = Delivered + NotSent + Unknown +
// InFlight holds at every moment.
//
//	// Accepted counts the messages whose call returned or will return nil.
//	Accepted int64
//	// Delivered, NotSent and Unknown count the outcomes. NotSent counts
//	// accepted messages only, for example the messages of aborted transactions.
//	// A refused message is not counted.
//	Delivered, NotSent, Unknown int64
//	// InFlight counts the messages without an outcome. InFlightBytes is the
//	// size of their keys, values and headers.
//	InFlight, InFlightBytes int64
type Stats = engine.Stats

// Health is the state of a producer at one moment. Asking for it does no I/O.
//
//	// Ready says whether the producer can publish, as far as the producer
//	// knows.
//	Ready bool
//	// Since is the time of the last change of Ready.
//	Since time.Time
//	// Reason says why the producer is not ready, in the words of its errors.
//	// Reason is nil if Ready is true.
//	Reason error
//	// Degraded says what is wrong although the producer can publish. For
//	// example, one of several brokers is unreachable, a partition does not
//	// move, or Prepare has seen too few replicas in sync (ErrNotReady).
//	// Degraded is nil if nothing is wrong or if Ready is false.
//	Degraded error
//	// InFlight is the number of accepted messages without an outcome.
//	InFlight int64
//	// Stuck names partitions, as "topic[partition]". Such a partition has
//	// messages in flight and had no outcome for 10 seconds.
//	Stuck []string
//	// OldestInFlight is the longest time for which a partition has had no
//	// outcome. It is 0 if nothing is in flight.
//	OldestInFlight time.Duration
//	// Brokers are the brokers that the producer knows, with their state.
//	Brokers []Broker
type Health = engine.Health

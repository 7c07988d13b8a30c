package producer

import (
	"log/slog"
	"maps"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
)

// Option configures [New] and [NewTransactional]. Packages processor, source
// and outbox accept an Option through WithProducer. Functions of this package
// make each Option. The zero Option does nothing.
//
// Options apply in their order. If two options set the same thing, the later
// option wins. So give a preset or a file first, and single settings after it.
// A constructor refuses an option that it cannot honour, and names the option.
type Option = settings.Option

// Transport is the client library under a producer.
type Transport = settings.Transports

// The transports. docs/transports.md compares them.
const (
	// Confluent is librdkafka under confluent-kafka-go. Confluent needs cgo. It
	// is the default if the program is built with cgo.
	Confluent = settings.Confluent
	// Franz is franz-go, which is pure Go.
	Franz = settings.Franz
)

// WithTransport chooses the client library. API, outcomes and errors are the
// same with each library. If the chosen transport lacks a setting, the
// constructor refuses the setting by name. In a file: avroline.transport.
func WithTransport(t Transport) Option {
	return settings.Set("WithTransport", func(c *settings.Config) { c.Transport = t }, "avroline.transport")
}

// WithLinger sets how long the client waits for more messages before it sends a
// batch that is not full. Default 5 ms, at most 15 minutes. 0 sends at once,
// which suits synchronous publishing. Messages do not wait while Flush, Close,
// a commit, or a publisher in front of a full buffer waits. In a program that
// logs client_without_plugin, only a commit ends the wait.
// librdkafka linger.ms (queue.buffering.max.ms), Java linger.ms.
func WithLinger(d time.Duration) Option {
	return settings.Set("WithLinger", func(c *settings.Config) { c.Linger = d }, "linger.ms")
}

// WithBatchSize bounds the bytes of a batch before compression. Default
// 1,000,000. The limit max.message.bytes of a topic applies to a batch, and the
// client does not split a batch. So the producer starts a second client with a
// smaller batch size for topics with a smaller limit. librdkafka batch.size,
// Java batch.size.
func WithBatchSize(bytes int) Option {
	return settings.Set("WithBatchSize", func(c *settings.Config) { c.BatchBytes = bytes }, "batch.size")
}

// WithBatchMessages bounds the messages of one batch. Default 10,000, at most
// 1,000,000. librdkafka batch.num.messages; Java has none.
func WithBatchMessages(n int) Option {
	return settings.Set("WithBatchMessages", func(c *settings.Config) { c.BatchMessages = n }, "batch.num.messages")
}

// WithMaxMessageBytes bounds a message and a request, in bytes. The producer
// refuses a larger message with [TooLargeError], before the message is queued.
// Default 1,000,000. Raise the topic's max.message.bytes too. librdkafka
// message.max.bytes, Java max.request.size.
func WithMaxMessageBytes(n int) Option {
	return settings.Set("WithMaxMessageBytes", func(c *settings.Config) { c.MaxMessageBytes = n }, "message.max.bytes")
}

// WithCompression compresses batches. Default [NoCompression].
// librdkafka compression.type (compression.codec), Java compression.type.
func WithCompression(codec Compression) Option {
	return settings.Set("WithCompression", func(c *settings.Config) { c.Compression = codec }, "compression.type")
}

// WithCompressionLevel sets the level of the codec: 0 to 9 for gzip, 0 to 12
// for lz4 and zstd. Default -1, the codec's own level. Snappy and no
// compression have no levels.
// librdkafka compression.level, Java compression.{gzip,lz4,zstd}.level.
func WithCompressionLevel(level int) Option {
	return settings.Set("WithCompressionLevel", func(c *settings.Config) { c.CompressionLevel = level }, "compression.level")
}

// WithMaxInFlight bounds the messages without an outcome: their number, and the
// bytes of their keys, values and headers. If the buffer is full, publishing
// waits until there is room or its context ends. Default 100,000 messages and
// 64 MiB. librdkafka queue.buffering.max.messages and
// queue.buffering.max.kbytes, Java buffer.memory.
func WithMaxInFlight(messages int, bytes int64) Option {
	return settings.Set("WithMaxInFlight", func(c *settings.Config) { c.MaxInFlightMessages, c.MaxInFlightBytes = messages, bytes }, "queue.buffering.max.messages", "buffer.memory")
}

// WithMaxBlock bounds how long publishing waits for room in a full buffer. The
// context of the call bounds the wait too. Default 0: only the context bounds
// the wait. Java max.block.ms; librdkafka has no such setting.
func WithMaxBlock(d time.Duration) Option {
	return settings.Set("WithMaxBlock", func(c *settings.Config) { c.MaxBlock = d }, "max.block.ms")
}

// WithMaxWaitingCallbacks bounds the outcomes that wait for their callback,
// their hook or [WithFailureHandler] while an earlier callback runs. An outcome
// beyond n keeps the room of its message in the buffer until its callback has
// returned. So publishing waits for slow callbacks, and at most n outcomes and
// the messages of [WithMaxInFlight] are in memory. With 0 every message keeps
// its room until then, as with librdkafka and Java. Default -1: no bound, so
// slow callbacks never stop publishing.
//
// With a bound, a callback must not wait for room, because the room may come
// only after the callback itself has returned. So publish in callbacks with
// [Topic.TryPublishAsync], or with a context that ends.
// confluent-kafka-go go.events.channel.size.
func WithMaxWaitingCallbacks(n int) Option {
	return settings.Set("WithMaxWaitingCallbacks", func(c *settings.Config) { c.MaxWaitingCallbacks = n }, "avroline.max.waiting.callbacks")
}

// WithInFlightRequests bounds the requests in flight on one connection. Default
// 1, and 5 in transactions. Idempotence allows at most 5.
//
// With more than one request, a temporary refusal of a batch (too few replicas,
// a disk error) makes the broker refuse the next batch because of its sequence
// number. The second refusal ends the client behind the producer
// (docs/faults.md). With one request, batches fill while the request is in
// flight, so a stream is as fast. Only many partitions on distant brokers are
// slower, because a request holds one partition. librdkafka
// max.in.flight.requests.per.connection (max.in.flight), Java the same.
func WithInFlightRequests(n int) Option {
	return settings.Set("WithInFlightRequests", func(c *settings.Config) { c.InFlightRequests = n }, "max.in.flight.requests.per.connection")
}

// WithRetries bounds how often a message is sent again. Idempotence needs
// retries without end, so this option goes only with [WithWeakAcks]. Default:
// without end. librdkafka retries (message.send.max.retries), Java retries.
func WithRetries(n int) Option {
	return settings.Set("WithRetries", func(c *settings.Config) { c.Retries = n }, "retries")
}

// WithRetryBackoff sets the pause before a request is repeated. The pause
// begins with first and doubles up to most. Default 100 ms and 1 s.
// librdkafka retry.backoff.ms and retry.backoff.max.ms, Java the same.
func WithRetryBackoff(first, most time.Duration) Option {
	return settings.Set("WithRetryBackoff", func(c *settings.Config) { c.RetryBackoff, c.RetryBackoffMax = first, most }, "retry.backoff.ms", "retry.backoff.max.ms")
}

// WithRequestTimeout sets how long a broker may take to have a batch
// replicated. After that time the broker answers with an error. Default 30 s.
// librdkafka request.timeout.ms, Java the same. For a broker that gives no
// answer at all, see "Connections without an answer" in docs/transports.md.
func WithRequestTimeout(d time.Duration) Option {
	return settings.Set("WithRequestTimeout", func(c *settings.Config) { c.RequestTimeout = d }, "request.timeout.ms")
}

// WithDeliveryTimeout lets a message expire inside the client after d. Default
// 0: a message never expires, and the context of the call bounds the wait.
//
// With the transport [Confluent], and without transactions, this option gives
// up the guarantee. In an outage that lasts longer than d, messages reported as
// [ErrOutcomeUnknown] are in the log, and delivered messages are there twice. A
// message that waits for the first message of its partition may expire up to d
// later.
//
// With the transport [Franz] a message that may be in the log does not expire,
// and the messages behind it in its partition wait too. If the first message of
// a partition expires, so do the messages behind it, with [ErrNotSent].
//
// In a transactional producer expiry aborts the transaction, which is safe.
// There d must not exceed the transaction timeout, and 0 means the transaction
// timeout.
// librdkafka delivery.timeout.ms (message.timeout.ms), Java
// delivery.timeout.ms.
func WithDeliveryTimeout(d time.Duration) Option {
	return settings.Set("WithDeliveryTimeout", func(c *settings.Config) { c.DeliveryTimeout = d }, "delivery.timeout.ms")
}

// WithTransactionTimeout sets how long a transaction may stay open. After that
// time the coordinator aborts it. Default 60 s, and 10 s in a processor. The
// broker's transaction.max.timeout.ms is the upper bound (15 minutes by
// default). [New] refuses this option. librdkafka transaction.timeout.ms, Java
// the same.
func WithTransactionTimeout(d time.Duration) Option {
	return settings.Set("WithTransactionTimeout", func(c *settings.Config) { c.TransactionTimeout = d }, "transaction.timeout.ms")
}

// WithGroupCommit puts many small [Transactional.InTx] calls into one
// transaction. The transaction commits when it holds that many messages, or
// when wait has passed since its first call. Each call returns when the
// transaction has ended. If the function of one call returns an error, the
// transaction aborts and the other calls run again without it. Default: each
// call has its own transaction. [New], processors and sources refuse this
// option.
func WithGroupCommit(messages int, wait time.Duration) Option {
	return settings.Set("WithGroupCommit", func(c *settings.Config) { c.GroupCommitMessages, c.GroupCommitWait = messages, wait }, "group.commit")
}

// WithClientID names this client in the broker's logs, metrics and quotas.
// Default "avroline". librdkafka client.id, Java the same.
func WithClientID(id string) Option {
	return settings.Set("WithClientID", func(c *settings.Config) { c.ClientID = id }, "client.id")
}

// WithRack names the place where this client runs. The consumer of a processor
// can then read from a replica in the same place. Default none.
// librdkafka client.rack, Java the same.
func WithRack(rack string) Option {
	return settings.Set("WithRack", func(c *settings.Config) { c.Rack = rack }, "client.rack")
}

// WithMetadataMaxAge sets how often the producer looks up partition counts and
// leaders if nothing asks for them earlier. Default 1 minute. Partitions that
// were added are used after at most this time.
// librdkafka topic.metadata.refresh.interval.ms, Java metadata.max.age.ms.
func WithMetadataMaxAge(d time.Duration) Option {
	return settings.Set("WithMetadataMaxAge", func(c *settings.Config) { c.MetadataMaxAge = d }, "topic.metadata.refresh.interval.ms")
}

// WithCreateTopics lets [Producer.Prepare] create missing topics. -1 leaves a
// number to the broker. Default: a missing topic is an error.
func WithCreateTopics(partitions, replication int) Option {
	return settings.Set("WithCreateTopics", func(c *settings.Config) {
		c.CreateTopics.Allowed, c.CreateTopics.Partitions, c.CreateTopics.Replication = true, partitions, replication
	}, "create.topics")
}

// WithTopicSettings gives the settings of the topics that [WithCreateTopics]
// makes, by the broker's names, for example "retention.ms" or
// "min.insync.replicas".
func WithTopicSettings(topicSettings map[string]string) Option {
	cloned := maps.Clone(topicSettings)
	return settings.Set("WithTopicSettings", func(c *settings.Config) { c.CreateTopics.Settings = cloned }, "topic.settings")
}

// WithWeakAcks switches idempotence off, and so the guarantee. With [AcksNone]
// and [AcksLeader], messages may be lost. With any value, messages may be in
// the log twice or out of order. [ErrNotSent] is still true. A [Delivery] means
// only that as many replicas as a says had the message. With [AcksNone], the
// message was written to a socket, and its offset is -1. Transactions refuse
// this option. librdkafka enable.idempotence=false and acks, Java the same.
func WithWeakAcks(a Acks) Option {
	return settings.Set("WithWeakAcks", func(c *settings.Config) { c.WeakAcks, c.Acks = true, a }, "acks")
}

// WithStrictPrepare makes Prepare return an error for a problem that may end by
// itself ([ErrNotReady]). Without the option, Prepare logs such a problem and
// Health names it, because a broker that restarts must not keep a service from
// starting. Problems that last are always errors.
func WithStrictPrepare() Option {
	return settings.Set("WithStrictPrepare", func(c *settings.Config) { c.StrictPrepare = true }, "avroline.strict.prepare")
}

// WithoutRecovery makes every fatal error of the client library final. Each
// later call returns [ErrFatal]. Default: the client behind the producer is
// replaced, and the producer goes on. A message that is certainly not in the
// log is sent again by the next client, in the order of each key. Only a
// message whose answer was lost is [ErrOutcomeUnknown], because the message may
// be in the log. A producer that was fenced ends in either case. The clients of
// transactional producers are always replaced.
func WithoutRecovery() Option {
	return settings.Set("WithoutRecovery", func(c *settings.Config) { c.Recovery = false }, "avroline.recovery")
}

// WithLogger sets the log for the lines of the client library and of this
// package. No line has a payload or a secret. Default: silent. Nil is an error.
func WithLogger(l *slog.Logger) Option {
	if l == nil {
		return settings.Nil("WithLogger")
	}
	return settings.Set("WithLogger", func(c *settings.Config) { c.Logger = l })
}

// WithHooks adds hooks for metrics and traces. If it is given several times,
// all hooks are called in their order.
func WithHooks(h Hooks) Option {
	return settings.Carry("WithHooks", h)
}

// Acks is how many replicas must have a message before the broker answers.
type Acks = settings.Acks

// The values of [Acks]. The default is AcksAll, with idempotence.
const (
	AcksAll    = settings.AcksAll    // all replicas in sync
	AcksNone   = settings.AcksNone   // none: the broker does not answer
	AcksLeader = settings.AcksLeader // only the leader of the partition
)

// Compression is a codec, by its name in Kafka.
type Compression = settings.Compression

// The codecs. Both transports have all of them.
const (
	NoCompression = settings.NoCompression
	Gzip          = settings.Gzip
	Snappy        = settings.Snappy
	LZ4           = settings.LZ4
	Zstd          = settings.Zstd
)

// ConfigError is a wrong setting. A ConfigError contains no secret.
//
//	Setting string // the option's name, or the file, line and key
//	Value   string // the given value; empty for a secret
//	Reason  string // why the value is wrong, and the allowed values
type ConfigError = settings.ConfigError

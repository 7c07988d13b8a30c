package producer

import (
	"log/slog"
	"maps"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
)

// Option configures [New] and [NewTransactional]. Packages processor, source and outbox take it by their WithProducer. It is made by the functions of this package
// that return one. Options apply in the order given, and of two that say the same thing the later wins; so a preset
// or a file comes first and what refines it after. An option that a constructor cannot honour is refused by name.
type Option = settings.Option

// Transport is the client library under a producer.
type Transport = settings.Transports

// The transports. docs/transport.md compares them.
const (
	// Confluent is librdkafka under confluent-kafka-go. It needs cgo, and is the
	// default where the program is built with it.
	Confluent = settings.Confluent
	// Franz is franz-go, which is pure Go.
	Franz = settings.Franz
)

// WithTransport chooses the client library. API, outcomes and errors are the
// same with each. A setting that the chosen transport does not have is refused
// by its name. In a file: avroline.transport.
func WithTransport(t Transport) Option {
	return settings.Set("WithTransport", func(c *settings.Config) { c.Transport = t }, "avroline.transport")
}

// WithLinger is how long the client waits for more messages before it sends a batch that is not full.
// Default 5 ms; 0 sends at once, which is what synchronous publishing wants. Up to 15 minutes.
// librdkafka linger.ms (queue.buffering.max.ms), Java linger.ms.
func WithLinger(d time.Duration) Option {
	return settings.Set("WithLinger", func(c *settings.Config) { c.Linger = d }, "linger.ms")
}

// WithBatchSize bounds the bytes of one batch, before compression. Default 1,000,000. A topic's max.message.bytes
// limits the batch, not the message, and the client does not split: [Producer.Prepare] lowers it to the smallest limit
// of its topics. librdkafka batch.size, Java batch.size.
func WithBatchSize(bytes int) Option {
	return settings.Set("WithBatchSize", func(c *settings.Config) { c.BatchBytes = bytes }, "batch.size")
}

// WithBatchMessages bounds the messages of one batch. Default 10,000, up to 1,000,000.
// librdkafka batch.num.messages; Java has none.
func WithBatchMessages(n int) Option {
	return settings.Set("WithBatchMessages", func(c *settings.Config) { c.BatchMessages = n }, "batch.num.messages")
}

// WithMaxMessageBytes bounds one message, and a request: larger ones are refused before they are queued. Default
// 1,000,000; raise the topic's max.message.bytes with it. librdkafka message.max.bytes, Java max.request.size.
func WithMaxMessageBytes(n int) Option {
	return settings.Set("WithMaxMessageBytes", func(c *settings.Config) { c.MaxMessageBytes = n }, "message.max.bytes")
}

// WithCompression compresses batches. Default [NoCompression].
// librdkafka compression.type (compression.codec), Java compression.type.
func WithCompression(codec Compression) Option {
	return settings.Set("WithCompression", func(c *settings.Config) { c.Compression = codec }, "compression.type")
}

// WithCompressionLevel sets the codec's level: gzip 0 to 9, lz4 0 to 12, zstd 0 to 12; -1 is the codec's default, and ours.
// Snappy and no compression have none. librdkafka compression.level, Java compression.{gzip,lz4,zstd}.level.
func WithCompressionLevel(level int) Option {
	return settings.Set("WithCompressionLevel", func(c *settings.Config) { c.CompressionLevel = level }, "compression.level")
}

// WithMaxInFlight bounds what is accepted and has no outcome yet: messages, and the bytes of their keys, values and
// headers. A full buffer blocks the publisher until there is room or its context ends. Default 100,000 messages and
// 64 MiB. librdkafka queue.buffering.max.messages and queue.buffering.max.kbytes, Java buffer.memory.
func WithMaxInFlight(messages int, bytes int64) Option {
	return settings.Set("WithMaxInFlight", func(c *settings.Config) { c.MaxInFlightMessages, c.MaxInFlightBytes = messages, bytes }, "queue.buffering.max.messages", "buffer.memory")
}

// WithMaxBlock bounds the waiting for room in a full buffer, beside the context of the call. Default 0: only the
// context bounds it. Java max.block.ms; librdkafka has none.
func WithMaxBlock(d time.Duration) Option {
	return settings.Set("WithMaxBlock", func(c *settings.Config) { c.MaxBlock = d }, "max.block.ms")
}

// WithInFlightRequests bounds the requests under way on one connection; idempotence allows 5. Default 1, and 5 in transactions.
// With more than one, a batch that is refused for a while (too few replicas, a disk error) has the one behind it refused for its
// sequence, which ends the client behind the producer (docs/faults.md). With one, batches fill while it is under way, so a
// stream is as fast; what becomes slower are many partitions on brokers that are far away, since a request holds one partition.
// librdkafka max.in.flight.requests.per.connection (max.in.flight), Java the same.
func WithInFlightRequests(n int) Option {
	return settings.Set("WithInFlightRequests", func(c *settings.Config) { c.InFlightRequests = n }, "max.in.flight.requests.per.connection")
}

// WithRetries bounds how often a message is sent again. Idempotence rests on retrying without end, so it goes only with
// [WithWeakAcks]. Default: without end. librdkafka retries (message.send.max.retries), Java retries.
func WithRetries(n int) Option {
	return settings.Set("WithRetries", func(c *settings.Config) { c.Retries = n }, "retries")
}

// WithRetryBackoff is the pause before a request is repeated, doubled each time up to the second. Default 100 ms and 1 s.
// librdkafka retry.backoff.ms and retry.backoff.max.ms, Java the same.
func WithRetryBackoff(first, most time.Duration) Option {
	return settings.Set("WithRetryBackoff", func(c *settings.Config) { c.RetryBackoff, c.RetryBackoffMax = first, most }, "retry.backoff.ms", "retry.backoff.max.ms")
}

// WithRequestTimeout is how long the broker may take to have a batch replicated before it answers with an error.
// Default 30 s. librdkafka request.timeout.ms, Java the same.
func WithRequestTimeout(d time.Duration) Option {
	return settings.Set("WithRequestTimeout", func(c *settings.Config) { c.RequestTimeout = d }, "request.timeout.ms")
}

// WithDeliveryTimeout lets a message expire inside the client after d. It gives up the guarantee: in an outage that
// outlasts it, messages reported [ErrOutcomeUnknown] are found in the log, and delivered ones twice. Default 0: a message
// never expires, and the context of the call bounds the waiting. In a transactional producer expiry aborts the
// transaction, which is safe; there d may not exceed the transaction timeout, and 0 leaves it to that.
// librdkafka delivery.timeout.ms (message.timeout.ms), Java delivery.timeout.ms.
func WithDeliveryTimeout(d time.Duration) Option {
	return settings.Set("WithDeliveryTimeout", func(c *settings.Config) { c.DeliveryTimeout = d }, "delivery.timeout.ms")
}

// WithTransactionTimeout is how long the coordinator lets a transaction stay open before it aborts it.
// Default 60 s; the broker's transaction.max.timeout.ms bounds it (15 minutes unless changed there). Refused by [New].
// librdkafka transaction.timeout.ms, Java the same.
func WithTransactionTimeout(d time.Duration) Option {
	return settings.Set("WithTransactionTimeout", func(c *settings.Config) { c.TransactionTimeout = d }, "transaction.timeout.ms")
}

// WithGroupCommit puts many small [Transactional.InTx] calls into one transaction: it commits when messages of them are
// in it or wait has passed since the first. Each call returns when that transaction has ended; an error of one call's
// function aborts the transaction, and the others run again without it. Default: each call has its own.
// Refused by [New], and in processors and sources.
func WithGroupCommit(messages int, wait time.Duration) Option {
	return settings.Set("WithGroupCommit", func(c *settings.Config) { c.GroupCommitMessages, c.GroupCommitWait = messages, wait }, "group.commit")
}

// WithClientID names this client in the broker's logs, metrics and quotas. Default "avroline".
// librdkafka client.id, Java the same.
func WithClientID(id string) Option {
	return settings.Set("WithClientID", func(c *settings.Config) { c.ClientID = id }, "client.id")
}

// WithRack says where this client runs, so that a consumer in a processor may read from a replica near it.
// Default none. librdkafka client.rack, Java the same.
func WithRack(rack string) Option {
	return settings.Set("WithRack", func(c *settings.Config) { c.Rack = rack }, "client.rack")
}

// WithMetadataMaxAge is how often partition counts and leaders are looked up when nothing asks for it sooner.
// Default 1 minute: so long may it take until partitions that were added are used.
// librdkafka topic.metadata.refresh.interval.ms, Java metadata.max.age.ms.
func WithMetadataMaxAge(d time.Duration) Option {
	return settings.Set("WithMetadataMaxAge", func(c *settings.Config) { c.MetadataMaxAge = d }, "topic.metadata.refresh.interval.ms")
}

// WithCreateTopics lets [Producer.Prepare] create the topics that are missing. -1 leaves a number to the broker.
// Default: a missing topic is an error.
func WithCreateTopics(partitions, replication int) Option {
	return settings.Set("WithCreateTopics", func(c *settings.Config) {
		c.CreateTopics.Allowed, c.CreateTopics.Partitions, c.CreateTopics.Replication = true, partitions, replication
	}, "create.topics")
}

// WithTopicSettings are the settings of topics that [WithCreateTopics] makes, by the broker's names, such as
// "retention.ms" or "min.insync.replicas".
func WithTopicSettings(topicSettings map[string]string) Option {
	cloned := maps.Clone(topicSettings)
	return settings.Set("WithTopicSettings", func(c *settings.Config) { c.CreateTopics.Settings = cloned }, "topic.settings")
}

// WithWeakAcks turns idempotence off, and with it the guarantee: messages may be lost with [AcksNone] and
// [AcksLeader], and be twice or out of order with any. [ErrNotSent] stays true; a [Delivery] then means only that as many
// replicas as a says had it ([AcksNone]: that it was written to a socket, its offset -1). Refused in transactions.
// librdkafka enable.idempotence=false and acks, Java the same.
func WithWeakAcks(a Acks) Option {
	return settings.Set("WithWeakAcks", func(c *settings.Config) { c.WeakAcks, c.Acks = true, a }, "acks")
}

// WithoutRecovery makes every fatal error of the client library final: each later
// call returns [ErrFatal]. Default: the client behind the producer is replaced, and
// the producer goes on. What is certainly not in the log is sent again by the next
// client, in the order of each key. Only what may be in the log, because its answer
// was lost, is [ErrOutcomeUnknown]. A producer that was fenced, or that may not
// publish, ends in either case. The clients of transactional producers are always
// replaced.
func WithoutRecovery() Option {
	return settings.Set("WithoutRecovery", func(c *settings.Config) { c.Recovery = false }, "avroline.recovery")
}

// WithLogger takes the log: the client's own lines and ours, no payloads and no secrets. Default: silent.
func WithLogger(l *slog.Logger) Option {
	return settings.Set("WithLogger", func(c *settings.Config) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		c.Logger = l
	})
}

// WithHooks adds hooks for metrics and traces. Given several times, all are called in order.
func WithHooks(h Hooks) Option {
	return settings.Carry("WithHooks", h)
}

// Acks is how many replicas must have a message before the broker answers.
type Acks = settings.Acks

// The values of [Acks]. Without [WithWeakAcks] it is AcksAll, with idempotence.
const (
	AcksAll    = settings.AcksAll
	AcksNone   = settings.AcksNone
	AcksLeader = settings.AcksLeader
)

// Compression is a codec, by its name in Kafka.
type Compression = settings.Compression

// The codecs. The client has all of them built in.
const (
	NoCompression = settings.NoCompression
	Gzip          = settings.Gzip
	Snappy        = settings.Snappy
	LZ4           = settings.LZ4
	Zstd          = settings.Zstd
)

// ConfigError is one setting that cannot be. Secrets are not in it.
type ConfigError = settings.ConfigError

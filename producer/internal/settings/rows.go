package settings

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// These are the reasons why WithConfig refuses a key. Files and the environment
// may give the value that is already in force.
const (
	fixedAcks       = "the guarantee rests on it: acks are all, unless WithWeakAcks gives it up"
	fixedIdempotent = "the guarantee rests on it: idempotence is on, unless WithWeakAcks gives it up"
	fixedRetries    = "the guarantee rests on retrying without end: WithRetries goes with WithWeakAcks only"
	fixedInFlight   = "order and idempotence rest on at most 5: use WithInFlightRequests"
	fixedExpiry     = "a message that expires inside the client may be in the log: use WithDeliveryTimeout"
	fixedPartition  = "the partition is chosen in Go, so that reports and keys keep their order: use WithPartitioner on the topic"
	fixedBuffer     = "the bound on the buffer is ours, so that a full one waits: use WithMaxInFlight"
)

// optionRows returns the settings with a field in [Config].
func optionRows() []Setting {
	rows := []Setting{
		{
			Key: "bootstrap.servers", Aliases: []string{"metadata.broker.list", "brokers"}, About: "the parameter `brokers`; required",
			Show: Harmless, kind: brokerList(),
		},
		{
			Key: "avroline.transport", Option: "WithTransport", About: "`confluent`; `franz` in a build without cgo", Show: Harmless,
			kind: transport(),
		},
		{Key: "client.id", Option: "WithClientID", Default: "avroline", Show: Harmless, kind: clientID()},
		{Key: "client.rack", Option: "WithRack", Show: Harmless, kind: sent(sentToAll, omitEmpty(text(func(c *Config) *string { return &c.Rack })))},
		{
			Key: "linger.ms", Aliases: []string{"queue.buffering.max.ms"}, Option: "WithLinger", Default: "5", Show: Harmless,
			kind: sent(sentToProducers, fractions(milliseconds(func(c *Config) *time.Duration { return &c.Linger }, 0, 15*time.Minute))),
		},
		{
			Key: "batch.size", Option: "WithBatchSize", Default: "1000000", About: "bytes; never above the topic's `max.message.bytes`", Show: Harmless,
			kind: sent(sentToProducers, whole(func(c *Config) *int { return &c.BatchBytes }, 1, math.MaxInt32)),
		},
		{
			Key: "batch.num.messages", Option: "WithBatchMessages", Default: "10000", Show: Harmless, Transports: Confluent,
			kind: sent(sentToProducers, whole(func(c *Config) *int { return &c.BatchMessages }, 1, 1_000_000)),
		},
		{
			Key: "message.max.bytes", Java: "max.request.size", Option: "WithMaxMessageBytes", Default: "1000000", About: "bytes", Show: Harmless,
			kind: sent(sentToProducers, whole(func(c *Config) *int { return &c.MaxMessageBytes }, 1000, 1_000_000_000)),
		},
		{
			Key: "compression.type", Aliases: []string{"compression.codec"}, Option: "WithCompression", Default: "none", Show: Harmless,
			kind: compressionType(),
		},
		{
			Key: "compression.level", Option: "WithCompressionLevel", Default: "-1", About: "-1 is the codec's own level", Show: Harmless,
			kind: sent(sentToProducers, codecLevel()),
		},
		{Key: "compression.gzip.level", About: "Java's name of `compression.level` for gzip", Show: Harmless, kind: levelOf(Gzip)},
		{Key: "compression.lz4.level", About: "Java's name of `compression.level` for lz4", Show: Harmless, kind: levelOf(LZ4)},
		{Key: "compression.zstd.level", About: "Java's name of `compression.level` for zstd", Show: Harmless, kind: levelOf(Zstd)},
		{
			Key: "queue.buffering.max.messages", Option: "WithMaxInFlight", Default: "100000", About: "messages without an outcome", Show: Harmless, Fixed: fixedBuffer,
			kind: whole(func(c *Config) *int { return &c.MaxInFlightMessages }, 1, 100_000_000),
		},
		{Key: "buffer.memory", Option: "WithMaxInFlight", Default: "67108864", About: "bytes of messages without an outcome", Show: Harmless, kind: bufferBytes(1)},
		{Key: "queue.buffering.max.kbytes", About: "librdkafka's name of `buffer.memory`, in KiB", Show: Harmless, Fixed: fixedBuffer, kind: covering(bufferBytes(1024), "buffer.memory")},
		{
			Key: "max.block.ms", Option: "WithMaxBlock", Default: "0", About: "with 0, only the context of the call bounds the wait for room", Show: Harmless,
			kind: milliseconds(func(c *Config) *time.Duration { return &c.MaxBlock }, 0, math.MaxInt32*time.Millisecond),
		},
		{
			Key: "avroline.max.waiting.callbacks", Option: "WithMaxWaitingCallbacks", Default: "-1", About: "-1 is no bound", Show: Harmless,
			kind: whole(func(c *Config) *int { return &c.MaxWaitingCallbacks }, -1, 100_000_000),
		},
		{
			Key: "max.in.flight.requests.per.connection", Aliases: []string{"max.in.flight"}, Option: "WithInFlightRequests", Default: "5",
			About: "1 in a producer without transactions; above 5 only with weak acks; `franz` uses this setting only with weak acks, and otherwise has up to 5 requests in flight, each with one batch of a partition", Show: Harmless, Fixed: fixedInFlight,
			kind: sent(sentToProducers, whole(func(c *Config) *int { return &c.InFlightRequests }, 1, 1_000_000)),
		},
		{
			Key: "retries", Aliases: []string{"message.send.max.retries"}, Option: "WithRetries", Default: "2147483647",
			About: "without end; a smaller number has an effect only with weak acks", Show: Harmless, Fixed: fixedRetries, kind: retries(),
		},
		{
			Key: "retry.backoff.ms", Option: "WithRetryBackoff", Default: "100", Show: Harmless,
			kind: sent(sentToProducers, milliseconds(func(c *Config) *time.Duration { return &c.RetryBackoff }, time.Millisecond, 5*time.Minute)),
		},
		{
			Key: "retry.backoff.max.ms", Option: "WithRetryBackoff", Default: "1000", Show: Harmless,
			kind: sent(sentToProducers, milliseconds(func(c *Config) *time.Duration { return &c.RetryBackoffMax }, time.Millisecond, 5*time.Minute)),
		},
		{
			Key: "request.timeout.ms", Option: "WithRequestTimeout", Default: "30000", Show: Harmless,
			kind: sent(sentToProducers, milliseconds(func(c *Config) *time.Duration { return &c.RequestTimeout }, time.Millisecond, 15*time.Minute)),
		},
		{
			Key: "delivery.timeout.ms", Aliases: []string{"message.timeout.ms"}, Option: "WithDeliveryTimeout", Default: "0",
			About: "0 means that messages never expire; another value gives up the guarantee outside transactions", Show: Harmless, Fixed: fixedExpiry,
			kind: milliseconds(func(c *Config) *time.Duration { return &c.DeliveryTimeout }, 0, math.MaxInt32*time.Millisecond),
		},
		{
			Key: "transaction.timeout.ms", Option: "WithTransactionTimeout", Default: "60000", About: "10 s in a processor", In: InTransactions, Show: Harmless,
			kind: milliseconds(func(c *Config) *time.Duration { return &c.TransactionTimeout }, time.Second, math.MaxInt32*time.Millisecond),
		},
		{
			Key: "topic.metadata.refresh.interval.ms", Java: "metadata.max.age.ms", Option: "WithMetadataMaxAge", Default: "60000", Show: Harmless,
			kind: sent(sentToAll, milliseconds(func(c *Config) *time.Duration { return &c.MetadataMaxAge }, 10*time.Millisecond, time.Hour)),
		},
		{
			Key: "acks", Aliases: []string{"request.required.acks"}, Default: "all", About: "`1` and `0` only with weak acks", Show: Harmless, Fixed: fixedAcks,
			kind: sent(sentToProducers, acks()),
		},
		{
			Key: "enable.idempotence", About: "`true`; `false` only with weak acks", Show: Harmless, Fixed: fixedIdempotent,
			kind: sent(sentToProducers, idempotence()),
		},
		{Key: "partitioner", About: "`murmur2_random`; another value is an error", Show: Harmless, Fixed: fixedPartition, kind: parsed(setPartitioner, "")},
		{
			Key: "avroline.weak.acks", Option: "WithWeakAcks", About: "off, so acks are `all` and idempotence is on", Show: Harmless,
			kind: parsed(func(c *Config, v string) error {
				c.WeakAcks = true
				return setAcks(c, v)
			}, "`all`, `1`, `0`"),
		},
		{
			Key: "avroline.recovery", Option: "WithoutRecovery", Default: "true", In: InProducer, Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.Recovery }),
		},
		{
			Key: "avroline.strict.prepare", Option: "WithStrictPrepare", Default: "false", Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.StrictPrepare }),
		},
		{
			Key: presetKey, Option: "LowLatency, Balanced, HighThroughput", About: "`balanced`", Show: Harmless,
			kind: parsed(setPreset, "`low-latency`, `balanced`, `high-throughput`"),
		},
		{Key: "group.commit", GoOnly: true, Option: "WithGroupCommit", In: InTransactional, Show: Harmless, kind: groupCommit()},
		{Key: "create.topics", GoOnly: true, Option: "WithCreateTopics", Show: Harmless, kind: createTopics()},
		{Key: "topic.settings", GoOnly: true, Option: "WithTopicSettings", Show: Hidden, kind: topicSettings()},
		{Key: "logger", GoOnly: true, Option: "WithLogger"},
		{Key: "hooks", GoOnly: true, Option: "WithHooks"},
		{Key: "failure.handler", GoOnly: true, Option: "WithFailureHandler"},
		{Key: "resolver", GoOnly: true, Option: "WithResolver", In: InTransactional},
	}
	return rows
}

// sent marks the value for clients of librdkafka.
func sent(to sentTo, k kind) kind {
	k.sent = to
	return k
}

// omitEmpty omits an empty text from librdkafka's settings.
func omitEmpty(k kind) kind {
	value := k.client
	k.client = func(c *Config) any {
		if v := value(c); v != "" {
			return v
		}
		return nil
	}
	return k
}

// fractions keeps fractions of a millisecond.
func fractions(k kind) kind {
	k.client = func(c *Config) any {
		return strconv.FormatFloat(float64(k.value(c).(time.Duration))/1e6, 'f', -1, 64)
	}
	return k
}

func brokerList() kind {
	return kind{
		set: func(c *Config, v string) error {
			c.Brokers = nil
			for b := range strings.SplitSeq(v, ",") {
				if b = strings.TrimSpace(b); b != "" { // empty after a comma at the end
					c.Brokers = append(c.Brokers, b)
				}
			}
			if len(c.Brokers) == 0 {
				return errors.New("is empty: host:port is wanted (is an environment variable unset?)")
			}
			return nil
		},
		client: func(c *Config) any { return strings.Join(c.Brokers, ",") },
		sent:   sentToAll,
		bounds: "`host:port`, with commas",
	}
}

func clientID() kind {
	k := sent(sentToAll, text(func(c *Config) *string { return &c.ClientID }))
	k.check = func(c *Config) string {
		if strings.ContainsFunc(c.ClientID, func(r rune) bool { return r < ' ' || r == 0x7f }) || c.ClientID == "" {
			return "must be text without control characters"
		}
		return ""
	}
	return k
}

func compressionType() kind {
	return kind{
		set:   func(c *Config, v string) error { c.Compression = Compression(strings.ToLower(v)); return nil },
		value: func(c *Config) any { return c.Compression },
		check: func(c *Config) string {
			if _, ok := highestLevel(c.Compression); !ok {
				return "must be one of none, gzip, snappy, lz4, zstd"
			}
			return ""
		},
		client: func(c *Config) any { return string(c.Compression) },
		sent:   sentToProducers,
		bounds: "`none`, `gzip`, `snappy`, `lz4`, `zstd`",
	}
}

// highestLevel returns the highest compression level of a codec, or 0 if the
// codec has no levels.
func highestLevel(codec Compression) (level int, known bool) {
	switch codec {
	case NoCompression, Snappy:
		return 0, true
	case Gzip:
		return 9, true
	case LZ4, Zstd:
		return 12, true
	}
	return 0, false
}

func codecLevel() kind {
	k := whole(func(c *Config) *int { return &c.CompressionLevel }, -1, 12)
	k.check = func(c *Config) string {
		highest, known := highestLevel(c.Compression)
		switch {
		case !known || c.CompressionLevel == -1:
		case highest == 0:
			return fmt.Sprintf("%s %s has no levels", c.Origin("compression.type"), c.Compression)
		case c.CompressionLevel < 0 || c.CompressionLevel > highest:
			return fmt.Sprintf("must be from 0 to %d for %s %s, or -1 for its own", highest, c.Origin("compression.type"), c.Compression)
		}
		return ""
	}
	return k
}

// levelOf keeps the level of a codec until the codec is known.
func levelOf(codec Compression) kind {
	return parsed(func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return errors.New("must be a whole number")
		}
		if c.codecLevels == nil {
			c.codecLevels = map[Compression]int{}
		}
		c.codecLevels[codec] = n
		return nil
	}, "")
}

func bufferBytes(unit int64) kind {
	return kind{
		set: func(c *Config, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64/unit {
				return errors.New("must be a whole number")
			}
			c.MaxInFlightBytes = n * unit
			return nil
		},
		value: func(c *Config) any { return c.MaxInFlightBytes },
		check: func(c *Config) string {
			if unit == 1 && c.MaxInFlightBytes < 1 {
				return "must be at least 1 byte"
			}
			return ""
		},
		bounds: "1 and more",
	}
}

// retries accepts every number above 0 from a file. Java's files often limit
// the retries. Retries without a limit lose fewer messages than such a file
// asks for. New logs that the number has no effect.
func retries() kind {
	return kind{
		set: func(c *Config, v string) error {
			n, err := parseWhole(v)
			if err != nil {
				return err
			}
			if c.fileRetries, c.Retries = nil, -1; n < math.MaxInt32 { // the default of Java and librdkafka means no limit
				c.fileRetries = &n
			}
			return nil
		},
		value: func(c *Config) any { return c.Retries },
		client: func(c *Config) any {
			if c.Retries < 0 {
				return nil
			}
			return c.Retries
		},
		sent: sentToProducers,
	}
}

func acks() kind {
	return kind{
		set:   setAcks,
		value: func(c *Config) any { return c.Acks },
		// The check waits for all keys, because avroline.weak.acks may come
		// after acks.
		check: func(c *Config) string {
			switch {
			case c.Acks < AcksAll || c.Acks > AcksLeader:
				return "must be AcksNone, AcksLeader or AcksAll"
			case c.Acks != AcksAll && !c.WeakAcks:
				return "gives up idempotence, and so the guarantee: only WithWeakAcks (in a file: avroline.weak.acks) may say so"
			}
			return ""
		},
		client: func(c *Config) any { return int(c.Acks) },
		bounds: "`all`, `1`, `0`",
	}
}

func setAcks(c *Config, v string) error {
	a, ok := map[string]Acks{"all": AcksAll, "-1": AcksAll, "0": AcksNone, "1": AcksLeader}[strings.ToLower(v)]
	if !ok {
		return errors.New("must be one of all, 1, 0")
	}
	c.Acks = a
	return nil
}

func idempotence() kind {
	return kind{
		set: func(c *Config, v string) error {
			on, err := parseBool(v)
			c.idempotenceOff = err == nil && !on
			return err
		},
		check: func(c *Config) string {
			if c.idempotenceOff && !c.WeakAcks {
				return fixedIdempotent + " (in a file: avroline.weak.acks)"
			}
			return ""
		},
		client: func(c *Config) any { return !c.WeakAcks },
		bounds: "`true`, `false`",
	}
}

func setPartitioner(_ *Config, v string) error {
	if v != "murmur2_random" { // the engine's default
		return errors.New(fixedPartition)
	}
	return nil
}

func groupCommit() kind {
	return kind{
		value: func(c *Config) any { return fmt.Sprintf("%d, %v", c.GroupCommitMessages, c.GroupCommitWait) },
		check: func(c *Config) string {
			if _, set := c.origins["group.commit"]; set && (c.GroupCommitMessages < 1 || c.GroupCommitWait < 0 || c.GroupCommitWait >= c.TransactionTimeout) {
				return fmt.Sprintf("must be at least 1 message, and a wait from 0 to less than %s, %v", c.Origin("transaction.timeout.ms"), c.TransactionTimeout)
			}
			return ""
		},
	}
}

func createTopics() kind {
	return kind{
		value: func(c *Config) any {
			return fmt.Sprintf("%d, %d", c.CreateTopics.Partitions, c.CreateTopics.Replication)
		},
		check: func(c *Config) string {
			for _, n := range []int{c.CreateTopics.Partitions, c.CreateTopics.Replication} {
				if c.CreateTopics.Allowed && n != -1 && (n < 1 || n > 100_000) {
					return "must be at least 1, or -1 for the broker's own number"
				}
			}
			return ""
		},
	}
}

func topicSettings() kind {
	return kind{
		value: func(*Config) any { return "" },
		check: func(c *Config) string {
			if !c.CreateTopics.Allowed && len(c.CreateTopics.Settings) > 0 {
				return "goes only with WithCreateTopics"
			}
			return ""
		},
	}
}

package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// setting is what one key of a configuration file means.
type setting struct {
	key    string // the canonical name; aliases share it
	set    func(c *Config, value string) error
	guard  string // why WithConfig refuses it whatever its value
	secret bool   // never printed; KEY.file names a file that holds it
}

// guards: why a key is not left to WithConfig. Files and the environment may say the harmless values.
const (
	guardAcks       = "the guarantee rests on it: acks are all, unless WithWeakAcks gives it up"
	guardIdempotent = "the guarantee rests on it: idempotence is on, unless WithWeakAcks gives it up"
	guardRetries    = "the guarantee rests on retrying without end: WithRetries goes with WithWeakAcks only"
	guardInFlight   = "order and idempotence rest on at most 5: use WithInFlightRequests"
	guardExpiry     = "a message that expires inside the client may be in the log: use WithDeliveryTimeout"
	guardPartition  = "the partition is chosen in Go, so that reports and keys keep their order: use WithPartitioner on the topic"
	guardBuffer     = "the bound on the buffer is ours, so that a full one waits: use WithMaxInFlight"
)

// settings are all keys that mean something to us, by librdkafka's and Java's names. What is not here and not among
// PassedKeys is unknown.
func settings() map[string]setting {
	all := map[string]setting{}
	add := func(s setting, names ...string) {
		s.key = names[0]
		for _, n := range names {
			all[n] = s
		}
	}
	plain := func(set func(*Config, string) error, names ...string) { add(setting{set: set}, names...) }
	guarded := func(why string, set func(*Config, string) error, names ...string) {
		add(setting{set: set, guard: why}, names...)
	}
	refused := func(why string, names ...string) {
		for _, n := range names { // no aliases of each other
			add(setting{guard: why, set: func(*Config, string) error { return fmt.Errorf("%s", why) }}, n)
		}
	}

	plain(setBrokers, "bootstrap.servers", "metadata.broker.list", "brokers")
	plain(text(func(c *Config) *string { return &c.ClientID }), "client.id")
	plain(text(func(c *Config) *string { return &c.Rack }), "client.rack")
	plain(millisOf(func(c *Config) *time.Duration { return &c.Linger }), "linger.ms", "queue.buffering.max.ms")
	plain(number(func(c *Config) *int { return &c.BatchBytes }), "batch.size")
	plain(number(func(c *Config) *int { return &c.BatchMessages }), "batch.num.messages")
	plain(number(func(c *Config) *int { return &c.MaxMessageBytes }), "message.max.bytes", "max.request.size")
	plain(func(c *Config, v string) error { c.Compression = Compression(strings.ToLower(v)); return nil },
		"compression.type", "compression.codec")
	plain(number(func(c *Config) *int { return &c.CompressionLevel }), "compression.level")
	for _, codec := range []Compression{Gzip, LZ4, Zstd} {
		plain(func(c *Config, v string) error { return c.setCodecLevel(codec, v) }, "compression."+string(codec)+".level")
	}
	plain(func(c *Config, v string) error { return setBytes(c, v, 1) }, "buffer.memory")
	guarded(guardBuffer, number(func(c *Config) *int { return &c.MaxInFlightMessages }), "queue.buffering.max.messages")
	guarded(guardBuffer, func(c *Config, v string) error { return setBytes(c, v, 1024) }, "queue.buffering.max.kbytes")
	plain(millisOf(func(c *Config) *time.Duration { return &c.MaxBlock }), "max.block.ms")
	plain(millisOf(func(c *Config) *time.Duration { return &c.RetryBackoff }), "retry.backoff.ms")
	plain(millisOf(func(c *Config) *time.Duration { return &c.RetryBackoffMax }), "retry.backoff.max.ms")
	plain(millisOf(func(c *Config) *time.Duration { return &c.RequestTimeout }), "request.timeout.ms")
	plain(millisOf(func(c *Config) *time.Duration { return &c.TransactionTimeout }), "transaction.timeout.ms")
	plain(millisOf(func(c *Config) *time.Duration { return &c.MetadataMaxAge }), "topic.metadata.refresh.interval.ms", "metadata.max.age.ms")

	guarded(guardAcks, setAcks, "acks", "request.required.acks")
	guarded(guardIdempotent, func(c *Config, v string) error {
		if !strings.EqualFold(v, "true") && !c.WeakAcks {
			return fmt.Errorf("%s (in a file: avroline.weak.acks)", guardIdempotent)
		}
		return nil
	}, "enable.idempotence")
	guarded(guardRetries, setRetries, "retries", "message.send.max.retries")
	guarded(guardInFlight, number(func(c *Config) *int { return &c.InFlightRequests }),
		"max.in.flight.requests.per.connection", "max.in.flight")
	guarded(guardExpiry, millisOf(func(c *Config) *time.Duration { return &c.DeliveryTimeout }), "delivery.timeout.ms", "message.timeout.ms")
	guarded(guardPartition, func(_ *Config, v string) error {
		if v != "murmur2_random" { // what we do by default
			return fmt.Errorf("%s", guardPartition)
		}
		return nil
	}, "partitioner")

	plain(setPreset, "avroline.preset")
	plain(func(c *Config, v string) error {
		c.WeakAcks = true
		return setAcks(c, v)
	}, "avroline.weak.acks")
	plain(boolean(func(c *Config) *bool { return &c.Recovery }), "avroline.recovery")

	addSecuritySettings(add)

	refused(guardPartition, "partitioner.class", "partitioner.ignore.keys", "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms",
		"partitioner_cb", "sticky.partitioning.linger.ms")
	refused("it would change the order of messages", "queuing.strategy", "msg_order_cmp")
	refused("every message has an outcome, which comes by these reports", "delivery.report.only.error", "produce.offset.report", "dr_cb", "dr_msg_cb")
	refused("it is a parameter of NewTransactional, one per running process", "transactional.id")
	refused("the log goes to WithLogger", "log.queue", "log_cb")
	refused("callbacks cannot be said in text", "error_cb", "throttle_cb", "stats_cb", "socket_cb", "connect_cb", "closesocket_cb", "open_cb",
		"resolve_cb", "oauthbearer_token_refresh_cb", "ssl.certificate.verify_cb", "background_event_cb", "rebalance_cb", "offset_commit_cb",
		"consume_cb", "opaque", "default_topic_conf", "ssl_engine_callback_data", "ssl_ca", "ssl_certificate", "ssl_key")
	refused("it replaces the brokers by a mock that lies about transactions", "test.mock.num.brokers", "test.mock.broker.rtt")
	refused("it loads code into the process", "plugin.library.paths", "interceptors", "interceptor.classes", "metric.reporters")
	refused("records are serialized by the serde.Serializer: configure that, and leave it out here",
		"auto.register.schemas", "use.latest.version", "normalize.schemas", "value.subject.name.strategy", "key.subject.name.strategy")
	refused("it belongs to registry.New", "schema.registry.url", "basic.auth.credentials.source", "basic.auth.user.info",
		"schema.registry.basic.auth.user.info", "schema.registry.ssl.truststore.location", "bearer.auth.token")
	refused("OpenSSL's own defaults decide it: leave it out", "ssl.protocol", "ssl.enabled.protocols", "ssl.provider",
		"ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation")
	refused("Kerberos is not built into this client", "sasl.kerberos.keytab", "sasl.kerberos.kinit.cmd",
		"sasl.kerberos.min.time.before.relogin", "sasl.kerberos.principal", "sasl.kerberos.service.name")
	for java, ours := range map[string]string{"send.buffer.bytes": "socket.send.buffer.bytes", "receive.buffer.bytes": "socket.receive.buffer.bytes"} {
		plain(func(c *Config, v string) error { c.Passed[ours] = v; return nil }, ours, java)
	}
	// Java has them in every file, and what they could say is what we do.
	plain(func(*Config, string) error { return nil }, "key.serializer")
	plain(func(*Config, string) error { return nil }, "value.serializer")
	return all
}

// PassedKeys are librdkafka's settings on which we have no opinion: they are checked by the client itself.
// Those of consumers mean something to a processor only.
func PassedKeys() (client, consumer []string) {
	client = []string{
		"allow.auto.create.topics", "api.version.fallback.ms", "api.version.request", "api.version.request.timeout.ms",
		"broker.address.family", "broker.address.ttl", "broker.version.fallback", "client.dns.lookup",
		"connections.max.idle.ms", "debug", "enable.gapless.guarantee", "enable.metrics.push", "enable.random.seed", "enable.sparse.connections",
		"enable.ssl.certificate.verification", "internal.termination.signal", "log.connection.close", "log.thread.name", "log_level",
		"message.copy.max.bytes", "metadata.recovery.rebootstrap.trigger.ms", "metadata.recovery.strategy",
		"queue.buffering.backpressure.threshold", "receive.message.max.bytes", "reconnect.backoff.jitter.ms",
		"reconnect.backoff.max.ms", "reconnect.backoff.ms",
		"socket.blocking.max.ms", "socket.connection.setup.timeout.ms", "socket.keepalive.enable", "socket.max.fails",
		"socket.nagle.disable", "socket.timeout.ms",
		"ssl.ca.certificate.stores", "ssl.cipher.suites", "ssl.crl.location", "ssl.curves.list", "ssl.endpoint.identification.algorithm",
		"ssl.engine.id", "ssl.engine.location", "ssl.providers", "ssl.sigalgs.list", "statistics.interval.ms",
		"topic.blacklist", "topic.metadata.propagation.max.ms", "topic.metadata.refresh.fast.cnt",
		"topic.metadata.refresh.fast.interval.ms", "topic.metadata.refresh.sparse",
	}
	consumer = []string{
		"auto.offset.reset", "check.crcs", "coordinator.query.interval.ms", "fetch.error.backoff.ms", "fetch.max.bytes",
		"fetch.message.max.bytes", "fetch.min.bytes", "fetch.queue.backoff.ms", "fetch.wait.max.ms", "group.instance.id",
		"group.remote.assignor", "heartbeat.interval.ms", "max.partition.fetch.bytes", "max.poll.interval.ms",
		"partition.assignment.strategy", "queued.max.messages.kbytes", "queued.min.messages", "session.timeout.ms",
	}
	return client, consumer
}

// processorKeys are a consumer's settings that a processor decides.
func processorKeys() []string {
	return []string{
		"group.id", "group.protocol", "enable.auto.commit", "auto.commit.interval.ms", "enable.auto.offset.store",
		"enable.partition.eof", "isolation.level", "group.protocol.type", "max.poll.records",
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = v; return nil }
}

func number(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
			return fmt.Errorf("must be a whole number of 32 bits")
		}
		*field(c) = int(n)
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("must be true or false")
		}
		*field(c) = b
		return nil
	}
}

func millisOf(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || !(math.Abs(n) <= math.MaxInt32) { // not NaN either
			return fmt.Errorf("must be a number of milliseconds")
		}
		*field(c) = time.Duration(n * float64(time.Millisecond))
		return nil
	}
}

func setBrokers(c *Config, v string) error {
	c.Brokers = nil
	for _, b := range strings.Split(v, ",") {
		c.Brokers = append(c.Brokers, strings.TrimSpace(b))
	}
	return nil
}

func setBytes(c *Config, v string, unit int64) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("must be a whole number")
	}
	c.MaxInFlightBytes = n * unit
	return nil
}

func setAcks(c *Config, v string) error {
	a, ok := map[string]Acks{"all": AcksAll, "-1": AcksAll, "0": AcksNone, "1": AcksLeader}[strings.ToLower(v)]
	switch {
	case !ok:
		return fmt.Errorf("must be one of all, 1, 0")
	case a != AcksAll && !c.WeakAcks:
		return fmt.Errorf("gives up idempotence, and so the guarantee: only WithWeakAcks (in a file: avroline.weak.acks) may say so")
	}
	c.Acks = a
	return nil
}

func setRetries(c *Config, v string) error {
	if err := number(func(c *Config) *int { return &c.Retries })(c, v); err != nil {
		return err
	}
	if c.Retries == math.MaxInt32 { // Java's and librdkafka's default: without end
		c.Retries = -1
	}
	return nil
}

func setPreset(c *Config, v string) error {
	p, ok := map[string]func() Option{"low-latency": LowLatency, "balanced": Balanced, "high-throughput": HighThroughput}[v]
	if !ok {
		return fmt.Errorf("must be one of low-latency, balanced, high-throughput")
	}
	return p().apply(c)
}

func (c *Config) setCodecLevel(codec Compression, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("must be a whole number")
	}
	if c.codecLevels == nil {
		c.codecLevels = map[Compression]int{}
	}
	c.codecLevels[codec] = n
	return nil
}

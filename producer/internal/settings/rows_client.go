package settings

import "math"

// clientRows are settings of librdkafka that go to the client unchanged.
func clientRows() []Setting {
	const most = math.MaxInt32
	number := func(key string, least, most int) Setting {
		return Setting{Key: key, Show: Harmless, Transports: Confluent, kind: passedWhole(toClient, least, most)}
	}
	flag := func(key string) Setting {
		return Setting{Key: key, Show: Harmless, Transports: Confluent, kind: passedBoolean(toClient)}
	}
	oneOf := func(key string, values ...string) Setting {
		return Setting{Key: key, Show: Harmless, Transports: Confluent, kind: passedOneOf(toClient, values...)}
	}
	plain := func(key string) Setting {
		return Setting{Key: key, Show: Harmless, Transports: Confluent, kind: passedText(toClient)}
	}
	java := func(s Setting, name string) Setting {
		s.Java = name
		return s
	}
	everywhere := func(s Setting) Setting {
		s.Transports = Confluent | Franz
		return s
	}
	about := func(s Setting, text string) Setting {
		s.About = text
		return s
	}
	return []Setting{
		flag("allow.auto.create.topics"),
		number("api.version.fallback.ms", 0, 604800000),
		flag("api.version.request"),
		number("api.version.request.timeout.ms", 1, 300000),
		everywhere(oneOf("broker.address.family", "any", "v4", "v6")),
		number("broker.address.ttl", 0, 86400000),
		plain("broker.version.fallback"),
		oneOf("client.dns.lookup", "use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"),
		everywhere(number("connections.max.idle.ms", 0, most)),
		{Key: "debug", Show: Harmless, Transports: Confluent, kind: passedList(toClient, "generic", "broker", "topic", "metadata", "feature", "queue", "msg",
			"protocol", "cgrp", "security", "fetch", "interceptor", "plugin", "consumer", "admin", "eos", "mock", "assignor", "conf", "telemetry", "all")},
		flag("enable.gapless.guarantee"),
		flag("enable.metrics.push"),
		flag("enable.random.seed"),
		flag("enable.sparse.connections"),
		number("internal.termination.signal", 0, 128),
		flag("log.connection.close"),
		flag("log.thread.name"),
		number("log_level", 0, 7),
		number("message.copy.max.bytes", 0, 1000000000),
		number("metadata.recovery.rebootstrap.trigger.ms", 0, most),
		oneOf("metadata.recovery.strategy", "none", "rebootstrap"),
		number("queue.buffering.backpressure.threshold", 1, 1000000),
		everywhere(number("receive.message.max.bytes", 1000, most)),
		number("reconnect.backoff.jitter.ms", 0, 3600000),
		about(number("reconnect.backoff.max.ms", 0, 3600000), "`1000`, as with Java, unless `reconnect.backoff.ms` is given"),
		number("reconnect.backoff.ms", 0, 3600000),
		number("socket.blocking.max.ms", 1, 60000),
		everywhere(number("socket.connection.setup.timeout.ms", 1000, most)),
		everywhere(flag("socket.keepalive.enable")),
		number("socket.max.fails", 0, 1000000),
		flag("socket.nagle.disable"),
		java(number("socket.receive.buffer.bytes", 0, 100000000), "receive.buffer.bytes"),
		java(number("socket.send.buffer.bytes", 0, 100000000), "send.buffer.bytes"),
		number("socket.timeout.ms", 10, 300000),
		everywhere(number("statistics.interval.ms", 0, 86400000)),
		plain("topic.blacklist"),
		number("topic.metadata.propagation.max.ms", 0, 3600000),
		number("topic.metadata.refresh.fast.cnt", 0, 1000),
		number("topic.metadata.refresh.fast.interval.ms", 1, 60000),
		flag("topic.metadata.refresh.sparse"),
	}
}

// consumerRows are settings of a consumer. A processor passes the settings to
// its consumer.
func consumerRows() []Setting {
	number := func(key string, least, most int, others ...string) Setting {
		return Setting{Key: key, Aliases: others, In: InProcessor, Show: Harmless, Transports: Confluent, kind: passedWhole(toConsumer, least, most)}
	}
	plain := func(key string) Setting {
		return Setting{Key: key, In: InProcessor, Show: Harmless, Transports: Confluent, kind: passedText(toConsumer)}
	}
	everywhere := func(s Setting) Setting {
		s.Transports = Confluent | Franz
		return s
	}
	return []Setting{
		{
			Key: "auto.offset.reset", In: InProcessor, Show: Harmless,
			kind: passedOneOf(toConsumer, "smallest", "earliest", "beginning", "largest", "latest", "end", "error"),
		},
		{Key: "check.crcs", In: InProcessor, Show: Harmless, Transports: Confluent, kind: passedBoolean(toConsumer)},
		number("coordinator.query.interval.ms", 1, 3600000),
		number("fetch.error.backoff.ms", 0, 300000),
		everywhere(number("fetch.max.bytes", 0, 2147483135)),
		everywhere(number("fetch.message.max.bytes", 1, 1000000000, "max.partition.fetch.bytes")),
		everywhere(number("fetch.min.bytes", 1, 100000000)),
		number("fetch.queue.backoff.ms", 0, 300000),
		everywhere(number("fetch.wait.max.ms", 0, 300000, "fetch.max.wait.ms")),
		everywhere(plain("group.instance.id")),
		plain("group.remote.assignor"),
		everywhere(number("heartbeat.interval.ms", 1, 3600000)),
		everywhere(number("max.poll.interval.ms", 1, 86400000)),
		plain("partition.assignment.strategy"),
		number("queued.max.messages.kbytes", 1, 2097151),
		number("queued.min.messages", 1, 10000000),
		everywhere(number("session.timeout.ms", 1, 3600000)),
	}
}

// refusedRows are keys that always cause an error, with the reason.
func refusedRows() []Setting {
	var rows []Setting
	refuse := func(reason string, keys ...string) {
		for _, key := range keys {
			rows = append(rows, Setting{Key: key, Refused: reason, Fixed: reason})
		}
	}
	refuse(fixedPartition, "partitioner.class", "partitioner.ignore.keys", "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms",
		"partitioner_cb", "sticky.partitioning.linger.ms")
	refuse("it would change the order of messages", "queuing.strategy", "msg_order_cmp")
	refuse("every message has an outcome, which comes by these reports", "delivery.report.only.error", "produce.offset.report", "dr_cb", "dr_msg_cb")
	refuse("it is a parameter of NewTransactional, one per running process", "transactional.id")
	refuse("the log goes to WithLogger", "log.queue", "log_cb")
	refuse("callbacks cannot be said in text", "error_cb", "throttle_cb", "stats_cb", "socket_cb", "connect_cb", "closesocket_cb", "open_cb",
		"resolve_cb", "oauthbearer_token_refresh_cb", "ssl.certificate.verify_cb", "background_event_cb", "rebalance_cb", "offset_commit_cb",
		"consume_cb", "opaque", "default_topic_conf", "ssl_engine_callback_data", "ssl_ca", "ssl_certificate", "ssl_key")
	refuse("it replaces the brokers by a mock that lies about transactions", "test.mock.num.brokers", "test.mock.broker.rtt")
	refuse("it loads code into the process", "plugin.library.paths", "interceptors", "interceptor.classes", "metric.reporters", "ssl.engine.location", "ssl.engine.id", "ssl.providers")
	refuse("tokens without a signature prove nothing: use WithSASL(OAuthBearer(...))", "enable.sasl.oauthbearer.unsecure.jwt")
	refuse("Kerberos is not built into this client", "sasl.kerberos.keytab", "sasl.kerberos.kinit.cmd",
		"sasl.kerberos.min.time.before.relogin", "sasl.kerberos.principal", "sasl.kerberos.service.name")
	return rows
}

// DecidedByProcessor returns the consumer settings that only a processor sets.
func DecidedByProcessor() []string {
	return []string{
		"group.id", "group.protocol", "enable.auto.commit", "auto.commit.interval.ms", "enable.auto.offset.store",
		"enable.partition.eof", "isolation.level", "group.protocol.type", "max.poll.records",
	}
}

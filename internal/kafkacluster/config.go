package kafkacluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Users of every SASL_SSL listener.
const (
	ScramUser     = "alice" // for SCRAM-SHA-256 and SCRAM-SHA-512
	ScramPassword = "alice-secret"
	PlainUser     = "bob" // for PLAIN
	PlainPassword = "bob-secret"
)

// ports are the ports of one node.
type ports struct {
	plain, controller, sasl, mtls, proxied, proxy int
}

func address(name string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", name, port) }

func (p ports) listeners() string {
	return strings.Join([]string{
		address("PLAINTEXT", p.plain), address("CONTROLLER", p.controller), address("SASL_SSL", p.sasl), address("SSL", p.mtls), address("PROXIED", p.proxied),
	}, ",")
}

// advertised returns the addresses that brokers tell clients. The PROXIED
// listener advertises the port of a proxy that a test runs.
func (p ports) advertised() string {
	return strings.Join([]string{
		address("PLAINTEXT", p.plain), address("SASL_SSL", p.sasl), address("SSL", p.mtls), address("PROXIED", p.proxy),
	}, ",")
}

// properties returns the server.properties of one node. A setting replaces the
// line with the same key, or adds a line.
func properties(id int, all []ports, dir, certs string, settings map[string]string) string {
	p := all[id-1]
	voters := make([]string, len(all))
	for i, q := range all {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, q.controller)
	}
	replicas, inSync := 3, 2
	if len(all) < 3 {
		replicas, inSync = 1, 1
	}
	var b strings.Builder
	rest := maps.Clone(settings)
	set := func(key string, value any) {
		if own, ok := settings[key]; ok {
			value = own
			delete(rest, key)
		}
		fmt.Fprintf(&b, "%s=%v\n", key, value)
	}
	set("process.roles", "broker,controller")
	set("node.id", id)
	set("controller.quorum.voters", strings.Join(voters, ","))
	set("controller.listener.names", "CONTROLLER")
	set("listeners", p.listeners())
	set("advertised.listeners", p.advertised())
	set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,PROXIED:PLAINTEXT")
	set("inter.broker.listener.name", "PLAINTEXT")
	set("log.dirs", dir)

	for _, state := range []string{"transaction.state.log", "share.coordinator.state.topic"} {
		set(state+".replication.factor", replicas)
		set(state+".min.isr", inSync)
		set(state+".num.partitions", 4)
	}
	set("offsets.topic.replication.factor", replicas)
	set("offsets.topic.num.partitions", 4)
	set("default.replication.factor", replicas)
	set("min.insync.replicas", inSync)
	set("num.partitions", 4)
	set("auto.create.topics.enable", false)
	set("unclean.leader.election.enable", false)

	// Production defaults would make the tests wait too long.
	set("broker.session.timeout.ms", 3000)
	set("broker.heartbeat.interval.ms", 500)
	set("replica.lag.time.max.ms", 5000)
	set("group.initial.rebalance.delay.ms", 0)
	set("group.min.session.timeout.ms", 1000)
	set("group.consumer.min.session.timeout.ms", 1000)
	set("group.consumer.session.timeout.ms", 3000)
	set("group.consumer.min.heartbeat.interval.ms", 300)
	set("group.consumer.heartbeat.interval.ms", 500)
	set("transaction.abort.timed.out.transaction.cleanup.interval.ms", 1000)

	// Three brokers share one machine, so the buffers are small. The default
	// buffer of the log cleaner alone takes half of the heap.
	set("log.segment.bytes", 64<<20)
	set("log.index.size.max.bytes", 1<<20)
	set("log.cleaner.dedupe.buffer.size", 4<<20)
	set("num.network.threads", 2)
	set("num.io.threads", 4)

	set("ssl.keystore.type", "PEM")
	set("ssl.keystore.location", certs+"/server.pem")
	set("ssl.truststore.type", "PEM")
	set("ssl.truststore.location", certs+"/ca.pem")
	set("listener.name.ssl.ssl.client.auth", "required")
	set("listener.name.sasl_ssl.ssl.client.auth", "none")
	set("listener.name.sasl_ssl.sasl.enabled.mechanisms", "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER")
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	set("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", scram)
	set("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", scram)
	// This listener accepts tokens without a signature (RFC 7515, "none"), like
	// the brokers in Kafka's own tests.
	set("listener.name.sasl_ssl.oauthbearer.sasl.jaas.config",
		`org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`)
	set("listener.name.sasl_ssl.plain.sasl.jaas.config", fmt.Sprintf(
		"org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;", PlainUser, PlainPassword))
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		set(key, nil)
	}
	return b.String()
}

const log4j2 = `status = error
rootLogger.level = info
rootLogger.appenderRef.c.ref = c
appender.c.type = Console
appender.c.name = c
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c{1})%n
`

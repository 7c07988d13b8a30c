package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// values returns the entries of an owner as "key=value", in their order.
func values(t *testing.T, f File, owner Owner) []string {
	t.Helper()
	entries, err := f.For(owner)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Key+"="+e.Value)
	}
	return all
}

// unknown returns the keys that no owner knows.
func unknown(f File) []string {
	keys := []string{}
	for _, e := range f.Unknown() {
		keys = append(keys, e.Key)
	}
	return keys
}

// TestFilesLoadAsTheyAre loads files of each form. Each reader gets its own
// keys, and no key is left over.
func TestFilesLoadAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file, text string
		want       map[Owner][]string
	}{
		"Confluent Cloud, librdkafka": {
			"client.properties", `# Required connection configs for Kafka producer, consumer, and admin
bootstrap.servers=pkc-1.eu-central-1.aws.confluent.cloud:9092
security.protocol=SASL_SSL
sasl.mechanisms=PLAIN
sasl.username=KEY
sasl.password=SECRET

# Best practice for higher availability in librdkafka clients prior to 1.7
session.timeout.ms=45000

client.id=ccloud-go-client-1

# Required connection configs for Confluent Cloud Schema Registry
schema.registry.url=https://psrc-1.eu-central-1.aws.confluent.cloud
basic.auth.credentials.source=USER_INFO
basic.auth.user.info=SRKEY:SRSECRET
`,
			map[Owner][]string{
				Producer: {"bootstrap.servers=pkc-1.eu-central-1.aws.confluent.cloud:9092", "security.protocol=SASL_SSL", "sasl.mechanisms=PLAIN", "sasl.username=KEY", "sasl.password=SECRET", "client.id=ccloud-go-client-1"},
				Consumer: {"session.timeout.ms=45000"},
				Registry: {"schema.registry.url=https://psrc-1.eu-central-1.aws.confluent.cloud", "basic.auth.credentials.source=USER_INFO", "basic.auth.user.info=SRKEY:SRSECRET"},
			},
		},
		"Confluent Cloud, Java": {
			"java.config", `bootstrap.servers=pkc-1:9092
security.protocol=SASL_SSL
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='KEY' password='SECRET';
sasl.mechanism=PLAIN
# Required for correctness in Apache Kafka clients prior to 2.6
client.dns.lookup=use_all_dns_ips
# Best practice for higher availability in Apache Kafka clients prior to 3.0
session.timeout.ms=45000
# Best practice for Kafka producer to prevent data loss
acks=all
client.id=ccloud-java-client-1
schema.registry.url=https://psrc-1
basic.auth.credentials.source=USER_INFO
basic.auth.user.info=SRKEY:SRSECRET
`,
			map[Owner][]string{
				Producer: {"bootstrap.servers=pkc-1:9092", "security.protocol=SASL_SSL", "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='KEY' password='SECRET';", "sasl.mechanism=PLAIN", "client.dns.lookup=use_all_dns_ips", "acks=all", "client.id=ccloud-java-client-1"},
				Consumer: {"session.timeout.ms=45000"},
				Registry: {"schema.registry.url=https://psrc-1", "basic.auth.credentials.source=USER_INFO", "basic.auth.user.info=SRKEY:SRSECRET"},
			},
		},
		"Spring Boot, YAML": {
			"application.yaml", `
server: {port: 8080}
debug: true
spring:
  application.name: checkout
  datasource:
    url: jdbc:postgresql://db/x
    hikari: {maximum-pool-size: 5}
  kafka:
    bootstrap-servers:
      - b1:9092
      - ${SECOND_BROKER:b2:9092}
    clientId: ${spring.application.name}
    security.protocol: SASL_SSL
    ssl:
      trust-store-location: file:///etc/kafka/ca.pem
      trust-store-type: PEM
    properties:
      sasl.mechanism: PLAIN
      "[sasl.jaas.config]": org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
      schema:
        registry:
          url: http://registry:8081
      auto.register.schemas: false
    producer:
      acks: all
      batch-size: 16KB
      key-serializer: org.apache.kafka.common.serialization.StringSerializer
      value-serializer: io.confluent.kafka.serializers.KafkaAvroSerializer
      transaction-id-prefix: tx-
      properties:
        linger.ms: 20
        interceptor.classes: com.shop.Tracing
    consumer:
      group-id: checkout
      client-id: other
      heartbeat-interval: 3s
      auto-offset-reset: earliest
      properties: {specific.avro.reader: true}
    listener: {ack-mode: manual}
logging.level: {root: INFO}
---
spring:
  config.activate.on-profile: prod
  kafka.bootstrap-servers: prod:9092
`,
			map[Owner][]string{
				Producer: {
					"bootstrap.servers=b1:9092,b2:9092", "client.id=checkout", "security.protocol=SASL_SSL", "ssl.truststore.location=/etc/kafka/ca.pem", "ssl.truststore.type=PEM",
					"sasl.mechanism=PLAIN", `sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`,
					"acks=all", "batch.size=16384", "key.serializer=org.apache.kafka.common.serialization.StringSerializer",
					"value.serializer=io.confluent.kafka.serializers.KafkaAvroSerializer", "linger.ms=20",
				},
				Consumer: {"heartbeat.interval.ms=3000", "auto.offset.reset=earliest"},
				Registry: {"schema.registry.url=http://registry:8081"},
				Serde:    {"auto.register.schemas=false", "specific.avro.reader=true"},
			},
		},
		"Spring Boot, properties": {
			"application.properties", `spring.kafka.bootstrap-servers[0]=b1:9092
spring.kafka.bootstrap-servers[1]=b2:9092
spring.kafka.producer.compressionType=lz4
spring.kafka.producer.properties[linger.ms]=7
spring.kafka.jaas.enabled=true
spring.kafka.jaas.login-module=org.apache.kafka.common.security.scram.ScramLoginModule
spring.kafka.jaas.options.username=u
spring.kafka.jaas.options.password=a"b
management.endpoints.web.exposure.include=*
#---
spring.config.activate.on-profile=!prod
spring.kafka.client-id=dev
`,
			map[Owner][]string{Producer: {
				"bootstrap.servers=b1:9092,b2:9092", "client.id=dev", `sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required password="a\"b" username="u";`,
				"compression.type=lz4", "linger.ms=7",
			}},
		},
		"Connect worker": {
			"connect-distributed.properties", `bootstrap.servers=b1:9092
group.id=connect-cluster
key.converter=io.confluent.connect.avro.AvroConverter
key.converter.schema.registry.url=http://registry:8081
value.converter=io.confluent.connect.avro.AvroConverter
value.converter.schema.registry.url=http://registry:8081
value.converter.basic.auth.user.info=${file:SECRETS:user.info}
value.converter.schemas.enable=true
value.converter.enhanced.thing=x
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
config.storage.topic=connect-configs
status.storage.topic=connect-status
offset.flush.interval.ms=10000
listeners=HTTP://:8083
plugin.path=/usr/share/java
config.providers=file,env
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
producer.linger.ms=9
producer.compression.type=zstd
producer.interceptor.classes=io.confluent.monitoring.clients.interceptor.MonitoringProducerInterceptor
confluent.license=
confluent.topic.bootstrap.servers=b1:9092
consumer.max.poll.interval.ms=5000
admin.retries=3
`,
			map[Owner][]string{
				Producer: {"bootstrap.servers=b1:9092", "linger.ms=9", "compression.type=zstd"},
				Consumer: {"max.poll.interval.ms=5000"},
				Registry: {"schema.registry.url=http://registry:8081", "schema.registry.url=http://registry:8081", "basic.auth.user.info=a:b"},
			},
		},
		"a byte order mark and old line ends": {
			"a.properties", "\ufeffbootstrap.servers=b:1\rlinger.ms=3\r\nclient.id=x",
			map[Owner][]string{Producer: {"bootstrap.servers=b:1", "linger.ms=3", "client.id=x"}},
		},
		"Latin-1": {
			"a.properties", "client.id=caf\xe9",
			map[Owner][]string{Producer: {"client.id=café"}},
		},
		"a character of two escapes": {
			"a.properties", `client.id=\ud83d\ude00`,
			map[Owner][]string{Producer: {"client.id=😀"}},
		},
		"YAML with anchors": {
			"a.yaml", "x-base: &base {linger.ms: 3}\nproducer:\n  <<: *base\n  client.id: a\n",
			map[Owner][]string{Producer: {"linger.ms=3", "client.id=a"}},
		},
		"JSON with a byte order mark": {
			"a.json", "\ufeff{\"linger\": {\"ms\": 3}, \"sasl.password\": null}",
			map[Owner][]string{Producer: {"linger.ms=3", "sasl.password="}},
		},
		"empty": {"a.yaml", "", map[Owner][]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := write(t, "secrets.properties", "user.info=a:b\n")
			f, err := Read(write(t, tc.file, strings.ReplaceAll(tc.text, "SECRETS", secrets)))
			if err != nil {
				t.Fatal(err)
			}
			for _, owner := range []Owner{Producer, Consumer, Registry, Serde} {
				want := tc.want[owner]
				if want == nil {
					want = []string{}
				}
				if diff := cmp.Diff(want, values(t, f, owner)); diff != "" {
					t.Errorf("owner %d: -want +got\n%s", owner, diff)
				}
			}
			left := unknown(f)
			if name == "YAML with anchors" {
				left = slices.DeleteFunc(left, func(k string) bool { return strings.HasPrefix(k, "x-") })
			}
			if len(left) != 0 {
				t.Errorf("nobody knows %q", left)
			}
		})
	}
}

func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	f, err := Read(write(t, "a.properties", "liger.ms=1\nsesion.timeout.ms=1\nschema.registri.url=x\nproducer.liger.ms=1\nmy.own=secret"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range f.Unknown() {
		got[e.Origin] = e.Hint
	}
	want := map[string]string{
		"a.properties:1: liger.ms":            `: did you mean "linger.ms"?`,
		"a.properties:2: sesion.timeout.ms":   `: did you mean "session.timeout.ms"?`,
		"a.properties:3: schema.registri.url": `: did you mean "schema.registry.url"?`,
		"a.properties:4: producer.liger.ms":   got["a.properties:4: producer.liger.ms"],
		"a.properties:5: my.own":              "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	secret := write(t, "pw", "\ufeffhunter2\r\n")
	f := Environ("AVROLINE_", []string{
		"AVROLINE_LINGER_MS=3", "AVROLINE_PRESET=low-latency", "AVROLINE_SASL_PASSWORD_FILE=" + secret, "AVROLINE_SCHEMA_REGISTRY_URL=http://r",
		"AVROLINE_USE_LATEST_VERSION=true", "AVROLINE_SESSION_TIMEOUT_MS=1", "AVROLINE_LIGER_MS=3", "OTHER=1", "AVROLINE_",
	})
	for owner, want := range map[Owner][]string{
		Producer: {"linger.ms=3", "avroline.preset=low-latency", "sasl.password=hunter2"},
		Registry: {"schema.registry.url=http://r"}, Serde: {"use.latest.version=true"}, Consumer: {"session.timeout.ms=1"},
	} {
		if diff := cmp.Diff(want, values(t, f, owner)); diff != "" {
			t.Error(diff)
		}
	}
	if u := f.Unknown(); len(u) != 1 || u[0].Hint != `: did you mean "AVROLINE_LINGER_MS"?` {
		t.Errorf("%v", u)
	}
}

// TestFilesRefused checks that a file that cannot be read is an error with the
// file and the line. No error shows a value.
func TestFilesRefused(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		name, before := string(rune('b'+i)), string(rune('a'+i))
		bomb += name + ": &" + name + " {1: *" + before + ", 2: *" + before + ", 3: *" + before + ", 4: *" + before + "}\n"
	}
	for name, tc := range map[string]struct{ file, text, want string }{
		"escape":              {"a.properties", "x=1\nclient.id=" + secret + `\u12`, "a.properties:2: client.id: \\u wants"},
		"not YAML":            {"a.yaml", "sasl.password: [" + secret, "a.yaml:1: is not YAML"},
		"unknown anchor":      {"a.yaml", "sasl.password: *" + secret, "is not YAML: unknown anchor … referenced"},
		"a list of mappings":  {"a.yaml", "acks: [{a: b}]", "a.yaml:1: acks: a list may hold plain values only"},
		"a scalar":            {"a.yaml", secret, "a.yaml:1: keys and values are wanted"},
		"aliases without end": {"a.yaml", bomb, "too large or nested too deep"},
		"deep":                {"a.yaml", strings.Repeat("{a: ", 40) + "1" + strings.Repeat("}", 40), "too large or nested too deep"},
		"UTF-16":              {"a.properties", "\xff\xfea\x00", "UTF-16"},
		"binary":              {"a.properties", "a\x00b", "NUL"},
		"placeholder":         {"application.yaml", "spring.kafka.bootstrap-servers: ${NO_SUCH_VARIABLE}", "application.yaml:1: spring.kafka.bootstrap-servers: neither"},
		"placeholder loop":    {"application.yaml", "spring.kafka.client-id: ${spring.kafka.client-id}", "refer to each other"},
		"classpath":           {"application.yaml", "spring.kafka.ssl.trust-store-location: classpath:ca.pem", "Java archive"},
		"size":                {"application.yaml", "spring.kafka.producer.batch-size: " + secret, "must be a size"},
		"time":                {"application.yaml", "spring.kafka.consumer.fetch-max-wait: " + secret, "must be a time"},
		"provider class":      {"a.properties", "config.providers=v\nconfig.providers.v.class=x.VaultProvider\nsasl.password=${v:" + secret + "}", "the config provider VaultProvider"},
		"provider file":       {"a.properties", "config.providers=f\nconfig.providers.f.class=x.FileConfigProvider\nsasl.password=${f:/no/such:k}", "/no/such"},
		"provider variable":   {"a.properties", "config.providers=e\nconfig.providers.e.class=x.EnvVarConfigProvider\nsasl.password=${e:NO_SUCH_VARIABLE}", "no variable NO_SUCH_VARIABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(write(t, tc.file, tc.text))
			var ce *Error
			if !errors.As(err, &ce) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	for _, path := range []string{"/no/such/file", t.TempDir(), "/dev/zero", "-----BEGIN PRIVATE KEY-----\n" + secret} {
		if _, err := Read(path); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", path, err)
		}
	}
	f, err := Read(write(t, "a.properties", "sasl.password.file=/no/such/secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.For(Producer); err == nil || !strings.Contains(err.Error(), "a.properties:1: sasl.password.file") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"a=b\\\n c\nx:\\u0041", "spring.kafka.client-id=${a:${b}}", "a: {b: [1, 2]}", "config.providers=env\nclient.id=${env:x}", "spring:\n  kafka: &a {b: *a}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string, string) ([]document, error){parseProperties, parseYAML} {
			documents, err := parse("f", text)
			if err != nil {
				continue
			}
			file, err := assemble(documents, func(string) (string, bool) { return "${x}", true })
			if err != nil {
				continue
			}
			for _, e := range file.entries {
				if strings.HasSuffix(e.Key, ".file") {
					return // the test would read files
				}
			}
			for owner := Nobody; owner <= Elsewhere; owner++ {
				if _, err := file.For(owner); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

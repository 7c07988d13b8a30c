//go:build cgo

package producer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// selfSigned returns a certificate and its key, as PEM.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "t"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}))
}

// TestJavaProperties loads a file with the setting names of Java's clients.
func TestJavaProperties(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	trust, store := write(t, "trust.pem", cert), write(t, "store.pem", key+cert)
	path := write(t, "app.properties", `# the Java service's own file
bootstrap.servers = b1:9092, b2:9092,\
                    b3:9092
acks: all
enable.idempotence=true
retries=2147483647
linger.ms 7
batch.size=65536
buffer.memory=33554432
compression.type=zstd
compression.zstd.level=5
max.block.ms=60000
max.request.size=900000
request.timeout.ms=20000
metadata.max.age.ms=30000
client.id=caf\u00e9-\
  a
send.buffer.bytes=131072
key.serializer=org.apache.kafka.common.serialization.StringSerializer
value.serializer=io.confluent.kafka.serializers.KafkaAvroSerializer
! security
security.protocol=SASL_SSL
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="ada" password="se\\"cret= ;x";
sasl.mechanism=SCRAM-SHA-512
ssl.truststore.type=PEM
ssl.truststore.location=`+trust+`
ssl.keystore.type=PEM
ssl.keystore.location=`+store+`
`)
	c, err := settings.New(settings.ForProducer, nil, "", []Option{WithProperties(path)})
	if err != nil {
		t.Fatal(err)
	}
	m := configMap(c.ProducerMap())
	for k, want := range map[string]any{
		"bootstrap.servers": "b1:9092,b2:9092,b3:9092", "linger.ms": "7", "batch.size": 65536, "compression.type": "zstd", "compression.level": 5,
		"message.max.bytes": 900000, "request.timeout.ms": 20000, "client.id": "café-a", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
		"sasl.username": "ada", "sasl.password": `se"cret= ;x`, "topic.metadata.refresh.interval.ms": 30000, "socket.send.buffer.bytes": "131072",
		"ssl.ca.pem": cert, "ssl.certificate.pem": cert, "ssl.key.pem": key, "delivery.timeout.ms": 0,
	} {
		if m[k] != want {
			t.Errorf("%s: %v, want %v", k, m[k], want)
		}
	}
	if c.MaxInFlightBytes != 33554432 || c.MaxBlock != time.Minute {
		t.Errorf("buffer %d, block %v", c.MaxInFlightBytes, c.MaxBlock)
	}
	p, err := kafka.NewProducer(&m)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", c, c, c, c), fmt.Sprintf("%v %+v %#v", *c.SASL, c.SASL, *c.SASL), fmt.Sprintf("%v %+v %#v", *c.TLS, c.TLS, *c.TLS), fmt.Sprintf("%+v", WithSASL(settings.NewSASL(*c.SASL)))} {
		if strings.Contains(s, "cret") || strings.Contains(s, "PRIVATE") {
			t.Errorf("a secret is printed: %s", s)
		}
	}
}

func TestYAMLAndEnvironment(t *testing.T) {
	t.Parallel()
	secret := write(t, "pw", "hunter2\n")
	path := write(t, "app.yaml", `
bootstrap.servers: ["a:1", "b:2"]
linger: {ms: 2.5}
avroline:
  preset: low-latency
  weak.acks: 1
compression:
  type: lz4
sasl:
  mechanism: PLAIN
  username: bob
  password.file: `+secret+"\n")
	for _, opt := range []Option{WithConfigFile(path), settings.FromEnviron("", func() []string {
		return []string{
			"AVROLINE_BOOTSTRAP_SERVERS=a:1,b:2", "AVROLINE_PRESET=low-latency", "AVROLINE_WEAK_ACKS=1", "AVROLINE_COMPRESSION_TYPE=lz4",
			"AVROLINE_SASL_MECHANISM=PLAIN", "AVROLINE_SASL_USERNAME=bob", "AVROLINE_SASL_PASSWORD_FILE=" + secret,
			"AVROLINE_SHARED=/x", "AVROLINE_REGISTRY=y", "AVROLINE_TEST_X=1", "OTHER=1",
		}
	})} {
		c, err := settings.New(settings.ForProducer, nil, "", []Option{opt})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Brokers) != 2 || !c.WeakAcks || c.Acks != AcksLeader || c.Compression != LZ4 || c.MaxInFlightMessages != 10_000 || c.SASL.Password != "hunter2" {
			t.Errorf("%s: %+v %v", opt, *c, c.SASL)
		}
	}
}

func TestKeysRefused(t *testing.T) {
	t.Parallel()
	strict := func(kv ...string) Option {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return WithConfig(m)
	}
	file := func(text string) Option { return WithProperties(write(t, "app.properties", text)) }
	for name, tc := range map[string]struct {
		opt  Option
		want []string
	}{
		"acks":                  {strict("acks", "1"), []string{"WithConfig: acks", "WithWeakAcks"}},
		"acks alias":            {strict("request.required.acks", "0"), []string{"WithWeakAcks"}},
		"idempotence":           {strict("enable.idempotence", "false"), []string{"WithWeakAcks"}},
		"idempotence, harmless": {strict("enable.idempotence", "true"), []string{"enable.idempotence"}},
		"retries":               {strict("retries", "1"), []string{"WithRetries"}},
		"retries alias":         {strict("message.send.max.retries", "1"), []string{"WithRetries"}},
		"in flight":             {strict("max.in.flight", "5"), []string{"WithInFlightRequests"}},
		"in flight alias":       {strict("max.in.flight.requests.per.connection", "9"), []string{"WithInFlightRequests"}},
		"expiry":                {strict("delivery.timeout.ms", "1000"), []string{"WithDeliveryTimeout"}},
		"expiry alias":          {strict("message.timeout.ms", "1000"), []string{"WithDeliveryTimeout"}},
		"partitioner":           {strict("partitioner", "consistent"), []string{"WithPartitioner"}},
		"sticky linger":         {strict("sticky.partitioning.linger.ms", "1"), []string{"WithPartitioner"}},
		"queue":                 {strict("queue.buffering.max.messages", "1"), []string{"WithMaxInFlight"}},
		"queue alias":           {strict("queue.buffering.max.kbytes", "1"), []string{"WithMaxInFlight"}},
		"lifo":                  {strict("queuing.strategy", "lifo"), []string{"order"}},
		"reports":               {strict("delivery.report.only.error", "true"), []string{"outcome"}},
		"go reports":            {strict("go.delivery.reports", "false"), []string{"go.delivery.reports", "reports"}},
		"go batch":              {strict("go.batch.producer", "true"), []string{"reports"}},
		"transactional id":      {strict("transactional.id", "x"), []string{"NewTransactional"}},
		"mock":                  {strict("test.mock.num.brokers", "1"), []string{"mock"}},
		"plugins":               {strict("plugin.library.paths", "x"), []string{"code"}},
		"callback":              {strict("error_cb", "x"), []string{"callbacks"}},
		"typed value":           {strict("linger.ms", "abc"), []string{"WithConfig: linger.ms", "abc", "milliseconds"}},
		"not a number":          {strict("linger.ms", "NaN"), []string{"milliseconds"}},
		"typed range":           {strict("linger.ms", "-1"), []string{"WithConfig: linger.ms", "from 0s"}},
		"unknown":               {strict("liger.ms", "1"), []string{"unknown", `"linger.ms"`}},
		"consumer's":            {strict("session.timeout.ms", "1"), []string{"consumer"}},
		"same by alias":         {strict("linger.ms", "1", "queue.buffering.max.ms", "2"), []string{"linger.ms", "queue.buffering.max.ms", "keep one"}},

		"file acks":        {file("x=1\nacks=1"), []string{"app.properties:2: acks", "weak.acks"}},
		"file idempotence": {file("enable.idempotence=false"), []string{"app.properties:1", "weak.acks"}},
		"file retries":     {file("retries=0"), []string{"app.properties:1: retries", "WithWeakAcks"}},
		"file expiries":    {file("delivery.timeout.ms=1000\n\nmessage.timeout.ms=2000"), []string{"app.properties:3", "app.properties:1", "keep one"}},
		"file unknown":     {file("# c\ncompresion.type=lz4"), []string{"app.properties:2", `"compression.type"`}},
		"file continued":   {file("a\\\n=b\nlinger.ms=x"), []string{"app.properties:3: linger.ms"}},
		"file partitioner": {file("partitioner.class=x"), []string{"WithPartitioner"}},
		"registry's":       {strict("schema.registry.url", "http://user:hunter2@x"), []string{"registry.New"}},
		"serializer's":     {strict("use.latest.version", "true"), []string{"serde.Serializer"}},
		"file escape":      {file(`client.id=\u12`), []string{"app.properties:1", "hexadecimal"}},
		"file jks":         {file("ssl.truststore.type=JKS"), []string{"PEM", "keytool"}},
		"file kerberos":    {file("sasl.mechanism=GSSAPI"), []string{"Kerberos"}},
		"file protocol":    {file("security.protocol=SASL_SSL"), []string{"SASL_SSL", "sasl.mechanism"}},
		"file missing":     {WithProperties("/does/not/exist"), []string{"/does/not/exist"}},
		"file module":      {file(`sasl.jaas.config=x.Foo required password="pw";`), []string{"PlainLoginModule"}},
		"yaml broken":      {WithYAML(write(t, "a.yaml", "a: [")), []string{"a.yaml"}},
		"yaml list":        {WithYAML(write(t, "a.yaml", "acks: [{a: b}]")), []string{"a.yaml:1", "list"}},
		"yaml scalar":      {WithYAML(write(t, "a.yaml", "x")), []string{"a.yaml:1", "keys"}},
		"env unknown":      {settings.FromEnviron("A_", func() []string { return []string{"A_LINGER_M=1"} }), []string{"A_LINGER_M", `"A_LINGER_MS"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []Option{tc.opt})
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
}

// TestFilesWithKeysOfOtherPrograms loads files that several programs read. Keys
// of the registry client, the serializer, a consumer, Kafka Connect and Spring
// Boot must not be errors.
func TestFilesWithKeysOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a.properties":       "bootstrap.servers=b:1,\nschema.registry.url=http://r\nbasic.auth.user.info=a:b\nuse.latest.version=true\nsession.timeout.ms=45000\ngroup.id=g\nisolation.level=read_committed\nlinger.ms=7",
		"connect.properties": "bootstrap.servers=b:1\ngroup.id=connect\nkey.converter=x\nvalue.converter=y\nvalue.converter.schema.registry.url=http://r\noffset.storage.topic=o\nplugin.path=/p\nproducer.linger.ms=7\nlinger.ms=1",
		"application.yaml":   "server.port: 1\nspring:\n  kafka:\n    bootstrap-servers: [b:1]\n    consumer: {group-id: g}\n    properties: {linger.ms: 1}\n    producer: {properties: {linger.ms: 7}}\n",
	} {
		c, err := settings.New(settings.ForProducer, nil, "", []Option{WithConfigFile(write(t, name, text))})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Linger != 7*time.Millisecond || len(c.Brokers) != 1 || len(c.ConsumerPassed) != 0 {
			t.Errorf("%s: linger %v, brokers %q, consumer %v", name, c.Linger, c.Brokers, c.ConsumerPassed)
		}
	}
	c, err := settings.New(settings.ForProcessor, nil, "id", []Option{WithConfigFile(write(t, "a.properties", "bootstrap.servers=b:1\nsession.timeout.ms=45000"))})
	if err != nil || c.ConsumerPassed["session.timeout.ms"] != "45000" {
		t.Errorf("a processor does not get its consumer's keys: %v", err)
	}
}

// TestRetriesOfFiles checks that a bound on retries in a file has an effect
// only with weak acks.
func TestRetriesOfFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"retries=3": -1, "retries=2147483647": -1, "retries=3\navroline.weak.acks=all": 3, "avroline.weak.acks=1\nretries=0": 0} {
		c, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithProperties(write(t, "a.properties", text))})
		if err != nil || c.Retries != want {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}

// TestWeakAcksOfFiles checks that avroline.weak.acks confirms the weak settings
// of a file, whatever the order of the keys is.
func TestWeakAcksOfFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"acks=1\navroline.weak.acks=1", "avroline.weak.acks=1\nacks=1",
		"enable.idempotence=false\navroline.weak.acks=1", "avroline.weak.acks=1\nenable.idempotence=false",
	} {
		c, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithProperties(write(t, "a.properties", text))})
		if err != nil || !c.WeakAcks || c.Acks != AcksLeader {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}

// TestContradictingAcksOfFiles checks that a file with two values for acks, or
// with idempotence and weak acks, is refused, whatever the order of the keys
// is. The program may override the file.
func TestContradictingAcksOfFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"acks=all\navroline.weak.acks=1", "avroline.weak.acks=1\nacks=all",
		"request.required.acks=-1\navroline.weak.acks=0", "avroline.weak.acks=all\nacks=1",
		"enable.idempotence=true\navroline.weak.acks=1", "avroline.weak.acks=1\nenable.idempotence=1", "enable.idempotence=TRUE\navroline.weak.acks=all",
	} {
		_, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithProperties(write(t, "a.properties", text))})
		if err == nil || !strings.Contains(err.Error(), "avroline.weak.acks") || !strings.Contains(err.Error(), "contradicts") {
			t.Errorf("%q: %v", text, err)
		}
	}
	c, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithProperties(write(t, "a.properties", "acks=-1\navroline.weak.acks=all"))})
	if err != nil || !c.WeakAcks || c.Acks != AcksAll {
		t.Errorf("the same value twice: %v, %v", c, err)
	}
	c, err = settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithProperties(write(t, "a.properties", "enable.idempotence=true")), WithWeakAcks(AcksLeader)})
	if err != nil || !c.WeakAcks {
		t.Errorf("an option over a file: %v, %v", c, err)
	}
}

// TestDeliveryTimeoutOfFiles checks that the log names a delivery timeout of a
// file, because the timeout gives up the guarantee outside of transactions.
func TestDeliveryTimeoutOfFiles(t *testing.T) {
	t.Parallel()
	file := WithProperties(write(t, "a.properties", "delivery.timeout.ms=120000"))
	for name, test := range map[string]struct {
		purpose settings.Purpose
		id      string
		opts    []Option
		logged  bool
	}{
		"a file":                {settings.ForProducer, "", []Option{file}, true},
		"0 in a file":           {settings.ForProducer, "", []Option{WithProperties(write(t, "b.properties", "delivery.timeout.ms=0"))}, false},
		"no setting":            {settings.ForProducer, "", nil, false},
		"an option":             {settings.ForProducer, "", []Option{WithDeliveryTimeout(2 * time.Minute)}, false},
		"an option over a file": {settings.ForProducer, "", []Option{file, WithDeliveryTimeout(0)}, false},
		"weak acks":             {settings.ForProducer, "", []Option{file, WithWeakAcks(AcksLeader)}, false},
		"transactions":          {settings.ForTransactional, "id", []Option{WithProperties(write(t, "c.properties", "delivery.timeout.ms=30000"))}, false},
	} {
		var log bytes.Buffer
		_, err := settings.New(test.purpose, []string{"b:1"}, test.id, append(test.opts, WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
		if err != nil || strings.Contains(log.String(), "level=WARN msg=delivery_may_expire") != test.logged {
			t.Errorf("%s: %v, %s", name, err, &log)
		}
		if test.logged && !strings.Contains(log.String(), "a.properties:1: delivery.timeout.ms") {
			t.Errorf("%s: no place: %s", name, &log)
		}
	}
}

// TestPresetOfFiles checks that the other keys of a file or of the environment
// win over a preset, whatever their order is.
func TestPresetOfFiles(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]Option{
		"preset last":  WithProperties(write(t, "a.properties", "linger.ms=20\navroline.preset=low-latency")),
		"preset first": WithProperties(write(t, "a.properties", "avroline.preset=low-latency\nlinger.ms=20")),
		"preset last, environ": settings.FromEnviron("", func() []string {
			return []string{"AVROLINE_LINGER_MS=20", "AVROLINE_PRESET=low-latency"}
		}),
	} {
		c, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{opt})
		if err != nil || c.Linger != 20*time.Millisecond || c.MaxInFlightMessages != 10_000 {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestUnknownKeysAreLoggedOnce checks that unknown keys are refused. With
// LogUnknownKeys, one log line names the unknown keys. No error and no line
// shows a value.
func TestUnknownKeysAreLoggedOnce(t *testing.T) {
	t.Parallel()
	file := WithConfigFile(write(t, "a.properties", "bootstrap.servers=b:1\nmy.token=hunter2\nliger.ms=hunter2"))
	_, err := settings.New(settings.ForProducer, nil, "", []Option{file})
	if err == nil || !strings.Contains(err.Error(), `a.properties:3: liger.ms: unknown setting: did you mean "linger.ms"?`) || !strings.Contains(err.Error(), "a.properties:2: my.token") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	var log bytes.Buffer
	_, err = settings.New(settings.ForProducer, nil, "", []Option{file, LogUnknownKeys(), WithLogger(slog.New(slog.NewTextHandler(&log, nil)))})
	if got := log.String(); err != nil || strings.Count(got, "\n") != 1 || !strings.Contains(got, "a.properties:3: liger.ms") || strings.Contains(got, "hunter2") {
		t.Errorf("%v, log %q", err, got)
	}
}

// TestErrorsHideSecrets checks that the error of a wrong secret does not
// contain the text of the secret.
func TestErrorsHideSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`sasl.jaas.config=x.PlainLoginModule required username="u" password="hunter2`,
		`sasl.jaas.config=hunter2`,
		"sasl.pasword=hunter2",
		"ssl.key.pem=hunter2\nssl.certificate.pem=x",
		"ssl.keystore.password=hunter2",
		"sasl.password=hunter2\nsasl.mechanism=NONE",
		"sasl.password=hunter2\nsasl.password=hunter2",
	} {
		_, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []Option{WithProperties(write(t, "a.properties", text))})
		if err == nil {
			t.Errorf("%s: accepted", text)
		} else if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, "hunter2") {
			t.Errorf("%s: %s", text, s)
		}
	}
}

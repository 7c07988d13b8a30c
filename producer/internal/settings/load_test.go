package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryErrorHasItsLine checks that a mistake in a file has the line and the
// key of the file, also if New finds the mistake after it has read every
// option.
func TestEveryErrorHasItsLine(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const ssl, sasl = "security.protocol=SSL\n", "security.protocol=SASL_PLAINTEXT\n"
	for text, want := range map[string]string{
		"linger.ms=5\nqueue.buffering.max.kbytes=5": `a.properties:2: queue.buffering.max.kbytes: "5120 bytes": one message`,
		"buffer.memory=5":                           `a.properties:1: buffer.memory: "5 bytes": one message`,
		ssl + "ssl.ca.location=" + bad:              "a.properties:2: ssl.ca.location: \"" + bad + "\": CA holds no PEM certificate",
		ssl + "ssl.truststore.location=" + bad:      "a.properties:2: ssl.truststore.location: \"" + bad + "\": CA holds no PEM certificate",
		ssl + "ssl.truststore.certificates=hunter2": "a.properties:2: ssl.truststore.certificates: CA holds no PEM certificate",
		ssl + "ssl.certificate.location=" + bad:     "a.properties:2: ssl.certificate.location: \"" + bad + "\": Cert and Key go together: Key is missing",
		ssl + "ssl.key.pem=hunter2":                 "a.properties:2: ssl.key.pem: Cert and Key go together: Cert is missing",
		sasl + "sasl.password=hunter2":              "a.properties:2: sasl.password: no mechanism",
		sasl + "sasl.oauthbearer.scope=x":           "a.properties:2: sasl.oauthbearer.scope: OIDC needs TokenURL",
		"\nhttps.ca.pem=x":                          "a.properties:2: https.ca.pem: OIDC needs TokenURL",
		ssl + "ssl.ca.location=":                    "a.properties:2: ssl.ca.location: is empty: the name of a file is wanted",
		"sasl.password.file=":                       "a.properties:1: sasl.password.file: is empty: the name of a file is wanted",
		"batch.size=16KB":                           `a.properties:1: batch.size: "16KB": must be a whole number from 1 to 2147483647`,
		"linger.ms=":                                "a.properties:1: linger.ms: must be a number of milliseconds from 0 to 900000",
		"security.protocol=SSL\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=p": "a.properties:2: sasl.mechanism asks for it",
		"avroline.weak.acks=1\nenable.idempotence=hunter":                               `a.properties:2: enable.idempotence: "hunter": must be true or false`,
		"avroline.weak.acks=1\nenable.idempotence=":                                     "a.properties:2: enable.idempotence: must be true or false",

		"enable.idempotence=0":                               "a.properties:1: enable.idempotence: ",
		"enable.idempotence=True\navroline.weak.acks=1":      `a.properties:2: avroline.weak.acks: "1": contradicts a.properties:1: enable.idempotence, which is True`,
		"compression.type=gzip\n\ncompression.gzip.level=10": `a.properties:3: compression.gzip.level: "10": must be from 0 to 9`,
		"compression.type=snappy\ncompression.level=1":       `a.properties:2: compression.level: "1": a.properties:1: compression.type snappy has no levels`,
		"retry.backoff.ms=2000\n\nretry.backoff.max.ms=1000": `a.properties:3: retry.backoff.max.ms: "1s": is below a.properties:1: retry.backoff.ms, 2s`,
		"delivery.timeout.ms=3\nlinger.ms=4":                 "a.properties:1: delivery.timeout.ms: ",
		"max.in.flight=6":                                    "a.properties:1: max.in.flight: ",
		// One mistake is one error. A second error would send the reader to a
		// setting that is right.
		sasl + "sasl.mechanism=hunter": `a.properties:2: sasl.mechanism: "hunter": must be one of PLAIN`,
		sasl + "sasl.mechanism=PLAIN\nsasl.username=u\nsasl.password.file=/no/such/file": "a.properties:4: sasl.password.file: stat /no/such/file: no such file",
		"ssl.endpoint.identification.algorithm=none\n" + ssl:                             "a.properties:1: ssl.endpoint.identification.algorithm: ",
		sasl + "sasl.mechanism=PLAIN\nsasl.username=u":                                   "a.properties:2: sasl.mechanism: PLAIN needs user and password",
		sasl + "sasl.jaas.config=x.PlainLoginModule required a=b;":                       "a.properties:2: sasl.jaas.config: PLAIN needs user and password",
	} {
		_, err := New(ForProducer, nil, "", []Option{fromText(t, text+"\nbootstrap.servers=b:1")})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	_, err := New(ForTransactional, []string{"b:1"}, "id", []Option{fromText(t, "avroline.weak.acks=1")})
	if err == nil || !strings.Contains(err.Error(), "a.properties:1: avroline.weak.acks: ") {
		t.Errorf("weak acks with transactions: %v", err)
	}
}

// TestIdempotenceOfFiles checks that enable.idempotence takes the booleans of
// librdkafka and Java.
func TestIdempotenceOfFiles(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"true", "TRUE", "tRue", "1", "t"} {
		if _, err := New(ForProducer, []string{"b:1"}, "", []Option{fromText(t, "enable.idempotence="+on)}); err != nil {
			t.Errorf("%s: %v", on, err)
		}
	}
	for _, off := range []string{"false", "FALSE", "0", "f"} {
		c, err := New(ForProducer, []string{"b:1"}, "", []Option{fromText(t, "avroline.weak.acks=1\nenable.idempotence="+off)})
		if err != nil || !c.WeakAcks {
			t.Errorf("%s: %v", off, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("linger.ms", "5")
	f.Add("sasl.jaas.config", `x.PlainLoginModule required username="u" password="p";`)
	f.Fuzz(func(t *testing.T, key, value string) {
		for _, purpose := range []Purpose{ForProducer, ForProcessor} {
			c := newDefaults(purpose)
			if s := c.names[key]; s != nil && s.readsFiles {
				return
			}
			_ = c.load(key, value, "f", map[string]string{}, false)
			_ = c.check()
		}
		_, _, _ = parseJAAS(value)
	})
}

// TestSecretFileInMap checks that a map may give a secret as KEY.file, like a
// file of settings.
func TestSecretFileInMap(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password.file": file}
	c, err := New(ForProducer, []string{"b:1"}, "", []Option{FromMap(m)})
	if err != nil || c.SASL.Password != "hunter2" {
		t.Errorf("%v", err)
	}
	m["sasl.password.file"] = "/no/such/file"
	_, err = New(ForProducer, []string{"b:1"}, "", []Option{FromMap(m)})
	if want := "producer: WithConfig: sasl.password.file: stat /no/such/file: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	m["sasl.password"], m["sasl.password.file"] = "x", file
	_, err = New(ForProducer, []string{"b:1"}, "", []Option{FromMap(m)})
	if err == nil || !strings.Contains(err.Error(), "WithConfig: sasl.password.file: says the same as WithConfig: sasl.password") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("two passwords: %v", err)
	}
}

// TestUnreadFile checks that a file that cannot be read is the only mistake,
// and that all files of secrets that cannot be read are named.
func TestUnreadFile(t *testing.T) {
	t.Parallel()
	_, err := New(ForProducer, nil, "", []Option{FromFile("/no/such/a.properties")})
	if err == nil || strings.Contains(err.Error(), "no broker") || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("no file: %v", err)
	}
	_, err = New(ForProducer, nil, "", []Option{fromText(t, "bootstrap.servers=b:1\nsasl.password.file=/no/a\nssl.key.password.file=/no/b\nlinger.ms=-1")})
	for _, want := range []string{"a.properties:2: sasl.password.file", "a.properties:3: ssl.key.password.file", "a.properties:4: linger.ms"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes: %v", err)
	}
}

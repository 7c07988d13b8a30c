package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoNamesOfOneSetting checks that a source with two names of one setting
// is refused, whatever the order of the names is. The error has both lines.
func TestTwoNamesOfOneSetting(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte("-----BEGIN CERTIFICATE-----"), 0o600); err != nil {
		t.Fatal(err)
	}
	const plain, oauth = "sasl.jaas.config=x.PlainLoginModule required ", "sasl.jaas.config=x.OAuthBearerLoginModule required "
	for name, lines := range map[string][2]string{
		"buffer":              {"buffer.memory=5000000", "queue.buffering.max.kbytes=5000"},
		"gzip":                {"compression.level=3", "compression.gzip.level=9"},
		"roots":               {"ssl.ca.location=" + ca, "ssl.truststore.location=" + ca},
		"roots as text":       {"ssl.ca.location=" + ca, "ssl.ca.pem=x"},
		"roots as Java text":  {"ssl.truststore.certificates=x", "ssl.truststore.location=" + ca},
		"certificate":         {"ssl.certificate.location=" + ca, "ssl.certificate.pem=x"},
		"certificate of Java": {"ssl.certificate.location=" + ca, "ssl.keystore.location=" + ca},
		"key":                 {"ssl.key.location=" + ca, "ssl.key.pem=x"},
		"key of Java":         {"ssl.key.location=" + ca, "ssl.keystore.location=" + ca},
		"user":                {"sasl.username=u", plain + `username="u" password="p";`},
		"password":            {"sasl.password=p", plain + `username="u" password="p";`},
		"client":              {"sasl.oauthbearer.client.id=c", oauth + `clientId="c" clientSecret="s";`},
		"client secret":       {"sasl.oauthbearer.client.secret=s", oauth + `clientId="c" clientSecret="s";`},
		"scope":               {"sasl.oauthbearer.scope=s", oauth + `scope="s";`},
		"extensions":          {"sasl.oauthbearer.extensions=a=b", oauth + `extension_a="b";`},
	} {
		for _, order := range [][2]string{lines, {lines[1], lines[0]}} {
			_, err := New(ForProducer, []string{"b:1"}, "", []Option{fromText(t, order[0]+"\n"+order[1]+"\ncompression.type=gzip")})
			for _, line := range []string{"a.properties:1: ", "a.properties:2: ", "says the same as", "keep one"} {
				if err == nil || !strings.Contains(err.Error(), line) {
					t.Errorf("%s: %v, want %s", name, err, line)
				}
			}
			environ := func() []string {
				all := []string{"P_COMPRESSION_TYPE=gzip"}
				for _, line := range order {
					key, value, _ := strings.Cut(line, "=")
					all = append(all, "P_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
				}
				return all
			}
			if _, err := New(ForProducer, []string{"b:1"}, "", []Option{FromEnviron("P_", environ)}); err == nil || !strings.Contains(err.Error(), "keep one") {
				t.Errorf("%s: the environment: %v", name, err)
			}
		}
	}
}

// TestNamesOfDifferentSettings checks that a later source overrides an earlier
// source by another name. The levels of other codecs and the options that a
// login module does not have are no second names.
func TestNamesOfDifferentSettings(t *testing.T) {
	t.Parallel()
	maxInFlight := Set("WithMaxInFlight", func(c *Config) { c.MaxInFlightBytes = 7_000_000 }, "buffer.memory")
	const sasl = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
	for name, tc := range map[string]struct {
		opts []Option
		has  func(c *Config) bool
	}{
		"an option after a file":     {[]Option{fromText(t, "queue.buffering.max.kbytes=5000"), maxInFlight}, func(c *Config) bool { return c.MaxInFlightBytes == 7_000_000 }},
		"a file after a file":        {[]Option{fromText(t, "buffer.memory=7000000"), fromText(t, "queue.buffering.max.kbytes=5000")}, func(c *Config) bool { return c.MaxInFlightBytes == 5_120_000 }},
		"a preset of the file":       {[]Option{fromText(t, "queue.buffering.max.kbytes=5000\navroline.preset=low-latency")}, func(c *Config) bool { return c.MaxInFlightBytes == 5_120_000 }},
		"a preset before the file":   {[]Option{HighThroughput(), fromText(t, "compression.lz4.level=9")}, func(c *Config) bool { return c.CompressionLevel == 9 }},
		"the levels of other codecs": {[]Option{fromText(t, "compression.type=zstd\ncompression.level=3\ncompression.gzip.level=9\ncompression.lz4.level=9")}, func(c *Config) bool { return c.CompressionLevel == 3 }},
		"the levels of every codec":  {[]Option{fromText(t, "compression.type=gzip\ncompression.zstd.level=3\ncompression.gzip.level=9\ncompression.lz4.level=8")}, func(c *Config) bool { return c.CompressionLevel == 9 }},
		"a login module after a file": {
			[]Option{fromText(t, sasl+"sasl.username=u\nsasl.password=p"), fromText(t, `sasl.jaas.config=x.PlainLoginModule required username="v" password="q";`)},
			func(c *Config) bool { return c.SASL.User == "v" && c.SASL.Password == "q" },
		},
		"a login module without options": {
			[]Option{fromText(t, sasl+"sasl.username=u\nsasl.password=p\nsasl.jaas.config=x.PlainLoginModule required;")},
			func(c *Config) bool { return c.SASL.User == "u" && c.SASL.Password == "p" },
		},
		"a login module for a key": {
			[]Option{fromText(t, sasl+"sasl.password=p\n"+`sasl.jaas.config=x.PlainLoginModule required username="v";`)},
			func(c *Config) bool { return c.SASL.User == "v" && c.SASL.Password == "p" },
		},
	} {
		c, err := New(ForProducer, []string{"b:1"}, "", tc.opts)
		if err != nil || !tc.has(c) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestCoveredKeys checks that every row that sets another row's setting names
// the row's key.
func TestCoveredKeys(t *testing.T) {
	t.Parallel()
	c := newDefaults(ForProducer)
	for i := range c.rows {
		s := &c.rows[i]
		for _, text := range []string{"", `x.PlainLoginModule required username="u" password="p";`, `x.OAuthBearerLoginModule required clientId="c" clientSecret="s" scope="s" extension_a="b";`} {
			for _, key := range s.settings(text) {
				if row := c.names[key]; !s.GoOnly && (row == nil || row.Key != key) {
					t.Errorf("%s: covers %s, which is no row", s.Key, key)
				}
			}
		}
	}
}

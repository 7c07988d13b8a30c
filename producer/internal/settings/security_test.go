package settings

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/oauth"
)

// fromText returns an option that reads a properties file.
func fromText(t *testing.T, text string) Option {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.properties")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return FromProperties(path)
}

// TestInsecureTLSNeedsItsName checks that only a named setting, in Go or in a
// file, turns off the check of the broker's certificate.
func TestInsecureTLSNeedsItsName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file    string
		opts    []Option
		refused string // part of the error, or empty
		verify  bool   // enable.ssl.certificate.verification
		host    string // ssl.endpoint.identification.algorithm
	}{
		"by default":              {file: "security.protocol=SSL", verify: true, host: "https"},
		"Java's own values":       {file: "security.protocol=SSL\nssl.endpoint.identification.algorithm=HTTPS\nenable.ssl.certificate.verification=true", verify: true, host: "https"},
		"verification off":        {file: "security.protocol=SSL\nenable.ssl.certificate.verification=false", refused: "a.properties:2: enable.ssl.certificate.verification: everybody"},
		"verification off, meant": {file: "avroline.tls.insecure.skip.verify=true\nsecurity.protocol=SSL\nenable.ssl.certificate.verification=false", verify: false, host: "none"},
		"host off":                {file: "security.protocol=SSL\nssl.endpoint.identification.algorithm=none", refused: "a.properties:2: ssl.endpoint.identification.algorithm: the owner"},
		"host off in Java":        {file: "security.protocol=SSL\nssl.endpoint.identification.algorithm=", refused: "skip.hostname=true"},
		"host off, meant":         {file: "security.protocol=SSL\nssl.endpoint.identification.algorithm=\navroline.tls.insecure.skip.hostname=true", verify: true, host: "none"},
		"by the map":              {file: "security.protocol=SSL", opts: []Option{FromMap(map[string]string{"enable.ssl.certificate.verification": "false"})}, refused: "WithConfig: enable.ssl.certificate.verification"},
		"by the option":           {opts: []Option{WithTLS(TLS{InsecureSkipVerify: true})}, verify: false, host: "none"},
		"host by the option":      {opts: []Option{WithTLS(TLS{InsecureSkipHostname: true})}, verify: true, host: "none"},
		"the option over a file":  {file: "enable.ssl.certificate.verification=false", opts: []Option{WithTLS(TLS{})}, refused: "everybody could pretend"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			opts := append([]Option{fromText(t, tc.file), Set("log", func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })}, tc.opts...)
			c, err := New(ForProducer, []string{"b:1"}, "", opts)
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Errorf("%v, want %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := c.ClientMap()
			if m["enable.ssl.certificate.verification"] != tc.verify || m["ssl.endpoint.identification.algorithm"] != tc.host {
				t.Errorf("verification %v, host %v", m["enable.ssl.certificate.verification"], m["ssl.endpoint.identification.algorithm"])
			}
			if warned := strings.Contains(log.String(), "broker_not_verified"); warned == (tc.verify && tc.host == "https") {
				t.Errorf("warned: %t", warned)
			}
			config, err := NewTLSConfig(c.TLS)
			if err != nil {
				t.Fatal(err)
			}
			if secure := tc.verify && tc.host == "https"; config.InsecureSkipVerify == secure || (config.VerifyConnection != nil) != (tc.verify && tc.host == "none") {
				t.Errorf("crypto/tls: skip %t, own verification %t", config.InsecureSkipVerify, config.VerifyConnection != nil)
			}
		})
	}
}

// TestClearTextPasswordIsLogged checks that a password or a token without TLS
// causes a warning in the log, unless the program allows clear text.
func TestClearTextPasswordIsLogged(t *testing.T) {
	t.Parallel()
	plain := WithSASL(NewSASL(Credentials{Mechanism: "PLAIN", User: "u", Password: "hunter2"}))
	for name, tc := range map[string]struct {
		opts []Option
		want bool
	}{
		"PLAIN":            {[]Option{plain}, true},
		"PLAIN over TLS":   {[]Option{plain, WithTLS(TLS{})}, false},
		"PLAIN, meant":     {[]Option{plain, AllowClearTextPassword()}, false},
		"in a file":        {[]Option{plain, fromText(t, "avroline.allow.clear.text.password=true")}, false},
		"OIDC":             {[]Option{WithSASL(NewSASL(Credentials{Mechanism: "OAUTHBEARER", OIDC: &OIDCConfig{TokenURL: "https://h/t", ClientID: "c", ClientSecret: "s"}}))}, true},
		"SCRAM":            {[]Option{WithSASL(NewSASL(Credentials{Mechanism: "SCRAM-SHA-256", User: "u", Password: "p"}))}, false},
		"nothing at all":   {nil, false},
		"file with PLAIN":  {[]Option{fromText(t, "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=hunter2")}, true},
		"file with TLS on": {[]Option{fromText(t, "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=hunter2")}, false},
	} {
		var log bytes.Buffer
		opts := append(tc.opts, Set("log", func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
		if _, err := New(ForProducer, []string{"b:1"}, "", opts); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Count(log.String(), "password_in_clear_text"); (got == 1) != tc.want || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s: %q", name, log.String())
		}
		log.Reset()
		if _, err := ConnectionOf([]string{"b:1"}, opts...); err != nil || log.Len() > 0 {
			t.Errorf("%s: ConnectionOf: %v, log %q", name, err, log.String())
		}
	}
}

// TestAmazonsMechanism checks that a Java file for Amazon MSK is refused, and
// that the error names a working method. A program that gives a token source
// gets no error.
func TestAmazonsMechanism(t *testing.T) {
	t.Parallel()
	file := fromText(t, `security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler`)
	_, err := New(ForProducer, []string{"b:1"}, "", []Option{file})
	if err == nil || !strings.Contains(err.Error(), "a.properties:2: sasl.mechanism: AWS_MSK_IAM is a mechanism of Amazon's Java client") || !strings.Contains(err.Error(), "OAUTHBEARER") {
		t.Error(err)
	}
	source := WithSASL(NewSASL(Credentials{Mechanism: "OAUTHBEARER", Token: noToken{}}))
	if c, err := New(ForProducer, []string{"b:1"}, "", []Option{file, source}); err != nil || c.SASL.Mechanism != "OAUTHBEARER" {
		t.Errorf("%v", err)
	}
}

// TestMechanismDecides checks that the named mechanism decides which keys have
// an effect. The keys of other mechanisms have no effect, whatever the order of
// the keys is.
func TestMechanismDecides(t *testing.T) {
	t.Parallel()
	const user, oidc = "sasl.username=u\nsasl.password=p", "sasl.oauthbearer.token.endpoint.url=https://h/t\nsasl.oauthbearer.client.id=c\nsasl.oauthbearer.client.secret=s"
	const module = `sasl.jaas.config=x.PlainLoginModule required username="u" password="p";`
	for name, tc := range map[string]struct {
		lines []string
		want  string
	}{
		"PLAIN with a part of OIDC":       {[]string{"sasl.mechanism=PLAIN", user, "sasl.oauthbearer.scope=x"}, "PLAIN"},
		"PLAIN with all of OIDC":          {[]string{"sasl.mechanism=PLAIN", user, oidc}, "PLAIN"},
		"PLAIN with roots of a provider":  {[]string{"sasl.mechanism=PLAIN", user, "https.ca.pem=x"}, "PLAIN"},
		"PLAIN with a key of librdkafka":  {[]string{"sasl.mechanism=PLAIN", user, "sasl.oauthbearer.grant.type=client_credentials"}, "PLAIN"},
		"SCRAM with all of OIDC":          {[]string{"sasl.mechanism=SCRAM-SHA-256", user, oidc}, "SCRAM-SHA-256"},
		"OAUTHBEARER with a user":         {[]string{"sasl.mechanism=OAUTHBEARER", user, oidc}, "OAUTHBEARER"},
		"a login module with all of OIDC": {[]string{"sasl.mechanism=PLAIN", module, oidc}, "PLAIN"},
		"only a login module":             {[]string{module, oidc}, "PLAIN"},
		"only OIDC":                       {[]string{oidc, "https.ca.pem=x"}, "OAUTHBEARER"},
	} {
		for _, transport := range linked() {
			for range len(tc.lines) {
				tc.lines = append(tc.lines[1:], tc.lines[0])
				choose := Set("WithTransport", func(c *Config) { c.Transport = transport })
				file := fromText(t, strings.Join(append(tc.lines, "security.protocol=SASL_PLAINTEXT"), "\n"))
				c, err := New(ForProducer, []string{"b:1"}, "", []Option{file, choose})
				if err != nil {
					t.Errorf("%s, %v, %q: %v", name, transport, tc.lines, err)
					continue
				}
				m := c.ClientMap()
				_, method := m["sasl.oauthbearer.method"]
				_, password := m["sasl.password"]
				_, grant := m["sasl.oauthbearer.grant.type"]
				tokens := tc.want == "OAUTHBEARER"
				if c.SASL.Mechanism != tc.want || m["sasl.mechanism"] != tc.want || (c.SASL.OIDC != nil) != tokens || method != tokens || password == tokens || grant {
					t.Errorf("%s, %v, %q: %v, %v", name, transport, tc.lines, c.SASL, m)
				}
			}
		}
	}
}

// TestLoginModuleOnLines checks that the parts of sasl.jaas.config may have any
// white space between them, as in Java.
func TestLoginModuleOnLines(t *testing.T) {
	t.Parallel()
	const begin = "security.protocol: SASL_PLAINTEXT\nsasl.mechanism: PLAIN\nsasl.jaas.config: "
	for name, text := range map[string]string{
		"one line":        `x.PlainLoginModule required username="bob" password="a b";`,
		"a YAML block":    "|\n  x.PlainLoginModule required\n    username=\"bob\"\n    password=\"a b\";\n",
		"a folded block":  ">\n  x.PlainLoginModule required\n  username=\"bob\"\n  password=\"a b\";\n",
		"tabs":            `"x.PlainLoginModule\trequired\tusername=\"bob\"\tpassword=\"a b\"\t;"`,
		"lines of DOS":    `"x.PlainLoginModule\r\nrequired\r\nusername=\"bob\"\r\npassword=\"a b\";\r\n"`,
		"without quotes":  `"x.PlainLoginModule\nrequired\nusername=bob\npassword='a b';"`,
		"around an equal": `"x.PlainLoginModule required username\n=\tbob password\t=\n'a b';"`,
	} {
		path := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(path, []byte(begin+text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := New(ForProducer, []string{"b:1"}, "", []Option{FromYAML(path)})
		if err != nil || c.SASL.User != "bob" || c.SASL.Password != "a b" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	for _, text := range []string{"x.PlainLoginModule re\nusername=bob;", "x.PlainLoginModule;", ";"} {
		if _, _, err := parseJAAS(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
}

type noToken struct{ oauth.TokenSource }

// TestCodeIsNotLoaded checks that New refuses every setting that loads code
// into the process, by each name.
func TestCodeIsNotLoaded(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"plugin.library.paths", "ssl.engine.location", "ssl.engine.id", "ssl.providers", "sasl.kerberos.kinit.cmd", "interceptor.classes"} {
		for _, opt := range []Option{fromText(t, key+"=/tmp/evil.so"), FromMap(map[string]string{key: "/tmp/evil.so"})} {
			if _, err := New(ForProcessor, []string{"b:1"}, "id", []Option{opt}); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s by %v: %v", key, opt, err)
			}
		}
	}
}

// TestRedact checks that a text of a library or of a broker shows no secret.
// The secret may be in clear text, in an encoding of the wire, or cut.
func TestRedact(t *testing.T) {
	t.Parallel()
	const password, secret, token = "hunter2+hunter2+hunter2", "cl1ent/s3cret", "opaque-token-0123456789"
	c, err := New(ForProducer, []string{"b:1"}, "", []Option{
		WithSASL(NewSASL(Credentials{Mechanism: "OAUTHBEARER", User: "u", Password: password, OIDC: &OIDCConfig{TokenURL: "https://h/t", ClientID: "c", ClientSecret: secret}})),
		WithTLS(TLS{KeyPassword: "keyword", InsecureSkipVerify: true}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.AddSecret(token)
	jwt := "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmRlcnMifQ.c2lnbmF0dXJl"
	for _, text := range []string{
		password, "x" + password + "y", password[:14], secret, "cl1ent%2Fs3cret", "keyword", token, token[:13], jwt, jwt[:40],
		base64.StdEncoding.EncodeToString([]byte("\x00u\x00" + password)), base64.StdEncoding.EncodeToString([]byte("c:" + secret)),
	} {
		got := c.Redact("rejected: " + text + " (by broker 1)")
		for _, hidden := range []string{"hunter2", "s3cret", "keyword", "0123456789", "opaque", "eyJ", text[1 : len(text)-1]} {
			if strings.Contains(got, hidden) {
				t.Errorf("%q: %q shows %q", text, got, hidden)
			}
		}
		if !strings.HasPrefix(got, "rejected: ") || !strings.HasSuffix(got, " (by broker 1)") {
			t.Errorf("%q: %q lost more than the secret", text, got)
		}
	}
	if text := "sasl_ssl://b:1/1: Connect failed"; c.Redact(text) != text {
		t.Errorf("%q", c.Redact(text))
	}
	for i := range 20 {
		c.AddSecret("token-number-" + strings.Repeat("x", i))
	}
	if n := len(c.secrets.tokens); n > 8 {
		t.Errorf("%d tokens are kept", n)
	}
}

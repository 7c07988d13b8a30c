package settings

import (
	"slices"
	"strings"
	"testing"
)

// TestTextThatWouldChange checks that New refuses text that the transport
// cannot carry unchanged. The error names the setting and shows no secret.
func TestTextThatWouldChange(t *testing.T) {
	t.Parallel()
	sasl := func(mechanism, user, password string) Option {
		return WithSASL(NewSASL(Credentials{Mechanism: mechanism, User: user, Password: password}))
	}
	oidc := func(secret string) Option {
		return WithSASL(NewSASL(Credentials{Mechanism: "OAUTHBEARER", OIDC: &OIDCConfig{TokenURL: "https://h/t", ClientID: "c", ClientSecret: secret}}))
	}
	clientID := func(id string) Option { return Set("WithClientID", func(c *Config) { c.ClientID = id }, "client.id") }
	rack := func(name string) Option { return Set("WithRack", func(c *Config) { c.Rack = name }, "client.rack") }
	jaas := "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\n" +
		`sasl.jaas.config=x.ScramLoginModule required username="u" password=" hunter2";`
	const space, cut, never = "begins with white space", "has the character NUL", "must not contain the character NUL"
	for name, tc := range map[string]struct {
		id        string
		opts      []Option
		confluent string // the error, or empty
		franz     string
	}{
		"a space in front of an id":    {id: " pay", confluent: `transactionalID: " pay": transactional.id ` + space},
		"a tab in front of an id":      {id: "\tpay", confluent: `transactionalID: "\tpay": transactional.id ` + space},
		"a vertical tab":               {id: "\vpay", confluent: space},
		"an id of a space":             {id: " ", confluent: `transactionalID: " ": transactional.id ` + space},
		"other white space in an id":   {id: "p a\ty \n"},
		"white space beyond ASCII":     {id: "\u00a0pay"},
		"NUL in an id":                 {id: "a\x00b", confluent: `transactionalID: "a\x00b": transactional.id ` + never, franz: never},
		"an id that is not UTF-8":      {id: "a\xff", confluent: `transactionalID: "a\xff": must be UTF-8`, franz: "must be UTF-8"},
		"a long id":                    {id: strings.Repeat("x", mostTransactionalID)},
		"a longer id":                  {id: strings.Repeat("x", mostTransactionalID+1), confluent: "transactionalID: has 16383 bytes", franz: "transactionalID: has 16383 bytes"},
		"a space in front of a client": {opts: []Option{clientID(" c")}, confluent: `WithClientID: " c": client.id ` + space},
		"NUL in a client":              {opts: []Option{clientID("c\x00")}, confluent: "without control characters", franz: "without control characters"},
		"a space in front of a rack":   {opts: []Option{rack(" r")}},
		"NUL in a rack":                {opts: []Option{rack("r\x00r")}, confluent: `WithRack: "r\x00r": client.rack ` + cut},
		"a space in front of a user":   {opts: []Option{sasl("PLAIN", " u", "hunter2")}, confluent: "WithSASL: sasl.username " + space},
		"a space in front of a secret": {opts: []Option{sasl("PLAIN", "u", " hunter2")}, confluent: "WithSASL: sasl.password " + space},
		"the same for SCRAM":           {opts: []Option{sasl("SCRAM-SHA-256", "u", "\nhunter2")}, confluent: "WithSASL: sasl.password " + space},
		"the same in a file":           {opts: []Option{fromText(t, jaas)}, confluent: "a.properties:3: sasl.jaas.config: sasl.password " + space},
		"a space behind a secret":      {opts: []Option{sasl("PLAIN", "u", "hunter2 ")}},
		"NUL in a secret":              {opts: []Option{sasl("SCRAM-SHA-256", "u", "hunter2\x00")}, confluent: "WithSASL: sasl.password " + cut},
		"NUL in a secret of PLAIN":     {opts: []Option{sasl("PLAIN", "u", "hunter2\x00")}, confluent: "WithSASL: sasl.password " + never, franz: never},
		"a client secret":              {opts: []Option{oidc(" hunter2")}, confluent: "WithSASL: sasl.oauthbearer.client.secret " + space},
		"the password of a key":        {opts: []Option{WithTLS(TLS{KeyPassword: " hunter2"})}, confluent: "WithTLS: ssl.key.password " + space},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			purpose := ForProducer
			if tc.id != "" {
				purpose = ForTransactional
			}
			for transport, want := range map[Transports]string{Confluent: tc.confluent, Franz: tc.franz} {
				if !slices.Contains(linked(), transport) {
					continue
				}
				opts := append(slices.Clone(tc.opts), Set("WithTransport", func(c *Config) { c.Transport = transport }))
				_, err := New(purpose, []string{"b:1"}, tc.id, opts)
				switch {
				case want == "" && err != nil:
					t.Errorf("%v: %v", transport, err)
				case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2")):
					t.Errorf("%v: %v, want %s", transport, err, want)
				}
			}
		})
	}
}

// TestLongHost checks that a host name that no DNS server can have is refused,
// and that the error does not repeat all of it.
func TestLongHost(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{mostHost: "", 30_000: "the host has 30000 bytes"} {
		_, text := New(ForProducer, []string{strings.Repeat("a", n) + ":9092"}, "", nil)
		switch {
		case want == "" && text != nil:
			t.Errorf("%d bytes: %v", n, text)
		case want != "" && (text == nil || !strings.Contains(text.Error(), want) || len(text.Error()) > 1000):
			t.Errorf("%d bytes: %v", n, text)
		}
	}
}

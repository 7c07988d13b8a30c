package producer

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TLS is PEM text, since librdkafka takes no *tls.Config. With no field set the system's roots are trusted.
// The host name is always checked against the broker's certificate. A client certificate that has expired, is not valid yet
// or does not go with its key is refused at the start. It prints without its key.
type TLS struct {
	CA          []byte // trusted roots; nil: the system's. librdkafka ssl.ca.pem, Java ssl.truststore.certificates
	Cert        []byte // client certificate chain. librdkafka ssl.certificate.pem, Java ssl.keystore.certificate.chain
	Key         []byte // its key. librdkafka ssl.key.pem, Java ssl.keystore.key
	KeyPassword string // of an encrypted key. librdkafka ssl.key.password, Java the same

	certFrom, keyFrom pemOrigin
}

// String tells which parts are there.
func (t TLS) String() string {
	return fmt.Sprintf("TLS{CA: %d bytes, Cert: %d bytes, Key: %s}", len(t.CA), len(t.Cert), redact(len(t.Key) > 0))
}

// GoString is [TLS.String].
func (t TLS) GoString() string { return t.String() }

func redact(set bool) string {
	if set {
		return "[redacted]"
	}
	return "none"
}

// WithTLS encrypts, and with Cert and Key set authenticates by certificate (mTLS). Default: plain text.
// librdkafka security.protocol, ssl.*.pem; Java security.protocol, ssl.*.
func WithTLS(t TLS) Option {
	return option("WithTLS", func(c *config) {
		c.tls = &t // not changed through the pointer
		c.said["tls"] = "WithTLS"
	})
}

// TokenSource gives a bearer token, when it expires and whose it is. It is called before the first connection and when
// four fifths of a token's life are over; an error is kept as the connection's last and tried again.
type TokenSource func(ctx context.Context) (token string, expiry time.Time, principal string, err error)

// SASL is how to authenticate: made by [Plain], [ScramSHA256], [ScramSHA512], [OAuthBearer], [OIDC]. It prints without
// its secrets.
type SASL struct {
	mechanism      string
	user, password string
	token          TokenSource
	oidc           *OIDCConfig
}

// String is the mechanism and the user.
func (s SASL) String() string { return fmt.Sprintf("SASL{%s user=%q}", s.mechanism, s.user) }

// GoString is [SASL.String].
func (s SASL) GoString() string { return s.String() }

// Plain is SASL PLAIN (RFC 4616): the password goes over the wire, so use it with [WithTLS].
func Plain(user, password string) SASL {
	return SASL{mechanism: "PLAIN", user: user, password: password}
}

// ScramSHA256 is SASL SCRAM-SHA-256 (RFC 7677).
func ScramSHA256(user, password string) SASL {
	return SASL{mechanism: "SCRAM-SHA-256", user: user, password: password}
}

// ScramSHA512 is SASL SCRAM-SHA-512.
func ScramSHA512(user, password string) SASL {
	return SASL{mechanism: "SCRAM-SHA-512", user: user, password: password}
}

// OAuthBearer is SASL OAUTHBEARER (KIP-255) with tokens of one's own source.
func OAuthBearer(token func(ctx context.Context) (token string, expiry time.Time, principal string, err error)) SASL {
	return SASL{mechanism: "OAUTHBEARER", token: token}
}

// OIDCConfig says where [OIDC] gets its tokens: the client credentials grant (RFC 6749, section 4.4).
type OIDCConfig struct {
	TokenURL     string // librdkafka and Java sasl.oauthbearer.token.endpoint.url
	ClientID     string // librdkafka sasl.oauthbearer.client.id
	ClientSecret string // librdkafka sasl.oauthbearer.client.secret
	Scope        string // librdkafka sasl.oauthbearer.scope
	Extensions   string // librdkafka sasl.oauthbearer.extensions: "key=value,…"
	CA           []byte // PEM roots for TokenURL; nil: the system's. librdkafka https.ca.pem
}

// String tells no secret.
func (o OIDCConfig) String() string {
	return fmt.Sprintf("OIDCConfig{%s client=%q secret=%s}", o.TokenURL, o.ClientID, redact(o.ClientSecret != ""))
}

// GoString is [OIDCConfig.String].
func (o OIDCConfig) GoString() string { return o.String() }

// OIDC is SASL OAUTHBEARER with tokens that the client itself gets from an OpenID provider (KIP-768).
func OIDC(o OIDCConfig) SASL { return SASL{mechanism: "OAUTHBEARER", user: o.ClientID, oidc: &o} }

// WithSASL authenticates, over TLS when [WithTLS] is given too. Default: no authentication.
// librdkafka sasl.mechanism (sasl.mechanisms), sasl.username, sasl.password; Java sasl.mechanism, sasl.jaas.config.
func WithSASL(s SASL) Option {
	return option("WithSASL", func(c *config) {
		c.sasl = &s
		c.said["sasl"] = "WithSASL"
	})
}

// settleSecurity makes the protocol that a file said into what the options say.
func (c *config) settleSecurity() {
	if c.tls == nil && strings.HasSuffix(c.protocol, "SSL") {
		c.tls = &TLS{}
	}
	if c.tls != nil && c.protocol != "" && !strings.HasSuffix(c.protocol, "SSL") && c.said["tls"] == "" {
		c.tls = nil // certificates in the file, but not asked for
	}
}

// checkSecurity finds what the client would say later, or in words of OpenSSL.
func (c *config) checkSecurity() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, &ConfigError{c.name(key), "", fmt.Sprintf(format, args...)})
	}
	switch {
	case c.protocol == "":
	case c.tls != nil && !strings.HasSuffix(c.protocol, "SSL"):
		bad("security.protocol", "%s is without TLS, and %s asks for it", c.protocol, c.name("tls"))
	case c.sasl != nil && !strings.HasPrefix(c.protocol, "SASL"):
		bad("security.protocol", "%s is without SASL, and %s asks for it", c.protocol, c.name("sasl"))
	case c.sasl == nil && strings.HasPrefix(c.protocol, "SASL"):
		bad("security.protocol", "%s wants sasl.mechanism and its credentials", c.protocol)
	}
	if t := c.tls; t != nil {
		if len(t.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(t.CA) {
			bad("tls", "CA holds no PEM certificate")
		}
		switch {
		case (len(t.Cert) == 0) != (len(t.Key) == 0):
			bad("tls", "Cert and Key go together: one is missing")
		case len(t.Cert) > 0:
			if err := c.checkCertificate(t); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if s := c.sasl; s != nil {
		switch {
		case s.mechanism == "":
			bad("sasl", "no mechanism: use Plain, ScramSHA256, ScramSHA512, OAuthBearer or OIDC")
		case s.oidc != nil:
			if s.oidc.TokenURL == "" || s.oidc.ClientID == "" || s.oidc.ClientSecret == "" {
				bad("sasl", "OIDC needs TokenURL, ClientID and ClientSecret")
			}
		case s.mechanism == "OAUTHBEARER":
			if s.token == nil {
				bad("sasl", "OAuthBearer needs a token source")
			}
		case s.user == "" || s.password == "":
			bad("sasl", "%s needs user and password", s.mechanism)
		}
	}
	return errs
}

// addSecurity writes protocol, TLS and SASL into a client's configuration.
func (c *config) addSecurity(m kafka.ConfigMap) {
	protocol := "PLAINTEXT"
	switch {
	case c.tls != nil && c.sasl != nil:
		protocol = "SASL_SSL"
	case c.tls != nil:
		protocol = "SSL"
	case c.sasl != nil:
		protocol = "SASL_PLAINTEXT"
	}
	m["security.protocol"] = protocol
	put := func(key, value string) {
		if value != "" {
			m[key] = value
		}
	}
	if t := c.tls; t != nil {
		put("ssl.ca.pem", string(t.CA))
		put("ssl.certificate.pem", string(t.Cert))
		put("ssl.key.pem", string(t.Key))
		put("ssl.key.password", t.KeyPassword)
	}
	if s := c.sasl; s != nil {
		m["sasl.mechanism"] = s.mechanism
		if o := s.oidc; o != nil {
			m["sasl.oauthbearer.method"] = "oidc"
			put("sasl.oauthbearer.token.endpoint.url", o.TokenURL)
			put("sasl.oauthbearer.client.id", o.ClientID)
			put("sasl.oauthbearer.client.secret", o.ClientSecret)
			put("sasl.oauthbearer.scope", o.Scope)
			put("sasl.oauthbearer.extensions", o.Extensions)
			put("https.ca.pem", string(o.CA))
		} else {
			put("sasl.username", s.user)
			put("sasl.password", s.password)
		}
	}
}

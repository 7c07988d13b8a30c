package settings

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
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

// WithTLS is producer.WithTLS.
func WithTLS(t TLS) Option {
	return Set("WithTLS", func(c *Config) { c.TLS = &t }, "tls") // nothing changes *c.TLS
}

// TokenSource gives a bearer token, when it expires and whose it is. It is called before the first connection and when
// four fifths of a token's life are over; an error is kept as the connection's last and tried again.
type TokenSource func(ctx context.Context) (token string, expiry time.Time, principal string, err error)

// Credentials are the parts of a [SASL].
type Credentials struct {
	Mechanism      string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	User, Password string
	Token          TokenSource // nil without OAUTHBEARER, and with OIDC
	OIDC           *OIDCConfig // nil unless the client itself gets the tokens
}

// String is the mechanism and the user.
func (c Credentials) String() string { return fmt.Sprintf("SASL{%s user=%q}", c.Mechanism, c.User) }

// GoString is [Credentials.String].
func (c Credentials) GoString() string { return c.String() }

// SASL is how to authenticate. [Plain], [ScramSHA256], [ScramSHA512],
// [OAuthBearer] and [OIDC] make it. It prints without its secrets.
type SASL struct{ credentials Credentials }

// String is the mechanism and the user.
func (s SASL) String() string { return s.credentials.String() }

// GoString is [SASL.String].
func (s SASL) GoString() string { return s.String() }

// NewSASL hides credentials in a [SASL].
func NewSASL(c Credentials) SASL { return SASL{c} }

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

// WithSASL is producer.WithSASL.
func WithSASL(s SASL) Option {
	return Set("WithSASL", func(c *Config) { c.SASL = &s.credentials }, "sasl")
}

// settleSecurity makes the protocol that a file said into what the options say.
func (c *Config) settleSecurity() {
	if c.TLS == nil && strings.HasSuffix(c.protocol, "SSL") {
		c.TLS = &TLS{}
	}
	if s := c.SASL; s != nil && s.Mechanism == "OAUTHBEARER" && s.OIDC == nil && s.Token == nil && c.passedOIDC() {
		withOIDC := *s
		withOIDC.OIDC = &OIDCConfig{}
		c.SASL = &withOIDC
	}
	if c.TLS != nil && c.protocol != "" && !strings.HasSuffix(c.protocol, "SSL") && c.origins["tls"] == "" {
		c.TLS = nil // certificates in the file, but not asked for
	}
}

// passedOIDC tells whether the library's own OpenID client is configured by keys
// that have no field here.
func (c *Config) passedOIDC() bool {
	for key := range c.Passed {
		if strings.HasPrefix(key, "sasl.oauthbearer.") {
			return true
		}
	}
	return false
}

// checkSecurity finds what the client would say later, or in words of OpenSSL.
func (c *Config) checkSecurity() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, &ConfigError{c.Origin(key), "", fmt.Sprintf(format, args...)})
	}
	switch {
	case c.protocol == "":
	case c.TLS != nil && !strings.HasSuffix(c.protocol, "SSL"):
		bad("security.protocol", "%s is without TLS, and %s asks for it", c.protocol, c.Origin("tls"))
	case c.SASL != nil && !strings.HasPrefix(c.protocol, "SASL"):
		bad("security.protocol", "%s is without SASL, and %s asks for it", c.protocol, c.Origin("sasl"))
	case c.SASL == nil && strings.HasPrefix(c.protocol, "SASL"):
		bad("security.protocol", "%s wants sasl.mechanism and its credentials", c.protocol)
	}
	if t := c.TLS; t != nil {
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
	if s := c.SASL; s != nil {
		switch {
		case s.Mechanism == "":
			bad("sasl", "no mechanism: use Plain, ScramSHA256, ScramSHA512, OAuthBearer or OIDC")
		case s.OIDC != nil:
			if missing := c.missingOIDC(s.OIDC); missing != "" {
				bad("sasl", "OIDC needs %s", missing)
			}
		case s.Mechanism == "OAUTHBEARER":
			if s.Token == nil {
				bad("sasl", "OAuthBearer needs a token source")
			}
		case s.User == "" || s.Password == "":
			bad("sasl", "%s needs user and password", s.Mechanism)
		}
	}
	return errs
}

// missingOIDC names what the way to get tokens needs and does not have. The
// library has other ways than the client secret: a signed assertion, and the
// metadata service of a cloud.
func (c *Config) missingOIDC(o *OIDCConfig) string {
	switch metadata := c.Passed["sasl.oauthbearer.metadata.authentication.type"]; {
	case metadata != "" && !strings.EqualFold(metadata, "none"):
		if o.TokenURL == "" && c.Passed["sasl.oauthbearer.config"] == "" {
			return "TokenURL, or sasl.oauthbearer.config with the query of the metadata service"
		}
	case strings.Contains(c.Passed["sasl.oauthbearer.grant.type"], "jwt-bearer"):
		if o.TokenURL == "" {
			return "TokenURL"
		}
	case o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "":
		return "TokenURL, ClientID and ClientSecret"
	}
	return ""
}

// addSecurity writes protocol, TLS and SASL into a client's configuration.
func (c *Config) addSecurity(m map[string]any) {
	protocol := "PLAINTEXT"
	switch {
	case c.TLS != nil && c.SASL != nil:
		protocol = "SASL_SSL"
	case c.TLS != nil:
		protocol = "SSL"
	case c.SASL != nil:
		protocol = "SASL_PLAINTEXT"
	}
	m["security.protocol"] = protocol
	put := func(key, value string) {
		if value != "" {
			m[key] = value
		}
	}
	if t := c.TLS; t != nil {
		put("ssl.ca.pem", string(t.CA))
		put("ssl.certificate.pem", string(t.Cert))
		put("ssl.key.pem", string(t.Key))
		put("ssl.key.password", t.KeyPassword)
	}
	if s := c.SASL; s != nil {
		m["sasl.mechanism"] = s.Mechanism
		if o := s.OIDC; o != nil {
			m["sasl.oauthbearer.method"] = "oidc"
			put("sasl.oauthbearer.token.endpoint.url", o.TokenURL)
			put("sasl.oauthbearer.client.id", o.ClientID)
			put("sasl.oauthbearer.client.secret", o.ClientSecret)
			put("sasl.oauthbearer.scope", o.Scope)
			put("sasl.oauthbearer.extensions", o.Extensions)
			put("https.ca.pem", string(o.CA))
		} else {
			put("sasl.username", s.User)
			put("sasl.password", s.Password)
		}
	}
}

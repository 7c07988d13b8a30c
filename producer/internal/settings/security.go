package settings

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/oauth"
)

// TLS holds certificates and a key as PEM text. The zero TLS trusts the roots
// of the system. The client checks the broker's certificate and its host name,
// unless an Insecure field turns the check off. New refuses a client
// certificate that has expired, is not valid yet or does not match its key.
//
// No text form of a TLS shows Key or KeyPassword, and encoding/gob refuses a
// TLS.
type TLS struct {
	// CA has the trusted roots. Nil means the system's roots.
	// librdkafka ssl.ca.pem, Java ssl.truststore.certificates.
	CA []byte
	// Cert is the chain of the client certificate. The client's own certificate
	// is the first. librdkafka ssl.certificate.pem, Java
	// ssl.keystore.certificate.chain.
	Cert []byte
	// Key is the key of Cert. librdkafka ssl.key.pem, Java ssl.keystore.key.
	Key []byte
	// KeyPassword decrypts Key. librdkafka and Java ssl.key.password.
	KeyPassword string
	// InsecureSkipVerify accepts every certificate of a broker. An attacker in
	// the network can then read and change messages and steal passwords. Use
	// InsecureSkipVerify only in tests. In a file:
	// avroline.tls.insecure.skip.verify.
	InsecureSkipVerify bool
	// InsecureSkipHostname accepts a broker's certificate for another host
	// name, if a trusted root has signed it. In a file:
	// avroline.tls.insecure.skip.hostname.
	InsecureSkipHostname bool

	caFrom, certFrom, keyFrom pemOrigin
}

// String lists the parts that are set.
func (t TLS) String() string {
	text := fmt.Sprintf("TLS{CA: %d bytes, Cert: %d bytes, Key: %s", len(t.CA), len(t.Cert), masked(len(t.Key) > 0))
	if t.InsecureSkipVerify {
		text += ", InsecureSkipVerify"
	}
	if t.InsecureSkipHostname {
		text += ", InsecureSkipHostname"
	}
	return text + "}"
}

// Format prints [TLS.String] for every verb.
func (t TLS) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// MarshalText returns [TLS.String], so that JSON, YAML and XML hide the key.
func (t TLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns [TLS.String] for log/slog.
func (t TLS) LogValue() slog.Value { return slog.StringValue(t.String()) }

// GobEncode always fails, because gob would write the key to a file.
func (t TLS) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode always fails, like [TLS.GobEncode].
func (t *TLS) GobDecode([]byte) error { return errNoGob }

var errNoGob = errors.New("producer: a secret cannot be written or read with encoding/gob")

func masked(set bool) string {
	if set {
		return "[redacted]"
	}
	return "none"
}

// WithTLS is producer.WithTLS.
func WithTLS(t TLS) Option {
	return Set("WithTLS", func(c *Config) { c.TLS = &t }, "tls") // no code changes *c.TLS
}

// Token is a bearer token.
type Token = oauth.Token

// TokenSource gives bearer tokens.
type TokenSource = oauth.TokenSource

// Credentials are the parts of a [SASL].
type Credentials struct {
	Mechanism      string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	User, Password string
	Token          TokenSource // nil without OAUTHBEARER, and with OIDC
	OIDC           *OIDCConfig // nil unless the client itself gets the tokens

	implied string // the mechanism of a file that names no mechanism
}

// String returns the mechanism and the user.
func (s Credentials) String() string { return fmt.Sprintf("SASL{%s user=%q}", s.Mechanism, s.User) }

// Format prints [Credentials.String] for every verb.
func (s Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// SASL describes the authentication. [Plain], [ScramSHA256], [ScramSHA512],
// [OAuthBearer] and [OIDC] return a SASL. No text form of a SASL shows a
// secret, and encoding/gob refuses a SASL.
type SASL struct {
	// credentials is a function, because fmt would print other types. In an
	// unexported field of a user's struct, fmt ignores methods and follows
	// pointers.
	credentials func() *Credentials
}

// NewSASL hides credentials in a [SASL].
func NewSASL(c Credentials) SASL { return SASL{func() *Credentials { return &c }} }

// String returns the mechanism and the user.
func (s SASL) String() string {
	if s.credentials == nil {
		return Credentials{}.String()
	}
	return s.credentials().String()
}

// Format prints [SASL.String] for every verb.
func (s SASL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns [SASL.String], so that JSON, YAML and XML hide the
// secret.
func (s SASL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns [SASL.String] for log/slog.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// GobEncode always fails, because gob would write the password to a file.
func (s SASL) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode always fails, like [SASL.GobEncode].
func (s *SASL) GobDecode([]byte) error { return errNoGob }

// OIDCConfig holds the source of the tokens of [OIDC]. The client uses the
// client credentials grant (RFC 6749, section 4.4). No text form of an
// OIDCConfig shows the secret, and encoding/gob refuses an OIDCConfig.
type OIDCConfig struct {
	TokenURL     string // librdkafka and Java sasl.oauthbearer.token.endpoint.url
	ClientID     string // librdkafka sasl.oauthbearer.client.id
	ClientSecret string // librdkafka sasl.oauthbearer.client.secret
	Scope        string // librdkafka sasl.oauthbearer.scope
	Extensions   string // librdkafka sasl.oauthbearer.extensions: "key=value,…"
	CA           []byte // PEM roots for TokenURL; nil means the system's roots. librdkafka https.ca.pem
}

// String shows the client and the URL without its possible secrets.
func (o OIDCConfig) String() string {
	return fmt.Sprintf("OIDCConfig{%s client=%q secret=%s}", plainURL(o.TokenURL), o.ClientID, masked(o.ClientSecret != ""))
}

// Format prints [OIDCConfig.String] for every verb.
func (o OIDCConfig) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, o.String()) }

// MarshalText returns [OIDCConfig.String], so that JSON, YAML and XML hide the
// secret.
func (o OIDCConfig) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// LogValue returns [OIDCConfig.String] for log/slog.
func (o OIDCConfig) LogValue() slog.Value { return slog.StringValue(o.String()) }

// GobEncode always fails, because gob would write the secret to a file.
func (o OIDCConfig) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode always fails, like [OIDCConfig.GobEncode].
func (o *OIDCConfig) GobDecode([]byte) error { return errNoGob }

// plainURL returns a URL without user, password, query and fragment.
func plainURL(text string) string {
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		text = text[:i]
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return "an unreadable URL"
	}
	host, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + "/" + path
}

// WithSASL is producer.WithSASL.
func WithSASL(s SASL) Option {
	return Set("WithSASL", func(c *Config) {
		c.SASL = &Credentials{}
		if s.credentials != nil {
			c.SASL = s.credentials()
		}
	}, "sasl")
}

// AllowClearTextPassword is producer.AllowClearTextPassword.
func AllowClearTextPassword() Option {
	return Set("AllowClearTextPassword", func(c *Config) { c.clearTextAllowed = true }, "avroline.allow.clear.text.password")
}

// resolveSecurity combines the security settings of options and files.
func (c *Config) resolveSecurity() {
	if c.TLS == nil && strings.HasSuffix(c.protocol, "SSL") {
		c.TLS = &TLS{}
	}
	if c.TLS != nil && c.protocol != "" && !strings.HasSuffix(c.protocol, "SSL") && c.origins["tls"] == "" {
		c.TLS = nil // the file has certificates, but does not ask for TLS
	}
	if c.SASL != nil {
		c.resolveMechanism()
	}
	if c.TLS != nil && (c.skipVerify || c.skipHostname) {
		t := *c.TLS
		t.InsecureSkipVerify = t.InsecureSkipVerify || c.skipVerify
		t.InsecureSkipHostname = t.InsecureSkipHostname || c.skipHostname
		c.TLS = &t
	}
}

// resolveMechanism chooses the mechanism, and removes the settings of other
// mechanisms. As in Java, the mechanism that a file names decides, and settings
// of other mechanisms have no effect.
func (c *Config) resolveMechanism() {
	s := *c.SASL
	c.SASL = &s
	s.Mechanism = cmp.Or(s.Mechanism, s.implied)
	if s.Mechanism == "OAUTHBEARER" {
		if s.OIDC == nil && s.Token == nil && c.passedOIDC() {
			s.OIDC = &OIDCConfig{}
		}
		return
	}
	s.OIDC, s.Token = nil, nil
	for key := range c.Passed {
		if strings.HasPrefix(key, "sasl.oauthbearer.") || key == "https.ca.location" {
			delete(c.Passed, key)
			delete(c.origins, key)
		}
	}
}

// passedOIDC reports whether keys without a field in Config configure the
// library's own OpenID client.
func (c *Config) passedOIDC() bool {
	for key := range c.Passed {
		if strings.HasPrefix(key, "sasl.oauthbearer.") {
			return true
		}
	}
	return false
}

// checkSecurity finds mistakes that a client would report later, or with an
// error text of OpenSSL.
func (c *Config) checkSecurity() []error {
	if c.unread.security {
		return nil
	}
	errs := append(c.checkProtocol(), c.checkTLS()...)
	if !c.unread.sasl {
		errs = append(errs, c.checkSASL()...)
	}
	return errs
}

func (c *Config) checkProtocol() []error {
	bad := func(format string, args ...any) []error {
		return []error{&ConfigError{c.Origin("security.protocol"), "", fmt.Sprintf(format, args...)}}
	}
	switch {
	case c.protocol == "":
	case c.TLS != nil && !strings.HasSuffix(c.protocol, "SSL"):
		return bad("%s is without TLS, and %s asks for it", c.protocol, c.Origin("tls"))
	case c.SASL != nil && !strings.HasPrefix(c.protocol, "SASL"):
		return bad("%s is without SASL, and %s asks for it", c.protocol, c.saslOrigin())
	case c.SASL == nil && strings.HasPrefix(c.protocol, "SASL"):
		return bad("%s wants sasl.mechanism and its credentials", c.protocol)
	}
	return nil
}

func (c *Config) checkTLS() []error {
	t := c.TLS
	if t == nil {
		return nil
	}
	var errs []error
	bad := func(key, reason string) { errs = append(errs, &ConfigError{Setting: c.Origin(key), Reason: reason}) }
	if len(t.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(t.CA) {
		errs = append(errs, c.pemError(t.caFrom, "CA holds no PEM certificate"))
	}
	switch {
	case len(t.Cert) > 0 && len(t.Key) == 0:
		errs = append(errs, c.pemError(t.certFrom, "Cert and Key go together: Key is missing"))
	case len(t.Cert) == 0 && len(t.Key) > 0:
		errs = append(errs, c.pemError(t.keyFrom, "Cert and Key go together: Cert is missing"))
	case len(t.Cert) > 0:
		if err := c.checkCertificate(t); err != nil {
			errs = append(errs, err)
		}
	}
	if !c.verifyOn && !t.InsecureSkipVerify {
		bad("enable.ssl.certificate.verification", "everybody could pretend to be the broker: say TLS.InsecureSkipVerify, or in a file avroline.tls.insecure.skip.verify=true, if that is meant")
	}
	if c.hostnameOff && !t.InsecureSkipHostname && !t.InsecureSkipVerify {
		bad("ssl.endpoint.identification.algorithm", "the owner of any certificate of the same CA could pretend to be the broker: say TLS.InsecureSkipHostname, or in a file avroline.tls.insecure.skip.hostname=true, if that is meant")
	}
	return errs
}

func (c *Config) checkSASL() []error {
	s := c.SASL
	if s == nil {
		return nil
	}
	bad := func(format string, args ...any) []error {
		return []error{&ConfigError{c.saslOrigin(), "", fmt.Sprintf(format, args...)}}
	}
	switch {
	case s.Mechanism == "":
		return bad("no mechanism: use Plain, ScramSHA256, ScramSHA512, OAuthBearer or OIDC")
	case s.Mechanism == mskIAM:
		return bad("%s is a mechanism of Amazon's Java client. Amazon MSK takes OAUTHBEARER as well: give WithSASL(OAuthBearer(source)), with the token source of package producer/auth/awsmsk", mskIAM)
	case s.OIDC != nil:
		if missing := c.missingOIDC(s.OIDC); missing != "" {
			return bad("OIDC needs %s", missing)
		}
	case s.Mechanism == "OAUTHBEARER":
		if s.Token == nil {
			return bad("OAuthBearer needs a token source")
		}
	case s.User == "" || s.Password == "":
		return bad("%s needs user and password", s.Mechanism)
	}
	return nil
}

// mskIAM is a mechanism that only Amazon's plug-in for Java supports.
const mskIAM = "AWS_MSK_IAM"

// saslOrigin returns the origin of the credentials, or at least of the
// mechanism or of another part.
func (c *Config) saslOrigin() string {
	parts := slices.Sorted(maps.Keys(c.origins))
	parts = slices.DeleteFunc(parts, func(key string) bool { return !strings.HasPrefix(key, "sasl.") && key != "https.ca.pem" })
	for _, key := range append([]string{"sasl", "sasl.mechanism", "sasl.jaas.config"}, parts...) {
		if origin, ok := c.origins[key]; ok {
			return origin
		}
	}
	return "sasl"
}

// logInsecure warns about attacks that the settings allow in the network.
func (c *Config) logInsecure() {
	if c.TLS == nil && c.SASL != nil && !c.clearTextAllowed && (c.SASL.Mechanism == "PLAIN" || c.SASL.Mechanism == "OAUTHBEARER") {
		c.Logger.Warn("password_in_clear_text", "mechanism", c.SASL.Mechanism,
			"reason", "everybody on the way can read the password or the token: use WithTLS, or say AllowClearTextPassword if it is meant")
	}
	if c.TLS != nil && (c.TLS.InsecureSkipVerify || c.TLS.InsecureSkipHostname) {
		c.Logger.Warn("broker_not_verified", "tls", *c.TLS, "reason", "somebody else could pretend to be the broker")
	}
}

// missingOIDC names the missing settings of the method that gets tokens. The
// library has other methods besides the client secret. They are a signed
// assertion and the metadata service of a cloud.
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
		m["enable.ssl.certificate.verification"] = !t.InsecureSkipVerify
		m["ssl.endpoint.identification.algorithm"] = "https"
		if t.InsecureSkipVerify || t.InsecureSkipHostname {
			m["ssl.endpoint.identification.algorithm"] = "none"
		}
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
		} else if s.Mechanism != "OAUTHBEARER" {
			put("sasl.username", s.User)
			put("sasl.password", s.Password)
		}
	}
}

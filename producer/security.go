package producer

import "github.com/avroline/avroline/producer/internal/settings"

// TLS holds certificates and a key as PEM text. The zero TLS trusts the roots
// of the system. The client checks the broker's certificate and its host name,
// unless an Insecure field turns the check off. [New] refuses a client
// certificate that has expired, is not valid yet or does not match its key. No
// text form of a TLS shows Key or KeyPassword.
//
//	// CA has the trusted roots. Nil means the system's roots.
//	// librdkafka ssl.ca.pem, Java ssl.truststore.certificates.
//	CA []byte
//	// Cert is the chain of the client certificate. The client's own certificate
//	// is the first. librdkafka ssl.certificate.pem, Java
//	// ssl.keystore.certificate.chain.
//	Cert []byte
//	// Key is the key of Cert. librdkafka ssl.key.pem, Java ssl.keystore.key.
//	Key []byte
//	// KeyPassword decrypts Key. librdkafka and Java ssl.key.password.
//	KeyPassword string
//	// InsecureSkipVerify accepts every certificate of a broker. An attacker in
//	// the network can then read and change messages and steal passwords. Use
//	// InsecureSkipVerify only in tests. In a file:
//	// avroline.tls.insecure.skip.verify.
//	InsecureSkipVerify bool
//	// InsecureSkipHostname accepts a broker's certificate for another host name,
//	// if a trusted root has signed it. In a file:
//	// avroline.tls.insecure.skip.hostname.
//	InsecureSkipHostname bool
type TLS = settings.TLS

// WithTLS encrypts the connections. With Cert and Key, the client also
// authenticates itself with its certificate (mTLS). Default: plain text.
// librdkafka security.protocol, ssl.*.pem; Java security.protocol, ssl.*.
func WithTLS(t TLS) Option { return settings.WithTLS(t) }

// Token is a bearer token for [OAuthBearer]. No text form of a Token shows its
// Value. Package registry uses the same type.
//
//	Value     string    // the text after "Bearer " in an Authorization header
//	Expiry    time.Time // the token is invalid from then on; zero means never
//	Principal string    // the name of the client in OAUTHBEARER
type Token = settings.Token

// TokenSource gives bearer tokens. A client asks for a token before the first
// connection, and again after four fifths of the token's life. If the source
// fails, panics or does not answer within 30 seconds, the error becomes the
// last error of the connection, and the client asks again. Package registry
// uses the same type.
//
//	// Token must be safe for concurrent use, and must return when ctx ends.
//	// Token must not return a Token without a Value and a nil error.
//	Token(ctx context.Context) (Token, error)
type TokenSource = settings.TokenSource

// SASL is a way to authenticate. [Plain], [ScramSHA256], [ScramSHA512],
// [OAuthBearer] and [OIDC] make a SASL. No text form of a SASL shows a secret.
type SASL = settings.SASL

// Plain is SASL PLAIN (RFC 4616). The client sends the password over the wire,
// so use Plain with [WithTLS]. Without TLS, New logs a warning (see
// [AllowClearTextPassword]).
func Plain(user, password string) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "PLAIN", User: user, Password: password})
}

// ScramSHA256 is SASL SCRAM-SHA-256 (RFC 7677).
func ScramSHA256(user, password string) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "SCRAM-SHA-256", User: user, Password: password})
}

// ScramSHA512 is SASL SCRAM-SHA-512.
func ScramSHA512(user, password string) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "SCRAM-SHA-512", User: user, Password: password})
}

// OAuthBearer is SASL OAUTHBEARER (KIP-255) with tokens of a source. Packages
// below producer/auth have sources for Amazon MSK, Azure and Google Cloud.
func OAuthBearer(source TokenSource) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: source})
}

// OIDCConfig holds the settings with which [OIDC] requests its tokens, by the
// client credentials grant (RFC 6749, section 4.4). No text form of an
// OIDCConfig shows the secret.
//
//	TokenURL     string // librdkafka and Java sasl.oauthbearer.token.endpoint.url
//	ClientID     string // librdkafka sasl.oauthbearer.client.id
//	ClientSecret string // librdkafka sasl.oauthbearer.client.secret
//	Scope        string // librdkafka sasl.oauthbearer.scope
//	Extensions   string // librdkafka sasl.oauthbearer.extensions: "key=value,…"
//	CA           []byte // PEM roots for TokenURL; nil: the system's. librdkafka https.ca.pem
type OIDCConfig = settings.OIDCConfig

// OIDC is SASL OAUTHBEARER with tokens of an OpenID provider. The client
// requests the tokens itself (KIP-768).
func OIDC(o OIDCConfig) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", User: o.ClientID, OIDC: &o})
}

// WithSASL authenticates the client. If [WithTLS] is given too, the connection
// also uses TLS. Default: no authentication. WithSASL replaces all SASL
// settings of a file. librdkafka sasl.mechanism (sasl.mechanisms),
// sasl.username, sasl.password; Java sasl.mechanism, sasl.jaas.config.
func WithSASL(s SASL) Option { return settings.WithSASL(s) }

// AllowClearTextPassword says that a password or a token without TLS is
// intended. Default: New logs the warning "password_in_clear_text" for PLAIN
// and OAUTHBEARER without TLS. In a file: avroline.allow.clear.text.password.
func AllowClearTextPassword() Option { return settings.AllowClearTextPassword() }

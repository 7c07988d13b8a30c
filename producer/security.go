package producer

import "github.com/avroline/avroline/producer/internal/settings"

// TLS holds certificates and a key as PEM text. The zero TLS trusts the roots
// of the system. The broker's certificate and its host name are checked, unless
// InsecureSkipVerify or InsecureSkipHostname is set.
type TLS = settings.TLS

// WithTLS encrypts the connections. With Cert and Key, the client also
// authenticates itself with its certificate (mTLS). Default: plain text.
// librdkafka security.protocol, ssl.*.pem; Java security.protocol, ssl.*.
func WithTLS(t TLS) Option { return settings.WithTLS(t) }

// Token is a bearer token for [OAuthBearer]. No text form of a Token shows its
// Value. Package registry uses the same type.
type Token = settings.Token

// TokenSource gives bearer tokens. A client asks for a token before the first
// connection, and again after four fifths of the token's life. If the source
// fails, panics or does not answer within 30 seconds, the error becomes the
// last error of the connection, and the client asks again. Package registry
// uses the same type.
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

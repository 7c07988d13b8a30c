package producer

import (
	"context"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
)

// TLS is PEM text, since librdkafka takes no *tls.Config. With no field set the system's roots are trusted.
// The host name is always checked against the broker's certificate. A client certificate that has expired, is not valid yet
// or does not go with its key is refused at the start. It prints without its key.
type TLS = settings.TLS

// WithTLS encrypts, and with Cert and Key set authenticates by certificate (mTLS). Default: plain text.
// librdkafka security.protocol, ssl.*.pem; Java security.protocol, ssl.*.
func WithTLS(t TLS) Option { return settings.WithTLS(t) }

// TokenSource gives a bearer token, when it expires and whose it is. It is called before the first connection and when
// four fifths of a token's life are over; an error is kept as the connection's last and tried again.
type TokenSource = settings.TokenSource

// SASL is how to authenticate: made by [Plain], [ScramSHA256], [ScramSHA512], [OAuthBearer], [OIDC]. It prints without
// its secrets.
type SASL = settings.SASL

// Plain is SASL PLAIN (RFC 4616): the password goes over the wire, so use it with [WithTLS].
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

// OAuthBearer is SASL OAUTHBEARER (KIP-255) with tokens of one's own source.
func OAuthBearer(token func(ctx context.Context) (token string, expiry time.Time, principal string, err error)) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: token})
}

// OIDCConfig says where [OIDC] gets its tokens: the client credentials grant (RFC 6749, section 4.4).
type OIDCConfig = settings.OIDCConfig

// OIDC is SASL OAUTHBEARER with tokens that the client itself gets from an OpenID provider (KIP-768).
func OIDC(o OIDCConfig) SASL {
	return settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", User: o.ClientID, OIDC: &o})
}

// WithSASL authenticates, over TLS when [WithTLS] is given too. Default: no authentication.
// librdkafka sasl.mechanism (sasl.mechanisms), sasl.username, sasl.password; Java sasl.mechanism, sasl.jaas.config.
func WithSASL(s SASL) Option { return settings.WithSASL(s) }

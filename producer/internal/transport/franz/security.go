package franz

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	bearer "github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// tlsConfig converts the PEM text to a crypto/tls configuration.
func tlsConfig(t *settings.TLS) (*tls.Config, error) {
	config, err := settings.NewTLSConfig(t)
	if err != nil {
		return nil, fmt.Errorf("franz: TLS: %w", err)
	}
	return config, nil
}

// mechanism converts the credentials to kgo's type.
func mechanism(c *settings.Config, h transport.Handler) (sasl.Mechanism, error) {
	s := c.SASL
	switch s.Mechanism {
	case "PLAIN":
		return login{plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), c, nil}, nil
	case "SCRAM-SHA-256":
		return login{scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), c, nil}, nil
	case "SCRAM-SHA-512":
		return login{scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), c, nil}, nil
	case "OAUTHBEARER":
		source := &tokenCache{source: s.Token, handler: h, config: c}
		if s.OIDC != nil {
			fetch, err := newOIDC(s.OIDC)
			if err != nil {
				return nil, err
			}
			source.source, source.extensions = fetch, extensions(s.OIDC.Extensions)
		}
		return login{oauth.Oauth(source.auth), c, source}, nil
	}
	return nil, fmt.Errorf("franz: no SASL mechanism %q", s.Mechanism)
}

// failedLogin returns the error of a failed login.
func failedLogin(err error, c *settings.Config) error {
	e := *convert(err)
	e.Code, e.Retriable, e.Text = transport.Authentication, true, c.Redact(e.Text)
	return &connectError{&e}
}

// login is a mechanism with errors of the type [connectError].
type login struct {
	sasl.Mechanism
	config *settings.Config
	tokens *tokenCache // nil for a mechanism without tokens
}

// Authenticate implements sasl.Mechanism.
func (l login) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	s, first, err := l.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, failedLogin(err, l.config)
	}
	return loginSession{s, l}, first, nil
}

type loginSession struct {
	sasl.Session
	login login
}

// Challenge implements sasl.Session.
func (s loginSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	done, next, err = s.Session.Challenge(answer)
	switch {
	case err == nil:
		return done, next, nil
	case s.login.tokens != nil: // the answer is the reason, see RFC 7628, section 3.2.2
		s.login.tokens.refused()
		err = fmt.Errorf("the broker refuses the token: %s", answer)
	}
	return false, nil, failedLogin(err, s.login.config)
}

// extensions reads "key=value,key=value".
func extensions(s string) map[string]string {
	m := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			m[key] = value
		}
	}
	return m
}

// tokenCache asks the token source before the first login. tokenCache asks
// again after four fifths of the token's lifetime, or after a broker has
// refused the token. A login waits for the source only if there is no valid
// token.
type tokenCache struct {
	source     settings.TokenSource
	extensions map[string]string
	handler    transport.Handler
	config     *settings.Config

	mu      sync.Mutex
	token   string
	asked   time.Time
	renew   time.Time
	expires time.Time // the zero time after a refusal
	failure error     // of the last request, for every login until again
	again   time.Time
}

// refused notes that a broker has refused the token.
func (t *tokenCache) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expires = time.Time{}
	if renew := t.asked.Add(settings.RefusedTokenWait); renew.Before(t.renew) {
		t.renew = renew
	}
}

func (t *tokenCache) auth(ctx context.Context) (oauth.Auth, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case t.token != "" && now.Before(t.renew):
	case t.token != "" && now.Before(t.expires):
		t.renew = t.expires
		go t.replace(ctx, now)
	case now.Before(t.again):
		return oauth.Auth{}, t.failure
	default:
		token, err := t.request(ctx)
		if err != nil {
			t.failure, t.again = err, time.Now().Add(pauseAfter(err))
			return oauth.Auth{}, err
		}
		t.keep(token, now)
	}
	return oauth.Auth{Token: t.token, Extensions: t.extensions}, nil
}

// replace asks the source for the next token while logins use the token.
func (t *tokenCache) replace(ctx context.Context, asked time.Time) {
	token, err := t.request(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.renew = time.Now().Add(settings.RefusedTokenWait)
		return
	}
	t.keep(token, asked)
}

// request asks the source. ctx ends with the client.
func (t *tokenCache) request(ctx context.Context) (settings.Token, error) {
	token, err := t.config.RequestToken(ctx, t.source)
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		return token, ctx.Err()
	}
	e := &transport.Error{Code: transport.Authentication, Retriable: true, Text: err.Error(), Err: err}
	t.handler.Trouble(e)
	return token, e
}

// pauseAfter returns the pause after a failed request. kgo connects again
// several times a second, and a token endpoint may lock an account that is
// often refused.
func pauseAfter(err error) time.Duration {
	if errors.As(err, new(*bearer.RefusedError)) {
		return settings.RefusedTokenWait
	}
	return time.Second
}

// keep stores a token that was requested at a time.
func (t *tokenCache) keep(token settings.Token, asked time.Time) {
	t.token, t.asked, t.expires = token.Value, asked, token.Expiry
	if t.expires.IsZero() { // the token does not expire
		t.expires = asked.Add(24 * time.Hour)
		t.renew = t.expires
		return
	}
	t.renew = asked.Add(max(t.expires.Sub(asked)*4/5, time.Second))
}

// oidc gets tokens with the client credentials grant.
type oidc struct {
	config *settings.OIDCConfig
	http   *http.Client
}

func newOIDC(c *settings.OIDCConfig) (*oidc, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if len(c.CA) > 0 {
		var err error
		if t.TLSClientConfig, err = tlsConfig(&settings.TLS{CA: c.CA}); err != nil {
			return nil, err
		}
	}
	return &oidc{c, &http.Client{Transport: t}}, nil
}

// unknownLife is the lifetime of a token if the answer does not contain a
// lifetime.
const unknownLife = time.Minute

// Token makes oidc a [settings.TokenSource].
func (o *oidc) Token(ctx context.Context) (settings.Token, error) {
	form := url.Values{}
	if o.config.Scope != "" {
		form.Set("scope", o.config.Scope)
	}
	token, err := bearer.FetchToken(ctx, o.http, o.config.TokenURL, o.config.ClientID, o.config.ClientSecret, form)
	if err == nil && token.Expiry.IsZero() {
		token.Expiry = time.Now().Add(unknownLife)
	}
	return token, err
}

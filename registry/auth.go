package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// authorizer puts credentials on a request. Credentials exist only inside
// closures, so that printing a client never shows the credentials.
type authorizer func(context.Context, *http.Request) error

func basicAuth(user, password string) authorizer {
	return func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth(user, password)
		return nil
	}
}

func bearer(token string) authorizer {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// Token is a bearer token with a Value, an Expiry (the zero time means never)
// and a Principal. A registry does not use the Principal. No text form of a
// Token shows the Value.
type Token = oauth.Token

// TokenSource gives bearer tokens. The client asks for the next token before
// the current token expires, and never makes two calls at the same time.
// [ClientCredentials] is a TokenSource. Package producer takes the same type.
type TokenSource = oauth.TokenSource

// tokens keeps the current token of a source.
type tokens struct {
	source     TokenSource
	background *background
	flights    flights[struct{}, token]

	mu      sync.Mutex
	current token
}

type token struct {
	text           string
	renew, expires time.Time // zero means never
}

// early returns how long before its expiry a token is renewed. The time is a
// fifth of the token's life, and at most a minute. The old token is still valid
// in this time.
func early(life time.Duration) time.Duration { return min(life/5, time.Minute) }

func (t *tokens) authorize(ctx context.Context, r *http.Request) error {
	tok, err := t.get(ctx)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+tok.text)
	return nil
}

// get returns a token that is valid now. If the token expires soon, get renews
// the token in the background. The caller waits only if there is no valid
// token.
func (t *tokens) get(ctx context.Context) (token, error) {
	t.mu.Lock()
	tok := t.current
	t.mu.Unlock()
	now := time.Now()
	switch {
	case tok.text == "" || !tok.expires.IsZero() && !now.Before(tok.expires):
		return t.flights.do(ctx, t.background, nil, struct{}{}, t.fetch)
	case !tok.renew.IsZero() && !now.Before(tok.renew):
		// No caller waits for the renewal. A failure shows once the token has
		// expired.
		_, _ = t.flights.join(ctx, t.background, nil, struct{}{}, t.fetch)
	}
	return tok, nil
}

func (t *tokens) fetch(ctx context.Context, _ *work) (token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	given, err := t.source.Token(ctx)
	if err != nil {
		return token{}, &tokenError{err}
	}
	if err := checkToken(given.Value); err != nil {
		// The source would return the same token again, so this is not an
		// outage.
		return token{}, &oauth.RefusedError{Reason: "the token source gave a token that cannot be sent: " + err.Error()}
	}
	tok := token{text: given.Value, expires: given.Expiry}
	if !tok.expires.IsZero() {
		tok.renew = tok.expires.Add(-early(time.Until(tok.expires)))
	}
	t.mu.Lock()
	t.current = tok
	t.mu.Unlock()
	return tok, nil
}

// drop forgets a token that the registry refused.
func (t *tokens) drop(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text == text {
		t.current = token{}
	}
}

// tokenTimeout limits a single call of a token source.
const tokenTimeout = 10 * time.Second

// tokenError is a failure to get a token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "no token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// ClientCredentials is a [TokenSource] for [WithTokenSource] with the OAuth 2.0
// client credentials grant (RFC 6749, section 4.4). ClientCredentials is safe
// for concurrent use. Printing a ClientCredentials shows no secret.
type ClientCredentials struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	// Params are more parameters of the request, such as audience.
	Params url.Values
	// HTTPClient makes the call. Nil means http.DefaultClient. Redirects are
	// never followed, because the next host would get the client secret.
	HTTPClient *http.Client
}

// Format prints the endpoint and the id for every verb, but no secret.
func (c ClientCredentials) Format(s fmt.State, _ rune) {
	text, _ := c.MarshalText()
	_, _ = s.Write(text)
}

// MarshalText returns the text of Format, so that JSON logs show no secret.
func (c ClientCredentials) MarshalText() ([]byte, error) {
	u := "an invalid URL"
	if p, err := url.Parse(c.TokenURL); err == nil {
		u = p.Scheme + "://" + p.Host + p.Path
	}
	return fmt.Appendf(nil, "registry.ClientCredentials(%s as %s)", u, c.ClientID), nil
}

// GobEncode always fails, because gob would write the secret in clear.
func (c ClientCredentials) GobEncode() ([]byte, error) {
	return nil, errors.New("registry: client credentials cannot be written with encoding/gob")
}

// GobDecode always fails, as [ClientCredentials.GobEncode] does.
func (c *ClientCredentials) GobDecode([]byte) error {
	return errors.New("registry: client credentials cannot be read with encoding/gob")
}

// Token fetches a new token. The client authenticates with HTTP Basic, because
// RFC 6749, section 2.3.1, requires every server to support HTTP Basic.
func (c *ClientCredentials) Token(ctx context.Context) (Token, error) {
	form := url.Values{}
	if len(c.Scopes) > 0 {
		form.Set("scope", strings.Join(c.Scopes, " "))
	}
	for k, v := range c.Params {
		form[k] = v
	}
	return oauth.FetchToken(ctx, c.HTTPClient, c.TokenURL, c.ClientID, c.ClientSecret, form)
}

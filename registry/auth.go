package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		return token{}, &refusedError{"the token source gave a token that cannot be sent: " + err.Error()}
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

// refusedError says that the token endpoint refuses our credentials. Another
// attempt would only lock the account.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// Token fetches a new token. The client authenticates with HTTP Basic, because
// RFC 6749, section 2.3.1, requires every server to support HTTP Basic.
func (c *ClientCredentials) Token(ctx context.Context) (Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(c.Scopes) > 0 {
		form.Set("scope", strings.Join(c.Scopes, " "))
	}
	for k, v := range c.Params {
		form[k] = v
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, errors.New("the token URL is wrong")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	resp, err := c.client().Do(r)
	if err != nil {
		var reason *url.Error // its text repeats the URL
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return Token{}, fmt.Errorf("token endpoint %s: %w", r.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return Token{}, fmt.Errorf("token endpoint %s: %w", r.URL.Host, err)
	}
	var answer struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   json.Number `json:"expires_in"`
		Error       string      `json:"error"`
	}
	err = json.Unmarshal(body, &answer)
	switch {
	case resp.StatusCode/100 == 3:
		return Token{}, &refusedError{fmt.Sprintf("token endpoint %s answered %d, and redirects of a token endpoint are not followed: use the URL to which it redirects", r.URL.Host, resp.StatusCode)}
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout:
		// RFC 6749, section 5.2, defines error as a word from a list. Nothing
		// else of the body is quoted, because the body may repeat the request.
		return Token{}, &refusedError{fmt.Sprintf("token endpoint %s answered %d %s", r.URL.Host, resp.StatusCode, quote(answer.Error, 60))}
	case resp.StatusCode/100 != 2:
		return Token{}, fmt.Errorf("token endpoint %s answered %d", r.URL.Host, resp.StatusCode)
	case err != nil || answer.AccessToken == "":
		return Token{}, fmt.Errorf("token endpoint %s answered %d without an access_token", r.URL.Host, resp.StatusCode)
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return Token{}, fmt.Errorf("token endpoint %s gave a token of type %s, not bearer", r.URL.Host, quote(answer.TokenType, 60))
	}
	var expiry time.Time
	if s, err := answer.ExpiresIn.Int64(); err == nil && s > 0 {
		expiry = time.Now().Add(time.Duration(min(s, maxTokenLife)) * time.Second)
	}
	return Token{Value: answer.AccessToken, Expiry: expiry}, nil
}

// client returns a copy of the HTTP client that follows no redirect.
func (c *ClientCredentials) client() *http.Client {
	client := *http.DefaultClient
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// maxTokenLife, in seconds, keeps an absurd expires_in from overflowing.
const maxTokenLife = 10 * 365 * 24 * 3600

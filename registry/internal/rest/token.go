package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/internal/redact"
)

// Authorizer puts credentials on a request. Credentials exist only inside
// closures, so that printing a client never shows the credentials.
type Authorizer func(context.Context, *http.Request) error

// BasicAuth sends user and password.
func BasicAuth(user, password string) Authorizer {
	return func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth(user, password)
		return nil
	}
}

// Bearer sends a fixed token.
func Bearer(token string) Authorizer {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// tokens keeps the current token of a source.
type tokens struct {
	source     oauth.TokenSource
	background *Background
	flights    Flights[struct{}, token]

	mu      sync.Mutex
	current token
	last    string    // the text of the last token
	refused error     // the last refusal of the credentials, or nil
	until   time.Time // the time until which refused is repeated
}

type token struct {
	text           string
	renew, expires time.Time // zero means never
}

// renewMargin returns how long before its expiry a token is renewed. The time
// is a fifth of the token's life, and at most a minute. The old token is still
// valid in this time.
func renewMargin(life time.Duration) time.Duration { return min(life/5, time.Minute) }

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
		return t.flights.Do(ctx, t.background, nil, struct{}{}, t.fetch)
	case !tok.renew.IsZero() && !now.Before(tok.renew):
		// No caller waits for the renewal. A failure shows once the token has
		// expired.
		_, _ = t.flights.join(ctx, t.background, nil, struct{}{}, t.fetch)
	}
	return tok, nil
}

// fetch gets a token from the source. If the source refused the credentials in
// the last ten seconds, fetch repeats the refusal. Otherwise a stream of events
// would send wrong credentials until the account is locked.
func (t *tokens) fetch(ctx context.Context, _ *Work) (token, error) {
	t.mu.Lock()
	refused, until := t.refused, t.until
	t.mu.Unlock()
	if refused != nil && time.Now().Before(until) {
		return token{}, refused
	}
	tok, err := t.ask(ctx)
	var refusal *oauth.RefusedError
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused = nil; errors.As(err, &refusal) {
		t.refused, t.until = err, time.Now().Add(refusedFor)
	}
	if err == nil {
		t.current, t.last = tok, tok.text
	}
	return tok, err
}

func (t *tokens) ask(ctx context.Context) (token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	given, err := oauth.Ask(ctx, t.source)
	if err != nil {
		return token{}, &tokenError{t.hide(err, given.Value)}
	}
	if err := CheckToken(given.Value); err != nil {
		// The source would return the same token again, so this is not an
		// outage.
		return token{}, &oauth.RefusedError{Reason: "the token source gave a token that cannot be sent: " + err.Error()}
	}
	tok := token{text: given.Value, expires: given.Expiry}
	if !tok.expires.IsZero() {
		tok.renew = tok.expires.Add(-renewMargin(time.Until(tok.expires)))
	}
	return tok, nil
}

// hide replaces the text of an error that shows a token. given is the token
// that the source returned with the error.
func (t *tokens) hide(err error, given string) error {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	text := redact.WebTokens(err.Error(), hidden)
	for _, secret := range []string{given, last} {
		for _, form := range redact.Forms(secret) {
			text = redact.Remove(text, form, hidden)
		}
	}
	switch {
	case text == err.Error():
		return err
	case errors.As(err, new(*oauth.RefusedError)):
		return &oauth.RefusedError{Reason: text}
	}
	return errors.New(text)
}

// forget forgets a token that the registry refused.
func (t *tokens) forget(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text == text {
		t.current = token{}
	}
}

const (
	// tokenTimeout limits a single call of a token source.
	tokenTimeout = 10 * time.Second
	// refusedFor is how long a refusal of the credentials is repeated.
	refusedFor = 10 * time.Second
)

// tokenError is a failure to get a token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "no token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// CheckToken refuses a token that is not valid in an Authorization header. The
// error does not quote the token.
func CheckToken(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case strings.TrimSpace(token) != token:
		return errors.New("the token begins or ends with white space: was it read from a file together with its line break?")
	case strings.ContainsAny(token, " \t"):
		return errors.New("the token holds white space: give the token alone, without the word Bearer")
	case !HeaderValue(token):
		return errors.New("the token holds a control character")
	}
	return nil
}

// HeaderValue reports whether value is valid in a header. The only valid
// control character is the tab.
func HeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

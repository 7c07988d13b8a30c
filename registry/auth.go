package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/avroline/avroline/internal/oauth"
)

// Token is a bearer token with a Value, an Expiry (the zero time means never)
// and a Principal. A registry does not use the Principal. No text form of a
// Token shows the Value.
type Token = oauth.Token

// TokenSource gives bearer tokens. The client asks for the next token before
// the current token expires, and makes two calls at the same time only if the
// first does not return when its ctx ends. If the source fails, panics or does
// not answer within 10 seconds, the client uses the current token until the
// token expires, and asks again. [ClientCredentials] is a TokenSource. Package
// producer takes the same type.
//
//	// Token must be safe for concurrent use, and must return when ctx ends.
//	// Token must not return a Token without a Value and a nil error.
//	Token(ctx context.Context) (Token, error)
type TokenSource = oauth.TokenSource

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

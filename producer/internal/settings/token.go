package settings

import (
	"context"
	"errors"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// tokenWait limits one call of a token source.
const tokenWait = 30 * time.Second

// longestLife limits the life of a token. A time such as the year 9999
// overflows the times of the client libraries.
const longestLife = 365 * 24 * time.Hour

// RefusedTokenWait is the shortest time from a request for a token to the
// request after a broker has refused the token, or after the token endpoint has
// refused the credentials.
const RefusedTokenWait = 10 * time.Second

// RequestToken asks a token source. RequestToken returns at the end of ctx,
// even if the source goes on. A panic of the source is an error. No error shows
// the token. If the token endpoint refuses the credentials, the error is an
// [*oauth.RefusedError]. The token expires after a year at the latest.
func (c *Config) RequestToken(ctx context.Context, source TokenSource) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	token, err := oauth.Ask(ctx, source)
	c.AddSecret(token.Value)
	if err == nil && token.Value == "" {
		err = errors.New("the token is empty")
	}
	if err != nil {
		text := "token source: " + c.Redact(err.Error())
		if errors.As(err, new(*oauth.RefusedError)) {
			return Token{}, &oauth.RefusedError{Reason: text}
		}
		return Token{}, errors.New(text)
	}
	if latest := time.Now().Add(longestLife); token.Expiry.After(latest) {
		token.Expiry = latest
	}
	return token, nil
}

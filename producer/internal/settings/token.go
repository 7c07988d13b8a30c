package settings

import (
	"context"
	"errors"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// tokenWait limits one call of a token source.
const tokenWait = 30 * time.Second

// RefusedTokenWait is the shortest time from a request for a token to the
// request after a broker has refused the token.
const RefusedTokenWait = 10 * time.Second

// RequestToken asks a token source. RequestToken returns at the end of ctx,
// even if the source goes on. A panic of the source is an error. No error shows
// the token.
func (c *Config) RequestToken(ctx context.Context, source TokenSource) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	token, err := oauth.Ask(ctx, source)
	c.AddSecret(token.Value)
	if err == nil && token.Value == "" {
		err = errors.New("the token is empty")
	}
	if err != nil {
		return Token{}, errors.New("token source: " + c.Redact(err.Error()))
	}
	return token, nil
}

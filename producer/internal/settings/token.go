package settings

import (
	"context"
	"errors"
	"fmt"
	"time"
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
	type answer struct {
		token Token
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("it has ended its goroutine")}
		defer func() {
			if v := recover(); v != nil {
				a.err = fmt.Errorf("it panicked: %v", v)
			}
			answered <- a
		}()
		a.token, a.err = source.Token(ctx)
	}()
	var a answer
	select {
	case a = <-answered:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	c.AddSecret(a.token.Value)
	if a.err == nil && a.token.Value == "" {
		a.err = errors.New("the token is empty")
	}
	if a.err != nil {
		return Token{}, errors.New("token source: " + c.Redact(a.err.Error()))
	}
	return a.token, nil
}

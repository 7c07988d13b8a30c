package oauth

import (
	"context"
	"errors"
	"fmt"
)

// Ask asks a token source. Ask returns at the end of ctx, even if the source
// goes on. A panic of the source is an error. The error may show the token that
// Ask also returns, so the caller must remove the token from the error.
func Ask(ctx context.Context, source TokenSource) (Token, error) {
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
	select {
	case a := <-answered:
		return a.token, a.err
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
}

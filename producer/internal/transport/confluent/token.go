//go:build cgo

package confluent

import (
	"context"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TokenTaker is a client of the library that needs a token.
type TokenTaker interface {
	SetOAuthBearerToken(token kafka.OAuthBearerToken) error
	SetOAuthBearerTokenFailure(reason string) error
}

// KeepToken gives tokens to a client of the library until ctx ends. KeepToken
// asks the token source at once, again before the token expires, and again
// after a value on refused, which says that a broker has refused the token.
// hold keeps the client until release, and returns false if the client has
// ended. trouble gets the errors of the source.
//
// The library's own requests for a token are not used. The requests of a
// consumer reach only Poll, and a processor needs a login before its first
// Poll.
func KeepToken(ctx context.Context, c *settings.Config, k TokenTaker, hold func() (release func(), ok bool), trouble func(*transport.Error), refused <-chan struct{}) {
	if c.SASL == nil || c.SASL.Token == nil {
		return
	}
	for ctx.Err() == nil {
		life := refreshToken(ctx, c, k, hold, trouble)
		earliest := time.After(settings.RefusedTokenWait)
		select {
		case <-time.After(max(life*4/5, c.RetryBackoffMax)):
		case <-refused:
			select {
			case <-earliest:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
	}
}

// NoteRefusal tells KeepToken about an error that is a refused login. refused
// has the capacity 1.
func NoteRefusal(refused chan<- struct{}, err *transport.Error) {
	if err.Code != transport.Authentication {
		return
	}
	select {
	case refused <- struct{}{}:
	default: // told already
	}
}

// refreshToken asks the token source once. refreshToken returns the life of the
// token, or 0 after an error.
func refreshToken(ctx context.Context, c *settings.Config, k TokenTaker, hold func() (release func(), ok bool), trouble func(*transport.Error)) (life time.Duration) {
	token, err := c.RequestToken(ctx, c.SASL.Token)
	release, ok := hold()
	if !ok {
		return 0 // the next client asks for its own token
	}
	defer release()
	if err == nil {
		err = SetToken(k.SetOAuthBearerToken, token)
	}
	if err != nil {
		text := c.Redact(err.Error()) // the library quotes a token that it refuses
		trouble(&transport.Error{Code: transport.Authentication, Text: text})
		_ = k.SetOAuthBearerTokenFailure(text)
		return 0
	}
	if token.Expiry.IsZero() {
		return unknownLife
	}
	return time.Until(token.Expiry)
}

// unknownLife is the life of a token without an expiry.
const unknownLife = 24 * time.Hour

// SetToken gives a token to a client of the library.
func SetToken(set func(kafka.OAuthBearerToken) error, t settings.Token) error {
	if t.Expiry.IsZero() { // the library needs a time for the next request
		t.Expiry = time.Now().Add(unknownLife)
	}
	return set(kafka.OAuthBearerToken{TokenValue: t.Value, Expiration: t.Expiry, Principal: t.Principal})
}

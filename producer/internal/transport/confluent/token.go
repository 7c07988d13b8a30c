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

// RefreshToken asks the token source for a client that needs a token. hold
// keeps the client until release, and returns false if the client has ended.
// trouble gets an error, and the client asks again after ten seconds. next is
// the time after which the client needs another token, or 0 after an error.
func RefreshToken(ctx context.Context, c *settings.Config, k TokenTaker, hold func() (release func(), ok bool), trouble func(*transport.Error)) (next time.Duration) {
	if c.SASL == nil || c.SASL.Token == nil {
		return 0
	}
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
		return unknownLife * 4 / 5
	}
	return time.Until(token.Expiry) * 4 / 5
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

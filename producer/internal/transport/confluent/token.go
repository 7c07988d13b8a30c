//go:build cgo

package confluent

import (
	"context"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// tokenWait limits one call of a token source.
const tokenWait = 30 * time.Second

// tokenTaker is a client that needs a token.
type tokenTaker interface {
	SetOAuthBearerToken(token kafka.OAuthBearerToken) error
	SetOAuthBearerTokenFailure(reason string) error
}

// refreshToken asks the token source for a client that has requested a token.
// Trouble reports an error, and the client asks again after ten seconds.
func refreshToken(ctx context.Context, c *settings.Config, k tokenTaker, in *openCalls, h transport.Handler) {
	if c.SASL == nil || c.SASL.Token == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	token, err := c.SASL.Token.Token(ctx)
	if !in.hold() {
		return // the next client asks for its own token
	}
	defer in.release()
	c.AddSecret(token.Value)
	if err == nil {
		if token.Expiry.IsZero() { // the library needs a time for the next request
			token.Expiry = time.Now().Add(24 * time.Hour)
		}
		err = k.SetOAuthBearerToken(kafka.OAuthBearerToken{TokenValue: token.Value, Expiration: token.Expiry, Principal: token.Principal})
	}
	if err != nil {
		text := c.Redact(err.Error())
		h.Trouble(&transport.Error{Code: transport.Authentication, Text: "token source: " + text})
		_ = k.SetOAuthBearerTokenFailure(text)
	}
}

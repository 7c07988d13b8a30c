package producer

import (
	"context"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// tokenWait bounds one call of a token source.
const tokenWait = 30 * time.Second

// tokenTaker is a client that wants a token.
type tokenTaker interface {
	SetOAuthBearerToken(token kafka.OAuthBearerToken) error
	SetOAuthBearerTokenFailure(reason string) error
}

// holder keeps a client from being closed between hold and release; hold is false where it is too late.
type holder interface {
	hold() bool
	release()
}

// refreshToken asks the token source for a client that said it needs one. An error is kept as the last trouble, and the
// client asks again after ten seconds. The client may be closed while the source is asked.
func (c *core) refreshToken(k tokenTaker, use holder) {
	if c.config.SASL == nil || c.config.SASL.Token == nil {
		return
	}
	c.spawn(func() {
		ctx, cancel := context.WithTimeout(c.alive, tokenWait)
		defer cancel()
		token, err := c.config.SASL.Token.Token(ctx)
		c.config.AddSecret(token.Value)
		if !use.hold() {
			return // the client that comes after it asks for itself
		}
		defer use.release()
		if err == nil {
			err = k.SetOAuthBearerToken(kafka.OAuthBearerToken{TokenValue: token.Value, Expiration: expiry(token), Principal: token.Principal})
		}
		if err != nil {
			text := c.config.Redact(err.Error())
			c.trouble.note(kafka.NewError(kafka.ErrAuthentication, "token source: "+text, false))
			_ = k.SetOAuthBearerTokenFailure(text)
		}
	})
}

// expiry is when a token ends. librdkafka wants a time, so a token that never
// ends is asked for again after a day.
func expiry(t Token) time.Time {
	if t.Expiry.IsZero() {
		return time.Now().Add(24 * time.Hour)
	}
	return t.Expiry
}

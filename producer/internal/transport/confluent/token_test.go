package confluent

import (
	"context"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
)

// tokenFunc is a token source of one function.
type tokenFunc func(context.Context) (oauth.Token, error)

func (f tokenFunc) Token(ctx context.Context) (oauth.Token, error) { return f(ctx) }

// taker counts the calls of a client.
type taker struct{ calls int }

func (t *taker) SetOAuthBearerToken(kafka.OAuthBearerToken) error {
	t.calls++
	return kafka.NewError(kafka.ErrInvalidArg, "not a token", false)
}

func (t *taker) SetOAuthBearerTokenFailure(string) error {
	t.calls++
	return nil
}

// TestTokenAfterTheClient: a client may be closed while its token is on the way.
// The token then goes nowhere.
func TestTokenAfterTheClient(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"there": 2, "gone": 0} { // the token, and its failure
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in uses
			source := tokenFunc(func(context.Context) (oauth.Token, error) {
				if name == "gone" {
					in.lastUse()
				}
				return oauth.Token{Value: "x", Expiry: time.Now()}, nil
			})
			c, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []settings.Option{
				settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: source})),
			})
			if err != nil {
				t.Fatal(err)
			}
			var to taker
			refreshToken(t.Context(), c, &to, &in, silent{})
			if to.calls != want {
				t.Errorf("the client was called %d times, want %d", to.calls, want)
			}
		})
	}
}

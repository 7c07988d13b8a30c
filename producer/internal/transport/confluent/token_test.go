//go:build cgo

package confluent

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// tokenRecorder counts the calls of a client.
type tokenRecorder struct{ calls int }

func (t *tokenRecorder) SetOAuthBearerToken(kafka.OAuthBearerToken) error {
	t.calls++
	return kafka.NewError(kafka.ErrInvalidArg, "not a token", false)
}

func (t *tokenRecorder) SetOAuthBearerTokenFailure(string) error {
	t.calls++
	return nil
}

// TestTokenWithoutExpiry gives the library a token that never expires. The
// library refuses a token whose time has passed, as the zero time has.
func TestTokenWithoutExpiry(t *testing.T) {
	t.Parallel()
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{
		"bootstrap.servers": "127.0.0.1:1", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.SetOAuthBearerToken(kafka.OAuthBearerToken{TokenValue: "t", Principal: "ada"}); err == nil {
		t.Error("control: the library takes a token without a time")
	}
	if err := SetToken(admin.SetOAuthBearerToken, settings.Token{Value: "t", Principal: "ada"}); err != nil {
		t.Error(err)
	}
}

// TestTokenAfterTheClient closes a client while its token is on the way. The
// closed client must not get the token.
func TestTokenAfterTheClient(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"there": 2, "gone": 0} { // number of calls with the token and with its failure
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in openCalls
			source := oauth.SourceFunc(func(context.Context) (oauth.Token, error) {
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
			var to tokenRecorder
			refreshToken(t.Context(), c, &to, in.holdUntil, ignoringHandler{}.Trouble)
			if to.calls != want {
				t.Errorf("the client was called %d times, want %d", to.calls, want)
			}
		})
	}
}

// troubleHandler is a handler that keeps the trouble.
type troubleHandler struct {
	ignoringHandler
	trouble string
}

func (*troubleHandler) Refused(string, int32, *transport.Error) {}

func (t *troubleHandler) Trouble(err *transport.Error) { t.trouble = err.Error() }

// TestRefusedTokenIsNotShown refuses a token. The library quotes the token in
// its error, but the reported error must not contain the token.
func TestRefusedTokenIsNotShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2-\x01" // the last character makes the token invalid
	source := oauth.SourceFunc(func(context.Context) (oauth.Token, error) {
		return oauth.Token{Value: secret, Expiry: time.Now().Add(time.Hour), Principal: "ada"}, nil
	})
	c, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []settings.Option{
		settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: source})),
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := open(c, c.BatchBytes, ignoringHandler{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	err = k.kafka.SetOAuthBearerToken(kafka.OAuthBearerToken{TokenValue: secret, Expiration: time.Now().Add(time.Hour), Principal: "ada"})
	if err == nil || !strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("control: the library's error does not have the token: %v", err)
	}
	var told troubleHandler
	refreshToken(t.Context(), c, k.kafka, k.calls.holdUntil, told.Trouble)
	if !strings.Contains(told.trouble, "[redacted]") || strings.Contains(told.trouble, "hunter2") {
		t.Errorf("the error: %s", told.trouble)
	}
}

// TestKeepToken counts the requests for tokens. The source is asked again
// before the token expires, and soon after a refusal, but a broker that refuses
// every token causes few requests.
func TestKeepToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		life    time.Duration // 0: the token names no expiry
		refusal time.Duration // the time between refusals; 0: none
		want    int           // requests within an hour
	}{
		"no expiry":       {0, 0, 1},
		"an expiry":       {10 * time.Minute, 0, 8},
		"refused once":    {0, 40 * time.Minute, 2},
		"always refused":  {0, time.Millisecond, 360},
		"and has expired": {-time.Minute, 0, 3600}, // every RetryBackoffMax
		"a far expiry":    {math.MaxInt64, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				source := oauth.SourceFunc(func(context.Context) (oauth.Token, error) {
					asked++
					token := oauth.Token{Value: "x", Principal: "ada"}
					if tc.life != 0 {
						token.Expiry = time.Now().Add(tc.life)
					}
					return token, nil
				})
				c, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []settings.Option{
					settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: source})),
				})
				if err != nil {
					t.Fatal(err)
				}
				c.RetryBackoffMax = time.Second
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Second/2)
				defer cancel()
				refused := make(chan struct{}, 1)
				if tc.refusal > 0 {
					go func() {
						tick := time.NewTicker(tc.refusal)
						defer tick.Stop()
						for {
							select {
							case <-tick.C:
								select {
								case refused <- struct{}{}:
								default:
								}
							case <-ctx.Done():
								return
							}
						}
					}()
				}
				KeepToken(ctx, c, acceptingTaker{}, new(openCalls).holdUntil, ignoringHandler{}.Trouble, refused)
				if asked != tc.want {
					t.Errorf("%d requests, want %d", asked, tc.want)
				}
			})
		})
	}
}

type acceptingTaker struct{}

func (acceptingTaker) SetOAuthBearerToken(kafka.OAuthBearerToken) error { return nil }
func (acceptingTaker) SetOAuthBearerTokenFailure(string) error          { return nil }

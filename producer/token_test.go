package producer

import (
	"context"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// tokenFunc is a token source of one function.
type tokenFunc func(context.Context) (Token, error)

func (f tokenFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// TestTokenAfterTheClient: a client may be closed while its token is on the way.
// The token then goes nowhere.
func TestTokenAfterTheClient(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		t.Run(map[bool]string{false: "there", true: "gone"}[gone], func(t *testing.T) {
			t.Parallel()
			give := make(chan struct{})
			source := tokenFunc(func(ctx context.Context) (Token, error) {
				select {
				case <-give:
				case <-ctx.Done():
					return Token{}, ctx.Err()
				}
				// Not a token: the client refuses it, where there is one.
				return Token{Expiry: time.Now().Add(-time.Hour)}, nil
			})
			p := newNotes(t, []string{"127.0.0.1:1"}, nil, WithSASL(OAuthBearer(source)))
			k, err := p.core.client(1000)
			if err != nil {
				t.Fatal(err)
			}
			taker, use, end := tokenTaker(k.kafka), holder(k), k.close
			told := &told{tokenTaker: taker, holder: use, over: make(chan struct{})}
			p.core.refreshToken(told, told)
			if gone {
				end()
			} else {
				defer end()
			}
			close(give)
			<-told.over
			if want := map[bool]int{false: 2, true: 0}[gone]; told.calls != want { // the token, and its failure
				t.Errorf("the client was called %d times, want %d", told.calls, want)
			}
		})
	}
}

// told counts the calls, and says when there will be none any more.
type told struct {
	tokenTaker
	holder
	calls int
	over  chan struct{}
}

func (t *told) hold() bool {
	held := t.holder.hold()
	if !held {
		close(t.over)
	}
	return held
}

func (t *told) release() {
	t.holder.release()
	close(t.over)
}

func (t *told) SetOAuthBearerToken(token kafka.OAuthBearerToken) error {
	t.calls++
	return t.tokenTaker.SetOAuthBearerToken(token)
}

func (t *told) SetOAuthBearerTokenFailure(reason string) error {
	t.calls++
	return t.tokenTaker.SetOAuthBearerTokenFailure(reason)
}

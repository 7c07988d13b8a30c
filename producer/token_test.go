package producer

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
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

// A token that librdkafka refuses is in none of its words that reach the log or
// an error. The control is the library's own error, which has the whole token.
func TestRefusedTokenIsNotShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2-\x01" // the last character makes it no token
	var log lockedBuffer
	source := tokenFunc(func(context.Context) (Token, error) {
		return Token{Value: secret, Expiry: time.Now().Add(time.Hour), Principal: "ada"}, nil
	})
	p := newNotes(t, []string{"127.0.0.1:1"}, nil, WithSASL(OAuthBearer(source)), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	k, err := p.core.client(1000)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	err = k.kafka.SetOAuthBearerToken(kafka.OAuthBearerToken{TokenValue: secret, Expiration: time.Now().Add(time.Hour), Principal: "ada"})
	if err == nil || !strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("control: the library's error does not have the token: %v", err)
	}
	told := &told{tokenTaker: k.kafka, holder: k, over: make(chan struct{})}
	p.core.refreshToken(told, told)
	<-told.over
	cause := p.core.trouble.cause()
	if cause == nil || !strings.Contains(cause.Error(), "[redacted]") || strings.Contains(cause.Error(), "hunter2") {
		t.Errorf("the error: %v", cause)
	}
	if text := log.String(); !strings.Contains(text, "client_error") || strings.Contains(text, "hunter2") {
		t.Errorf("the log: %s", text)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

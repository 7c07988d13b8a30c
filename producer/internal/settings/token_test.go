package settings

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// TestRequestToken asks sources that break their contract. None of them ends
// the process or blocks the caller, and no error shows the token.
func TestRequestToken(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2"
	for name, test := range map[string]struct {
		source oauth.SourceFunc
		want   string // the error; "" means a token
	}{
		"a token":     {func(context.Context) (Token, error) { return Token{Value: secret}, nil }, ""},
		"a panic":     {func(context.Context) (Token, error) { panic("no " + "file") }, "token source: it panicked: no file"},
		"Goexit":      {func(context.Context) (Token, error) { runtime.Goexit(); return Token{}, nil }, "token source: it has ended its goroutine"},
		"no token":    {func(context.Context) (Token, error) { return Token{}, nil }, "token source: the token is empty"},
		"its token":   {func(context.Context) (Token, error) { return Token{Value: secret}, errors.New("bad " + secret) }, "token source: bad [redacted]"},
		"deaf to ctx": {func(context.Context) (Token, error) { time.Sleep(2 * tokenWait); return Token{Value: secret}, nil }, "token source: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, err := New(ForProducer, []string{"h:1"}, "", []Option{WithSASL(NewSASL(Credentials{Mechanism: "OAUTHBEARER", Token: test.source}))})
				if err != nil {
					t.Fatal(err)
				}
				token, err := c.RequestToken(t.Context(), c.SASL.Token)
				switch {
				case test.want == "" && (err != nil || token.Value != secret):
					t.Errorf("%v, %v", token, err)
				case test.want != "" && (err == nil || err.Error() != test.want || token.Value != ""):
					t.Errorf("%v, %v, want %s", token, err, test.want)
				case err != nil && strings.Contains(err.Error(), secret):
					t.Error("the error shows the token")
				}
				time.Sleep(2 * tokenWait) // the end of every source
			})
		})
	}
}

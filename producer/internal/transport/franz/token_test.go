package franz

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	franzoauth "github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestRefusedToken logs in once a second for an hour. The source is asked again
// after a refusal, but a broker that refuses every token causes few requests.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		refused func(login int) bool
		want    int // requests for a token
	}{
		"never":  {func(int) bool { return false }, 1},
		"once":   {func(login int) bool { return login == 5 }, 2},
		"always": {func(int) bool { return true }, 360},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				cache := &tokenCache{config: &settings.Config{}, source: oauth.SourceFunc(func(context.Context) (settings.Token, error) {
					asked++
					return settings.Token{Value: "x"}, nil
				})}
				for login := range 3600 {
					if _, err := cache.auth(t.Context()); err != nil {
						t.Fatal(err)
					}
					if tc.refused(login) {
						cache.refused()
					}
					time.Sleep(time.Second)
				}
				if asked != tc.want {
					t.Errorf("%d requests, want %d", asked, tc.want)
				}
			})
		})
	}
}

// TestRenewedToken logs in once a second for an hour. The source fails, hangs
// or is slow from the eighth minute on, when it is asked for the next token. A
// login uses a token until the token expires, and waits for the source only
// after that.
func TestRenewedToken(t *testing.T) {
	t.Parallel()
	fails := func(context.Context) error { return errors.New("down") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	slow := func(context.Context) error { time.Sleep(20 * time.Second); return nil }
	for name, tc := range map[string]struct {
		life    time.Duration
		trouble func(context.Context) error
		until   time.Duration // the end of the trouble

		asked, failed, waited int // requests, and logins
	}{
		"works":                 {10 * time.Minute, nil, 0, 8, 0, 0},
		"a far expiry":          {math.MaxInt64, nil, 0, 1, 0, 0},
		"fails for a minute":    {10 * time.Minute, fails, 9 * time.Minute, 14, 0, 0},
		"hangs for a minute":    {10 * time.Minute, hangs, 9 * time.Minute, 10, 0, 0},
		"slow":                  {10 * time.Minute, slow, time.Hour, 8, 0, 0},
		"fails for three times": {10 * time.Minute, fails, 10*time.Minute + 3*time.Second, 23, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				var asked atomic.Int64
				var failed, waited int
				source := oauth.SourceFunc(func(ctx context.Context) (settings.Token, error) {
					asked.Add(1)
					if at := time.Since(begun); tc.trouble != nil && at >= 8*time.Minute && at < tc.until {
						if err := tc.trouble(ctx); err != nil {
							return settings.Token{}, err
						}
					}
					return settings.Token{Value: "x", Expiry: time.Now().Add(tc.life)}, nil
				})
				cache := &tokenCache{config: &settings.Config{}, handler: silentHandler{}, source: source}
				for time.Since(begun) < time.Hour {
					before := time.Now()
					if _, err := cache.auth(t.Context()); err != nil {
						failed++
					}
					if time.Since(before) > 0 {
						waited++
					}
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute) // the end of the last request
				if n := int(asked.Load()); n != tc.asked || failed != tc.failed || waited != tc.waited {
					t.Errorf("%d requests, %d logins failed and %d waited, want %d, %d and %d", n, failed, waited, tc.asked, tc.failed, tc.waited)
				}
			})
		})
	}
}

// TestFailingSource logs in ten times a second for a minute. A source that
// fails, and most of all a token endpoint that refuses the credentials, is
// asked less often.
func TestFailingSource(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want int // requests
	}{
		"away":    {errors.New("away"), 60},
		"refused": {&oauth.RefusedError{Reason: "invalid_client"}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				cache := &tokenCache{config: &settings.Config{}, handler: silentHandler{}, source: oauth.SourceFunc(func(context.Context) (settings.Token, error) {
					asked.Add(1)
					return settings.Token{}, fmt.Errorf("source: %w", tc.err)
				})}
				for range 600 {
					if _, err := cache.auth(t.Context()); err == nil || !strings.Contains(err.Error(), tc.err.Error()) {
						t.Errorf("%v, want %v", err, tc.err)
					}
					time.Sleep(time.Second / 10)
				}
				if n := int(asked.Load()); n != tc.want {
					t.Errorf("%d requests, want %d", n, tc.want)
				}
			})
		})
	}
}

// TestClosedWhileAsking ends a client that waits for a token. Neither the
// source nor the broker is to blame.
func TestClosedWhileAsking(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cache := &tokenCache{config: &settings.Config{}, source: oauth.SourceFunc(func(ctx context.Context) (settings.Token, error) {
		cancel()
		<-ctx.Done()
		return settings.Token{}, ctx.Err()
	})} // without a handler, a report of trouble panics
	_, _, err := login{franzoauth.Oauth(cache.auth), cache.config, cache}.Authenticate(ctx, "broker:9092")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// silentHandler takes the trouble.
type silentHandler struct{ transport.Handler }

func (silentHandler) Trouble(*transport.Error) {}

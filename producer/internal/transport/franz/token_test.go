package franz

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
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

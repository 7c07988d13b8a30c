package registry_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/registry"
)

// TestHealth checks that health follows the registry, and that it needs no call
// of the program to become ready again.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		up.Store(true)
		refused := errors.New("connection refused")
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if up.Load() {
				return stringSchema(r), nil
			}
			return nil, refused
		}}
		c := f.client(t, registry.WithRetries(0, 0, 0))
		start := time.Now()
		if h := c.Health(); !h.Ready || h.Reason != nil || !h.Since.Equal(start) || h.URL != "http://registry" {
			t.Errorf("before the first call: %+v", h)
		}
		if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
			t.Fatal(err)
		}
		if h := c.Health(); !h.Ready {
			t.Errorf("after an answer: %+v", h)
		}
		time.Sleep(time.Hour)
		up.Store(false)
		if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
			t.Errorf("a known id needs no registry: %v", err)
		}
		if h := c.Health(); !h.Ready {
			t.Errorf("nobody has asked: %+v", h)
		}
		if _, err := c.SchemaByID(t.Context(), "", 2); !errors.Is(err, registry.ErrUnavailable) {
			t.Fatalf("the registry is away: %v", err)
		}
		lost := time.Now()
		h := c.Health()
		if h.Ready || !h.Since.Equal(lost) || !errors.Is(h.Reason, registry.ErrUnavailable) || !errors.Is(h.Reason, refused) {
			t.Errorf("the registry is away: %+v", h)
		}
		calls := f.count()
		time.Sleep(time.Minute)
		if f.count() != calls {
			t.Error("the client asks although nobody wants to know")
		}
		for range 60 { // a readiness probe each second
			if h := c.Health(); h.Ready || !h.Since.Equal(lost) {
				t.Fatalf("still away: %+v", h)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := f.count() - calls; n < 20 || n > 31 {
			t.Errorf("%d probes in a minute", n)
		}
		up.Store(true)
		for !c.Health().Ready {
			if time.Since(lost) > 5*time.Minute {
				t.Fatal("not ready again")
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if h := c.Health(); h.Reason != nil || !h.Since.After(lost) {
			t.Errorf("back: %+v", h)
		}
	})
}

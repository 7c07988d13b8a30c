package health_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/avroline/avroline/producer/health"
)

// Serve readiness. A part of your own is a function that returns its state.
func Example() {
	cacheLoaded := false
	h := health.New(health.Check("cache", func() health.State {
		if !cacheLoaded {
			return health.State{Reason: errors.New("the cache is being loaded")}
		}
		return health.State{Ready: true}
	}))
	// A program adds health.Producer("orders", p) and the other parts.

	ask := func() {
		w := httptest.NewRecorder()
		h.Ready().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	ask()
	cacheLoaded = true
	ask()
	h.Drain() // the program is about to stop
	ask()
	// Output:
	// 503 {"status":"not ready","parts":[{"name":"cache","status":"not ready","reason":"the cache is being loaded"}]}
	// 200 {"status":"ready","parts":[{"name":"cache","status":"ready"}]}
	// 503 {"status":"not ready","reason":"health: shutting down","parts":[{"name":"cache","status":"ready"}]}
}

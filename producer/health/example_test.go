package health_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/health"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
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

// A part for each producer and each registry client of the program.
func ExampleNew() {
	broker, err := producertest.NewBroker()
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	server, err := registrytest.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		log.Fatal(err)
	}
	p, err := producer.New(broker.Addrs(), ser)
	if err != nil {
		log.Fatal(err)
	}

	h := health.New(health.Producer("orders", p), health.Registry("registry", reg))
	mux := http.NewServeMux()
	mux.Handle("GET /ready", h.Ready())
	mux.Handle("GET /live", h.Live())
	for _, path := range []string{"/ready", "/live"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, w.Code)
	}
	fmt.Println(p.Close(context.Background()))
	// Output:
	// /ready 200
	// /live 200
	// <nil>
}

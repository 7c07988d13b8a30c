// Package registrytest runs a schema registry in process, for tests and for
// local runs. The registry has Confluent's REST API for Avro, with real checks
// of schemas and of compatibility. A test can inject faults and read a log of
// the requests.
//
//	server := registrytest.Start(t) // ends with the test
//	err := server.Seed("orders-value", schemaV1, schemaV2)
//	reg, err := registry.New([]string{server.URL})
//
// The registry answers as Confluent's documentation says. docs/registry.md
// lists the differences of other registries. The registry stores everything in
// memory.
package registrytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/registry/compat"
)

// Server is a registry that listens on a loopback address. A Server is safe for
// concurrent use.
type Server struct {
	// URL is the base URL for a client, such as http://127.0.0.1:41234. The URL
	// includes the path of the dialect.
	URL string

	api    *api
	http   *http.Server
	closed chan struct{}
	once   sync.Once
	served chan struct{}
}

// Option is an option of [NewServer] or [Start]. The zero Option does nothing.
type Option struct{ apply func(*config) }

type config struct {
	addr    string
	level   *compat.Level // nil means the dialect's level
	dialect *traits
	tls     *tls.Config
	check   func(*http.Request) bool
}

// WithAddr sets the address to listen on, for local runs. The default is a free
// port of 127.0.0.1.
func WithAddr(hostPort string) Option { return Option{func(c *config) { c.addr = hostPort }} }

// WithLevel sets the global compatibility level. The default depends on the
// dialect: NONE for [Apicurio], and BACKWARD for the others.
func WithLevel(l compat.Level) Option { return Option{func(c *config) { c.level = &l }} }

// WithTLS serves https with t. t holds the server's certificate. For mTLS, t
// also holds ClientAuth and ClientCAs. The default is http.
func WithTLS(t *tls.Config) Option { return Option{func(c *config) { c.tls = t.Clone() }} }

// WithBasicAuth answers 401 to requests without these credentials.
func WithBasicAuth(user, password string) Option {
	return Option{func(c *config) {
		c.check = func(r *http.Request) bool {
			u, p, ok := r.BasicAuth()
			return ok && u == user && p == password
		}
	}}
}

// WithBearer answers 401 to a request if valid returns false for its bearer
// token.
func WithBearer(valid func(token string) bool) Option {
	return Option{func(c *config) {
		c.check = func(r *http.Request) bool {
			const scheme = "Bearer "
			h := r.Header.Get("Authorization")
			return len(h) > len(scheme) && h[:len(scheme)] == scheme && valid(h[len(scheme):])
		}
	}}
}

// WithDialect makes the server answer as another vendor's registry. The default
// is [Confluent8].
func WithDialect(d Dialect) Option {
	return Option{func(c *config) { c.dialect = d.traitsOrDefault() }}
}

// NewServer starts an empty registry. The caller must close the server.
func NewServer(opts ...Option) (*Server, error) {
	cfg := config{addr: "127.0.0.1:0", dialect: Dialect{}.traitsOrDefault()}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&cfg)
		}
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.addr)
	if err != nil {
		return nil, fmt.Errorf("registrytest: %w", err)
	}
	level := cfg.dialect.level
	if cfg.level != nil {
		level = *cfg.level
	}
	url := "http://" + l.Addr().String() + cfg.dialect.base
	if cfg.tls != nil {
		url = "https://" + l.Addr().String() + cfg.dialect.base
		cfg.tls.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, cfg.tls)
	}
	s := &Server{URL: url, closed: make(chan struct{}), served: make(chan struct{})}
	s.api = &api{
		store: newStore(level, cfg.dialect), keys: newKeyStore(), topics: new(topics), check: cfg.check,
		traffic: new(traffic), handle: serverHandle{url, s.closed},
	}
	discard := log.New(io.Discard, "", 0) // for messages about broken connections
	s.http = &http.Server{Handler: s.api.handler(), ReadHeaderTimeout: 30 * time.Second, ErrorLog: discard}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // returns only after Close
	}()
	return s, nil
}

// Start is [NewServer] for a test. If the server cannot start, Start fails the
// test. Start closes the server when the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Close stops the server and breaks the requests in flight, like a killed
// registry. A second Close does nothing.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.http.Close()
		<-s.served
	})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Seed registers schemas under a subject in their order, with a version for
// each schema. Seed ignores the compatibility level. A schema that is there
// already gives no new version. Seed does not count as a request.
func (s *Server) Seed(subject string, schemas ...string) error {
	for i, text := range schemas {
		if _, _, err := s.api.store.register(subject, posted{Schema: text}, false); err != nil {
			return fmt.Errorf("registrytest: seed %q with schema %d of %d: %w", subject, i+1, len(schemas), err)
		}
	}
	return nil
}

// Associate associates the "value" or the "key" of a topic with a subject, in
// every cluster. Associate does not count as a request.
func (s *Server) Associate(topic, part, subject string) { s.api.topics.associate(topic, part, subject) }

// SetLevel sets the compatibility level of a subject. An empty subject sets the
// global level.
func (s *Server) SetLevel(subject string, l compat.Level) { s.api.store.setLevel(subject, &l) }

// Inject makes requests fail from now on. Without match, all requests fail. The
// first fault that matches a request takes effect. lift removes the fault.
func (s *Server) Inject(e Effect, match ...Match) (lift func()) {
	return s.api.traffic.inject(e, match)
}

// Fail answers the next n requests with an HTTP status.
func (s *Server) Fail(n, status int) { s.Inject(Status(status), Times(n)) }

// Requests returns the number of requests, with or without an answer.
func (s *Server) Requests() int { return len(s.api.traffic.requests()) }

// Log returns the requests in the order of their arrival.
func (s *Server) Log() []Request { return s.api.traffic.requests() }

// ResetLog clears the log of requests.
func (s *Server) ResetLog() { s.api.traffic.reset() }

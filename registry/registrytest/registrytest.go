// Package registrytest runs a schema registry in process, for tests and for
// local runs: Confluent's REST API for Avro, with real checks of schemas and of
// compatibility, faults on demand and a log of requests.
//
// It answers what Confluent's documentation says; docs/registry.md lists where
// other registries differ. Everything is in memory.
package registrytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/registry/compat"
)

// Server is a registry that listens on a loopback address. It is safe for
// concurrent use.
type Server struct {
	// URL is the base URL for a client, such as http://127.0.0.1:41234, with
	// the path that the dialect needs.
	URL string

	store  *store
	http   *http.Server
	closed chan struct{}
	once   sync.Once
	served chan struct{}
	check  func(*http.Request) bool // credentials; nil takes everybody

	keys *keyStore

	mu           sync.Mutex
	log          []Request
	faults       []*fault
	associations map[association][]string // subjects
}

// association names one part of a topic.
type association struct{ topic, part string }

// Option changes what [NewServer] makes.
type Option struct{ apply func(*config) }

type config struct {
	addr    string
	level   *compat.Level // nil: the dialect's
	dialect *traits
	tls     *tls.Config
	check   func(*http.Request) bool
}

// WithAddr sets the address to listen on, for local runs. The default is a free
// port of 127.0.0.1.
func WithAddr(hostPort string) Option { return Option{func(c *config) { c.addr = hostPort }} }

// WithLevel sets the global compatibility level. The default is the dialect's:
// BACKWARD, and NONE of [Apicurio].
func WithLevel(l compat.Level) Option { return Option{func(c *config) { c.level = &l }} }

// WithTLS serves https with t, which holds the server's certificate and, for
// mTLS, ClientAuth and ClientCAs. The default is http.
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

// WithBearer answers 401 to requests whose bearer token valid does not take.
func WithBearer(valid func(token string) bool) Option {
	return Option{func(c *config) {
		c.check = func(r *http.Request) bool {
			const scheme = "Bearer "
			h := r.Header.Get("Authorization")
			return len(h) > len(scheme) && h[:len(scheme)] == scheme && valid(h[len(scheme):])
		}
	}}
}

// NewServer starts an empty registry. Close it.
func NewServer(opts ...Option) (*Server, error) {
	cfg := config{addr: "127.0.0.1:0", dialect: Dialect{}.of()}
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
	s := &Server{
		store: newStore(level, cfg.dialect), keys: newKeyStore(), closed: make(chan struct{}), served: make(chan struct{}), check: cfg.check,
	}
	s.URL = "http://" + l.Addr().String() + cfg.dialect.base
	if cfg.tls != nil {
		s.URL = "https://" + l.Addr().String() + cfg.dialect.base
		cfg.tls.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, cfg.tls)
	}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 30 * time.Second, ErrorLog: discardLog()}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // it ends with Close only
	}()
	return s, nil
}

// Start is [NewServer] for a test. It fails the test instead of returning an
// error and closes the server when the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Close stops the server and cuts what is under way, like a killed registry. It
// may be called again.
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

// Seed registers schemas under a subject, one version each, in their order,
// whatever the compatibility level says. A schema that is there already gives
// no version. It is not counted as a request.
func (s *Server) Seed(subject string, schemas ...string) error {
	for i, text := range schemas {
		if _, _, err := s.store.register(subject, posted{Schema: text}, false); err != nil {
			return fmt.Errorf("registrytest: seed %q with schema %d of %d: %w", subject, i+1, len(schemas), err)
		}
	}
	return nil
}

// Associate associates the "value" or the "key" of a topic with a subject, in
// every cluster. It is not counted as a request.
func (s *Server) Associate(topic, part, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.associations == nil {
		s.associations = map[association][]string{}
	}
	a := association{topic, part}
	s.associations[a] = append(s.associations[a], subject)
}

func (s *Server) getAssociations(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	found := []map[string]string{}
	for _, part := range query["associationType"] {
		for _, subject := range s.associations[association{r.PathValue("topic"), part}] {
			found = append(found, map[string]string{
				"subject": subject, "resourceName": r.PathValue("topic"), "resourceNamespace": r.PathValue("cluster"),
				"resourceType": "topic", "associationType": part,
			})
		}
	}
	return found, nil
}

// SetLevel sets the compatibility level of a subject, or the global one when
// subject is empty.
func (s *Server) SetLevel(subject string, l compat.Level) { s.store.setLevel(subject, &l) }

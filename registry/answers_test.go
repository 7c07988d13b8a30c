package registry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestAnswersOfAProxy checks answers that no registry wrote, for example the
// answers of a proxy. For every status, the client retries such an answer and
// fails over, like after a 503. The control is the same status with a
// registry's text.
func TestAnswersOfAProxy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const page = "<!DOCTYPE html><html><body>Access denied</body></html>"
	for name, effect := range map[string]registrytest.Effect{
		"204":                 registrytest.Answer(204, "", ""),
		"200 empty":           registrytest.Answer(200, "application/json", ""),
		"200 {}":              registrytest.Answer(200, "application/json", "{}"),
		"200 list":            registrytest.Answer(200, "application/json", "[]"),
		"200 null":            registrytest.Answer(200, "application/json", "null"),
		"200 of another API":  registrytest.Answer(200, "application/json", `{"status":"ok"}`),
		"200 page":            registrytest.Answer(200, "text/html", page),
		"200 page as JSON":    registrytest.Answer(200, "application/json", page),
		"403 page":            registrytest.Answer(403, "text/html", page),
		"404 page":            registrytest.Answer(404, "text/html", page),
		"404 page, no header": registrytest.Answer(404, "", page),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := startSeeded(t), startSeeded(t)
			lift := first.Inject(effect)
			c := newClient(t, []string{first.URL, second.URL})
			if v, err := c.SchemaByID(ctx, "", 1); err != nil || v.Schema != orderV1 {
				t.Errorf("not failed over: %+v, %v", v, err)
			}
			if v, err := newClient(t, []string{first.URL, second.URL}).Register(ctx, "orders", registry.Schema{Text: orderV1}); err != nil || v.ID != 1 {
				t.Errorf("Register not failed over: %+v, %v", v, err)
			}
			_, err := newClient(t, []string{first.URL}).SchemaByID(ctx, "", 1)
			if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), first.URL) {
				t.Errorf("alone: %v", err)
			}
			lift()
			first.Inject(effect, registrytest.Times(2))
			if _, err := newClient(t, []string{first.URL}).SchemaByID(ctx, "", 1); err != nil {
				t.Errorf("not retried: %v", err)
			}
		})
	}
	for _, status := range []int{403, 404} {
		first, second := startSeeded(t), startSeeded(t)
		first.Inject(registrytest.Status(status))
		_, err := newClient(t, []string{first.URL, second.URL}).SchemaByID(ctx, "", 1)
		var answer *registry.Error
		if !errors.As(err, &answer) || answer.Status != status || answer.URL != first.URL || second.Requests() != 0 {
			t.Errorf("control: the registry's own %d: %v", status, err)
		}
	}
}

// TestErrorsSayWhere checks that an error names the action, the subject and the
// URL. If a 404 does not come from a registry, the error asks whether the path
// is correct.
func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	c := newClient(t, []string{s.URL + "/wrong/path"})
	for what, err := range map[string]error{
		"register": secondResult(c.Register(t.Context(), "orders", registry.Schema{Text: orderV1})),
		"look up":  secondResult(c.Lookup(t.Context(), "orders", registry.Schema{Text: orderV1})),
		"latest":   secondResult(c.Latest(t.Context(), "orders")),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		for _, want := range []string{what, `"orders"`, s.URL + "/wrong/path", "404"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", what, want, err)
			}
		}
	}
	s.Inject(registrytest.Answer(404, "text/plain", ""))
	_, err := newClient(t, []string{s.URL}).SchemaByID(t.Context(), "", 1)
	if err == nil || !strings.Contains(err.Error(), "/apis/ccompat/v7") {
		t.Errorf("no hint at the path: %v", err)
	}
	_, err = newClient(t, []string{startSeeded(t).URL}).SchemaByID(t.Context(), "", 99)
	if err == nil || strings.Contains(err.Error(), "/apis/ccompat/v7") {
		t.Errorf("control: a hint where the registry itself answered: %v", err)
	}
}

func secondResult[T any](_ T, err error) error { return err }

// TestPermanentFailuresAreNotRetriedInFull checks that the client does not
// repeat all retries after a failure that only a person can fix.
func TestPermanentFailuresAreNotRetriedInFull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	ca := newCA(t)
	secure := startSeeded(t, registrytest.WithTLS(&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}}))
	otherName := startSeeded(t, registrytest.WithTLS(&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "elsewhere")}}))
	mutual := startSeeded(t, registrytest.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}))
	plain := startSeeded(t)
	for name, test := range map[string]struct {
		url   string
		tls   *tls.Config
		tries int32
	}{
		"unknown CA":          {secure.URL, &tls.Config{}, 1},
		"another host's name": {otherName.URL, &tls.Config{RootCAs: ca.pool}, 1},
		"no certificate":      {mutual.URL, &tls.Config{RootCAs: ca.pool}, 1},
		"https to http":       {strings.Replace(plain.URL, "http:", "https:", 1), &tls.Config{}, 1},
		"control: refused":    {deadURL(t), &tls.Config{}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt := &hostCounter{transport: &http.Transport{TLSClientConfig: test.tls}}
			c := newClient(t, []string{test.url}, registry.WithTransport(rt), registry.WithRetries(7, 0, 0))
			_, err := c.SchemaByID(ctx, "", 1)
			if n := rt.count(test.url); !errors.Is(err, registry.ErrUnavailable) || n != int(test.tries) {
				t.Errorf("%d tries, want %d: %v", n, test.tries, err)
			}
		})
	}
	t.Run("unknown host", func(t *testing.T) {
		t.Parallel()
		tries := 0
		c := newClient(t, []string{"http://registry.invalid"}, registry.WithRetries(7, 0, 0), registry.WithTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "registry.invalid", IsNotFound: true}}
		})))
		if _, err := c.SchemaByID(ctx, "", 1); !errors.Is(err, registry.ErrUnavailable) || tries != 3 {
			t.Errorf("%d tries, want 3: %v", tries, err)
		}
	})
	// The client tries the second URL after any failure of the first URL.
	c := newClient(t, []string{secure.URL, plain.URL})
	if _, err := c.SchemaByID(ctx, "", 1); err != nil {
		t.Errorf("not failed over: %v", err)
	}
	// A token that is not valid in a header is not an outage.
	c = newClient(t, []string{plain.URL}, registry.WithTokenSource(fixedToken("tok\n")))
	if _, err := c.SchemaByID(ctx, "", 1); err == nil || errors.Is(err, registry.ErrUnavailable) || strings.Contains(err.Error(), "tok\n") {
		t.Errorf("a token with a line break: %v", err)
	}
}

type fixedToken string

func (f fixedToken) Token(context.Context) (registry.Token, error) {
	return registry.Token{Value: string(f)}, nil
}

// TestNoContentIsNotFound checks the status 204, Apicurio's answer if no
// version has the metadata.
func TestNoContentIsNotFound(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	s.Inject(registrytest.Answer(204, "application/json", ""))
	_, err := newClient(t, []string{s.URL}).LatestWithMetadata(t.Context(), "orders", map[string]string{"major": "1"})
	if !errors.Is(err, registry.ErrSchemaNotFound) || s.Requests() != 1 {
		t.Errorf("%v after %d requests", err, s.Requests())
	}
}

// TestNoContentAfterAChange checks that a 204 is enough for a change, because
// the client does not need the body of such an answer.
func TestNoContentAfterAChange(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	s.Inject(registrytest.Answer(204, "", ""))
	c := newClient(t, []string{s.URL})
	if err := c.SetCompatibility(t.Context(), "orders", compat.Full); err != nil || s.Requests() != 1 {
		t.Errorf("SetCompatibility: %v after %d requests", err, s.Requests())
	}
	if err := c.SetMode(t.Context(), "orders", registry.ReadOnly); err != nil || s.Requests() != 2 {
		t.Errorf("SetMode: %v after %d requests", err, s.Requests())
	}
}

// TestReferenceToTheLatestVersion checks that the client replaces version 0 in
// a reference by the number of the latest version.
func TestReferenceToTheLatestVersion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := registrytest.Start(t)
	if err := s.Seed("money", `{"type":"record","name":"Money","fields":[]}`, `{"type":"record","name":"Money","fields":[{"name":"cents","type":"long","default":0}]}`); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, []string{s.URL})
	schema := registry.Schema{Text: `{"type":"array","items":"Money"}`, References: []registry.Reference{{Name: "Money", Subject: "money"}}}
	for what, call := range map[string]func(context.Context, string, registry.Schema) (registry.Version, error){"Register": c.Register, "Lookup": c.Lookup} {
		if what == "Lookup" {
			if _, err := c.Register(ctx, "prices", schema); err != nil {
				t.Fatal(err)
			}
		}
		v, err := call(ctx, "prices", schema)
		if err != nil || len(v.References) != 1 || v.References[0].Version != 2 || !strings.Contains(v.Schema, "cents") {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	if found, err := c.TestCompatibility(ctx, "prices", schema); err != nil || len(found) != 0 {
		t.Errorf("TestCompatibility: %v, %v", found, err)
	}
	for _, r := range s.Log() {
		if strings.Contains(r.Body, `"version":0`) {
			t.Errorf("version 0 was sent: %v %s", r, r.Body)
		}
	}
	if schema.References[0].Version != 0 {
		t.Error("the caller's schema was changed")
	}
	schema.References[0].Subject = "nobody"
	if _, err := c.Register(ctx, "prices", schema); !errors.Is(err, registry.ErrSubjectNotFound) || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("a reference to the latest of no subject: %v", err)
	}
}

// TestDiskCacheThatOthersMayWrite checks that the client refuses a cache folder
// that other users may write. The files in the folder decide the meaning of
// bytes.
func TestDiskCacheThatOthersMayWrite(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o722, 0o1777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode&0o777|fs.FileMode(mode&0o1000)<<11); err != nil {
			t.Fatal(err)
		}
		if _, err := registry.New([]string{s.URL}, registry.WithDiskCache(dir)); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("mode %o: %v", mode, err)
		}
		below := newClient(t, []string{s.URL}, registry.WithDiskCache(filepath.Join(dir, "own")))
		if _, err := below.SchemaByID(ctx, "", 1); err != nil {
			t.Errorf("control: a folder of its own below: %v", err)
		}
	}
	// Test the folder of a single registry, and a single file.
	dir := t.TempDir()
	c := newClient(t, []string{s.URL}, registry.WithDiskCache(dir))
	if _, err := c.SchemaByID(ctx, "", 1); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "id-*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	for _, mode := range []fs.FileMode{0o666, 0o620, 0o600} {
		if err := os.Chmod(files[0], mode); err != nil {
			t.Fatal(err)
		}
		s.ResetLog()
		var log syncBuffer
		c := newClient(t, []string{s.URL}, registry.WithDiskCache(dir), registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if _, err := c.SchemaByID(ctx, "", 1); err != nil {
			t.Error(err)
		}
		ignored := strings.Contains(log.String(), "registry_disk_cache_ignored")
		if safe := mode == 0o600; ignored == safe || (s.Requests() == 0) != safe {
			t.Errorf("file of mode %o: ignored %v, %d requests", mode, ignored, s.Requests())
		}
		if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file was not replaced: %v, %v", info.Mode(), err)
		}
	}
	if err := os.Chmod(filepath.Dir(files[0]), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.New([]string{s.URL}, registry.WithDiskCache(dir)); err == nil {
		t.Error("the folder of the registry itself is open, and was taken")
	}
}

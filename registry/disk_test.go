package registry_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// serviceRun makes the registry calls of a service in a single run.
func serviceRun(ctx context.Context, c *registry.Client, guid *uuid.UUID) error {
	v, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1})
	if *guid == uuid.Nil {
		*guid = v.GUID
	}
	_, err2 := c.Lookup(ctx, "orders", registry.Schema{Text: orderV1, Normalize: true})
	_, err3 := c.Latest(ctx, "orders")
	_, err4 := c.SchemaByID(ctx, "", 1)
	_, err5 := c.SchemaByGUID(ctx, *guid)
	return errors.Join(err, err2, err3, err4, err5)
}

// TestDiskCacheOutlivesTheRegistry checks that a service with a disk cache can
// restart without a registry.
func TestDiskCacheOutlivesTheRegistry(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*registrytest.Server){
		"gone":  func(s *registrytest.Server) { _ = s.Close() },
		"hangs": func(s *registrytest.Server) { s.Inject(registrytest.Hang()) },
		"500":   func(s *registrytest.Server) { s.Inject(registrytest.Status(500)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s := registrytest.Start(t)
			dir := t.TempDir()
			var guid uuid.UUID
			if err := serviceRun(ctx, newClient(t, []string{s.URL}, registry.WithDiskCache(dir)), &guid); err != nil {
				t.Fatal(err)
			}
			stop(s)
			if err := serviceRun(ctx, newClient(t, []string{s.URL}, registry.WithDiskCache(dir)), &guid); err != nil {
				t.Errorf("with the disk cache: %v", err)
			}
			short, cancel := context.WithCancel(ctx)
			cancel()
			err := serviceRun(short, newClient(t, []string{s.URL}), &guid)
			if err == nil || strings.Count(err.Error(), "\n") != 4 {
				t.Errorf("control, without the cache all five must fail: %v", err)
			}
		})
	}
}

// TestDiskCacheTenants checks that two tenants of a hosted registry with one
// URL share no files, because an id has another schema for each tenant. The
// control is a second client of the same tenant, which needs no request.
func TestDiskCacheTenants(t *testing.T) {
	t.Parallel()
	for name, tenant := range map[string]func(name string) (string, registry.Option){
		"header": func(name string) (string, registry.Option) {
			return "http://registry.invalid", registry.WithHeader("target-sr-cluster", name)
		},
		"user": func(name string) (string, registry.Option) {
			return "http://registry.invalid", registry.WithBasicAuth(name, "secret")
		},
		"user of the URL": func(name string) (string, registry.Option) {
			return "http://" + name + ":secret@registry.invalid", registry.Option{}
		},
		"client id": func(name string) (string, registry.Option) {
			return "http://registry.invalid", registry.WithTokenSource(&registry.ClientCredentials{ClientID: name, HTTPClient: &http.Client{
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					return reply(r, 200, `{"access_token":"t-`+name+`"}`), nil
				}),
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			requests := 0
			read := func(name string) string {
				url, opt := tenant(name)
				c := newClient(t, []string{url}, opt, registry.WithDiskCache(dir), registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
					requests++
					user, _, _ := r.BasicAuth()
					if cmp.Or(r.Header.Get("target-sr-cluster"), user, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer t-")) == "a" {
						return reply(r, 200, `{"schema":"\"int\""}`), nil
					}
					return reply(r, 200, `{"schema":"\"string\""}`), nil
				})))
				v, err := c.SchemaByID(context.Background(), "", 1)
				if err != nil {
					t.Fatal(err)
				}
				return v.Schema
			}
			if a, b := read("a"), read("b"); a != `"int"` || b != `"string"` {
				t.Errorf("tenant a reads %s and tenant b %s", a, b)
			}
			if again := read("b"); again != `"string"` || requests != 2 {
				t.Errorf("control: tenant b reads %s again, and %d requests were made", again, requests)
			}
		})
	}
}

// TestDiskCacheTornFiles checks that the client detects a file that is torn at
// any place, ignores the file and writes the file again.
func TestDiskCacheTornFiles(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	dir := t.TempDir()
	var guid uuid.UUID
	if err := serviceRun(ctx, newClient(t, []string{s.URL}, registry.WithDiskCache(dir)), &guid); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files, want 5: %v %v", len(files), files, err)
	}
	for name, tear := range map[string]func([]byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"cut":        func(b []byte) []byte { return b[:len(b)/2] },
		"one bit":    func(b []byte) []byte { b[len(b)-10] ^= 1; return b },
		"longer":     func(b []byte) []byte { return append(b, '\n') },
		"other text": func([]byte) []byte { return []byte("hello") },
	} {
		whole := map[string][]byte{}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			whole[f] = bytes.Clone(b)
			if err := os.WriteFile(f, tear(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var log syncBuffer
		s.ResetLog()
		c := newClient(t, []string{s.URL}, registry.WithDiskCache(dir), registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err := serviceRun(ctx, c, &guid); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Register got the schema of the id, so the id's file is written again
		// before it is read.
		if n := strings.Count(log.String(), "registry_disk_cache_ignored"); n != 4 {
			t.Errorf("%s: %d of 4 torn files noticed:\n%s", name, n, log.String())
		}
		if s.Requests() == 0 {
			t.Errorf("%s: the registry was not asked", name)
		}
		for f, want := range whole {
			if got, err := os.ReadFile(f); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %s was not rebuilt: %q, %v", name, filepath.Base(f), got, err)
			}
		}
	}
	// The control. The client reads whole files without a log line and without
	// a call for ids.
	s.ResetLog()
	if _, err := newClient(t, []string{s.URL}, registry.WithDiskCache(dir)).SchemaByID(ctx, "", 1); err != nil || s.Requests() != 0 {
		t.Errorf("control: %v, %d requests", err, s.Requests())
	}
}

// TestDiskCacheMixedUpFiles checks that the client ignores the file of a fact
// under the name of another fact.
func TestDiskCacheMixedUpFiles(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	dir := t.TempDir()
	c := newClient(t, []string{s.URL}, registry.WithDiskCache(dir))
	_, _ = c.SchemaByID(ctx, "", 1)
	one, _ := filepath.Glob(filepath.Join(dir, "*", "id-*"))
	_, _ = c.SchemaByID(ctx, "", 2)
	both, _ := filepath.Glob(filepath.Join(dir, "*", "id-*"))
	if len(one) != 1 || len(both) != 2 {
		t.Fatal(one, both)
	}
	b, err := os.ReadFile(one[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range both {
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newClient(t, []string{s.URL}, registry.WithDiskCache(dir)).SchemaByID(ctx, "", 2); err != nil || got.Schema != orderV2 {
		t.Errorf("schema 2 = %q, %v", got.Schema, err)
	}
}

// TestDiskCacheShared checks that several clients write and read the same
// folder at once.
func TestDiskCacheShared(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var log syncBuffer
			c := newClient(t, []string{s.URL}, registry.WithDiskCache(dir), registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			for id, want := range map[int]string{1: orderV1, 2: orderV2, 3: orderV3} {
				if got, err := c.SchemaByID(ctx, "", id); err != nil || got.Schema != want {
					t.Errorf("%d: %q, %v", id, got.Schema, err)
				}
			}
			if _, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1}); err != nil {
				t.Error(err)
			}
			for line := range strings.Lines(log.String()) {
				// On a loaded machine the registry may need more than a second.
				if !strings.Contains(line, "msg=registry_disk_cache_used") {
					t.Error(line)
				}
			}
		})
	}
	wg.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDiskCacheOfAnotherRegistry checks that two registries do not share cached
// facts. A refusal does not count as an outage.
func TestDiskCacheOfAnotherRegistry(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, b := registrytest.Start(t), registrytest.Start(t)
	if err := errors.Join(a.Seed("orders", orderV1), b.Seed("orders", orderV2)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for url, want := range map[string]string{a.URL: orderV1, b.URL: orderV2} {
		c := newClient(t, []string{url}, registry.WithDiskCache(dir))
		if got, err := c.SchemaByID(ctx, "", 1); err != nil || got.Schema != want {
			t.Errorf("%q, %v", got.Schema, err)
		}
		if _, err := c.Register(ctx, "orders", registry.Schema{Text: want}); err != nil {
			t.Error(err)
		}
	}
	a.Inject(registrytest.Status(403))
	var answer *registry.Error
	if _, err := newClient(t, []string{a.URL}, registry.WithDiskCache(dir)).Register(ctx, "orders", registry.Schema{Text: orderV1}); !errors.As(err, &answer) || answer.Status != 403 {
		t.Errorf("a registry that refuses us: %v", err)
	}
	if _, err := registry.New([]string{a.URL}, registry.WithDiskCache(filepath.Join(dir, "file", "\x00"))); err == nil {
		t.Error("a folder that cannot be made was taken")
	}
}

// syncBuffer is a log that several goroutines can write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

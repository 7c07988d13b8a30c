package registry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// seenByHooks records the arguments of the hooks.
type seenByHooks struct {
	mu       sync.Mutex
	answers  []string
	requests []string
	last     registry.Response
	errs     int
}

type fromHook struct{}

func (s *seenByHooks) hooks() registry.Hooks {
	return registry.Hooks{
		Answered: func(_ context.Context, a registry.Answered) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.answers = append(s.answers, strings.TrimSpace(a.Operation+" "+a.Origin.String()+" "+a.Subject))
			if a.Err != nil {
				s.errs++
			}
		},
		StartRequest: func(ctx context.Context, r registry.Request) context.Context {
			return context.WithValue(ctx, fromHook{}, r.Method+" "+r.Route)
		},
		EndRequest: func(ctx context.Context, r registry.Request, e registry.Response) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.requests = append(s.requests, ctx.Value(fromHook{}).(string))
			s.last = e
		},
	}
}

// take returns the answers and requests since the last call.
func (s *seenByHooks) take() (answers, requests []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers, requests = s.answers, s.requests
	s.answers, s.requests = nil, nil
	return answers, requests
}

// hookContextCounter is a round tripper that counts the requests whose context
// comes from the hook.
type hookContextCounter struct {
	http.RoundTripper
	mu sync.Mutex
	n  int
}

func (c *hookContextCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(fromHook{}) != nil {
		c.mu.Lock()
		c.n++
		c.mu.Unlock()
	}
	return c.RoundTripper.RoundTrip(r)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startSeeded(t)
	dir := t.TempDir()
	var seen seenByHooks
	attempts := &hookContextCounter{RoundTripper: http.DefaultTransport}
	open := func(urls ...string) *registry.Client {
		return newClient(t, urls, registry.WithHooks(seen.hooks()), registry.WithDiskCache(dir), registry.WithTransport(attempts), registry.WithRetries(2, 0, 0))
	}
	check := func(what string, wantAnswers, wantRequests []string) {
		t.Helper()
		answers, requests := seen.take()
		if diff := cmp.Diff([][]string{wantAnswers, wantRequests}, [][]string{answers, requests}); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	byID := "GET /schemas/ids/{id}"
	c := open(s.URL)
	_, _ = c.SchemaByID(ctx, "", 1)
	check("first", []string{"schema_by_id registry"}, []string{byID})
	_, _ = c.SchemaByID(ctx, "", 1)
	check("second", []string{"schema_by_id memory"}, nil)
	if attempts.n != 1 {
		t.Errorf("%d attempts had the context of the hook", attempts.n)
	}
	c = open(s.URL)
	_, _ = c.SchemaByID(ctx, "", 1)
	check("another client", []string{"schema_by_id disk"}, nil)

	if _, err := c.SchemaByID(ctx, "", 999); err == nil {
		t.Error("control: schema 999")
	}
	_, _ = c.SchemaByID(ctx, "", 999)
	check("unknown", []string{"schema_by_id registry", "schema_by_id memory"}, []string{byID})
	if seen.last.Status != 404 || seen.last.Attempts != 1 || seen.errs != 2 || seen.last.Err == nil {
		t.Errorf("unknown: %+v, %d errors", seen.last, seen.errs)
	}

	text := `{"type":"record","name":"Hooked","fields":[{"name":"a","type":"string"}]}`
	v, err := c.Register(ctx, "hooked", registry.Schema{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Lookup(ctx, "hooked", registry.Schema{Text: text})
	_, _ = c.Latest(ctx, "hooked")
	_, _ = c.Version(ctx, "hooked", v.Version)
	_, _ = c.FindVersion(ctx, "hooked", text)
	answers, requests := seen.take()
	want := []string{"register registry hooked", "lookup registry hooked", "latest registry hooked", "version registry hooked", "find_version registry hooked"}
	if v.Version != 0 { // the registry returns it, so that Lookup has its answer
		want[1] = "lookup memory hooked"
	}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Error(diff)
	}
	for _, r := range requests {
		if strings.Contains(r, "hooked") || strings.Contains(r, "{other}") {
			t.Errorf("route %s", r)
		}
	}

	// A 500 is tried again, and a URL that does not answer is left.
	lift := s.Inject(registrytest.Status(500))
	_, err = c.SchemaByID(ctx, "", 998)
	lift()
	if err == nil || seen.last.Attempts != 3 || seen.last.Status != 500 || seen.last.URLs != 1 {
		t.Errorf("500: %+v, %v", seen.last, err)
	}
	c = open("http://127.0.0.1:1", s.URL)
	_, _ = c.SchemaByID(ctx, "", 997)
	if seen.last.URLs != 2 || seen.last.Attempts != 2 || seen.last.URL != s.URL || seen.last.Status != 404 {
		t.Errorf("failover: %+v", seen.last)
	}
}

// TestHooksOfConcurrentCallers lets many callers wait for one request. Each
// caller has an answer, and the request is told once.
func TestHooksOfConcurrentCallers(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	var seen seenByHooks
	c := newClient(t, []string{s.URL}, registry.WithHooks(seen.hooks()), registry.WithHooks(registry.Hooks{}))
	s.Inject(registrytest.Latency(20 * time.Millisecond))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, _ = c.SchemaByID(t.Context(), "", 1) })
	}
	wg.Wait()
	answers, requests := seen.take()
	if len(answers) != 20 || len(requests) != 1 {
		t.Errorf("%d answers, %d requests", len(answers), len(requests))
	}
}

// TestHooksPanic checks that a hook that panics, or that returns no context,
// ends no call.
func TestHooksPanic(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	var log bytes.Buffer
	var seen seenByHooks
	c := newClient(t, []string{s.URL}, registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		registry.WithHooks(registry.Hooks{
			Answered:     func(context.Context, registry.Answered) { panic("answered") },
			StartRequest: func(context.Context, registry.Request) context.Context { panic("start") },
			EndRequest:   func(context.Context, registry.Request, registry.Response) { panic("end") },
		}),
		registry.WithHooks(registry.Hooks{StartRequest: func(context.Context, registry.Request) context.Context { return nil }}),
		registry.WithHooks(seen.hooks()))
	if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
		t.Error(err)
	}
	if answers, requests := seen.take(); len(answers) != 1 || len(requests) != 1 {
		t.Errorf("%v, %v", answers, requests)
	}
	if n := strings.Count(log.String(), "msg=hook_panicked"); n != 3 {
		t.Errorf("%d panics logged: %s", n, &log)
	}
}

// TestUnusedHooksCostNothing checks that a warm look-up allocates nothing
// without hooks. The control has a hook.
func TestUnusedHooksCostNothing(t *testing.T) {
	s := startSeeded(t)
	for name, test := range map[string]struct {
		opts []registry.Option
		free bool
	}{
		"none":    {nil, true},
		"empty":   {[]registry.Option{registry.WithHooks(registry.Hooks{})}, true},
		"control": {[]registry.Option{registry.WithHooks(registry.Hooks{Answered: func(context.Context, registry.Answered) {}})}, false},
	} {
		// The default transport would read the proxy variables before
		// TestProxyFromEnvironment sets them.
		c := newClient(t, []string{s.URL}, append(test.opts, registry.WithTransport(&http.Transport{}))...)
		if _, err := c.Latest(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = c.Latest(t.Context(), "orders") }); (n == 0) != test.free {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

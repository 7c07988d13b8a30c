package registry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riferrei/srclient"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// hostCounter counts the requests per host.
type hostCounter struct {
	transport http.RoundTripper // nil means http.DefaultTransport

	mu    sync.Mutex
	hosts map[string]int
}

func (c *hostCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.hosts == nil {
		c.hosts = map[string]int{}
	}
	c.hosts[r.URL.Host]++
	c.mu.Unlock()
	if c.transport != nil {
		return c.transport.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (c *hostCounter) count(url string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[strings.TrimPrefix(strings.TrimPrefix(url, "http://"), "https://")]
}

// deadURL returns an address that refuses connections.
func deadURL(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// startSeeded starts a registry with three schemas, ids 1 to 3.
func startSeeded(t *testing.T, opts ...registrytest.Option) *registrytest.Server {
	t.Helper()
	s := registrytest.Start(t, opts...)
	if err := s.Seed("orders", orderV1, orderV2, orderV3); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFaultOnce checks that the client survives a single fault of each kind
// because it asks again. The control is a client without retries, which gets
// the error.
func TestFaultOnce(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]registrytest.Effect{
		"500":               registrytest.Status(500),
		"503":               registrytest.Status(503),
		"408":               registrytest.Status(408),
		"429":               registrytest.Status(429, "Retry-After", "0"),
		"reset":             registrytest.Reset(),
		"cut body":          registrytest.CutBody(),
		"HTML":              registrytest.HTML(),
		"empty 502":         registrytest.Answer(502, "text/plain", ""),
		"redirect loop":     registrytest.RedirectLoop(),
		"registered before": registrytest.Answer(409, "application/json", `{"error_code":409,"message":"Artifact 'orders' already exists"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSeeded(t)
			times := 2
			if name == "redirect loop" {
				times = 12 // an attempt has six hops
			}
			ctx := context.Background()
			defer s.Inject(effect, registrytest.Times(times))()
			if got, err := newClient(t, []string{s.URL}).SchemaByID(ctx, "", 1); err != nil || got.Schema != orderV1 {
				t.Fatalf("SchemaByID = %q, %v", got.Schema, err)
			}
			defer s.Inject(effect)()
			if _, err := newClient(t, []string{s.URL}, registry.WithRetries(0, 0, 0)).SchemaByID(ctx, "", 1); !errors.Is(err, registry.ErrUnavailable) {
				t.Errorf("control: a client that does not retry got %v", err)
			}
			n := s.Requests()
			_, err := newClient(t, []string{s.URL}).SchemaByID(ctx, "", 1)
			if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), s.URL) {
				t.Errorf("a fault that stays: %v", err)
			}
			if n := s.Requests() - n; n > 4*6 {
				t.Errorf("%d requests for 4 attempts", n)
			}
		})
	}
}

// TestCutRefusal cuts the body of a refusal once. The code in the body says
// that the id is unknown, so the client asks again. The control is a client
// without retries, which must not believe the rest of the body.
func TestCutRefusal(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	s.Inject(registrytest.CutBody(), registrytest.Times(2))
	_, err := newClient(t, []string{s.URL}, registry.WithRetries(0, 0, 0)).SchemaByID(ctx, "", 99)
	if !errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("control: %v", err)
	}
	_, err = newClient(t, []string{s.URL}).SchemaByID(ctx, "", 99)
	if !errors.Is(err, registry.ErrSchemaNotFound) || errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("after a cut 404: %v", err)
	}
}

// TestLongRefusal reads the refusal of a large schema. Confluent's registry
// quotes the old schema in the refusal.
func TestLongRefusal(t *testing.T) {
	t.Parallel()
	answer := `{"error_code":409,"message":"details: [{errorType:'NAME_MISMATCH', description:'at path '/name'', additionalInfo:'expected: a'}, {oldSchema: '` +
		strings.Repeat("x", 1<<20) + `'}]"}`
	c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return reply(r, 409, answer), nil
		}
		return reply(r, 404, `{"error_code":40401,"message":"no"}`), nil
	})))
	_, err := c.Register(context.Background(), "orders", registry.Schema{Text: orderV1})
	var refused *registry.IncompatibleError
	if !errors.As(err, &refused) || len(refused.Findings) != 1 || refused.Findings[0].Path != "/name" || len(err.Error()) > 500 {
		t.Errorf("%.500v", err)
	}
}

func TestHTMLControl(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	s.Inject(registrytest.HTML(), registrytest.Times(1))
	if _, err := srclient.NewSchemaRegistryClient(s.URL).GetSchema(1); err == nil {
		t.Fatal("control: bare srclient took a page for a schema")
	}
}

func TestWrongID(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	for name, n := range map[string]int{"of another schema": 1, "of none": 100} {
		lift := s.Inject(registrytest.WrongID(n), registrytest.OnMethod("POST"))
		c := newClient(t, []string{s.URL})
		for what, call := range map[string]func(context.Context, string, registry.Schema) (registry.Version, error){
			"Register": c.Register, "Lookup": c.Lookup,
		} {
			// A lagging node would give the same answer as this registry gives
			// to an unknown id. The client asks again until the context ends.
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			v, err := call(short, "orders", registry.Schema{Text: orderV1})
			cancel()
			if err == nil || n == 1 && !strings.Contains(err.Error(), "answered id 2, which is another schema") {
				t.Errorf("id %s: %s = %d, %v", name, what, v.ID, err)
			}
		}
		// The control. srclient alone believes the answer.
		if got, err := srclient.NewSchemaRegistryClient(s.URL).LookupSchema("orders", orderV1, srclient.Avro); err != nil || got.ID() != 1+n {
			t.Errorf("control: %v, %v", got, err)
		}
		lift()
		if v, err := newClient(t, []string{s.URL}).Register(ctx, "orders", registry.Schema{Text: orderV1}); err != nil || v.ID != 1 {
			t.Errorf("after the fault: %d, %v", v.ID, err)
		}
	}
	defer s.Inject(registrytest.Answer(200, "application/json", `{"id":2,"schema":"\"string\""}`), registrytest.OnID(1))()
	if got, err := newClient(t, []string{s.URL}).SchemaByID(ctx, "", 1); err == nil {
		t.Errorf("asked for id 1, answered with id 2: %s", got.Schema)
	}
}

func TestInvalidAnswers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, body := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "no id": "{}", "negative": `{"id":-1}`, "text": `{"id":"seven"}`,
		"too large": `{"id":4294967296}`, "fraction": `{"id":1.5}`,
	} {
		s := startSeeded(t)
		s.Inject(registrytest.Answer(200, "application/json", body))
		c := newClient(t, []string{s.URL})
		if v, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1}); err == nil {
			t.Errorf("%s: registered as %d", name, v.ID)
		}
		if v, err := c.SchemaByID(ctx, "", 1); err == nil {
			t.Errorf("%s: v.Schema %q", name, v.Schema)
		}
		if v, err := c.Latest(ctx, "orders"); err == nil {
			t.Errorf("%s: latest %q", name, v.Schema)
		}
	}
}

func TestFirstURLDead(t *testing.T) {
	t.Parallel()
	dead, s, rt := deadURL(t), startSeeded(t), new(hostCounter)
	c := newClient(t, []string{dead, s.URL}, registry.WithTransport(rt))
	for id := 1; id <= 3; id++ {
		if _, err := c.SchemaByID(context.Background(), "", id); err != nil {
			t.Fatal(err)
		}
	}
	if n := rt.count(dead); n != 1 {
		t.Errorf("%d attempts on the dead URL, want 1", n)
	}
	_, err := newClient(t, []string{dead}).SchemaByID(context.Background(), "", 1)
	if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), dead) {
		t.Errorf("control, the dead URL alone: %v", err)
	}
}

func TestURLHangs(t *testing.T) {
	t.Parallel()
	slow, s, rt := startSeeded(t), startSeeded(t), new(hostCounter)
	slow.Inject(registrytest.Hang())
	timeout := registry.WithTimeout(500 * time.Millisecond)
	c := newClient(t, []string{slow.URL, s.URL}, registry.WithTransport(rt), timeout)
	for id := 1; id <= 3; id++ {
		if _, err := c.SchemaByID(context.Background(), "", id); err != nil {
			t.Fatal(err)
		}
	}
	if n := rt.count(slow.URL); n != 1 {
		t.Errorf("%d attempts on the URL that hangs, want 1", n)
	}
	_, err := newClient(t, []string{slow.URL}, timeout).SchemaByID(context.Background(), "", 1)
	if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within 500ms") {
		t.Errorf("control, the one that hangs alone: %v", err)
	}
}

// TestURLHangsUnderDeadline checks that the URLs share the deadline, so the
// second URL has time if the first URL hangs. The error names the URL that did
// not answer.
func TestURLHangsUnderDeadline(t *testing.T) {
	t.Parallel()
	slow, s := startSeeded(t), startSeeded(t)
	slow.Inject(registrytest.Hang())
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	if _, err := newClient(t, []string{slow.URL, s.URL}).SchemaByID(ctx, "", 1); err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := newClient(t, []string{slow.URL}).SchemaByID(ctx, "", 1)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), slow.URL+": no answer yet") {
		t.Errorf("control, the one that hangs alone: %v", err)
	}
}

func TestURLDiesMidway(t *testing.T) {
	t.Parallel()
	first, second := startSeeded(t), startSeeded(t)
	both := newClient(t, []string{first.URL, second.URL})
	alone := newClient(t, []string{first.URL})
	for _, c := range []*registry.Client{both, alone} {
		if _, err := c.SchemaByID(context.Background(), "", 1); err != nil {
			t.Fatal(err)
		}
	}
	if second.Requests() != 0 {
		t.Error("the second URL was asked while the first answered")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := both.SchemaByID(context.Background(), "", 2); err != nil {
		t.Error(err)
	}
	if _, err := alone.SchemaByID(context.Background(), "", 2); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("control: %v", err)
	}
	if _, err := alone.SchemaByID(context.Background(), "", 1); err != nil {
		t.Errorf("what was known before: %v", err)
	}
}

// TestHangDoesNotReachWarmSubjects checks that a hanging registry delays no
// call whose answer is in the cache.
func TestHangDoesNotReachWarmSubjects(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	c := newClient(t, []string{s.URL}, registry.WithLatestTTL(time.Nanosecond))
	made, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SchemaByGUID(ctx, made.GUID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Latest(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	s.Inject(registrytest.Hang())
	cold, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.Register(cold, "cold", registry.Schema{Text: orderV2}); !errors.Is(err, context.Canceled) {
				t.Errorf("control: the cold subject got %v", err)
			}
		})
	}
	for range 10_000 {
		if got, err := c.Register(ctx, "orders", registry.Schema{Text: orderV1}); err != nil || got.ID != made.ID {
			t.Fatal(got.ID, err)
		}
		if _, err := c.SchemaByID(ctx, "", made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SchemaByGUID(ctx, made.GUID); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Latest(ctx, "orders"); err != nil { // immediately stale, and the refresh fails
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	target, s := startSeeded(t), startSeeded(t)
	lift := s.Inject(registrytest.Redirect(target.URL))
	c := newClient(t, []string{s.URL}, registry.WithBasicAuth("alice", "s3cr3t"), registry.WithHeader("X-Cluster", "lsrc-1"))
	if v, err := c.Register(ctx, "new", registry.Schema{Text: orderV1}); err != nil || v.ID != 1 {
		t.Errorf("a redirected Register: %d, %v", v.ID, err)
	}
	if log := s.Log(); len(log) == 0 || log[0].Header.Get("Authorization") == "" || log[0].Header.Get("X-Cluster") == "" {
		t.Error("control: no credentials reached the registry itself")
	}
	if target.Requests() == 0 {
		t.Error("the redirect was not followed")
	}
	for _, r := range target.Log() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Cluster") != "" {
			t.Errorf("credentials went to another host: %v", r)
		}
	}
	lift()
	// A 301 for a POST would turn the POST into a GET.
	moved := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		return reply(r, 301, "", "Location", s.URL+r.URL.Path), nil
	})))
	if _, err := moved.Register(ctx, "new", registry.Schema{Text: orderV1}); err == nil || !strings.Contains(err.Error(), "drops its body") {
		t.Errorf("301 on a POST: %v", err)
	}
}

func TestBodyTooLong(t *testing.T) {
	t.Parallel()
	c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		resp := reply(r, 200, "")
		resp.Body = io.NopCloser(endlessReader{})
		return resp, nil
	})))
	if _, err := c.SchemaByID(context.Background(), "", 1); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("an endless answer: %v", err)
	}
}

type endlessReader struct{}

func (endlessReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// roundTrip is a registry without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

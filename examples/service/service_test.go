package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// running is a service with embedded parts.
type running struct {
	*service
	inside *embedded
	url    string
	client *http.Client
}

func start(t *testing.T) *running {
	t.Helper()
	inside, err := startEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.close)
	return serve(t, config{brokers: inside.broker.Addrs(), registry: inside.registry.URL, instance: "test"}, inside)
}

// serve starts a service and waits until it is ready.
func serve(t *testing.T, c config, inside *embedded) *running {
	t.Helper()
	return serveWith(t, c, inside, slog.New(slog.DiscardHandler))
}

func serveWith(t *testing.T, c config, inside *embedded, log *slog.Logger) *running {
	t.Helper()
	s, err := newService(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.start(ctx)
	server := httptest.NewServer(s.routes(inside))
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := s.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	r := &running{s, inside, server.URL, server.Client()}
	r.until(t, "ready", func() bool { code, _ := r.do(t, "GET", "/ready", ""); return code == 200 })
	return r
}

// do sends a request and returns the status and the body.
func (r *running) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (*running) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// created returns the order ids in the topic, with the number of events for
// each id.
func created(t *testing.T, b *producertest.Broker, registryURL string) map[uuid.UUID]int {
	t.Helper()
	reg, err := registry.New([]string{registryURL})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close() }()
	d, err := serde.NewDeserializer[orders.OrderCreated](reg)
	if err != nil {
		t.Fatal(err)
	}
	all := map[uuid.UUID]int{}
	for r, err := range producertest.Read(t.Context(), b, createdTopic, d) {
		if err != nil {
			t.Fatal(err)
		}
		all[r.Value.OrderID]++
	}
	return all
}

// TestOrders checks the handlers that publish. It also checks that the
// processor books the order.
func TestOrders(t *testing.T) {
	t.Parallel()
	r := start(t)
	code, body := r.do(t, "POST", "/orders", `{"customer":"ada","total_cents":4200}`)
	var p placed
	if err := json.Unmarshal([]byte(body), &p); code != http.StatusCreated || err != nil || p.Topic != createdTopic || p.Offset != 0 {
		t.Fatalf("%d %s %v", code, body, err)
	}
	if diff := cmp.Diff(map[uuid.UUID]int{p.OrderID: 1}, created(t, r.inside.broker, r.inside.registry.URL)); diff != "" {
		t.Error(diff)
	}
	if code, body := r.do(t, "DELETE", "/orders/"+p.OrderID.String()+"?reason=late", ""); code != http.StatusOK || !strings.Contains(body, canceledTopic) {
		t.Errorf("%d %s", code, body)
	}
	r.until(t, "two entries in the ledger", func() bool {
		_, metrics := r.do(t, "GET", "/metrics", "")
		return strings.Contains(metrics, `avroline_messages_total{outcome="delivered",topic="ledger"} 2`) &&
			strings.Contains(metrics, `avroline_transactions_total{client="booking",result="committed"} 1`) &&
			strings.Contains(metrics, `avroline_processor_records_total{client="booking",result="ok"} 1`) &&
			strings.Contains(metrics, `avroline_processor_batches_total{client="booking",result="committed"} 1`)
	})
	for _, bad := range []struct{ method, path, body string }{
		{"POST", "/orders", ``},
		{"POST", "/orders", `{}`},
		{"POST", "/orders", `{"customer":"ada","total_cents":0}`},
		{"POST", "/orders", `{"customer":"ada","total_cents":1,"discount":5}`},
		{"POST", "/orders", `{"customer":"` + strings.Repeat("a", 70<<10) + `","total_cents":1}`},
		{"POST", "/orders", `{"customer":"ada","total_cents":1} x`},
		{"POST", "/orders", `{"customer":"ada","total_cents":1}}`},
		{"DELETE", "/orders/17", ``},
		{"DELETE", "/orders/" + p.OrderID.String() + "?reason=%ff", ``},
		{"DELETE", "/orders/" + p.OrderID.String() + "?reason=" + strings.Repeat("a", 1_000_100), ``},
	} {
		if code, body := r.do(t, bad.method, bad.path, bad.body); code != http.StatusBadRequest || !strings.Contains(body, "problem") {
			t.Errorf("%.60v: %d %s", bad, code, body)
		}
	}
}

// TestNoCacheFolder starts the service where no folder can be made, for example
// in a container without a writable folder.
func TestNoCacheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file") // no folder can be made under a file
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, file)
	}
	var log strings.Builder
	c := config{brokers: []string{"127.0.0.1:1"}, registry: "http://127.0.0.1:1"}
	reg, err := c.openRegistry(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.Close(); err != nil {
		t.Error(err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "no_disk_cache") {
		t.Errorf("the log: %s", &log)
	}
}

// TestOutage stops the brokers. The service must report the outage, must not
// lose an accepted order, and must recover.
func TestOutage(t *testing.T) {
	t.Parallel()
	r := start(t)
	if code, body := r.do(t, "POST", "/orders", `{"customer":"ada","total_cents":1}`); code != http.StatusCreated {
		t.Fatalf("%d %s", code, body)
	}
	if code, _ := r.do(t, "POST", "/brokers/stop", ""); code != http.StatusNoContent {
		t.Fatal(code)
	}
	r.until(t, "not ready", func() bool { code, _ := r.do(t, "GET", "/ready", ""); return code == http.StatusServiceUnavailable })
	if code, body := r.do(t, "GET", "/live", ""); code != 200 {
		t.Errorf("live: %d %s", code, body)
	}
	if code, body := r.do(t, "POST", "/orders", `{"customer":"ada","total_cents":2}`); code != http.StatusAccepted {
		t.Errorf("the outcome is unknown: %d %s", code, body)
	}
	if code, _ := r.do(t, "POST", "/brokers/start", ""); code != http.StatusNoContent {
		t.Fatal(code)
	}
	r.until(t, "ready again", func() bool { code, _ := r.do(t, "GET", "/ready", ""); return code == 200 })
	r.until(t, "both orders in the topic", func() bool { return len(created(t, r.inside.broker, r.inside.registry.URL)) == 2 })
}

// TestShutdown ends the program during requests. Every order with the answer
// 201 must be in the topic once. The brokers are in a file, and in the log.
func TestShutdown(t *testing.T) {
	t.Parallel()
	inside, err := startEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	defer inside.close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	file := filepath.Join(t.TempDir(), "service.yaml")
	text := fmt.Sprintf("bootstrap.servers: %s\nschema.registry.url: %s\n", strings.Join(inside.broker.Addrs(), ","), inside.registry.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := &lineWriter{}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, config{listen: "127.0.0.1:0", file: file, instance: "test", load: 100}, slog.New(slog.NewTextHandler(lines, nil)))
	}()
	r := &running{inside: inside, client: http.DefaultClient}
	r.until(t, "an address in the log", func() bool { r.url = lines.address(); return r.url != "" })
	if want := fmt.Sprintf("brokers=%v ", inside.broker.Addrs()); !strings.Contains(lines.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, lines)
	}
	r.until(t, "ready", func() bool { code, _ := r.do(t, "GET", "/ready", ""); return code == 200 })

	var mu sync.Mutex
	confirmed := map[uuid.UUID]bool{}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				resp, err := http.Post(r.url+"/orders", "application/json", strings.NewReader(`{"customer":"ada","total_cents":1}`)) //nolint:forbidigo // ends with the server
				if err != nil {
					return // the server has stopped
				}
				var p placed
				err = json.NewDecoder(resp.Body).Decode(&p)
				resp.Body.Close()
				if err == nil && resp.StatusCode == http.StatusCreated {
					mu.Lock()
					confirmed[p.OrderID] = true
					mu.Unlock()
				}
			}
		})
	}
	r.until(t, "some orders", func() bool { mu.Lock(); defer mu.Unlock(); return len(confirmed) > 50 })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	clients.Wait()
	all := created(t, inside.broker, inside.registry.URL)
	for id := range confirmed {
		if all[id] != 1 {
			t.Errorf("order %v is in the topic %d times", id, all[id])
		}
	}
	if len(all) <= len(confirmed) {
		t.Errorf("%d orders in the topic, %d confirmed: --load placed none", len(all), len(confirmed))
	}
}

// lineWriter records the log.
type lineWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *lineWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// address returns the address in the line "serving".
func (w *lineWriter) address() string {
	_, rest, _ := strings.Cut(w.String(), "msg=serving url=")
	address, _, _ := strings.Cut(rest, " ")
	return address
}

// TestFigures checks the figures of the page and the page itself.
func TestFigures(t *testing.T) {
	t.Parallel()
	r := start(t)
	for range 5 {
		r.do(t, "POST", "/orders", `{"customer":"ada","total_cents":1}`)
	}
	r.until(t, "figures", func() bool {
		_, body := r.do(t, "GET", "/figures", "")
		var f struct {
			Figures []second `json:"figures"`
		}
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			t.Fatal(err)
		}
		var delivered float64
		for _, s := range f.Figures {
			delivered += s.Delivered
		}
		return delivered == 15 // 5 orders and 10 entries
	})
	if code, body := r.do(t, "GET", "/", ""); code != 200 || !strings.Contains(body, "<title>") {
		t.Errorf("%d %.80s", code, body)
	}
	if code, _ := r.do(t, "GET", "/nothing", ""); code != 404 {
		t.Error(code)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	buckets := map[float64]uint64{0.01: 50, 0.1: 90, 1: 100}
	for q, want := range map[float64]float64{0.5: 10, 0.7: 55, 0.99: 910, 1: 1000} {
		if got := quantile(q, buckets); got < want-0.01 || got > want+0.01 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := quantile(0.5, map[float64]uint64{1: 0}); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// TestConfig checks which source of a setting overrides which.
func TestConfig(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "service.yaml")
	if err := os.WriteFile(file, []byte("bootstrap.servers: kafka:9092\nschema.registry.url: http://registry:8081\nlinger.ms: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	for _, c := range []struct {
		name     string
		args     []string
		getenv   func(string) string
		embedded bool
		brokers  []string
		err      string
	}{
		{"nothing", nil, none, true, nil, ""},
		{"flags", []string{"--brokers", "a:1,b:2", "--registry", "http://r"}, none, false, []string{"a:1", "b:2"}, ""},
		{"environment", nil, func(k string) string { return map[string]string{"AVROLINE_BOOTSTRAP_SERVERS": "a:1"}[k] }, false, nil, ""},
		{"file", []string{"--config", file}, none, false, nil, ""},
		{"registry alone", []string{"--registry", "http://r"}, none, true, nil, "needs --brokers"},
		{"load", []string{"--load", "2000000000"}, none, true, nil, "--load 2000000000: must be from 0 to"},
		{"negative load", []string{"--load", "-1"}, none, true, nil, "--load -1: must be from 0 to"},
		{"argument", []string{"now"}, none, true, nil, `unknown argument "now"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := readConfig(c.args, c.getenv)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if diff := cmp.Diff(c.brokers, got.brokers); err != nil || diff != "" || got.embedded() != c.embedded {
				t.Errorf("%v, embedded %v, %s", err, got.embedded(), diff)
			}
		})
	}
	// The file alone configures all parts.
	s, err := newService(t.Context(), config{file: file, instance: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.registry); !strings.Contains(got, "registry:8081") {
		t.Errorf("registry: %s", got)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

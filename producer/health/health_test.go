package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/health"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// get returns the status and the report of a handler.
func get(t *testing.T, h http.Handler) (int, health.Report) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	var r health.Report
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, r
}

// TestStatus checks the statuses of a program with two parts.
func TestStatus(t *testing.T) {
	t.Parallel()
	away, slow := errors.New("away"), errors.New("slow")
	ready := health.State{Ready: true}
	for _, c := range []struct {
		name        string
		first, next health.State
		drain       bool
		ready, live int
		want        health.Report
	}{
		{"all ready", ready, ready, false, 200, 200, health.Report{Status: "ready", Parts: []health.PartReport{{Name: "a", Status: "ready"}, {Name: "b", Status: "ready"}}}},
		{"degraded", ready, health.State{Ready: true, Degraded: slow}, false, 200, 200, health.Report{Status: "degraded", Parts: []health.PartReport{{Name: "a", Status: "ready"}, {Name: "b", Status: "degraded", Reason: "slow"}}}},
		{"not ready", health.State{Reason: away}, ready, false, 503, 200, health.Report{Status: "not ready", Parts: []health.PartReport{{Name: "a", Status: "not ready", Reason: "away"}, {Name: "b", Status: "ready"}}}},
		{"dead", ready, health.State{Reason: away, Dead: true}, false, 503, 503, health.Report{Status: "dead", Parts: []health.PartReport{{Name: "a", Status: "ready"}, {Name: "b", Status: "dead", Reason: "away"}}}},
		{"draining", ready, ready, true, 503, 200, health.Report{Status: "not ready", Reason: health.ErrDraining.Error(), Parts: []health.PartReport{{Name: "a", Status: "ready"}, {Name: "b", Status: "ready"}}}},
		{"draining and dead", ready, health.State{Dead: true}, true, 503, 503, health.Report{Status: "dead", Parts: []health.PartReport{{Name: "a", Status: "ready"}, {Name: "b", Status: "dead"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := health.New(health.Check("a", func() health.State { return c.first }), health.Part{}, health.Check("b", func() health.State { return c.next }))
			if c.drain {
				h.Drain()
			}
			code, got := get(t, h.Ready())
			if diff := cmp.Diff(c.want, got); code != c.ready || diff != "" {
				t.Errorf("ready: %d, want %d: %s", code, c.ready, diff)
			}
			if code, _ := get(t, h.Live()); code != c.live {
				t.Errorf("live: %d, want %d", code, c.live)
			}
		})
	}
	if code, r := get(t, health.New().Ready()); code != 200 || r.Status != "ready" || r.Parts == nil {
		t.Errorf("no parts: %d, %+v", code, r)
	}
}

// TestBrokersAndRegistryAway checks the reports while brokers and registry go
// away and come back. Both transports must notice while the producer is idle.
func TestBrokersAndRegistryAway(t *testing.T) {
	t.Parallel()
	for _, transport := range []producer.Transport{producer.Confluent, producer.Franz} {
		t.Run(fmt.Sprint(transport), func(t *testing.T) {
			t.Parallel()
			if transport == producer.Confluent && !hasConfluent {
				t.Skip("built without cgo")
			}
			testAway(t, transport)
		})
	}
}

func testAway(t *testing.T, transport producer.Transport) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := producertest.Start(t, producertest.WithTopic("orders", 3))
	server := registrytest.Start(t)
	reg, err := registry.New([]string{server.URL}, registry.WithRetries(0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close() }()
	s, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(b.Addrs(), s, producer.WithTransport(transport))
	if err != nil {
		t.Fatal(err)
	}
	h := health.New(health.Producer("orders", p), health.Registry("registry", reg))
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	if _, err := topic.Publish(ctx, p, &orders.OrderCreated{OrderID: uuid.New()}); err != nil {
		t.Fatal(err)
	}
	until := func(what string, ok func(code int, r health.Report) bool) {
		t.Helper()
		for {
			code, r := get(t, h.Ready())
			if ok(code, r) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("waited in vain for %s: %d %+v", what, code, r)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	until("ready, with a connected broker", func(code int, r health.Report) bool {
		return code == 200 && r.Status == "ready" && strings.Contains(fmt.Sprint(r.Parts[0].Details), "connected")
	})
	restart := b.Stop()
	until("not ready", func(code int, r health.Report) bool {
		return code == 503 && r.Status == "not ready" && strings.Contains(r.Parts[0].Reason, "unreachable")
	})
	if code, _ := get(t, h.Live()); code != 200 {
		t.Errorf("a restart does not help against brokers that are away: live is %d", code)
	}
	restart()
	until("ready again", func(code int, r health.Report) bool { return code == 200 && r.Status == "ready" })

	lift := server.Inject(registrytest.Status(503))
	if _, err := reg.SchemaByID(ctx, "", 77); err == nil {
		t.Fatal("the registry is not away")
	}
	until("degraded", func(code int, r health.Report) bool {
		return code == 200 && r.Status == "degraded" && r.Parts[1].Status == "degraded" && r.Parts[1].Reason != ""
	})
	lift()
	until("ready after the registry is back", func(code int, r health.Report) bool { return code == 200 && r.Status == "ready" })
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	_, r := get(t, h.Ready())
	want := health.PartReport{Name: "orders", Status: "not ready", Reason: producer.ErrClosed.Error()}
	if diff := cmp.Diff(want, r.Parts[0], cmpopts.IgnoreFields(health.PartReport{}, "Since", "Details")); diff != "" {
		t.Error(diff)
	}
}

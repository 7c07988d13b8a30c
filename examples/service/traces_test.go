package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/avroline/avroline/producer/opentelemetry"
)

// otlpCollector receives traces by OTLP over HTTP, like the OpenTelemetry
// Collector.
type otlpCollector struct {
	*httptest.Server

	mu       sync.Mutex
	spans    []*otlp.Span
	services map[string]bool
}

func newCollector(t *testing.T) *otlpCollector {
	t.Helper()
	c := &otlpCollector{services: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.add(&request)
		answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *otlpCollector) add(r *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		c.services[text(resource.GetResource().GetAttributes(), "service.name")] = true
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// text returns the value of an attribute as text.
func text(attributes []*common.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			if n, ok := a.GetValue().GetValue().(*common.AnyValue_IntValue); ok {
				return fmt.Sprint(n.IntValue)
			}
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// TestTrace follows one trace from the HTTP request through the event "orders"
// and the processor to the events "ledger". An OTLP collector receives the
// spans, and franz-go reads the topics. The control is a request without the
// header traceparent. The control must have a separate trace.
//
// The test sets the environment, so it does not run in parallel.
func TestTrace(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	cfg, err := readConfig([]string{"--instance", "test"}, func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}[name]
	})
	if err != nil || !cfg.traces {
		t.Fatalf("traces %v, %v", cfg.traces, err)
	}
	inside, err := startEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.close)
	cfg.brokers, cfg.registry = inside.broker.Addrs(), inside.registry.URL
	r := serve(t, cfg, inside)

	const id = "0af7651916cd43dd8448eb211c80319c"
	order := func(traceparent string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/orders", strings.NewReader(`{"customer":"ada","total_cents":4200}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", traceparent)
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatal(resp.Status)
		}
	}
	order("00-" + id + "-b7ad6b7169203331-01")
	order("") // the control

	// want maps each span of the trace to the name or the id of its parent.
	want := map[string]string{
		"POST /orders": "b7ad6b7169203331", "publish orders": "POST /orders", "process orders": "publish orders", "publish ledger": "process orders",
	}
	all := func() []*otlp.Span {
		c.mu.Lock()
		defer c.mu.Unlock()
		return append([]*otlp.Span(nil), c.spans...)
	}
	r.until(t, "the spans of both requests in the collector", func() bool {
		n := 0
		for _, s := range all() {
			if _, ok := want[s.GetName()]; ok {
				n++
			}
		}
		return n == 2*5 // each order has two entries
	})
	names := map[string]string{"b7ad6b7169203331": "b7ad6b7169203331"} // by span id
	for _, s := range all() {
		names[hex.EncodeToString(s.GetSpanId())] = s.GetName()
	}
	places := map[string]string{} // traceparent → place of the message
	inTrace := map[string]int{}
	for _, s := range all() {
		if parent, ok := want[s.GetName()]; ok && hex.EncodeToString(s.GetTraceId()) == id {
			inTrace[s.GetName()]++
			if got := names[hex.EncodeToString(s.GetParentSpanId())]; got != parent {
				t.Errorf("the parent of %q is %q, want %q", s.GetName(), got, parent)
			}
		}
		if strings.HasPrefix(s.GetName(), "publish ") {
			places[fmt.Sprintf("00-%x-%x-01", s.GetTraceId(), s.GetSpanId())] = fmt.Sprintf("%s[%s]@%s",
				text(s.GetAttributes(), "messaging.destination.name"), text(s.GetAttributes(), "messaging.destination.partition.id"),
				text(s.GetAttributes(), "messaging.kafka.offset"))
		}
	}
	for name := range want {
		if n := inTrace[name]; n != 1 && (name != "publish ledger" || n != 2) {
			t.Errorf("%d spans %q in the trace", n, name)
		}
	}
	if c.mu.Lock(); len(c.services) != 1 || !c.services["shop"] {
		t.Errorf("services %v", c.services)
	}
	c.mu.Unlock()

	// franz-go must find each message at the place that the span names.
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.brokers...), kgo.ConsumeTopics(createdTopic, ledgerTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	inTopics := 0
	for read := 0; read < 6; {
		fetches := cl.PollFetches(t.Context())
		fetches.EachRecord(func(record *kgo.Record) {
			read++
			where := fmt.Sprintf("%s[%d]@%d", record.Topic, record.Partition, record.Offset)
			for _, h := range record.Headers {
				if h.Key != "traceparent" {
					continue
				}
				if got := places[string(h.Value)]; got != where {
					t.Errorf("the message %s has the context of the span for %q", where, got)
				}
				if strings.Contains(string(h.Value), id) {
					inTopics++
				}
			}
		})
	}
	if inTopics != 3 {
		t.Errorf("%d messages belong to the trace, want 1 order and 2 entries", inTopics)
	}
}

// TestTraceIDsInLogs checks that a log line about a request has its trace id,
// also without a collector.
func TestTraceIDsInLogs(t *testing.T) {
	t.Parallel()
	inside, err := startEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.close)
	lines := &lineWriter{}
	log := slog.New(opentelemetry.LogHandler(slog.NewJSONHandler(lines, nil)))
	r := serveWith(t, config{brokers: inside.broker.Addrs(), registry: inside.registry.URL, instance: "test"}, inside, log)
	inside.stop()
	defer inside.start()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/orders", bytes.NewBufferString(`{"customer":"ada","total_cents":1}`))
	if err != nil {
		t.Fatal(err)
	}
	const id = "0af7651916cd43dd8448eb211c80319c"
	req.Header.Set("Traceparent", "00-"+id+"-b7ad6b7169203331-01")
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r.until(t, "a line with the trace id", func() bool {
		lines.mu.Lock()
		defer lines.mu.Unlock()
		for line := range strings.Lines(lines.text.String()) {
			if strings.Contains(line, `"msg":"order_unknown"`) {
				return strings.Contains(line, `"trace_id":"`+id+`"`)
			}
		}
		return false
	})
}

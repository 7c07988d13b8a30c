package opentelemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/opentelemetry"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/prom"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

type event = copytest.Event

// TestTextsOfAnyBytes publishes to a topic whose name is not UTF-8. OTLP
// refuses an export with such a text, with all other spans and metrics.
func TestTextsOfAnyBytes(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	fake := producertest.Start(t)
	s, err := serde.NewSerializer(&workload.Registry{}, b.Serde())
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(fake.Addrs(), s, b.Producer())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	if _, err := producer.NewTopic("orders\xff", producer.KeyBy(func(*event) string { return "key" })).Publish(t.Context(), p, &event{}); !errors.Is(err, producer.ErrNotSent) {
		t.Fatal(err)
	}
	check := func(texts ...string) {
		for _, text := range texts {
			if !utf8.ValidString(text) {
				t.Errorf("%q", text)
			}
		}
	}
	spans := b.named("publish orders\ufffd")
	if len(spans) != 1 {
		t.Errorf("%d spans of the message", len(spans))
	}
	for _, s := range b.spans.GetSpans() {
		check(s.Name, s.Status.Description)
		for _, a := range s.Attributes {
			check(a.Value.String())
		}
	}
	var all metricdata.ResourceMetrics
	if err := b.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					check(p.Attributes.Encoded(attribute.DefaultEncoder()))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					check(p.Attributes.Encoded(attribute.DefaultEncoder()))
				}
			}
		}
	}
}

// backend receives traces and metrics in memory.
type backend struct {
	*opentelemetry.Telemetry
	spans   *tracetest.InMemoryExporter
	tracer  trace.Tracer
	metrics *sdkmetric.ManualReader
}

func newBackend(t testing.TB, opts ...opentelemetry.Option) *backend {
	t.Helper()
	b := &backend{spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(b.spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.metrics))
	b.tracer = tracers.Tracer("test")
	var err error
	b.Telemetry, err = opentelemetry.New(append(opts, opentelemetry.WithTracerProvider(tracers), opentelemetry.WithMeterProvider(meters))...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// named returns the ended spans with the given name.
func (b *backend) named(name string) tracetest.SpanStubs {
	return slices.DeleteFunc(b.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != name })
}

// counts returns the points of a counter or histogram, by their attributes.
func (b *backend) counts(t testing.TB, name string) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					out[errorType(p.Attributes)] += p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					out[errorType(p.Attributes)] += int64(p.Count)
				}
			case metricdata.Gauge[int64]:
				out[""] += int64(len(d.DataPoints))
			}
		}
	}
	return out
}

func errorType(s attribute.Set) string {
	v, _ := s.Value("error.type")
	return v.AsString()
}

// get returns an attribute of a span as text.
func get(s *tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func newProducer(t testing.TB, w *copytest.KafkaEnv, opts ...producer.Option) *producer.Producer {
	t.Helper()
	p, err := producer.New(w.Addrs, copytest.Serializer(t, &workload.Registry{}), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// traceparents returns the traceparent headers of a record.
func traceparents(r *kgo.Record) []string {
	var out []string
	for _, h := range r.Headers {
		if h.Key == "traceparent" {
			out = append(out, string(h.Value))
		}
	}
	return out
}

// TestSpansUnderFaults publishes while answers are lost and connections break.
// Every message has one span, and the message contains the span's context.
// franz-go must read the message at the partition and offset of the span. The
// control pairs starts and outcomes by their order, like an adapter without
// tokens. The control must find wrong pairs.
func TestSpansUnderFaults(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	topic := w.Topic("orders", 6)
	b := newBackend(t)
	var mu sync.Mutex
	var started []trace.SpanID
	paired := map[trace.SpanID]string{}
	control := producer.WithHooks(producer.Hooks{
		Start: func(_ context.Context, s *producer.Start) any {
			for _, h := range *s.Headers {
				if h.Key == "traceparent" {
					mu.Lock()
					started = append(started, spanID(t, string(h.Value)))
					mu.Unlock()
				}
			}
			return nil
		},
		Outcome: func(_ any, o producer.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			paired[started[0]] = fmt.Sprintf("%d@%d", o.Delivery.Partition, o.Delivery.Offset)
			started = started[1:]
		},
	})
	p := newProducer(t, w, b.Producer(), control, producer.WithBatchSize(4096), producer.WithMaxMessageBytes(4096))
	orders := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	ctx := copytest.Ctx(t)
	lost := w.Fake.LoseAnswers(0.05, 7, producertest.Produce)
	defer lost.Stop()
	const n = 2000
	for i := range n {
		if i == n/2 {
			w.Fake.Cut()
		}
		if err := orders.PublishAsync(ctx, p, &event{Key: strconv.Itoa(i), Seq: int64(i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if lost.Hits() == 0 {
		t.Error("control: no answer was lost")
	}
	spans := b.named("publish " + topic)
	if len(spans) != n {
		t.Fatalf("%d spans for %d messages", len(spans), n)
	}
	at, written := map[trace.SpanID]string{}, 0
	for i := range spans {
		s := &spans[i]
		if s.SpanKind != trace.SpanKindProducer || s.Status.Code != codes.Unset || get(s, "avroline.outcome") != "delivered" || s.EndTime.Before(s.StartTime) {
			t.Fatalf("span %+v", s)
		}
		for _, e := range s.Events {
			written++
			if e.Name != "written to the broker" || e.Time.Before(s.StartTime) || e.Time.After(s.EndTime) {
				t.Fatalf("event %+v of the span from %v to %v", e, s.StartTime, s.EndTime)
			}
		}
		at[s.SpanContext.SpanID()] = get(s, "messaging.destination.partition.id") + "@" + get(s, "messaging.kafka.offset")
	}
	// After a fault, the client may not know when the message was written.
	if written > n || written < n/2 {
		t.Errorf("%d of %d spans say when the message was written", written, n)
	}
	wrong := 0
	for _, r := range w.Records(topic) {
		headers := traceparents(r)
		if len(headers) != 1 {
			t.Fatalf("headers %q", headers)
		}
		id, where := spanID(t, headers[0]), fmt.Sprintf("%d@%d", r.Partition, r.Offset)
		// A duplicate that the broker recognised has no offset.
		if at[id] != where && at[id] != fmt.Sprintf("%d@", r.Partition) {
			t.Errorf("the span of %s says %s", where, at[id])
		}
		if paired[id] != where {
			wrong++
		}
		delete(at, id)
	}
	if len(at) != 0 {
		t.Errorf("%d spans without a record", len(at))
	}
	if wrong == 0 {
		t.Error("control: pairing by order was right, so this test shows nothing")
	}
	t.Logf("pairing by order: %d of %d wrong", wrong, n)
	if got := b.counts(t, "messaging.client.sent.messages"); got[""] != n || len(got) != 1 {
		t.Errorf("sent %v", got)
	}
	if got := b.counts(t, "messaging.client.operation.duration"); got[""] != n {
		t.Errorf("durations %v", got)
	}
}

func spanID(t testing.TB, traceparent string) trace.SpanID {
	t.Helper()
	id, err := trace.SpanIDFromHex(strings.Split(traceparent, "-")[2])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestOutcomes checks the spans and metrics of messages that are refused, not
// sent or of unknown outcome. After Close, no span is open.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	topic, small := w.Topic("orders", 1), w.Topic("small", 1, "max.message.bytes", "1000")
	b := newBackend(t)
	p := newProducer(t, w, b.Producer())
	ctx := copytest.Ctx(t)
	orders := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	if _, err := orders.Publish(ctx, p, &event{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if n := len(b.named("publish " + topic)); n != 1 {
		t.Errorf("%d spans when Publish returned", n)
	}
	_, _ = producer.NewTopic(small, producer.KeyBy(copytest.ByKey)).Publish(ctx, p, &event{Pad: strings.Repeat("x", 2000)})
	_, _ = orders.Publish(ctx, p, &event{Pad: "bad"})

	// The brokers never answer. The caller gives up, and Close gives up.
	hung := w.Fake.LoseAnswers(1, 1, producertest.Produce)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err := orders.Publish(short, p, &event{Key: "k"})
	if !errors.Is(err, producer.ErrOutcomeUnknown) {
		t.Error(err)
	}
	if n := len(b.named("publish " + topic)); n != 2 {
		t.Errorf("%d spans: the span of a message in flight must stay open", n)
	}
	_ = p.Close(short)
	cancel()
	hung.Stop()
	want := map[string]int64{"": 1, "too_large": 1, "encode": 1, "unknown": 1}
	if got := b.counts(t, "messaging.client.sent.messages"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	for _, s := range b.spans.GetSpans() {
		outcome, reason := get(&s, "avroline.outcome"), get(&s, "avroline.reason")
		failed := s.Status.Code == codes.Error
		if failed == (outcome == "delivered") || failed == (reason == "") || get(&s, "messaging.system") != "kafka" || get(&s, "messaging.kafka.message.key") != "" {
			t.Errorf("%s: %s %s %v", s.Name, outcome, reason, s.Status)
		}
	}
}

// TestTraceThroughEverything publishes from an HTTP handler to a topic. A
// processor reads the topic and publishes to another topic. All spans are in
// one trace, and all messages have the baggage. Package prom counts the same
// messages.
func TestTraceThroughEverything(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	in, out, dead := w.Topic("in", 1), w.Topic("out", 1), w.Topic("dead", 1)
	b := newBackend(t, opentelemetry.WithMessageKeys())
	server := registrytest.Start(t)
	reg, err := registry.New([]string{server.URL}, b.Registry())
	if err != nil {
		t.Fatal(err)
	}
	ser, err := serde.NewSerializer(reg, b.Serde())
	if err != nil {
		t.Fatal(err)
	}
	des, err := serde.NewDeserializer[event](reg, b.Serde())
	if err != nil {
		t.Fatal(err)
	}
	metrics := prom.New()
	p, err := producer.New(w.Addrs, ser, metrics.Producer("http"), b.Producer())
	if err != nil {
		t.Fatal(err)
	}
	ctx := copytest.Ctx(t)
	orders, copies := producer.NewTopic(in, producer.KeyBy(copytest.ByKey)), producer.NewTopic(out, producer.KeyBy(copytest.ByKey))
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx, span := b.tracer.Start(b.extractHTTP(r), "POST /orders", trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		key := r.URL.Query().Get("key")
		if _, err := orders.Publish(ctx, p, &event{Key: key, Pad: r.URL.Query().Get("pad")}); err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
		}
	})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	request := func(key string) {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders?key="+key, nil)
		r.Header.Set("Traceparent", parent)
		r.Header.Set("Baggage", "tenant=north")
		rw := httptest.NewRecorder()
		handler.ServeHTTP(rw, r)
		if rw.Code != http.StatusOK {
			t.Error(rw.Code, rw.Body)
		}
	}
	request("good")
	request("poison")
	var tenants []string
	proc, err := processor.New(w.Addrs, copytest.NewID(t), copytest.NewID(t), []string{in}, des, ser,
		func(ctx context.Context, tx *producer.Tx, m processor.Consumed[event]) error {
			tenants = append(tenants, baggage.FromContext(ctx).Member("tenant").Value())
			if m.Value.Key == "poison" {
				return processor.Poison(copytest.ErrOnPurpose)
			}
			// A copy of the headers must not become a second context.
			return copies.AddMessage(ctx, tx, producer.Message[*event]{Value: m.Value, Headers: m.Headers})
		},
		b.Processor(), metrics.Processor("copies"), processor.WithBadHandler(processor.DeadLetter(dead)), processor.WithProducer(b.Producer(), copytest.Logger(t)))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- proc.Run(running) }()
	for ctx.Err() == nil && (len(w.Records(out)) == 0 || len(w.Records(dead)) == 0 || len(b.counts(t, "avroline.processor.lag")) == 0) {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := errors.Join(<-ended, p.Close(ctx)); err != nil {
		t.Fatal(err)
	}

	trees := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range b.spans.GetSpans() {
		if _, twice := trees[s.SpanContext.SpanID()]; twice {
			t.Errorf("%s ended twice", s.Name)
		}
		trees[s.SpanContext.SpanID()] = s
	}
	path := func(s tracetest.SpanStub) string {
		names := s.Name
		for s.Parent.IsValid() {
			parent, ok := trees[s.Parent.SpanID()]
			if !ok {
				if s.Parent.SpanID().String() == "b7ad6b7169203331" {
					return names + " < caller"
				}
				return names + " < ?"
			}
			s = parent
			names += " < " + s.Name
		}
		return names
	}
	for topic, want := range map[string]string{
		out:  "publish " + out + " < process " + in + " < publish " + in + " < POST /orders < caller",
		dead: "publish " + dead + " < process " + in + " < publish " + in + " < POST /orders < caller",
	} {
		records := w.Records(topic)
		if len(records) != 1 {
			t.Fatalf("%d records in %s", len(records), topic)
		}
		headers := traceparents(records[0])
		if len(headers) != 1 {
			t.Fatalf("%s: %q", topic, headers)
		}
		s, ok := trees[spanID(t, headers[0])]
		if !ok || path(s) != want {
			t.Errorf("%s: %s, want %s", topic, path(s), want)
		}
	}
	if len(tenants) == 0 || slices.Contains(tenants, "") {
		t.Errorf("baggage %q", tenants)
	}
	lookup := b.named("schema lookup")
	if len(lookup) == 0 || !strings.Contains(path(lookup[0]), "POST /orders") {
		t.Errorf("schema look-ups %v", lookup)
	}
	requests := b.named("POST /subjects/{subject}/versions")
	if len(requests) == 0 || !strings.HasPrefix(path(requests[0]), "POST /subjects/{subject}/versions < schema lookup") || get(&requests[0], "http.response.status_code") != "200" {
		t.Errorf("requests %v", requests)
	}
	batches := b.named("receive " + in)
	if len(batches) == 0 || len(batches[0].Links) == 0 || batches[0].Links[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("batches %v", batches)
	}
	if commits := b.named("commit transaction"); len(commits) == 0 || get(&commits[0], "messaging.operation.type") != "settle" {
		t.Errorf("commits %v", commits)
	}
	if s := b.named("process " + in); get(&s[0], "messaging.consumer.group.name") == "" || get(&s[0], "messaging.kafka.offset") == "" || get(&s[0], "messaging.kafka.message.key") == "" {
		t.Errorf("%+v", s[0].Attributes)
	}
	for _, name := range []string{
		"messaging.client.consumed.messages", "messaging.process.duration", "avroline.processor.partitions",
		"avroline.transactions", "avroline.registry.lookups", "avroline.registry.request.duration", "avroline.schema.plan.duration",
	} {
		if len(b.counts(t, name)) == 0 {
			t.Errorf("no %s", name)
		}
	}
	// The processor has given up its partitions. Another member of the group
	// reports their lag now.
	if lag := b.counts(t, "avroline.processor.lag"); len(lag) != 0 {
		t.Errorf("lag after the end: %v", lag)
	}
	counted := prometheus.NewPedanticRegistry()
	if err := counted.Register(metrics); err != nil {
		t.Fatal(err)
	}
	families, err := counted.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "avroline_processor_lag_messages" {
			t.Errorf("prom beside it, after the end: %v", f)
		}
		if f.GetName() != "avroline_messages_total" {
			continue
		}
		messages := 0.0 // of all outcomes
		for _, m := range f.GetMetric() {
			messages += m.GetCounter().GetValue()
		}
		if messages != 2 {
			t.Errorf("prom beside it: %v", f)
		}
	}
}

func (b *backend) extractHTTP(r *http.Request) context.Context {
	p := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	return p.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
}

// TestContexts publishes messages with a context in their headers, and checks
// the parent of each span. Afterwards the headers must contain exactly one
// context.
func TestContexts(t *testing.T) {
	t.Parallel()
	w := copytest.Embedded(t)
	topic := w.Topic("orders", 1)
	b := newBackend(t)
	p := newProducer(t, w, b.Producer())
	orders := producer.NewTopic(topic, producer.KeyBy(copytest.ByKey))
	ctx := copytest.Ctx(t)
	const old = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	inSpan, span := b.tracer.Start(ctx, "own")
	unsampled := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	canceled, cancel := context.WithCancel(inSpan)
	defer cancel()
	for name, test := range map[string]struct {
		ctx    context.Context //nolint:containedctx // a test case
		header []string
		trace  string
		links  int
	}{
		"none":                  {ctx, nil, "", 0},
		"span":                  {inSpan, nil, span.SpanContext().TraceID().String(), 0},
		"header":                {ctx, []string{old}, "0af7651916cd43dd8448eb211c80319c", 0},
		"span and header":       {inSpan, []string{old}, span.SpanContext().TraceID().String(), 1},
		"many headers":          {inSpan, []string{old, old, "x"}, span.SpanContext().TraceID().String(), 0}, // the last header counts
		"garbage":               {ctx, []string{"garbage", ""}, "", 0},
		"canceled after accept": {canceled, nil, span.SpanContext().TraceID().String(), 0},
	} {
		b.spans.Reset()
		m := producer.Message[*event]{Value: &event{Key: name}}
		for _, h := range test.header {
			m.Headers = append(m.Headers, serde.Header{Key: "traceparent", Value: []byte(h)}, serde.Header{Key: "baggage", Value: []byte("a=b")})
		}
		before := fmt.Sprint(m.Headers)
		if err := orders.SendAsync(test.ctx, p, m, nil); err != nil {
			t.Fatal(name, err)
		}
		if test.ctx == canceled {
			cancel()
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		spans := b.named("publish " + topic)
		if len(spans) != 1 || test.trace != "" && spans[0].SpanContext.TraceID().String() != test.trace || len(spans[0].Links) != test.links {
			t.Errorf("%s: %+v", name, spans)
			continue
		}
		if fmt.Sprint(m.Headers) != before {
			t.Errorf("%s: the caller's headers were changed", name)
		}
		records := w.Records(topic)
		if headers := traceparents(records[len(records)-1]); len(headers) != 1 || spanID(t, headers[0]) != spans[0].SpanContext.SpanID() {
			t.Errorf("%s: headers %q", name, headers)
		}
	}
	// An unsampled caller has no span. The decision not to sample must be in
	// the headers.
	b.spans.Reset()
	if _, err := orders.Publish(unsampled, p, &event{}); err != nil {
		t.Fatal(err)
	}
	records := w.Records(topic)
	if headers := traceparents(records[len(records)-1]); len(b.spans.GetSpans()) != 0 || len(headers) != 1 || !strings.HasSuffix(headers[0], "-00") {
		t.Errorf("unsampled: %q", headers)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestStartProcess makes the span of a message that another consumer has read.
func TestStartProcess(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	headers := b.Headers(trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	})), "orders", nil)
	for _, want := range []error{nil, copytest.ErrOnPurpose} {
		ctx, end := b.StartProcess(t.Context(), processor.Record{Topic: "orders", Partition: 3, Offset: 7, Headers: headers, Group: "g"})
		_, child := b.tracer.Start(ctx, "child")
		child.End()
		end(want)
	}
	spans := b.named("process orders")
	if len(spans) != 2 || spans[0].Parent.SpanID() != (trace.SpanID{2}) || spans[0].SpanKind != trace.SpanKindConsumer || spans[1].Status.Code != codes.Error {
		t.Errorf("%+v", spans)
	}
	if c := b.named("child"); c[0].Parent.SpanID() != spans[0].SpanContext.SpanID() {
		t.Errorf("%+v", c)
	}
	if got := b.counts(t, "messaging.process.duration"); got[""] != 1 || got["other"] != 1 {
		t.Error(got)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := opentelemetry.New(opentelemetry.Option{}, opentelemetry.WithTracerProvider(nil), opentelemetry.WithMeterProvider(nil), opentelemetry.WithPropagator(nil))
	for _, want := range []string{"WithTracerProvider", "WithMeterProvider", "WithPropagator"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if _, err := opentelemetry.New(); err != nil { // the global providers do nothing
		t.Error(err)
	}
}

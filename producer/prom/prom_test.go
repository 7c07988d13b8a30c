package prom_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/prom"
	"github.com/avroline/avroline/producer/prom/internal/catalog"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

func serializer(t testing.TB) *serde.Serializer {
	t.Helper()
	s, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func topicOf(name string) *producer.Topic[*orders.OrderCreated] {
	return producer.NewTopic(name, producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
}

func order() *orders.OrderCreated { return &orders.OrderCreated{OrderID: uuid.New(), Customer: "ada"} }

// gather scrapes the metrics, and checks names, help texts and types by
// promtool's rules.
func gather(t testing.TB, m *prom.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// samples returns the samples of a counter or gauge as "label,label" → value.
// Samples of 0 are left out.
func samples(f *dto.MetricFamily) map[string]float64 {
	all := map[string]float64{}
	for _, m := range f.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetValue())
		}
		if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
			all[strings.Join(labels, ",")] = v
		}
	}
	return all
}

// TestMessages checks the counts of each outcome and of each reason for a
// refusal.
func TestMessages(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 3), producertest.WithTopic("small", 1))
	m := prom.New()
	p, err := producer.New(b.Addrs(), serializer(t), m.Producer("shop"), producer.WithMaxMessageBytes(2000))
	if err != nil {
		t.Fatal(err)
	}
	created := topicOf("orders")
	for range 20 {
		if _, err := created.Publish(ctx, p, order()); err != nil {
			t.Fatal(err)
		}
	}
	big := order()
	big.Customer = strings.Repeat("x", 4000)
	if _, err := created.Publish(ctx, p, big); !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("too large: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := created.Publish(gone, p, order()); !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("ended context: %v", err)
	}
	bad := order()
	bad.Customer = "\xff"
	if _, err := created.Publish(ctx, p, bad); !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("not UTF-8: %v", err)
	}
	b.RefuseNext(1, 29)
	if _, err := topicOf("small").Publish(ctx, p, order()); !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("refused by the broker: %v", err)
	}
	running := gather(t, m)
	if got := samples(running["avroline_ready"]); got["shop"] != 1 {
		t.Errorf("ready: %v", got)
	}
	_ = p.Close(ctx)
	if _, err := created.Publish(ctx, p, order()); !errors.Is(err, producer.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	all := gather(t, m)
	if diff := cmp.Diff(map[string]float64{"delivered,orders": 20, "not_sent,small": 1}, samples(all["avroline_messages_total"])); diff != "" {
		t.Error(diff)
	}
	want := map[string]float64{"too_large,orders": 1, "context,orders": 1, "encode,orders": 1, "closed,orders": 1}
	if diff := cmp.Diff(want, samples(all["avroline_messages_refused_total"])); diff != "" {
		t.Error(diff)
	}
	times := slices.Concat(all["avroline_delivery_seconds"].GetMetric(), all["avroline_on_wire_seconds"].GetMetric())
	if len(times) != 4 {
		t.Errorf("want the times of 2 topics: %v", times)
	}
	for _, f := range times {
		h := f.GetHistogram()
		if f.GetLabel()[0].GetValue() != "orders" {
			continue
		}
		if h.GetSampleCount() != 20 || h.GetSampleSum() <= 0 || len(h.GetBucket()) != 15 || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("want 20 samples in classic and native buckets: %v", h)
		}
	}
	if all["avroline_ready"] != nil {
		t.Errorf("a closed producer is still in the gauges: %v", all["avroline_ready"])
	}
}

// TestTransactions checks the counts of transactions. Several producers share a
// name.
func TestTransactions(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 3))
	m := prom.New()
	created := topicOf("orders")
	accepted := int64(0)
	for i := range 2 {
		tx, err := producer.NewTransactional(b.Addrs(), fmt.Sprint("tx-", i), serializer(t), m.Producer("shop"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(gather(t, m)["avroline_transactions_total"].GetMetric()); got != 3 {
			t.Errorf("%d results before the first transaction, want 3: a rate needs a first sample", got)
		}
		for range 3 {
			if err := tx.InTx(ctx, func(tx *producer.Tx) error { return created.Add(ctx, tx, order()) }); err != nil {
				t.Fatal(err)
			}
		}
		stop := errors.New("stop")
		err = tx.InTx(ctx, func(tx *producer.Tx) error { return errors.Join(created.Add(ctx, tx, order()), stop) })
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		b.RefuseNext(1, kerr.InvalidRecord.Code)
		err = tx.InTxOnce(ctx, func(tx *producer.Tx) error { return created.Add(ctx, tx, order()) })
		if !errors.Is(err, producer.ErrNotSent) {
			t.Fatal(err)
		}
		accepted += tx.Stats().Accepted
		defer func() { _ = tx.Close(ctx) }()
	}
	all := gather(t, m)
	if diff := cmp.Diff(map[string]float64{"shop,committed": 6, "shop,aborted": 4}, samples(all["avroline_transactions_total"])); diff != "" {
		t.Error(diff)
	}
	if got := all["avroline_transaction_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); got != 10 {
		t.Errorf("%d durations, want 10", got)
	}
	// The producer gives up a message of the function that returned an error,
	// or has already written the message. The result of the transaction is
	// known, so no message is unknown or not sent.
	messages, sum := samples(all["avroline_messages_total"]), 0.0
	for labels, n := range messages {
		if sum += n; labels != "delivered,orders" && labels != "aborted,orders" {
			t.Errorf("an outcome outside of transactions: %v", messages)
		}
	}
	if messages["aborted,orders"] < 2 || int64(sum) != accepted {
		t.Errorf("%d accepted: %v", accepted, messages)
	}
}

// TestFatalProducer closes a producer after a fatal error and makes another
// producer with the same name, as docs/troubleshooting.md says. The closed
// producer must leave the gauges. Otherwise the client would never be ready
// again.
func TestFatalProducer(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 1))
	m := prom.New()
	start := func() *producer.Producer {
		p, err := producer.New(b.Addrs(), serializer(t), m.Producer("shop"), producer.WithoutRecovery())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := start()
	b.RefuseNext(1, kerr.ClusterAuthorizationFailed.Code, producertest.InitProducerID)
	_, _ = topicOf("orders").Publish(ctx, p, order())
	until(t, "a fatal error", func() bool { return errors.Is(p.Err(), producer.ErrFatal) })
	if got, reported := gather(t, m)["avroline_ready"]; !reported || len(samples(got)) != 0 {
		t.Errorf("after the fatal error: %v", got)
	}
	_ = p.Close(ctx)
	if err := p.Err(); !errors.Is(err, producer.ErrClosed) || !errors.Is(err, producer.ErrFatal) {
		t.Errorf("the error of the closed producer: %v", err)
	}
	q := start()
	defer func() { _ = q.Close(ctx) }()
	if got := samples(gather(t, m)["avroline_ready"]); got["shop"] != 1 {
		t.Errorf("with the new producer: %v", got)
	}
}

// TestCardinality checks that the number of topic labels is limited, and that
// every message is counted.
func TestCardinality(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	const topics, limit = 12, 5
	var opts []producertest.Option
	for i := range topics {
		opts = append(opts, producertest.WithTopic(fmt.Sprint("topic-", i), 1))
	}
	b := producertest.Start(t, opts...)
	m := prom.New(prom.WithTopicLimit(limit))
	p, err := producer.New(b.Addrs(), serializer(t), m.Producer("shop"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range topics {
		if _, err := topicOf(fmt.Sprint("topic-", i)).Publish(ctx, p, order()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	got := samples(gather(t, m)["avroline_messages_total"])
	if len(got) != limit+1 || got["delivered,"+prom.OtherTopics] != topics-limit {
		t.Errorf("%v", got)
	}
}

// TestNamesOfAnyBytes checks that names that are not UTF-8, and the name of the
// other topics, end no scrape. Names share a label value if they differ only in
// invalid bytes.
func TestNamesOfAnyBytes(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 1))
	m := prom.New(prom.WithTopicLimit(2))
	const name, want = "caf\xe9", "caf\ufffd"
	_, _, _ = m.Processor(name), m.Source(name), m.Registry(name)
	for _, client := range []string{name, "caf\xe8"} {
		p, err := producer.New(b.Addrs(), serializer(t), m.Producer(client))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close(ctx) }()
		for _, topic := range []string{prom.OtherTopics, "orders", name, "caf\xe8", "fifth topic"} {
			if _, err := topicOf(topic).Publish(ctx, p, order()); (err == nil) != (topic == "orders") {
				t.Errorf("topic %q: %v", topic, err)
			}
		}
	}
	all := gather(t, m)
	if diff := cmp.Diff(map[string]float64{"delivered,orders": 2}, samples(all["avroline_messages_total"])); diff != "" {
		t.Errorf("messages: %s", diff)
	}
	refused := map[string]float64{}
	for labels, n := range samples(all["avroline_messages_refused_total"]) {
		_, topic, _ := strings.Cut(labels, ",")
		refused[topic] += n
	}
	if diff := cmp.Diff(map[string]float64{want: 4, prom.OtherTopics: 4}, refused); diff != "" {
		t.Errorf("refused: %s", diff)
	}
	if diff := cmp.Diff(map[string]float64{want: 1}, samples(all["avroline_ready"])); diff != "" {
		t.Errorf("ready: %s", diff)
	}
}

// TestBrokers checks the metrics of the brokers, also after a broker goes away.
// At the end, every metric of the catalogue must have had a value.
func TestBrokers(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 3))
	m := prom.New()
	p, err := producer.New(b.Addrs(), serializer(t), m.Producer("shop"), producer.WithConfig(map[string]string{"statistics.interval.ms": "100"}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	if _, err := topicOf("orders").Publish(ctx, p, order()); err != nil {
		t.Fatal(err)
	}
	until(t, "traffic", func() bool {
		all := gather(t, m)
		return len(samples(all["avroline_broker_connected"])) > 0 && len(samples(all["avroline_broker_sent_bytes_total"])) > 0
	})
	all := gather(t, m)
	for _, d := range catalog.All() {
		isOurs := strings.HasPrefix(d.Name, "avroline_broker_")
		f := all[d.Name]
		switch {
		case isOurs && f == nil:
			t.Errorf("no %s", d.Name)
		case f == nil:
		case !strings.EqualFold(f.GetType().String(), d.Type) || f.GetHelp() != d.Help:
			t.Errorf("%s is %v %q", d.Name, f.GetType(), f.GetHelp())
		}
		for _, sample := range f.GetMetric() {
			var labels []string
			for _, l := range sample.GetLabel() {
				labels = append(labels, l.GetName())
			}
			want := slices.Sorted(slices.Values(d.Labels))
			if diff := cmp.Diff(want, labels); diff != "" {
				t.Errorf("%s: %s", d.Name, diff)
			}
		}
	}
	restart := b.Stop()
	until(t, "not ready", func() bool {
		all := gather(t, m)
		return len(samples(all["avroline_ready"])) == 0 && len(samples(all["avroline_broker_connected"])) == 0
	})
	restart()
	until(t, "ready again", func() bool { return samples(gather(t, m)["avroline_ready"])["shop"] == 1 })
}

// TestBrokersAfterReplacement replaces a client of one of two producers with
// the same name. The counts of the new client begin at 0, but the sum of both
// producers must not fall. Prometheus would take the whole sum as new.
func TestBrokersAfterReplacement(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 1))
	m := prom.New()
	var all []*producer.Producer
	for range 2 {
		p, err := producer.New(b.Addrs(), serializer(t), m.Producer("shop"), producer.WithTransport(producer.Franz))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close(ctx) }()
		all = append(all, p)
	}
	publish := func() {
		for _, p := range all {
			if _, err := topicOf("orders").Publish(ctx, p, order()); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := map[string]float64{}
	noFall := func() {
		t.Helper()
		families := gather(t, m)
		for _, name := range []string{"requests_total", "sent_bytes_total", "received_bytes_total", "connects_total"} {
			name = "avroline_broker_" + name
			for labels, now := range samples(families[name]) {
				if now < before[name+labels] {
					t.Errorf("%s of %s falls from %v to %v", name, labels, before[name+labels], now)
				}
				before[name+labels] = now
			}
		}
	}
	for range 20 {
		publish()
	}
	noFall()
	for range 2 { // the new clients' counts count too
		sum := before["avroline_broker_sent_bytes_total"+b.Addrs()[0]+",shop"]
		b.RefuseNext(1, kerr.InvalidRecord.Code)
		publish()
		noFall()
		publish()
		noFall()
		if now := before["avroline_broker_sent_bytes_total"+b.Addrs()[0]+",shop"]; now <= sum {
			t.Errorf("%v bytes, and later %v", sum, now)
		}
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for ctx := deadline(t); !ok(); time.Sleep(20 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// BenchmarkPublish compares publishing with and without metrics. Both must have
// the same number of allocations.
func BenchmarkPublish(b *testing.B) {
	for _, bench := range []struct {
		name string
		opts func() []producer.Option
	}{
		{"plain", func() []producer.Option { return nil }},
		{"metrics", func() []producer.Option { return []producer.Option{prom.New().Producer("shop")} }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			broker := producertest.Start(b, producertest.WithTopic("orders", 3))
			p, err := producer.New(broker.Addrs(), serializer(b), bench.opts()...)
			if err != nil {
				b.Fatal(err)
			}
			ctx, created, e := context.Background(), topicOf("orders"), order()
			b.ReportAllocs()
			for b.Loop() {
				if err := created.PublishAsync(ctx, p, e, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Close(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// numbers is a [source.Input] of 30 numbers that knows its lag. More calls end
// after the last number was published.
type numbers struct{ end func() }

// number is the reader of numbers.
type number struct {
	*numbers
	at int
}

func (n *numbers) Open(_ context.Context, _ source.Shard, committed []source.Position) (source.Reader[int], error) {
	r := &number{numbers: n}
	for _, p := range committed {
		r.at, _ = strconv.Atoi(p.Value)
	}
	return r, nil
}

func (n *number) Next(_ context.Context, item *source.Item[int]) (bool, error) {
	if n.at == 30 {
		return false, nil
	}
	item.Value = n.at
	n.at++
	return true, nil
}

func (n *number) More(context.Context) (bool, error) { n.end(); return false, nil }

func (n *number) Positions() []source.Position {
	return []source.Position{{Value: strconv.Itoa(n.at)}}
}

func (*number) Close() error { return nil }

func (n *number) Lag(context.Context) (source.Lag, error) {
	return source.Lag{Items: int64(30 - n.at)}, nil
}

// TestSource checks the lag and the stops of a source. The source stops at item
// 15, and continues in a second run.
func TestSource(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	b := producertest.Start(t, producertest.WithTopic("orders", 3), producertest.WithTopicConfig("avroline-checkpoints", 1, map[string]string{"cleanup.policy": "compact"}))
	m := prom.New()
	type figures struct {
		Lag   map[string]float64
		Stops map[string]float64
	}
	now := func() figures {
		all := gather(t, m)
		return figures{samples(all["avroline_source_lag_items"]), samples(all["avroline_source_shard_stops_total"])}
	}
	ends, firstLag := 0, map[string]float64{}
	in := &numbers{end: func() {
		ends++
		if got := now(); len(got.Lag) != 0 {
			t.Errorf("everything is published, and the lag is %v", got.Lag)
		}
	}}
	reg := &workload.Registry{}
	s, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	src, err := source.New(b.Addrs(), "numbers", in, reg, s, source.WithTransaction(10, 1<<20, time.Second), m.Source("numbers"),
		source.WithProducer(m.Producer("numbers")))
	if err != nil {
		t.Fatal(err)
	}
	stop, created := errors.New("stop"), topicOf("orders")
	publish := func(ctx context.Context, tx *producer.Tx, n int) error {
		switch {
		case n == 0:
			firstLag = now().Lag
		case n == 15 && ends == 0 && len(now().Stops) == 0:
			return stop
		}
		return created.Add(ctx, tx, order())
	}
	if err := src.Run(ctx, publish); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"numbers": 30}, firstLag); diff != "" {
		t.Errorf("the lag at the begin: %s", diff)
	}
	if diff := cmp.Diff(figures{map[string]float64{}, map[string]float64{"numbers": 1}}, now()); diff != "" {
		t.Errorf("after the stop: %s", diff)
	}
	if h := src.Health(); h.Ready || !errors.Is(h.Reason, stop) {
		t.Errorf("health after the stop: %+v", h)
	}
	if err := src.Run(ctx, publish); err != nil || ends != 1 {
		t.Errorf("second run: %v, %d ends", err, ends)
	}
	if h := src.Health(); !h.Ready || h.Degraded != nil {
		t.Errorf("health after the end: %+v", h)
	}
	if got := samples(gather(t, m)["avroline_transactions_total"]); got["numbers,committed"] != 3 || got["numbers,aborted"] != 1 {
		t.Errorf("transactions: %v", got)
	}
	if err := src.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestRegistry checks the counts of look-ups and requests in three cases: the
// registry answers, the registry is down, and a second URL answers.
func TestRegistry(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	server := registrytest.Start(t)
	if err := server.Seed("orders", `"string"`); err != nil {
		t.Fatal(err)
	}
	m := prom.New()
	reg, err := registry.New([]string{"http://127.0.0.1:1", server.URL}, m.Registry("main"), registry.WithRetries(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close() }()
	for range 3 {
		if _, err := reg.SchemaByID(ctx, "", 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := reg.SchemaByID(ctx, "", 99); err == nil {
		t.Error("there is a schema 99")
	}
	lift := server.Inject(registrytest.Reset())
	if _, err := reg.SchemaByID(ctx, "", 100); err == nil {
		t.Error("the registry is away")
	}
	lift()
	proxied, err := registry.New([]string{server.URL}, m.Registry("proxied"), registry.WithRetries(0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxied.Close() }()
	server.Fail(1, 503)
	if _, err := proxied.SchemaByID(ctx, "", 1); err == nil {
		t.Error("a proxy answers for the registry")
	}
	all := gather(t, m)
	for name, want := range map[string]map[string]float64{
		"avroline_registry_lookups_total":       {"main,schema_by_id,registry": 3, "proxied,schema_by_id,registry": 1, "main,schema_by_id,memory": 2},
		"avroline_registry_lookup_errors_total": {"main,schema_by_id": 2, "proxied,schema_by_id": 1},
		"avroline_registry_requests_total":      {"main,ok": 1, "main,refused": 1, "main,failed": 1, "proxied,failed": 1},
	} {
		if diff := cmp.Diff(want, samples(all[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if n := samples(all["avroline_registry_failovers_total"])["main"]; n < 1 {
		t.Errorf("%v failovers", n)
	}
	if n := all["avroline_registry_request_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); n != 3 {
		t.Errorf("%d requests in the histogram", n)
	}
}

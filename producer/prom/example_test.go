package prom_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/prom"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// Count the messages of a producer, and serve the metrics over HTTP.
func Example() {
	ctx := context.Background()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 3)))
	defer broker.Close()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()

	metrics := prom.New()
	gatherer := prometheus.NewRegistry()
	gatherer.MustRegister(metrics)
	handler := promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}) // for GET /metrics

	p := must(producer.New(broker.Addrs(), must(serde.NewSerializer(reg)), metrics.Producer("shop")))
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	for range 3 {
		must(topic.Publish(ctx, p, &orders.OrderCreated{Customer: "ada"}))
	}
	_, err := topic.Publish(ctx, p, &orders.OrderCreated{Customer: strings.Repeat("x", 2_000_000)})
	fmt.Println(producer.ReasonOf(err))
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "avroline_messages_") {
			fmt.Print(line)
		}
	}
	// Output:
	// too_large
	// avroline_messages_refused_total{reason="too_large",topic="orders"} 1
	// avroline_messages_total{outcome="aborted",topic="orders"} 0
	// avroline_messages_total{outcome="delivered",topic="orders"} 3
	// avroline_messages_total{outcome="not_sent",topic="orders"} 0
	// avroline_messages_total{outcome="unknown",topic="orders"} 0
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

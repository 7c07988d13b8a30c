package prom

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
	"github.com/avroline/avroline/registry"
)

// registries are the metrics of registry clients.
type registries struct {
	lookups, errors, requests, retries, failovers *prometheus.CounterVec
	took                                          *prometheus.HistogramVec
}

func newRegistries(buckets []float64) registries {
	return registries{
		lookups: counter(catalog.RegistryLookups), errors: counter(catalog.RegistryErrors), requests: counter(catalog.RegistryRequests),
		retries: counter(catalog.RegistryRetries), failovers: counter(catalog.RegistryFailovers),
		took: histogram(catalog.RegistryRequest, buckets),
	}
}

func (r *registries) collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{r.lookups, r.errors, r.requests, r.retries, r.failovers, r.took} {
		c.Collect(ch)
	}
}

// Registry returns an option for registry clients. Their metrics have the label
// client="name". Several clients may share a name.
func (m *Metrics) Registry(name string) registry.Option {
	r := &m.registries
	// A rate needs a first sample, so the counters begin with 0.
	results := map[string]prometheus.Counter{}
	for _, result := range []string{"ok", "refused", "failed"} {
		results[result] = r.requests.WithLabelValues(name, result)
	}
	retries, failovers, took := r.retries.WithLabelValues(name), r.failovers.WithLabelValues(name), r.took.WithLabelValues(name)
	return registry.WithHooks(registry.Hooks{
		Answered: func(_ context.Context, a registry.Answered) {
			r.lookups.WithLabelValues(name, a.Operation, a.Origin.String()).Inc()
			if a.Err != nil {
				r.errors.WithLabelValues(name, a.Operation).Inc()
			}
		},
		EndRequest: func(_ context.Context, _ registry.Request, e registry.Response) {
			result := "ok"
			switch {
			case e.Status == 0:
				result = "failed"
			case e.Err != nil:
				result = "refused"
			}
			results[result].Inc()
			retries.Add(float64(max(e.Attempts-1, 0)))
			failovers.Add(float64(max(e.URLs-1, 0)))
			took.Observe(e.Took.Seconds())
		},
	})
}

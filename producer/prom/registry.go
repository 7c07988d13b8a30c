package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
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

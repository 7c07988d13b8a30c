package prom

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

// histogram makes a histogram with classic and native buckets.
func histogram(m *catalog.Metric, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, m.Labels)
}

// counter makes a counter.
func counter(m *catalog.Metric) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
}

// descs are the descriptions of all metrics.
var descs = describe() //nolint:gochecknoglobals // a table, never changed

func describe() map[*catalog.Metric]*prometheus.Desc {
	all := map[*catalog.Metric]*prometheus.Desc{}
	for _, m := range catalog.All() {
		all[m] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
	}
	return all
}

// label makes a value of a label. Prometheus accepts only UTF-8, and one bad
// value would end the scrape of most metrics. So label replaces invalid bytes
// by U+FFFD.
func label(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// sample makes one sample of a counter or a gauge.
func sample(m *catalog.Metric, value float64, labels ...string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if m.Type == catalog.Counter {
		kind = prometheus.CounterValue
	}
	return prometheus.MustNewConstMetric(descs[m], kind, value, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

package prom

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

// Metrics collects the metrics of a program's producers, processors, sources
// and registry clients. A Metrics is a [prometheus.Collector] and is safe for
// concurrent use.
type Metrics struct {
	config   config
	topics   topics
	delivery *prometheus.HistogramVec
	onWire   *prometheus.HistogramVec
	spent    *prometheus.HistogramVec // the duration of transactions

	registries registries
	workers    *workers

	mu      sync.Mutex
	clients []*client // in the order of their first use
}

// Option changes a [Metrics]. The zero Option does nothing.
type Option struct {
	name  string
	apply func(*config)
}

// String returns the option's name.
func (o Option) String() string { return o.name }

type config struct {
	topicLimit int
	buckets    []float64
}

// OtherTopics is the value of the label topic for all topics beyond
// [WithTopicLimit]. No Kafka topic can have this name.
const OtherTopics = "(other)"

// WithTopicLimit limits the number of values of the label topic. The first n
// topics have separate values. All further topics share the value
// [OtherTopics]. Default 100. If n is 0 or less, every topic has the value
// OtherTopics.
func WithTopicLimit(n int) Option {
	return Option{"WithTopicLimit", func(c *config) { c.topicLimit = n }}
}

// WithBuckets sets the upper bounds of the classic buckets of the histograms.
// The bounds are seconds in rising order. Default 15 bounds from 1 ms to 60 s.
// nil means the default. The histograms are also native histograms, which need
// no bounds. With an empty slice, the histograms are only native.
func WithBuckets(seconds []float64) Option {
	return Option{"WithBuckets", func(c *config) { c.buckets = seconds }}
}

// New makes a [Metrics]. Register the result in a [prometheus.Registerer].
func New(opts ...Option) *Metrics {
	c := config{topicLimit: 100}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	if c.buckets == nil {
		c.buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	}
	m := &Metrics{config: c, delivery: histogram(catalog.Delivery, c.buckets), onWire: histogram(catalog.OnWire, c.buckets)}
	m.spent = histogram(catalog.Transaction, c.buckets)
	m.topics.limit = c.topicLimit
	m.registries, m.workers = newRegistries(c.buckets), newWorkers(c.buckets)
	return m
}

var _ prometheus.Collector = (*Metrics)(nil)

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. Collect does no I/O.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.topics.collect(ch)
	m.delivery.Collect(ch)
	m.onWire.Collect(ch)
	m.spent.Collect(ch)
	m.registries.collect(ch)
	m.workers.collect(ch)
	m.mu.Lock()
	clients := append([]*client(nil), m.clients...)
	m.mu.Unlock()
	for _, c := range clients {
		c.collect(ch)
	}
}

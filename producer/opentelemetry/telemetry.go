package opentelemetry

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Telemetry writes traces and metrics. A Telemetry is safe for concurrent use
// and needs no Close. The program owns the providers, and must flush them after
// it has closed its producers.
type Telemetry struct {
	config  config
	tracer  trace.Tracer
	metrics instruments
	levels  levels
	fields  []string // headers that a new context replaces

	kinds     sync.Map // kindKey → *publishKind
	kindCount atomic.Int64
}

// Option changes a [Telemetry]. The zero Option does nothing.
type Option struct {
	name  string
	apply func(*config)
}

// String returns the option's name.
func (o Option) String() string { return o.name }

type config struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	keys       bool
	err        error
}

func (c *config) fail(option string) {
	c.err = errors.Join(c.err, fmt.Errorf("opentelemetry: %s: the value is nil", option))
}

// WithTracerProvider sets the receiver of the spans. The default is the global
// provider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return Option{"WithTracerProvider", func(c *config) {
		if p == nil {
			c.fail("WithTracerProvider")
		}
		c.tracers = p
	}}
}

// WithMeterProvider sets the receiver of the metrics. The default is the global
// provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return Option{"WithMeterProvider", func(c *config) {
		if p == nil {
			c.fail("WithMeterProvider")
		}
		c.meters = p
	}}
}

// WithPropagator sets the form of the context in headers. The default is W3C
// trace context and baggage, even if the program has set no global propagator.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return Option{"WithPropagator", func(c *config) {
		if p == nil {
			c.fail("WithPropagator")
		}
		c.propagator = p
	}}
}

// WithMessageKeys adds the keys of messages to the spans. Only keys of at most
// 200 bytes of UTF-8 text are added. By default no keys are added, because a
// key may name a person.
func WithMessageKeys() Option { return Option{"WithMessageKeys", func(c *config) { c.keys = true }} }

// New makes a [Telemetry]. New fails if an option has a nil value, or if the
// meter cannot make an instrument.
func New(opts ...Option) (*Telemetry, error) {
	c := config{propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	if c.tracers == nil {
		c.tracers = otel.GetTracerProvider()
	}
	if c.meters == nil {
		c.meters = otel.GetMeterProvider()
	}
	t := &Telemetry{config: c, tracer: c.tracers.Tracer(scope, trace.WithSchemaURL(SchemaURL))}
	for _, key := range c.propagator.Fields() {
		if key != "baggage" {
			t.fields = append(t.fields, key)
		}
	}
	var err error
	meter := c.meters.Meter(scope, metric.WithSchemaURL(SchemaURL))
	t.metrics, err = newInstruments(meter)
	if err = errors.Join(err, t.levels.register(meter)); err != nil {
		return nil, fmt.Errorf("opentelemetry: %w", err)
	}
	return t, nil
}

// instruments are the metrics.
type instruments struct {
	sent, consumed, sourceItems, transactions, lookups metric.Int64Counter
	operation, process, request, plan                  metric.Float64Histogram
}

func newInstruments(m metric.Meter) (i instruments, err error) {
	var errs []error
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	seconds := func(name, description string) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(secondsBuckets...))
		errs = append(errs, err)
		return h
	}
	i = instruments{
		sent:         counter(metricSent, "{message}", "Messages that the program published. error.type says why a message was not delivered."),
		consumed:     counter(metricConsumed, "{message}", "Messages that processors handled, once for each attempt at their batch."),
		sourceItems:  counter(metricSourceItems, "{item}", "Items of sources in committed transactions."),
		transactions: counter(metricTransactions, "{transaction}", "Transactions by result."),
		lookups:      counter(metricLookups, "{lookup}", "Look-ups of registry clients by the origin of the answer."),
		operation:    seconds(metricOperationDuration, "Time from the call of Publish to the outcome of the message, and time of the polls of processors."),
		process:      seconds(metricProcessDuration, "Time of the function of a processor for one message."),
		request:      seconds(metricRequestDuration, "Time of a request to the registry, with its retries."),
		plan:         seconds(metricPlanDuration, "Time of planning how to read a writer schema."),
	}
	return i, errors.Join(errs...)
}

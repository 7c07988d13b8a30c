// Package prom exports metrics of producers, processors, sources and registry
// clients to Prometheus.
//
// One [Metrics] serves all parts of a program. Each constructor gets an option
// of the Metrics:
//
//	metrics := prom.New()
//	prometheus.MustRegister(metrics)
//	p, err := producer.New(brokers, serializer, metrics.Producer("orders"))
//
// Processors, sources and relays make producers to publish. Give the option for
// these producers to WithProducer.
//
// docs/observability.md has the table of the metrics. docs/observability has a
// dashboard for Grafana and alert rules for Prometheus. All three are generated
// from the list in package catalog.
//
// # Cardinality
//
// The label client is a name that the program chooses. The label topic has at
// most 100 values ([WithTopicLimit]). All further topics share the value
// "(other)". The label broker has one value for each broker of the cluster. The
// other labels have a few fixed values.
//
// # Cost
//
// The hooks allocate nothing. The counters of a topic are atomic. The gauges
// and the statistics of the brokers are read only when Prometheus scrapes.
package prom

//go:generate go run ./internal/generate -docs ../../docs

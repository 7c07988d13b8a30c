// Package opentelemetry writes traces and metrics of producers, processors,
// sources, serializers and registry clients with OpenTelemetry.
//
// One [Telemetry] serves a whole program. Each constructor gets an option of
// it:
//
//	telemetry, err := opentelemetry.New()
//	reg, err := registry.New(urls, telemetry.Registry())
//	ser, err := serde.NewSerializer(reg, telemetry.Serde())
//	p, err := producer.New(brokers, ser, telemetry.Producer())
//
// The options work beside the options of package prom.
//
// # Traces
//
// A published message has a span of kind PRODUCER. The span begins when the
// program calls Publish and ends with the outcome of the message. Its context
// is in the headers of the message, in the W3C form. A message never has two
// such contexts. A headers' context of an earlier span becomes the parent if
// the caller's context has no span, and a link otherwise.
//
// A processor has a span of kind CONSUMER for each message. Its parent is the
// context in the headers. The function gets the context of the span, so what it
// publishes is in the same trace. A batch has a span with links to the contexts
// of its messages.
//
// # Names
//
// All names are in names.go. They follow the semantic conventions for messaging
// in version 1.43.0, which are in development, and begin with "avroline" where
// the conventions have no name. No span name and no attribute of a metric has a
// key, an offset or a transactional id.
package opentelemetry

// Package opentelemetry writes traces and metrics of producers, processors,
// sources, serializers and registry clients with OpenTelemetry.
//
// One [Telemetry] serves a whole program. Each constructor gets an option of
// the Telemetry:
//
//	telemetry, err := opentelemetry.New()
//	reg, err := registry.New(urls, telemetry.Registry())
//	ser, err := serde.NewSerializer(reg, telemetry.Serde())
//	p, err := producer.New(brokers, ser, telemetry.Producer())
//
// The options can be combined with the options of package prom.
//
// # Traces
//
// A published message has a span of kind PRODUCER. The span begins when the
// program calls Publish, and ends with the outcome of the message. The headers
// of the message contain the span's context in the W3C form. A message never
// has two such contexts. If the headers already contain a context and the
// caller's context has no span, the headers' context becomes the parent. If the
// caller's context has a span, the headers' context becomes a link.
//
// A processor has a span of kind CONSUMER for each message. The parent is the
// context in the message's headers. The function gets the context of the span,
// so messages that the function publishes are in the same trace. A batch has a
// span with links to the contexts of the messages.
//
// # Names
//
// All names are in names.go. The names follow the semantic conventions for
// messaging in version 1.43.0, which are in development. If the conventions
// have no name, the name begins with "avroline". No span name and no attribute
// of a metric contains a key, an offset or a transactional id.
package opentelemetry

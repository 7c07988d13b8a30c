package opentelemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// scope is the name of the tracer and the meter.
const scope = "github.com/avroline/avroline/producer/opentelemetry"

// SchemaURL is the version of the semantic conventions that the names follow.
const SchemaURL = semconv.SchemaURL

// Names of operations. The spans of the first three are named "OPERATION
// TOPIC".
const (
	opPublish     = "publish"
	opReceive     = "receive" // a batch of a processor
	opProcess     = "process" // a message of a processor
	opPoll        = "poll"    // only a metric
	opCommit      = "commit"
	opAbort       = "abort"
	opInDoubt     = "in doubt"
	spanLookup    = "schema lookup"
	spanSource    = "source transaction"
	eventBad      = "message went to the bad handler"
	eventWritten  = "written to the broker"
	eventResolved = "commit in doubt resolved"
)

// Names of metrics.
const (
	metricSent              = "messaging.client.sent.messages"
	metricConsumed          = "messaging.client.consumed.messages"
	metricOperationDuration = "messaging.client.operation.duration"
	metricProcessDuration   = "messaging.process.duration"
	metricLag               = "avroline.processor.lag"
	metricPartitions        = "avroline.processor.partitions"
	metricSourceItems       = "avroline.source.items"
	metricSourceLag         = "avroline.source.lag"
	metricTransactions      = "avroline.transactions"
	metricLookups           = "avroline.registry.lookups"
	metricRequestDuration   = "avroline.registry.request.duration"
	metricPlanDuration      = "avroline.schema.plan.duration"
)

// Keys of attributes.
const (
	keyOutcome       = attribute.Key("avroline.outcome")        // delivered, refused, not_sent, unknown
	keyReason        = attribute.Key("avroline.reason")         // a producer.Reason
	keyRecord        = attribute.Key("avroline.record.name")    // full name of the Avro type
	keySchemaID      = attribute.Key("avroline.schema.id")      // of the value
	keySubject       = attribute.Key("avroline.schema.subject") // of the schema
	keyPart          = attribute.Key("avroline.message.part")   // key or value
	keyTransactional = attribute.Key("avroline.transactional_id")
	keyResult        = attribute.Key("avroline.transaction.result") // committed, aborted, in_doubt
	keyOperation     = attribute.Key("avroline.registry.operation")
	keyOrigin        = attribute.Key("avroline.registry.origin") // memory, disk, registry
	keyURLs          = attribute.Key("avroline.registry.urls")   // URLs that were tried
	keySource        = attribute.Key("avroline.source.name")
	keyShard         = attribute.Key("avroline.source.shard")
	keyItems         = attribute.Key("avroline.source.items")
	keyBad           = attribute.Key("avroline.message.bad") // true if the message went to the bad handler
)

// Values of avroline.outcome. The last two are also values of error.type.
const (
	outcomeDelivered = "delivered"
	outcomeRefused   = "refused"
	outcomeNotSent   = "not_sent"
	outcomeUnknown   = "unknown"
)

// secondsBuckets are the boundaries that the conventions recommend.
//
//nolint:gochecknoglobals // a table, never changed
var secondsBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// valid makes a text that the protocol OTLP accepts. One text with bytes that
// are not UTF-8 would make the export of all spans or metrics fail. So valid
// replaces such bytes by U+FFFD.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

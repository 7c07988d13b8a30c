package opentelemetry

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// Producer returns an option for producers. The option makes a span and records
// the metrics of each message and each transaction. Packages processor, source
// and outbox accept the option in their WithProducer.
func (t *Telemetry) Producer() producer.Option {
	return producer.WithHooks(producer.Hooks{
		Start:       t.startPublish,
		Refused:     func(token any, err error) { token.(*publish).refused(err) },
		Accepted:    func(token any, bytes int) { token.(*publish).accepted(bytes) },
		Outcome:     func(token any, o producer.Outcome) { token.(*publish).outcome(&o) },
		Transaction: t.transaction,
	})
}

// publish is a message between the start of Publish and the outcome.
type publish struct {
	telemetry *Telemetry
	kind      *publishKind
	span      trace.Span
	begun     time.Time
}

// publishKind holds the names and attributes that all messages of a topic and a
// record type share. So they are not made again for each message.
type publishKind struct {
	topic, name string // name is the name of the span
	start       []trace.SpanStartOption
	sent        []metric.AddOption    // for delivered messages
	operation   []metric.RecordOption // for delivered messages
}

type kindKey struct{ topic, record string }

// maxKinds limits the number of kept kinds, because a program may publish to
// any number of topics.
const maxKinds = 1000

// kind returns the kind of a message.
func (t *Telemetry) kind(topic, record string) *publishKind {
	key := kindKey{topic, record}
	if known, ok := t.kinds.Load(key); ok {
		return known.(*publishKind)
	}
	topic = valid(topic) // hooks also get messages with a wrong topic name
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKafka,
		semconv.MessagingOperationName(opPublish),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(topic),
	}
	if record != "" {
		attributes = append(attributes, keyRecord.String(record))
	}
	k := &publishKind{
		topic: topic, name: opPublish + " " + topic,
		start: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...)},
	}
	sent, operation := k.labels("")
	k.sent, k.operation = []metric.AddOption{sent}, []metric.RecordOption{operation}
	if t.kindCount.Load() < maxKinds {
		if _, known := t.kinds.LoadOrStore(key, k); !known {
			t.kindCount.Add(1)
		}
	}
	return k
}

// labels returns the attributes of the metrics. failure is the value of
// error.type, or empty.
func (k *publishKind) labels(failure string) (sent, operation metric.MeasurementOption) {
	labels := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(opPublish), semconv.MessagingDestinationName(k.topic),
	}
	if failure != "" {
		labels = append(labels, semconv.ErrorTypeKey.String(failure))
	}
	sent = metric.WithAttributeSet(attribute.NewSet(labels...))
	return sent, metric.WithAttributeSet(attribute.NewSet(append(labels, semconv.MessagingOperationTypeSend)...))
}

func (t *Telemetry) startPublish(ctx context.Context, s *producer.Start) any {
	parent, links := t.parent(ctx, *s.Headers)
	k := t.kind(s.Topic, s.RecordName)
	options := k.start
	if len(links) > 0 {
		options = append(slices.Clip(options), trace.WithLinks(links...))
	}
	p := &publish{telemetry: t, kind: k, begun: time.Now()}
	inner, span := t.tracer.Start(parent, k.name, options...)
	p.span = span
	if span.IsRecording() {
		if s.Tombstone {
			span.SetAttributes(semconv.MessagingKafkaMessageTombstone(true))
		}
		if s.TransactionalID != "" {
			span.SetAttributes(keyTransactional.String(valid(s.TransactionalID)))
		}
		span.SetAttributes(t.addKey(nil, s.Key)...)
	}
	t.inject(inner, s.Headers)
	return p
}

// maxKey limits the size of a key in a span.
const maxKey = 200

func (t *Telemetry) addKey(to []attribute.KeyValue, key []byte) []attribute.KeyValue {
	if t.config.keys && key != nil && len(key) <= maxKey && utf8.Valid(key) {
		return append(to, semconv.MessagingKafkaMessageKey(string(key)))
	}
	return to
}

// weakParent marks the context of a source's transaction. The context in the
// headers of an item has priority over the transaction as parent.
type weakParent struct{}

// parent returns the context for the span of a message, and the links of the
// span. The message may have a context in its headers, for example in an
// outbox, in a dead letter or in a copy of another message.
func (t *Telemetry) parent(ctx context.Context, headers []serde.Header) (context.Context, []trace.Link) {
	if len(headers) == 0 {
		return ctx, nil
	}
	own := trace.SpanContextFromContext(ctx)
	there := t.carried(headers)
	switch {
	case !there.IsValid():
		return ctx, nil
	case !own.IsValid():
		return t.Extract(ctx, headers), nil
	case ctx.Value(weakParent{}) != nil:
		return t.Extract(ctx, headers), []trace.Link{{SpanContext: own}}
	case there.TraceID() == own.TraceID():
		return ctx, nil
	}
	return ctx, []trace.Link{{SpanContext: there}}
}

func (p *publish) accepted(bytes int) {
	if p.span.IsRecording() {
		p.span.SetAttributes(semconv.MessagingMessageEnvelopeSize(bytes))
	}
}

func (p *publish) refused(err error) {
	p.span.SetAttributes(keyOutcome.String(outcomeRefused))
	p.end(err, string(producer.ReasonOf(err)))
}

func (p *publish) outcome(o *producer.Outcome) {
	outcome, failure := outcomeDelivered, ""
	switch {
	case errors.Is(o.Err, producer.ErrNotSent):
		outcome, failure = outcomeNotSent, outcomeNotSent
	case o.Err != nil:
		outcome, failure = outcomeUnknown, outcomeUnknown
	}
	if p.span.IsRecording() {
		attributes := append(make([]attribute.KeyValue, 0, 4),
			semconv.MessagingDestinationPartitionID(strconv.Itoa(int(o.Delivery.Partition))),
			keyOutcome.String(outcome))
		if o.Delivery.ValueSchemaID != 0 {
			attributes = append(attributes, keySchemaID.Int(o.Delivery.ValueSchemaID))
		}
		if o.Err == nil && o.Delivery.Offset >= 0 {
			attributes = append(attributes, semconv.MessagingKafkaOffset(int(o.Delivery.Offset)))
		}
		p.span.SetAttributes(attributes...)
		if o.OnWire > 0 {
			p.span.AddEvent(eventWritten, trace.WithTimestamp(time.Now().Add(-o.OnWire)))
		}
	}
	p.end(o.Err, failure)
}

// end ends the span and counts the message. failure is the value of error.type,
// or empty.
func (p *publish) end(err error, failure string) {
	fail(p.span, err, failure)
	if err != nil {
		p.span.SetAttributes(keyReason.String(string(producer.ReasonOf(err))))
	}
	p.span.End()
	ctx := context.Background()
	if p.span.SpanContext().IsSampled() {
		ctx = trace.ContextWithSpan(ctx, p.span) // for exemplars
	}
	m, took := &p.telemetry.metrics, time.Since(p.begun).Seconds()
	if failure == "" {
		m.sent.Add(ctx, 1, p.kind.sent...)
		m.operation.Record(ctx, took, p.kind.operation...)
		return
	}
	sent, operation := p.kind.labels(failure)
	m.sent.Add(ctx, 1, sent)
	m.operation.Record(ctx, took, operation)
}

// fail marks a span as failed, unless err is nil.
func fail(span trace.Span, err error, kind string) {
	if err == nil {
		return
	}
	span.SetStatus(codes.Error, valid(err.Error()))
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// transaction makes the span of a transaction when the transaction ends. The
// event contains the time of the begin. So no span can stay open.
func (t *Telemetry) transaction(ctx context.Context, e producer.TransactionEvent) {
	operation, result := "", ""
	switch e.Kind {
	case producer.TransactionCommitted:
		operation, result = opCommit, "committed"
	case producer.TransactionAborted:
		operation, result = opAbort, "aborted"
	case producer.TransactionInDoubt:
		operation, result = opInDoubt, "in_doubt"
	case producer.TransactionResolved:
		trace.SpanFromContext(ctx).AddEvent(eventResolved)
		return
	default:
		return
	}
	_, span := t.tracer.Start(ctx, operation+" transaction", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(e.Begun),
		trace.WithAttributes(
			semconv.MessagingSystemKafka, semconv.MessagingOperationName(operation), semconv.MessagingOperationTypeSettle,
			semconv.MessagingBatchMessageCount(int(e.Messages)), keyTransactional.String(valid(e.TransactionalID)), keyResult.String(result)))
	fail(span, e.Err, string(producer.ReasonOf(e.Err)))
	span.End()
	t.metrics.transactions.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(keyResult.String(result))))
}

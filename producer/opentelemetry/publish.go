package opentelemetry

import (
	"context"
	"errors"
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

// Producer returns an option for producers, with a span and the metrics of each
// message and each transaction. Packages processor, source and outbox take the
// option through their WithProducer.
func (t *Telemetry) Producer() producer.Option {
	return producer.WithHooks(producer.Hooks{
		Start:       t.startPublish,
		Refused:     func(token any, err error) { token.(*publish).refused(err) },
		Accepted:    func(token any, bytes int) { token.(*publish).accepted(bytes) },
		Outcome:     func(token any, o producer.Outcome) { token.(*publish).outcome(&o) },
		Transaction: t.transaction,
	})
}

// publish is a message between Start and its outcome.
type publish struct {
	telemetry *Telemetry
	span      trace.Span
	begun     time.Time
	topic     string
}

func (t *Telemetry) startPublish(ctx context.Context, s *producer.Start) any {
	parent, links := t.parent(ctx, *s.Headers)
	attributes := append(make([]attribute.KeyValue, 0, 8),
		semconv.MessagingSystemKafka,
		semconv.MessagingOperationName(opPublish),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(s.Topic),
	)
	if s.RecordName != "" {
		attributes = append(attributes, keyRecord.String(s.RecordName))
	}
	if s.Tombstone {
		attributes = append(attributes, semconv.MessagingKafkaMessageTombstone(true))
	}
	if s.TransactionalID != "" {
		attributes = append(attributes, keyTransactional.String(s.TransactionalID))
	}
	attributes = t.addKey(attributes, s.Key)
	begun := time.Now()
	inner, span := t.tracer.Start(parent, opPublish+" "+s.Topic, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attributes...), trace.WithLinks(links...), trace.WithTimestamp(begun))
	t.inject(inner, s.Headers)
	return &publish{t, span, begun, s.Topic}
}

// maxKey is the size of the largest key that a span has.
const maxKey = 200

func (t *Telemetry) addKey(to []attribute.KeyValue, key []byte) []attribute.KeyValue {
	if t.config.keys && key != nil && len(key) <= maxKey && utf8.Valid(key) {
		return append(to, semconv.MessagingKafkaMessageKey(string(key)))
	}
	return to
}

// weakParent marks the context of a transaction of a source. The context in the
// headers of an item comes before the transaction.
type weakParent struct{}

// parent returns the context for the span of a message, and the links of the
// span. The message may have a context in its headers, for example in an
// outbox, in a dead letter or in a copy of another message.
func (t *Telemetry) parent(ctx context.Context, headers []serde.Header) (context.Context, []trace.Link) {
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
	p.span.SetAttributes(semconv.MessagingMessageEnvelopeSize(bytes))
}

func (p *publish) refused(err error) {
	reason := string(producer.ReasonOf(err))
	p.span.SetAttributes(keyOutcome.String(outcomeRefused))
	p.end(err, reason)
}

func (p *publish) outcome(o *producer.Outcome) {
	p.span.SetAttributes(semconv.MessagingDestinationPartitionID(strconv.Itoa(int(o.Delivery.Partition))))
	if o.Delivery.ValueSchemaID != 0 {
		p.span.SetAttributes(keySchemaID.Int(o.Delivery.ValueSchemaID))
	}
	outcome, failure := outcomeDelivered, ""
	switch {
	case errors.Is(o.Err, producer.ErrNotSent):
		outcome, failure = outcomeNotSent, outcomeNotSent
	case o.Err != nil:
		outcome, failure = outcomeUnknown, outcomeUnknown
	case o.Delivery.Offset >= 0:
		p.span.SetAttributes(semconv.MessagingKafkaOffset(int(o.Delivery.Offset)))
	}
	p.span.SetAttributes(keyOutcome.String(outcome))
	if o.OnWire > 0 {
		p.span.AddEvent(eventWritten, trace.WithTimestamp(time.Now().Add(-o.OnWire)))
	}
	p.end(o.Err, failure)
}

// end ends the span and counts the message. failure is the error.type, or
// empty.
func (p *publish) end(err error, failure string) {
	fail(p.span, err, failure)
	if err != nil {
		p.span.SetAttributes(keyReason.String(string(producer.ReasonOf(err))))
	}
	now := time.Now()
	p.span.End(trace.WithTimestamp(now))
	labels := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(opPublish), semconv.MessagingDestinationName(p.topic),
	}
	if failure != "" {
		labels = append(labels, semconv.ErrorTypeKey.String(failure))
	}
	ctx := trace.ContextWithSpan(context.Background(), p.span) // for exemplars
	set := metric.WithAttributeSet(attribute.NewSet(labels...))
	p.telemetry.metrics.sent.Add(ctx, 1, set)
	set = metric.WithAttributeSet(attribute.NewSet(append(labels, semconv.MessagingOperationTypeSend)...))
	p.telemetry.metrics.operation.Record(ctx, now.Sub(p.begun).Seconds(), set)
}

// fail marks a span as failed, unless err is nil.
func fail(span trace.Span, err error, kind string) {
	if err == nil {
		return
	}
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// transaction makes the span of a transaction at its end. The begin is in the
// event, so no span can stay open.
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
			semconv.MessagingBatchMessageCount(int(e.Messages)), keyTransactional.String(e.TransactionalID), keyResult.String(result)))
	fail(span, e.Err, string(producer.ReasonOf(e.Err)))
	span.End()
	t.metrics.transactions.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(keyResult.String(result))))
}

package opentelemetry

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
)

// Processor returns an option for processors. The option makes a span for each
// message and each batch, and records the metrics of the processor. For the
// messages that the function publishes, give the option of [Telemetry.Producer]
// too.
func (t *Telemetry) Processor() processor.Option {
	return processor.WithHooks(processor.Hooks{
		Polled:      func(ctx context.Context, p processor.Poll) { t.polled(ctx, &p) },
		StartBatch:  t.startBatch,
		EndBatch:    endBatch,
		StartRecord: func(ctx context.Context, r processor.Record) context.Context { return t.startRecord(ctx, &r) },
		EndRecord:   func(ctx context.Context, r processor.Record, e processor.RecordEnd) { t.endRecord(ctx, &r, &e) },
		Rebalanced:  func(_ context.Context, r processor.Rebalance) { t.levels.rebalanced(&r) },
		Lag:         func(_ context.Context, group string, lag []processor.Lag) { t.levels.noteLag(group, lag) },
	})
}

// polled records the time of a poll that returned messages or an error. An
// empty poll is not recorded, because the poll only waited.
func (t *Telemetry) polled(ctx context.Context, p *processor.Poll) {
	if p.Messages == 0 && p.Err == nil {
		return
	}
	labels := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(opPoll), semconv.MessagingOperationTypeReceive,
		semconv.MessagingConsumerGroupName(p.Group),
	}
	if p.Err != nil {
		labels = append(labels, semconv.ErrorTypeKey.String(string(producer.ReasonOf(p.Err))))
	}
	t.metrics.operation.Record(ctx, p.Took.Seconds(), metric.WithAttributeSet(attribute.NewSet(labels...)))
}

type (
	batchKey  struct{}
	recordKey struct{}
)

// maxLinks is the number of links that the SDK keeps by default.
const maxLinks = 128

func (t *Telemetry) startBatch(ctx context.Context, b processor.Batch) context.Context {
	var links []trace.Link
	counts := map[string]int64{}
	for i := range b.Records {
		r := &b.Records[i]
		counts[r.Topic]++
		if len(links) == maxLinks {
			continue
		}
		if there := t.carried(r.Headers); there.IsValid() {
			links = append(links, trace.Link{SpanContext: there, Attributes: []attribute.KeyValue{
				semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.Partition))), semconv.MessagingKafkaOffset(int(r.Offset)),
			}})
		}
	}
	name := opReceive
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(opReceive), semconv.MessagingOperationTypeReceive,
		semconv.MessagingConsumerGroupName(b.Group), semconv.MessagingBatchMessageCount(len(b.Records)),
	}
	for topic, n := range counts {
		if len(counts) == 1 {
			name += " " + topic
			attributes = append(attributes, semconv.MessagingDestinationName(topic))
		}
		t.metrics.consumed.Add(ctx, n, metric.WithAttributes(semconv.MessagingSystemKafka, semconv.MessagingOperationName(opReceive),
			semconv.MessagingDestinationName(topic), semconv.MessagingConsumerGroupName(b.Group)))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...), trace.WithAttributes(attributes...))
	return context.WithValue(ctx, batchKey{}, span)
}

func endBatch(ctx context.Context, _ processor.Batch, e processor.BatchEnd) {
	span, ok := ctx.Value(batchKey{}).(trace.Span)
	if !ok {
		return
	}
	fail(span, e.Err, string(producer.ReasonOf(e.Err)))
	span.End()
}

// startRecord begins the span of a message. The parent is the context in the
// message's headers. The span of the batch becomes a link.
func (t *Telemetry) startRecord(ctx context.Context, r *processor.Record) context.Context {
	var links []trace.Link
	if batch, ok := ctx.Value(batchKey{}).(trace.Span); ok {
		links = append(links, trace.Link{SpanContext: batch.SpanContext()})
	}
	ctx = t.Extract(ctx, r.Headers)
	attributes := append(make([]attribute.KeyValue, 0, 10),
		semconv.MessagingSystemKafka,
		semconv.MessagingOperationName(opProcess),
		semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationName(r.Topic),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.Partition))),
		semconv.MessagingKafkaOffset(int(r.Offset)),
		semconv.MessagingMessageBodySize(r.Bytes-len(r.Key)),
	)
	if r.Group != "" {
		attributes = append(attributes, semconv.MessagingConsumerGroupName(r.Group))
	}
	if r.Tombstone {
		attributes = append(attributes, semconv.MessagingKafkaMessageTombstone(true))
	}
	attributes = t.addKey(attributes, r.Key)
	ctx, span := t.tracer.Start(ctx, opProcess+" "+r.Topic, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(links...), trace.WithAttributes(attributes...))
	return context.WithValue(ctx, recordKey{}, span)
}

func (t *Telemetry) endRecord(ctx context.Context, r *processor.Record, e *processor.RecordEnd) {
	span, ok := ctx.Value(recordKey{}).(trace.Span)
	if !ok {
		return
	}
	labels := append(make([]attribute.KeyValue, 0, 5), semconv.MessagingSystemKafka, semconv.MessagingOperationName(opProcess),
		semconv.MessagingDestinationName(r.Topic))
	if r.Group != "" {
		labels = append(labels, semconv.MessagingConsumerGroupName(r.Group))
	}
	err := e.Err
	if e.Bad != nil {
		span.AddEvent(eventBad)
		span.SetAttributes(keyBad.Bool(true))
		if err == nil {
			err = e.Bad
		}
	}
	if err != nil {
		kind := string(producer.ReasonOf(err))
		fail(span, err, kind)
		labels = append(labels, semconv.ErrorTypeKey.String(kind))
	}
	span.End()
	t.metrics.process.Record(ctx, e.Took.Seconds(), metric.WithAttributeSet(attribute.NewSet(labels...)))
}

// StartProcess begins the span of a message that another consumer has read, for
// example kgo or confluent-kafka-go. The parent of the span is the context in
// the message's headers. Handle the message with the returned context. Then
// call end with the error, or with nil.
func (t *Telemetry) StartProcess(ctx context.Context, r processor.Record) (_ context.Context, end func(err error)) {
	begun := time.Now()
	ctx = t.startRecord(ctx, &r)
	t.metrics.consumed.Add(ctx, 1, metric.WithAttributes(semconv.MessagingSystemKafka, semconv.MessagingOperationName(opReceive),
		semconv.MessagingDestinationName(r.Topic), semconv.MessagingConsumerGroupName(r.Group)))
	return ctx, func(err error) { t.endRecord(ctx, &r, &processor.RecordEnd{Err: err, Took: time.Since(begun)}) }
}

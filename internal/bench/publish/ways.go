package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	confluentserde "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/opentelemetry"
	"github.com/avroline/avroline/producer/prom"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// way is one way to publish.
type way struct {
	name  string
	start func(addrs []string) runner
}

// runner has three functions. send sends the i-th message. wait waits until n
// messages have an outcome. stop ends the run.
type runner struct {
	send func(i int)
	wait func(n int)
	stop func()
}

var ways = []way{
	{"raw", startRaw(true, nil)},                        // Events(), no report fields, reused message, ready bytes; the fastest way with reports
	{"raw-no-reports", startRaw(false, nil)},            // without delivery reports
	{"raw-inflight", startRaw(true, inflight)},          // raw with as many requests in flight as avroline
	{"avroline", startOurs(false, none)},                // a typed event without a callback
	{"avroline-callback", startOurs(true, none)},        // a typed event with a callback for each message
	{"avroline-hooks", startOurs(true, counts)},         // the same with hooks that count
	{"avroline-prom", startOurs(true, metrics)},         // with package prom
	{"avroline-otel-1%", startOurs(true, traces(0.01))}, // with package opentelemetry, 1 of 100 traces is sampled
	{"avroline-otel", startOurs(true, traces(1))},       // every trace is sampled, and the exporter drops it
	{"avroline-franz", startOurs(true, franz)},          // avroline-callback with the transport franz
	{"confluent-avro", startConfluent},                  // avrov2's serializer, a delivery channel for each message
	{"kgo", startKgo(false)},                            // franz-go, ready bytes, a callback for each message
	{"kgo-typed", startKgo(true)},                       // the same, but each event is encoded and framed first
}

// Event is the record. The length of its only string determines the size.
type Event struct {
	Text string `avro:"text"`
}

const eventSchema = `{"type":"record","name":"bench.Event","fields":[{"name":"text","type":"string"}]}`

func (*Event) AvroName() string   { return "bench.Event" }
func (*Event) AvroSchema() string { return eventSchema }
func (e *Event) AppendAvro(dst []byte) ([]byte, error) {
	dst = binary.AppendVarint(dst, int64(len(e.Text)))
	return append(dst, e.Text...), nil
}

// UnmarshalAvro reads what AppendAvro has written.
func (e *Event) UnmarshalAvro(data []byte) error {
	n, at := binary.Varint(data)
	if at <= 0 || n != int64(len(data)-at) {
		return errNot
	}
	e.Text = string(data[at:])
	return nil
}

// UnmarshalAvroPlan is UnmarshalAvro, because there is one schema.
func (e *Event) UnmarshalAvroPlan(_ *avrobin.Plan, data []byte) error { return e.UnmarshalAvro(data) }

// inputs returns 1,024 events. All ways send the same events.
func inputs() (events []*Event, values, keys [][]byte) {
	for i := range 1024 {
		text := strings.Repeat(string(rune('a'+i%26)), 1) + fmt.Sprintf("%08x", i*2654435761)
		text = strings.Repeat(text, *size/len(text)+1)[:*size-5-2]
		e := &Event{text}
		value := []byte{0, 0, 0, 0, 1}
		value, _ = e.AppendAvro(value)
		events, values = append(events, e), append(values, value)
		var key []byte
		if *keyed {
			key = fmt.Appendf(nil, "key-%08d", i*7919)
		}
		keys = append(keys, key)
	}
	return events, values, keys
}

// confluentEvent is the same record with its schema. Package avrov2 is fastest
// with such a type.
type confluentEvent struct {
	Text string `avro:"text"`
}

var confluentSchema = avro.MustParse(eventSchema)

func (*confluentEvent) Schema() avro.Schema { return confluentSchema }

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func confluentConfig(addrs []string) *kafka.ConfigMap {
	c := &kafka.ConfigMap{
		"bootstrap.servers": strings.Join(addrs, ","), "acks": "all", "enable.idempotence": true, "linger.ms": *linger,
		"delivery.timeout.ms": 0, "partitioner": "murmur2_random", "enable.metrics.push": false, "log_level": 3,
		"compression.type": *compression,
	}
	if *buffer > 0 {
		check(c.SetKey("queue.buffering.max.messages", *buffer))
	}
	return c
}

// produce waits while the client's queue is full.
func produce(p *kafka.Producer, m *kafka.Message, ch chan kafka.Event) {
	for {
		err := p.Produce(m, ch)
		if err == nil {
			return
		}
		if full := new(kafka.Error); !errors.As(err, full) || full.Code() != kafka.ErrQueueFull {
			panic(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// tally counts delivery reports.
type tally struct {
	seen atomic.Int64
	want atomic.Int64
	done chan struct{}
}

func newTally() *tally { return &tally{done: make(chan struct{}, 1)} }

func (t *tally) one(err error) {
	if err != nil {
		panic(err)
	}
	if t.seen.Add(1) == t.want.Load() {
		t.done <- struct{}{}
	}
}

func (t *tally) wait(n int) {
	t.want.Store(int64(n))
	for t.seen.Load() < int64(n) { // a signal may belong to an earlier wait
		<-t.done
	}
}

// readReports gives the error of each delivery report to each, until the end of
// the producer.
func readReports(p *kafka.Producer, each func(error)) {
	for e := range p.Events() {
		if m, ok := e.(*kafka.Message); ok {
			each(m.TopicPartition.Error)
		}
	}
}

// startRaw uses confluent-kafka-go alone. inflight is the number of requests in
// flight per broker; nil: the library's own, which is 5.
func startRaw(reports bool, inflight *int) func([]string) runner {
	return func(addrs []string) runner {
		_, values, keys := inputs()
		c := confluentConfig(addrs)
		_ = c.SetKey("go.delivery.report.fields", "none")
		_ = c.SetKey("go.delivery.reports", reports)
		if inflight != nil {
			_ = c.SetKey("max.in.flight", *inflight)
		}
		p := must(kafka.NewProducer(c))
		all := newTally()
		go readReports(p, all.one)
		names := topicNames()
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Partition: kafka.PartitionAny}}
		wait := all.wait
		if !reports {
			wait = func(int) { p.Flush(60_000) }
		}
		return runner{func(i int) {
			m.TopicPartition.Topic, m.Key, m.Value = &names[i%len(names)], keys[i&1023], values[i&1023]
			produce(p, m, nil)
		}, wait, p.Close}
	}
}

// franz chooses the transport franz.
func franz() producer.Option { return producer.WithTransport(producer.Franz) }

// none, counts, metrics and traces return the observers of avroline's producer.
func none() producer.Option { return producer.Option{} }

// counts returns hooks that only count. The token is a pointer, so a message
// allocates nothing.
func counts() producer.Option {
	var c struct{ started, refused, accepted, ended atomic.Int64 }
	return producer.WithHooks(producer.Hooks{
		Start:    func(context.Context, *producer.Start) any { c.started.Add(1); return &c },
		Refused:  func(any, error) { c.refused.Add(1) },
		Accepted: func(any, int) { c.accepted.Add(1) },
		Outcome:  func(any, producer.Outcome) { c.ended.Add(1) },
	})
}

func metrics() producer.Option { return prom.New().Producer("bench") }

// traces samples a share of the traces, and the exporter drops the spans. Each
// message has the header traceparent, which takes 66 bytes.
func traces(share float64) func() producer.Option {
	return func() producer.Option {
		tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}), sdktrace.WithSampler(sdktrace.TraceIDRatioBased(share)))
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		return must(opentelemetry.New(opentelemetry.WithTracerProvider(tracers), opentelemetry.WithMeterProvider(meters))).Producer()
	}
}

// discard is an exporter that drops the spans.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// ownBuffer returns the option for the flag buffer.
func ownBuffer() producer.Option {
	if *buffer == 0 {
		return none()
	}
	return producer.WithMaxInFlight(*buffer, 1<<30)
}

func startOurs(callbacks bool, observe func() producer.Option) func([]string) runner {
	return func(addrs []string) runner {
		events, _, keys := inputs()
		ser := must(serde.NewSerializer(new(registry)))
		p := must(producer.New(addrs, ser, producer.WithLinger(time.Duration(*linger)*time.Millisecond),
			producer.WithCompression(producer.Compression(*compression)), ownBuffer(), producer.WithInFlightRequests(*inflight), observe()))
		next := 0
		key := producer.NoKey[*Event]()
		if *keyed {
			key = producer.KeyBytes(func(_ *Event, dst []byte) []byte { return append(dst, keys[next]...) })
		}
		var topics []*producer.Topic[*Event]
		for _, name := range topicNames() {
			topics = append(topics, producer.NewTopic(name, key))
		}
		ctx := context.Background()
		all := newTally()
		var callback producer.Callback
		if callbacks {
			callback = func(_ producer.Delivery, err error) { all.one(err) }
		}
		wait := all.wait
		if !callbacks {
			wait = func(int) { check(p.Flush(ctx)) }
		}
		return runner{func(i int) {
			next = i & 1023
			check(topics[i%len(topics)].PublishAsync(ctx, p, events[next], callback))
		}, wait, func() { check(p.Close(ctx)) }}
	}
}

func startConfluent(addrs []string) runner {
	inputs, _, keys := inputs()
	events := make([]*confluentEvent, len(inputs))
	for i, e := range inputs {
		events[i] = &confluentEvent{e.Text}
	}
	client := must(schemaregistry.NewClient(schemaregistry.NewConfig("mock://bench")))
	ser := must(avrov2.NewSerializer(client, confluentserde.ValueSerde, avrov2.NewSerializerConfig()))
	p := must(kafka.NewProducer(confluentConfig(addrs)))
	all := newTally()
	go func() {
		for range p.Events() {
		}
	}()
	names := topicNames()
	return runner{func(i int) {
		value := must(ser.Serialize(topicName, events[i&1023]))
		ch := make(chan kafka.Event, 1)
		produce(p, &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &names[i%len(names)], Partition: kafka.PartitionAny}, Key: keys[i&1023], Value: value,
		}, ch)
		go func() { all.one((<-ch).(*kafka.Message).TopicPartition.Error) }()
	}, all.wait, p.Close}
}

// kgoConfig is the counterpart of confluentConfig, with further options.
func kgoConfig(addrs []string, more ...kgo.Opt) []kgo.Opt {
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[*compression]
	opts := []kgo.Opt{
		kgo.SeedBrokers(addrs...), kgo.ProducerLinger(time.Duration(*linger) * time.Millisecond), kgo.ProducerBatchCompression(codec),
	}
	if *buffer > 0 {
		opts = append(opts, kgo.MaxBufferedRecords(*buffer))
	}
	return append(opts, more...)
}

// frame encodes an event behind the prefix of ready, in new memory, because kgo
// keeps the bytes until the outcome.
func frame(e *Event, ready []byte) []byte {
	return must(e.AppendAvro(append(make([]byte, 0, *size), ready[:5]...)))
}

// startKgo uses franz-go alone. If typed is true, each message is encoded and
// framed first.
func startKgo(typed bool) func([]string) runner {
	return func(addrs []string) runner {
		events, values, keys := inputs()
		cl := must(kgo.NewClient(kgoConfig(addrs)...))
		all := newTally()
		ctx := context.Background()
		names := topicNames()
		return runner{func(i int) {
			value := values[i&1023]
			if typed {
				value = frame(events[i&1023], value)
			}
			cl.Produce(ctx, &kgo.Record{Topic: names[i%len(names)], Key: keys[i&1023], Value: value}, func(_ *kgo.Record, err error) { all.one(err) })
		}, all.wait, cl.Close}
	}
}

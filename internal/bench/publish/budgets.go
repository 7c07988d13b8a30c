package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/serde"
)

// inTurn runs each way once per round, in turn, and prints the medians of the
// results and the ratios to the client of the same transport.
func inTurn(unit string, all []string, run func(name string) float64) {
	names := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !chosen(name) })
	results := map[string][]float64{}
	for round := range *rounds {
		for i := range names {
			name := names[(i+round)%len(names)]
			results[name] = append(results[name], run(name))
		}
	}
	fmt.Printf("| way | %s | ratio |\n|---|---|---|\n", unit)
	for _, name := range names {
		base := "raw"
		if strings.HasPrefix(name, "kgo") || name == "avroline-franz" {
			base = "kgo"
		}
		ratio := ""
		if len(results[base]) > 0 && results[base][0] > 0 {
			var ratios []float64
			for round := range *rounds {
				ratios = append(ratios, results[name][round]/results[base][round])
			}
			slices.Sort(ratios)
			ratio = fmt.Sprintf("%.2f x %s", ratios[len(ratios)/2], base)
		}
		all := slices.Sorted(slices.Values(results[name]))
		fmt.Printf("| %s | %.1f | %s |\n", name, all[len(all)/2], ratio)
	}
}

// transports are the ways to produce in the modes below: ours on both
// transports, and the client of each transport alone. The way kgo-typed
// encodes and frames each event, and a processor also decodes the event that it
// has read. So kgo-typed is the limit of a typed producer on kgo's producer.
var (
	transports     = []string{"raw", "avroline", "kgo", "avroline-franz"}
	withTypedBound = append(slices.Clone(transports), "kgo-typed")
)

func transportOf(name string) producer.Option {
	if name == "avroline-franz" {
		return franz()
	}
	return none()
}

// firstDelivery measures the time from the making of a producer to its first
// delivery, without Prepare.
func firstDelivery(addrs []string) {
	events, values, _ := inputs()
	ctx := context.Background()
	fmt.Println("first delivery of a new producer")
	inTurn("ms", transports, func(name string) float64 {
		begun := time.Now()
		var took time.Duration
		switch name {
		case "raw":
			c := confluentConfig(addrs)
			p := must(kafka.NewProducer(c))
			topic, done := topicName, make(chan kafka.Event, 1)
			produce(p, &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}, Value: values[0]}, done)
			if err := (<-done).(*kafka.Message).TopicPartition.Error; err != nil {
				panic(err)
			}
			took = time.Since(begun)
			p.Close()
		case "kgo":
			cl := must(kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(topicName)))
			check(cl.ProduceSync(ctx, &kgo.Record{Value: values[0]}).FirstErr())
			took = time.Since(begun)
			cl.Close()
		default:
			p := must(producer.New(addrs, must(serde.NewSerializer(new(registry))), transportOf(name)))
			must(producer.NewTopic(topicName, producer.NoKey[*Event]()).Publish(ctx, p, events[0]))
			took = time.Since(begun)
			check(p.Close(ctx))
		}
		return float64(took.Microseconds()) / 1000
	})
}

// idleMemory measures the Go memory of a partition that was used and has no
// message in flight. The memory of librdkafka is not counted.
func idleMemory(addrs []string) {
	events, values, _ := inputs()
	ctx := context.Background()
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	n := len(topicNames()) * *partitions
	fmt.Printf("Go memory of %d idle partitions\n", n)
	inTurn("bytes a partition", transports, func(name string) float64 {
		var send func(topic string, partition int)
		var stop func()
		done := newTally()
		switch name {
		case "raw":
			p := must(kafka.NewProducer(confluentConfig(addrs)))
			go readReports(p, done.one)
			send = func(topic string, partition int) {
				produce(p, &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: int32(partition)}, Value: values[0]}, nil)
			}
			stop = p.Close
		case "kgo":
			cl := must(kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner())))
			send = func(topic string, partition int) {
				cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(partition), Value: values[0]}, func(_ *kgo.Record, err error) { done.one(err) })
			}
			stop = cl.Close
		default:
			p := must(producer.New(addrs, must(serde.NewSerializer(new(registry))), transportOf(name)))
			topics := map[string]*producer.Topic[*Event]{inputName: producer.NewTopic(inputName, producer.NoKey[*Event]())}
			for _, topic := range topicNames() {
				topics[topic] = producer.NewTopic(topic, producer.NoKey[*Event]())
			}
			send = func(topic string, partition int) {
				m := producer.Message[*Event]{Value: events[0], Partition: producer.ToPartition(int32(partition))}
				check(topics[topic].SendAsync(ctx, p, m, func(_ producer.Delivery, err error) { done.one(err) }))
			}
			stop = func() { check(p.Close(ctx)) }
		}
		// A message to another topic makes everything that does not depend on
		// the number of partitions.
		send(inputName, 0)
		done.wait(1)
		before := heap()
		for _, topic := range topicNames() {
			for partition := range *partitions {
				send(topic, partition)
			}
		}
		done.wait(1 + n)
		bytes := heap() - before
		stop()
		return float64(bytes) / float64(n)
	})
}

// transactions measures the rate in transactions.
func transactions(addrs []string) {
	inTx := *perTx
	events, values, _ := inputs()
	ctx := context.Background()
	fmt.Printf("transactions of %d messages\n", inTx)
	inTurn("k msg/s", withTypedBound, func(name string) float64 {
		id := fmt.Sprintf("bench-%s-%d", name, time.Now().UnixNano())
		topic := topicName
		var one func()
		var stop func()
		switch name {
		case "raw":
			c := confluentConfig(addrs)
			_ = c.SetKey("transactional.id", id)
			_ = c.SetKey("go.delivery.report.fields", "none")
			p := must(kafka.NewProducer(c))
			go readReports(p, check)
			check(p.InitTransactions(ctx))
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}}
			one = func() {
				check(p.BeginTransaction())
				for i := range inTx {
					m.Value = values[i&1023]
					produce(p, m, nil)
				}
				check(p.CommitTransaction(ctx))
			}
			stop = p.Close
		case "kgo", "kgo-typed":
			typed := name == "kgo-typed"
			cl := must(kgo.NewClient(kgoConfig(addrs, kgo.TransactionalID(id), kgo.DefaultProduceTopic(topicName))...))
			one = func() {
				check(cl.BeginTransaction())
				for i := range inTx {
					value := values[i&1023]
					if typed {
						value = frame(events[i&1023], value)
					}
					cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) { check(err) })
				}
				check(cl.Flush(ctx))
				check(cl.EndTransaction(ctx, kgo.TryCommit))
			}
			stop = cl.Close
		default:
			p := must(producer.NewTransactional(addrs, id, must(serde.NewSerializer(new(registry))), transportOf(name),
				producer.WithLinger(time.Duration(*linger)*time.Millisecond), producer.WithCompression(producer.Compression(*compression))))
			t := producer.NewTopic(topicName, producer.NoKey[*Event]())
			one = func() {
				check(p.InTx(ctx, func(tx *producer.Tx) error {
					for i := range inTx {
						if err := t.Add(ctx, tx, events[i&1023]); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			stop = func() { check(p.Close(ctx)) }
		}
		one() // connections, the producer id
		begun := time.Now()
		for range *count / inTx {
			one()
		}
		took := time.Since(begun)
		stop()
		return float64(*count/inTx*inTx) / took.Seconds() / 1000
	})
}

// process measures the rate of reading a topic, and of writing one message for
// each message together with the offsets, in transactions of at most 500
// messages.
func process(addrs []string) {
	const inTx = 500
	ctx := context.Background()
	out := topicName
	in := inputName
	events, _, _ := inputs()
	fill := must(producer.New(addrs, must(serde.NewSerializer(new(registry)))))
	source := producer.NewTopic(in, producer.NoKey[*Event]())
	for i := range *count {
		check(source.PublishAsync(ctx, fill, events[i&1023], nil))
	}
	check(fill.Close(ctx))
	fmt.Printf("a processor, %d messages in transactions of at most %d\n", *count, inTx)
	inTurn("k msg/s", withTypedBound, func(name string) float64 {
		id := fmt.Sprintf("bench-%s-%d", name, time.Now().UnixNano())
		var begun time.Time
		var took time.Duration
		done := 0
		// The time begins with the first message, after the join of the group,
		// and ends with the commit of the last message.
		seen := func(n int) (over bool) {
			if begun.IsZero() {
				begun = time.Now()
			}
			done += n
			took = time.Since(begun)
			return done >= *count
		}
		switch name {
		case "raw":
			processRaw(ctx, addrs, id, in, out, inTx, seen)
		case "kgo", "kgo-typed":
			processKgo(ctx, addrs, id, in, out, inTx, name == "kgo-typed", seen)
		default:
			ser, des := must(serde.NewSerializer(new(registry))), must(serde.NewDeserializer[Event](new(registry)))
			to := producer.NewTopic(out, producer.NoKey[*Event]())
			run, cancel := context.WithCancel(ctx)
			p := must(processor.New(addrs, id, id, []string{in}, des, ser, func(ctx context.Context, tx *producer.Tx, m processor.Consumed[Event]) error {
				if begun.IsZero() {
					seen(0)
				}
				return to.Add(ctx, tx, m.Value)
			}, processor.WithProducer(transportOf(name), producer.WithLinger(time.Duration(*linger)*time.Millisecond), producer.WithCompression(producer.Compression(*compression))), processor.WithBatch(inTx, 1<<20, 100*time.Millisecond),
				processor.WithHooks(processor.Hooks{EndBatch: func(_ context.Context, b processor.Batch, e processor.BatchEnd) {
					if e.Err == nil && seen(len(b.Records)) {
						cancel()
					}
				}})))
			_ = p.Run(run)
			cancel()
		}
		return float64(*count) / took.Seconds() / 1000
	})
}

func processRaw(ctx context.Context, addrs []string, id, in, out string, inTx int, seen func(int) bool) {
	c := must(kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(addrs, ","), "group.id": id, "auto.offset.reset": "earliest", "enable.auto.commit": false,
		"isolation.level": "read_committed", "enable.metrics.push": false,
	}))
	check(c.Subscribe(in, nil))
	config := confluentConfig(addrs)
	_ = config.SetKey("transactional.id", id)
	_ = config.SetKey("go.delivery.report.fields", "none")
	p := must(kafka.NewProducer(config))
	go readReports(p, check)
	check(p.InitTransactions(ctx))
	for over := false; !over; {
		offsets := map[int32]kafka.Offset{}
		n := 0
		for until := time.Now().Add(100 * time.Millisecond); n < inTx && (n == 0 || time.Now().Before(until)); {
			m, ok := c.Poll(10).(*kafka.Message)
			if !ok {
				continue
			}
			if n == 0 {
				check(p.BeginTransaction())
				seen(0)
			}
			n++
			offsets[m.TopicPartition.Partition] = m.TopicPartition.Offset + 1
			produce(p, &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &out, Partition: kafka.PartitionAny}, Value: m.Value}, nil)
		}
		var list []kafka.TopicPartition
		for partition, offset := range offsets {
			list = append(list, kafka.TopicPartition{Topic: &in, Partition: partition, Offset: offset})
		}
		check(p.SendOffsetsToTransaction(ctx, list, must(c.GetConsumerGroupMetadata())))
		check(p.CommitTransaction(ctx))
		over = seen(n)
	}
	p.Close()
	_ = c.Close()
}

func processKgo(ctx context.Context, addrs []string, id, in, out string, inTx int, typed bool, seen func(int) bool) {
	s := must(kgo.NewGroupTransactSession(kgoConfig(addrs, kgo.TransactionalID(id), kgo.ConsumerGroup(id), kgo.ConsumeTopics(in),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DefaultProduceTopic(out))...))
	for over := false; !over; {
		fetches := s.PollRecords(ctx, inTx)
		if fetches.NumRecords() == 0 {
			continue
		}
		check(s.Begin())
		seen(0)
		fetches.EachRecord(func(r *kgo.Record) {
			value := r.Value
			if typed {
				e := new(Event)
				check(e.UnmarshalAvro(value[5:]))
				value = frame(e, value)
			}
			s.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) { check(err) })
		})
		if committed, err := s.End(ctx, kgo.TryCommit); err != nil || !committed {
			panic(fmt.Sprint(committed, err))
		}
		over = seen(fetches.NumRecords())
	}
	s.Close()
}

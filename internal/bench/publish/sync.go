package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// latencies compares two ways in which one goroutine publishes and waits, with
// linger 0. The first way is avroline. The second way is confluent-kafka-go
// with one reused delivery channel.
func latencies(addrs []string) {
	*linger = 0
	events, values, _ := inputs()
	c := confluentConfig(addrs)
	raw := must(kafka.NewProducer(c))
	name := topicName
	ch := make(chan kafka.Event, 1)
	m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: kafka.PartitionAny}}
	p := must(producer.New(addrs, must(serde.NewSerializer(new(registry))), producer.WithLinger(0)))
	topic := producer.NewTopic(topicName, producer.NoKey[*Event]())
	ctx := context.Background()
	ways := []struct {
		name string
		one  func(i int)
		took []time.Duration
	}{
		{name: "raw", one: func(i int) {
			m.Value = values[i&1023]
			produce(raw, m, ch)
			if err := (<-ch).(*kafka.Message).TopicPartition.Error; err != nil {
				panic(err)
			}
		}},
		{name: "avroline", one: func(i int) { must(topic.Publish(ctx, p, events[i&1023])) }},
	}
	for i := range 100 { // opens connections and loads metadata
		ways[i%2].one(i)
	}
	for i := range *count {
		w := &ways[i%2] // alternate, so that the load of the machine is the same for both
		begun := time.Now()
		w.one(i)
		w.took = append(w.took, time.Since(begun))
	}
	fmt.Printf("synchronous, linger 0, %d messages of %d B\n\n| way | p50 us | p90 us | p99 us | p50 x raw |\n|---|---|---|---|---|\n", *count, *size)
	at := func(took []time.Duration, q float64) float64 {
		slices.Sort(took)
		return float64(took[int(float64(len(took)-1)*q)].Nanoseconds()) / 1e3
	}
	base := at(ways[0].took, 0.5)
	for _, w := range ways {
		fmt.Printf("| %s | %.0f | %.0f | %.0f | %.2f |\n", w.name, at(w.took, 0.5), at(w.took, 0.9), at(w.took, 0.99), at(w.took, 0.5)/base)
	}
	raw.Close()
	if err := p.Close(ctx); err != nil {
		panic(err)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/producer"
)

// ready holds the events for a client without types. Each event is framed and
// has its key.
type ready struct {
	keys, values [][]byte
	mean         int // average bytes of a key and a value
}

func readyMade() (ready, error) {
	var r ready
	total := 0
	for _, e := range events() {
		value, err := e.AppendAvro([]byte{0, 0, 0, 0, 1})
		if err != nil {
			return r, err
		}
		r.keys, r.values = append(r.keys, []byte(e.Visitor)), append(r.values, value)
		total += len(e.Visitor) + len(value)
	}
	r.mean = total / len(r.values)
	return r, nil
}

// client is one row of the table. run returns the messages a second.
type client struct {
	name string
	run  func() (float64, error)
}

// rawName is the row to which the others are compared.
const rawName = "confluent-kafka-go, ready bytes, its fastest way"

// million sends a million messages through every client, in turn, and prints
// the median rates side by side. All clients send the same bytes under the same
// keys, so the messages go to the same partitions. Java's tool has no keys. Its
// values contain the bytes of the keys.
func million(ctx context.Context, c *kafkacluster.Cluster) error {
	const topic = "million"
	if err := c.CreateTopic(ctx, topic, partitions, nil); err != nil {
		return err
	}
	n := *count * 3
	input, err := readyMade()
	if err != nil {
		return err
	}
	clients := []client{
		{"avroline, typed events", func() (float64, error) {
			return flatOut(ctx, c.Addrs(), topic, n, []producer.Option{producer.WithMaxInFlight(500_000, 256<<20)})
		}},
		{"avroline, typed events, transport franz", func() (float64, error) {
			return flatOut(ctx, c.Addrs(), topic, n, []producer.Option{producer.WithMaxInFlight(500_000, 256<<20), producer.WithTransport(producer.Franz)})
		}},
		{rawName, func() (float64, error) { return raw(c.Addrs(), topic, n, input) }},
		{"franz-go, ready bytes", func() (float64, error) { return franz(ctx, c.Addrs(), topic, n, input) }},
		{"Java's ProducerPerformance, ready bytes", func() (float64, error) { return java(ctx, c.Addrs(), topic, n, input.mean) }},
	}
	rates := make([][]float64, len(clients))
	for range *rounds {
		for i, cl := range clients {
			rate, err := cl.run()
			if err != nil {
				return fmt.Errorf("%s: %w", cl.name, err)
			}
			rates[i] = append(rates[i], rate)
		}
	}
	fmt.Printf("\n| %d messages of %d bytes, acks all, idempotent | messages/s | beside confluent-kafka-go |\n|---|---|---|\n", n, input.mean)
	middle := make([]float64, len(clients))
	for i := range clients {
		slices.Sort(rates[i])
		middle[i] = rates[i][len(rates[i])/2]
	}
	base := slices.IndexFunc(clients, func(c client) bool { return c.name == rawName })
	for i, cl := range clients {
		fmt.Printf("| %s | %.0f | %.2f |\n", cl.name, middle[i], middle[i]/middle[base])
	}
	return nil
}

// raw is the fastest way of confluent-kafka-go. The reports on the events
// channel have no fields, and all calls use the same message.
func raw(brokers []string, topic string, n int, input ready) (float64, error) {
	p, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(brokers, ","), "enable.idempotence": true, "acks": "all", "linger.ms": 5,
		"delivery.timeout.ms": 0, "queue.buffering.max.messages": 500_000, "queue.buffering.max.kbytes": 1 << 20,
		"partitioner": "murmur2_random", "go.delivery.report.fields": "none", "enable.metrics.push": false,
	})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var failed atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		left := n
		for e := range p.Events() {
			m, ok := e.(*kafka.Message)
			if !ok {
				continue
			}
			if m.TopicPartition.Error != nil {
				failed.Add(1)
			}
			if left--; left == 0 {
				return
			}
		}
	}()
	name := topic
	m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: kafka.PartitionAny}}
	begin := time.Now()
	for i := range n {
		m.Key, m.Value = input.keys[i%len(input.keys)], input.values[i%len(input.values)]
		for {
			err := p.Produce(m, nil)
			if err == nil {
				break
			}
			if full := new(kafka.Error); !errors.As(err, full) || full.Code() != kafka.ErrQueueFull {
				return 0, err
			}
			time.Sleep(time.Millisecond)
		}
	}
	<-done
	if failed.Load() > 0 {
		return 0, fmt.Errorf("%d failed", failed.Load())
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

func franz(ctx context.Context, brokers []string, topic string, n int, input ready) (float64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(500_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	var failed atomic.Pointer[error]
	begin := time.Now()
	for i := range n {
		cl.Produce(ctx, &kgo.Record{Key: input.keys[i%len(input.keys)], Value: input.values[i%len(input.values)]}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return 0, err
	}
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

var javaRate = regexp.MustCompile(`(\d+) records sent, ([0-9.]+) records/sec`)

func java(ctx context.Context, brokers []string, topic string, n, size int) (float64, error) {
	libs, err := kafkacluster.Jars(ctx)
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "java", "-Xmx512m", "-cp", filepath.Join(libs, "*"), "org.apache.kafka.tools.ProducerPerformance",
		"--topic", topic, "--num-records", strconv.Itoa(n), "--record-size", strconv.Itoa(size), "--throughput", "-1",
		"--producer-props", "bootstrap.servers="+strings.Join(brokers, ","), "acks=all", "linger.ms=5", "batch.size=900000", "buffer.memory=268435456").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	all := javaRate.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return 0, fmt.Errorf("no rate in %s", out)
	}
	return strconv.ParseFloat(string(all[len(all)-1][2]), 64)
}

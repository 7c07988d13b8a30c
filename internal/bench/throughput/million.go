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

const payload = 100 // bytes, for clients that have no events

// million asks every client for a million messages, in turn, and prints the
// median rates beside each other.
func million(ctx context.Context, c *kafkacluster.Cluster) error {
	const topic = "million"
	if err := c.CreateTopic(ctx, topic, partitions, nil); err != nil {
		return err
	}
	n := *count * 3
	clients := []struct {
		name string
		run  func() (float64, error)
	}{
		{"avroline, typed events", func() (float64, error) {
			return flatOut(ctx, c.Addrs(), topic, n, []producer.Option{producer.WithMaxInFlight(500_000, 256<<20)})
		}},
		{"confluent-kafka-go, ready bytes, its fastest way", func() (float64, error) { return raw(c.Addrs(), topic, n) }},
		{"franz-go, ready bytes", func() (float64, error) { return franz(ctx, c.Addrs(), topic, n) }},
		{"Java's ProducerPerformance, ready bytes", func() (float64, error) { return java(ctx, c.Addrs(), topic, n) }},
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
	fmt.Printf("\n| %d messages, acks all, idempotent | messages/s | beside confluent-kafka-go |\n|---|---|---|\n", n)
	middle := make([]float64, len(clients))
	for i := range clients {
		slices.Sort(rates[i])
		middle[i] = rates[i][len(rates[i])/2]
	}
	for i, cl := range clients {
		fmt.Printf("| %s | %.0f | %.2f |\n", cl.name, middle[i], middle[i]/middle[1])
	}
	return nil
}

// raw is the fastest way that confluent-kafka-go has: reports without fields on
// the events channel, and one message used again.
func raw(brokers []string, topic string, n int) (float64, error) {
	p, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": strings.Join(brokers, ","), "enable.idempotence": true, "acks": "all", "linger.ms": 5,
		"delivery.timeout.ms": 0, "queue.buffering.max.messages": 500_000, "queue.buffering.max.kbytes": 1 << 20,
		"go.delivery.report.fields": "none", "enable.metrics.push": false,
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
	m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: kafka.PartitionAny}, Value: make([]byte, payload)}
	begin := time.Now()
	for i := range n {
		m.TopicPartition.Partition = int32(i / 1000 % partitions)
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

func franz(ctx context.Context, brokers []string, topic string, n int) (float64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(500_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	var failed atomic.Pointer[error]
	value := make([]byte, payload)
	begin := time.Now()
	for range n {
		cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
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

func java(ctx context.Context, brokers []string, topic string, n int) (float64, error) {
	libs, err := kafkacluster.Jars(ctx)
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "java", "-Xmx512m", "-cp", filepath.Join(libs, "*"), "org.apache.kafka.tools.ProducerPerformance",
		"--topic", topic, "--num-records", strconv.Itoa(n), "--record-size", strconv.Itoa(payload), "--throughput", "-1",
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

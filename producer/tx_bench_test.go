//go:build cgo

package producer_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer"
)

const txSize = 1000

// BenchmarkTransaction runs transactions of 1,000 messages of 100 bytes. It
// compares typed records with the raw client and prepared bytes. In both cases
// the broker runs in this process, so only the ratio matters.
func BenchmarkTransaction(b *testing.B) {
	w := brokers(b)
	pad := strings.Repeat("x", 88)
	b.Run("avroline", func(b *testing.B) {
		topic := w.topic("bench", 6)
		events := producer.NewTopic(topic, producer.KeyBytes(func(e *event, dst []byte) []byte { return strconv.AppendInt(dst, e.Seq%64, 10) }))
		tp := w.transactional(newID(b), producer.WithLinger(5*time.Millisecond))
		ctx := b.Context()
		if err := tp.Prepare(ctx, events); err != nil {
			b.Fatal(err)
		}
		e := event{Key: "k", Pad: pad}
		b.ReportAllocs()
		for b.Loop() {
			if err := tp.InTx(ctx, func(tx *producer.Tx) error {
				for i := range txSize {
					e.Seq = int64(i)
					if err := events.Add(ctx, tx, &e); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*txSize/b.Elapsed().Seconds(), "msg/s")
	})
	b.Run("raw", func(b *testing.B) {
		topic := w.topic("bench", 6)
		p, err := kafka.NewProducer(&kafka.ConfigMap{
			"bootstrap.servers": strings.Join(w.addrs, ","), "transactional.id": newID(b), "linger.ms": 5, "partitioner": "murmur2_random",
			"go.delivery.report.fields": "none", "enable.metrics.push": false,
		})
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for range p.Events() {
			}
		}()
		defer p.Close()
		ctx := b.Context()
		if err := p.InitTransactions(ctx); err != nil {
			b.Fatal(err)
		}
		value := []byte(pad + "0123456789ab")
		b.ReportAllocs()
		for b.Loop() {
			if err := p.BeginTransaction(); err != nil {
				b.Fatal(err)
			}
			for i := range txSize {
				if err := p.Produce(&kafka.Message{
					TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}, Key: strconv.AppendInt(nil, int64(i%64), 10), Value: value,
				}, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.CommitTransaction(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*txSize/b.Elapsed().Seconds(), "msg/s")
	})
}

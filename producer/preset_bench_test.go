package producer_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer"
)

// BenchmarkPreset compares the presets, for a stream of messages of 100 bytes
// and for single messages.
func BenchmarkPreset(b *testing.B) {
	w := brokers(b)
	for _, preset := range []struct {
		name string
		opt  producer.Option
	}{{"LowLatency", producer.LowLatency()}, {"Balanced", producer.Balanced()}, {"HighThroughput", producer.HighThroughput()}} {
		topic := w.topic("bench", 6)
		events := producer.NewTopic(topic, producer.KeyBytes(func(e *event, dst []byte) []byte { return strconv.AppendInt(dst, e.Seq%64, 10) }))
		e := event{Key: "k", Pad: strings.Repeat("x", 88)}
		b.Run(preset.name+"/stream", func(b *testing.B) {
			p := newProducer(b, w.addrs, preset.opt)
			if err := p.Prepare(b.Context(), events); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				e.Seq++
				if err := events.PublishAsync(b.Context(), p, &e, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
		b.Run(preset.name+"/one", func(b *testing.B) {
			p := newProducer(b, w.addrs, preset.opt)
			if err := p.Prepare(b.Context(), events); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := events.Publish(b.Context(), p, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package source_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
)

const benchLines = 200_000

// benchParse makes the event of a line.
func benchParse(e *copytest.Event, number int64, text []byte) {
	key, rest, _ := bytes.Cut(text, []byte{' '})
	e.Key, e.Seq, e.Pad = string(key), number, string(rest)
}

// BenchmarkSource publishes a file of lines of about 100 bytes in transactions
// of 1,000. The benchmark compares a source with a loop of InTx calls. Both
// sides parse in the same way, and both use a broker in the test process. Only
// the ratio of the two results matters.
func BenchmarkSource(b *testing.B) {
	w := copytest.Brokers(b)
	file := filepath.Join(b.TempDir(), "log")
	var text bytes.Buffer
	for i := range benchLines {
		fmt.Fprintf(&text, "10.0.%d.%d - - [26/Nov/2026:12:00:00 +0000] \"GET /index.html?page=%d HTTP/1.1\" 200 5120\n", i/250%250, i%250, i)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	reg := &workload.Registry{}
	producerOptions := []producer.Option{producer.WithLinger(5 * time.Millisecond)}
	b.Run("Source", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			out := producer.NewTopic(w.Topic("lines", 6), producer.KeyBy(copytest.ByKey))
			s, err := source.New(w.Addrs, copytest.NewID(b), source.Files([]string{file}), reg, copytest.Serializer(b, reg),
				source.WithCheckpoints(compacted(w, 1)), source.WithProducer(producerOptions...))
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Prepare(copytest.Ctx(b), out); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			var e copytest.Event
			if err := s.Run(copytest.Ctx(b), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
				benchParse(&e, l.Number, l.Text)
				return out.Add(ctx, tx, &e)
			}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := s.Close(copytest.Ctx(b)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(b.N)*benchLines/b.Elapsed().Seconds(), "lines/s")
	})
	b.Run("InTx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			out := producer.NewTopic(w.Topic("lines", 6), producer.KeyBy(copytest.ByKey))
			tp, err := producer.NewTransactional(w.Addrs, copytest.NewID(b), copytest.Serializer(b, reg), producerOptions...)
			if err != nil {
				b.Fatal(err)
			}
			if err := tp.Prepare(copytest.Ctx(b), out); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			byHand(b, tp, out, file)
			b.StopTimer()
			if err := tp.Close(copytest.Ctx(b)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(b.N)*benchLines/b.Elapsed().Seconds(), "lines/s")
	})
}

// byHand publishes the lines of a file in transactions of 1,000.
func byHand(b *testing.B, tp *producer.Transactional, out *producer.Topic[*copytest.Event], file string) {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ctx := copytest.Ctx(b)
	lines := bufio.NewScanner(f)
	var e copytest.Event
	number := int64(0)
	for more := true; more; {
		if err := tp.InTx(ctx, func(tx *producer.Tx) error {
			for range 1000 {
				if more = lines.Scan(); !more {
					return lines.Err()
				}
				number++
				benchParse(&e, number, lines.Bytes())
				if err := out.Add(ctx, tx, &e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
